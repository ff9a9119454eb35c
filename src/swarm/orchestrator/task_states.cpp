#include "swarm/orchestrator/task_states.h"

#include "swarm/model/constraints.h"
#include "swarm/store/store.h"

namespace shoal::swarm {
namespace {

std::string name_of_task(const pb::Service& service, const SlotKey& slot, const std::string& id) {
    const auto place = is_by_node(service) ? slot.node_id : std::to_string(slot.number);
    return service.spec().annotations().name() + "." + place + "." + id;
}

const pb::Driver* log_driver_of(const pb::Service& service, const pb::Cluster* cluster) {
    if (service.spec().task().has_log_driver()) { return &service.spec().task().log_driver(); }
    if (cluster && cluster->spec().task_defaults().has_log_driver()) {
        return &cluster->spec().task_defaults().log_driver();
    }
    return nullptr;
}

pb::TaskSpec without_placement(pb::TaskSpec spec) {
    spec.clear_placement();
    return spec;
}

pb::TaskSpec without_credentials(pb::TaskSpec spec) {
    if (spec.has_container()) { spec.mutable_container()->clear_pull_options(); }
    return spec;
}

bool has_pulled(const pb::Task& task) {
    const auto state = task.status().state();
    if (state == pb::COMPLETE) { return true; }
    return is_wanted(task) && state >= pb::READY && state <= pb::RUNNING;
}

} // namespace

bool is_replicated(const pb::Service& service) { return service.spec().has_replicated(); }
bool is_global(const pb::Service& service) { return service.spec().has_global(); }
bool is_replicated_job(const pb::Service& service) { return service.spec().has_replicated_job(); }
bool is_global_job(const pb::Service& service) { return service.spec().has_global_job(); }
bool is_job(const pb::Service& service) {
    return is_replicated_job(service) || is_global_job(service);
}
bool is_by_node(const pb::Service& service) { return is_global(service) || is_global_job(service); }
pb::TaskState goal_of(const pb::Service& service) {
    return is_job(service) ? pb::COMPLETE : pb::RUNNING;
}

bool is_updating(const pb::Service& service) {
    const auto state = service.update_status().state();
    return state == pb::UpdateStatus::UPDATING || state == pb::UpdateStatus::ROLLBACK_STARTED;
}

SlotKey slot_of(const pb::Service& service, const pb::Task& task) {
    return is_by_node(service) ? SlotKey{0, task.node_id()} : SlotKey{task.slot(), ""};
}

pb::Task make_task(std::string id, const pb::Service& service, const pb::Cluster* cluster,
                   const SlotKey& slot, Instant now) {
    pb::Task made;
    made.mutable_annotations()->set_name(name_of_task(service, slot, id));
    made.set_id(std::move(id));
    made.set_service_id(service.id());
    made.set_slot(slot.number);
    made.set_node_id(slot.node_id);
    *made.mutable_spec() = service.spec().task();
    *made.mutable_service_annotations() = service.spec().annotations();
    if (service.has_spec_version()) { *made.mutable_spec_version() = service.spec_version(); }
    if (service.spec().has_endpoint()) {
        *made.mutable_endpoint()->mutable_spec() = service.spec().endpoint();
    }
    if (const auto* driver = log_driver_of(service, cluster)) {
        *made.mutable_log_driver() = *driver;
    }
    if (is_job(service)) {
        made.mutable_job_iteration()->set_index(service.job_status().job_iteration().index());
    }
    made.set_desired_state(goal_of(service));
    auto& status = *made.mutable_status();
    status.set_state(pb::NEW);
    status.set_message("created");
    *status.mutable_timestamp() = to_timestamp(now);
    return made;
}

bool has_ended_by_itself(const pb::Task& task) {
    const auto state = task.status().state();
    return state == pb::COMPLETE || state == pb::FAILED || state == pb::REJECTED;
}

bool is_over(const Store& store, const pb::Task& task) {
    return is_over(task) || (!task.node_id().empty() && !store.get<pb::Node>(task.node_id()));
}

bool advance_desired(pb::Task& task, pb::TaskState desired) {
    if (desired <= task.desired_state()) { return false; }
    task.set_desired_state(desired);
    return true;
}

bool advance_observed(pb::Task& task, const Observation& seen, Instant now) {
    auto& status = *task.mutable_status();
    if (seen.state <= status.state()) { return false; }
    status.set_state(seen.state);
    status.set_message(seen.message);
    status.set_err(seen.err);
    status.set_applied_by(seen.applied_by);
    *status.mutable_timestamp() = to_timestamp(now);
    *status.mutable_applied_at() = to_timestamp(now);
    return true;
}

bool stop(pb::Task& task, pb::TaskState desired, Instant now) {
    const bool changed = advance_desired(task, desired);
    if (task.status().state() >= pb::ASSIGNED) { return changed; }
    return advance_observed(task, {pb::SHUTDOWN, "shutdown before it was assigned", "", ""}, now) ||
           changed;
}

std::optional<Instant> running_since(const pb::Task& task, Instant now) {
    if (task.has_running_since()) { return std::min(from_timestamp(task.running_since()), now); }
    if (task.status().state() != pb::RUNNING || !task.status().has_applied_at()) {
        return std::nullopt;
    }
    return std::min(from_timestamp(task.status().applied_at()), now);
}

std::optional<Instant> ended_at(const pb::Task& task, Instant now) {
    if (!is_over(task)) { return std::nullopt; }
    const auto& status = task.status();
    if (status.has_applied_at()) { return std::min(from_timestamp(status.applied_at()), now); }
    if (status.has_timestamp()) { return std::min(from_timestamp(status.timestamp()), now); }
    return std::min(from_timestamp(task.meta().updated_at()), now);
}

NodeLoss node_loss(const Store& store, const pb::Task& task) {
    if (task.node_id().empty()) { return NodeLoss::None; }
    const auto node = store.get<pb::Node>(task.node_id());
    if (!node) { return NodeLoss::Gone; }
    if (node->status().state() == pb::NodeStatus::DOWN) { return NodeLoss::Down; }
    if (node->spec().availability() == pb::NodeSpec::DRAIN) { return NodeLoss::Drain; }
    return NodeLoss::None;
}

bool SpecComparison::is_dirty(const pb::Task& task) {
    switch (difference(task)) {
    case Difference::None:
        return false;
    case Difference::Placement: {
        const auto node = store_.get<pb::Node>(task.node_id());
        return !node || !match_placement(service_.spec().task().placement(), *node);
    }
    case Difference::Pull:
        return !has_pulled(task);
    case Difference::Any:
        break;
    }
    return true;
}

SpecComparison::Difference SpecComparison::difference(const pb::Task& task) {
    const auto version = task.spec_version().index();
    if (version != 0 && version == service_.spec_version().index()) { return Difference::None; }
    if (version == 0) { return compare(task); }
    const auto known = by_version_.find(version);
    if (known != by_version_.end()) { return known->second; }
    return by_version_.emplace(version, compare(task)).first->second;
}

SpecComparison::Difference SpecComparison::compare(const pb::Task& task) const {
    const auto& wanted = service_.spec().task();
    const auto same = [](const auto& a, const auto& b) {
        return stable_bytes(a) == stable_bytes(b);
    };
    if (!same(task.endpoint().spec(), service_.spec().endpoint())) { return Difference::Any; }
    if (same(task.spec(), wanted)) { return Difference::None; }
    if (same(without_placement(task.spec()), without_placement(wanted))) {
        return Difference::Placement;
    }
    if (same(without_credentials(task.spec()), without_credentials(wanted))) {
        return Difference::Pull;
    }
    return Difference::Any;
}

} // namespace shoal::swarm
