// Makes a tar stream (pax) of a tree beneath a pinned directory: names in byte order, hard links,
// xattrs, holes and devices kept, sockets left out, so that the same tree gives the same bytes.
// Links are stored, never followed. An overlay upper directory can be packed as the image layer it
// is.
#pragma once

#include "archive/compression.h"
#include "archive/entry.h"

#include <atomic>
#include <functional>
#include <optional>
#include <vector>

namespace shoal::archive {

struct PackOptions {
    /// What is packed, relative to the directory: "" for all it contains, else one file or
    /// directory ("etc/hosts"). Symbolic links on the way are not followed: resolve first
    /// (path_in_root.h).
    std::string what;
    /// Name of the topmost entry; "" keeps the names relative to `what`. With "x" and a directory
    /// as `what`, the entries are "x/", "x/a", ...; with a file, the one entry "x".
    std::string as;
    /// The root of a whole tree as an entry "./" of its own (only with `what` and `as` empty).
    bool with_root = false;
    /// The directory is an overlayfs upper one: 0:0 character devices become ".wh.<name>", opaque
    /// directories get
    /// ".wh..wh..opq", and overlayfs's own attributes are left out.
    bool overlay_upper = false;
    Compression compression = Compression::None;
    bool hash_compressed = false;
    bool hash_plain = false;
    /// Returns false to leave an entry out (a directory with all that is in it).
    std::function<bool(const Entry&)> filter;
    /// Asked about a directory that `filter` leaves out: true packs what is in it all the same, as
    /// far as `filter` wants that.
    std::function<bool(const Entry&)> enter;
    std::optional<Owner> owner; ///< of everything, instead of what the files say
    /// Files that are not in the directory and come behind what is.
    struct Extra {
        Entry entry;
        std::string content;
    };
    std::vector<Extra> extras;
    const std::atomic<bool>* cancelled = nullptr;
};

struct Packed {
    std::string digest_compressed; ///< "sha256:..." when asked for
    std::string digest_plain;
    std::uint64_t bytes_compressed = 0; ///< as given to the sink
    std::uint64_t bytes_plain = 0;
    std::uint64_t bytes_files = 0; ///< sum of the sizes of the files: Docker's layer size
    std::uint64_t entries = 0;
};

/// Fails: NotFound when `what` is not there. Files that vanish while the tree is read are left out;
/// one that shrinks is filled up with zeros.
Result<Packed> pack(const os::Fd& directory, const PackOptions& options, const Sink& sink);

} // namespace shoal::archive
