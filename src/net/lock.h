// Lock: mutual exclusion between coroutines of one loop, for critical sections that wait. First
// come, first served; not recursive, not thread safe. Code that does not co_await needs no lock.
#pragma once

#include "net/wait_queue.h"

namespace shoal::net {

class Lock {
  public:
    explicit Lock(Loop& loop) : queue_(loop) {}

    /// Holding one is owning the lock; destroying it gives the lock on.
    class Guard {
      public:
        Guard() = default;
        explicit Guard(Lock* lock) : lock_(lock) {}
        Guard(Guard&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)) {}
        Guard& operator=(Guard&& other) noexcept {
            std::swap(lock_, other.lock_);
            return *this;
        }
        ~Guard() { release(); }
        void release();

      private:
        Lock* lock_ = nullptr;
    };

    /// Waits as long as it takes.
    Task<Guard> acquire();
    /// Errc::Timeout or Errc::Cancelled when it could not be had.
    Task<Result<Guard>> acquire(Until until);
    bool held() const { return held_; }

  private:
    WaitQueue queue_;
    bool held_ = false;
};

} // namespace shoal::net
