// Loop: the one thread that owns all state, as an event loop. Coroutines, timers and sockets run on
// it. It is not a thread pool: a function that blocks stalls everything, so blocking work goes to a
// Pool (net/pool.h).
#pragma once

#include "base/clock.h"
#include "net/task.h"

#include <functional>
#include <memory>

namespace shoal::net {

class Loop {
  public:
    struct Impl;

    /// Virtual: time stands still while there is work, and jumps to the next deadline when there is
    /// none. For simulations; sockets and other threads have no place on such a loop.
    enum class Time { Real, Virtual };

    /// Ignores SIGPIPE for the whole process: a peer that goes away is an error of a write.
    explicit Loop(Time time = Time::Real);
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// Runs on the calling thread until stop(). May be called again afterwards.
    void run();
    /// From any thread; run() returns after the job that is running now.
    void stop();
    /// From any thread: runs `job` later on the loop's thread, in order of posting. Never runs it
    /// at once.
    void post(std::function<void()> job);

    Steady now() const;
    /// What must work in virtual time too says this, and not Deadline::in().
    Deadline in(std::chrono::nanoseconds span) const { return Deadline(now() + span); }
    Impl& impl() { return *impl_; }

  private:
    std::unique_ptr<Impl> impl_;
};

namespace detail {
template <class T> struct Outcome {
    std::optional<T> value;
    std::exception_ptr exception;
};
/// Starts `task` on the loop, runs the loop until the task has ended.
void run_to_end(Loop& loop, Task<void> task);

template <class T> Task<void> store_outcome(Task<T> task, Outcome<T>* outcome) {
    try {
        outcome->value.emplace(co_await std::move(task));
    } catch (...) { outcome->exception = std::current_exception(); }
}
} // namespace detail

/// For main() and tests: runs the loop until `task` has ended and gives its value or rethrows its
/// exception.
template <class T> T run_task(Loop& loop, Task<T> task) {
    if constexpr (std::is_void_v<T>) {
        detail::run_to_end(loop, std::move(task));
    } else {
        detail::Outcome<T> outcome;
        detail::run_to_end(loop, detail::store_outcome(std::move(task), &outcome));
        if (outcome.exception) { std::rethrow_exception(outcome.exception); }
        ASSERT(outcome.value.has_value()); // somebody else stopped the loop
        return std::move(*outcome.value);
    }
}

} // namespace shoal::net
