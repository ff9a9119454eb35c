// The JSON form of a service's specification, as the Engine API names its members, and the parts
// that tasks and networks share. Members that Docker knows and no node of ours can do are refused
// by name. Include this where a request is parsed or an answer is written; who only hands messages
// on needs service_document.h.
#pragma once

#include "api/message_codec.h"

namespace docker::swarmkit::v1 {

namespace member = ::shoal::api::member;
namespace codec = ::shoal::codec;
template <class E> using Words = ::shoal::api::Words<E>;

extern const Words<RestartPolicy::RestartCondition> restart_conditions;
extern const Words<UpdateConfig::FailureAction> failure_actions;
extern const Words<UpdateConfig::UpdateOrder> update_orders;
extern const Words<EndpointSpec::ResolutionMode> resolution_modes;
extern const Words<PortConfig::Protocol> port_protocols;
extern const Words<PortConfig::PublishMode> publish_modes;
extern const Words<Mount::Type> mount_types;
extern const Words<Mount::Consistency> mount_consistencies;
extern const Words<Mount::BindOptions::Propagation> propagations;
extern const Words<Privileges::SeccompOpts::SeccompMode> seccomp_modes;
extern const Words<Privileges::AppArmorOpts::AppArmorMode> apparmor_modes;
extern const Words<ContainerSpec::Isolation> isolations;

template <class V> void describe(V& v, Annotations& a) {
    MESSAGE_VALUE(v, a, "Name", name, omit);
    member::labels(v, "Labels", *a.mutable_labels(), codec::keep);
}
template <class V> void describe(V& v, Driver& d) {
    MESSAGE_VALUE(v, d, "Name", name, omit);
    member::labels(v, "Options", *d.mutable_options());
}
template <class V> void describe(V& v, Platform& p) {
    MESSAGE_VALUE(v, p, "Architecture", architecture, omit);
    MESSAGE_VALUE(v, p, "OS", os, omit);
}

// Mounts.
template <class V> void describe(V& v, Mount::BindOptions& o) {
    MESSAGE_WORD_ANY_CASE(v, o, "Propagation", propagation, propagations,
                          Mount::BindOptions::RPRIVATE, omit);
    MESSAGE_VALUE(v, o, "NonRecursive", nonrecursive, omit);
    MESSAGE_VALUE(v, o, "CreateMountpoint", createmountpoint, omit);
    MESSAGE_VALUE(v, o, "ReadOnlyNonRecursive", readonlynonrecursive, omit);
    MESSAGE_VALUE(v, o, "ReadOnlyForceRecursive", readonlyforcerecursive, omit);
}
template <class V> void describe(V& v, Mount::VolumeOptions& o) {
    MESSAGE_VALUE(v, o, "NoCopy", nocopy, omit);
    member::labels(v, "Labels", *o.mutable_labels());
    MESSAGE_VALUE(v, o, "Subpath", subpath, omit);
    MESSAGE_PART(v, o, "DriverConfig", driver_config);
}
/// Docker's list of lists travels as its own JSON text.
template <class V> void describe_tmpfs_options(V& v, Mount::TmpfsOptions& o) {
    std::vector<std::vector<std::string>> options;
    if constexpr (!V::reading) {
        const auto json = ::shoal::parse_json(o.options());
        if (json && json->is_array()) {
            auto read = codec::read<decltype(options)>(*json, "", codec::Unknown::Refuse);
            if (read) { options = std::move(*read); }
        }
    }
    v("Options", options, codec::omit);
    if constexpr (V::reading) {
        if (!options.empty()) { o.set_options(::shoal::dump_json(codec::write(options))); }
    }
}
template <class V> void describe(V& v, Mount::TmpfsOptions& o) {
    MESSAGE_VALUE(v, o, "SizeBytes", size_bytes, omit);
    MESSAGE_VALUE(v, o, "Mode", mode, omit);
    describe_tmpfs_options(v, o);
}
template <class V> void describe(V& v, Mount& m) {
    MESSAGE_WORD_ANY_CASE(v, m, "Type", type, mount_types, Mount::BIND, omit);
    MESSAGE_VALUE(v, m, "Source", source, omit);
    MESSAGE_VALUE(v, m, "Target", target, omit);
    MESSAGE_VALUE(v, m, "ReadOnly", readonly, omit);
    if constexpr (V::reading) {
        MESSAGE_WORD_ANY_CASE(v, m, "Consistency", consistency, mount_consistencies, Mount::DEFAULT,
                              omit);
    } else if (m.consistency() != Mount::DEFAULT) {
        MESSAGE_WORD_ANY_CASE(v, m, "Consistency", consistency, mount_consistencies, Mount::DEFAULT,
                              omit);
    }
    MESSAGE_PART(v, m, "BindOptions", bind_options);
    MESSAGE_PART(v, m, "VolumeOptions", volume_options);
    v.refuse("ImageOptions", "mounts of images are not possible for services");
    MESSAGE_PART(v, m, "TmpfsOptions", tmpfs_options);
    v.refuse("ClusterOptions", "cluster volumes are not supported");
}

// Containers.
template <class V> void describe(V& v, HealthConfig& h) {
    member::texts(v, "Test", *h.mutable_test());
    MESSAGE_DURATION(v, h, "Interval", interval, omit);
    MESSAGE_DURATION(v, h, "Timeout", timeout, omit);
    MESSAGE_DURATION(v, h, "StartPeriod", start_period, omit);
    MESSAGE_DURATION(v, h, "StartInterval", start_interval, omit);
    MESSAGE_VALUE(v, h, "Retries", retries, omit);
}
template <class V> void describe(V& v, ContainerSpec::DNSConfig& d) {
    member::texts(v, "Nameservers", *d.mutable_nameservers());
    member::texts(v, "Search", *d.mutable_search());
    member::texts(v, "Options", *d.mutable_options());
}
template <class V> void describe(V& v, FileTarget& f) {
    MESSAGE_VALUE(v, f, "Name", name, keep);
    MESSAGE_VALUE(v, f, "UID", uid, keep);
    MESSAGE_VALUE(v, f, "GID", gid, keep);
    MESSAGE_VALUE(v, f, "Mode", mode, keep);
}
template <class V> void describe(V& v, SecretReference& r) {
    member::nullable(v, "File", r.has_file(), [&] { return r.mutable_file(); });
    MESSAGE_VALUE(v, r, "SecretID", secret_id, keep);
    MESSAGE_VALUE(v, r, "SecretName", secret_name, keep);
}
template <class V> void describe(V&, RuntimeTarget&) {}
template <class V> void describe(V& v, ConfigReference& r) {
    MESSAGE_PART(v, r, "File", file);
    MESSAGE_PART(v, r, "Runtime", runtime);
    MESSAGE_VALUE(v, r, "ConfigID", config_id, keep);
    MESSAGE_VALUE(v, r, "ConfigName", config_name, keep);
}
template <class V> void describe(V& v, ContainerSpec::Ulimit& u) {
    MESSAGE_VALUE(v, u, "Name", name, keep);
    MESSAGE_VALUE(v, u, "Hard", hard, keep);
    MESSAGE_VALUE(v, u, "Soft", soft, keep);
}
template <class V> void describe(V& v, Device& d) {
    MESSAGE_VALUE(v, d, "PathOnHost", path_on_host, keep);
    MESSAGE_VALUE(v, d, "PathInContainer", path_in_container, keep);
    MESSAGE_VALUE(v, d, "CgroupPermissions", cgroup_permissions, keep);
}
template <class V> void describe(V& v, Privileges::SELinuxContext& s) {
    MESSAGE_VALUE(v, s, "Disable", disable, keep);
    MESSAGE_VALUE(v, s, "User", user, keep);
    MESSAGE_VALUE(v, s, "Role", role, keep);
    MESSAGE_VALUE(v, s, "Type", type, keep);
    MESSAGE_VALUE(v, s, "Level", level, keep);
}
template <class V> void describe(V& v, Privileges::SeccompOpts& s) {
    MESSAGE_WORD(v, s, "Mode", mode, seccomp_modes, Privileges::SeccompOpts::DEFAULT, omit);
    member::bytes(v, "Profile", *s.mutable_profile());
}
template <class V> void describe(V& v, Privileges::AppArmorOpts& a) {
    MESSAGE_WORD(v, a, "Mode", mode, apparmor_modes, Privileges::AppArmorOpts::DEFAULT, omit);
}
template <class V> void describe(V& v, Privileges& p) {
    v.refuse("CredentialSpec", "credential specs are for Windows only");
    if constexpr (!V::reading) { v("CredentialSpec", ::shoal::Json(nullptr)); }
    member::nullable(v, "SELinuxContext", p.has_selinux_context(),
                     [&] { return p.mutable_selinux_context(); });
    MESSAGE_PART(v, p, "Seccomp", seccomp);
    MESSAGE_PART(v, p, "AppArmor", apparmor);
    MESSAGE_VALUE(v, p, "NoNewPrivileges", no_new_privileges, keep);
}
template <class V> void describe(V& v, ContainerSpec& c) {
    MESSAGE_VALUE(v, c, "Image", image, omit);
    member::labels(v, "Labels", *c.mutable_labels());
    member::texts(v, "Command", *c.mutable_command());
    member::texts(v, "Args", *c.mutable_args());
    MESSAGE_VALUE(v, c, "Hostname", hostname, omit);
    member::texts(v, "Env", *c.mutable_env());
    MESSAGE_VALUE(v, c, "Dir", dir, omit);
    MESSAGE_VALUE(v, c, "User", user, omit);
    member::texts(v, "Groups", *c.mutable_groups());
    MESSAGE_PART(v, c, "Privileges", privileges);
    member::wrapped<bool>(v, "Init", c.has_init(), [&] { return c.mutable_init(); });
    MESSAGE_VALUE(v, c, "StopSignal", stop_signal, omit);
    MESSAGE_VALUE(v, c, "TTY", tty, omit);
    MESSAGE_VALUE(v, c, "OpenStdin", open_stdin, omit);
    MESSAGE_VALUE(v, c, "ReadOnly", read_only, omit);
    member::list(v, "Mounts", *c.mutable_mounts());
    MESSAGE_DURATION(v, c, "StopGracePeriod", stop_grace_period, keep);
    MESSAGE_PART(v, c, "Healthcheck", healthcheck);
    member::texts(v, "Hosts", *c.mutable_hosts());
    MESSAGE_PART(v, c, "DNSConfig", dns_config);
    member::list(v, "Secrets", *c.mutable_secrets());
    member::list(v, "Configs", *c.mutable_configs());
    MESSAGE_WORD_ANY_CASE(v, c, "Isolation", isolation, isolations,
                          ContainerSpec::ISOLATION_DEFAULT, omit);
    member::labels(v, "Sysctls", *c.mutable_sysctls());
    member::texts(v, "CapabilityAdd", *c.mutable_capability_add());
    member::texts(v, "CapabilityDrop", *c.mutable_capability_drop());
    member::list(v, "Ulimits", *c.mutable_ulimits());
    MESSAGE_VALUE(v, c, "OomScoreAdj", oom_score_adj, omit);
    member::list(v, "Devices", *c.mutable_devices());
    MESSAGE_VALUE(v, c, "Privileged", privileged, omit);
}

// Resources.
template <class V> void describe(V& v, NamedGenericResource& r) {
    MESSAGE_VALUE(v, r, "Kind", kind, omit);
    MESSAGE_VALUE(v, r, "Value", value, omit);
}
template <class V> void describe(V& v, DiscreteGenericResource& r) {
    MESSAGE_VALUE(v, r, "Kind", kind, omit);
    MESSAGE_VALUE(v, r, "Value", value, omit);
}
template <class V> void describe(V& v, GenericResource& r) {
    MESSAGE_PART(v, r, "NamedResourceSpec", named_resource_spec);
    MESSAGE_PART(v, r, "DiscreteResourceSpec", discrete_resource_spec);
}
template <class V> void describe(V& v, Resources& r) {
    MESSAGE_VALUE(v, r, "NanoCPUs", nano_cpus, omit);
    MESSAGE_VALUE(v, r, "MemoryBytes", memory_bytes, omit);
    member::list(v, "GenericResources", *r.mutable_generic());
}
/// Limits of a task: the number of processes is a field of the container.
struct TaskLimits {
    Resources* resources;
    ContainerSpec* container;
};
template <class V> void describe(V& v, TaskLimits& l) {
    MESSAGE_VALUE(v, *l.resources, "NanoCPUs", nano_cpus, omit);
    MESSAGE_VALUE(v, *l.resources, "MemoryBytes", memory_bytes, omit);
    std::int64_t pids = l.container->pidslimit();
    v("Pids", pids, codec::omit);
    if constexpr (V::reading) { l.container->set_pidslimit(pids); }
}
struct TaskResources {
    ResourceRequirements* requirements;
    ContainerSpec* container;
};
template <class V> void describe(V& v, TaskResources& r) {
    TaskLimits limits{nullptr, r.container};
    const bool limited = r.requirements->has_limits() || r.container->pidslimit() != 0;
    member::message(v, "Limits", limited, [&] {
        limits.resources = r.requirements->mutable_limits();
        return &limits;
    });
    MESSAGE_PART(v, *r.requirements, "Reservations", reservations);
}

// Tasks.
template <class V> void describe(V& v, RestartPolicy& p) {
    MESSAGE_WORD_ANY_CASE(v, p, "Condition", condition, restart_conditions, RestartPolicy::ANY,
                          omit);
    MESSAGE_DURATION(v, p, "Delay", delay, keep);
    MESSAGE_VALUE(v, p, "MaxAttempts", max_attempts, keep);
    MESSAGE_DURATION(v, p, "Window", window, keep);
}
template <class V> void describe(V& v, SpreadOver& s) {
    MESSAGE_VALUE(v, s, "SpreadDescriptor", spread_descriptor, keep);
}
template <class V> void describe(V& v, PlacementPreference& p) {
    MESSAGE_PART(v, p, "Spread", spread);
}
template <class V> void describe(V& v, Placement& p) {
    member::texts(v, "Constraints", *p.mutable_constraints());
    member::list(v, "Preferences", *p.mutable_preferences());
    MESSAGE_VALUE(v, p, "MaxReplicas", max_replicas, omit);
    member::list(v, "Platforms", *p.mutable_platforms());
}
template <class V> void describe(V& v, NetworkAttachmentConfig& n) {
    MESSAGE_VALUE(v, n, "Target", target, omit);
    member::texts(v, "Aliases", *n.mutable_aliases());
    member::labels(v, "DriverOpts", *n.mutable_driver_attachment_opts());
}
template <class V> void describe(V& v, NetworkAttachmentSpec& n) {
    MESSAGE_VALUE(v, n, "ContainerID", container_id, keep);
}
/// The word is derived from what the task has; a wrong or unknown one is refused.
template <class V> void describe_runtime(V& v, TaskSpec& t) {
    std::string runtime;
    if constexpr (!V::reading) {
        if (t.has_container()) { runtime = "container"; }
        if (t.has_attachment()) { runtime = "attachment"; }
    }
    v("Runtime", runtime, codec::omit);
    if constexpr (V::reading) {
        if (runtime == "plugin") { return v.fail("Runtime", "plugins are not supported"); }
        const bool fits = runtime.empty() || (runtime == "container" && !t.has_attachment()) ||
                          (runtime == "attachment" && t.has_attachment());
        if (!fits) { v.fail("Runtime", "invalid value " + ::shoal::go_quote(runtime)); }
    }
}
template <class V> void describe_resources(V& v, TaskSpec& t) {
    ContainerSpec none; // an attachment has no processes to count
    TaskResources resources{nullptr, t.has_container() ? t.mutable_container() : &none};
    const bool present = t.has_resources() || resources.container->pidslimit() != 0;
    member::message(v, "Resources", present, [&] {
        resources.requirements = t.mutable_resources();
        return &resources;
    });
}
template <class V> void describe(V& v, TaskSpec& t) {
    v.refuse("PluginSpec", "plugins are not supported");
    MESSAGE_PART(v, t, "ContainerSpec", container);
    MESSAGE_PART(v, t, "NetworkAttachmentSpec", attachment);
    describe_resources(v, t);
    MESSAGE_PART(v, t, "RestartPolicy", restart);
    MESSAGE_PART(v, t, "Placement", placement);
    member::list(v, "Networks", *t.mutable_networks());
    MESSAGE_PART(v, t, "LogDriver", log_driver);
    MESSAGE_VALUE(v, t, "ForceUpdate", force_update, keep);
    describe_runtime(v, t);
}

// Services.
template <class V> void describe(V& v, UpdateConfig& u) {
    MESSAGE_VALUE(v, u, "Parallelism", parallelism, keep);
    MESSAGE_DURATION(v, u, "Delay", delay, omit);
    MESSAGE_WORD(v, u, "FailureAction", failure_action, failure_actions, UpdateConfig::PAUSE, omit);
    MESSAGE_DURATION(v, u, "Monitor", monitor, omit);
    member::ratio(v, "MaxFailureRatio", u.max_failure_ratio(), codec::keep,
                  [&](float given) { u.set_max_failure_ratio(given); });
    MESSAGE_WORD(v, u, "Order", order, update_orders, UpdateConfig::STOP_FIRST, omit);
}
template <class V> void describe(V& v, PortConfig& p) {
    MESSAGE_VALUE(v, p, "Name", name, omit);
    MESSAGE_WORD_ANY_CASE(v, p, "Protocol", protocol, port_protocols, PortConfig::TCP, omit);
    MESSAGE_VALUE(v, p, "TargetPort", target_port, omit);
    MESSAGE_VALUE(v, p, "PublishedPort", published_port, omit);
    MESSAGE_WORD_ANY_CASE(v, p, "PublishMode", publish_mode, publish_modes, PortConfig::INGRESS,
                          omit);
}
template <class V> void describe(V& v, EndpointSpec& e) {
    MESSAGE_WORD_ANY_CASE(v, e, "Mode", mode, resolution_modes, EndpointSpec::VIP, omit);
    member::list(v, "Ports", *e.mutable_ports());
}

/// ServiceMode of the API: one of four, and numbers that have defaults where they are not given.
struct ServiceMode {
    ServiceSpec* spec;
};
template <class V> void describe_count(V& v, const char* name, std::uint64_t& count) {
    std::optional<std::uint64_t> given;
    if constexpr (!V::reading) { given = count; }
    v(name, given, codec::keep);
    if constexpr (V::reading) {
        if (given) { count = *given; }
    }
}
template <class V> void describe(V& v, ReplicatedService& r) {
    std::uint64_t replicas = V::reading ? 1 : r.replicas();
    describe_count(v, "Replicas", replicas);
    r.set_replicas(replicas);
}
template <class V> void describe(V&, GlobalService&) {}
template <class V> void describe(V& v, ReplicatedJob& r) {
    std::uint64_t concurrent = V::reading ? 1 : r.max_concurrent();
    describe_count(v, "MaxConcurrent", concurrent);
    std::uint64_t total = V::reading ? concurrent : r.total_completions();
    describe_count(v, "TotalCompletions", total);
    r.set_max_concurrent(concurrent);
    r.set_total_completions(total);
}
template <class V> void describe(V&, GlobalJob&) {}
template <class V> void describe(V& v, ServiceMode& m) {
    auto& spec = *m.spec;
    int given = 0; // each part that is there becomes the mode
    MESSAGE_PART(v, spec, "Replicated", replicated);
    given += spec.has_replicated() ? 1 : 0;
    MESSAGE_PART(v, spec, "Global", global);
    given += spec.has_global() ? 1 : 0;
    MESSAGE_PART(v, spec, "ReplicatedJob", replicated_job);
    given += spec.has_replicated_job() ? 1 : 0;
    MESSAGE_PART(v, spec, "GlobalJob", global_job);
    given += spec.has_global_job() ? 1 : 0;
    if constexpr (V::reading) {
        if (given > 1) { v.adopt(::shoal::invalid("must specify only one service mode")); }
    }
}
template <class V> void describe_mode(V& v, ServiceSpec& s) {
    ServiceMode mode{&s};
    member::message(v, "Mode", true, [&] { return &mode; });
    if constexpr (V::reading) {
        if (s.mode_case() == ServiceSpec::MODE_NOT_SET) { s.mutable_replicated()->set_replicas(1); }
    }
}
template <class V> void describe(V& v, ServiceSpec& s) {
    describe(v, *s.mutable_annotations());
    MESSAGE_STRUCT(v, s, "TaskTemplate", task);
    describe_mode(v, s);
    MESSAGE_PART(v, s, "UpdateConfig", update);
    MESSAGE_PART(v, s, "RollbackConfig", rollback);
    member::list(v, "Networks", *s.mutable_networks());
    MESSAGE_PART(v, s, "EndpointSpec", endpoint);
}

} // namespace docker::swarmkit::v1
