// What `build` is given to build from: a directory, an archive or a Dockerfile on standard input,
// or an address that the daemon fetches; and where the Dockerfile lies. It looks at files, but
// packs and sends nothing.
#pragma once

#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::cli {

struct BuildContext {
    enum class Kind { Directory, Stdin, Remote };
    Kind kind = Kind::Directory;
    std::string place; ///< Directory: absolute, without links; Remote: the address

    /// Path of the Dockerfile within the context, "" for the daemon's default. Of a directory also
    /// when the file lies outside: then it is a name made up for it, or its own.
    std::string dockerfile;
    /// A Dockerfile that is not in the context: its content, and the directory it lies in ("" when
    /// it came from standard input).
    std::optional<std::string> outside;
    std::string outside_path; ///< absolute
};

/// "https://host/x.git#branch:dir", "git@host:x", "https://host/context.tar.gz".
bool is_git_address(std::string_view text);
bool is_address(std::string_view text);

/// Reads standard input when `file` is "-". Fails as Docker does: "unable to prepare context: ...".
Result<BuildContext> choose_context(const std::string& context, const std::string& file);

/// The head of standard input says whether it is an archive (plain or compressed) or a Dockerfile.
inline constexpr std::size_t context_head_bytes = 512;
bool is_archive(std::string_view head);

/// What is not sent: the text of "<Dockerfile>.dockerignore" beside the Dockerfile, else of the
/// context's ".dockerignore"; nothing when there is neither.
Result<std::optional<std::string>> load_ignore_file(const BuildContext& context);
inline constexpr std::string_view own_ignore_suffix = ".dockerignore";

} // namespace shoal::cli
