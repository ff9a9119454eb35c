// Users and groups of an image: "uid", "user", "user:group" and further groups, resolved with the
// passwd and group files beneath a pinned root. The files belong to strangers: sizes, lines and
// numbers have limits, and links out of the root lead nowhere. The host's own users play no part.
#pragma once

#include "os/fd.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::os {

inline constexpr std::size_t passwd_bytes_max = 4 * 1024 * 1024;
inline constexpr std::size_t user_line_bytes_max = 64 * 1024;
inline constexpr std::size_t groups_max = 1024;
inline constexpr std::uint32_t user_id_max = 2147483647; ///< as Docker: 2^31 - 1

struct ResolvedUser {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t>
        groups; ///< supplementary, with the primary one first when it is listed
    std::string home = "/";
    bool operator==(const ResolvedUser&) const = default;
};

struct UserRequest {
    std::string_view user;              ///< "", "1000", "www", "www:staff", ":5"
    std::vector<std::string> group_add; ///< names or numbers
};

/// Pure: from the text of the two files ("" when absent). Fails with Docker's sentences: "unable to
/// find user x: no matching entries in passwd file".
Result<ResolvedUser> resolve_user(const UserRequest& request, std::string_view passwd,
                                  std::string_view group);
/// Reads etc/passwd and etc/group beneath `root`.
Result<ResolvedUser> resolve_user_in(const UserRequest& request, const Fd& root);

} // namespace shoal::os
