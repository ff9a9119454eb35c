// Credentials as Docker's clients hand them over: the JSON of X-Registry-Auth and X-Registry-Config
// (base64, URL alphabet or the ordinary one, with or without padding), and the "auth" member of
// config.json. Base64 itself is in base/text.h. Nothing is checked against a registry here, and
// nothing of it may be printed.
#pragma once

#include "base/result.h"

#include <map>
#include <string>
#include <string_view>

namespace shoal::registry {

struct AuthConfig {
    std::string username;
    std::string password;
    std::string auth; ///< base64 of "username:password"; resolved by the parsers into the two above
    std::string email;
    std::string server_address;
    std::string identity_token;
    std::string registry_token;
    bool empty() const {
        return username.empty() && password.empty() && identity_token.empty() &&
               registry_token.empty();
    }
};

/// Fails: Invalid. "" and "{}" are empty credentials.
Result<AuthConfig> parse_auth_header(std::string_view base64);
Result<std::map<std::string, AuthConfig>> parse_auth_map_header(std::string_view base64);
/// The body of POST /auth.
Result<AuthConfig> parse_auth_json(std::string_view json);
std::string print_auth_header(const AuthConfig& auth); ///< base64 with the URL alphabet, padded

/// "name:password" out of an "auth" member or a Basic header. Fails: Invalid.
struct NameAndPassword {
    std::string name;
    std::string password;
};
Result<NameAndPassword> parse_basic(std::string_view base64);

} // namespace shoal::registry
