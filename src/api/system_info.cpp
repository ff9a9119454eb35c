#include "api/system_info.h"

#include "api/version.h"
#include "base/codec.h"
#include "base/text.h"
#include "base/time.h"
#include "engine/drivers.h"
#include "engine/proxy_address.h"

namespace shoal::api {
namespace {

using os::CgroupLayout;

Json string_list(const std::vector<std::string>& list) { return Json(list); }

bool has(const HostFacts& facts, std::string_view controller) {
    return facts.cgroups.has(controller);
}

Json plugins() {
    return Json{{"Volume", engine::volume_drivers},
                {"Network", engine::network_drivers},
                {"Authorization", nullptr},
                {"Log", engine::log_drivers}};
}

Json registry_config(const engine::Settings& settings) {
    Json networks = Json::array({"::1/128", "127.0.0.0/8"});
    Json indexes = Json::object();
    for (const auto& name : settings.insecure_registries) {
        if (name.find('/') != std::string::npos) {
            networks.push_back(name);
        } else {
            indexes[name] = Json{
                {"Name", name}, {"Mirrors", Json::array()}, {"Secure", false}, {"Official", false}};
        }
    }
    indexes["docker.io"] = Json{{"Name", "docker.io"},
                                {"Mirrors", string_list(settings.registry_mirrors)},
                                {"Secure", true},
                                {"Official", true}};
    return Json{{"AllowNondistributableArtifactsCIDRs", nullptr},
                {"AllowNondistributableArtifactsHostnames", nullptr},
                {"InsecureRegistryCIDRs", networks},
                {"IndexConfigs", indexes},
                {"Mirrors", string_list(settings.registry_mirrors)}};
}

Json runtimes(const engine::Settings& settings) {
    Json all = Json::object();
    all["crun"] = Json{{"path", "crun"}};
    all["runc"] = Json{{"path", "runc"}};
    for (const auto& [name, entry] : settings.runtimes) {
        Json one{{"path", entry.path}};
        if (!entry.args.empty()) { one["runtimeArgs"] = entry.args; }
        all[name] = one;
    }
    return all;
}

Json security_options(const InfoValues& values) {
    Json all = Json::array();
    if (values.facts.apparmor) { all.push_back("name=apparmor"); }
    if (values.facts.seccomp) {
        const auto& profile = values.settings.seccomp_profile;
        all.push_back("name=seccomp,profile=" +
                      (profile.empty() ? std::string("builtin") : profile));
    }
    const auto& mode = values.settings.default_cgroupns_mode;
    const bool v2 = values.facts.cgroups.version == CgroupLayout::Version::V2;
    if (mode == "private" || (mode.empty() && v2)) { all.push_back("name=cgroupns"); }
    if (values.settings.no_new_privileges) { all.push_back("name=no-new-privileges"); }
    return all;
}

Json swarm_absent() {
    return Json{{"NodeID", ""},
                {"NodeAddr", ""},
                {"LocalNodeState", "inactive"},
                {"ControlAvailable", false},
                {"Error", ""},
                {"RemoteManagers", nullptr}};
}

Json commit_of(const std::map<std::string, ProgramVersion>& programs, const std::string& name) {
    const auto found = programs.find(name);
    if (found == programs.end()) { return Json{{"ID", ""}}; }
    return Json{
        {"ID", found->second.commit.empty() ? found->second.version : found->second.commit}};
}

Json address_pools(const engine::Settings& settings) {
    Json all = Json::array();
    for (const auto& pool : settings.default_address_pools) {
        all.push_back(Json{{"Base", pool.base}, {"Size", pool.size}});
    }
    return all;
}

void add_counts(Json& info, const InfoValues& values) {
    info["Containers"] = values.running + values.paused + values.stopped;
    info["ContainersRunning"] = values.running;
    info["ContainersPaused"] = values.paused;
    info["ContainersStopped"] = values.stopped;
    info["Images"] = values.images;
}

void add_storage(Json& info, const InfoValues& values) {
    info["Driver"] = "overlay2";
    info["DriverStatus"] = Json::array(
        {Json::array({"Backing Filesystem", values.backing_file_system}),
         Json::array({"Supports d_type", "true"}), Json::array({"Using metacopy", "false"}),
         Json::array({"Native Overlay Diff", "true"}), Json::array({"userxattr", "false"})});
    info["Plugins"] = plugins();
}

void add_limits(Json& info, const HostFacts& facts) {
    const bool v1 = facts.cgroups.version == CgroupLayout::Version::V1;
    info["MemoryLimit"] = has(facts, "memory");
    info["SwapLimit"] = facts.swap_limit;
    info["CpuCfsPeriod"] = has(facts, "cpu");
    info["CpuCfsQuota"] = has(facts, "cpu");
    info["CPUShares"] = has(facts, "cpu");
    info["CPUSet"] = has(facts, "cpuset");
    info["PidsLimit"] = has(facts, "pids");
    info["IPv4Forwarding"] = facts.ipv4_forwarding;
    info["BridgeNfIptables"] = facts.bridge_nf_iptables;
    info["BridgeNfIp6tables"] = facts.bridge_nf_ip6tables;
    info["OomKillDisable"] = v1 && has(facts, "memory");
}

void add_daemon(Json& info, const InfoValues& values) {
    info["Debug"] = values.settings.debug;
    info["NFd"] = values.open_files;
    info["NGoroutines"] = values.tasks;
    info["SystemTime"] = format_rfc3339(values.now);
    info["LoggingDriver"] = values.settings.log_driver;
    info["CgroupDriver"] = values.settings.cgroup_driver;
    info["CgroupVersion"] = values.facts.cgroups.version == CgroupLayout::Version::V2 ? "2" : "1";
    info["NEventsListener"] = values.event_listeners;
}

void add_machine(Json& info, const HostFacts& facts) {
    info["KernelVersion"] = facts.kernel;
    info["OperatingSystem"] = facts.system;
    info["OSVersion"] = facts.system_version;
    info["OSType"] = "linux";
    info["Architecture"] = facts.architecture;
    info["NCPU"] = facts.processors;
    info["MemTotal"] = facts.memory_bytes;
}

} // namespace

Json info_document(const InfoValues& values) {
    const auto& settings = values.settings;
    Json info{{"ID", values.id}};
    add_counts(info, values);
    add_storage(info, values);
    add_limits(info, values.facts);
    add_daemon(info, values);
    add_machine(info, values.facts);
    info["IndexServerAddress"] = "https://index.docker.io/v1/";
    info["RegistryConfig"] = registry_config(settings);
    info["GenericResources"] = nullptr;
    info["DockerRootDir"] = settings.data_root;
    info["HttpProxy"] = engine::without_secret(values.proxies.http);
    info["HttpsProxy"] = engine::without_secret(values.proxies.https);
    info["NoProxy"] = values.proxies.none;
    info["Name"] = values.facts.host_name;
    info["Labels"] = string_list(settings.labels);
    info["ExperimentalBuild"] = settings.experimental;
    info["ServerVersion"] = SHOAL_VERSION;
    info["Runtimes"] = runtimes(settings);
    info["DefaultRuntime"] = settings.default_runtime;
    info["Swarm"] = values.swarm.is_null() ? swarm_absent() : values.swarm;
    info["LiveRestoreEnabled"] = settings.live_restore;
    info["Isolation"] = "";
    info["InitBinary"] = settings.init_path.empty() ? "docker-init" : settings.init_path;
    info["ContainerdCommit"] = Json{{"ID", ""}};
    info["RuncCommit"] = commit_of(values.programs, settings.default_runtime);
    info["InitCommit"] = commit_of(values.programs, "init");
    info["SecurityOptions"] = security_options(values);
    info["ProductLicense"] = "";
    if (!settings.default_address_pools.empty()) {
        info["DefaultAddressPools"] = address_pools(settings);
    }
    info["FirewallBackend"] = Json{{"Driver", settings.firewall ? "nftables" : "none"}};
    info["CDISpecDirs"] = Json::array();
    info["Warnings"] = string_list(values.warnings);
    return info;
}

std::vector<std::string> info_warnings(const HostFacts& facts,
                                       const std::vector<std::string>& insecure_hosts) {
    std::vector<std::string> all;
    for (const auto& host : insecure_hosts) {
        all.push_back(
            "WARNING: API is accessible on " + host +
            " without encryption and log-in: every user and program of this machine that reaches it has the "
            "rights of root");
    }
    const auto lack = [&](bool there, const char* what) {
        if (!there) { all.push_back(std::string("WARNING: No ") + what + " support"); }
    };
    lack(has(facts, "memory"), "memory limit");
    if (has(facts, "memory")) { lack(facts.swap_limit, "swap limit"); }
    lack(has(facts, "cpu"), "cpu cfs quota");
    lack(has(facts, "cpuset"), "cpuset");
    lack(has(facts, "pids"), "pids limit");
    if (!facts.ipv4_forwarding) { all.emplace_back("WARNING: IPv4 forwarding is disabled"); }
    return all;
}

Json version_document(const HostFacts& facts, const std::map<std::string, ProgramVersion>& programs,
                      int minimum) {
    const std::string built = SHOAL_BUILD_TIME;
    const std::string commit = SHOAL_COMMIT;
    Json details{{"ApiVersion", version_text(api_version_max)},
                 {"Arch", facts.go_architecture},
                 {"BuildTime", built},
                 {"Experimental", "false"},
                 {"GitCommit", commit},
                 {"GoVersion", "none, " SHOAL_COMPILER},
                 {"KernelVersion", facts.kernel},
                 {"MinAPIVersion", version_text(minimum)},
                 {"Os", "linux"}};
    Json components =
        Json::array({Json{{"Name", "Engine"}, {"Version", SHOAL_VERSION}, {"Details", details}}});
    for (const auto& [name, program] : programs) {
        if (program.version.empty()) { continue; }
        components.push_back(Json{{"Name", name},
                                  {"Version", program.version},
                                  {"Details", Json{{"GitCommit", program.commit}}}});
    }
    return Json{{"Platform", Json{{"Name", "Shoal"}}},
                {"Components", components},
                {"Version", SHOAL_VERSION},
                {"ApiVersion", version_text(api_version_max)},
                {"MinAPIVersion", version_text(minimum)},
                {"GitCommit", commit},
                {"GoVersion", "none, " SHOAL_COMPILER},
                {"Os", "linux"},
                {"Arch", facts.go_architecture},
                {"KernelVersion", facts.kernel},
                {"BuildTime", built}};
}

} // namespace shoal::api
