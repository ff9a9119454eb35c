// Waiter: one suspended coroutine, wherever it may be listed: in a queue, under a deadline, at a
// cancel token, or among those ready to go on. It lives in the coroutine's frame and leaves all
// lists when destroyed, so a suspended task can be destroyed at any time. Only .cpp files of net/
// include this.
#pragma once

#include "net/wait_queue.h"

#include <coroutine>
#include <map>

namespace shoal::net {

class Waiter {
  public:
    using TimerMap = std::multimap<Steady, Waiter*>;

    /// `queue` may be null: then only `until` ends the wait.
    Waiter(Loop& loop, WaitQueue* queue, Until until) : loop_(loop), until_(until), queue_(queue) {}
    ~Waiter();
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    bool await_ready();
    void await_suspend(std::coroutine_handle<> handle);
    Wake await_resume() const { return wake_; }
    /// Woken with Raised and not yet resumed.
    bool granted() const { return ready_ && wake_ == Wake::Raised; }

    /// Takes it out of all lists and lets the loop resume it. Only while it is listed.
    void wake(Wake why);

  private:
    friend class WaitQueue;
    friend struct Loop::Impl;
    void unlist();

    Loop& loop_;
    Until until_;
    WaitQueue* queue_;
    std::coroutine_handle<> handle_;
    Waiter* previous_ = nullptr; ///< in the queue, or among the ready
    Waiter* next_ = nullptr;
    TimerMap::iterator timer_;
    Cancel::Registration registration_;
    bool queued_ = false;
    bool timed_ = false;
    bool ready_ = false;
    std::uint64_t turn_ = 0;
    Wake wake_ = Wake::Raised;
};

} // namespace shoal::net
