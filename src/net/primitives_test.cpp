#include "net/lock.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/sleep.h"

#include <gtest/gtest.h>

namespace shoal::net {
namespace {

using std::chrono::milliseconds;

Deadline soon() { return Deadline::in(milliseconds(20)); }
Deadline late() { return Deadline::in(std::chrono::seconds(20)); }

Task<int> answer() { co_return 42; }
Task<int> broken() {
    throw std::runtime_error("broken");
    co_return 1;
}
Task<Wake> wait_signal(Signal& signal, Until until) { co_return co_await signal.wait(until); }
Task<Wake> wait_flag(Flag& flag, Until until) { co_return co_await flag.wait(until); }
Task<void> push(std::vector<int>& into, int value) {
    into.push_back(value);
    co_return;
}
Task<void> sleep_then_push(Loop& loop, Until until, std::vector<int>& into, int value) {
    co_await sleep(loop, until);
    into.push_back(value);
}
Task<void> wait_then_push(Signal& signal, Until until, std::vector<int>& into, int value) {
    const Wake wake = co_await signal.wait(until);
    into.push_back(wake == Wake::Raised ? value : -value);
}

TEST(Loop, gives_the_value_or_the_exception_of_a_task) {
    Loop loop;
    EXPECT_EQ(run_task(loop, answer()), 42);
    EXPECT_THROW(run_task(loop, broken()), std::runtime_error);
    EXPECT_EQ(run_task(loop, answer()), 42);
}

TEST(Loop, runs_posted_jobs_in_order_from_any_thread) {
    Loop loop;
    std::vector<int> order;
    std::thread other([&] {
        for (int i = 0; i < 100; ++i) {
            loop.post([&order, i] { order.push_back(i); });
        }
        loop.post([&] { loop.stop(); });
    });
    loop.run();
    other.join();
    ASSERT_EQ(order.size(), 100U);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Sleep, ends_at_the_deadline_or_with_the_token) {
    Loop loop;
    const auto before = loop.now();
    EXPECT_EQ(run_task(loop, sleep(loop, soon())), Wake::Timeout);
    EXPECT_GE(loop.now() - before, milliseconds(20));
    Cancel cancel;
    loop.post([&] { cancel.cancel(); });
    EXPECT_EQ(run_task(loop, sleep(loop, {late(), cancel})), Wake::Cancelled);
    EXPECT_EQ(run_task(loop, sleep(loop, {late(), cancel})), Wake::Cancelled);
}

Task<void> run_sleepers(Loop& loop, std::vector<int>& order) {
    TaskScope scope(loop);
    const auto base = std::chrono::steady_clock::now();
    for (const int i : {3, 1, 2}) {
        scope.spawn(sleep_then_push(loop, Deadline(base + milliseconds(10 * i)), order, i));
    }
    co_await scope.drain({});
}

TEST(Sleep, wakes_in_the_order_of_the_deadlines) {
    Loop loop;
    std::vector<int> order;
    run_task(loop, run_sleepers(loop, order));
    EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(Cancel, calls_each_function_once_and_follows_others) {
    Cancel parent;
    Cancel other;
    Cancel child(parent);
    child.follow(other);
    int calls = 0;
    auto first = child.on_cancel([&] { ++calls; });
    {
        auto dropped = child.on_cancel([&] { calls += 100; });
    }
    other.cancel();
    parent.cancel();
    EXPECT_TRUE(child.cancelled());
    EXPECT_EQ(calls, 1);
    auto late_one = child.on_cancel([&] { ++calls; });
    EXPECT_EQ(calls, 2);
}

TEST(Cancel, lets_a_registration_outlive_it) {
    Cancel::Registration registration;
    {
        Cancel cancel;
        registration.set(cancel, [] { FAIL(); });
    }
    registration.reset();
}

TEST(Cancel, may_be_unregistered_by_the_function_it_calls) {
    Cancel cancel;
    Cancel::Registration second;
    Cancel::Registration first(cancel, [&] { second.reset(); });
    second.set(cancel, [] { FAIL(); });
    cancel.cancel();
}

TEST(Signal, remembers_one_raise) {
    Loop loop;
    Signal signal(loop);
    signal.raise();
    signal.raise();
    EXPECT_EQ(run_task(loop, wait_signal(signal, soon())), Wake::Raised);
    EXPECT_EQ(run_task(loop, wait_signal(signal, soon())), Wake::Timeout);
}

Task<void> raise_for_three(Loop& loop, std::vector<int>& woken) {
    Signal signal(loop);
    TaskScope scope(loop);
    for (int i = 1; i <= 3; ++i) { scope.spawn(wait_then_push(signal, late(), woken, i)); }
    co_await yield(loop);
    signal.raise();
    co_await scope.drain({});
}

TEST(Signal, wakes_all_who_wait_in_order) {
    Loop loop;
    std::vector<int> woken;
    run_task(loop, raise_for_three(loop, woken));
    EXPECT_EQ(woken, (std::vector{1, 2, 3}));
}

TEST(Flag, stays_set_until_cleared) {
    Loop loop;
    Flag flag(loop);
    loop.post([&] { flag.set(); });
    EXPECT_EQ(run_task(loop, wait_flag(flag, late())), Wake::Raised);
    EXPECT_EQ(run_task(loop, wait_flag(flag, soon())), Wake::Raised);
    flag.clear();
    EXPECT_EQ(run_task(loop, wait_flag(flag, soon())), Wake::Timeout);
}

Task<void> close_scope(Loop& loop, std::vector<int>& woken) {
    Signal never(loop);
    TaskScope scope(loop);
    Until until(scope.cancel());
    scope.spawn(wait_then_push(never, until, woken, 7));
    co_await yield(loop);
    co_await scope.close();
    woken.push_back(static_cast<int>(scope.size()));
}

TEST(TaskScope, cancels_and_waits_on_close) {
    Loop loop;
    std::vector<int> woken;
    run_task(loop, close_scope(loop, woken));
    EXPECT_EQ(woken, (std::vector{-7, 0}));
}

Task<void> destroy_scope(Loop& loop, std::vector<int>& woken) {
    Signal signal(loop);
    {
        TaskScope scope(loop);
        scope.spawn(wait_then_push(signal, late(), woken, 1)); // suspended in a wait
        co_await yield(loop);
        scope.spawn(push(woken, 2)); // not begun
        scope.spawn(sleep_then_push(loop, soon(), woken, 3));
    }
    signal.raise();
    {
        TaskScope scope(loop);
        scope.spawn(wait_then_push(signal, late(), woken, 4));
        co_await yield(loop);
    } // woken is empty: the first raise was consumed by nobody and the second wait by it
    co_await yield(loop);
}

TEST(TaskScope, destroys_suspended_tasks_with_itself) {
    Loop loop;
    std::vector<int> woken;
    run_task(loop, destroy_scope(loop, woken));
    EXPECT_EQ(woken, std::vector<int>{4}); // the raise was remembered for it
}

Task<void> throw_in_scope(Loop& loop) {
    struct Thrower {
        static Task<void> run() {
            co_await std::suspend_never{};
            throw std::runtime_error("lost");
        }
    };
    TaskScope scope(loop);
    scope.spawn(Thrower::run());
    co_await scope.drain({});
}

TEST(TaskScopeDeathTest, aborts_when_an_exception_leaves_a_task) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    Loop loop;
    EXPECT_DEATH(run_task(loop, throw_in_scope(loop)), "an exception left a task: lost");
}

Task<void> hold_lock(Loop& loop, Lock& lock, std::vector<int>& order, int who) {
    auto guard = co_await lock.acquire();
    order.push_back(who);
    co_await yield(loop);
    order.push_back(who);
}

Task<void> contend(Loop& loop, std::vector<int>& order) {
    Lock lock(loop);
    TaskScope scope(loop);
    for (int i = 1; i <= 3; ++i) { scope.spawn(hold_lock(loop, lock, order, i)); }
    co_await scope.drain({});
    order.push_back(lock.held() ? 1 : 0);
}

TEST(Lock, is_held_by_one_at_a_time_in_order) {
    Loop loop;
    std::vector<int> order;
    run_task(loop, contend(loop, order));
    EXPECT_EQ(order, (std::vector{1, 1, 2, 2, 3, 3, 0}));
}

Task<Errc> acquire_held(Loop& loop) {
    Lock lock(loop);
    auto first = co_await lock.acquire();
    auto second = co_await lock.acquire(soon());
    co_return second ? Errc::Internal : second.error().code;
}

TEST(Lock, gives_up_at_the_deadline) {
    Loop loop;
    EXPECT_EQ(run_task(loop, acquire_held(loop)), Errc::Timeout);
}

Task<bool> destroy_the_next_owner(Loop& loop) {
    Lock lock(loop);
    std::vector<int> order;
    auto guard = co_await lock.acquire();
    {
        TaskScope scope(loop);
        scope.spawn(hold_lock(loop, lock, order, 1));
        co_await yield(loop);
        guard.release(); // given to the task, which is destroyed before it goes on
    }
    co_return lock.held();
}

TEST(Lock, is_free_again_when_its_next_owner_is_destroyed) {
    Loop loop;
    EXPECT_FALSE(run_task(loop, destroy_the_next_owner(loop)));
}

Task<int> on_pool(Pool& pool, int value) {
    auto owned = std::make_unique<int>(value);
    auto job = [owned = std::move(owned)] { return *owned + 1; };
    const int next = co_await pool.run(std::move(job));
    co_return next;
}
Task<void> failing_job(Pool& pool) {
    auto job = [] { throw std::runtime_error("in the job"); };
    co_await pool.run(job);
}
Task<void> many_jobs(Loop& loop, Pool& pool, std::atomic<int>& peak) {
    struct One {
        static Task<void> run(Pool& pool, std::atomic<int>& peak, std::atomic<int>& now) {
            auto job = [&] {
                const int level = ++now;
                for (int seen = peak; seen < level && !peak.compare_exchange_weak(seen, level);) {}
                std::this_thread::sleep_for(milliseconds(1));
                --now;
            };
            co_await pool.run(job);
        }
    };
    std::atomic<int> now = 0;
    TaskScope scope(loop);
    for (int i = 0; i < 50; ++i) { scope.spawn(One::run(pool, peak, now)); }
    co_await scope.drain({});
}

TEST(Pool, brings_values_and_exceptions_back) {
    Loop loop;
    Pool pool(loop, 2);
    EXPECT_EQ(run_task(loop, on_pool(pool, 4)), 5);
    EXPECT_THROW(run_task(loop, failing_job(pool)), std::runtime_error);
}

TEST(Pool, never_has_more_workers_than_allowed) {
    Loop loop;
    Pool pool(loop, 3);
    std::atomic<int> peak = 0;
    run_task(loop, many_jobs(loop, pool, peak));
    EXPECT_GE(peak, 1);
    EXPECT_LE(peak, 3);
    EXPECT_EQ(pool.running(), 0U);
}

Task<Result<int>> hang(Pool& pool, std::shared_ptr<std::mutex> gate) {
    auto job = [gate]() -> Result<int> {
        const std::lock_guard wait(*gate);
        return 1;
    };
    auto result = co_await pool.run_until(job, soon());
    co_return result;
}

TEST(Pool, stops_waiting_for_a_job_that_hangs) {
    Loop loop;
    auto gate = std::make_shared<std::mutex>();
    gate->lock();
    {
        Pool pool(loop, 1, Pool::AtEnd::Leave);
        const auto result = run_task(loop, hang(pool, gate));
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Errc::Timeout);
        EXPECT_EQ(pool.running(), 1U);
    }
    gate->unlock();
}

} // namespace
} // namespace shoal::net
