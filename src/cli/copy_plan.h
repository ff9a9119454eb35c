// What `cp` means by its two paths: which side is the container, where an archive is unpacked, and
// what its topmost entry is called there. Pure: what exists on either side is told by the caller.
#pragma once

#include "archive/stream.h"
#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::cli {

struct CopyArgument {
    std::string container; ///< "" for a path of this machine
    std::string path;
};
/// "web:/x" is in a container; "./a:b" and "/a:b" are not.
CopyArgument parse_copy_argument(std::string_view text);

/// Without "//", "." and "..", which are resolved as text.
std::string clean_path(std::string_view path);
/// The same from the root on; a "/" or "/." at the end, which mean something to cp, stay.
std::string absolute_path(std::string_view path, std::string_view working_directory);
/// "/a/b" as ("/a", "b"); a path that ends in "/." has the last part ".".
struct SplitPath {
    std::string directory;
    std::string base;
};
SplitPath split_path(std::string_view path);
/// Empty, or ends in "/" or "/.": must be a directory, and links are followed.
bool asserts_directory(std::string_view path);

struct CopySource {
    std::string path;
    bool is_directory = false;
    std::string called; ///< what it shall be called instead of its own name; "" for that
};
struct CopyTarget {
    std::string path;
    bool exists = false;
    bool is_directory = false;
};
struct CopyPlan {
    std::string directory; ///< where the archive is unpacked
    std::string from, to;  ///< how the topmost entry is renamed; the same when it is not
};
/// Fails: Invalid, "cannot copy directory", "no such directory".
Result<CopyPlan> plan_copy(const CopySource& source, const CopyTarget& target);

/// Name of an entry after the topmost one was renamed: "x/a" from "x" to "y" is "y/a". From "." and
/// "/" everything goes below `to`.
std::string renamed_entry(std::string_view name, std::string_view from, std::string_view to);
/// A plain tar with its entries renamed like that.
archive::Source renamed_archive(archive::Source source, std::string from, std::string to);

} // namespace shoal::cli
