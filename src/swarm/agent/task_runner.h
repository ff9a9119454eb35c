// TaskRunner: one task on this node, from its assignment until nothing of it is left. What comes
// next is a function of what the task is and what its managers want (plan_step, judge); the runner
// does that with the task's Controller, one step at a time, and tells of every transition. It knows
// no manager and no disk: whoever owns it remembers and reports.
#pragma once

#include "swarm/agent/executor.h"

#include "net/scope.h"

namespace shoal::swarm {

/// What is done with a task next.
struct TaskStep {
    enum class Act {
        Rest,    ///< nothing, until something changes
        Enter,   ///< the next state, without doing anything
        Prepare, ///< and so on: the Controller's call of that name
        Start,
        Wait,
        Shutdown,
    };
    Act act = Act::Rest;
    pb::TaskState state = pb::NEW; ///< Enter: this one; else the one that follows success
    std::string_view message;      ///< of the status that follows
    bool operator==(const TaskStep&) const = default;
};
TaskStep plan_step(pb::TaskState state, pb::TaskState desired);

/// What a step's outcome means.
struct TaskVerdict {
    bool again = false; ///< a temporary error: the same step later
    pb::TaskState state = pb::NEW;
    std::string error; ///< for the status
};
TaskVerdict judge(const TaskStep& step, pb::TaskState state, const Result<void>& outcome);

class TaskRunner {
  public:
    struct Settings {
        std::chrono::nanoseconds retry = std::chrono::seconds(1);
        /// How long a step that was cancelled may take to end; then it is dropped.
        std::chrono::nanoseconds patience = std::chrono::seconds(10);
    };
    /// Is told of the task with its new status. The status counts only when this succeeds; it is
    /// tried again otherwise.
    using Keep = std::function<Result<void>(const pb::Task&)>;
    enum class Begin {
        Now,
        /// It comes from memory: nothing is begun until confirm(), since what it needs is not here;
        /// what runs is looked after, and what shall stop is stopped.
        WhenConfirmed,
    };

    /// `task` has the status with which to go on.
    TaskRunner(net::Loop& loop, const Clock& clock, TaskPtr task,
               std::shared_ptr<Controller> controller, Begin begin, Keep keep, Settings settings);

    /// Until remove() was called and has been done; or until cancelled, which leaves everything as
    /// it is.
    net::Task<void> run(net::Until until);
    /// Its managers want something else; the status in it is not looked at.
    void update(TaskPtr task);
    /// Its managers know it still. The controller takes the place of the present one if nothing has
    /// been done with that.
    void confirm(TaskPtr task, std::shared_ptr<Controller> controller);
    /// Stop it and leave nothing of it.
    void remove();

    const pb::Task& task() const { return task_; } ///< with the present status
    const pb::TaskStatus& status() const { return task_.status(); }
    std::shared_ptr<Controller> controller() const { return controller_; }
    bool needs_confirmation() const { return begin_ == Begin::WhenConfirmed; }
    bool removing() const { return removing_; }
    bool removed() const { return removed_; }

  private:
    struct Running;
    TaskStep next_step() const;
    bool enter(pb::TaskState state, std::string_view message, const std::string& error);
    net::Task<void> pause(net::Until until);
    net::Task<void> take_step(TaskStep step, net::Until until);
    net::Task<std::optional<Result<void>>> attempt(TaskStep::Act act, net::Until until);
    net::Task<void> perform(TaskStep::Act act, Running* running);
    bool interrupts(TaskStep::Act act) const;
    net::Task<void> remove_all(net::Until until);

    net::Loop& loop_;
    const Clock& clock_;
    pb::Task task_;
    std::shared_ptr<Controller> controller_;
    Begin begin_;
    Keep keep_;
    Settings settings_;
    net::Signal changed_;
    bool touched_ = false; ///< the controller has been used
    bool removing_ = false;
    bool removed_ = false;
};

} // namespace shoal::swarm
