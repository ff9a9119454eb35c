// The settings of a container as the Engine API knows them: Config (portable), HostConfig (this
// machine), endpoints, mounts, ports, limits. Plain values with Docker's meaning and defaults, so
// that every way to ask for a container ends in one shape. Reading and writing JSON is in
// config_codec.h, checking in validate.h.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shoal::container {

using Labels = std::map<std::string, std::string>;
using StringMap = std::map<std::string, std::string>;

/// The {} of sets that the API writes as objects ("ExposedPorts": {"80/tcp": {}}).
struct EmptyObject {
    bool operator==(const EmptyObject&) const = default;
};
using StringSet = std::map<std::string, EmptyObject>;

/// Zero durations and retries mean "inherit, or the default": see health.h.
struct HealthConfig {
    std::vector<std::string> test; ///< {} inherit, {"NONE"}, {"CMD", ...}, {"CMD-SHELL", text}
    nanoseconds interval{0};
    nanoseconds timeout{0};
    nanoseconds start_period{0};
    nanoseconds start_interval{0};
    int retries = 0;
    bool operator==(const HealthConfig&) const = default;
};

struct Config {
    std::string hostname;
    std::string domainname;
    std::string user;
    bool attach_stdin = false;
    bool attach_stdout = false;
    bool attach_stderr = false;
    StringSet exposed_ports; ///< "80/tcp"
    bool tty = false;
    bool open_stdin = false;
    bool stdin_once = false;
    std::vector<std::string> env;
    std::vector<std::string> cmd;
    std::optional<HealthConfig> healthcheck;
    bool args_escaped = false;
    std::string image;
    StringSet volumes; ///< mount points of anonymous volumes
    std::string working_dir;
    std::vector<std::string> entrypoint; ///< {""} resets the image's
    bool network_disabled = false;
    std::string mac_address; ///< of the main endpoint, from clients older than 1.44
    std::vector<std::string> on_build;
    Labels labels;
    std::string stop_signal;
    std::optional<int> stop_timeout; ///< seconds
    std::vector<std::string> shell;
    bool operator==(const Config&) const = default;
};

struct PortBinding {
    std::string host_ip;
    std::string host_port; ///< "", "8080" or "8000-8010"
    bool operator==(const PortBinding&) const = default;
};
/// Keys are "80/tcp".
using PortMap = std::map<std::string, std::vector<PortBinding>>;

struct RestartPolicy {
    std::string name; ///< "", "no", "always", "unless-stopped", "on-failure"
    int maximum_retry_count = 0;
    bool operator==(const RestartPolicy&) const = default;
};

struct LogConfig {
    std::string type; ///< "" is the daemon's default
    StringMap config;
    bool operator==(const LogConfig&) const = default;
};

struct DeviceMapping {
    std::string path_on_host;
    std::string path_in_container;
    std::string cgroup_permissions; ///< of "rwm"
    bool operator==(const DeviceMapping&) const = default;
};

struct DeviceRequest {
    std::string driver;
    int count = 0;
    std::vector<std::string> device_ids;
    std::vector<std::vector<std::string>> capabilities;
    StringMap options;
    bool operator==(const DeviceRequest&) const = default;
};

struct Ulimit {
    std::string name; ///< "nofile"
    std::int64_t soft = 0;
    std::int64_t hard = 0;
    bool operator==(const Ulimit&) const = default;
};

struct WeightDevice {
    std::string path;
    std::uint16_t weight = 0;
    bool operator==(const WeightDevice&) const = default;
};
struct ThrottleDevice {
    std::string path;
    std::uint64_t rate = 0;
    bool operator==(const ThrottleDevice&) const = default;
};

/// What can be changed while the container runs (POST /containers/{id}/update), and the rest of its
/// limits.
struct Resources {
    std::int64_t cpu_shares = 0;
    std::int64_t memory = 0; ///< bytes; 0 is no limit
    std::string cgroup_parent;
    std::uint16_t blkio_weight = 0;
    std::vector<WeightDevice> blkio_weight_device;
    std::vector<ThrottleDevice> blkio_device_read_bps;
    std::vector<ThrottleDevice> blkio_device_write_bps;
    std::vector<ThrottleDevice> blkio_device_read_iops;
    std::vector<ThrottleDevice> blkio_device_write_iops;
    std::int64_t cpu_period = 0; ///< microseconds
    std::int64_t cpu_quota = 0;  ///< microseconds
    std::int64_t cpu_realtime_period = 0;
    std::int64_t cpu_realtime_runtime = 0;
    std::string cpuset_cpus;
    std::string cpuset_mems;
    std::vector<DeviceMapping> devices;
    std::vector<std::string> device_cgroup_rules;
    std::vector<DeviceRequest> device_requests;
    std::int64_t kernel_memory = 0; ///< accepted and without effect, as Docker since 20.10
    std::int64_t memory_reservation = 0;
    std::int64_t memory_swap = 0; ///< memory + swap; -1 unlimited, 0 twice the memory
    std::optional<std::int64_t> memory_swappiness; ///< nothing and -1: the kernel's
    std::int64_t nano_cpus = 0;
    std::optional<bool> oom_kill_disable;
    std::optional<std::int64_t> pids_limit; ///< nothing: not asked; 0 and -1: unlimited
    std::vector<Ulimit> ulimits;
    bool operator==(const Resources&) const = default;
};

struct BindOptions {
    std::string propagation; ///< "" is rprivate
    bool non_recursive = false;
    bool create_mountpoint = false;
    bool read_only_non_recursive = false;
    bool read_only_force_recursive = false;
    bool operator==(const BindOptions&) const = default;
};
struct DriverConfig {
    std::string name;
    StringMap options;
    bool operator==(const DriverConfig&) const = default;
};
struct VolumeOptions {
    bool no_copy = false;
    Labels labels;
    std::optional<DriverConfig> driver_config;
    std::string subpath;
    bool operator==(const VolumeOptions&) const = default;
};
struct ImageOptions {
    std::string subpath;
    bool operator==(const ImageOptions&) const = default;
};
struct TmpfsOptions {
    std::int64_t size_bytes = 0;
    std::uint32_t mode = 0;
    std::vector<std::vector<std::string>> options;
    bool operator==(const TmpfsOptions&) const = default;
};

/// One entry of HostConfig.Mounts.
struct MountSpec {
    std::string type; ///< "bind", "volume", "tmpfs", "image"; others are refused by validate
    std::string source;
    std::string target;
    bool read_only = false;
    std::string consistency; ///< without meaning on Linux
    std::optional<BindOptions> bind_options;
    std::optional<VolumeOptions> volume_options;
    std::optional<ImageOptions> image_options;
    std::optional<TmpfsOptions> tmpfs_options;
    bool operator==(const MountSpec&) const = default;
};

struct HostConfig {
    std::vector<std::string> binds; ///< "src:dst:opts", see binds.h
    std::string container_id_file;
    LogConfig log_config;
    std::string
        network_mode; ///< "", "default", "bridge", "host", "none", "container:x", a network's name
    PortMap port_bindings;
    RestartPolicy restart_policy;
    bool auto_remove = false;
    std::string volume_driver;
    std::vector<std::string> volumes_from;
    std::vector<MountSpec> mounts;
    std::vector<std::uint32_t> console_size; ///< {} or {height, width}
    StringMap annotations;
    std::vector<std::string> cap_add;
    std::vector<std::string> cap_drop;
    std::string cgroupns_mode; ///< "", "private", "host"
    std::vector<std::string> dns;
    std::vector<std::string> dns_options;
    std::vector<std::string> dns_search;
    std::vector<std::string> extra_hosts;
    std::vector<std::string> group_add;
    std::string ipc_mode;
    std::string cgroup;
    std::vector<std::string> links;
    int oom_score_adj = 0;
    std::string pid_mode;
    bool privileged = false;
    bool publish_all_ports = false;
    bool readonly_rootfs = false;
    std::vector<std::string> security_opt;
    StringMap storage_opt;
    StringMap tmpfs; ///< target -> mount options
    std::string uts_mode;
    std::string userns_mode;
    std::int64_t shm_size = 0; ///< bytes; 0 is 64 MiB
    StringMap sysctls;
    std::string runtime;
    std::string isolation;
    std::optional<bool> init;
    std::optional<std::vector<std::string>> masked_paths;   ///< nothing: the default set
    std::optional<std::vector<std::string>> readonly_paths; ///< nothing: the default set
    Resources resources; ///< its members lie directly in HostConfig's JSON
    bool operator==(const HostConfig&) const = default;
};

struct EndpointIpamConfig {
    std::string ipv4_address;
    std::string ipv6_address;
    std::vector<std::string> link_local_ips;
    bool operator==(const EndpointIpamConfig&) const = default;
};

/// What a client asks for one endpoint. What the network then gave it is the network's own type.
struct EndpointSettings {
    std::optional<EndpointIpamConfig> ipam_config;
    std::vector<std::string> links;
    std::vector<std::string> aliases;
    std::string mac_address;
    StringMap driver_opts;
    std::int64_t gw_priority = 0;
    std::string network_id; ///< clients may repeat it
    bool operator==(const EndpointSettings&) const = default;
};

struct NetworkingConfig {
    std::map<std::string, EndpointSettings> endpoints_config; ///< by network name or id
    bool operator==(const NetworkingConfig&) const = default;
};

/// The whole body of POST /containers/create.
struct CreateRequest {
    Config config;
    HostConfig host_config;
    NetworkingConfig networking_config;
    bool operator==(const CreateRequest&) const = default;
};

/// The body of POST /containers/{id}/update.
struct UpdateRequest {
    Resources resources;
    std::optional<RestartPolicy> restart_policy;
    bool operator==(const UpdateRequest&) const = default;
};

/// The body of POST /containers/{id}/exec.
struct ExecConfig {
    std::string user;
    bool privileged = false;
    bool tty = false;
    std::vector<std::uint32_t> console_size; ///< {} or {height, width}
    bool attach_stdin = false;
    bool attach_stderr = false;
    bool attach_stdout = false;
    bool detach = false;
    std::string detach_keys;
    std::vector<std::string> env;
    std::string working_dir;
    std::vector<std::string> cmd;
    bool operator==(const ExecConfig&) const = default;
};

} // namespace shoal::container
