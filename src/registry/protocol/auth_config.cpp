#include "registry/protocol/auth_config.h"

#include "base/json.h"
#include "base/text.h"

namespace shoal::registry {
namespace {

constexpr JsonLimits limits{1024 * 1024, 8};

/// Never shows the text: it may hold a password.
Error unreadable(std::string_view what) { return invalid("invalid " + std::string(what)); }

Result<AuthConfig> read(const Json& value, std::string_view what) {
    if (value.is_null()) { return AuthConfig{}; }
    if (!value.is_object()) { return unreadable(what); }
    AuthConfig auth;
    const auto take = [&](const char* key, std::string& into) {
        if (!value.contains(key)) { return true; }
        if (!value[key].is_string()) { return value[key].is_null(); }
        into = value[key].get<std::string>();
        return true;
    };
    if (!take("username", auth.username) || !take("password", auth.password) ||
        !take("auth", auth.auth) || !take("email", auth.email) ||
        !take("serveraddress", auth.server_address) ||
        !take("identitytoken", auth.identity_token) ||
        !take("registrytoken", auth.registry_token)) {
        return unreadable(what);
    }
    if (!auth.auth.empty() && auth.username.empty()) {
        TRY_LET(pair, parse_basic(auth.auth));
        auth.username = std::move(pair.name);
        auth.password = std::move(pair.password);
    }
    return auth;
}

Result<Json> document_of(std::string_view base64, std::string_view what) {
    const auto text = decode_base64(trim(base64));
    if (!text) { return unreadable(what); }
    if (trim(*text).empty()) { return Json(nullptr); }
    auto document = parse_json(*text, limits);
    if (!document) { return unreadable(what); }
    return std::move(*document);
}

} // namespace

Result<AuthConfig> parse_auth_header(std::string_view base64) {
    TRY_LET(document, document_of(base64, "X-Registry-Auth header"));
    return read(document, "X-Registry-Auth header");
}

Result<std::map<std::string, AuthConfig>> parse_auth_map_header(std::string_view base64) {
    constexpr std::string_view what = "X-Registry-Config header";
    TRY_LET(document, document_of(base64, what));
    std::map<std::string, AuthConfig> all;
    if (document.is_null()) { return all; }
    if (!document.is_object()) { return unreadable(what); }
    for (const auto& [host, value] : document.items()) {
        TRY_LET(auth, read(value, what));
        all.emplace(host, std::move(auth));
    }
    return all;
}

Result<AuthConfig> parse_auth_json(std::string_view json) {
    const auto document = parse_json(json, limits);
    if (!document || !document->is_object()) { return unreadable("credentials"); }
    return read(*document, "credentials");
}

std::string print_auth_header(const AuthConfig& auth) {
    Json value = Json::object();
    const auto put = [&](const char* key, const std::string& text) {
        if (!text.empty()) { value[key] = text; }
    };
    put("username", auth.username);
    put("password", auth.password);
    put("email", auth.email);
    put("serveraddress", auth.server_address);
    put("identitytoken", auth.identity_token);
    put("registrytoken", auth.registry_token);
    return base64url(dump_json(value));
}

Result<NameAndPassword> parse_basic(std::string_view base64) {
    const auto text = decode_base64(trim(base64));
    if (!text) { return unreadable("credentials"); }
    const std::size_t colon = text->find(':');
    if (colon == std::string::npos) { return unreadable("credentials"); }
    NameAndPassword pair{text->substr(0, colon), text->substr(colon + 1)};
    while (!pair.password.empty() && pair.password.back() == '\0') { pair.password.pop_back(); }
    return pair;
}

} // namespace shoal::registry
