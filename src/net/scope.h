// TaskScope owns tasks that run beside each other. Nothing runs detached: a task belongs to a
// scope, and the scope's owner waits for it with close() or drain(), or destroys the scope and with
// it whatever is still suspended. An exception that leaves a spawned task is a bug of ours: it is
// printed and the program aborts.
#pragma once

#include "net/loop.h"
#include "net/signal.h"
#include "net/until.h"

namespace shoal::net {

class TaskScope {
  public:
    explicit TaskScope(Loop& loop) : loop_(&loop), idle_(loop) {}
    /// The scope's tasks are also cancelled when `parent` fires.
    TaskScope(Loop& loop, Cancel& parent) : loop_(&loop), cancel_(parent), idle_(loop) {}
    /// Destroys the tasks that are still suspended. Must not run inside one of them.
    ~TaskScope();
    TaskScope(const TaskScope&) = delete;
    TaskScope& operator=(const TaskScope&) = delete;

    /// The task starts with the loop's next turn, not inside this call.
    void spawn(Task<void> task);
    /// Tasks of the scope use this token in their waits.
    Cancel& cancel() { return cancel_; }
    std::size_t size() const { return size_; }

    /// Cancels, then waits until every task has ended.
    Task<void> close();
    /// Waits until no task is left, without cancelling: Raised when that is so.
    Task<Wake> drain(Until until);

    /// What the destructor does; for owners that have waited long enough. Must not run inside one
    /// of the tasks.
    void destroy_all();

    struct Node;

  private:
    Loop* loop_;
    Cancel cancel_;
    Signal idle_;
    Node* first_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace shoal::net
