#include "cli/run_options.h"

#include "base/text.h"
#include "base/time.h"
#include "cli/app.h"
#include "cli/csv.h"
#include "cli/mounts.h"
#include "cli/option_values.h"
#include "cli/ports.h"
#include "cli/support.h"
#include "os/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace shoal::cli {
namespace {

Result<std::string> read_text(const std::string& path) {
    auto text = os::read_file(path);
    if (!text) { return go_error("open " + path, text.error()); }
    return text;
}

/// Lines of an env or label file: blanks in front, comments and empty lines are dropped.
Result<std::vector<std::string>> read_settings(const std::string& path, bool from_environment) {
    TRY_LET(text, read_text(path));
    std::vector<std::string> settings;
    std::string_view body = text;
    if (body.starts_with("\xEF\xBB\xBF")) { body.remove_prefix(3); }
    for (auto& raw : split(body, '\n')) {
        std::string line = raw;
        if (line.ends_with('\r')) { line.pop_back(); }
        while (!line.empty() && (line[0] == ' ' || line[0] == '\t')) { line.erase(0, 1); }
        if (line.empty() || line[0] == '#') { continue; }
        const auto [key, value] = cut(line, '=');
        if (key.find_first_of(" \t") != std::string::npos) {
            return invalid(fmt::format("invalid env file ({}): variable '{}' contains whitespaces",
                                       path, key));
        }
        if (key.empty()) {
            return invalid(
                fmt::format("invalid env file ({}): no variable name on line '{}'", path, line));
        }
        if (line.find('=') != std::string::npos) {
            settings.push_back(line);
        } else if (!from_environment) {
            settings.push_back(line);
        } else if (std::getenv(key.c_str()) != nullptr) {
            settings.push_back(env_setting(key));
        }
    }
    return settings;
}

/// The last setting of a name counts.
std::vector<std::string> without_repeats(const std::vector<std::string>& settings) {
    std::vector<std::string> kept;
    for (const auto& setting : settings) {
        const std::string name = cut(setting, '=').first;
        const auto at = std::find_if(kept.begin(), kept.end(), [&](const std::string& other) {
            return cut(other, '=').first == name;
        });
        if (at == kept.end()) {
            kept.push_back(setting);
        } else {
            *at = setting;
        }
    }
    return kept;
}

class Builder {
  public:
    Builder(const Parsed& parsed, std::string_view working_directory)
        : parsed_(parsed), working_directory_(working_directory) {}

    Result<RunOptions> run() {
        if (parsed_.given("use-api-socket")) {
            return unsupported("--use-api-socket is not supported");
        }
        if (!parsed_.on("disable-content-trust", true)) {
            return unsupported("--disable-content-trust=false: content trust is not supported");
        }
        options_.image = parsed_.words[0];
        options_.name = parsed_.text("name");
        options_.platform = parsed_.text("platform");
        options_.cidfile = parsed_.text("cidfile");
        options_.pull = parsed_.text("pull", "missing");
        options_.quiet = parsed_.on("quiet");
        if (options_.pull != "missing" && options_.pull != "always" && options_.pull != "never" &&
            !options_.pull.empty()) {
            return invalid(fmt::format(
                "invalid pull option: '{}': must be one of \"always\", \"missing\" or \"never\"",
                options_.pull));
        }
        TRY(modes());
        TRY(process());
        TRY(environment());
        TRY(streams());
        TRY(health());
        TRY(resources());
        TRY(devices());
        TRY(storage());
        TRY(security());
        TRY(logging());
        TRY(network());
        TRY(lifetime());
        options_.body = std::move(config_);
        options_.body["HostConfig"] = std::move(host_);
        options_.body["NetworkingConfig"] = Json{{"EndpointsConfig", endpoints_}};
        return std::move(options_);
    }

  private:
    void text(std::string_view flag, Json& into, const char* member) {
        if (parsed_.given(flag)) { into[member] = parsed_.text(flag); }
    }
    void number(std::string_view flag, const char* member) {
        if (const auto value = parsed_.number(flag)) { host_[member] = *value; }
    }
    void size(std::string_view flag, const char* member) {
        if (parsed_.given(flag)) { host_[member] = parsed_.bytes(flag); }
    }
    void list(std::string_view flag, const char* member) {
        if (parsed_.given(flag)) { host_[member] = parsed_.all(flag); }
    }
    template <class Parse>
    Result<void> parsed_list(std::string_view flag, const char* member, Parse&& parse) {
        for (const auto& value : parsed_.all(flag)) {
            TRY_LET(item, parse(value));
            host_[member].push_back(item);
        }
        return ok();
    }

    Result<void> mode(std::string_view flag, const char* member,
                      std::initializer_list<std::string_view> allowed, std::string_view what) {
        if (!parsed_.given(flag)) { return ok(); }
        const std::string value = parsed_.text(flag);
        const bool good = value.empty() ||
                          std::find(allowed.begin(), allowed.end(), value) != allowed.end() ||
                          (flag == "pid" && value.starts_with("container:") && value.size() > 10);
        if (!good) { return invalid(fmt::format("--{}: invalid {} mode", flag, what)); }
        host_[member] = value;
        return ok();
    }
    Result<void> modes() {
        TRY(mode("pid", "PidMode", {"host"}, "PID"));
        TRY(mode("uts", "UTSMode", {"host"}, "UTS"));
        TRY(mode("userns", "UsernsMode", {"host"}, "USER"));
        TRY(mode("cgroupns", "CgroupnsMode", {"private", "host"}, "CGROUP"));
        text("ipc", host_, "IpcMode");
        return ok();
    }

    Result<void> process() {
        config_["Image"] = options_.image;
        if (parsed_.words.size() > 1) {
            config_["Cmd"] =
                std::vector<std::string>(parsed_.words.begin() + 1, parsed_.words.end());
        }
        if (parsed_.given("entrypoint")) {
            config_["Entrypoint"] = Json::array({parsed_.text("entrypoint")});
        }
        text("hostname", config_, "Hostname");
        text("domainname", config_, "Domainname");
        text("user", config_, "User");
        text("workdir", config_, "WorkingDir");
        text("stop-signal", config_, "StopSignal");
        if (const auto seconds = parsed_.number("stop-timeout")) {
            config_["StopTimeout"] = *seconds;
        }
        if (parsed_.given("init")) { host_["Init"] = parsed_.on("init"); }
        list("group-add", "GroupAdd");
        if (parsed_.on("read-only")) { host_["ReadonlyRootfs"] = true; }
        if (parsed_.on("privileged")) { host_["Privileged"] = true; }
        text("runtime", host_, "Runtime");
        text("isolation", host_, "Isolation");
        return ok();
    }

    Result<void> environment() {
        TRY_LET(settings, read_env(parsed_.all("env-file"), parsed_.all("env")));
        if (!settings.empty()) { config_["Env"] = without_repeats(settings); }
        std::vector<std::string> labels;
        for (const auto& file : parsed_.all("label-file")) {
            TRY_LET(lines, read_settings(file, false));
            labels.insert(labels.end(), lines.begin(), lines.end());
        }
        for (const auto& label : parsed_.all("label")) { labels.push_back(label); }
        if (!labels.empty()) { config_["Labels"] = label_map(labels); }
        if (parsed_.given("annotation")) {
            host_["Annotations"] = label_map(parsed_.all("annotation"));
        }
        return ok();
    }

    Result<void> streams() {
        std::vector<std::string> attached;
        for (const auto& stream : parsed_.all("attach")) { attached.push_back(to_lower(stream)); }
        const bool detached = parsed_.on("detach");
        const bool interactive = parsed_.on("interactive");
        if (attached.empty() && !detached) {
            attached = {"stdout", "stderr"};
            if (interactive) { attached.emplace_back("stdin"); }
        }
        const auto has = [&](std::string_view name) {
            return std::find(attached.begin(), attached.end(), name) != attached.end();
        };
        config_["AttachStdin"] = has("stdin");
        config_["AttachStdout"] = has("stdout");
        config_["AttachStderr"] = has("stderr");
        config_["Tty"] = parsed_.on("tty");
        config_["OpenStdin"] = interactive;
        config_["StdinOnce"] = interactive && has("stdin");
        return ok();
    }

    Result<void> health() {
        const bool given =
            parsed_.given("health-cmd") || parsed_.given("health-interval") ||
            parsed_.given("health-timeout") || parsed_.given("health-start-period") ||
            parsed_.given("health-start-interval") || parsed_.given("health-retries");
        if (parsed_.on("no-healthcheck")) {
            if (given) { return invalid("--no-healthcheck conflicts with --health-* options"); }
            config_["Healthcheck"] = Json{{"Test", {"NONE"}}};
            return ok();
        }
        if (!given) { return ok(); }
        Json check = Json::object();
        if (const auto command = parsed_.text("health-cmd"); !command.empty()) {
            check["Test"] = {"CMD-SHELL", command};
        }
        TRY(health_time("health-interval", "Interval", check));
        TRY(health_time("health-timeout", "Timeout", check));
        TRY(health_time("health-start-period", "StartPeriod", check));
        TRY(health_time("health-start-interval", "StartInterval", check));
        if (const auto retries = parsed_.number("health-retries")) {
            if (*retries < 0) { return invalid("--health-retries cannot be negative"); }
            check["Retries"] = *retries;
        }
        config_["Healthcheck"] = check;
        return ok();
    }
    Result<void> health_time(std::string_view flag, const char* member, Json& check) {
        if (!parsed_.given(flag)) { return ok(); }
        TRY_LET(span, parse_duration(parsed_.text(flag)));
        if (span.count() < 0) { return invalid(fmt::format("--{} cannot be negative", flag)); }
        check[member] = span.count();
        return ok();
    }

    Result<void> resources() {
        size("memory", "Memory");
        size("memory-reservation", "MemoryReservation");
        size("memory-swap", "MemorySwap");
        size("kernel-memory", "KernelMemory");
        size("shm-size", "ShmSize");
        if (const auto swappiness = parsed_.number("memory-swappiness")) {
            if (*swappiness != -1 && (*swappiness < 0 || *swappiness > 100)) {
                return invalid(fmt::format(
                    "invalid value: {}. Valid memory swappiness range is 0-100", *swappiness));
            }
            host_["MemorySwappiness"] = *swappiness;
        }
        number("cpu-period", "CpuPeriod");
        number("cpu-quota", "CpuQuota");
        number("cpu-rt-period", "CpuRealtimePeriod");
        number("cpu-rt-runtime", "CpuRealtimeRuntime");
        number("cpu-shares", "CpuShares");
        number("cpu-count", "CpuCount");
        number("cpu-percent", "CpuPercent");
        number("io-maxiops", "IOMaximumIOps");
        size("io-maxbandwidth", "IOMaximumBandwidth");
        if (parsed_.given("cpus")) { host_["NanoCpus"] = nano_cpus(parsed_.text("cpus")); }
        text("cpuset-cpus", host_, "CpusetCpus");
        text("cpuset-mems", host_, "CpusetMems");
        text("cgroup-parent", host_, "CgroupParent");
        number("blkio-weight", "BlkioWeight");
        number("pids-limit", "PidsLimit");
        number("oom-score-adj", "OomScoreAdj");
        if (parsed_.given("oom-kill-disable")) {
            host_["OomKillDisable"] = parsed_.on("oom-kill-disable");
        }
        TRY(parsed_list("blkio-weight-device", "BlkioWeightDevice", parse_weight_device));
        TRY(parsed_list("device-read-bps", "BlkioDeviceReadBps", parse_throttle_bytes));
        TRY(parsed_list("device-write-bps", "BlkioDeviceWriteBps", parse_throttle_bytes));
        TRY(parsed_list("device-read-iops", "BlkioDeviceReadIOps", parse_throttle_count));
        TRY(parsed_list("device-write-iops", "BlkioDeviceWriteIOps", parse_throttle_count));
        TRY(ulimits());
        if (parsed_.given("sysctl")) { host_["Sysctls"] = label_map(parsed_.all("sysctl")); }
        return ok();
    }

    Result<void> ulimits() {
        std::map<std::string, Json> by_name; // the last of a name counts
        for (const auto& text : parsed_.all("ulimit")) {
            TRY_LET(limit, parse_ulimit(text));
            by_name[text_of(limit, "Name")] = limit;
        }
        for (const auto& [name, limit] : by_name) { host_["Ulimits"].push_back(limit); }
        return ok();
    }

    Result<void> devices() {
        std::vector<std::string> cdi;
        for (const auto& device : parsed_.all("device")) {
            if (is_cdi_device(device)) {
                cdi.push_back(device);
                continue;
            }
            TRY_LET(item, parse_device(device));
            host_["Devices"].push_back(item);
        }
        list("device-cgroup-rule", "DeviceCgroupRules");
        TRY(parsed_list("gpus", "DeviceRequests", parse_gpus));
        if (!cdi.empty()) {
            host_["DeviceRequests"].push_back(Json{{"Driver", "cdi"}, {"DeviceIDs", cdi}});
        }
        return ok();
    }

    Result<void> storage() {
        for (const auto& volume : parsed_.all("volume")) {
            TRY_LET(spec, parse_volume(volume, working_directory_));
            if (spec.bind.empty()) {
                config_["Volumes"][spec.anonymous] = Json::object();
            } else {
                host_["Binds"].push_back(spec.bind);
            }
        }
        for (const auto& mount : parsed_.all("mount")) {
            TRY_LET(item, parse_mount(mount, working_directory_));
            host_["Mounts"].push_back(item);
        }
        for (const auto& tmpfs : parsed_.all("tmpfs")) {
            const auto [path, settings] = cut(tmpfs, ':');
            host_["Tmpfs"][path] = settings;
        }
        list("volumes-from", "VolumesFrom");
        text("volume-driver", host_, "VolumeDriver");
        for (const auto& option : parsed_.all("storage-opt")) {
            if (option.find('=') == std::string::npos) { return invalid("invalid storage option"); }
            const auto [key, value] = cut(option, '=');
            host_["StorageOpt"][key] = value;
        }
        return ok();
    }

    Result<void> security() {
        if (parsed_.given("cap-add")) {
            host_["CapAdd"] = effective_capabilities(parsed_.all("cap-add"));
        }
        if (parsed_.given("cap-drop")) {
            host_["CapDrop"] = effective_capabilities(parsed_.all("cap-drop"));
        }
        for (std::string option : parsed_.all("security-opt")) {
            if (option.find('=') == std::string::npos && option.find(':') == std::string::npos &&
                option != "no-new-privileges") {
                return invalid("Invalid --security-opt: " + go_quote(option));
            }
            if (option == "systempaths=unconfined") {
                host_["MaskedPaths"] = Json::array();
                host_["ReadonlyPaths"] = Json::array();
                continue;
            }
            const auto separator = option.find_first_of("=:");
            const std::string value =
                separator == std::string::npos ? "" : option.substr(separator + 1);
            if (option.substr(0, separator) == "seccomp" && value != "unconfined" &&
                value != "builtin") {
                auto profile = read_text(value);
                if (!profile) {
                    return std::move(profile).error().with(
                        fmt::format("opening seccomp profile ({}) failed", value));
                }
                auto json = parse_json(*profile);
                if (!json) {
                    return std::move(json).error().with(
                        fmt::format("compacting json for seccomp profile ({}) failed", value));
                }
                option = "seccomp=" + dump_json(*json);
            }
            host_["SecurityOpt"].push_back(option);
        }
        return ok();
    }

    Result<void> logging() {
        const std::string driver = parsed_.text("log-driver");
        const auto settings = parsed_.all("log-opt");
        if (driver == "none" && !settings.empty()) {
            return invalid("invalid logging opts for driver none");
        }
        if (driver.empty() && settings.empty()) { return ok(); }
        host_["LogConfig"] = Json{{"Type", driver}, {"Config", label_map(settings)}};
        return ok();
    }

    // --- network ---

    static bool is_user_defined(const std::string& name) {
        return name != "default" && name != "bridge" && name != "host" && name != "none" &&
               name != "nat" && !name.starts_with("container:");
    }

    Result<void> network() {
        TRY_LET(ports, parse_ports(parsed_.all("publish"), parsed_.all("expose")));
        if (!ports.exposed.empty()) { config_["ExposedPorts"] = ports.exposed; }
        if (!ports.bindings.empty()) { host_["PortBindings"] = ports.bindings; }
        if (parsed_.on("publish-all")) { host_["PublishAllPorts"] = true; }
        list("dns", "Dns");
        list("dns-search", "DnsSearch");
        auto dns_options = parsed_.all("dns-option");
        for (const auto& option : parsed_.all("dns-opt")) { dns_options.push_back(option); }
        if (!dns_options.empty()) { host_["DnsOptions"] = dns_options; }
        for (const auto& host : parsed_.all("add-host")) {
            host_["ExtraHosts"].push_back(extra_host(host));
        }
        const std::string mac = parsed_.text("mac-address");
        if (!mac.empty() && !is_mac(mac)) { return invalid(mac + " is not a valid mac address"); }
        return connections(mac);
    }

    Result<void> connections(const std::string& mac) {
        std::vector<NetworkOption> networks;
        std::vector<std::string> names = parsed_.all("network");
        for (const auto& more : parsed_.all("net")) { names.push_back(more); }
        for (const auto& text : names) {
            TRY_LET(option, parse_network(text));
            networks.push_back(option);
        }
        if (networks.empty()) { networks.emplace_back().name = "default"; }
        TRY(first_network(networks[0], mac));
        bool user_defined = false, other = false;
        for (const auto& option : networks) {
            if (option.name.empty()) { return invalid("no name set for network"); }
            (is_user_defined(option.name) ? user_defined : other) = true;
            TRY(endpoint(option));
        }
        if (user_defined && other) {
            return invalid(
                "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
        }
        host_["NetworkMode"] = networks[0].name;
        return ok();
    }

    /// The flags --ip, --network-alias, ... mean the first network.
    Result<void> first_network(NetworkOption& first, const std::string& mac) {
        const auto conflict = [](std::string_view flag, std::string_view what) {
            return invalid(fmt::format(
                "conflicting options: cannot specify both --{} and per-network {}", flag, what));
        };
        auto aliases = parsed_.all("network-alias");
        for (const auto& alias : parsed_.all("net-alias")) { aliases.push_back(alias); }
        if (!first.aliases.empty() && !aliases.empty()) {
            return conflict("network-alias", "alias");
        }
        if (!first.ip.empty() && parsed_.given("ip")) { return conflict("ip", "IPv4 address"); }
        if (!first.ip6.empty() && parsed_.given("ip6")) { return conflict("ip6", "IPv6 address"); }
        if (!first.mac.empty() && !mac.empty()) { return conflict("mac-address", "MAC address"); }
        if (!first.link_local_ips.empty() && parsed_.given("link-local-ip")) {
            return conflict("link-local-ip", "link-local IP addresses");
        }
        if (!aliases.empty()) { first.aliases = aliases; }
        if (parsed_.given("ip")) { first.ip = parsed_.text("ip"); }
        if (parsed_.given("ip6")) { first.ip6 = parsed_.text("ip6"); }
        if (parsed_.given("link-local-ip")) { first.link_local_ips = parsed_.all("link-local-ip"); }
        if (!mac.empty()) {
            first.mac = mac;
            config_["MacAddress"] = mac;
        }
        list("link", "Links");
        return ok();
    }

    Result<void> endpoint(const NetworkOption& option) {
        if (!is_user_defined(option.name)) {
            if (!option.aliases.empty()) {
                return invalid(
                    "network-scoped aliases are only supported for user-defined networks");
            }
        }
        if (std::find(options_.networks.begin(), options_.networks.end(), option.name) !=
            options_.networks.end()) {
            return invalid(fmt::format("network \"{}\" is specified multiple times", option.name));
        }
        options_.networks.push_back(option.name);
        Json settings = Json::object();
        if (!option.aliases.empty()) { settings["Aliases"] = option.aliases; }
        if (parsed_.given("link") && is_user_defined(option.name) &&
            options_.networks.size() == 1) {
            settings["Links"] = parsed_.all("link");
        }
        Json addresses = Json::object();
        if (!option.ip.empty()) { addresses["IPv4Address"] = option.ip; }
        if (!option.ip6.empty()) { addresses["IPv6Address"] = option.ip6; }
        if (!option.link_local_ips.empty()) { addresses["LinkLocalIPs"] = option.link_local_ips; }
        if (!addresses.empty()) { settings["IPAMConfig"] = addresses; }
        if (!option.mac.empty()) { settings["MacAddress"] = option.mac; }
        if (!option.driver_options.empty()) { settings["DriverOpts"] = option.driver_options; }
        if (option.priority) { settings["GwPriority"] = *option.priority; }
        if (!settings.empty() || is_user_defined(option.name)) {
            endpoints_[option.name] = settings;
        }
        return ok();
    }

    Result<void> lifetime() {
        TRY_LET(policy, parse_restart(parsed_.text("restart", "no")));
        if (parsed_.on("rm")) {
            const std::string name = policy["Name"];
            if (name != "no" && !name.empty()) {
                return invalid("conflicting options: cannot specify both --restart and --rm");
            }
            host_["AutoRemove"] = true;
        }
        host_["RestartPolicy"] = policy;
        return ok();
    }

    const Parsed& parsed_;
    std::string_view working_directory_;
    RunOptions options_;
    Json config_ = Json::object();
    Json host_ = Json::object();
    Json endpoints_ = Json::object();
};

} // namespace

Result<RunOptions> read_run_options(const Parsed& parsed, std::string_view working_directory) {
    return Builder(parsed, working_directory).run();
}

Result<void> check_cpus(std::string_view value) {
    TRY(parse_cpus(value));
    return ok();
}

std::int64_t nano_cpus(std::string_view value) {
    const auto nanos = parse_cpus(value);
    return nanos ? *nanos : 0;
}

Result<Json> parse_restart(std::string_view text) {
    if (text.empty()) { return Json{{"Name", ""}, {"MaximumRetryCount", 0}}; }
    const auto [name, count] = cut(text, ':');
    if (name.empty()) {
        return invalid("invalid restart policy format: no policy provided before colon");
    }
    std::int64_t retries = 0;
    if (text.find(':') != std::string_view::npos && !count.empty()) {
        const auto number = parse_number<std::int64_t>(count);
        if (!number) {
            return invalid("invalid restart policy format: maximum retry count must be an integer");
        }
        retries = *number;
    }
    return Json{{"Name", name}, {"MaximumRetryCount", retries}};
}

std::string extra_host(std::string_view value) {
    const auto separator = value.find_first_of("=:");
    std::string_view address = value.substr(separator + 1);
    if (address.starts_with('[') && address.ends_with(']')) {
        address = address.substr(1, address.size() - 2);
    }
    return fmt::format("{}:{}", value.substr(0, separator), address);
}

Result<void> check_env(std::string_view value) {
    if (!value.empty() && value[0] != '=') { return ok(); }
    return invalid(fmt::format("invalid environment variable: {}", value));
}

std::string env_setting(std::string_view text) {
    const std::string name(text);
    if (name.find('=') != std::string::npos) { return name; }
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? name : name + "=" + value;
}

Result<std::vector<std::string>> read_env(const std::vector<std::string>& files,
                                          const std::vector<std::string>& given) {
    std::vector<std::string> settings;
    for (const auto& file : files) {
        TRY_LET(lines, read_settings(file, true));
        settings.insert(settings.end(), lines.begin(), lines.end());
    }
    for (const auto& text : given) { settings.push_back(env_setting(text)); }
    return settings;
}

Result<void> check_label(std::string_view value) {
    const auto name = trim(value.substr(0, value.find('=')));
    if (!name.empty()) { return ok(); }
    return invalid(fmt::format("invalid label '{}': empty name", value));
}

} // namespace shoal::cli
