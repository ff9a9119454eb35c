#include "engine/settings.h"

#include "base/codec.h"
#include "base/text.h"
#include "container/validate.h"
#include "engine/proxy_address.h"
#include "engine/settings_keys.h"
#include "net/download.h" // parse_url

#include <algorithm>
#include <array>

namespace shoal::engine {

template <class V> void describe(V& v, AddressPool& pool) {
    v("base", pool.base);
    v("size", pool.size);
}
template <class V> void describe(V& v, RuntimeEntry& entry) {
    v("path", entry.path);
    v("runtimeArgs", entry.args, codec::omit);
    v.refuse("runtimeType", "runtimes are OCI programs named by 'path'");
    v.refuse("options", "runtimes are OCI programs named by 'path'");
}
template <class V> void describe(V& v, UlimitSetting& limit) {
    v("Name", limit.name);
    v("Soft", limit.soft);
    v("Hard", limit.hard);
}
template <class V> void describe(V& v, ProxyKeys& proxies) {
    v("http-proxy", proxies.http, codec::omit);
    v("https-proxy", proxies.https, codec::omit);
    v("no-proxy", proxies.none, codec::omit);
}

namespace {

template <class T> Result<T> value_of(const Json& json, std::string_view key) {
    return codec::read<T>(json, std::string(key), codec::Unknown::Refuse);
}

/// The plain case: the member has the key's type.
template <auto Member> Result<void> put(Settings& settings, const Json& json) {
    using T = std::remove_reference_t<decltype(settings.*Member)>;
    TRY_LET(value, value_of<T>(json, ""));
    settings.*Member = std::move(value);
    return ok();
}

Result<void> put_shutdown_timeout(Settings& settings, const Json& json) {
    TRY_LET(seconds, value_of<int>(json, ""));
    if (seconds < -1) { return invalid("must be -1 or more seconds"); }
    settings.shutdown_timeout = std::chrono::seconds(seconds);
    return ok();
}

/// {"gc": {"enabled": true, "defaultKeepStorage": "20GB"}}
Result<void> put_builder(Settings& settings, const Json& json) {
    if (!json.is_object()) { return invalid("must be an object"); }
    for (const auto& [name, gc] : json.items()) {
        if (name != "gc" || !gc.is_object()) { return invalid("unknown member " + name); }
        bool enabled = true;
        std::int64_t keep = build_cache_bytes_default;
        for (const auto& [key, value] : gc.items()) {
            if (key == "enabled") {
                TRY_LET(on, value_of<bool>(value, "gc.enabled"));
                enabled = on;
            } else if (key == "defaultKeepStorage" || key == "defaultReservedSpace") {
                TRY_LET(text, value_of<std::string>(value, "gc." + key));
                TRY_LET(bytes, parse_bytes(text));
                keep = bytes;
            } else {
                return invalid("gc." + key + " is not supported");
            }
        }
        settings.build_cache_bytes_max = enabled ? keep : 0;
    }
    return ok();
}

Result<void> put_shm_size(Settings& settings, const Json& json) {
    if (json.is_number_integer()) {
        TRY_LET(count, value_of<std::int64_t>(json, ""));
        settings.default_shm_size_bytes = count;
    } else {
        TRY_LET(text, value_of<std::string>(json, ""));
        TRY_LET(count, parse_bytes(text));
        settings.default_shm_size_bytes = count;
    }
    if (settings.default_shm_size_bytes <= 0) { return invalid("must be more than 0"); }
    return ok();
}

Result<void> put_min_api_version(Settings& settings, const Json& json) {
    TRY_LET(text, value_of<std::string>(json, ""));
    const auto [major, minor] = cut(text, '.');
    const auto number = parse_number<unsigned>(minor);
    if (major != "1" || !number || *number < 24 || *number > 51) {
        return invalid("must be a version from 1.24 to 1.51, got \"" + text + "\"");
    }
    settings.min_api_version = 100 + static_cast<int>(*number);
    return ok();
}

Result<void> put_exec_opts(Settings& settings, const Json& json) {
    TRY_LET(options, value_of<std::vector<std::string>>(json, ""));
    for (const auto& option : options) {
        const auto [name, value] = cut(option, '=');
        if (name != "native.cgroupdriver") { return invalid("unknown option \"" + name + "\""); }
        if (value == "systemd") {
            return invalid("native.cgroupdriver=systemd is not supported, only cgroupfs");
        }
        if (value != "cgroupfs") { return invalid("invalid cgroup driver \"" + value + "\""); }
        settings.cgroup_driver = value;
    }
    return ok();
}

Result<void> put_ulimits(Settings& settings, const Json& json) {
    TRY_LET(limits, (value_of<std::map<std::string, UlimitSetting>>(json, "")));
    for (auto& [name, limit] : limits) {
        if (limit.name.empty()) { limit.name = name; }
        if (!container::is_ulimit_name(name)) { return invalid("invalid ulimit type: " + name); }
        if (limit.name != name) { return invalid(name + ": Name is \"" + limit.name + "\""); }
        if (limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard)) {
            return invalid(name + ": the soft limit is above the hard limit");
        }
    }
    settings.default_ulimits = std::move(limits);
    return ok();
}

Result<void> put_runtimes(Settings& settings, const Json& json) {
    TRY_LET(runtimes, (value_of<std::map<std::string, RuntimeEntry>>(json, "")));
    for (const auto& [name, entry] : runtimes) {
        if (entry.path.empty()) { return invalid(name + ": 'path' is needed"); }
    }
    settings.runtimes = std::move(runtimes);
    return ok();
}

Result<void> put_log_opts(Settings& settings, const Json& json) {
    TRY_LET(options, value_of<TextMap>(json, ""));
    settings.log_opts = std::move(options);
    return ok();
}

/// Docker's name and ours for one thing.
Result<void> put_registry_list(std::vector<std::string>& list, const Json& json) {
    TRY_LET(values, value_of<std::vector<std::string>>(json, ""));
    list = std::move(values);
    return ok();
}
Result<void> put_mirrors(Settings& settings, const Json& json) {
    TRY(put_registry_list(settings.registry_mirrors, json));
    for (auto& mirror : settings.registry_mirrors) {
        if (!mirror.starts_with("http://") && !mirror.starts_with("https://")) {
            return invalid("\"" + mirror + "\" is not an http:// or https:// address");
        }
        if (!mirror.ends_with('/')) { mirror += '/'; }
    }
    return ok();
}

Result<void> check_proxy(std::string_view key, const std::string& address) {
    if (address.empty()) { return ok(); }
    const auto url = net::parse_url(address);
    if (!url) {
        const auto shown = net::parse_url(without_secret(address));
        if (!shown) { return shown.error().with(key); }
        return invalid(std::string(key) + ": its name and password cannot be read");
    }
    if (url->tls) {
        return invalid(std::string(key) + ": a proxy that is spoken to by https is not supported");
    }
    return ok();
}
Result<void> put_proxies(Settings& settings, const Json& json) {
    TRY_LET(proxies, value_of<ProxyKeys>(json, ""));
    TRY(check_proxy("http-proxy", proxies.http));
    TRY(check_proxy("https-proxy", proxies.https));
    settings.proxies = std::move(proxies);
    return ok();
}
/// The flags of its members, which the file may not have beside it.
Result<void> refuse_proxy(Settings&, const Json&) { return invalid("is a member of proxies"); }

/// A key we know and cannot serve: absent, empty and false are fine.
Result<void> refuse_set(const Json& json, std::string_view why) {
    if (codec::is_empty(json)) { return ok(); }
    return invalid(std::string(why));
}
#define REFUSED(name, why)                                                                         \
    SettingKey {                                                                                   \
        name, "", '\0', FlagForm::Text,                                                            \
            [](Settings&, const Json& json) { return refuse_set(json, why); }, false, ""           \
    }

constexpr std::string_view not_ours = "means nothing here";

// clang-format off
const std::array keys{
    SettingKey{"config-file", "config-file", '\0', FlagForm::Text, [](Settings&, const Json&) -> Result<void> { return invalid("is a flag, not a key of the file"); }, false, "Daemon configuration file"},
    SettingKey{"data-root", "data-root", 'g', FlagForm::Text, put<&Settings::data_root>, false, "Root directory of persistent state"},
    SettingKey{"exec-root", "exec-root", '\0', FlagForm::Text, put<&Settings::exec_root>, false, "Root directory of run-time state"},
    SettingKey{"pidfile", "pidfile", 'p', FlagForm::Text, put<&Settings::pidfile>, false, "Path of the daemon's PID file"},
    SettingKey{"hosts", "host", 'H', FlagForm::List, put<&Settings::hosts>, false, "Where to listen: unix://, tcp://, fd://"},
    SettingKey{"group", "group", 'G', FlagForm::Text, put<&Settings::group>, false, "Group of the unix socket"},
    SettingKey{"metrics-addr", "metrics-addr", '\0', FlagForm::Text, put<&Settings::metrics_addr>, false, "Address of the metrics endpoint, such as 127.0.0.1:9323"},
    SettingKey{"tls", "tls", '\0', FlagForm::Switch, put<&Settings::tls>, false, "Use TLS on tcp:// hosts; implied by --tlsverify"},
    SettingKey{"tlsverify", "tlsverify", '\0', FlagForm::Switch, put<&Settings::tls_verify>, false, "Use TLS and ask clients for a certificate"},
    SettingKey{"tlscacert", "tlscacert", '\0', FlagForm::Text, put<&Settings::tls_ca_cert>, false, "Certificates that sign clients"},
    SettingKey{"tlscert", "tlscert", '\0', FlagForm::Text, put<&Settings::tls_cert>, false, "Path of the TLS certificate"},
    SettingKey{"tlskey", "tlskey", '\0', FlagForm::Text, put<&Settings::tls_key>, false, "Path of the TLS key"},
    SettingKey{"debug", "debug", 'D', FlagForm::Switch, put<&Settings::debug>, true, "Log debug messages"},
    SettingKey{"log-level", "log-level", 'l', FlagForm::Text, put<&Settings::log_level>, true, "debug, info, warn, error or fatal"},
    SettingKey{"log-format", "log-format", '\0', FlagForm::Text, put<&Settings::log_format>, false, "text or json"},
    SettingKey{"live-restore", "live-restore", '\0', FlagForm::Switch, put<&Settings::live_restore>, true, "Containers go on running when the daemon stops (default true)"},
    SettingKey{"experimental", "experimental", '\0', FlagForm::Switch, put<&Settings::experimental>, false, "Report experimental features"},
    SettingKey{"shutdown-timeout", "shutdown-timeout", '\0', FlagForm::Number, put_shutdown_timeout, true, "Seconds that containers get to stop with the daemon"},
    SettingKey{"min-api-version", "min-api-version", '\0', FlagForm::Text, put_min_api_version, false, "Oldest API version to answer"},
    SettingKey{"node-generic-resources", "node-generic-resource", '\0', FlagForm::List, put<&Settings::node_generic_resources>, false, "What this node offers to a cluster, kind=name or kind=number"},
    SettingKey{"labels", "label", '\0', FlagForm::List, put<&Settings::labels>, true, "Labels of the daemon, key=value"},
    SettingKey{"features", "feature", '\0', FlagForm::Features, put<&Settings::features>, true, "Switch a feature, name or name=false"},
    SettingKey{"max-concurrent-downloads", "max-concurrent-downloads", '\0', FlagForm::Number, put<&Settings::max_concurrent_downloads>, true, "Layers of one pull fetched at a time"},
    SettingKey{"max-concurrent-uploads", "max-concurrent-uploads", '\0', FlagForm::Number, put<&Settings::max_concurrent_uploads>, true, "Layers of one push sent at a time"},
    SettingKey{"max-download-attempts", "max-download-attempts", '\0', FlagForm::Number, put<&Settings::max_download_attempts>, true, "Tries of each download"},
    SettingKey{"runtimes", "add-runtime", '\0', FlagForm::Runtimes, put_runtimes, true, "Another OCI runtime, name=path"},
    SettingKey{"default-runtime", "default-runtime", '\0', FlagForm::Text, put<&Settings::default_runtime>, true, "OCI runtime of containers that name none"},
    SettingKey{"shim-path", "shim-path", '\0', FlagForm::Text, put<&Settings::shim_path>, false, "Path of shoal-shim"},
    SettingKey{"init", "init", '\0', FlagForm::Switch, put<&Settings::init>, false, "Run an init in every container"},
    SettingKey{"init-path", "init-path", '\0', FlagForm::Text, put<&Settings::init_path>, false, "Path of the init program"},
    SettingKey{"cgroup-parent", "cgroup-parent", '\0', FlagForm::Text, put<&Settings::cgroup_parent>, false, "Parent cgroup of all containers"},
    SettingKey{"exec-opts", "exec-opt", '\0', FlagForm::List, put_exec_opts, false, "Runtime options: native.cgroupdriver=cgroupfs"},
    SettingKey{"default-cgroupns-mode", "default-cgroupns-mode", '\0', FlagForm::Text, put<&Settings::default_cgroupns_mode>, false, "host or private"},
    SettingKey{"default-ipc-mode", "default-ipc-mode", '\0', FlagForm::Text, put<&Settings::default_ipc_mode>, false, "shareable or private"},
    SettingKey{"default-shm-size", "default-shm-size", '\0', FlagForm::Text, put_shm_size, true, "Size of /dev/shm"},
    SettingKey{"builder", "", '\0', FlagForm::Text, put_builder, true, "What the build cache keeps"},
    SettingKey{"seccomp-profile", "seccomp-profile", '\0', FlagForm::Text, put<&Settings::seccomp_profile>, false, "builtin, unconfined or a file"},
    SettingKey{"no-new-privileges", "no-new-privileges", '\0', FlagForm::Switch, put<&Settings::no_new_privileges>, false, "Set no-new-privileges by default"},
    SettingKey{"oom-score-adjust", "oom-score-adjust", '\0', FlagForm::Number, put<&Settings::oom_score_adjust>, false, "oom_score_adj of the daemon"},
    SettingKey{"default-ulimits", "default-ulimit", '\0', FlagForm::Ulimits, put_ulimits, false, "Default limit, name=soft[:hard]"},
    SettingKey{"log-driver", "log-driver", '\0', FlagForm::Text, put<&Settings::log_driver>, false, "Log driver of containers that name none"},
    SettingKey{"log-opts", "log-opt", '\0', FlagForm::Map, put_log_opts, false, "Log driver option, name=value"},
    SettingKey{"storage-driver", "storage-driver", 's', FlagForm::Text, put<&Settings::storage_driver>, false, "overlay2"},
    SettingKey{"bridge", "bridge", 'b', FlagForm::Text, put<&Settings::bridge>, false, "Existing bridge for the default network, or none"},
    SettingKey{"bip", "bip", '\0', FlagForm::Text, put<&Settings::bip>, false, "IPv4 address of the default bridge, with prefix length"},
    SettingKey{"bip6", "bip6", '\0', FlagForm::Text, put<&Settings::bip6>, false, "IPv6 address of the default bridge, with prefix length"},
    SettingKey{"fixed-cidr", "fixed-cidr", '\0', FlagForm::Text, put<&Settings::fixed_cidr>, false, "IPv4 range of container addresses on the default bridge"},
    SettingKey{"fixed-cidr-v6", "fixed-cidr-v6", '\0', FlagForm::Text, put<&Settings::fixed_cidr_v6>, false, "IPv6 range of container addresses on the default bridge"},
    SettingKey{"default-gateway", "default-gateway", '\0', FlagForm::Text, put<&Settings::default_gateway>, false, "IPv4 gateway on the default bridge"},
    SettingKey{"default-gateway-v6", "default-gateway-v6", '\0', FlagForm::Text, put<&Settings::default_gateway_v6>, false, "IPv6 gateway on the default bridge"},
    SettingKey{"default-address-pools", "default-address-pool", '\0', FlagForm::Pools, put<&Settings::default_address_pools>, false, "Pool of networks, base=10.10.0.0/16,size=24"},
    SettingKey{"ipv6", "ipv6", '\0', FlagForm::Switch, put<&Settings::ipv6>, false, "IPv6 on the default bridge"},
    SettingKey{"mtu", "mtu", '\0', FlagForm::Number, put<&Settings::mtu>, false, "MTU of the default bridge"},
    SettingKey{"icc", "icc", '\0', FlagForm::Switch, put<&Settings::icc>, false, "Containers on the default bridge reach each other (default true)"},
    SettingKey{"ip", "ip", '\0', FlagForm::Text, put<&Settings::ip>, false, "Host address of published ports that name none"},
    SettingKey{"host-gateway-ip", "host-gateway-ip", '\0', FlagForm::Text, put<&Settings::host_gateway_ip>, false, "What host-gateway means in extra hosts"},
    SettingKey{"ingress-addresses", "ingress-address", '\0', FlagForm::List, put<&Settings::ingress_addresses>, false, "Address of this node on which ports of services are answered (default all)"},
    SettingKey{"ip-forward", "ip-forward", '\0', FlagForm::Switch, put<&Settings::ip_forward>, false, "Turn IP forwarding on (default true)"},
    SettingKey{"ip-masq", "ip-masq", '\0', FlagForm::Switch, put<&Settings::ip_masq>, false, "Masquerade the default bridge (default true)"},
    SettingKey{"iptables", "iptables", '\0', FlagForm::Switch, put<&Settings::firewall>, false, "Write firewall rules (default true)"},
    SettingKey{"ip6tables", "ip6tables", '\0', FlagForm::Switch, put<&Settings::firewall6>, false, "Write IPv6 firewall rules (default true)"},
    SettingKey{"userland-proxy", "userland-proxy", '\0', FlagForm::Switch, put<&Settings::userland_proxy>, false, "Published ports on loopback (default true)"},
    SettingKey{"default-network-opts", "default-network-opt", '\0', FlagForm::NetworkOpts, put<&Settings::default_network_opts>, false, "Default options of networks, driver=name=value"},
    SettingKey{"dns", "dns", '\0', FlagForm::List, put<&Settings::dns>, false, "DNS server"},
    SettingKey{"dns-opts", "dns-opt", '\0', FlagForm::List, put<&Settings::dns_opts>, false, "DNS option"},
    SettingKey{"dns-search", "dns-search", '\0', FlagForm::List, put<&Settings::dns_search>, false, "DNS search domain"},
    SettingKey{"registry-mirrors", "registry-mirror", '\0', FlagForm::List, put_mirrors, true, "Preferred mirror of the public registry"},
    SettingKey{"insecure-registries", "insecure-registry", '\0', FlagForm::List, put<&Settings::insecure_registries>, true, "Registry that may speak plain HTTP"},
    SettingKey{"proxies", "", '\0', FlagForm::Text, put_proxies, true, "Proxies on the way to registries, instead of the environment's"},
    SettingKey{"http-proxy", "http-proxy", '\0', FlagForm::Proxy, refuse_proxy, false, "Proxy on the way to http registries"},
    SettingKey{"https-proxy", "https-proxy", '\0', FlagForm::Proxy, refuse_proxy, false, "Proxy on the way to https registries"},
    SettingKey{"no-proxy", "no-proxy", '\0', FlagForm::Proxy, refuse_proxy, false, "Hosts and networks that are reached without a proxy"},
    REFUSED("selinux-enabled", "SELinux labels are not supported"),
    REFUSED("userns-remap", "user namespaces for containers are not supported"),
    REFUSED("authorization-plugins", "plugins are not supported"),
    REFUSED("cdi-spec-dirs", "CDI devices are not supported"),
    REFUSED("storage-opts", "the storage driver has no options"),
    REFUSED("swarm-default-advertise-addr", "swarm mode is not part of this release"),
    REFUSED("network-control-plane-mtu", "swarm mode is not part of this release"),
    REFUSED("containerd", "containerd is not used"),
    REFUSED("containerd-namespace", "containerd is not used"),
    REFUSED("containerd-plugins-namespace", "containerd is not used"),
    REFUSED("userland-proxy-path", "the proxy is part of the daemon"),
    REFUSED("allow-nondistributable-artifacts", not_ours),
    REFUSED("allow-direct-routing", "direct routing to container addresses is not supported"),
    REFUSED("ip-forward-no-drop", "the forward policy of the host is never changed"),
    REFUSED("firewall-backend", "the firewall is always nftables"),
    REFUSED("api-cors-header", "browsers may not use the API"),
    REFUSED("raw-logs", not_ours),
    REFUSED("deprecated-key-path", not_ours),
    REFUSED("cluster-store", "external key-value stores are not supported"),
    REFUSED("cluster-store-opts", "external key-value stores are not supported"),
    REFUSED("cluster-advertise", "external key-value stores are not supported"),
    REFUSED("graph", "use data-root"),
    REFUSED("cpu-rt-period", "real-time scheduling limits of the parent cgroup are not supported"),
    REFUSED("cpu-rt-runtime", "real-time scheduling limits of the parent cgroup are not supported"),
};
// clang-format on

} // namespace

std::span<const SettingKey> setting_keys() { return keys; }

const SettingKey* find_setting_key(std::string_view name) {
    const auto found = std::ranges::find(keys, name, &SettingKey::name);
    return found == keys.end() ? nullptr : &*found;
}

Result<void> refuse_unknown_keys(const Json& document) {
    if (!document.is_object()) {
        return invalid("expected an object, got " + std::string(codec::kind_of(document)));
    }
    std::vector<std::string> unknown;
    for (const auto& [name, value] : document.items()) {
        if (find_setting_key(name) == nullptr) { unknown.push_back(name); }
    }
    if (unknown.empty()) { return ok(); }
    return invalid("the following directives don't match any configuration option: " +
                   join(unknown, ", "));
}

Result<Settings> apply_settings_json(Settings base, const Json& document) {
    TRY(refuse_unknown_keys(document));
    for (const auto& [name, value] : document.items()) {
        if (value.is_null()) { continue; }
        auto set = find_setting_key(name)->set(base, value);
        if (!set) {
            // The codec's path has no name in front of it: ": expected ..." or ".nofile.Soft:
            // expected ...".
            auto problem = std::move(set).error();
            const bool path = problem.message.starts_with(':') ||
                              problem.message.starts_with('.') || problem.message.starts_with('[');
            problem.message = name + (path ? "" : ": ") + problem.message;
            return problem;
        }
    }
    TRY(check_settings(base));
    return base;
}

Result<Settings> parse_settings(std::string_view json_text) {
    if (trim(json_text).empty()) { return Settings{}; }
    TRY_LET(document, parse_json(json_text));
    return apply_settings_json(Settings{}, document);
}

} // namespace shoal::engine
