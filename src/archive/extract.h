// Puts a tar stream of a stranger into a directory that it cannot leave. Every name is resolved
// beneath the pinned root as if the process had changed its root to it, the last component is never
// followed, and a file that is being replaced is unlinked, not written through; so links, `..`,
// absolute names and a racing process inside the tree cannot make it touch anything outside. It
// does not sync to disk: the caller does that once.
#pragma once

#include "archive/compression.h"
#include "archive/entry.h"

#include <atomic>
#include <functional>
#include <optional>

namespace shoal::archive {

enum class ExtractMode {
    Layer, ///< an image layer: whiteouts become overlayfs's, devices are made, owners and xattrs
           ///< are kept
    Plain, ///< a root file system or a `docker cp`: `.wh.` names are ordinary names
};

struct ExtractOptions {
    ExtractMode mode = ExtractMode::Layer;
    Limits limits{};
    /// A file may not replace a directory, nor a directory a file: Conflict instead.
    bool no_overwrite_dir_non_dir = false;
    /// Owner of everything, instead of what the archive says.
    std::optional<Owner> owner;
    /// SHA-256 of the stream as read and of the plain tar; each costs a pass.
    bool hash_compressed = false;
    bool hash_plain = false;
    /// Sees the compressed bytes as they are read (to store them beside). Runs on the reading
    /// thread.
    Sink tee;
    /// Told the number of compressed bytes read so far; runs on the reading thread.
    std::function<void(std::uint64_t)> progress;
    /// Ends the work with Cancelled when it becomes true.
    const std::atomic<bool>* cancelled = nullptr;
    /// Resolve names in steps even where the kernel has openat2; for tests and old kernels.
    bool without_openat2 = false;
};

struct Extracted {
    Compression compression = Compression::None;
    std::string digest_compressed; ///< "sha256:..." when asked for
    std::string digest_plain;      ///< "sha256:..." when asked for (a layer's diff id)
    std::uint64_t bytes_compressed = 0;
    std::uint64_t bytes_plain = 0; ///< length of the tar
    std::uint64_t bytes_files = 0; ///< sum of the sizes of the files made: Docker's layer size
    std::uint64_t entries = 0;
};

/// Reads `source` to its end (also what follows the tar's end marker) on a thread of its own,
/// unpacks on the caller's. `root` is a directory, O_PATH or readable. After a failure the tree is
/// half-made: the caller removes it. Fails: Invalid (damaged archive, a name that cannot be),
/// Conflict (see options), Exhausted (a limit, disk full).
Result<Extracted> extract(Source source, const os::Fd& root, const ExtractOptions& options);

} // namespace shoal::archive
