#include "api/service_document.h"

#include "api/object_document.h"
#include "api/service_codec.h"

namespace docker::swarmkit::v1 {

// Those of the API that no message holds by that name.
const Words<RestartPolicy::RestartCondition> restart_conditions{
    {RestartPolicy::NONE, "none"},
    {RestartPolicy::ON_FAILURE, "on-failure"},
    {RestartPolicy::ANY, "any"}};
const Words<UpdateConfig::FailureAction> failure_actions{{UpdateConfig::PAUSE, "pause"},
                                                         {UpdateConfig::CONTINUE, "continue"},
                                                         {UpdateConfig::ROLLBACK, "rollback"}};
const Words<UpdateConfig::UpdateOrder> update_orders{{UpdateConfig::STOP_FIRST, "stop-first"},
                                                     {UpdateConfig::START_FIRST, "start-first"}};
const Words<EndpointSpec::ResolutionMode> resolution_modes{{EndpointSpec::VIP, "vip"},
                                                           {EndpointSpec::DNSRR, "dnsrr"}};
const Words<PortConfig::Protocol> port_protocols{
    {PortConfig::TCP, "tcp"}, {PortConfig::UDP, "udp"}, {PortConfig::SCTP, "sctp"}};
const Words<PortConfig::PublishMode> publish_modes{{PortConfig::INGRESS, "ingress"},
                                                   {PortConfig::HOST, "host"}};
const Words<Mount::Type> mount_types{{Mount::BIND, "bind"},
                                     {Mount::VOLUME, "volume"},
                                     {Mount::TMPFS, "tmpfs"},
                                     {Mount::NPIPE, "npipe"},
                                     {Mount::CLUSTER, "cluster"}};
const Words<Mount::Consistency> mount_consistencies{{Mount::DEFAULT, "default"},
                                                    {Mount::CONSISTENT, "consistent"},
                                                    {Mount::CACHED, "cached"},
                                                    {Mount::DELEGATED, "delegated"}};
const Words<Mount::BindOptions::Propagation> propagations{
    {Mount::BindOptions::RPRIVATE, "rprivate"}, {Mount::BindOptions::PRIVATE, "private"},
    {Mount::BindOptions::RSHARED, "rshared"},   {Mount::BindOptions::SHARED, "shared"},
    {Mount::BindOptions::RSLAVE, "rslave"},     {Mount::BindOptions::SLAVE, "slave"}};
const Words<Privileges::SeccompOpts::SeccompMode> seccomp_modes{
    {Privileges::SeccompOpts::DEFAULT, "default"},
    {Privileges::SeccompOpts::UNCONFINED, "unconfined"},
    {Privileges::SeccompOpts::CUSTOM, "custom"}};
const Words<Privileges::AppArmorOpts::AppArmorMode> apparmor_modes{
    {Privileges::AppArmorOpts::DEFAULT, "default"},
    {Privileges::AppArmorOpts::DISABLED, "disabled"}};
const Words<ContainerSpec::Isolation> isolations{{ContainerSpec::ISOLATION_DEFAULT, "default"},
                                                 {ContainerSpec::ISOLATION_PROCESS, "process"},
                                                 {ContainerSpec::ISOLATION_HYPERV, "hyperv"}};

template <class V> void describe(V& v, Endpoint::VirtualIP& ip) {
    MESSAGE_VALUE(v, ip, "NetworkID", network_id, omit);
    MESSAGE_VALUE(v, ip, "Addr", addr, omit);
}
template <class V> void describe(V& v, Endpoint& e) {
    MESSAGE_STRUCT(v, e, "Spec", spec);
    member::list(v, "Ports", *e.mutable_ports());
    member::list(v, "VirtualIPs", *e.mutable_virtual_ips());
}

} // namespace docker::swarmkit::v1

namespace shoal::api {
namespace pb = swarm::pb;
namespace {

using std::chrono::seconds;

const Words<pb::UpdateStatus::UpdateState> update_states{
    {pb::UpdateStatus::UPDATING, "updating"},
    {pb::UpdateStatus::PAUSED, "paused"},
    {pb::UpdateStatus::COMPLETED, "completed"},
    {pb::UpdateStatus::ROLLBACK_STARTED, "rollback_started"},
    {pb::UpdateStatus::ROLLBACK_PAUSED, "rollback_paused"},
    {pb::UpdateStatus::ROLLBACK_COMPLETED, "rollback_completed"}};

Json update_status_document(const pb::UpdateStatus& status) {
    Json document = Json::object();
    if (status.state() != pb::UpdateStatus::UNKNOWN) {
        document["State"] = word_of(update_states, status.state());
    }
    if (status.has_started_at()) { document["StartedAt"] = date_of(true, status.started_at()); }
    if (status.has_completed_at()) {
        document["CompletedAt"] = date_of(true, status.completed_at());
    }
    if (!status.message().empty()) { document["Message"] = status.message(); }
    return document;
}

Json job_status_document(const pb::JobStatus& status) {
    return Json{{"JobIteration", Json{{"Index", status.job_iteration().index()}}},
                {"LastExecution", date_of(status.has_last_execution(), status.last_execution())}};
}

Json counts_document(const ServiceCounts& counts) {
    return Json{{"RunningTasks", counts.running},
                {"DesiredTasks", counts.desired},
                {"CompletedTasks", counts.completed}};
}

bool has_member(const Json& object, const char* name) {
    if (!object.is_object()) { return false; }
    for (const auto& [key, value] : object.items()) {
        if (equals_ignore_case(key, name) && !value.is_null()) { return true; }
    }
    return false;
}

const Json& member_of(const Json& object, const char* name) {
    static const Json none;
    if (!object.is_object()) { return none; }
    for (const auto& [key, value] : object.items()) {
        if (equals_ignore_case(key, name)) { return value; }
    }
    return none;
}

void shape_container(pb::ContainerSpec& container, int version) {
    if (version < 140) { container.clear_sysctls(); }
    if (version < 141) {
        container.clear_capability_add();
        container.clear_capability_drop();
        container.clear_ulimits();
        container.clear_pidslimit();
    }
    if (version < 144) {
        if (container.has_privileges()) {
            container.mutable_privileges()->clear_seccomp();
            container.mutable_privileges()->clear_apparmor();
            container.mutable_privileges()->clear_no_new_privileges();
        }
        if (container.has_healthcheck()) {
            container.mutable_healthcheck()->clear_start_interval();
        }
    }
    if (version < 146) {
        container.clear_oom_score_adj();
        for (auto& mount : *container.mutable_mounts()) {
            if (mount.has_tmpfs_options()) { mount.mutable_tmpfs_options()->clear_options(); }
        }
    }
}

bool has_job_mode(const pb::ServiceSpec& spec) {
    return spec.has_replicated_job() || spec.has_global_job();
}

} // namespace

void shape_task_spec(pb::TaskSpec& task, int version) {
    if (task.has_container()) { shape_container(*task.mutable_container(), version); }
    if (version < 140 && task.has_placement()) { task.mutable_placement()->clear_max_replicas(); }
}

void shape_service_spec(pb::ServiceSpec& spec, int version) {
    shape_task_spec(*spec.mutable_task(), version);
    if (version < 141 && has_job_mode(spec)) { spec.clear_mode(); }
}

Result<ServiceRequest> parse_service_request(const Json& json, int version) {
    TRY_LET(spec, codec::read<pb::ServiceSpec>(json, "", codec::Unknown::Refuse));
    // Dropped, it would become something else that runs for ever.
    if (version < 141 && has_job_mode(spec)) {
        return invalid("Mode: jobs need version 1.41 of the API");
    }
    shape_service_spec(spec, version);
    ServiceRequest request{std::move(spec)};
    const Json& container = member_of(member_of(json, "TaskTemplate"), "ContainerSpec");
    request.names_devices = has_member(container, "Devices");
    request.names_privileged = has_member(container, "Privileged");
    return request;
}

void keep_unnamed(const ServiceRequest& request, const pb::ServiceSpec& old,
                  pb::ServiceSpec& spec) {
    if (!spec.task().has_container()) { return; }
    const auto& former = old.task().container();
    auto& container = *spec.mutable_task()->mutable_container();
    if (!request.names_devices) { *container.mutable_devices() = former.devices(); }
    if (!request.names_privileged) { container.set_privileged(former.privileged()); }
}

namespace {

void default_update(pb::UpdateConfig& update) {
    update.set_parallelism(1);
    *update.mutable_monitor() = swarm::to_duration(seconds(5));
}

void default_restart(pb::TaskSpec& task, bool job) {
    auto& restart = *task.mutable_restart();
    restart.set_condition(job ? pb::RestartPolicy::ON_FAILURE : pb::RestartPolicy::ANY);
}

void default_monitor(pb::UpdateConfig& update) {
    if (!update.has_monitor()) { *update.mutable_monitor() = swarm::to_duration(seconds(5)); }
}

} // namespace

void insert_defaults(pb::ServiceSpec& spec) {
    auto& task = *spec.mutable_task();
    const bool job = has_job_mode(spec);
    if (task.has_container()) {
        auto& container = *task.mutable_container();
        if (!container.has_stop_grace_period()) {
            *container.mutable_stop_grace_period() = swarm::to_duration(seconds(10));
        }
        container.mutable_dns_config();
    }
    task.mutable_resources()->mutable_limits();
    task.mutable_resources()->mutable_reservations();
    if (!task.has_restart()) { default_restart(task, job); }
    if (!task.restart().has_delay()) {
        *task.mutable_restart()->mutable_delay() = swarm::to_duration(seconds(5));
    }
    task.mutable_placement();
    if (!job) {
        if (!spec.has_update()) { default_update(*spec.mutable_update()); }
        if (!spec.has_rollback()) { default_update(*spec.mutable_rollback()); }
        default_monitor(*spec.mutable_update());
        default_monitor(*spec.mutable_rollback());
    }
    spec.mutable_endpoint();
}

ServiceCounts count_tasks(const swarm::Store& store, const pb::Service& service) {
    ServiceCounts counts;
    const bool global = service.spec().has_global() || service.spec().has_global_job();
    const bool job = has_job_mode(service.spec());
    for (const auto& [id, task] : store.tasks_of_service(service.id())) {
        const bool now =
            !job || task->job_iteration().index() == service.job_status().job_iteration().index();
        const auto node = store.get<pb::Node>(task->node_id());
        const bool up = node && node->status().state() != pb::NodeStatus::DOWN;
        if (task->status().state() == pb::RUNNING && up) { ++counts.running; }
        if (job && now && task->status().state() == pb::COMPLETE) { ++counts.completed; }
        if (global && now && task->desired_state() <= pb::COMPLETE) { ++counts.desired; }
    }
    if (service.spec().has_replicated()) {
        counts.desired = service.spec().replicated().replicas();
    }
    if (service.spec().has_replicated_job()) {
        counts.desired = service.spec().replicated_job().max_concurrent();
    }
    return counts;
}

Json service_spec_document(pb::ServiceSpec spec, int version) {
    shape_service_spec(spec, version);
    return json_of(std::move(spec));
}

Json service_document(const pb::Service& service, int version, const ServiceCounts* counts) {
    auto document = object_document(service);
    document["Spec"] = service_spec_document(service.spec(), version);
    if (service.has_previous_spec()) {
        document["PreviousSpec"] = service_spec_document(service.previous_spec(), version);
    }
    document["Endpoint"] = json_of(service.endpoint());
    if (service.has_update_status()) {
        document["UpdateStatus"] = update_status_document(service.update_status());
    }
    if (version >= 141 && counts != nullptr) {
        document["ServiceStatus"] = counts_document(*counts);
    }
    if (version >= 141 && service.has_job_status()) {
        document["JobStatus"] = job_status_document(service.job_status());
    }
    return document;
}

} // namespace shoal::api
