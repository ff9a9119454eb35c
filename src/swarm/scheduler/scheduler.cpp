#include "swarm/scheduler/scheduler.h"

#include "swarm/scheduler/filters.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

bool waits(const pb::Task& task) { return task.status().state() == pb::PENDING && is_active(task); }

std::vector<std::string> spread_of(const pb::Task& task) {
    std::vector<std::string> descriptors;
    for (const auto& preference : task.spec().placement().preferences()) {
        if (preference.has_spread()) {
            descriptors.push_back(preference.spread().spread_descriptor());
        }
    }
    return descriptors;
}

Rank rank_of(const NodeInfo& node, const std::string& service_id,
             const std::map<std::string, std::size_t>& failures) {
    const auto found = failures.find(node.id());
    const auto failed = found == failures.end() ? 0 : found->second;
    return {failed >= failures_that_count ? failed : 0, node.active_of(service_id), node.active(),
            node.id()};
}

/// What placing looks at; the rest of a node changes with every heartbeat's worth of news.
bool same_for_placing(const pb::Node& a, const pb::Node& b) {
    return a.status().state() == b.status().state() && a.status().addr() == b.status().addr() &&
           a.role() == b.role() && same_message(a.spec(), b.spec()) &&
           same_message(a.description(), b.description());
}

} // namespace

void Scheduler::rebuild(const Store& store) {
    *this = Scheduler();
    for (const auto& [id, node] : store.all<pb::Node>()) { see_node(id, node); }
    for (const auto& [id, task] : store.all<pb::Task>()) { see_task(id, task); }
    all_dirty_ = true;
}

void Scheduler::observe(const Store&, const Change& change) {
    if (change.kind == Kind::Node) {
        see_node(change.id, change.new_as<pb::Node>());
    } else if (change.kind == Kind::Task) {
        see_task(change.id, change.new_as<pb::Task>());
    }
}

NodeInfo& Scheduler::node_info(const std::string& id) {
    return nodes_.try_emplace(id, id).first->second;
}

template <class Do> void Scheduler::change_node(NodeInfo& node, Do&& change) {
    order_.erase({node.active(), node.id()});
    change();
    if (node.node()) { order_[{node.active(), node.id()}] = &node; }
}

void Scheduler::see_node(const std::string& id, const NodePtr& node) {
    auto& info = node_info(id);
    if (node && info.node() && same_for_placing(*node, *info.node())) { return; }
    change_node(info, [&] { info.set_node(node); });
    if (info.forgotten()) { nodes_.erase(id); }
    all_dirty_ = true;
}

void Scheduler::see_task(const std::string& id, const TaskPtr& task) {
    failures_.see(id, task);
    see_held(id, task);
    see_waiting(id, task);
}

void Scheduler::count_service(NodeInfo& node, const std::string& service_id) {
    if (node.active_of(service_id) > 0) {
        nodes_of_service_[service_id][node.id()] = &node;
        return;
    }
    const auto nodes = nodes_of_service_.find(service_id);
    if (nodes == nodes_of_service_.end()) { return; }
    nodes->second.erase(node.id());
    if (nodes->second.empty()) { nodes_of_service_.erase(nodes); }
}

void Scheduler::see_held(const std::string& id, const TaskPtr& task) {
    const bool holds = task && occupies_node(*task);
    if (const auto found = held_.find(id); found != held_.end()) {
        auto& node = node_info(found->second->node_id());
        const TaskPtr before = std::exchange(found->second, holds ? task : nullptr);
        change_node(node, [&] { node.release(id); });
        count_service(node, before->service_id());
        if (!holds) { held_.erase(found); }
        if (node.forgotten()) { nodes_.erase(before->node_id()); }
        all_dirty_ |= !holds || is_active(*before) != is_active(*task);
    }
    if (!holds) { return; }
    auto& node = node_info(task->node_id());
    change_node(node, [&] { node.hold(task); });
    count_service(node, task->service_id());
    held_[id] = task;
}

void Scheduler::see_waiting(const std::string& id, const TaskPtr& task) {
    const bool now = task && waits(*task);
    const bool with_node = now && !task->node_id().empty();
    if (with_node) {
        if (preassigned_.insert(id).second) { dirty_preassigned_.insert(id); }
    } else {
        preassigned_.erase(id);
    }
    const auto old = group_of_task_.find(id);
    const bool in_group = now && !with_node;
    if (old != group_of_task_.end()) {
        if (in_group && old->second == group_of(*task)) { return; } // nothing new about it
        auto& group = groups_[old->second];
        group.erase(id);
        if (group.empty()) { groups_.erase(old->second); }
        group_of_task_.erase(old);
    }
    if (!in_group) { return; }
    const GroupKey key = group_of(*task);
    groups_[key].insert(id);
    group_of_task_[id] = key;
    dirty_groups_.insert(key);
}

std::optional<Instant> Scheduler::run(Tx& tx) {
    if (all_dirty_) {
        dirty_preassigned_ = preassigned_;
        for (const auto& [key, tasks] : groups_) { dirty_groups_.insert(key); }
    }
    all_dirty_ = false;
    const auto preassigned = std::exchange(dirty_preassigned_, {});
    for (const auto& id : preassigned) { place_preassigned(tx, id); }
    failures_.forget_old(tx.now());
    place_groups(tx);
    return std::nullopt;
}

/// In turn: where there is room for some of them only, it goes to another service every time, and
/// one that fits nowhere is in nobody's way.
void Scheduler::place_groups(Tx& tx) {
    const auto groups = std::exchange(dirty_groups_, {});
    const auto first = groups.upper_bound(served_);
    std::vector<GroupKey> order(first, groups.end());
    order.insert(order.end(), groups.begin(), first);
    for (const auto& key : order) {
        if (place_group(tx, key) > 0) { served_ = key; }
    }
}

void Scheduler::place_preassigned(Tx& tx, const std::string& task_id) {
    const auto task = tx.store().get<pb::Task>(task_id);
    if (!preassigned_.contains(task_id) || !task || !waits(*task)) { return; }
    auto& node = node_info(task->node_id());
    if (!node.node()) {
        if (node.forgotten()) { nodes_.erase(task->node_id()); }
        return explain(tx, {task}, "no suitable node (the task's node does not exist)");
    }
    const TaskNeeds needs = read_needs(*task);
    ++nodes_asked_;
    if (auto refusal = refuse(needs, node)) {
        Refusals refusals;
        refusals.add(std::move(*refusal));
        return explain(tx, {task}, refusals.text());
    }
    assign(tx, *task, node, needs);
}

std::size_t Scheduler::place_group(Tx& tx, const GroupKey& key) {
    const auto group = groups_.find(key);
    if (group == groups_.end()) { return 0; }
    std::vector<TaskPtr> tasks;
    for (const auto& id : group->second) {
        if (auto task = tx.store().get<pb::Task>(id)) { tasks.push_back(std::move(task)); }
    }
    if (tasks.empty()) { return 0; }
    std::stable_sort(tasks.begin(), tasks.end(),
                     [](const TaskPtr& a, const TaskPtr& b) { return a->slot() < b->slot(); });
    const TaskNeeds needs = read_needs(*tasks.front());
    const auto failures = failures_.recent(key, tx.now());
    Branch order;
    order_nodes(order, *tasks.front(), failures);
    const Fits fits = [this, &needs](const NodeInfo& node) {
        ++nodes_asked_;
        return !refuse(needs, node);
    };
    std::size_t placed = 0;
    for (; placed < tasks.size(); ++placed) {
        const auto taken = order.take(fits);
        if (!taken.node) { break; }
        assign(tx, *tasks[placed], *taken.node, needs);
        taken.leaf->add(*taken.node, rank_of(*taken.node, key.service_id, failures));
    }
    tasks.erase(tasks.begin(), tasks.begin() + static_cast<std::ptrdiff_t>(placed));
    if (!tasks.empty()) { explain(tx, tasks, explain_group(needs)); }
    return placed;
}

void Scheduler::order_nodes(Branch& root, const pb::Task& task, const NodeFailures& failures) {
    const auto& service = task.service_id();
    const RankOf rank = [&](const NodeInfo& node) { return rank_of(node, service, failures); };
    const auto descriptors = spread_of(task);
    if (!descriptors.empty()) {
        for (const auto& [place, node] : order_) { root.add(*node, descriptors, rank, service); }
        return;
    }
    const auto is_bad = [&failures](const NodeInfo& node) {
        const auto found = failures.find(node.id());
        return found != failures.end() && found->second >= failures_that_count;
    };
    const auto is_unused = [&service, is_bad](const NodeInfo& node) {
        return node.active_of(service) == 0 && !is_bad(node);
    };
    root.leaf().set_unused(order_, is_unused);
    if (const auto used = nodes_of_service_.find(service); used != nodes_of_service_.end()) {
        for (const auto& [id, node] : used->second) {
            if (node->node()) { root.leaf().add(*node, rank(*node)); }
        }
    }
    for (const auto& [id, count] : failures) {
        const auto node = nodes_.find(id);
        if (node == nodes_.end() || !node->second.node()) { continue; }
        if (is_bad(node->second)) { root.leaf().add(node->second, rank(node->second)); }
    }
}

void Scheduler::assign(Tx& tx, pb::Task task, const NodeInfo& node, const TaskNeeds& needs) {
    auto& status = *task.mutable_status();
    status.set_state(pb::ASSIGNED);
    status.set_message(task.node_id().empty()
                           ? "scheduler assigned task to node"
                           : "scheduler confirmed task can run on preassigned node");
    status.clear_err();
    *status.mutable_timestamp() = to_timestamp(tx.now());
    task.set_node_id(node.id());
    task.clear_assigned_generic_resources();
    for (auto& chosen : node.choose_generics(needs.generics)) {
        *task.add_assigned_generic_resources() = std::move(chosen);
    }
    const TaskPtr put = tx.put(std::move(task));
    see_task(put->id(), put); // the next one is placed with this one in the books
}

void Scheduler::explain(Tx& tx, const std::vector<TaskPtr>& tasks, const std::string& text) {
    for (const auto& task : tasks) {
        if (task->status().err() == text) { continue; }
        pb::Task changed = *task;
        changed.mutable_status()->set_err(text);
        *changed.mutable_status()->mutable_timestamp() = to_timestamp(tx.now());
        tx.put(std::move(changed));
    }
}

std::string Scheduler::explain_group(const TaskNeeds& needs) {
    Refusals refusals;
    for (const auto& [place, node] : order_) {
        ++nodes_asked_;
        if (auto refusal = refuse(needs, *node)) { refusals.add(std::move(*refusal)); }
    }
    return refusals.text();
}

bool Scheduler::fits(const pb::Task& task, const pb::Node& node) const {
    const auto known = nodes_.find(node.id());
    return known != nodes_.end() && !refuse(read_needs(task), known->second);
}

} // namespace shoal::swarm
