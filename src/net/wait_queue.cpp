#include "net/loop_impl.h"

namespace shoal::net {

Waiter::~Waiter() {
    unlist();
    if (ready_) { loop_.impl().unlink_ready(this); }
}

bool Waiter::await_ready() {
    if (!until_.cancelled()) { return false; }
    wake_ = Wake::Cancelled;
    return true;
}

void Waiter::await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    if (queue_ != nullptr) {
        queued_ = true;
        previous_ = queue_->last_;
        (queue_->last_ ? queue_->last_->next_ : queue_->first_) = this;
        queue_->last_ = this;
    }
    if (!until_.deadline.is_never()) {
        timer_ = loop_.impl().add_timer(until_.deadline.at(), this);
        timed_ = true;
    }
    if (until_.cancel != nullptr) {
        registration_.set(*until_.cancel, [this] { wake(Wake::Cancelled); });
    }
}

void Waiter::unlist() {
    registration_.reset();
    if (timed_) { loop_.impl().remove_timer(timer_); }
    timed_ = false;
    if (!queued_) { return; }
    queued_ = false;
    (previous_ ? previous_->next_ : queue_->first_) = next_;
    (next_ ? next_->previous_ : queue_->last_) = previous_;
}

void Waiter::wake(Wake why) {
    unlist();
    wake_ = why;
    loop_.impl().push_ready(this);
}

WaitQueue::~WaitQueue() { wake_all(Wake::Cancelled); }

Task<Wake> WaitQueue::wait(Until until) {
    Waiter waiter(*loop_, this, until);
    co_return co_await waiter;
}

bool WaitQueue::wake_one() {
    if (first_ == nullptr) { return false; }
    first_->wake(Wake::Raised);
    return true;
}

void WaitQueue::wake_all(Wake why) {
    while (first_ != nullptr) { first_->wake(why); }
}

} // namespace shoal::net
