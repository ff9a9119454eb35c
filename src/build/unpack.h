// Unpacking archives that a build is given: the context of a classic client, and local archives
// that ADD names. Strangers' bytes: limits hold, nothing leaves the directory. Blocking.
#pragma once

#include "archive/extract.h"

#include <atomic>
#include <string>

namespace shoal::build {

inline constexpr archive::Limits context_limits{.bytes_max = 64ull << 30, .entries_max = 2'000'000};

/// A context's tar, compressed or not, into an empty directory; everything belongs to 0:0. Gives
/// true, so that it can be the end of a chain of questions. Fails: as archive::extract.
Result<bool> unpack_context(archive::Source source, const std::string& directory,
                            const std::atomic<bool>* cancelled);

/// Is the file (positioned anywhere) a tar, possibly compressed, as ADD unpacks it?
bool is_archive(const os::Fd& file);

} // namespace shoal::build
