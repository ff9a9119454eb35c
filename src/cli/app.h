// One run of the command: where the daemon is, what the config file says, where output goes.
// Commands get it as their only way to the outside. The daemon is not contacted before client() is
// called.
#pragma once

#include "cli/command.h"
#include "client/client.h"

#include <map>
#include <memory>

namespace shoal::cli {

struct Globals {
    std::string program = "shoal"; ///< as it was called; "docker" when linked under that name
    std::string config_dir;
    std::string context;            ///< of -c
    std::vector<std::string> hosts; ///< of -H
    bool debug = false;
    bool tls = false;
    bool tls_verify = false;
    std::string ca_file, cert_file, key_file;
    bool cert_given = false, key_given = false; ///< else the files may be missing
};

class App {
  public:
    explicit App(Globals globals) : globals(std::move(globals)) {}

    Globals globals;

    /// Made on first use. Fails when the endpoint is wrong; the daemon itself may still be away.
    Result<client::Client*> client();
    /// The same, after the version was agreed on: fails when the daemon cannot be reached.
    Result<client::Client*> connected();
    net::Loop& loop();

    /// config.json; an empty object when there is none or it is damaged.
    const Json& config();
    std::string config_text(std::string_view member); ///< "" when absent
    /// "--format", else config.json's member, else `otherwise`.
    std::string format_of(const Parsed& parsed, std::string_view member,
                          std::string_view otherwise);
    std::string context_name();
    /// Value of X-Registry-Auth for an image name: what `login` has stored, or "{}". Fails when a
    /// credential helper does.
    Result<std::string> registry_auth(std::string_view image);

    void out(std::string_view text);
    void err(std::string_view text);
    void line(std::string_view text) {
        out(text);
        out("\n");
    }
    void error_line(std::string_view text) {
        err(text);
        err("\n");
    }
    void flush();
    /// "Are you sure you want to continue? [y/N] "; false also at the end of the input.
    bool confirm(std::string_view question);

    /// "exit code with nothing more to say": for commands that have reported their errors
    /// themselves.
    static constexpr int failed = 1;

  private:
    std::unique_ptr<net::Loop> loop_;
    std::unique_ptr<client::Client> client_;
    std::optional<Json> config_;
};

std::string env(const char* name); ///< "" when unset
/// The endpoint that flags, environment, context and what exists on this machine lead to.
Result<client::Endpoint> choose_endpoint(App& app);
/// Where no context is meant: flags, environment, what exists on this machine.
Result<client::Endpoint> default_endpoint(const Globals& globals);

/// The flags in front of the command's name, and what they and the environment say.
std::vector<const Flag*> all_global_flags();
Result<Globals> globals_of(const Parsed& parsed, std::string program);

/// main() of the command.
int run_program(int argc, char** argv);
int run_words(std::string program, std::vector<std::string> words);

/// `docker: message` plus the hint to --help, as `run` and `create` print it.
std::string with_hint(const App& app, std::string_view path, std::string_view message);

} // namespace shoal::cli
