// What a build fetches by itself: git repositories and files by http. Addresses are told apart
// here; git is the program of that name, run without hooks, prompts or the user's settings.
#pragma once

#include "engine/env.h"
#include "net/task.h"
#include "net/until.h"
#include "oci/digest.h"

#include <optional>
#include <string>
#include <string_view>

namespace shoal::build {

/// "https://host/repo.git#ref:subdir", "git@host:repo", "git://host/repo".
struct GitAddress {
    std::string url;
    std::string ref;    ///< branch, tag, commit; "" is the default branch
    std::string subdir; ///< "" is the top
    bool operator==(const GitAddress&) const = default;
};
/// Nothing when it is no git address. Fails: Invalid for a sub-directory that leads out, and for
/// what git would take for an option.
Result<std::optional<GitAddress>> parse_git_address(std::string_view text);
bool is_http_address(std::string_view text);

struct GitCheckout {
    std::string path; ///< the sub-directory asked for, below `directory`
    std::string commit;
};
/// Clones into the empty `directory`, one commit deep where the server allows it.
net::Task<Result<GitCheckout>> fetch_git(engine::Env& env, GitAddress address,
                                         std::string directory, bool keep_git_dir,
                                         net::Until until);

inline constexpr std::int64_t download_bytes_max = 64ll << 30;
struct Downloaded {
    std::string path;
    std::string name;       ///< last part of the address, "" when it has none
    std::string digest_hex; ///< sha256
    Instant modified{};     ///< as the server says; the epoch when it does not
    std::int64_t bytes = 0;
};
/// "Wed, 21 Oct 2015 07:28:00 GMT" (RFC 9110, 5.6.7); the epoch for anything else.
Instant parse_http_date(std::string_view text);
/// Into `directory`/download, mode 0600. Fails: Internal when the server does not say 200;
/// Exhausted.
net::Task<Result<Downloaded>> fetch_file(engine::Env& env, std::string url, std::string directory,
                                         net::Until until);

} // namespace shoal::build
