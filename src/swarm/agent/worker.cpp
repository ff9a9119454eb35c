#include "swarm/agent/worker.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

template <class Field> bool contains(const Field& all, std::string_view one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

bool is_dependency(const pb::AssignmentChange& change) {
    return change.assignment().has_secret() || change.assignment().has_config();
}

/// One made for this task alone goes before the one for everybody.
template <class T> void pick(const std::map<std::string, Ptr<T>>& from, const std::string& id,
                             const std::string& task_id, std::map<std::string, Ptr<T>>& into) {
    auto found = from.find(id + "." + task_id);
    if (found == from.end()) { found = from.find(id); }
    if (found != from.end()) { into[id] = found->second; }
}

template <class T> void apply_to(std::map<std::string, Ptr<T>>& all, const T& object,
                                 pb::AssignmentChange::AssignmentAction action) {
    if (action == pb::AssignmentChange::REMOVE) {
        all.erase(object.id());
    } else {
        all[object.id()] = std::make_shared<const T>(object);
    }
}

} // namespace

bool selects(const pb::LogSelector& selector, const std::string& task_id,
             const std::string& service_id, std::string_view node_id) {
    return contains(selector.task_ids(), task_id) || contains(selector.node_ids(), node_id) ||
           (!service_id.empty() && contains(selector.service_ids(), service_id));
}

Worker::Worker(net::Loop& loop, const Clock& clock, Executor& executor, TaskMemory& memory,
               Report report, TaskRunner::Settings settings)
    : loop_(loop), clock_(clock), executor_(executor), memory_(memory), report_(std::move(report)),
      settings_(settings), log_sources_changed_(loop), ended_(loop), scope_(loop) {}

Result<void> Worker::start() {
    TRY_LET(remembered, memory_.load());
    for (auto& task : remembered) {
        auto held = std::make_shared<const pb::Task>(std::move(task));
        add(held, TaskRunner::Begin::WhenConfirmed, false);
    }
    return ok();
}

void Worker::begin_stream() {
    incoming_ = {};
    stream_complete_ = false;
}

void Worker::apply(const pb::AssignmentsMessage& message) {
    if (leaving_) { return; } // managers may not know yet, and would fill the node again
    const bool complete = message.type() == pb::AssignmentsMessage::COMPLETE;
    if (complete) { dependencies_ = std::exchange(incoming_, {}); }
    if (complete) { stream_complete_ = true; }
    // What a task needs is there before it comes and until it has gone, whatever their order.
    for (const auto& change : message.changes()) {
        if (change.action() == pb::AssignmentChange::UPDATE) { apply_dependency(change); }
    }
    std::set<std::string> listed;
    for (const auto& change : message.changes()) {
        if (!change.assignment().has_task()) { continue; }
        const auto& task = change.assignment().task();
        if (change.action() == pb::AssignmentChange::REMOVE) {
            release(task.id());
            continue;
        }
        listed.insert(task.id());
        assign(std::make_shared<const pb::Task>(task));
    }
    if (complete) { release_unlisted(listed); }
    for (const auto& change : message.changes()) {
        if (change.action() == pb::AssignmentChange::REMOVE) { apply_dependency(change); }
    }
}

void Worker::apply_dependency(const pb::AssignmentChange& change) {
    if (!is_dependency(change)) { return; }
    Dependencies& all = stream_complete_ ? dependencies_ : incoming_;
    if (change.assignment().has_secret()) {
        apply_to(all.secrets, change.assignment().secret(), change.action());
    } else {
        apply_to(all.configs, change.assignment().config(), change.action());
    }
}

Dependencies Worker::dependencies_of(const pb::Task& task) const {
    Dependencies needed;
    for (const auto& reference : task.spec().container().secrets()) {
        pick(dependencies_.secrets, reference.secret_id(), task.id(), needed.secrets);
    }
    for (const auto& reference : task.spec().container().configs()) {
        pick(dependencies_.configs, reference.config_id(), task.id(), needed.configs);
    }
    return needed;
}

std::shared_ptr<Controller> Worker::make_controller(const TaskPtr& task) {
    return executor_.make_controller(task, dependencies_of(*task));
}

void Worker::assign(const TaskPtr& task) {
    const auto found = tasks_.find(task->id());
    if (found == tasks_.end()) { return add(task, TaskRunner::Begin::Now, false); }
    Entry& entry = found->second;
    if (entry.runner->removing()) {
        entry.again = task;
    } else {
        update(entry, task);
    }
}

void Worker::update(Entry& entry, const TaskPtr& task) {
    if (entry.runner->needs_confirmation()) {
        const bool begun = entry.runner->status().state() >= pb::RUNNING;
        entry.runner->confirm(task, begun ? nullptr : make_controller(task));
    } else {
        entry.runner->update(task);
    }
    // What is wanted is remembered with the next status at the latest.
    const auto kept = memory_.put(entry.runner->task());
    (void)kept;
}

void Worker::add(const TaskPtr& task, TaskRunner::Begin begin, bool unknown) {
    Entry entry;
    entry.unknown = unknown;
    entry.runner = std::make_unique<TaskRunner>(
        loop_, clock_, task, make_controller(task), begin,
        [this, unknown](const pb::Task& changed) { return keep(changed, unknown); }, settings_);
    tasks_[task->id()] = std::move(entry);
    scope_.spawn(run(task->id()));
}

Result<void> Worker::keep(const pb::Task& task, bool unknown) {
    if (unknown) { return ok(); }
    TRY(memory_.put(task));
    report_(task.id(), task.status());
    log_sources_changed_.wake_all();
    return ok();
}

net::Task<void> Worker::run(std::string id) {
    const net::Until until(scope_.cancel());
    TaskRunner* const runner = tasks_.at(id).runner.get();
    co_await runner->run(until);
    if (!runner->removed()) { co_return; }
    // A row that stays is removed by the next complete set after the next start.
    const auto forgotten = memory_.remove(id);
    (void)forgotten;
    const auto again = tasks_.at(id).again;
    tasks_.erase(id);
    ended_.wake_all();
    if (again) { assign(again); }
}

void Worker::release(const std::string& id) {
    const auto found = tasks_.find(id);
    if (found == tasks_.end()) { return; }
    found->second.again = nullptr;
    found->second.runner->remove();
}

void Worker::release_unlisted(const std::set<std::string>& listed) {
    for (const auto& [id, entry] : tasks_) {
        if (!listed.contains(id)) { release(id); }
    }
    if (std::exchange(complete_seen_, true)) { return; }
    for (const auto& id : executor_.known_tasks()) {
        if (tasks_.contains(id)) { continue; }
        pb::Task task;
        task.set_id(id);
        task.set_desired_state(pb::REMOVE);
        task.mutable_status()->set_state(pb::RUNNING); // for all we know
        add(std::make_shared<const pb::Task>(std::move(task)), TaskRunner::Begin::Now, true);
        release(id);
    }
}

net::Task<Result<void>> Worker::leave(net::Until until) {
    leaving_ = true;
    for (const auto& [id, entry] : tasks_) { release(id); }
    while (!tasks_.empty()) {
        const auto wake = co_await ended_.wait(until);
        CO_TRY(net::to_result(wake, "stop the tasks"));
    }
    co_return ok();
}

net::Task<void> Worker::close() { co_await scope_.close(); }

std::vector<Worker::Status> Worker::statuses() const {
    std::vector<Status> all;
    for (const auto& [id, entry] : tasks_) {
        if (entry.unknown || entry.runner->status().state() < pb::ACCEPTED) { continue; }
        all.push_back({id, entry.runner->status()});
    }
    return all;
}

std::vector<Worker::LogSource> Worker::log_sources(const pb::LogSelector& selector,
                                                   std::string_view node_id) const {
    std::vector<LogSource> all;
    for (const auto& [id, entry] : tasks_) {
        const auto& service = entry.runner->task().service_id();
        const bool started = entry.runner->status().state() >= pb::STARTING;
        if (entry.unknown || !started || !selects(selector, id, service, node_id)) { continue; }
        all.push_back({id, service, entry.runner->controller()});
    }
    return all;
}

} // namespace shoal::swarm
