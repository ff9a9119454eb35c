#include "registry/server/commands.h"

#include "os/clock.h"
#include "os/file.h"
#include "registry/server/maintenance.h"
#include "registry/server/serve_settings.h"
#include "registry/server/users_command.h"

#include <algorithm>
#include <functional>
#include <iostream>

namespace shoal::registry {
namespace {

constexpr std::string_view common_help =
    "\n\n  --config FILE     settings file (default /etc/shoal/registry.json)\n"
    "  --root DIR        where everything is kept (default /var/lib/shoal-registry)\n";
constexpr std::string_view user_help =
    "user COMMAND\n\n  add NAME          a new account\n"
    "  passwd NAME       another password\n  rm NAME           remove the account\n"
    "  ls                names of all accounts\n\n"
    "  --password-stdin  the password comes from standard input\n"
    "  --generate        it is made, and printed";
constexpr std::string_view robot_help =
    "robot COMMAND\n\n  add NAME          a new account; prints its secret\n"
    "  rm NAME           remove the account\n  ls                all of them\n\n"
    "  --expires SPAN    until when, such as 90d (add)";
constexpr std::string_view json_help = "  --json            one JSON document instead of text\n";

int fail(std::string_view command, const Error& error) {
    std::cerr << "shoald registry " << command << ": " << error.message << "\n";
    return 1;
}

bool has_word(const ServeLine& line, std::string_view word) {
    return std::ranges::find(line.words, word) != line.words.end();
}

struct StoreCommand {
    std::string_view name;
    std::string_view usage;
    std::string_view help;
    std::vector<std::string> flags; ///< without value
    std::function<int(Store&, const ServeLine&, Output)> run;
};

int run_on_store(const StoreCommand& command, const std::vector<std::string>& args) {
    auto line = parse_serve_line(args, Rest::Refuse, command.flags);
    if (!line) { return fail(command.name, line.error()); }
    if (line->help) {
        std::cout << "Usage: shoald registry " << command.usage << common_help << command.help
                  << json_help;
        return 0;
    }
    const ServeSettings& settings = line->settings;
    // These commands do not make a registry where there is none.
    if (!os::is_directory(settings.root)) {
        return fail(command.name, invalid(settings.root + ": no registry there"));
    }
    os::SystemClock clock;
    os::SystemRandom random;
    auto store = Store::open({settings.root, settings.store, settings.quotas}, clock, random);
    if (!store) { return fail(command.name, store.error()); }
    return command.run(**store, *line, has_word(*line, "--json") ? Output::Json : Output::Text);
}

/// Its upstreams have been checked with the settings.
CachePlace cache_of(const ServeSettings& settings) {
    auto upstreams = parse_upstreams(settings.upstreams);
    return {settings.cache_directory(),
            upstreams ? std::move(*upstreams) : std::vector<Upstream>()};
}

int run_accounts(std::string_view command, const std::vector<std::string>& args) {
    auto line = parse_serve_line(args, Rest::Keep);
    if (!line) { return fail(command, line.error()); }
    os::SystemRandom random;
    const os::SystemClock clock;
    const AccessSettings& access = line->settings.access;
    if (line->help) {
        std::cout << "Usage: shoald registry " << (command == "user" ? user_help : robot_help)
                  << common_help;
        return 0;
    }
    auto made = os::ensure_directory(access.directory, 0700);
    if (!made) { return fail(command, made.error()); }
    if (command == "user") { return run_user_command(line->words, access.htpasswd_file, random); }
    return run_robot_command(line->words, access.directory + "/robots.json", clock, random);
}

} // namespace

int run_gc(const std::vector<std::string>& args) {
    const auto run = [](Store& store, const ServeLine& line, Output output) {
        GcOptions options = line.settings.gc.options;
        options.dry_run = has_word(line, "--dry-run");
        const os::SystemClock clock;
        return run_gc_command(store, options, cache_of(line.settings), clock.now(), output);
    };
    return run_on_store({"gc",
                         "gc [--dry-run] [--json]",
                         "  --dry-run         say what would go, and remove nothing\n",
                         {"--dry-run", "--json"},
                         run},
                        args);
}

int run_du(const std::vector<std::string>& args) {
    const auto run = [](Store& store, const ServeLine& line, Output output) {
        return run_du_command(store, cache_of(line.settings), output);
    };
    return run_on_store({"du", "du [--json]", "", {"--json"}, run}, args);
}

int run_verify(const std::vector<std::string>& args) {
    const auto run = [](Store& store, const ServeLine&, Output output) {
        return run_verify_command(store, output);
    };
    return run_on_store({"verify", "verify [--json]", "", {"--json"}, run}, args);
}

int run_user(const std::vector<std::string>& args) { return run_accounts("user", args); }
int run_robot(const std::vector<std::string>& args) { return run_accounts("robot", args); }

} // namespace shoal::registry
