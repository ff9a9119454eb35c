// Where log-ins at registries are kept: config.json's "auths", or a credential helper's program
// (credsStore, credHelpers), as Docker has it. The file is written whole, private, and with
// everything in it that other programs have put there. Passwords are not checked here and never
// printed.
#pragma once

#include "base/json.h"
#include "registry/protocol/auth_config.h"

#include <functional>
#include <string>
#include <vector>

namespace shoal::cli {

inline constexpr std::string_view hub_server = "https://index.docker.io/v1/";

/// The key of an image's registry in config.json: "host:5000", or hub_server.
std::string server_of_image(std::string_view image);
/// The key of what somebody writes behind `login`: without scheme and path; "" is hub_server.
std::string server_of_word(std::string_view word);

/// docker-credential-NAME with a verb and an input; gives its output. A seam for tests.
using RunHelper = std::function<Result<std::string>(
    const std::string& helper, const std::string& verb, const std::string& input)>;
Result<std::string> run_credential_helper(const std::string& helper, const std::string& verb,
                                          const std::string& input);

class Credentials {
  public:
    /// `config` is the content of config.json, an object.
    Credentials(std::string config_file, Json config, RunHelper run = run_credential_helper);

    /// Empty when nothing is known. Fails when a helper does.
    Result<registry::AuthConfig> get(const std::string& server) const;
    /// All servers, for builds. Helpers that fail are passed over.
    std::vector<std::pair<std::string, registry::AuthConfig>> all() const;
    Result<void> store(const std::string& server, const registry::AuthConfig& auth);
    /// False when nothing was known.
    Result<bool> erase(const std::string& server);
    /// The helper's name for the server; "" for the file itself.
    std::string helper_of(const std::string& server) const;

  private:
    Result<void> save() const;
    registry::AuthConfig in_file(const std::string& server) const;
    std::string file_;
    Json config_;
    RunHelper run_;
};

} // namespace shoal::cli
