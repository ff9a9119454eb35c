#include "cli/app.h"

#include "cli/credentials.h"

#include "base/text.h"
#include "cli/contexts.h"
#include "cli/support.h"
#include "cli/terminal.h"
#include "cli/tree.h"
#include "os/file.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include <unistd.h>

namespace shoal::cli {
namespace {

constexpr std::string_view own_socket = "/run/shoal.sock";
constexpr std::string_view docker_socket = "/var/run/docker.sock";

constexpr Flag global_flags[] = {
    {"config", 0, Kind::Text, "Folder of the client's config files"},
    {"context", 'c', Kind::Text,
     "Context that says which daemon to talk to (stronger than DOCKER_HOST and \"context use\")"},
    {"debug", 'D', Kind::Bool, "Debug mode"},
    {"host", 'H', Kind::List, "Socket of the daemon"},
    {"log-level", 'l', Kind::Text,
     "How much to log (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")", "info"},
    {"tls", 0, Kind::Bool, "Use TLS; implied by --tlsverify"},
    {"tlscacert", 0, Kind::Text, "Trust only certificates signed by this CA"},
    {"tlscert", 0, Kind::Text, "TLS certificate file"},
    {"tlskey", 0, Kind::Text, "TLS key file"},
    {"tlsverify", 0, Kind::Bool, "Use TLS and verify the daemon"},
    {"version", 'v', Kind::Bool, "Print version information and quit"},
};

std::string config_dir_of(const Parsed& parsed) {
    if (parsed.given("config")) { return parsed.text("config"); }
    if (const auto dir = env("DOCKER_CONFIG"); !dir.empty()) { return dir; }
    return env("HOME") + "/.docker";
}

std::string existing(const std::string& file) { return os::exists(file) ? file : std::string(); }

/// Follows the words through the tree; `path` grows by each.
struct Found {
    const Command* command = nullptr;
    const Group* group = nullptr;
    std::string path;
    std::size_t words_used = 0;
    std::string unknown;
};
Found find_command(const std::string& program, std::span<const std::string> words) {
    Found found;
    found.group = &root_group();
    found.path = program;
    while (found.words_used < words.size() && found.command == nullptr) {
        const std::string& word = words[found.words_used];
        if (word.starts_with('-')) { break; }
        const Entry* entry = find_entry(*found.group, word);
        if (entry == nullptr) {
            found.unknown = word;
            break;
        }
        found.path += " " + std::string(entry->name);
        found.words_used += 1;
        found.command = entry->command;
        if (entry->group != nullptr) { found.group = entry->group; }
    }
    return found;
}

std::size_t help_width() {
    const auto size = window_size(STDOUT_FILENO);
    return size.columns == 0 ? 80 : std::max(40u, size.columns);
}

/// Nobody reads what we print: end as other programs do, by SIGPIPE, so that shells say nothing
/// about it.
[[noreturn]] void end_without_output() {
    if (errno == EPIPE) {
        std::signal(SIGPIPE, SIG_DFL);
        std::raise(SIGPIPE);
    }
    std::_Exit(1);
}

void usage_error(App& app, std::string_view message, const Command& command, std::string_view path,
                 std::string_view hint = "Run") {
    app.err(fmt::format("{}\n\nUsage:  {}{}{}\n\n{} '{} --help' for more information\n", message,
                        path, command.usage.empty() ? "" : " ",
                        replace_all(command.usage, "$", app.globals.program), hint, path));
}

/// The daemon must know what the flags ask for.
Result<int> check_versions(App& app, const Parsed& parsed) {
    for (const auto& [flag, value] : parsed.values) {
        if (flag->version == 0) { continue; }
        TRY_LET(client, app.client());
        TRY(need_version(*client, flag->name, flag->version));
    }
    return 0;
}

/// Who asks for signatures must not get images without: there are none to check.
Result<void> check_trust(const Command& command, const Parsed& parsed) {
    constexpr std::string_view flag = "disable-content-trust";
    constexpr std::string_view off[] = {"", "0", "f", "F", "false", "FALSE", "False"};
    const auto flags = flags_of(command);
    const bool moves_images =
        std::any_of(flags.begin(), flags.end(), [&](const Flag* one) { return one->name == flag; });
    const std::string wish = env("DOCKER_CONTENT_TRUST");
    if (!moves_images || parsed.given(flag) ||
        std::find(std::begin(off), std::end(off), wish) != std::end(off)) {
        return ok();
    }
    return unsupported("DOCKER_CONTENT_TRUST=" + wish +
                       ": content trust is not supported; unset it, or use --" + std::string(flag));
}

int run_command(App& app, const Command& command, const std::string& path,
                std::span<const std::string> words) {
    auto parsed = command.unparsed
                      ? Parsed{.words = {words.begin(), words.end()}, .path = {}, .values = {}}
                      : parse_flags(flags_of(command), words, command.flags_first);
    if (!parsed) {
        usage_error(app, parsed.error().message, command, path);
        return command.bad_usage;
    }
    parsed->path = path;
    if (parsed->on("help")) {
        app.out(command_help(command, path, app.globals.program, help_width()));
        return 0;
    }
    if (auto enough = check_arguments(command, *parsed); !enough) {
        // Docker says "See" where one argument or more are missing, and nobody knows why.
        const bool at_least = command.arguments.most == SIZE_MAX;
        usage_error(app, fmt::format("{}: {}", app.globals.program, enough.error().message),
                    command, path, at_least ? "See" : "Run");
        return 1;
    }
    Result<int> result = 0;
    if (const auto trust = check_trust(command, *parsed); !trust) { result = trust.error(); }
    if (result) { result = check_versions(app, *parsed); }
    if (result) { result = command.action(app, *parsed); }
    if (result) { return *result; }
    app.flush();
    if (result.error().message.empty() && result.error().os_errno == EPIPE) {
        errno = EPIPE;
        end_without_output();
    }
    if (!result.error().message.empty()) { app.error_line(result.error().message); }
    return 1;
}

int run_group(App& app, const Found& found, std::span<const std::string> rest) {
    const bool top = found.group == &root_group();
    const std::string help =
        top ? root_help(app.globals.program, flags_help(all_global_flags(), help_width()))
            : group_help(*found.group, found.path, help_width());
    const auto asks_for_help = [](const std::string& word) {
        return word == "--help" || word == "-h";
    };
    if (std::any_of(rest.begin(), rest.end(), asks_for_help)) {
        app.out(help);
        return 0;
    }
    if (!found.unknown.empty()) {
        app.err(
            fmt::format("{}: unknown command: {} {}\n\n{}Run '{} --help' for more information\n",
                        app.globals.program, found.path, found.unknown,
                        top ? "" : fmt::format("Usage:  {}\n\n", found.path), found.path));
        return 1;
    }
    if (!rest.empty()) {
        app.err(
            fmt::format("unknown flag: {}\n\nUsage:  {}\n\nRun '{} --help' for more information\n",
                        rest[0], found.path, found.path));
        return 125;
    }
    app.err(help);
    return 0;
}

} // namespace

std::vector<const Flag*> all_global_flags() {
    std::vector<const Flag*> all;
    for (const Flag& flag : global_flags) { all.push_back(&flag); }
    static constexpr Flag help{"help", 'h', Kind::Bool, "Print usage", "", "", nullptr, true};
    all.push_back(&help);
    return all;
}

Result<Globals> globals_of(const Parsed& parsed, std::string program) {
    Globals globals;
    globals.program = std::move(program);
    globals.config_dir = config_dir_of(parsed);
    globals.context = parsed.text("context");
    globals.hosts = parsed.all("host");
    globals.debug = parsed.on("debug");
    globals.tls_verify =
        parsed.given("tlsverify") ? parsed.on("tlsverify") : !env("DOCKER_TLS_VERIFY").empty();
    globals.tls = globals.tls_verify || parsed.on("tls") || !env("DOCKER_TLS").empty();
    std::string certs = env("DOCKER_CERT_PATH");
    if (certs.empty()) { certs = globals.config_dir; }
    globals.ca_file = parsed.text("tlscacert", certs + "/ca.pem");
    globals.cert_file = parsed.text("tlscert", certs + "/cert.pem");
    globals.key_file = parsed.text("tlskey", certs + "/key.pem");
    globals.cert_given = parsed.given("tlscert");
    globals.key_given = parsed.given("tlskey");
    const std::string level = parsed.text("log-level", "info");
    for (const std::string_view known :
         {"debug", "info", "warn", "error", "fatal", "warning", "trace", "panic"}) {
        if (level == known) { return globals; }
    }
    return invalid("Unable to parse logging level: " + level);
}

std::string env(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

Result<client::Endpoint> choose_endpoint(App& app) {
    const Globals& globals = app.globals;
    if (globals.hosts.size() > 1) {
        return invalid("unable to resolve docker endpoint: Specify only one -H");
    }
    if (!globals.hosts.empty() && !globals.context.empty()) {
        return invalid("conflicting options: cannot specify both --host and --context");
    }
    const std::string name = app.context_name();
    if (name != "default") {
        TRY_LET(context,
                Contexts(globals.config_dir).load(name).with("unable to resolve docker endpoint"));
        auto endpoint = Contexts::endpoint_of(context);
        TRY_LET(host, client::parse_host(endpoint.host, endpoint.tls)
                          .with("unable to resolve docker endpoint"));
        endpoint.host = host;
        return endpoint;
    }
    return default_endpoint(globals);
}

Result<client::Endpoint> default_endpoint(const Globals& globals) {
    std::string host = globals.hosts.empty() ? "" : globals.hosts.front();
    if (host.empty()) { host = env("SHOAL_HOST"); }
    if (host.empty()) { host = env("DOCKER_HOST"); }
    if (host.empty()) {
        host = "unix://" + std::string(os::exists(std::string(own_socket)) ||
                                               !os::exists(std::string(docker_socket))
                                           ? own_socket
                                           : docker_socket);
    }
    client::Endpoint endpoint;
    TRY_LET(checked,
            client::parse_host(host, globals.tls).with("unable to resolve docker endpoint"));
    endpoint.host = checked;
    endpoint.tls = globals.tls || host.starts_with("https://");
    endpoint.verify = globals.tls_verify || host.starts_with("https://");
    if (globals.tls && !os::exists(globals.ca_file)) {
        return invalid("unable to resolve docker endpoint: open " + globals.ca_file +
                       ": no such file or directory");
    }
    endpoint.ca_file = existing(globals.ca_file);
    endpoint.cert_file = globals.cert_given ? globals.cert_file : existing(globals.cert_file);
    endpoint.key_file = globals.key_given ? globals.key_file : existing(globals.key_file);
    return endpoint;
}

net::Loop& App::loop() {
    if (!loop_) { loop_ = std::make_unique<net::Loop>(); }
    return *loop_;
}

Result<client::Client*> App::client() {
    if (!client_) {
        auto endpoint = choose_endpoint(*this);
        if (!endpoint) { return std::move(endpoint).error().with("Failed to initialize"); }
        TRY_LET(made,
                client::Client::create(loop(), std::move(*endpoint), env("DOCKER_API_VERSION")));
        client_ = std::move(made);
    }
    return client_.get();
}

Result<client::Client*> App::connected() {
    TRY_LET(made, client());
    TRY(made->version());
    return made;
}

const Json& App::config() {
    if (!config_) {
        config_ = Json::object();
        const std::string path = globals.config_dir + "/config.json";
        if (auto text = os::read_file(path)) {
            auto parsed = parse_json(*text);
            if (parsed && parsed->is_object()) {
                config_ = std::move(*parsed);
            } else {
                error_line("WARNING: Error loading config file: " + path + ": " +
                           (parsed ? "expected an object" : parsed.error().message));
            }
        }
    }
    return *config_;
}

std::string App::config_text(std::string_view member) {
    const auto at = config().find(std::string(member));
    return at != config().end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::string App::format_of(const Parsed& parsed, std::string_view member,
                           std::string_view otherwise) {
    if (const auto given = parsed.text("format"); !given.empty() && given != "table") {
        return given;
    }
    if (!parsed.given("format") && !member.empty()) {
        if (const auto text = config_text(member); !text.empty()) { return text; }
    }
    return std::string(otherwise);
}

std::string App::context_name() {
    if (!globals.context.empty()) { return globals.context; }
    if (!globals.hosts.empty()) { return "default"; }
    if (!env("SHOAL_HOST").empty() || !env("DOCKER_HOST").empty()) { return "default"; }
    for (const char* variable : {"SHOAL_CONTEXT", "DOCKER_CONTEXT"}) {
        if (const auto name = env(variable); !name.empty()) { return name; }
    }
    if (const auto name = config_text("currentContext"); !name.empty()) { return name; }
    return "default";
}

Result<std::string> App::registry_auth(std::string_view image) {
    const Credentials credentials(globals.config_dir + "/config.json", config());
    const auto auth = credentials.get(server_of_image(image));
    if (auth) { return registry::print_auth_header(*auth); }
    // Docker goes on as nobody when the helper is not there; that should at least be seen.
    if (auth.error().code != Errc::NotFound) { return auth.error(); }
    error_line("WARNING: no log-in is used: " + auth.error().message);
    return registry::print_auth_header({});
}

void App::out(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) { end_without_output(); }
}
void App::err(std::string_view text) {
    flush();
    std::fwrite(text.data(), 1, text.size(), stderr);
}
void App::flush() {
    if (std::fflush(stdout) != 0) { end_without_output(); }
}

bool App::confirm(std::string_view question) {
    out(question);
    flush();
    std::string answer;
    if (!std::getline(std::cin, answer)) { return false; }
    return to_lower(trim(answer)) == "y";
}

std::string with_hint(const App& app, std::string_view path, std::string_view message) {
    return fmt::format("{}: {}\n\nRun '{} --help' for more information\n", app.globals.program,
                       message, path);
}

int run_words(std::string program, std::vector<std::string> words) {
    auto parsed = parse_flags(all_global_flags(), words, true);
    if (!parsed) {
        std::fputs(
            fmt::format(
                "{}\n\nUsage:  {} [OPTIONS] COMMAND [ARG...]\n\nRun '{} --help' for more information\n",
                parsed.error().message, program, program)
                .c_str(),
            stderr);
        return 125;
    }
    auto globals = globals_of(*parsed, std::move(program));
    if (!globals) {
        std::fputs((globals.error().message + "\n").c_str(), stderr);
        return 1;
    }
    App app(std::move(*globals));
    int code = 0;
    std::vector<std::string> rest = parsed->words;
    if (rest.size() == 1 && rest[0] == "help") { rest[0] = "--help"; }
    if (rest.size() > 1 && rest[0] == "help" && find_entry(root_group(), rest[1]) == nullptr) {
        app.error_line("unknown help topic: " +
                       join(std::vector<std::string>(rest.begin() + 1, rest.end()), " "));
        return 1;
    }
    if (rest.size() > 1 && rest[0] == "help") {
        rest.erase(rest.begin());
        rest.push_back("--help");
    }
    if (parsed->on("version")) {
        app.line(version_line(app.globals.program));
    } else {
        if (parsed->on("help")) { rest.insert(rest.begin(), "--help"); }
        const Found found = find_command(app.globals.program, rest);
        const auto left = std::span(rest).subspan(found.words_used);
        code = found.command != nullptr ? run_command(app, *found.command, found.path, left)
                                        : run_group(app, found, left);
    }
    app.flush();
    return code;
}

int run_program(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    std::string program = argc > 0 ? argv[0] : "shoal";
    program.erase(0, program.rfind('/') + 1);
    if (program != "docker") { program = "shoal"; }
    const int code =
        run_words(program, std::vector<std::string>(argv + std::min(1, argc), argv + argc));
    // Threads may still be waiting for input; nothing is left to tidy up.
    std::fflush(stderr);
    std::_Exit(code);
}

} // namespace shoal::cli
