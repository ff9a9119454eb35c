#include "net/watch.h"

#include "net/loop_impl.h"

#include <boost/asio/posix/stream_descriptor.hpp>

namespace shoal::net {

namespace {

using boost::asio::posix::stream_descriptor;

class AsioReadiness : public Readiness, public std::enable_shared_from_this<AsioReadiness> {
  public:
    explicit AsioReadiness(Loop& loop)
        : loop_(loop), descriptor_(loop.impl().io), sides_{Line(loop), Line(loop)} {}
    ~AsioReadiness() override { close(); }

    Result<void> assign(int raw) {
        boost::system::error_code error;
        descriptor_.assign(raw, error);
        if (error) { return os_error("watch a descriptor", error.value()); }
        return ok();
    }

    Task<Wake> wait(Side side, Until until) override {
        return wait_on(shared_from_this(), side, until);
    }

    void close() override {
        if (closed_) { return; }
        closed_ = true;
        if (descriptor_.is_open()) { descriptor_.release(); }
        for (auto& line : sides_) { line.queue.wake_all(Wake::Cancelled); }
    }

  private:
    struct Line {
        explicit Line(Loop& loop) : queue(loop) {}
        WaitQueue queue;
        bool armed = false;
    };

    static Task<Wake> wait_on(std::shared_ptr<AsioReadiness> self, Side side, Until until) {
        if (self->closed_) { co_return Wake::Cancelled; }
        self->arm(side);
        co_return co_await self->line(side).queue.wait(until);
    }

    Line& line(Side side) { return sides_[side == Side::Read ? 0 : 1]; }

    void arm(Side side) {
        if (line(side).armed) { return; }
        line(side).armed = true;
        const auto kind =
            side == Side::Read ? stream_descriptor::wait_read : stream_descriptor::wait_write;
        descriptor_.async_wait(kind, [self = shared_from_this(), side](boost::system::error_code) {
            self->line(side).armed = false;
            self->line(side).queue.wake_all();
            self->loop_.impl().drain();
        });
    }

    Loop& loop_;
    stream_descriptor descriptor_;
    Line sides_[2];
    bool closed_ = false;
};

} // namespace

Result<std::shared_ptr<Readiness>> Readiness::create(Loop& loop, int raw) {
    auto made = std::make_shared<AsioReadiness>(loop);
    TRY(made->assign(raw));
    return std::shared_ptr<Readiness>(std::move(made));
}

struct Watch::Impl {
    os::Fd fd;
    std::shared_ptr<Readiness> readiness;
    std::optional<Error> error;

    Impl(Loop& loop, const os::Fd& original) {
        auto copy = original.duplicate();
        if (!copy) {
            error = copy.error();
            return;
        }
        fd = std::move(*copy);
        auto made = Readiness::create(loop, fd.raw());
        if (!made) {
            error = made.error();
            return;
        }
        readiness = *made;
    }
    ~Impl() {
        if (readiness) { readiness->close(); }
    }
};

Watch::Watch(Loop& loop, const os::Fd& fd) : impl_(std::make_shared<Impl>(loop, fd)) {}
Watch::~Watch() {
    if (impl_->readiness) { impl_->readiness->close(); }
}

namespace {
Task<Result<void>> wait_side(std::shared_ptr<Readiness> readiness, std::optional<Error> error,
                             Side side, Until until) {
    if (error) { co_return std::move(*error); }
    const Wake wake = co_await readiness->wait(side, until);
    co_return to_result(wake, "wait for a descriptor");
}
} // namespace

Task<Result<void>> Watch::readable(Until until) {
    return wait_side(impl_->readiness, impl_->error, Side::Read, until);
}

Task<Result<void>> Watch::writable(Until until) {
    return wait_side(impl_->readiness, impl_->error, Side::Write, until);
}

namespace {
Task<Result<void>> wait_once(std::unique_ptr<Watch> watch, Until until) {
    co_return co_await watch->readable(until);
}
} // namespace

Task<Result<void>> wait_readable(Loop& loop, const os::Fd& fd, Until until) {
    return wait_once(std::make_unique<Watch>(loop, fd), until);
}

} // namespace shoal::net
