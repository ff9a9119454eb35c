#include "swarm/dispatcher/node_assignments.h"

namespace shoal::swarm {
namespace {

template <class Take> void for_each_dependency(const pb::Task& task, Take take) {
    for (const auto& reference : task.spec().container().secrets()) {
        take(Kind::Secret, reference.secret_id());
    }
    for (const auto& reference : task.spec().container().configs()) {
        take(Kind::Config, reference.config_id());
    }
}

/// Each once, though a task may refer to one several times.
std::set<std::pair<Kind, std::string>> dependencies_of(const pb::Task& task) {
    std::set<std::pair<Kind, std::string>> all;
    for_each_dependency(task, [&](Kind kind, const std::string& id) { all.emplace(kind, id); });
    return all;
}

bool is_assigned(const pb::Task& task) { return task.status().state() >= pb::ASSIGNED; }

/// Secrets leave the node with the last task that may still use them.
bool needs_dependencies(const pb::Task& task) { return !is_terminal(task.status().state()); }

std::string essence(const pb::Task& task) {
    pb::Task copy = task;
    copy.clear_meta();
    copy.clear_status();
    copy.clear_running_since();
    copy.clear_reachable();
    return stable_bytes(copy);
}

} // namespace

bool differs_for_node(const pb::Task& a, const pb::Task& b) {
    if (a.desired_state() != b.desired_state()) { return true; }
    return essence(a) != essence(b);
}

void NodeAssignments::observe(const Change& change) {
    if (change.kind == Kind::Task) { return observe_task(change.id, change.new_as<pb::Task>()); }
    const Name name(change.kind, change.id);
    if (held_.contains(name)) { changed_.insert(name); }
}

void NodeAssignments::observe_task(const std::string& id, const TaskPtr& task) {
    if (complete_due_) { return; }
    const auto found = sent_.find(id);
    if (!task || task->node_id() != node_id_) {
        if (found != sent_.end()) { return note(id); }
        tasks_due_.erase(id);
        return;
    }
    if (!is_assigned(*task)) { return; }
    if (found == sent_.end()) { return note(id); }
    Sent& sent = found->second;
    if (task->status().state() <= pb::ASSIGNED || differs_for_node(*sent.task, *task)) {
        return note(id);
    }
    sent.task = task; // the same for the node; and the older one need not be kept
    if (sent.needing && !needs_dependencies(*task)) { release(sent); }
}

void NodeAssignments::let_go(const std::string& task_id) {
    if (!complete_due_ && sent_.contains(task_id)) { note(task_id); }
}

/// One that is held back is told of as still wanted.
TaskPtr NodeAssignments::as_told(const TaskPtr& task) const {
    const bool stops = task->desired_state() >= pb::SHUTDOWN;
    if (!stops || !held_back_ || !held_back_(task->id())) { return task; }
    auto told = std::make_shared<pb::Task>(*task);
    told->set_desired_state(task->has_job_iteration() ? pb::COMPLETE : pb::RUNNING);
    return told;
}

void NodeAssignments::note(const std::string& id) {
    tasks_due_.insert(id);
    if (tasks_due_.size() <= limits_.waiting_max) { return; }
    complete_due_ = true;
    tasks_due_.clear();
}

bool NodeAssignments::pending() const { return complete_due_ || waiting() > 0; }

std::optional<pb::AssignmentsMessage> NodeAssignments::next(const Store& store) {
    bytes_ = 0;
    if (!complete_due_) { return increment(store); }
    auto ahead = next_ahead(store);
    if (ahead) { return ahead; }
    return complete_set(store);
}

pb::AssignmentsMessage NodeAssignments::begin(pb::AssignmentsMessage::Type type) const {
    pb::AssignmentsMessage message;
    message.set_type(type);
    if (sequence_ > 0) { message.set_applies_to(std::to_string(sequence_)); }
    return message;
}

void NodeAssignments::number(pb::AssignmentsMessage& message) {
    message.set_results_in(std::to_string(++sequence_));
}

bool NodeAssignments::full(const pb::AssignmentsMessage& message) const {
    return bytes_ >= limits_.message_bytes ||
           static_cast<std::size_t>(message.changes_size()) >= limits_.changes_max;
}

std::set<NodeAssignments::Name> NodeAssignments::needed(const Store& store) const {
    std::set<Name> all;
    for (const auto& [id, task] : store.tasks_of_node(node_id_)) {
        if (is_assigned(*task) && needs_dependencies(*task)) { all.merge(dependencies_of(*task)); }
    }
    return all;
}

/// What does not fit beside a complete set goes before it, as far as our own agents are concerned.
std::optional<pb::AssignmentsMessage> NodeAssignments::next_ahead(const Store& store) {
    if (reader_ == Reader::Stock || !first_) { return std::nullopt; }
    auto message = begin(pb::AssignmentsMessage::INCREMENTAL);
    bool more = false;
    for (const auto& name : needed(store)) {
        if (held_.contains(name)) { continue; }
        more = bytes_ >= limits_.message_bytes;
        if (more) { break; }
        if (add_dependency(store, name, message)) { held_[name] = 0; }
    }
    if (!more) { // they fit into the set itself
        for (const auto& change : message.changes()) {
            const auto& item = change.assignment();
            held_.erase(item.has_secret() ? Name(Kind::Secret, item.secret().id())
                                          : Name(Kind::Config, item.config().id()));
        }
        bytes_ = 0;
        return std::nullopt;
    }
    number(message);
    return message;
}

/// The node takes this for all there is: what was sent before counts no more, but for what went
/// ahead of this very set.
pb::AssignmentsMessage NodeAssignments::complete_set(const Store& store) {
    auto message = begin(pb::AssignmentsMessage::COMPLETE);
    sent_.clear();
    tasks_due_.clear();
    if (!first_) { held_.clear(); }
    for (const auto& [name, count] : held_) { unused_.insert(name); }
    for (const auto& [id, task] : store.tasks_of_node(node_id_)) {
        if (is_assigned(*task)) { put_task(store, as_told(task), message); }
    }
    settle_dependencies(store, message);
    complete_due_ = first_ = false;
    number(message);
    return message;
}

std::optional<pb::AssignmentsMessage> NodeAssignments::increment(const Store& store) {
    auto message = begin(pb::AssignmentsMessage::INCREMENTAL);
    while (!tasks_due_.empty() && !full(message)) {
        const auto id = *tasks_due_.begin();
        tasks_due_.erase(tasks_due_.begin());
        const auto task = store.get<pb::Task>(id);
        if (!task || task->node_id() != node_id_) {
            remove_task(id, message);
            continue;
        }
        const auto told = as_told(task);
        const auto found = sent_.find(id);
        const bool known =
            told != task && found != sent_.end() && !differs_for_node(*found->second.task, *told);
        if (!known) { put_task(store, told, message); }
    }
    settle_dependencies(store, message);
    if (message.changes_size() == 0) { return std::nullopt; }
    number(message);
    return message;
}

void NodeAssignments::put_task(const Store& store, const TaskPtr& task,
                               pb::AssignmentsMessage& message) {
    Sent& sent = sent_[task->id()];
    const bool needed_before = sent.needing;
    if (needs_dependencies(*task)) { take_dependencies(store, *task, message); }
    if (needed_before) { release(sent); }
    sent.task = task;
    sent.needing = needs_dependencies(*task);
    bytes_ += task->ByteSizeLong();
    *message.add_changes()->mutable_assignment()->mutable_task() = *task;
}

void NodeAssignments::remove_task(const std::string& id, pb::AssignmentsMessage& message) {
    const auto found = sent_.find(id);
    if (found == sent_.end()) { return; }
    if (found->second.needing) { release(found->second); }
    sent_.erase(found);
    auto& change = *message.add_changes();
    change.set_action(pb::AssignmentChange::REMOVE);
    change.mutable_assignment()->mutable_task()->set_id(id);
    change.mutable_assignment()->mutable_task()->set_node_id(node_id_);
}

/// Counts what the task needs, and adds to the message what the node has not yet.
void NodeAssignments::take_dependencies(const Store& store, const pb::Task& task,
                                        pb::AssignmentsMessage& message) {
    for (const auto& name : dependencies_of(task)) {
        const auto found = held_.find(name);
        if (found != held_.end()) {
            ++found->second;
        } else if (add_dependency(store, name, message)) {
            held_[name] = 1;
        }
    }
}

void NodeAssignments::release(Sent& sent) {
    sent.needing = false;
    for (const auto& name : dependencies_of(*sent.task)) {
        const auto found = held_.find(name);
        if (found == held_.end()) { continue; } // it was not in the store
        if (found->second > 0) { --found->second; }
        if (found->second == 0) { unused_.insert(name); }
    }
}

/// False: there is no such object. The executor will say so.
bool NodeAssignments::add_dependency(const Store& store, const Name& name,
                                     pb::AssignmentsMessage& message) {
    if (name.first == Kind::Secret) {
        const auto secret = store.get<pb::Secret>(name.second);
        if (!secret) { return false; }
        bytes_ += secret->ByteSizeLong();
        *message.add_changes()->mutable_assignment()->mutable_secret() = *secret;
        return true;
    }
    const auto config = store.get<pb::Config>(name.second);
    if (!config) { return false; }
    bytes_ += config->ByteSizeLong();
    *message.add_changes()->mutable_assignment()->mutable_config() = *config;
    return true;
}

/// Behind the tasks: what has changed, and what is needed no more.
void NodeAssignments::settle_dependencies(const Store& store, pb::AssignmentsMessage& message) {
    for (const auto& name : std::exchange(changed_, {})) {
        const auto found = held_.find(name);
        if (found == held_.end() || found->second == 0) { continue; }
        if (!add_dependency(store, name, message)) { withdraw(name, message); }
    }
    for (const auto& name : std::exchange(unused_, {})) {
        const auto found = held_.find(name);
        if (found != held_.end() && found->second == 0) { withdraw(name, message); }
    }
}

void NodeAssignments::withdraw(const Name& name, pb::AssignmentsMessage& message) {
    held_.erase(name);
    auto& change = *message.add_changes();
    change.set_action(pb::AssignmentChange::REMOVE);
    if (name.first == Kind::Secret) {
        change.mutable_assignment()->mutable_secret()->set_id(name.second);
    } else {
        change.mutable_assignment()->mutable_config()->set_id(name.second);
    }
}

} // namespace shoal::swarm
