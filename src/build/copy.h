// Copies files of one tree into another the way COPY does: owners, modes, times and extended
// attributes as asked, links kept, nothing followed out of either root, what stands in the way
// replaced. Blocking; runs on the pool.
#pragma once

#include "build/owner.h"
#include "build/tree.h"

#include <optional>

namespace shoal::build {

struct CopyRules {
    std::optional<Owner> owner; ///< nothing: the source's
    ModeChange mode;
    const dockerfile::PatternList* exclude = nullptr;
    bool parents = false; ///< items' names are paths to be kept below the destination
    bool devices = false; ///< device nodes are copied; else they are refused
    /// Files at least this long are not copied but left empty, and named in `deferred`, when the
    /// source has just the owner and mode that is wanted; 0 never.
    std::int64_t defer_from_bytes = 0;
    const std::atomic<bool>* cancelled = nullptr;
};

/// A file whose content is to come from a hard link to `source`.
struct Deferred {
    std::string source; ///< within the source root
    std::string target; ///< within the destination root
};

struct CopyTarget {
    const os::Fd* root = nullptr; ///< of the destination
    std::string path;             ///< absolute within it; "/" at its end asks for a directory
};

/// Fails: Invalid ("cannot copy to non-directory: ..."), Exhausted when the disk is full.
Result<std::vector<Deferred>> copy_selected(const os::Fd& source,
                                            const std::vector<Selected>& items,
                                            const CopyTarget& target, const CopyRules& rules);

/// Replaces the placeholders beneath `upper_root`: by links, or by copies where links cannot be.
Result<void> link_deferred(const os::Fd& source, const os::Fd& upper_root,
                           const std::vector<Deferred>& files);

/// mkdir -p beneath `root` as a process within it would; new directories belong to `owner`. Fails:
/// Invalid when something else stands there.
Result<os::Fd> ensure_path(const os::Fd& root, std::string_view path, Owner owner,
                           std::uint32_t mode = 0755);

/// Writes one file of the Dockerfile's own (COPY <<EOF).
struct InlineTarget {
    Owner owner;
    std::uint32_t mode = 0644;
};
Result<void> write_inline(const CopyTarget& target, const std::string& name,
                          std::string_view content, bool into_directory, InlineTarget how);

} // namespace shoal::build
