#include "net/lock.h"

#include "net/waiter.h"

namespace shoal::net {

void Lock::Guard::release() {
    if (lock_ == nullptr) { return; }
    // The lock goes straight to the next in line, or becomes free.
    if (!lock_->queue_.wake_one()) { lock_->held_ = false; }
    lock_ = nullptr;
}

Task<Result<Lock::Guard>> Lock::acquire(Until until) {
    if (!held_) {
        held_ = true;
        co_return Guard(this);
    }
    Waiter waiter(queue_.loop(), &queue_, until);
    // A task that is destroyed between being given the lock and going on must give it away again.
    struct GiveOn {
        Lock* lock;
        const Waiter& waiter;
        ~GiveOn() {
            if (waiter.granted()) { Guard(lock).release(); }
        }
    };
    const GiveOn give_on{this, waiter};
    const Wake wake = co_await waiter;
    if (wake != Wake::Raised) { co_return to_result(wake, "wait for a lock").error(); }
    co_return Guard(this);
}

Task<Lock::Guard> Lock::acquire() {
    Until never;
    auto guard = co_await acquire(never);
    ASSERT(guard.has_value()); // the lock outlives those who wait for it
    co_return std::move(*guard);
}

} // namespace shoal::net
