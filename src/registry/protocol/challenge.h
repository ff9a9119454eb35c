// WWW-Authenticate challenges (RFC 7235) and the scopes that token services give rights by
// (distribution specification, token authentication). Text in and out.
#pragma once

#include "base/result.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::registry {

struct Challenge {
    std::string scheme;                        ///< lower case: "bearer", "basic"
    std::map<std::string, std::string> params; ///< names in lower case
};
/// One header value, which may hold several challenges. Malformed parts are passed over.
std::vector<Challenge> parse_challenges(std::string_view header);
std::string print_challenge(std::string_view scheme,
                            const std::vector<std::pair<std::string, std::string>>& params);

/// "repository:team/app:pull,push", "registry:catalog:*".
struct Scope {
    std::string type;
    std::string name;
    std::vector<std::string> actions; ///< in order, without repeats
    bool operator==(const Scope&) const = default;
};
/// Fails: Invalid.
Result<Scope> parse_scope(std::string_view text);
/// Several, separated by spaces, as the parameter of a challenge has them.
Result<std::vector<Scope>> parse_scopes(std::string_view text);
std::string print_scope(const Scope& scope);

} // namespace shoal::registry
