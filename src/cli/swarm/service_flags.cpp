#include "cli/swarm/service_flags.h"

#include "cli/option_values.h"
#include "cli/run_options.h"
#include "cli/swarm/values.h"

#include <array>

namespace shoal::cli::swarm {
namespace {

// --- of both ---

constexpr Flag common_flags[] = {
    {"cap-add", 0, Kind::List, "Add Linux capabilities", "", "", nullptr, false, 141},
    {"cap-drop", 0, Kind::List, "Drop Linux capabilities", "", "", nullptr, false, 141},
    {"credential-spec", 0, Kind::Text, "Credentials of a managed service account (Windows only)",
     "", "credential-spec", by_parsing<parse_credential_spec>, false, 129},
    {"detach", 'd', Kind::Bool, "Do not wait until the service is as it should be", "", "", nullptr,
     false, 129},
    {"entrypoint", 0, Kind::Text, "Replace the image's ENTRYPOINT", "", "command",
     by_parsing<shell_words>},
    {"health-cmd", 0, Kind::Text, "Command that checks the health"},
    {"health-interval", 0, Kind::Duration, "Time between two checks (ms|s|m|h)", "", "",
     check_positive_duration},
    {"health-retries", 0, Kind::Int, "Failures in a row until the container is unhealthy"},
    {"health-start-interval", 0, Kind::Duration,
     "Time between two checks in the start period (ms|s|m|h)", "", "", check_positive_duration,
     false, 144},
    {"health-start-period", 0, Kind::Duration, "Time in which failures do not count yet (ms|s|m|h)",
     "", "", check_positive_duration, false, 129},
    {"health-timeout", 0, Kind::Duration, "Longest time for one check (ms|s|m|h)", "", "",
     check_positive_duration},
    {"hostname", 0, Kind::Text, "Host name of the containers"},
    {"init", 0, Kind::Bool,
     "Run an init in every container that forwards signals and reaps processes", "", "", nullptr,
     false, 137},
    {"isolation", 0, Kind::Text, "Isolation technology of the containers", "", "", nullptr, false,
     135},
    {"limit-cpu", 0, Kind::Decimal, "Limit of CPUs", "", "", check_cpus},
    {"limit-memory", 0, Kind::Bytes, "Limit of memory"},
    {"limit-pids", 0, Kind::Int, "Limit of processes (default 0 = unlimited)", "", "", nullptr,
     false, 141},
    {"log-driver", 0, Kind::Text, "Logging driver of the containers"},
    {"log-opt", 0, Kind::List, "Options of the logging driver", "", "", check_env},
    {"max-concurrent", 0, Kind::Uint,
     "Tasks of a job that run at the same time (default equal to --replicas)", "", "", nullptr,
     false, 141},
    {"no-healthcheck", 0, Kind::Bool, "Switch off the image's HEALTHCHECK"},
    {"no-resolve-image", 0, Kind::Bool,
     "Do not ask the registry for the image's digest and platforms", "", "", nullptr, false, 130},
    {"oom-score-adj", 0, Kind::Int, "How readily the OOM killer takes it (-1000 to 1000)", "", "",
     nullptr, false, 146},
    {"quiet", 'q', Kind::Bool, "Do not show how it gets on"},
    {"read-only", 0, Kind::Bool, "Mount the root file system read-only", "", "", nullptr, false,
     128},
    {"replicas", 0, Kind::Uint, "Number of tasks"},
    {"replicas-max-per-node", 0, Kind::Uint, "Most tasks on one node (default 0 = unlimited)", "",
     "", nullptr, false, 140},
    {"reserve-cpu", 0, Kind::Decimal, "CPUs to keep for every task", "", "", check_cpus},
    {"reserve-memory", 0, Kind::Bytes, "Memory to keep for every task"},
    {"restart-max-attempts", 0, Kind::Uint, "Restarts until a task is given up"},
    {"restart-window", 0, Kind::Duration, "Time in which restarts are counted (ns|us|ms|s|m|h)"},
    {"stop-signal", 0, Kind::Text, "Signal that stops the containers", "", "", nullptr, false, 128},
    {"tty", 't', Kind::Bool, "Give the processes a terminal"},
    {"user", 'u', Kind::Text, "User name or UID (<name|uid>[:<group|gid>])"},
    {"with-registry-auth", 0, Kind::Bool, "Send the registry's log-in to the nodes"},
    {"workdir", 'w', Kind::Text, "Working directory in the containers"},
};

/// Of both, with defaults that a change does not have.
constexpr Flag preset_flags[] = {
    {"endpoint-mode", 0, Kind::Text, "How the service is reached (vip or dnsrr)", "vip"},
    {"restart-condition", 0, Kind::Text, "When to restart (\"none\", \"on-failure\", \"any\")",
     "any"},
    {"restart-delay", 0, Kind::Duration, "Time between two restarts (ns|us|ms|s|m|h)", "5s"},
    {"rollback-delay", 0, Kind::Duration, "Time between two tasks of a rollback (ns|us|ms|s|m|h)",
     "0s", "", nullptr, false, 128},
    {"rollback-failure-action", 0, Kind::Text,
     "What to do when a rollback fails (\"pause\", \"continue\")", "pause", "", nullptr, false,
     128},
    {"rollback-max-failure-ratio", 0, Kind::Text, "Part of the tasks that may fail in a rollback",
     "0", "float", check_ratio, false, 128},
    {"rollback-monitor", 0, Kind::Duration,
     "How long to watch every task of a rollback (ns|us|ms|s|m|h)", "5s", "", nullptr, false, 128},
    {"rollback-order", 0, Kind::Text, "Order of a rollback (\"start-first\", \"stop-first\")",
     "stop-first", "", nullptr, false, 129},
    {"rollback-parallelism", 0, Kind::Uint,
     "Tasks that are rolled back at the same time (0 for all)", "1", "", nullptr, false, 128},
    {"stop-grace-period", 0, Kind::Duration,
     "Time to wait before a container is killed (ns|us|ms|s|m|h)", "10s"},
    {"update-delay", 0, Kind::Duration, "Time between two tasks of an update (ns|us|ms|s|m|h)",
     "0s"},
    {"update-failure-action", 0, Kind::Text,
     "What to do when an update fails (\"pause\", \"continue\", \"rollback\")", "pause"},
    {"update-max-failure-ratio", 0, Kind::Text, "Part of the tasks that may fail in an update", "0",
     "float", check_ratio},
    {"update-monitor", 0, Kind::Duration,
     "How long to watch every task of an update (ns|us|ms|s|m|h)", "5s"},
    {"update-order", 0, Kind::Text, "Order of an update (\"start-first\", \"stop-first\")",
     "stop-first", "", nullptr, false, 129},
    {"update-parallelism", 0, Kind::Uint, "Tasks that are updated at the same time (0 for all)",
     "1"},
};

// --- of create alone ---

constexpr Flag create_flags[] = {
    {"config", 0, Kind::List, "Give the containers a config", "", "config",
     by_parsing<parse_config>, false, 130},
    {"constraint", 0, Kind::List, "Only nodes for which this holds (\"node.role==worker\")"},
    {"container-label", 0, Kind::List, "Label of the containers", "", "", check_label},
    {"dns", 0, Kind::List, "DNS servers to use", "", "", check_ip},
    {"dns-option", 0, Kind::List, "DNS options"},
    {"dns-search", 0, Kind::List, "DNS search domains", "", "", check_search_domain},
    {"env", 'e', Kind::List, "Set environment variables", "", "", check_env},
    {"env-file", 0, Kind::List, "Read environment variables from a file"},
    {"generic-resource", 0, Kind::List, "Resources of your own to keep for every task (\"gpu=2\")",
     "", "", check_generic_resource},
    {"group", 0, Kind::List, "Further groups of the process"},
    {"host", 0, Kind::List, "Add a host name with its address (host:ip)", "", "", check_host},
    {"label", 'l', Kind::List, "Label of the service", "", "", check_label},
    {"mode", 0, Kind::Text,
     "Kind of service (\"replicated\", \"global\", \"replicated-job\", \"global-job\")",
     "replicated"},
    {"mount", 0, Kind::List, "Attach a file system", "", "mount", check_mount},
    {"name", 0, Kind::Text, "Name of the service"},
    {"network", 0, Kind::List, "Connect to a network", "", "network", by_parsing<parse_network>},
    {"placement-pref", 0, Kind::List, "Spread tasks over values of this (\"spread=node.labels.x\")",
     "", "pref", by_parsing<parse_preference>, false, 128},
    {"publish", 'p', Kind::List, "Publish a port", "", "port", by_parsing<parse_publish>},
    {"secret", 0, Kind::List, "Give the containers a secret", "", "secret",
     by_parsing<parse_secret>},
    {"sysctl", 0, Kind::List, "Kernel settings of the containers", "", "", nullptr, false, 140},
    {"ulimit", 0, Kind::List, "Resource limits of the processes", "[]", "ulimit",
     by_parsing<parse_ulimit>, false, 141},
};

// --- of update alone ---

constexpr Flag update_flags[] = {
    {"args", 0, Kind::Text, "Arguments of the command", "", "command", by_parsing<shell_words>},
    {"config-add", 0, Kind::List, "Give the containers a config", "", "config",
     by_parsing<parse_config>, false, 130},
    {"config-rm", 0, Kind::List, "Take a config away", "", "", nullptr, false, 130},
    {"constraint-add", 0, Kind::List, "Only nodes for which this holds too"},
    {"constraint-rm", 0, Kind::List, "Remove a constraint"},
    {"container-label-add", 0, Kind::List, "Add a label to the containers, or change it", "", "",
     check_label},
    {"container-label-rm", 0, Kind::List, "Remove a label of the containers by its key"},
    {"dns-add", 0, Kind::List, "Add a DNS server", "", "", check_ip},
    {"dns-option-add", 0, Kind::List, "Add a DNS option"},
    {"dns-option-rm", 0, Kind::List, "Remove a DNS option"},
    {"dns-rm", 0, Kind::List, "Remove a DNS server"},
    {"dns-search-add", 0, Kind::List, "Add a DNS search domain", "", "", check_search_domain},
    {"dns-search-rm", 0, Kind::List, "Remove a DNS search domain"},
    {"env-add", 0, Kind::List, "Add an environment variable, or change it", "", "", check_env},
    {"env-rm", 0, Kind::List, "Remove an environment variable"},
    {"force", 0, Kind::Bool, "Replace the tasks although nothing has changed"},
    {"generic-resource-add", 0, Kind::List, "Add a resource of your own", "", "",
     check_generic_resource, false, 132},
    {"generic-resource-rm", 0, Kind::List, "Remove a resource of your own", "", "", nullptr, false,
     132},
    {"group-add", 0, Kind::List, "Add a further group of the process"},
    {"group-rm", 0, Kind::List, "Remove a further group of the process"},
    {"host-add", 0, Kind::List, "Add a host name with its address (\"host:ip\")", "", "",
     check_host},
    {"host-rm", 0, Kind::List, "Remove a host name (\"host\" or \"host:ip\")"},
    {"image", 0, Kind::Text, "Image of the service"},
    {"label-add", 0, Kind::List, "Add a label to the service, or change it", "", "", check_label},
    {"label-rm", 0, Kind::List, "Remove a label by its key"},
    {"mount-add", 0, Kind::List, "Attach a file system, or change it", "", "mount", check_mount},
    {"mount-rm", 0, Kind::List, "Remove a mount by its target"},
    {"network-add", 0, Kind::List, "Connect to a network", "", "network", by_parsing<parse_network>,
     false, 129},
    {"network-rm", 0, Kind::List, "Disconnect from a network", "", "", nullptr, false, 129},
    {"placement-pref-add", 0, Kind::List, "Add a preference", "", "pref",
     by_parsing<parse_preference>, false, 128},
    {"placement-pref-rm", 0, Kind::List, "Remove a preference", "", "pref",
     by_parsing<parse_preference>, false, 128},
    {"publish-add", 0, Kind::List, "Publish a port, or publish it otherwise", "", "port",
     by_parsing<parse_publish>},
    {"publish-rm", 0, Kind::List, "Do not publish a port any more, by its target", "", "port",
     by_parsing<parse_publish>},
    {"rollback", 0, Kind::Bool, "Go back to what the service was before its last change"},
    {"secret-add", 0, Kind::List, "Give the containers a secret", "", "secret",
     by_parsing<parse_secret>},
    {"secret-rm", 0, Kind::List, "Take a secret away"},
    {"sysctl-add", 0, Kind::List, "Add a kernel setting, or change it", "", "", nullptr, false,
     140},
    {"sysctl-rm", 0, Kind::List, "Remove a kernel setting", "", "", nullptr, false, 140},
    {"ulimit-add", 0, Kind::List, "Add a resource limit, or change it", "[]", "ulimit",
     by_parsing<parse_ulimit>, false, 141},
    {"ulimit-rm", 0, Kind::List, "Remove a resource limit", "", "", nullptr, false, 141},
};

template <std::size_t A, std::size_t B, std::size_t C> constexpr std::array<Flag, A + B + C>
joined(const Flag (&a)[A], const Flag (&b)[B], const Flag (&c)[C], bool presets) {
    std::array<Flag, A + B + C> all{};
    std::size_t at = 0;
    for (const Flag& flag : a) { all[at++] = flag; }
    for (const Flag& flag : b) {
        all[at] = flag;
        if (!presets) { all[at].preset = ""; }
        ++at;
    }
    for (const Flag& flag : c) { all[at++] = flag; }
    return all;
}

constexpr auto create_table = joined(common_flags, preset_flags, create_flags, true);
constexpr auto update_table = joined(common_flags, preset_flags, update_flags, false);

} // namespace

std::span<const Flag> service_create_flags() { return create_table; }
std::span<const Flag> service_update_flags() { return update_table; }

} // namespace shoal::cli::swarm
