// Requests that a web page makes in somebody's browser are not that person's: they are refused, and
// so is a registry without accounts under a name that somebody else may have pointed at this
// machine (DNS rebinding). Pure.
#pragma once

#include "base/result.h"
#include "net/http.h"

#include <string>
#include <vector>

namespace shoal::registry {

/// "https://registry.example:5000" as browsers write it in Origin: host in lower case, no port that
/// is the scheme's own. Fails: Invalid for what is no http or https address, or has a path, a
/// query, or a user.
Result<std::string> parse_origin(std::string_view url);

struct Guard {
    bool open = false;              ///< no accounts: whoever reaches it may do everything
    std::string public_url;         ///< the origin that this registry itself has
    std::vector<std::string> names; ///< that it is called by
    bool page = false; ///< what is asked for is the page itself, to which others may link
};
/// Fails: Forbidden with the reason.
Result<void> check_approach(const Guard& guard, const net::Headers& headers);

} // namespace shoal::registry
