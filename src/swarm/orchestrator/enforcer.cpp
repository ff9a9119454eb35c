#include "swarm/orchestrator/enforcer.h"

#include "swarm/model/constraints.h"
#include "swarm/orchestrator/slots.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

/// What is left on a node, where kinds of generic resources are counted and not told apart.
struct Room {
    std::int64_t cpus = 0;
    std::int64_t memory = 0;
    std::map<std::string, std::int64_t> generic;

    explicit Room(const pb::Resources& resources)
        : cpus(resources.nano_cpus()), memory(resources.memory_bytes()) {
        for (const auto& one : resources.generic()) {
            if (one.has_discrete_resource_spec()) {
                generic[one.discrete_resource_spec().kind()] +=
                    one.discrete_resource_spec().value();
            } else if (one.has_named_resource_spec()) {
                ++generic[one.named_resource_spec().kind()];
            }
        }
    }
    /// False, and nothing is taken, when there is not so much.
    bool take(const Room& wanted) {
        if (wanted.cpus > cpus || wanted.memory > memory) { return false; }
        for (const auto& [kind, count] : wanted.generic) {
            const auto found = generic.find(kind);
            if (count > (found == generic.end() ? 0 : found->second)) { return false; }
        }
        cpus -= wanted.cpus;
        memory -= wanted.memory;
        for (const auto& [kind, count] : wanted.generic) { generic[kind] -= count; }
        return true;
    }
};

bool is_on_node(const pb::Task& task) {
    return is_wanted(task) && !is_over(task) && task.status().state() >= pb::ASSIGNED;
}

/// Those that came first stay.
std::vector<TaskPtr> tasks_on(const Store& store, const std::string& node_id) {
    std::vector<TaskPtr> tasks;
    for (const auto& [id, task] : store.tasks_of_node(node_id)) {
        if (is_on_node(*task)) { tasks.push_back(task); }
    }
    std::stable_sort(tasks.begin(), tasks.end(), [](const TaskPtr& a, const TaskPtr& b) {
        return from_timestamp(a->meta().created_at()) < from_timestamp(b->meta().created_at());
    });
    return tasks;
}

bool meets_constraints(const Store& store, const pb::Task& task, const pb::Node& node) {
    const auto service = store.get<pb::Service>(task.service_id());
    const auto& spec = service ? service->spec().task() : task.spec();
    return match_placement(spec.placement(), node);
}

void reject(Tx& tx, const pb::Task& task) {
    pb::Task rejected = task;
    advance_observed(rejected,
                     {pb::REJECTED, "task rejected by constraint enforcer",
                      "assigned node no longer meets constraints", ""},
                     tx.now());
    tx.put(std::move(rejected));
}

void look_at_node(Tx& tx, const pb::Node& node) {
    const bool knows_room = node.description().has_resources();
    Room room(node.description().resources());
    for (const auto& task : tasks_on(tx.store(), node.id())) {
        const Room wanted(task->spec().resources().reservations());
        if (!meets_constraints(tx.store(), *task, node) || (knows_room && !room.take(wanted))) {
            reject(tx, *task);
        }
    }
}

} // namespace

void ConstraintEnforcer::rebuild(const Store& store) {
    nodes_.clear();
    for (const auto& [id, node] : store.all<pb::Node>()) { nodes_.insert(id); }
}

void ConstraintEnforcer::observe(const Store&, const Change& change) {
    if (change.kind == Kind::Node) { nodes_.insert(change.id); }
}

std::optional<Instant> ConstraintEnforcer::run(Tx& tx) {
    for (const auto& id : std::exchange(nodes_, {})) {
        if (!has_room(tx)) {
            nodes_.insert(id);
            continue;
        }
        const auto node = tx.store().get<pb::Node>(id);
        if (node && node->spec().availability() == pb::NodeSpec::ACTIVE) {
            look_at_node(tx, *node);
        }
    }
    if (nodes_.empty()) { return std::nullopt; }
    return tx.now();
}

} // namespace shoal::swarm
