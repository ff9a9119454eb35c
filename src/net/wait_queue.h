// WaitQueue: coroutines that wait, first come first served. It is what Signal, Lock and the streams
// are made of; it keeps no memory of being woken. Waiters are resumed by the loop, never inside
// wake_one() or wake_all(). A task that is destroyed while it waits simply leaves the queue.
#pragma once

#include "net/loop.h"
#include "net/until.h"

namespace shoal::net {

class Waiter;

class WaitQueue {
  public:
    explicit WaitQueue(Loop& loop) : loop_(&loop) {}
    ~WaitQueue(); ///< wakes everybody with Cancelled
    WaitQueue(const WaitQueue&) = delete;
    WaitQueue& operator=(const WaitQueue&) = delete;

    /// Raised when woken; looks at the cancel token first and at the deadline only when it has to
    /// wait.
    Task<Wake> wait(Until until);
    bool wake_one(); ///< false when nobody waits
    void wake_all(Wake why = Wake::Raised);
    bool empty() const { return first_ == nullptr; }
    Loop& loop() const { return *loop_; }

  private:
    friend class Waiter;
    Loop* loop_;
    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
};

} // namespace shoal::net
