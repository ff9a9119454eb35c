#include "container/validate.h"

#include "base/text.h"
#include "container/binds.h"
#include "container/log_file.h"
#include "container/ports.h"
#include "container/resources.h"
#include "container/restart.h"
#include "container/runtime.h"

#include <algorithm>
#include <array>

namespace shoal::container {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t memory_min = 6 * 1024 * 1024;
constexpr std::size_t environment_entries_max = 10'000;
constexpr std::size_t text_bytes_max = 1024 * 1024;

template <class List> bool one_of(const List& list, std::string_view word) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

Result<void> check_health(const Config& config) {
    if (!config.healthcheck) { return ok(); }
    const HealthConfig& health = *config.healthcheck;
    const std::pair<const char*, nanoseconds> spans[] = {{"Interval", health.interval},
                                                         {"Timeout", health.timeout},
                                                         {"StartPeriod", health.start_period},
                                                         {"StartInterval", health.start_interval}};
    for (const auto& [name, span] : spans) {
        if (span != 0ns && span < 1ms) {
            return invalid(std::string(name) + " in Healthcheck cannot be less than 1ms");
        }
    }
    if (health.retries < 0) { return invalid("Retries in Healthcheck cannot be negative"); }
    if (!health.test.empty() &&
        !one_of(std::array{"NONE", "CMD", "CMD-SHELL", ""}, health.test.front())) {
        return invalid("Test in Healthcheck must begin with NONE, CMD or CMD-SHELL, not " +
                       go_quote(health.test.front()));
    }
    return ok();
}

bool is_host_name(std::string_view name) {
    return name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_';
           });
}

Result<void> check_config(const Config& config) {
    if (config.env.size() > environment_entries_max) { return invalid("Env: too many variables"); }
    for (const auto& entry : config.env) {
        if (entry.empty() || entry.front() == '=') {
            return invalid("invalid environment variable: " + entry);
        }
        if (entry.find('\0') != std::string::npos) {
            return invalid("invalid environment variable: contains a NUL byte");
        }
        if (entry.size() > text_bytes_max) { return invalid("Env: a variable is too long"); }
    }
    if (!is_host_name(config.hostname)) {
        return invalid("invalid hostname format: " + config.hostname);
    }
    if (!is_host_name(config.domainname)) {
        return invalid("invalid domainname format: " + config.domainname);
    }
    if (!config.working_dir.empty() && !config.working_dir.starts_with('/')) {
        return invalid("the working directory '" + config.working_dir +
                       "' is invalid, it needs to be an absolute path");
    }
    if (!config.stop_signal.empty() && parse_signal(config.stop_signal) <= 0) {
        return invalid("invalid signal: " + config.stop_signal);
    }
    for (const auto& [port, nothing] : config.exposed_ports) { TRY(parse_exposed(port)); }
    return check_health(config);
}

Result<void> check_cpuset(const std::string& text, std::int64_t cpus, const char* what) {
    if (text.empty()) { return ok(); }
    for (const auto& part : split(text, ',')) {
        const auto [low, high] = cut(part, '-');
        const auto first = parse_number<std::int64_t>(low);
        const auto last =
            part.find('-') == std::string::npos ? first : parse_number<std::int64_t>(high);
        if (!first || !last || *last < *first) {
            return invalid("Invalid value " + text + " for cpuset " + what);
        }
        if (std::string_view(what) == "cpus" && *last >= cpus) {
            return invalid("Requested CPUs are not available - requested " + text +
                           ", available: 0-" + std::to_string(cpus - 1));
        }
    }
    return ok();
}

Result<void> check_memory(const Resources& r) {
    if (r.memory < 0) { return invalid("Invalid memory limit"); }
    if (r.memory > 0 && r.memory < memory_min) {
        return invalid("Minimum memory limit allowed is 6MB");
    }
    if (r.memory > 0 && r.memory_swap > 0 && r.memory_swap < r.memory) {
        return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if (r.memory == 0 && r.memory_swap > 0) {
        return invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    if (r.memory_swappiness && (*r.memory_swappiness < -1 || *r.memory_swappiness > 100)) {
        return invalid("Invalid value: " + std::to_string(*r.memory_swappiness) +
                       ", valid memory swappiness range is 0-100");
    }
    if (r.memory_reservation > 0 && r.memory_reservation < memory_min) {
        return invalid("Minimum memory reservation allowed is 6MB");
    }
    if (r.memory > 0 && r.memory_reservation > 0 && r.memory < r.memory_reservation) {
        return invalid(
            "Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    return ok();
}

Result<void> check_cpu(const Resources& r, const HostFacts& host) {
    if (r.nano_cpus > 0 && (r.cpu_period > 0 || r.cpu_quota > 0)) {
        return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if (r.nano_cpus < 0 || r.nano_cpus > host.cpus * 1'000'000'000) {
        return invalid("range of CPUs is from 0.01 to " + std::to_string(host.cpus) +
                       ".00, as there are only " + std::to_string(host.cpus) + " CPUs available");
    }
    if (r.cpu_shares < 0) {
        return invalid("invalid CPU shares (" + std::to_string(r.cpu_shares) +
                       "): value must be a positive integer");
    }
    if (r.cpu_period != 0 && (r.cpu_period < 1000 || r.cpu_period > 1000000)) {
        return invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    }
    if (r.cpu_quota > 0 && r.cpu_quota < 1000) {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    TRY(check_cpuset(r.cpuset_cpus, host.cpus, "cpus"));
    return check_cpuset(r.cpuset_mems, host.cpus, "mems");
}

Result<void> check_resources(const Resources& r, const HostFacts& host) {
    TRY(check_memory(r));
    TRY(check_cpu(r, host));
    if (r.blkio_weight != 0 && (r.blkio_weight < 10 || r.blkio_weight > 1000)) {
        return invalid("Range of blkio weight is from 10 to 1000");
    }
    if (r.pids_limit && *r.pids_limit < -1) {
        return invalid("PidsLimit: " + std::to_string(*r.pids_limit) + " is not valid");
    }
    for (const auto& limit : r.ulimits) {
        if (!is_ulimit_name(limit.name)) { return invalid("invalid ulimit type: " + limit.name); }
        const bool bad = limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard);
        if (bad) {
            return invalid("ulimit soft limit must be less than or equal to hard limit: " +
                           std::to_string(limit.soft) + " > " + std::to_string(limit.hard));
        }
    }
    for (const auto& rule : r.device_cgroup_rules) { TRY(parse_device_rule(rule)); }
    for (const auto& device : r.devices) {
        if (device.path_on_host.empty()) { return invalid("Devices: PathOnHost is empty"); }
        if (device.cgroup_permissions.find_first_not_of("rwm") != std::string::npos) {
            return invalid("invalid device mode: " + device.cgroup_permissions);
        }
    }
    if (!r.device_requests.empty()) {
        // No driver (GPUs, CDI) is there to select from.
        const auto& request = r.device_requests.front();
        std::vector<std::string> sets;
        for (const auto& set : request.capabilities) { sets.push_back("[" + join(set, " ") + "]"); }
        return invalid("could not select device driver " + go_quote(request.driver) +
                       " with capabilities: [" + join(sets, " ") + "]");
    }
    return ok();
}

Result<void> check_restart(const RestartPolicy& policy, bool auto_remove) {
    if (!one_of(std::array{"", "no", "always", "unless-stopped", "on-failure"}, policy.name)) {
        return invalid("invalid restart policy: unknown policy '" + policy.name +
                       "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'");
    }
    if (policy.maximum_retry_count < 0) {
        return invalid("invalid restart policy: maximum retry count cannot be negative");
    }
    if (policy.maximum_retry_count > 0 && policy.name != "on-failure") {
        return invalid(
            "invalid restart policy: maximum retry count can only be used with 'on-failure'");
    }
    if (auto_remove && !is_none(policy)) {
        return invalid("can't create 'AutoRemove' container with restart policy");
    }
    return ok();
}

Result<void> check_mode(const char* field, const std::string& mode,
                        std::initializer_list<std::string_view> kinds) {
    const ModeName name = parse_mode(mode);
    if (name.kind == "container" && name.name.empty()) {
        return invalid(std::string("invalid ") + field + ": container name is missing");
    }
    if (std::find(kinds.begin(), kinds.end(), name.kind) == kinds.end()) {
        return invalid(std::string("invalid ") + field + ": " + mode);
    }
    return ok();
}

Result<void> check_modes(const Config& config, const HostConfig& host) {
    TRY(check_mode("IPC mode", host.ipc_mode,
                   {"", "none", "private", "shareable", "host", "container"}));
    TRY(check_mode("PID mode", host.pid_mode, {"", "private", "host", "container"}));
    TRY(check_mode("UTS mode", host.uts_mode, {"", "host"}));
    if (!one_of(std::array{"", "host"}, host.userns_mode)) {
        return invalid("invalid user namespace mode: " + host.userns_mode +
                       ": only \"host\" is supported");
    }
    if (!one_of(std::array{"", "private", "host"}, host.cgroupns_mode)) {
        return invalid("invalid cgroup namespace mode: " + host.cgroupns_mode);
    }
    if (!one_of(std::array{"", "default"}, host.isolation)) {
        return invalid("invalid isolation '" + host.isolation + "' on linux");
    }
    if (!host.cgroup.empty()) {
        return unsupported("Cgroup: joining another container's cgroup is not supported");
    }
    const ModeName network = parse_mode(host.network_mode);
    if (network.kind == "container") {
        if (network.name.empty()) {
            return invalid("invalid container format container:<name|id>");
        }
        if (!config.hostname.empty()) {
            return invalid("conflicting options: hostname and the network mode");
        }
        if (!host.links.empty()) {
            return invalid(
                "conflicting options: container type network can't be used with links. This would result in undefined behavior");
        }
        if (!host.dns.empty()) { return invalid("conflicting options: dns and the network mode"); }
        if (!host.extra_hosts.empty()) {
            return invalid("conflicting options: custom host-to-IP mapping and the network mode");
        }
        if (!host.port_bindings.empty() || host.publish_all_ports) {
            return invalid(
                "conflicting options: port publishing and the container type network mode");
        }
    }
    if (network.kind == "host" && !host.links.empty()) {
        return invalid(
            "conflicting options: host type networking can't be used with links. This would result in undefined behavior");
    }
    if (host.uts_mode == "host" && !config.hostname.empty()) {
        return invalid("conflicting options: hostname and the UTS mode");
    }
    return ok();
}

Result<void> check_log(const LogConfig& log) {
    static const std::map<std::string, std::set<std::string>> drivers = {
        {"", {}},
        {"none", {}},
        {"json-file",
         {"max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag"}},
        {"local", {"max-size", "max-file", "compress"}},
        {"journald", {"labels", "labels-regex", "env", "env-regex", "tag"}},
        {"syslog",
         {"syslog-address", "syslog-facility", "syslog-format", "tag", "labels", "labels-regex",
          "env", "env-regex"}}};
    const auto driver = drivers.find(log.type);
    if (driver == drivers.end()) {
        return invalid("logger: no log driver named '" + log.type + "' is registered");
    }
    for (const auto& [name, value] : log.config) {
        if (name == "mode") {
            if (value != "blocking" && value != "non-blocking") {
                return invalid("logger: logging mode not supported: " + value);
            }
        } else if (name == "max-buffer-size") {
            TRY(parse_bytes(value));
        } else if (driver->second.count(name) == 0) {
            return invalid("unknown log opt '" + name + "' for " + log.type + " log driver");
        }
    }
    const auto option = [&](const char* name) {
        const auto found = log.config.find(name);
        return found == log.config.end() ? std::string_view() : std::string_view(found->second);
    };
    if (log.type == "json-file" || log.type == "local") {
        TRY(parse_rotation(log.type, option("max-size"), option("max-file"), option("compress")));
    }
    return ok();
}

Result<void> check_sysctls(const HostConfig& host) {
    for (const auto& [name, value] : host.sysctls) {
        const bool ipc = one_of(std::array{"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",
                                           "kernel.sem", "kernel.shmall", "kernel.shmmax",
                                           "kernel.shmmni", "kernel.shm_rmid_forced"},
                                name) ||
                         name.starts_with("fs.mqueue.");
        const bool net = name.starts_with("net.");
        if (!ipc && !net) { return invalid("sysctl '" + name + "' is not allowed"); }
        if (net && host.network_mode == "host") {
            return invalid("sysctl '" + name + "' not allowed in host network namespace");
        }
        if (ipc && host.ipc_mode == "host") {
            return invalid("sysctl '" + name + "' not allowed in host ipc namespace");
        }
    }
    return ok();
}

Result<void> check_host(const Config& config, const HostConfig& host, const HostFacts& facts,
                        const ValidateOptions& options) {
    TRY(check_resources(host.resources, facts));
    TRY(check_restart(host.restart_policy, host.auto_remove));
    TRY(check_modes(config, host));
    TRY(check_log(host.log_config));
    TRY(check_sysctls(host));
    TRY(parse_port_bindings(host.port_bindings));
    TRY(plan_mounts(config, host));
    for (const auto& text : host.volumes_from) { TRY(parse_volumes_from(text)); }
    TRY(make_capabilities(host, facts));
    TRY_LET(security, parse_security_options(host.security_opt));
    if (!security.apparmor.empty() && security.apparmor != "unconfined" && !facts.apparmor) {
        return unsupported("security-opt apparmor=" + security.apparmor +
                           ": the kernel has no AppArmor");
    }
    for (const auto& label : security.label) {
        if (label != "disable" && !facts.selinux) {
            return unsupported("security-opt label=" + label + ": the kernel has no SELinux");
        }
    }
    if (host.shm_size < 0) { return invalid("SHM size can not be less than 0"); }
    if (host.oom_score_adj < -1000 || host.oom_score_adj > 1000) {
        return invalid("Invalid value " + std::to_string(host.oom_score_adj) +
                       ", range for oom score adj is [-1000, 1000]");
    }
    if (!host.runtime.empty() && options.runtimes.count(host.runtime) == 0) {
        return invalid("unknown or invalid runtime name: " + host.runtime);
    }
    for (const auto& [name, value] : host.storage_opt) {
        return unsupported("--storage-opt is not supported on this file system: " + name + "=" +
                           value);
    }
    for (const auto& entry : host.extra_hosts) {
        const auto [name, address] = cut(entry, ':');
        if (name.empty() || address.empty()) {
            return invalid("bad format for add-host: " + go_quote(entry));
        }
    }
    return ok();
}

void warn_about(const HostConfig& host, const HostFacts& facts,
                std::vector<std::string>& warnings) {
    const Resources& r = host.resources;
    if (r.memory > 0 && r.memory_swap != -1 && !facts.memory_swap_accounting) {
        warnings.emplace_back(
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.");
    }
    if (r.kernel_memory > 0) {
        warnings.emplace_back("Specifying a kernel memory limit is deprecated and has no effect.");
    }
    if (r.oom_kill_disable.value_or(false) && r.memory == 0) {
        warnings.emplace_back(
            "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.");
    }
    if (!host.port_bindings.empty() && (host.network_mode == "host")) {
        warnings.emplace_back("Published ports are discarded when using host network mode");
    }
}

} // namespace

bool is_ulimit_name(std::string_view name) {
    static const std::array names = {"core",    "cpu",      "data",   "fsize",      "locks",
                                     "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                     "rss",     "rtprio",   "rttime", "sigpending", "stack"};
    return one_of(names, name);
}

ModeName parse_mode(std::string_view mode) {
    if (mode.starts_with("container:")) { return {"container", std::string(mode.substr(10))}; }
    if (mode == "container") { return {"container", ""}; }
    if (one_of(std::array{"", "host", "none", "private", "shareable"}, mode)) {
        return {std::string(mode), ""};
    }
    return {"network", std::string(mode)};
}

Result<std::vector<std::string>> validate_create(const CreateRequest& request,
                                                 const HostFacts& host,
                                                 const ValidateOptions& options) {
    TRY(check_config(request.config));
    TRY(check_host(request.config, request.host_config, host, options));
    std::vector<std::string> warnings;
    warn_about(request.host_config, host, warnings);
    return warnings;
}

Result<std::vector<std::string>> validate_update(const UpdateRequest& request,
                                                 const Resources& present,
                                                 const RestartPolicy& policy, bool auto_remove,
                                                 const HostFacts& host) {
    (void)policy;
    Resources merged = request.resources;
    // A new memory limit is checked against the swap limit that stays.
    if (merged.memory > 0 && merged.memory_swap == 0 && present.memory_swap > 0 &&
        present.memory_swap < merged.memory && present.memory_swap != 2 * present.memory) {
        return invalid(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
    }
    if (merged.memory == 0 && merged.memory_swap > 0) { merged.memory = present.memory; }
    TRY(check_resources(merged, host));
    if (request.restart_policy && auto_remove && !is_none(*request.restart_policy)) {
        return invalid(
            "Restart policy cannot be updated because AutoRemove is enabled for the container");
    }
    if (request.restart_policy) { TRY(check_restart(*request.restart_policy, auto_remove)); }
    return std::vector<std::string>{};
}

Result<void> validate_exec(const ExecConfig& exec) {
    if (exec.cmd.empty() || exec.cmd.front().empty()) {
        return invalid("No exec command specified");
    }
    for (const auto& entry : exec.env) {
        if (entry.empty() || entry.front() == '=') {
            return invalid("invalid environment variable: " + entry);
        }
    }
    if (!exec.working_dir.empty() && !exec.working_dir.starts_with('/')) {
        return invalid("Cwd must be an absolute path: " + exec.working_dir);
    }
    return ok();
}

Result<void> validate_container_name(std::string_view name) {
    const auto word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    const bool good = name.size() >= 2 && name.size() <= 255 && word(name.front()) &&
                      std::all_of(name.begin(), name.end(), [&](char c) {
                          return word(c) || c == '_' || c == '.' || c == '-';
                      });
    if (good) { return ok(); }
    return invalid("Invalid container name (" + std::string(name) +
                   "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
}

void fill_defaults(CreateRequest& request, const CreateDefaults& defaults) {
    HostConfig& host = request.host_config;
    if (host.network_mode.empty()) { host.network_mode = "default"; }
    if (host.ipc_mode.empty()) { host.ipc_mode = defaults.ipc_mode; }
    if (host.cgroupns_mode.empty()) {
        host.cgroupns_mode = defaults.cgroup_v2 && !host.privileged ? "private" : "host";
    }
    if (host.restart_policy.name.empty()) { host.restart_policy.name = "no"; }
    if (host.shm_size == 0) { host.shm_size = defaults.shm_size; }
    if (host.runtime.empty()) { host.runtime = defaults.runtime; }
    if (!host.init && defaults.init) { host.init = true; }
    if (host.console_size.empty()) { host.console_size = {0, 0}; }
    if (host.resources.memory > 0 && host.resources.memory_swap == 0) {
        host.resources.memory_swap = 2 * host.resources.memory;
    }
    LogConfig& log = host.log_config;
    if (log.type.empty()) { log.type = defaults.log.type; }
    if (log.type == defaults.log.type) {
        for (const auto& [name, value] : defaults.log.config) { log.config.emplace(name, value); }
    }
}

Result<SecurityOptions> parse_security_options(const std::vector<std::string>& options) {
    SecurityOptions parsed;
    for (const auto& option : options) {
        // Both separators are in use: the colon is the older one.
        const char separator = option.find('=') != std::string::npos ? '=' : ':';
        const auto [key, value] = cut(option, separator);
        if (key == "no-new-privileges") {
            const auto flag = value.empty() ? std::optional(true) : parse_bool(value);
            if (!flag) { return invalid("invalid --security-opt 2: " + go_quote(option)); }
            parsed.no_new_privileges = *flag;
            parsed.no_new_privileges_given = true;
        } else if (key == "seccomp") {
            parsed.seccomp = value;
        } else if (key == "apparmor") {
            parsed.apparmor = value;
        } else if (key == "label") {
            parsed.label.push_back(value);
        } else if (key == "systempaths" && value == "unconfined") {
            parsed.systempaths_unconfined = true;
        } else if (key == "writable-cgroups") {
            parsed.writable_cgroups = parse_bool(value).value_or(false);
            if (parsed.writable_cgroups) {
                return unsupported("security-opt writable-cgroups is not supported");
            }
        } else {
            return invalid("invalid --security-opt 2: " + go_quote(option));
        }
    }
    return parsed;
}

} // namespace shoal::container
