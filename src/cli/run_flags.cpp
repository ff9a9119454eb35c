// The table of flags of `run` and `create`, and the checks made while they are parsed.
#include "cli/run_options.h"

#include "base/text.h"
#include "cli/csv.h"
#include "cli/mounts.h"
#include "cli/option_values.h"
#include "cli/ports.h"
#include "cli/support.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli {
namespace {

Result<void> check_stream(std::string_view value) {
    const std::string word = to_lower(value);
    if (word == "stdin" || word == "stdout" || word == "stderr") { return ok(); }
    return invalid("valid streams are STDIN, STDOUT and STDERR");
}

Result<void> check_sysctl(std::string_view value) {
    constexpr std::string_view names[] = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                          "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                          "kernel.shmmni", "kernel.shm_rmid_forced"};
    const auto [name, setting] = cut(value, '=');
    const bool known = std::find(std::begin(names), std::end(names), name) != std::end(names) ||
                       name.starts_with("net.") || name.starts_with("fs.mqueue.");
    if (value.find('=') != std::string_view::npos && known) { return ok(); }
    return invalid(fmt::format("sysctl '{}' is not allowed", value));
}

constexpr Flag flags[] = {
    {"add-host", 0, Kind::List, "Add a host name with its address (host:ip)", "", "", check_host},
    {"annotation", 0, Kind::Map, "Add an annotation for the OCI runtime", "map[]", "", nullptr,
     false, 143},
    {"attach", 'a', Kind::List, "Attach to STDIN, STDOUT or STDERR", "", "", check_stream},
    {"blkio-weight", 0, Kind::Uint16, "Share of block IO, 10 to 1000, or 0 for the default", "0"},
    {"blkio-weight-device", 0, Kind::List, "Share of block IO on one device (path:weight)", "[]",
     "", by_parsing<parse_weight_device>},
    {"cap-add", 0, Kind::List, "Add Linux capabilities"},
    {"cap-drop", 0, Kind::List, "Drop Linux capabilities"},
    {"cgroup-parent", 0, Kind::Text, "Parent cgroup of the container"},
    {"cgroupns", 0, Kind::Text,
     "Cgroup namespace to use (host|private); the daemon's setting decides when it is not given",
     "", "", nullptr, false, 141},
    {"cidfile", 0, Kind::Text, "Write the container's ID to this file"},
    {"cpu-count", 0, Kind::Int, "Number of CPUs (Windows only)"},
    {"cpu-percent", 0, Kind::Int, "Percent of CPU (Windows only)"},
    {"cpu-period", 0, Kind::Int, "Length of a CPU period, microseconds"},
    {"cpu-quota", 0, Kind::Int, "CPU time in a period, microseconds"},
    {"cpu-rt-period", 0, Kind::Int, "Length of a real-time CPU period, microseconds"},
    {"cpu-rt-runtime", 0, Kind::Int, "Real-time CPU time in a period, microseconds"},
    {"cpu-shares", 'c', Kind::Int, "Share of CPU time (relative weight)"},
    {"cpus", 0, Kind::Decimal, "Number of CPUs", "", "", check_cpus},
    {"cpuset-cpus", 0, Kind::Text, "CPUs that may be used (0-3, 0,1)"},
    {"cpuset-mems", 0, Kind::Text, "Memory nodes that may be used (0-3, 0,1)"},
    {"device", 0, Kind::List, "Give the container a device of the host"},
    {"device-cgroup-rule", 0, Kind::List, "Add a rule to the container's list of devices", "", "",
     by_parsing<parse_device_rule>},
    {"device-read-bps", 0, Kind::List, "Limit reading from a device, bytes per second (path:rate)",
     "[]", "", by_parsing<parse_throttle_bytes>},
    {"device-read-iops", 0, Kind::List, "Limit reading from a device, operations per second", "[]",
     "", by_parsing<parse_throttle_count>},
    {"device-write-bps", 0, Kind::List, "Limit writing to a device, bytes per second (path:rate)",
     "[]", "", by_parsing<parse_throttle_bytes>},
    {"device-write-iops", 0, Kind::List, "Limit writing to a device, operations per second", "[]",
     "", by_parsing<parse_throttle_count>},
    {"disable-content-trust", 0, Kind::Bool, "Skip image verification", "true"},
    {"dns", 0, Kind::List, "DNS servers to use", "", "", check_ip},
    {"dns-opt", 0, Kind::List, "DNS options", "", "", nullptr, true},
    {"dns-option", 0, Kind::List, "DNS options"},
    {"dns-search", 0, Kind::List, "DNS search domains", "", "", check_search_domain},
    {"domainname", 0, Kind::Text, "NIS domain name of the container"},
    {"entrypoint", 0, Kind::Text, "Replace the image's ENTRYPOINT"},
    {"env", 'e', Kind::List, "Set environment variables", "", "", check_env},
    {"env-file", 0, Kind::List, "Read environment variables from a file"},
    {"expose", 0, Kind::List, "Expose a port or a range of ports"},
    {"gpus", 0, Kind::List, "GPU devices for the container ('all' for all GPUs)", "", "gpu-request",
     by_parsing<parse_gpus>, false, 140},
    {"group-add", 0, Kind::List, "Further groups of the process"},
    {"health-cmd", 0, Kind::Text, "Command that checks the health"},
    {"health-interval", 0, Kind::Duration, "Time between two checks (ms|s|m|h)", "0s"},
    {"health-retries", 0, Kind::Int, "Failures in a row until the container is unhealthy"},
    {"health-start-interval", 0, Kind::Duration,
     "Time between two checks in the start period (ms|s|m|h)", "0s", "", nullptr, false, 144},
    {"health-start-period", 0, Kind::Duration, "Time in which failures do not count yet (ms|s|m|h)",
     "0s", "", nullptr, false, 129},
    {"health-timeout", 0, Kind::Duration, "Longest time for one check (ms|s|m|h)", "0s"},
    {"hostname", 'h', Kind::Text, "Host name of the container"},
    {"init", 0, Kind::Bool,
     "Run an init in the container that forwards signals and reaps processes", "", "", nullptr,
     false, 125},
    {"interactive", 'i', Kind::Bool, "Keep STDIN open even if not attached"},
    {"io-maxbandwidth", 0, Kind::Bytes, "Limit of IO bandwidth (Windows only)"},
    {"io-maxiops", 0, Kind::Uint, "Limit of IO operations (Windows only)"},
    {"ip", 0, Kind::Text, "IPv4 address (for example 172.30.100.104)"},
    {"ip6", 0, Kind::Text, "IPv6 address (for example 2001:db8::33)"},
    {"ipc", 0, Kind::Text, "IPC mode to use"},
    {"isolation", 0, Kind::Text, "Isolation technology"},
    {"kernel-memory", 0, Kind::Bytes, "Limit of kernel memory"},
    {"label", 'l', Kind::List, "Set a label on the container", "", "", check_label},
    {"label-file", 0, Kind::List, "Read labels from a file, one per line"},
    {"link", 0, Kind::List, "Link to another container"},
    {"link-local-ip", 0, Kind::List, "Link-local addresses of the container", "", "", check_ip},
    {"log-driver", 0, Kind::Text, "Logging driver of the container"},
    {"log-opt", 0, Kind::List, "Options of the logging driver"},
    {"mac-address", 0, Kind::Text, "MAC address (for example 92:d0:c6:0a:29:33)"},
    {"memory", 'm', Kind::Bytes, "Limit of memory"},
    {"memory-reservation", 0, Kind::Bytes, "Soft limit of memory"},
    {"memory-swap", 0, Kind::MemorySwap,
     "Limit of memory and swap together: '-1' for unlimited swap"},
    {"memory-swappiness", 0, Kind::Int, "How readily memory is swapped (0 to 100)", "-1"},
    {"mount", 0, Kind::List, "Attach a file system", "", "mount", check_mount},
    {"name", 0, Kind::Text, "Name of the container"},
    {"net", 0, Kind::List, "Connect to a network", "", "network", by_parsing<parse_network>, true},
    {"net-alias", 0, Kind::List, "Add a name in the network", "", "", nullptr, true},
    {"network", 0, Kind::List, "Connect to a network", "", "network", by_parsing<parse_network>},
    {"network-alias", 0, Kind::List, "Add a name for the container in the network"},
    {"no-healthcheck", 0, Kind::Bool, "Switch off the image's HEALTHCHECK"},
    {"oom-kill-disable", 0, Kind::Bool, "Switch off the OOM killer"},
    {"oom-score-adj", 0, Kind::Int, "How readily the OOM killer takes it (-1000 to 1000)"},
    {"pid", 0, Kind::Text, "PID namespace to use"},
    {"pids-limit", 0, Kind::Int, "Limit of processes (-1 for unlimited)"},
    {"platform", 0, Kind::Text, "Platform of the image, when the server has several", "", "",
     nullptr, false, 132},
    {"privileged", 0, Kind::Bool, "Give the container all privileges"},
    {"publish", 'p', Kind::List, "Publish a port of the container on the host"},
    {"publish-all", 'P', Kind::Bool, "Publish all exposed ports on random ports"},
    {"pull", 0, Kind::Text, "Pull the image first (\"always\", \"missing\", \"never\")", "missing"},
    {"quiet", 'q', Kind::Bool, "Do not show how the pull gets on"},
    {"read-only", 0, Kind::Bool, "Mount the root file system read-only"},
    {"restart", 0, Kind::Text, "What to do when the container exits", "no"},
    {"rm", 0, Kind::Bool, "Remove the container and its anonymous volumes when it exits"},
    {"runtime", 0, Kind::Text, "OCI runtime of the container", "", "", nullptr, false, 125},
    {"security-opt", 0, Kind::List, "Security options"},
    {"shm-size", 0, Kind::Bytes, "Size of /dev/shm"},
    {"stop-signal", 0, Kind::Text, "Signal that stops the container"},
    {"stop-timeout", 0, Kind::Int, "Seconds to wait before the container is killed", "", "",
     nullptr, false, 125},
    {"storage-opt", 0, Kind::List, "Options of the storage driver"},
    {"sysctl", 0, Kind::Map, "Kernel settings of the container", "map[]", "", check_sysctl},
    {"tmpfs", 0, Kind::List, "Mount a tmpfs"},
    {"tty", 't', Kind::Bool, "Give the process a terminal"},
    {"ulimit", 0, Kind::List, "Resource limits of the process", "[]", "ulimit",
     by_parsing<parse_ulimit>},
    {"use-api-socket", 0, Kind::Bool, "Mount the daemon's socket (not supported)", "", "", nullptr,
     true},
    {"user", 'u', Kind::Text, "User name or UID (<name|uid>[:<group|gid>])"},
    {"userns", 0, Kind::Text, "User namespace to use"},
    {"uts", 0, Kind::Text, "UTS namespace to use"},
    {"volume", 'v', Kind::List, "Mount a volume or a path of the host"},
    {"volume-driver", 0, Kind::Text, "Driver of the volumes that are created"},
    {"volumes-from", 0, Kind::List, "Mount the volumes of another container"},
    {"workdir", 'w', Kind::Text, "Working directory in the container"},
};

} // namespace

std::span<const Flag> create_flags() { return flags; }

Result<void> check_ip(std::string_view value) {
    if (is_ip(trim(value))) { return ok(); }
    return invalid(fmt::format("IP address is not correctly formatted: {}", value));
}

Result<void> check_search_domain(std::string_view value) {
    const auto domain = trim(value);
    if (domain == ".") { return ok(); }
    const bool good = !domain.empty() && domain.size() <= 253 &&
                      std::all_of(domain.begin(), domain.end(),
                                  [](char c) {
                                      return std::isalnum(static_cast<unsigned char>(c)) ||
                                             c == '-' || c == '.' || c == '_';
                                  }) &&
                      std::any_of(domain.begin(), domain.end(), [](char c) {
                          return std::isalpha(static_cast<unsigned char>(c));
                      });
    if (good) { return ok(); }
    return invalid(fmt::format("{} is not a valid domain", value));
}

Result<void> check_mount(std::string_view value) {
    auto parsed = parse_mount(value, "/");
    if (parsed) { return ok(); }
    return std::move(parsed).error();
}

Result<void> check_host(std::string_view value) {
    const auto separator = value.find_first_of("=:");
    const auto bad = [&] { return invalid(fmt::format("bad format for add-host: \"{}\"", value)); };
    if (separator == std::string_view::npos || separator == 0) { return bad(); }
    std::string address(value.substr(separator + 1));
    if (address.starts_with('[') && address.ends_with(']')) {
        address = address.substr(1, address.size() - 2);
    }
    if (address.empty()) { return bad(); }
    if (address == "host-gateway" || is_ip(address)) { return ok(); }
    return invalid(fmt::format("invalid IP address in add-host: \"{}\"", address));
}

} // namespace shoal::cli
