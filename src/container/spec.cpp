#include "container/spec.h"

#include "base/text.h"
#include "container/binds.h"
#include "container/resources.h"
#include "container/validate.h"

#include <algorithm>

namespace shoal::container {
namespace {

constexpr const char* default_path =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr const char* init_in_container = "/sbin/docker-init";

Json mount_entry(const std::string& destination, const std::string& type, const std::string& source,
                 std::vector<std::string> options) {
    return Json{{"destination", destination},
                {"type", type},
                {"source", source},
                {"options", std::move(options)}};
}

void set_env(std::vector<std::string>& env, const std::string& entry) {
    const std::string key = cut(entry, '=').first;
    std::erase_if(env, [&](const auto& old) { return cut(old, '=').first == key; });
    if (entry.find('=') != std::string::npos) { env.push_back(entry); }
}

bool has_env(const std::vector<std::string>& env, std::string_view key) {
    return std::any_of(env.begin(), env.end(),
                       [&](const auto& entry) { return cut(entry, '=').first == key; });
}

Json default_mounts(const SpecInput& input) {
    const bool privileged = input.host_config->privileged;
    const std::vector<std::string> base = {"nosuid", "noexec", "nodev"};
    const auto with = [&](std::vector<std::string> more, bool read_only) {
        more.insert(more.begin(), base.begin(), base.end());
        if (read_only) { more.push_back("ro"); }
        return more;
    };
    Json mounts = Json::array();
    mounts.push_back(mount_entry("/proc", "proc", "proc", base));
    mounts.push_back(mount_entry("/dev", "tmpfs", "tmpfs",
                                 {"nosuid", "strictatime", "mode=755", "size=65536k"}));
    mounts.push_back(
        mount_entry("/dev/pts", "devpts", "devpts",
                    {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
    mounts.push_back(mount_entry("/sys", "sysfs", "sysfs", with({}, !privileged)));
    mounts.push_back(
        mount_entry("/sys/fs/cgroup", "cgroup", "cgroup", with({"relatime"}, !privileged)));
    mounts.push_back(mount_entry("/dev/mqueue", "mqueue", "mqueue", base));
    return mounts;
}

void add_shm(Json& mounts, const SpecInput& input) {
    if (input.host_config->ipc_mode == "none") { return; }
    if (!input.shm_source.empty()) {
        mounts.push_back(mount_entry("/dev/shm", "bind", input.shm_source, {"rbind", "rprivate"}));
        return;
    }
    const std::int64_t size =
        input.host_config->shm_size > 0 ? input.host_config->shm_size : input.shm_size_default;
    mounts.push_back(
        mount_entry("/dev/shm", "tmpfs", "shm",
                    {"nosuid", "noexec", "nodev", "mode=1777", "size=" + std::to_string(size)}));
}

Json user_mount(const ResolvedMount& mount) {
    std::vector<std::string> options;
    if (mount.type == "tmpfs") {
        options = {"noexec", "nosuid", "nodev"};
        for (const auto& option : mount.options) {
            for (const char* name : {"exec", "suid", "dev"}) {
                if (option == name) { std::erase(options, std::string("no") + name); }
            }
            if (std::find(options.begin(), options.end(), option) == options.end()) {
                options.push_back(option);
            }
        }
        if (mount.read_only) { options.push_back("ro"); }
        return mount_entry(mount.destination, "tmpfs", "tmpfs", std::move(options));
    }
    options.push_back(mount.recursive ? "rbind" : "bind");
    options.push_back(mount.propagation.empty() ? "rprivate" : mount.propagation);
    if (mount.read_only) { options.push_back(mount.recursive_read_only ? "rro" : "ro"); }
    options.insert(options.end(), mount.options.begin(), mount.options.end());
    return mount_entry(mount.destination, "bind", mount.source, std::move(options));
}

/// User mounts stand behind the default ones, parents before children, and replace a default of the
/// same place.
Json all_mounts(const SpecInput& input) {
    Json mounts = default_mounts(input);
    add_shm(mounts, input);
    std::vector<ResolvedMount> own = input.mounts;
    std::stable_sort(own.begin(), own.end(), [](const auto& a, const auto& b) {
        return split(a.destination, '/').size() < split(b.destination, '/').size();
    });
    Json kept = Json::array();
    for (auto& mount : mounts) {
        const std::string destination = mount["destination"].get<std::string>();
        const bool replaced = std::any_of(own.begin(), own.end(), [&](const auto& mine) {
            return clean_path(mine.destination) == destination;
        });
        if (!replaced) { kept.push_back(std::move(mount)); }
    }
    for (const auto& mount : own) { kept.push_back(user_mount(mount)); }
    if (input.host_config->init.value_or(false)) {
        kept.push_back(mount_entry(init_in_container, "bind", input.init_path, {"bind", "ro"}));
    }
    return kept;
}

std::string root_propagation(const SpecInput& input) {
    std::string propagation;
    for (const auto& mount : input.mounts) {
        if (mount.propagation.ends_with("shared")) { return "shared"; }
        if (mount.propagation.ends_with("slave")) { propagation = "rslave"; }
    }
    return propagation;
}

Json namespaces_of(const Namespaces& spaces) {
    Json list = Json::array({Json{{"type", "mount"}}});
    const auto add = [&](const char* type, const std::string& path) {
        if (path == "host") { return; }
        Json entry{{"type", type}};
        if (!path.empty()) { entry["path"] = path; }
        list.push_back(std::move(entry));
    };
    add("network", spaces.network);
    add("uts", spaces.uts);
    add("pid", spaces.pid);
    add("ipc", spaces.ipc);
    if (spaces.cgroup_private) { list.push_back(Json{{"type", "cgroup"}}); }
    return list;
}

Json rlimits_of(const SpecInput& input) {
    std::map<std::string, Ulimit> limits = input.default_ulimits;
    for (const auto& limit : input.host_config->resources.ulimits) { limits[limit.name] = limit; }
    Json list = Json::array();
    for (const auto& [name, limit] : limits) {
        const auto clamp = [&, name = name](std::int64_t value) {
            const auto own = input.host->hard_limits.find(name);
            if (own == input.host->hard_limits.end() || own->second < 0) { return value; }
            return value < 0 ? own->second : std::min(value, own->second);
        };
        // -1 is RLIM_INFINITY.
        list.push_back(Json{{"type", "RLIMIT_" + to_upper(name)},
                            {"hard", static_cast<std::uint64_t>(clamp(limit.hard))},
                            {"soft", static_cast<std::uint64_t>(clamp(limit.soft))}});
    }
    return list;
}

Json user_of(const os::ResolvedUser& user) {
    Json json{{"uid", user.uid}, {"gid", user.gid}, {"umask", 022}};
    // The main group is among the others too: a process that changes it keeps what the file modes
    // of the group deny.
    std::vector<std::uint32_t> groups{user.gid};
    for (const auto group : user.groups) {
        if (group != user.gid) { groups.push_back(group); }
    }
    json["additionalGids"] = groups;
    return json;
}

Json capability_sets(const std::vector<std::string>& names) {
    return Json{{"bounding", names}, {"effective", names}, {"permitted", names}};
}

Result<bool> no_new_privileges(const SpecInput& input) {
    TRY_LET(options, parse_security_options(input.host_config->security_opt));
    return options.no_new_privileges_given ? options.no_new_privileges
                                           : input.no_new_privileges_default;
}

Result<Json> seccomp_of(const SpecInput& input, const std::vector<std::string>& capabilities) {
    TRY_LET(options, parse_security_options(input.host_config->security_opt));
    std::string profile = options.seccomp.empty() ? input.seccomp_default_profile : options.seccomp;
    if (input.host_config->privileged && options.seccomp.empty()) { profile = "unconfined"; }
    if (profile == "unconfined" || !input.host->seccomp) { return Json(nullptr); }
    SeccompFacts facts{input.host->architecture,
                       input.host->kernel_major,
                       input.host->kernel_minor,
                       {capabilities.begin(), capabilities.end()}};
    if (profile.empty() || profile == "builtin") { return default_seccomp(facts); }
    return custom_seccomp(profile, facts);
}

Json devices_of(const SpecInput& input) {
    Json list = Json::array();
    for (const auto& device : input.devices) {
        list.push_back(Json{{"path", device.path},
                            {"type", std::string(1, device.type)},
                            {"major", device.major},
                            {"minor", device.minor},
                            {"fileMode", device.mode},
                            {"uid", device.uid},
                            {"gid", device.gid}});
    }
    return list;
}

Result<Json> process_of(const SpecInput& input, const std::vector<std::string>& capabilities) {
    TRY_LET(no_new, no_new_privileges(input));
    std::vector<std::string> command = input.command;
    if (input.host_config->init.value_or(false)) {
        if (input.init_path.empty()) {
            return unsupported("Init: there is no init program on this host");
        }
        command.insert(command.begin(), {init_in_container, "--"});
    }
    Json process{
        {"terminal", input.config->tty},
        {"user", user_of(input.user)},
        {"args", command},
        {"env", make_environment(input)},
        {"cwd", input.config->working_dir.empty() ? "/" : clean_path(input.config->working_dir)},
        {"capabilities", capability_sets(capabilities)},
        {"rlimits", rlimits_of(input)},
        {"noNewPrivileges", no_new},
        {"oomScoreAdj", input.host_config->oom_score_adj}};
    if (input.config->tty && input.host_config->console_size.size() == 2) {
        process["consoleSize"] = Json{{"height", input.host_config->console_size[0]},
                                      {"width", input.host_config->console_size[1]}};
    }
    return process;
}

Result<Json> linux_of(const SpecInput& input, const std::vector<std::string>& capabilities) {
    const HostConfig& host = *input.host_config;
    TRY_LET(security, parse_security_options(host.security_opt));
    TRY_LET(resources, make_resources(host.resources, *input.host, input.device_numbers));
    TRY_LET(rules, make_device_rules(input));
    resources["devices"] = std::move(rules);
    TRY_LET(seccomp, seccomp_of(input, capabilities));
    Json part{{"cgroupsPath", input.cgroup_path},
              {"namespaces", namespaces_of(input.namespaces)},
              {"devices", devices_of(input)},
              {"resources", std::move(resources)}};
    Json sysctl = Json::object();
    for (const auto& [name, value] : host.sysctls) { sysctl[name] = value; }
    if (!input.config->domainname.empty() && input.namespaces.uts.empty()) {
        sysctl["kernel.domainname"] = input.config->domainname;
    }
    if (!sysctl.empty()) { part["sysctl"] = std::move(sysctl); }
    if (!seccomp.is_null()) { part["seccomp"] = std::move(seccomp); }
    const bool open_paths = host.privileged || security.systempaths_unconfined;
    const std::vector<std::string> none;
    part["maskedPaths"] = host.masked_paths ? *host.masked_paths
                          : open_paths      ? none
                                            : default_masked_paths();
    part["readonlyPaths"] = host.readonly_paths ? *host.readonly_paths
                            : open_paths        ? none
                                                : default_readonly_paths();
    if (const std::string propagation = root_propagation(input); !propagation.empty()) {
        part["rootfsPropagation"] = propagation;
    }
    return part;
}

} // namespace

const std::vector<std::string>& default_masked_paths() {
    static const std::vector<std::string> paths = {
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    };
    return paths;
}

const std::vector<std::string>& default_readonly_paths() {
    static const std::vector<std::string> paths = {"/proc/bus", "/proc/fs", "/proc/irq",
                                                   "/proc/sys", "/proc/sysrq-trigger"};
    return paths;
}

std::vector<std::string> make_environment(const SpecInput& input) {
    std::vector<std::string> env = {default_path, "HOSTNAME=" + input.hostname};
    if (input.config->tty) { env.emplace_back("TERM=xterm"); }
    for (const auto& entry : input.link_env) { set_env(env, entry); }
    for (const auto& entry : input.config->env) { set_env(env, entry); }
    if (!has_env(env, "HOME")) {
        env.push_back("HOME=" + (input.home.empty() ? input.user.home : input.home));
    }
    return env;
}

Result<Json> make_spec(const SpecInput& input) {
    TRY_LET(capabilities, make_capabilities(*input.host_config, *input.host));
    TRY_LET(process, process_of(input, capabilities));
    TRY_LET(linux_part, linux_of(input, capabilities));
    Json spec{
        {"ociVersion", oci_version},
        {"root", Json{{"path", input.root_path}, {"readonly", input.host_config->readonly_rootfs}}},
        {"mounts", all_mounts(input)},
        {"process", std::move(process)},
        {"linux", std::move(linux_part)}};
    if (input.namespaces.uts.empty()) { spec["hostname"] = input.hostname; }
    if (!input.host_config->annotations.empty()) {
        Json annotations = Json::object();
        for (const auto& [name, value] : input.host_config->annotations) {
            annotations[name] = value;
        }
        spec["annotations"] = std::move(annotations);
    }
    return spec;
}

Result<Json> make_exec_process(const ExecInput& input) {
    const ExecConfig& exec = *input.exec;
    SpecInput own = *input.container;
    own.user = input.user;
    Config config = *own.config;
    config.tty = exec.tty;
    for (const auto& entry : exec.env) { set_env(config.env, entry); }
    own.config = &config;
    HostConfig host = *own.host_config;
    host.privileged = host.privileged || exec.privileged;
    TRY_LET(capabilities, make_capabilities(host, *own.host));
    TRY_LET(no_new, no_new_privileges(own));
    std::string directory = exec.working_dir.empty() ? config.working_dir : exec.working_dir;
    if (directory.empty()) { directory = "/"; }
    Json process{{"terminal", exec.tty},
                 {"user", user_of(input.user)},
                 {"args", exec.cmd},
                 {"env", make_environment(own)},
                 {"cwd", clean_path(directory)},
                 {"capabilities", capability_sets(capabilities)},
                 {"rlimits", rlimits_of(own)},
                 {"noNewPrivileges", no_new},
                 {"oomScoreAdj", host.oom_score_adj}};
    if (exec.tty && exec.console_size.size() == 2) {
        process["consoleSize"] =
            Json{{"height", exec.console_size[0]}, {"width", exec.console_size[1]}};
    }
    return process;
}

} // namespace shoal::container
