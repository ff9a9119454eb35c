// Inside of Loop: Asio's io_context, one Asio timer for all deadlines, and the list of coroutines
// that are ready to go on. Only .cpp files of net/ include this.
#pragma once

#include "net/loop.h"
#include "net/waiter.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

namespace shoal::net {

struct Loop::Impl {
    explicit Impl(Loop::Time time);
    ~Impl();

    Waiter::TimerMap::iterator add_timer(Steady at, Waiter* waiter);
    void remove_timer(Waiter::TimerMap::iterator timer) { timers.erase(timer); }
    void push_ready(Waiter* waiter);
    void unlink_ready(Waiter* waiter);
    /// Resumes what is ready now. Only from the bottom of a handler of the loop, never inside a
    /// coroutine.
    void drain();
    Steady now() const { return is_virtual ? virtual_now : std::chrono::steady_clock::now(); }
    void run_virtual();

    const bool is_virtual;
    boost::asio::io_context io{1};

  private:
    void arm(Steady at);
    void fire();

    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running{
        io.get_executor()};
    boost::asio::steady_timer timer{io};
    Waiter::TimerMap timers;
    Steady armed = Steady::max();
    Steady virtual_now{std::chrono::hours(1)}; ///< not zero: some take that for "never"
    Waiter* ready_first = nullptr;
    Waiter* ready_last = nullptr;
    std::uint64_t turn = 0;
    bool drain_posted = false;
};

} // namespace shoal::net
