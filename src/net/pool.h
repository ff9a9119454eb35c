// Pool: worker threads for blocking work, called from the loop. Values go in and values come out; a
// job never touches state of the loop. Threads are made when needed, up to a limit, with small
// stacks (256 KiB), and leave when idle.
#pragma once

#include "net/signal.h"

#include <functional>
#include <memory>
#include <type_traits>

namespace shoal::net {

class Pool {
  public:
    /// What the destructor does about jobs that are running: wait for them, or leave them to
    /// themselves (storage that may hang for ever). Jobs that have not begun are dropped either
    /// way.
    enum class AtEnd { Join, Leave };

    Pool(Loop& loop, std::size_t threads_max, AtEnd at_end = AtEnd::Join);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    /// Runs `job()` on a worker and gives back its value, or rethrows its exception. `job` is a
    /// plain function object (never a coroutine), may be move-only, and is destroyed on the worker.
    /// If the waiting task is destroyed, the job goes on.
    template <class F> Task<std::invoke_result_t<F>> run(F job);

    /// The same, but stops waiting at `until` with Timeout or Cancelled, while the job goes on and
    /// its value is dropped. A job that returns Result<T> gives Result<T>; one that returns T gives
    /// Result<T> too.
    template <class F> auto run_until(F job, Until until);

    std::size_t running() const; ///< jobs that have begun and not ended
    std::size_t queued() const;

    struct Shared;

  private:
    /// Thread safe. `job` runs on a worker, then `done` on the loop.
    void submit(std::function<void()> job, std::function<void()> done);

    template <class R> struct State {
        explicit State(Loop& loop) : ended(loop) {}
        std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> value;
        std::exception_ptr exception;
        Flag ended;
        R take() {
            if (exception) { std::rethrow_exception(exception); }
            if constexpr (!std::is_void_v<R>) { return std::move(*value); }
        }
    };
    template <class F, class R> std::shared_ptr<State<R>> start(F job);
    template <class F, class R, class Out> Task<Out> wait_until(F job, Until until);

    Loop& loop_;
    std::shared_ptr<Shared> shared_;
    AtEnd at_end_;
};

namespace detail {
template <class R> struct ResultOf { using type = Result<R>; };
template <class T> struct ResultOf<Result<T>> { using type = Result<T>; };
} // namespace detail

template <class F, class R> std::shared_ptr<Pool::State<R>> Pool::start(F job) {
    auto state = std::make_shared<State<R>>(loop_);
    auto work = std::make_shared<std::optional<F>>(std::move(job));
    auto on_worker = [state, work] {
        try {
            if constexpr (std::is_void_v<R>) {
                (**work)();
                state->value.emplace();
            } else {
                state->value.emplace((**work)());
            }
        } catch (...) { state->exception = std::current_exception(); }
        work->reset();
    };
    auto on_loop = [state] { state->ended.set(); };
    submit(std::move(on_worker), std::move(on_loop));
    return state;
}

template <class F> Task<std::invoke_result_t<F>> Pool::run(F job) {
    auto state = start<F, std::invoke_result_t<F>>(std::move(job));
    Until never;
    co_await state->ended.wait(never);
    co_return state->take();
}

template <class F, class R, class Out> Task<Out> Pool::wait_until(F job, Until until) {
    auto state = start<F, R>(std::move(job));
    const Wake wake = co_await state->ended.wait(until);
    if (wake != Wake::Raised) { co_return to_result(wake, "wait for a worker").error(); }
    if constexpr (std::is_void_v<R>) {
        state->take();
        co_return ok();
    } else {
        co_return Out(state->take());
    }
}

template <class F> auto Pool::run_until(F job, Until until) {
    using R = std::invoke_result_t<F>;
    return wait_until<F, R, typename detail::ResultOf<R>::type>(std::move(job), until);
}

} // namespace shoal::net
