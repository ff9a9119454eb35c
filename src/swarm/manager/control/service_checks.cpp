#include "swarm/manager/control/service_checks.h"

#include "base/text.h"
#include "swarm/manager/control/names.h"
#include "swarm/manager/control/services.h"
#include "swarm/model/constraints.h"
#include "swarm/model/overlay.h"

#include <array>
#include <fmt/format.h>
#include <set>

namespace shoal::swarm {
namespace {

bool is_negative(const pb::Duration& span) { return from_duration(span) < nanoseconds(0); }

Result<void> check_resources(const pb::Resources& resources) {
    if (resources.nano_cpus() != 0 && resources.nano_cpus() < nano_cpus_min) {
        return invalid(fmt::format("invalid cpu value {:g}: Must be at least {:g}",
                                   static_cast<double>(resources.nano_cpus()) / 1e9,
                                   static_cast<double>(nano_cpus_min) / 1e9));
    }
    if (resources.memory_bytes() != 0 && resources.memory_bytes() < memory_bytes_min) {
        return invalid(fmt::format("invalid memory value {}: Must be at least 4MiB",
                                   resources.memory_bytes()));
    }
    return ok();
}

Result<void> check_generic(const pb::Resources& reservations) {
    std::set<std::string> kinds;
    for (const auto& one : reservations.generic()) {
        if (!one.has_discrete_resource_spec()) {
            return invalid("generic resource: a reservation names a number, not one of them");
        }
        const auto& wanted = one.discrete_resource_spec();
        if (wanted.kind().empty() || wanted.value() < 1) {
            return invalid("generic resource " + go_quote(wanted.kind()) +
                           ": a kind and a number above 0 are needed");
        }
        if (!kinds.insert(wanted.kind()).second) {
            return invalid("generic resource " + go_quote(wanted.kind()) + ": given twice");
        }
    }
    return ok();
}

Result<void> check_requirements(const pb::ResourceRequirements& wanted) {
    TRY(check_resources(wanted.limits()));
    TRY(check_resources(wanted.reservations()));
    if (!wanted.limits().generic().empty()) {
        return invalid("generic resources can be reserved, not limited");
    }
    TRY(check_generic(wanted.reservations()));
    if (wanted.has_swap_bytes()) {
        if (wanted.swap_bytes().value() < -1) {
            return invalid("invalid swap value: Must be -1 or more");
        }
        if (wanted.limits().memory_bytes() == 0) {
            return invalid("swap can only be limited together with memory");
        }
    }
    const auto swappiness = wanted.memory_swappiness().value();
    if (swappiness < -1 || swappiness > 100) {
        return invalid("invalid memory swappiness: Must be between -1 and 100");
    }
    return ok();
}

Result<void> check_restart(const pb::RestartPolicy& restart) {
    if (is_negative(restart.delay())) {
        return invalid("TaskSpec: restart-delay cannot be negative");
    }
    if (is_negative(restart.window())) {
        return invalid("TaskSpec: restart-window cannot be negative");
    }
    return ok();
}

Result<void> check_update_config(const pb::UpdateConfig& update) {
    if (is_negative(update.delay())) {
        return invalid("TaskSpec: update-delay cannot be negative");
    }
    if (is_negative(update.monitor())) {
        return invalid("TaskSpec: update-monitor cannot be negative");
    }
    const float ratio = update.max_failure_ratio();
    if (!(ratio >= 0 && ratio <= 1)) { // NaN is neither
        return invalid("TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1");
    }
    return ok();
}

Result<void> check_placement(const pb::Placement& placement) {
    TRY(parse_constraints(placement.constraints()));
    for (const auto& preference : placement.preferences()) {
        const auto& by = preference.spread().spread_descriptor();
        const auto key = to_lower(by);
        if (!key.starts_with("node.labels.") && !key.starts_with("engine.labels.")) {
            return invalid("invalid placement preference " + go_quote(by) +
                           ": tasks are spread over node.labels.<name> or engine.labels.<name>");
        }
    }
    return ok();
}

Result<void> check_task(const pb::TaskSpec& task) {
    switch (task.runtime_case()) {
    case pb::TaskSpec::kContainer:
        break;
    case pb::TaskSpec::kAttachment:
        return invalid("TaskSpec: attachments of networks are not services");
    case pb::TaskSpec::kGeneric:
        return unsupported("TaskSpec: runtime " + go_quote(task.generic().kind()) +
                           ": services run containers, plugins are not supported");
    case pb::TaskSpec::RUNTIME_NOT_SET:
        return invalid("TaskSpec: missing runtime");
    }
    TRY(check_requirements(task.resources()));
    TRY(check_restart(task.restart()));
    TRY(check_placement(task.placement()));
    return check_container_spec(task.container());
}

Result<void> check_port(const pb::PortConfig& port, pb::EndpointSpec::ResolutionMode mode) {
    if (port.target_port() < 1 || port.target_port() > 65535) {
        return invalid("EndpointSpec: invalid target port " + std::to_string(port.target_port()));
    }
    if (port.published_port() > 65535) {
        return invalid("EndpointSpec: invalid published port " +
                       std::to_string(port.published_port()));
    }
    if (mode == pb::EndpointSpec::DNSRR && port.publish_mode() == pb::PortConfig::INGRESS) {
        return invalid(
            "EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
    }
    return ok();
}

Result<void> check_endpoint(const pb::EndpointSpec& endpoint) {
    std::set<std::pair<std::uint32_t, pb::PortConfig::Protocol>> published;
    for (const auto& port : endpoint.ports()) {
        TRY(check_port(port, endpoint.mode()));
        if (port.published_port() == 0) { continue; }
        if (!published.emplace(port.published_port(), port.protocol()).second) {
            return invalid("EndpointSpec: duplicate published ports provided");
        }
    }
    return ok();
}

/// How connections to it are shared out. Nobody is to find out by measuring that it was misspelt.
Result<void> check_balance(const pb::Annotations& annotations) {
    const auto found = annotations.labels().find(std::string(balance_label));
    if (found == annotations.labels().end()) { return ok(); }
    const auto& value = found->second;
    if (value == "even" || value == "client" || value == "local") { return ok(); }
    return invalid("label " + std::string(balance_label) + "=" + value +
                   ": it is even, client or local");
}

Result<void> check_count(std::uint64_t count) {
    if (count <= replicas_max) { return ok(); }
    return invalid("a service has at most " + std::to_string(replicas_max) + " tasks");
}

Result<void> check_mode(const pb::ServiceSpec& spec) {
    TRY(check_count(spec.replicated().replicas()));
    TRY(check_count(spec.replicated_job().total_completions()));
    if (spec.has_replicated_job() && spec.replicated_job().max_concurrent() == 0 &&
        spec.replicated_job().total_completions() > 0) {
        return invalid("a job that completes needs at least one concurrent task");
    }
    if (is_job(spec) && (spec.has_update() || spec.has_rollback())) {
        return invalid("job-mode services cannot have an update or rollback config");
    }
    if (spec.task().placement().max_replicas() > 0 &&
        (spec.has_global() || spec.has_global_job())) {
        return invalid("a limit of replicas per node can only be used with replicated services");
    }
    return ok();
}

constexpr std::array default_capabilities{
    "CAP_AUDIT_WRITE", "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",    "CAP_FSETID",
    "CAP_KILL",        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_NET_RAW",   "CAP_SETFCAP",
    "CAP_SETGID",      "CAP_SETPCAP", "CAP_SETUID",           "CAP_SYS_CHROOT"};

bool is_default_capability(std::string_view name) {
    auto upper = to_upper(name);
    if (!upper.starts_with("CAP_")) { upper = "CAP_" + upper; }
    return std::find(default_capabilities.begin(), default_capabilities.end(), upper) !=
           default_capabilities.end();
}

/// What is less confined than by default. A profile of the user's own may allow anything.
std::string_view loosened(const pb::Privileges& privileges) {
    using Seccomp = pb::Privileges::SeccompOpts;
    if (privileges.seccomp().mode() == Seccomp::UNCONFINED) { return "seccomp=unconfined is"; }
    if (privileges.seccomp().mode() == Seccomp::CUSTOM) { return "custom seccomp profiles are"; }
    if (privileges.apparmor().mode() == pb::Privileges::AppArmorOpts::DISABLED) {
        return "apparmor=disabled is";
    }
    const auto& selinux = privileges.selinux_context();
    if (selinux.disable()) { return "disabling SELinux is"; }
    if (!selinux.type().empty() || !selinux.role().empty() || !selinux.user().empty()) {
        return "SELinux users, roles and types are";
    }
    return "";
}

Error forbidden(const std::string& what) {
    return {Errc::Forbidden,
            what + " not allowed for services by the policy of this swarm (AllowPrivileged)"};
}

/// How many tasks there will be of it in the end.
std::uint64_t tasks_of(const pb::ServiceSpec& spec, std::size_t nodes) {
    if (spec.has_replicated()) { return spec.replicated().replicas(); }
    if (spec.has_replicated_job()) {
        return std::max(spec.replicated_job().max_concurrent(),
                        spec.replicated_job().total_completions());
    }
    return nodes;
}

/// A task has more of its own than the specification: addresses, states, names.
constexpr std::uint64_t task_own_bytes = 1024;

} // namespace

Result<void> check_room(const pb::ServiceSpec& spec, std::size_t nodes) {
    const std::uint64_t each = spec.task().ByteSizeLong() + task_own_bytes;
    const auto count = tasks_of(spec, nodes);
    if (count <= service_tasks_bytes_max / each) { return ok(); }
    return invalid(fmt::format("service {}: {} tasks of {} bytes each are more than the {} bytes "
                               "that the tasks of one service may take in the store",
                               spec.annotations().name(), count, each, service_tasks_bytes_max));
}

Result<void> check_service_spec(const pb::ServiceSpec& spec) {
    TRY(check_dns_name(spec.annotations().name()));
    if (spec.ByteSizeLong() > service_spec_bytes_max) {
        return invalid("the specification of service " + spec.annotations().name() +
                       " is larger than " + std::to_string(service_spec_bytes_max) + " bytes");
    }
    TRY(check_task(spec.task()));
    TRY(check_endpoint(spec.endpoint()));
    TRY(check_balance(spec.annotations()));
    TRY(check_mode(spec));
    TRY(check_update_config(spec.update()));
    TRY(check_update_config(spec.rollback()));
    if (spec.rollback().failure_action() == pb::UpdateConfig::ROLLBACK) {
        return invalid("a failing rollback is not rolled back: use \"pause\" or \"continue\"");
    }
    return check_templates(spec);
}

Result<void> check_policy(const pb::ServiceSpec& spec, const pb::ClusterPolicy& policy) {
    if (policy.allow_privileged()) { return ok(); }
    const auto& container = spec.task().container();
    if (container.privileged()) { return forbidden("privileged containers are"); }
    if (!container.devices().empty()) { return forbidden("devices are"); }
    for (const auto& name : container.capability_add()) {
        if (!is_default_capability(name)) { return forbidden("capability " + name + " is"); }
    }
    const auto loose = loosened(container.privileges());
    if (!loose.empty()) { return forbidden(std::string(loose)); }
    return ok();
}

} // namespace shoal::swarm
