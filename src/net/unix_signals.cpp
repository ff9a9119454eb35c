#include "net/unix_signals.h"

#include "net/loop_impl.h"
#include "net/signal.h"

#include <boost/asio/signal_set.hpp>

#include <deque>

namespace shoal::net {

struct UnixSignals::Impl : std::enable_shared_from_this<Impl> {
    explicit Impl(Loop& loop) : set(loop.impl().io), arrived(loop) {}
    boost::asio::signal_set set;
    std::deque<int> numbers;
    Signal arrived;

    void arm() {
        set.async_wait([self = shared_from_this()](boost::system::error_code error, int number) {
            if (error) { return; }
            self->numbers.push_back(number);
            self->arrived.raise();
            self->arm();
        });
    }

    static Task<Result<int>> next(std::shared_ptr<Impl> self, Until until) {
        while (self->numbers.empty()) {
            const Wake wake = co_await self->arrived.wait(until);
            CO_TRY(to_result(wake, "wait for a signal"));
        }
        const int number = self->numbers.front();
        self->numbers.pop_front();
        co_return number;
    }
};

UnixSignals::UnixSignals(Loop& loop, std::vector<int> signals)
    : impl_(std::make_shared<Impl>(loop)) {
    for (const int number : signals) { impl_->set.add(number); }
    impl_->arm();
}

UnixSignals::~UnixSignals() { impl_->set.cancel(); }

Task<Result<int>> UnixSignals::next(Until until) { return Impl::next(impl_, until); }

} // namespace shoal::net
