// Settings: what daemon.json and the command line of shoald say, with Docker's keys and meaning.
// Plain values, read once and replaced on SIGHUP for the keys that may change then. Reading refuses
// unknown keys and wrong types by the key's name; a known key asking for something this engine
// cannot do is refused with the reason. It does not act on anything: whoever needs a value reads it
// here.
#pragma once

#include "base/json.h"
#include "base/result.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shoal::engine {

struct AddressPool {
    std::string base; ///< "172.17.0.0/16"
    int size = 0;     ///< prefix length of each network taken from it
};
struct RuntimeEntry {
    std::string path;
    std::vector<std::string> args;
};
struct UlimitSetting {
    std::string name;
    std::int64_t soft = 0;
    std::int64_t hard = 0;
};
using TextMap = std::map<std::string, std::string>;

inline constexpr std::string_view default_host = "unix:///run/shoal.sock";

inline constexpr std::int64_t build_cache_bytes_default = 20ll << 30;

/// The key `proxies`; "" leaves it to the environment.
struct ProxyKeys {
    std::string http;
    std::string https;
    std::string none;
};

struct Settings {
    // Places.
    std::string config_file = "/etc/shoal/daemon.json";
    std::string data_root = "/var/lib/shoal";
    std::string exec_root = "/run/shoal";
    std::string pidfile = "/run/shoald.pid"; ///< "" for none
    std::vector<std::string> hosts;          ///< empty: default_host
    std::string group = "docker";            ///< of the unix socket
    std::string metrics_addr;                ///< "127.0.0.1:9323"; "" for none

    // TLS of tcp:// hosts.
    bool tls = false;
    bool tls_verify = false;
    std::string tls_ca_cert, tls_cert, tls_key;

    // The daemon.
    bool debug = false;
    std::string log_level = "info";  ///< debug info warn error fatal
    std::string log_format = "text"; ///< text json
    bool live_restore = true;        ///< containers go on running when the daemon stops
    bool experimental = false;
    std::chrono::seconds shutdown_timeout{15}; ///< -1: wait for ever
    int min_api_version = 124;
    std::vector<std::string> labels;
    std::vector<std::string> node_generic_resources; ///< "gpu=uuid1", "licence=4": for a cluster
    std::map<std::string, bool> features;
    int max_concurrent_downloads = 3;
    int max_concurrent_uploads = 5;
    int max_download_attempts = 5;

    // Containers.
    std::map<std::string, RuntimeEntry> runtimes; ///< "crun" and "runc" exist always
    std::string default_runtime = "crun";
    std::string shim_path; ///< "": beside the daemon's own binary
    std::string init_path; ///< "": shoal-shim, which is an init too
    bool init = false;     ///< default of HostConfig.Init
    std::string cgroup_parent;
    std::string cgroup_driver = "cgroupfs";   ///< cgroupfs systemd
    std::string default_cgroupns_mode;        ///< host private; "": private on v2, host on v1
    std::string default_ipc_mode = "private"; ///< private shareable
    std::int64_t default_shm_size_bytes = 64 << 20;
    std::string seccomp_profile; ///< "" or "builtin": ours; "unconfined"; else a file
    bool no_new_privileges = false;
    int oom_score_adjust = 0; ///< of the daemon
    std::map<std::string, UlimitSetting> default_ulimits;
    std::string log_driver = "json-file";
    TextMap log_opts;
    std::string storage_driver = "overlay2";
    std::int64_t build_cache_bytes_max = build_cache_bytes_default; ///< after a build; 0: no limit

    // Networks.
    std::string bridge; ///< an existing bridge for the default network; "none": no default network;
                        ///< "": shoal0
    std::string bip;    ///< "172.17.0.1/16"
    std::string bip6;
    std::string fixed_cidr, fixed_cidr_v6;
    std::string default_gateway, default_gateway_v6;
    std::vector<AddressPool> default_address_pools;
    bool ipv6 = false;
    int mtu = 1500;
    bool icc = true;
    std::string ip = "0.0.0.0"; ///< host address of published ports that name none
    std::string host_gateway_ip;
    /// Of this node, where ports that a cluster publishes are answered; none: everywhere.
    std::vector<std::string> ingress_addresses;
    bool ip_forward = true;
    bool ip_masq = true;
    bool firewall = true;  ///< the key `iptables`: whether we write firewall rules at all
    bool firewall6 = true; ///< the key `ip6tables`
    bool userland_proxy = true;
    std::map<std::string, TextMap> default_network_opts; ///< by driver
    std::vector<std::string> dns, dns_opts, dns_search;

    // Registries.
    std::vector<std::string> registry_mirrors;
    std::vector<std::string> insecure_registries;
    ProxyKeys proxies;

    bool default_bridge_disabled() const { return bridge == "none"; }
    bool feature(const std::string& name, bool fallback) const {
        const auto found = features.find(name);
        return found == features.end() ? fallback : found->second;
    }
};

/// A daemon.json document on top of `base`. Fails: Invalid naming the key.
Result<Settings> apply_settings_json(Settings base, const Json& document);
Result<Settings> parse_settings(std::string_view json_text);

struct CommandLine {
    Settings settings;
    bool validate = false;
    bool version = false;
    bool help = false;
};
/// The arguments after the program's name, with the file they name: flags and file may not both set
/// a key. `read_file` gives a file's text; NotFound is allowed for the default config file only.
using ReadFile = Result<std::string> (*)(const std::string& path);
Result<CommandLine> parse_command_line(const std::vector<std::string>& args, ReadFile read_file);
std::string command_line_help();

/// An entry of `hosts`: where the API listens.
struct HostAddress {
    enum class Kind { Unix, Tcp, Inherited } kind = Kind::Unix;
    std::string
        path; ///< Unix: the socket's path. Inherited: the systemd socket's name, "" for all of them
    std::string host; ///< Tcp: address or name, without brackets
    std::uint16_t port = 0;
};
/// "unix:///run/x.sock", "tcp://127.0.0.1:2375", "fd://", "fd://name", "127.0.0.1:2375". Fails:
/// Invalid.
Result<HostAddress> parse_host(std::string_view text);
/// Reached from this machine alone: 127.0.0.0/8, ::1, localhost.
bool is_loopback(const HostAddress& host);

/// Checks that need more than one key (TLS files, pools, runtimes). Called by the parsers.
Result<void> check_settings(const Settings& settings);

/// What SIGHUP may change, taken from `fresh` into `current`; gives the names of keys that changed.
std::vector<std::string> apply_reload(Settings& current, const Settings& fresh);
/// The reloadable keys as the daemon's reload event and log line name them.
TextMap reload_attributes(const Settings& settings);

} // namespace shoal::engine
