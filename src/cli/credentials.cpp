#include "cli/credentials.h"

#include "base/text.h"
#include "os/file.h"
#include "os/process.h"

#include <climits>
#include <cstdlib>

namespace shoal::cli {
namespace {

constexpr std::string_view token_user = "<token>"; ///< a helper's name for an identity token
constexpr std::string_view not_found_words = "credentials not found in native keychain";
constexpr std::chrono::seconds helper_timeout{60};

std::string text_at(const Json& object, const char* key) {
    if (!object.is_object()) { return ""; }
    const auto at = object.find(key);
    return at != object.end() && at->is_string() ? at->get<std::string>() : "";
}

/// Older programs wrote addresses where newer ones write names.
bool is_same_server(std::string_view key, const std::string& server) {
    return key == server || (server != hub_server && server_of_word(key) == server);
}

std::string real_path(const std::string& path) {
    char resolved[PATH_MAX];
    return ::realpath(path.c_str(), resolved) == nullptr ? path : std::string(resolved);
}

} // namespace

std::string server_of_image(std::string_view image) {
    const auto slash = image.find('/');
    const std::string_view first = image.substr(0, slash);
    const bool names_registry =
        slash != std::string_view::npos &&
        (first.find_first_of(".:") != std::string_view::npos || first == "localhost");
    if (!names_registry || first == "docker.io" || first == "index.docker.io") {
        return std::string(hub_server);
    }
    return std::string(first);
}

std::string server_of_word(std::string_view word) {
    if (word.empty() || word == hub_server) { return std::string(hub_server); }
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (word.starts_with(scheme)) { word.remove_prefix(scheme.size()); }
    }
    word = word.substr(0, word.find('/'));
    if (word == "docker.io" || word == "index.docker.io") { return std::string(hub_server); }
    return std::string(word);
}

Result<std::string> run_credential_helper(const std::string& helper, const std::string& verb,
                                          const std::string& input) {
    if (helper.find('/') != std::string::npos) {
        return invalid("invalid credential helper: " + helper);
    }
    const std::string name = "docker-credential-" + helper;
    const auto program = os::find_program(name);
    if (!program) {
        return Error{Errc::NotFound, "exec: \"" + name + "\": executable file not found in $PATH"};
    }
    os::Run job;
    job.argv = {*program, verb};
    job.input = input;
    job.deadline = Deadline::in(helper_timeout);
    job.output_max = 1 << 20;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        job.env.emplace_back(*variable);
    }
    TRY_LET(output, os::run(job).with(name));
    const std::string said(trim(output.out));
    if (output.status.code == 0) { return said; }
    if (said.find(not_found_words) != std::string::npos) { return Error{Errc::NotFound, said}; }
    return internal("error " +
                    (verb == "get"     ? std::string("getting")
                     : verb == "store" ? "storing"
                                       : "erasing") +
                    " credentials - err: exit status " + std::to_string(output.status.code) +
                    ", out: `" + said + "`");
}

Credentials::Credentials(std::string config_file, Json config, RunHelper run)
    : file_(std::move(config_file)), config_(std::move(config)), run_(std::move(run)) {}

std::string Credentials::helper_of(const std::string& server) const {
    const auto helpers = config_.find("credHelpers");
    if (helpers != config_.end() && helpers->is_object()) {
        for (const auto& [key, helper] : helpers->items()) {
            if (is_same_server(key, server) && helper.is_string()) {
                return helper.get<std::string>();
            }
        }
    }
    return text_at(config_, "credsStore");
}

registry::AuthConfig Credentials::in_file(const std::string& server) const {
    registry::AuthConfig auth;
    const auto auths = config_.find("auths");
    if (auths == config_.end() || !auths->is_object()) { return auth; }
    for (const auto& [key, entry] : auths->items()) {
        if (!is_same_server(key, server)) { continue; }
        auth.server_address = key;
        if (const auto pair = registry::parse_basic(text_at(entry, "auth"))) {
            auth.username = pair->name;
            auth.password = pair->password;
        }
        if (auth.username.empty()) {
            auth.username = text_at(entry, "username");
            auth.password = text_at(entry, "password");
        }
        auth.identity_token = text_at(entry, "identitytoken");
        auth.registry_token = text_at(entry, "registrytoken");
        if (key == server) { return auth; }
    }
    return auth;
}

Result<registry::AuthConfig> Credentials::get(const std::string& server) const {
    const std::string helper = helper_of(server);
    if (helper.empty()) { return in_file(server); }
    const auto said = run_(helper, "get", server);
    if (!said && said.error().code == Errc::NotFound && said.error().message.find("exec:") != 0) {
        return registry::AuthConfig{};
    }
    if (!said) { return said.error(); }
    const auto document = parse_json(*said, {1 << 20, 8});
    if (!document || !document->is_object()) {
        return internal("docker-credential-" + helper + " did not answer with JSON");
    }
    registry::AuthConfig auth;
    auth.server_address = server;
    auth.username = text_at(*document, "Username");
    auth.password = text_at(*document, "Secret");
    if (auth.username == token_user) {
        auth.identity_token = std::move(auth.password);
        auth.username.clear();
        auth.password.clear();
    }
    return auth;
}

std::vector<std::pair<std::string, registry::AuthConfig>> Credentials::all() const {
    std::vector<std::string> servers;
    for (const char* member : {"auths", "credHelpers"}) {
        const auto object = config_.find(member);
        if (object == config_.end() || !object->is_object()) { continue; }
        for (const auto& [key, value] : object->items()) { servers.push_back(key); }
    }
    if (const std::string store = text_at(config_, "credsStore"); !store.empty()) {
        const auto said = run_(store, "list", "");
        const auto document = said ? parse_json(*said, {1 << 20, 8}) : Result<Json>(said.error());
        if (document && document->is_object()) {
            for (const auto& [key, user] : document->items()) { servers.push_back(key); }
        }
    }
    std::vector<std::pair<std::string, registry::AuthConfig>> found;
    for (const auto& server : servers) {
        auto auth = get(server);
        if (auth && !auth->empty()) { found.emplace_back(server, std::move(*auth)); }
    }
    return found;
}

Result<void> Credentials::store(const std::string& server, const registry::AuthConfig& auth) {
    const std::string helper = helper_of(server);
    Json& auths = config_["auths"];
    if (!auths.is_object()) { auths = Json::object(); }
    if (!helper.empty()) {
        const bool token = !auth.identity_token.empty();
        const Json input{{"ServerURL", server},
                         {"Username", token ? std::string(token_user) : auth.username},
                         {"Secret", token ? auth.identity_token : auth.password}};
        TRY(run_(helper, "store", dump_json(input)));
        auths[server] = Json::object();
        return save();
    }
    Json entry = Json::object();
    const std::string password = auth.identity_token.empty() ? auth.password : "";
    entry["auth"] = base64(auth.username + ":" + password);
    if (!auth.identity_token.empty()) { entry["identitytoken"] = auth.identity_token; }
    auths[server] = std::move(entry);
    return save();
}

Result<bool> Credentials::erase(const std::string& server) {
    bool known = false;
    const std::string helper = helper_of(server);
    if (!helper.empty()) {
        const auto erased = run_(helper, "erase", server);
        if (!erased && erased.error().code != Errc::NotFound) { return erased.error(); }
        known = erased.has_value();
    }
    const auto auths = config_.find("auths");
    if (auths == config_.end() || !auths->is_object()) { return known; }
    std::vector<std::string> keys;
    for (const auto& [key, entry] : auths->items()) {
        if (is_same_server(key, server)) { keys.push_back(key); }
    }
    for (const auto& key : keys) { auths->erase(key); }
    if (!keys.empty()) { TRY(save()); }
    return known || !keys.empty();
}

/// A link is followed, so that a config file that lies elsewhere stays one.
Result<void> Credentials::save() const {
    const std::string path = real_path(file_);
    TRY(os::ensure_directory(path.substr(0, path.rfind('/')), 0700));
    os::WriteFile how;
    how.mode = 0600;
    how.sync = os::Sync::Yes;
    return os::write_file_atomic(path, config_.dump(1, '\t'), how);
}

} // namespace shoal::cli
