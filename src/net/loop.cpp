#include "net/loop_impl.h"

#include <boost/asio/post.hpp>

#include <csignal>

namespace shoal::net {

Loop::Impl::Impl(Loop::Time time) : is_virtual(time == Loop::Time::Virtual) {
    std::signal(SIGPIPE, SIG_IGN);
}

Loop::Impl::~Impl() = default;

Waiter::TimerMap::iterator Loop::Impl::add_timer(Steady at, Waiter* waiter) {
    const auto added = timers.emplace(at, waiter);
    if (!is_virtual && at < armed) { arm(at); }
    return added;
}

void Loop::Impl::arm(Steady at) {
    armed = at;
    timer.expires_at(at);
    timer.async_wait([this](boost::system::error_code error) {
        if (!error) { fire(); }
    });
}

// A timer that was removed leaves the Asio timer armed for its moment; firing for nothing is
// cheaper than re-arming.
void Loop::Impl::fire() {
    armed = Steady::max();
    const auto moment = now();
    while (!timers.empty() && timers.begin()->first <= moment) {
        timers.begin()->second->wake(Wake::Timeout);
    }
    if (!is_virtual && !timers.empty()) { arm(timers.begin()->first); }
    drain();
}

void Loop::Impl::push_ready(Waiter* waiter) {
    waiter->ready_ = true;
    waiter->turn_ = turn;
    waiter->previous_ = ready_last;
    waiter->next_ = nullptr;
    (ready_last ? ready_last->next_ : ready_first) = waiter;
    ready_last = waiter;
    if (drain_posted) { return; }
    drain_posted = true;
    boost::asio::post(io, [this] {
        drain_posted = false;
        drain();
    });
}

void Loop::Impl::unlink_ready(Waiter* waiter) {
    waiter->ready_ = false;
    (waiter->previous_ ? waiter->previous_->next_ : ready_first) = waiter->next_;
    (waiter->next_ ? waiter->next_->previous_ : ready_last) = waiter->previous_;
}

void Loop::Impl::drain() {
    // Those made ready meanwhile wait for the next turn, so that sockets and timers get theirs.
    const auto this_turn = turn++;
    while (ready_first != nullptr && ready_first->turn_ <= this_turn) {
        Waiter* const current = ready_first;
        unlink_ready(current);
        current->handle_.resume();
    }
}

void Loop::Impl::run_virtual() {
    while (!io.stopped()) {
        if (io.poll() > 0) { continue; }
        if (io.stopped()) { return; }
        ASSERT(!timers.empty()); // everybody waits, and nothing can come
        virtual_now = std::max(virtual_now, timers.begin()->first);
        fire();
    }
}

Loop::Loop(Time time) : impl_(std::make_unique<Impl>(time)) {}
Loop::~Loop() = default;

void Loop::run() {
    impl_->io.restart();
    impl_->is_virtual ? impl_->run_virtual() : void(impl_->io.run());
}

Steady Loop::now() const { return impl_->now(); }

void Loop::stop() { impl_->io.stop(); }

void Loop::post(std::function<void()> job) { boost::asio::post(impl_->io, std::move(job)); }

namespace {
/// A coroutine that nobody awaits; its frame belongs to whoever holds the handle.
struct Root {
    struct promise_type {
        Root get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { exception = std::current_exception(); }
        std::exception_ptr exception;
    };
    std::coroutine_handle<promise_type> handle;
};

Root run_root(Task<void> task, Loop& loop) {
    struct Stop {
        Loop& loop;
        ~Stop() { loop.stop(); }
    } stop{loop};
    co_await std::move(task);
}
} // namespace

void detail::run_to_end(Loop& loop, Task<void> task) {
    const Root root = run_root(std::move(task), loop);
    loop.post([&root] { root.handle.resume(); });
    loop.run();
    const auto exception = root.handle.promise().exception;
    root.handle.destroy();
    if (exception) { std::rethrow_exception(exception); }
}

} // namespace shoal::net
