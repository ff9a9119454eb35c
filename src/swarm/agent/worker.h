// Worker: all tasks of this node, as its managers assign them and as it remembers them. It turns
// assignments into runners and keeps what tasks need beside themselves, in memory only. It has no
// connection: the agent feeds it and is told of every new status.
#pragma once

#include "swarm/agent/task_memory.h"
#include "swarm/agent/task_runner.h"

#include <set>

namespace shoal::swarm {

class Worker {
  public:
    /// A task's new status, after it was remembered.
    using Report = std::function<void(const std::string& task_id, const pb::TaskStatus& status)>;
    Worker(net::Loop& loop, const Clock& clock, Executor& executor, TaskMemory& memory,
           Report report, TaskRunner::Settings settings = {});

    /// Takes up what is remembered. Once, before anything else.
    Result<void> start();
    /// A stream of assignments begins: dependencies of increments before its first complete set
    /// belong to that set.
    void begin_stream();
    /// A complete set says what there is: everything else is removed, also what the executor knows
    /// from a life before.
    void apply(const pb::AssignmentsMessage& message);
    /// Removes all tasks, whatever managers say from now on, and waits for it; Timeout or Cancelled
    /// when some are left.
    net::Task<Result<void>> leave(net::Until until);
    /// Stops looking after the tasks and leaves them as they are.
    net::Task<void> close();

    struct Status {
        std::string task_id;
        pb::TaskStatus status;
    };
    std::vector<Status> statuses() const; ///< of all tasks that a manager has to know of
    std::size_t size() const { return tasks_.size(); }

    // For logs.
    struct LogSource {
        std::string task_id;
        std::string service_id;
        std::shared_ptr<Controller> controller;
    };
    /// Tasks that have been started, so that there is something to read.
    std::vector<LogSource> log_sources(const pb::LogSelector& selector,
                                       std::string_view node_id) const;
    net::WaitQueue& log_sources_changed() { return log_sources_changed_; } ///< perhaps

  private:
    struct Entry {
        std::unique_ptr<TaskRunner> runner;
        TaskPtr again;        ///< assigned anew while it is being removed
        bool unknown = false; ///< left from a life before: nobody hears of it
    };

    void apply_dependency(const pb::AssignmentChange& change);
    Dependencies dependencies_of(const pb::Task& task) const;
    std::shared_ptr<Controller> make_controller(const TaskPtr& task);
    void assign(const TaskPtr& task);
    void update(Entry& entry, const TaskPtr& task);
    void add(const TaskPtr& task, TaskRunner::Begin begin, bool unknown);
    void release(const std::string& id);
    void release_unlisted(const std::set<std::string>& listed);
    Result<void> keep(const pb::Task& task, bool unknown);
    net::Task<void> run(std::string id);

    net::Loop& loop_;
    const Clock& clock_;
    Executor& executor_;
    TaskMemory& memory_;
    Report report_;
    TaskRunner::Settings settings_;
    std::map<std::string, Entry> tasks_;
    Dependencies dependencies_;
    bool complete_seen_ = false;   ///< in this process's life
    bool stream_complete_ = false; ///< on the present stream
    bool leaving_ = false;         ///< nothing new is taken up
    Dependencies incoming_;        ///< before the stream's complete set
    net::WaitQueue log_sources_changed_;
    net::WaitQueue ended_;
    net::TaskScope scope_;
};

/// Whether the selector means this task.
bool selects(const pb::LogSelector& selector, const std::string& task_id,
             const std::string& service_id, std::string_view node_id);

} // namespace shoal::swarm
