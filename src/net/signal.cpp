#include "net/signal.h"

#include "net/sleep.h"
#include "net/waiter.h"

namespace shoal::net {

void Signal::raise() {
    if (queue_.empty()) { raised_ = true; }
    queue_.wake_all();
}

Task<Wake> Signal::wait(Until until) {
    if (!raised_) { co_return co_await queue_.wait(until); }
    raised_ = false;
    co_return Wake::Raised;
}

void Flag::set() {
    set_ = true;
    queue_.wake_all();
}

Task<Wake> Flag::wait(Until until) {
    if (set_) { co_return Wake::Raised; }
    co_return co_await queue_.wait(until);
}

Task<Wake> sleep(Loop& loop, Until until) {
    Waiter waiter(loop, nullptr, until);
    co_return co_await waiter;
}

Task<void> yield(Loop& loop) {
    WaitQueue queue(loop);
    struct Once {
        WaitQueue& queue;
        Waiter& waiter;
        bool await_ready() const { return false; }
        void await_suspend(std::coroutine_handle<> handle) const {
            waiter.await_suspend(handle);
            queue.wake_one();
        }
        void await_resume() const {}
    };
    Waiter waiter(loop, &queue, {});
    const Once once{queue, waiter};
    co_await once;
}

} // namespace shoal::net
