// The JSON form of container/config.h, by base/codec.h: names as the Engine API's, including what
// older clients (API 1.24, docker-py, docker-compose 1.29) still send. Include this where a request
// is parsed, a document is stored or an answer is written; functions that only use the values need
// config.h alone.
#pragma once

#include "base/codec.h"
#include "container/config.h"

namespace shoal::container {

/// Cmd and Entrypoint: a string stands for a list of one.
template <class V> void str_slice(V& v, const char* name, std::vector<std::string>& list) {
    if constexpr (V::reading) {
        const Json* raw = v.take(name);
        if (raw == nullptr || raw->is_null() || v.failed()) { return; }
        if (raw->is_string()) {
            list = {raw->template get<std::string>()};
            return;
        }
        auto parsed = codec::read<std::vector<std::string>>(*raw, v.path_of(name), v.unknown());
        if (!parsed) { return v.adopt(std::move(parsed).error()); }
        list = std::move(*parsed);
    } else {
        v(name, list);
    }
}

template <class V> void describe(V&, EmptyObject&) {}

template <class V> void describe(V& v, HealthConfig& h) {
    v("Test", h.test, codec::omit);
    v("Interval", h.interval, codec::omit);
    v("Timeout", h.timeout, codec::omit);
    v("StartPeriod", h.start_period, codec::omit);
    v("StartInterval", h.start_interval, codec::omit);
    v("Retries", h.retries, codec::omit);
}

template <class V> void describe(V& v, Config& c) {
    v("Hostname", c.hostname);
    v("Domainname", c.domainname);
    v("User", c.user);
    v("AttachStdin", c.attach_stdin);
    v("AttachStdout", c.attach_stdout);
    v("AttachStderr", c.attach_stderr);
    v("ExposedPorts", c.exposed_ports, codec::omit);
    v("Tty", c.tty);
    v("OpenStdin", c.open_stdin);
    v("StdinOnce", c.stdin_once);
    v("Env", c.env);
    str_slice(v, "Cmd", c.cmd);
    v("Healthcheck", c.healthcheck, codec::omit);
    v("ArgsEscaped", c.args_escaped, codec::omit);
    v("Image", c.image);
    v("Volumes", c.volumes);
    v("WorkingDir", c.working_dir);
    str_slice(v, "Entrypoint", c.entrypoint);
    v("NetworkDisabled", c.network_disabled, codec::omit);
    v("MacAddress", c.mac_address, codec::omit);
    v("OnBuild", c.on_build);
    v("Labels", c.labels);
    v("StopSignal", c.stop_signal, codec::omit);
    v("StopTimeout", c.stop_timeout, codec::omit);
    v("Shell", c.shell, codec::omit);
}

template <class V> void describe(V& v, PortBinding& b) {
    v("HostIp", b.host_ip);
    v("HostPort", b.host_port);
}
template <class V> void describe(V& v, RestartPolicy& p) {
    v("Name", p.name);
    v("MaximumRetryCount", p.maximum_retry_count);
}
template <class V> void describe(V& v, LogConfig& l) {
    v("Type", l.type);
    v("Config", l.config);
}
template <class V> void describe(V& v, DeviceMapping& d) {
    v("PathOnHost", d.path_on_host);
    v("PathInContainer", d.path_in_container);
    v("CgroupPermissions", d.cgroup_permissions);
}
template <class V> void describe(V& v, DeviceRequest& d) {
    v("Driver", d.driver);
    v("Count", d.count);
    v("DeviceIDs", d.device_ids);
    v("Capabilities", d.capabilities);
    v("Options", d.options);
}
template <class V> void describe(V& v, Ulimit& u) {
    v("Name", u.name);
    v("Hard", u.hard);
    v("Soft", u.soft);
}
template <class V> void describe(V& v, WeightDevice& d) {
    v("Path", d.path);
    v("Weight", d.weight);
}
template <class V> void describe(V& v, ThrottleDevice& d) {
    v("Path", d.path);
    v("Rate", d.rate);
}

template <class V> void describe(V& v, Resources& r) {
    v("CpuShares", r.cpu_shares);
    v("Memory", r.memory);
    v("NanoCpus", r.nano_cpus);
    v("CgroupParent", r.cgroup_parent);
    v("BlkioWeight", r.blkio_weight);
    v("BlkioWeightDevice", r.blkio_weight_device);
    v("BlkioDeviceReadBps", r.blkio_device_read_bps);
    v("BlkioDeviceWriteBps", r.blkio_device_write_bps);
    v("BlkioDeviceReadIOps", r.blkio_device_read_iops);
    v("BlkioDeviceWriteIOps", r.blkio_device_write_iops);
    v("CpuPeriod", r.cpu_period);
    v("CpuQuota", r.cpu_quota);
    v("CpuRealtimePeriod", r.cpu_realtime_period);
    v("CpuRealtimeRuntime", r.cpu_realtime_runtime);
    v("CpusetCpus", r.cpuset_cpus);
    v("CpusetMems", r.cpuset_mems);
    v("Devices", r.devices);
    v("DeviceCgroupRules", r.device_cgroup_rules);
    v("DeviceRequests", r.device_requests);
    v("KernelMemory", r.kernel_memory, codec::omit);
    v.ignore("KernelMemoryTCP");
    v("MemoryReservation", r.memory_reservation);
    v("MemorySwap", r.memory_swap);
    v("MemorySwappiness", r.memory_swappiness);
    v("OomKillDisable", r.oom_kill_disable);
    v("PidsLimit", r.pids_limit);
    v("Ulimits", r.ulimits);
    v.refuse("CpuCount", "is for Windows containers only");
    v.refuse("CpuPercent", "is for Windows containers only");
    v.refuse("IOMaximumIOps", "is for Windows containers only");
    v.refuse("IOMaximumBandwidth", "is for Windows containers only");
}

template <class V> void describe(V& v, BindOptions& b) {
    v("Propagation", b.propagation, codec::omit);
    v("NonRecursive", b.non_recursive, codec::omit);
    v("CreateMountpoint", b.create_mountpoint, codec::omit);
    v("ReadOnlyNonRecursive", b.read_only_non_recursive, codec::omit);
    v("ReadOnlyForceRecursive", b.read_only_force_recursive, codec::omit);
}
template <class V> void describe(V& v, DriverConfig& d) {
    v("Name", d.name, codec::omit);
    v("Options", d.options, codec::omit);
}
template <class V> void describe(V& v, VolumeOptions& o) {
    v("NoCopy", o.no_copy, codec::omit);
    v("Labels", o.labels, codec::omit);
    v("Subpath", o.subpath, codec::omit);
    v("DriverConfig", o.driver_config, codec::omit);
}
template <class V> void describe(V& v, ImageOptions& o) { v("Subpath", o.subpath, codec::omit); }
template <class V> void describe(V& v, TmpfsOptions& o) {
    v("SizeBytes", o.size_bytes, codec::omit);
    v("Mode", o.mode, codec::omit);
    v("Options", o.options, codec::omit);
}
template <class V> void describe(V& v, MountSpec& m) {
    v("Type", m.type);
    v("Source", m.source, codec::omit);
    v("Target", m.target);
    v("ReadOnly", m.read_only, codec::omit);
    v("Consistency", m.consistency, codec::omit);
    v("BindOptions", m.bind_options, codec::omit);
    v("VolumeOptions", m.volume_options, codec::omit);
    v("ImageOptions", m.image_options, codec::omit);
    v("TmpfsOptions", m.tmpfs_options, codec::omit);
    v.refuse("ClusterOptions", "cluster volumes are not supported");
}

template <class V> void describe(V& v, HostConfig& h) {
    v("Binds", h.binds);
    v("ContainerIDFile", h.container_id_file);
    v("LogConfig", h.log_config);
    v("NetworkMode", h.network_mode);
    v("PortBindings", h.port_bindings);
    v("RestartPolicy", h.restart_policy);
    v("AutoRemove", h.auto_remove);
    v("VolumeDriver", h.volume_driver);
    v("VolumesFrom", h.volumes_from);
    v("ConsoleSize", h.console_size, codec::omit);
    v("Annotations", h.annotations, codec::omit);
    v("CapAdd", h.cap_add);
    v("CapDrop", h.cap_drop);
    v("CgroupnsMode", h.cgroupns_mode);
    v("Dns", h.dns);
    v("DnsOptions", h.dns_options);
    v("DnsSearch", h.dns_search);
    v("ExtraHosts", h.extra_hosts);
    v("GroupAdd", h.group_add);
    v("IpcMode", h.ipc_mode);
    v("Cgroup", h.cgroup);
    v("Links", h.links);
    v("OomScoreAdj", h.oom_score_adj);
    v("PidMode", h.pid_mode);
    v("Privileged", h.privileged);
    v("PublishAllPorts", h.publish_all_ports);
    v("ReadonlyRootfs", h.readonly_rootfs);
    v("SecurityOpt", h.security_opt);
    v("StorageOpt", h.storage_opt, codec::omit);
    v("Tmpfs", h.tmpfs, codec::omit);
    v("UTSMode", h.uts_mode);
    v("UsernsMode", h.userns_mode);
    v("ShmSize", h.shm_size);
    v("Sysctls", h.sysctls, codec::omit);
    v("Runtime", h.runtime);
    v("Isolation", h.isolation);
    describe(v, h.resources);
    v("Mounts", h.mounts, codec::omit);
    v("MaskedPaths", h.masked_paths);
    v("ReadonlyPaths", h.readonly_paths);
    v("Init", h.init, codec::omit);
    // Gone from the API before 1.24 or soon after; clients still carry their empty values.
    v.refuse("Capabilities", "is no longer part of the API, use CapAdd and CapDrop");
    v.refuse("LxcConf", "the lxc driver is not supported");
    v.refuse("DiskQuota", "is not supported");
    v.refuse("InitPath", "is no longer part of the API");
}

template <class V> void describe(V& v, EndpointIpamConfig& c) {
    v("IPv4Address", c.ipv4_address, codec::omit);
    v("IPv6Address", c.ipv6_address, codec::omit);
    v("LinkLocalIPs", c.link_local_ips, codec::omit);
}
template <class V> void describe(V& v, EndpointSettings& e) {
    v("IPAMConfig", e.ipam_config);
    v("Links", e.links);
    v("Aliases", e.aliases);
    v("MacAddress", e.mac_address);
    v("DriverOpts", e.driver_opts);
    v("GwPriority", e.gw_priority);
    v("NetworkID", e.network_id);
    // What the network gave: clients send back what they read in an inspect answer.
    for (const char* name : {"EndpointID", "Gateway", "IPAddress", "IPPrefixLen", "IPv6Gateway",
                             "GlobalIPv6Address", "GlobalIPv6PrefixLen", "DNSNames"}) {
        v.ignore(name);
    }
}
template <class V> void describe(V& v, NetworkingConfig& n) {
    v("EndpointsConfig", n.endpoints_config);
}

template <class V> void describe(V& v, CreateRequest& r) {
    describe(v, r.config);
    v("HostConfig", r.host_config);
    v("NetworkingConfig", r.networking_config);
    if constexpr (V::reading) {
        // Before API 1.18 these lay beside Config; they count where HostConfig does not say
        // otherwise.
        auto legacy = [&v](const char* name, auto& field) {
            std::remove_reference_t<decltype(field)> old{};
            v(name, old);
            if (field == std::remove_reference_t<decltype(field)>{}) { field = std::move(old); }
        };
        legacy("Memory", r.host_config.resources.memory);
        legacy("MemorySwap", r.host_config.resources.memory_swap);
        legacy("CpuShares", r.host_config.resources.cpu_shares);
        legacy("Cpuset", r.host_config.resources.cpuset_cpus);
        legacy("VolumesFrom", r.host_config.volumes_from);
        legacy("VolumeDriver", r.host_config.volume_driver);
        legacy("Dns", r.host_config.dns);
        legacy("Runtime", r.host_config.runtime);
        v.refuse("PortSpecs",
                 "is no longer part of the API, use ExposedPorts and HostConfig.PortBindings");
    }
}

template <class V> void describe(V& v, UpdateRequest& r) {
    describe(v, r.resources);
    v("RestartPolicy", r.restart_policy, codec::omit);
}

template <class V> void describe(V& v, ExecConfig& e) {
    v("User", e.user);
    v("Privileged", e.privileged);
    v("Tty", e.tty);
    v("ConsoleSize", e.console_size, codec::omit);
    v("AttachStdin", e.attach_stdin);
    v("AttachStderr", e.attach_stderr);
    v("AttachStdout", e.attach_stdout);
    v("Detach", e.detach);
    v("DetachKeys", e.detach_keys);
    v("Env", e.env);
    v("WorkingDir", e.working_dir);
    str_slice(v, "Cmd", e.cmd);
    v.ignore("Container"); // docker-py repeats the id
}

} // namespace shoal::container
