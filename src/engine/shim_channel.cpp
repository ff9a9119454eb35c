#include "engine/shim_channel.h"

namespace shoal::engine {

using container::Frame;
using container::ShimPhase;

ShimChannel::ShimChannel(net::Loop& loop, net::StreamPtr stream)
    : stream_(std::move(stream)), changed_(loop), requests_(loop) {}

std::shared_ptr<ShimChannel> ShimChannel::open(net::Loop& loop, net::TaskScope& scope,
                                               os::Fd socket, bool watch) {
    auto channel = std::make_shared<ShimChannel>(loop, net::adopt_stream(loop, std::move(socket)));
    scope.spawn(read_loop(channel, watch, net::Until(scope.cancel())));
    return channel;
}

net::Task<void> ShimChannel::read_loop(std::shared_ptr<ShimChannel> self, bool watch,
                                       net::Until until) {
    if (watch) {
        const std::string frame = container::encode_frame(Frame::Watch);
        auto sent = co_await self->stream_->write_all(frame, until);
        (void)sent; // a monitor that is gone shows as the end of the stream below
    }
    std::string buffer(4096, '\0');
    for (;;) {
        const std::span<char> into(buffer);
        auto got = co_await self->stream_->read_some(into, until);
        if (until.cancelled()) { co_return; } // the daemon ends, not the container
        if (!got || *got == 0) { break; }
        self->decoder_.feed(std::string_view(buffer).substr(0, *got));
        auto item = self->decoder_.next();
        for (; item && *item; item = self->decoder_.next()) { self->take(**item); }
        self->changed_.wake_all();
        if (!item) { break; }
    }
    self->ended_ = true;
    self->changed_.wake_all();
}

void ShimChannel::take(const container::FrameDecoder::Item& item) {
    switch (item.type) {
    case Frame::Done:
        take_answer(ok());
        break;
    case Frame::Failed:
        take_answer(internal(item.payload));
        break;
    case Frame::State:
        if (auto state = container::decode_state(item.payload)) { state_ = *state; }
        break;
    case Frame::Exited:
        if (auto exit = container::decode_exit(item.payload)) { exit_ = *exit; }
        break;
    default:
        break;
    }
}

void ShimChannel::take_answer(Result<void> answer) {
    if (late_ > 0) {
        --late_;
        return;
    }
    answers_.push_back(std::move(answer));
}

net::Task<Result<container::ShimState>> ShimChannel::wait_created(net::Until until) {
    const auto self = shared_from_this(); // the owner may let go while somebody waits
    for (;;) {
        if (!answers_.empty()) {
            Result<void> answer = std::move(answers_.front());
            answers_.pop_front();
            if (!answer) { co_return std::move(answer).error(); }
        }
        if (exit_ && !exit_->error.empty()) { co_return internal(exit_->error); }
        if (state_.phase == ShimPhase::Created || state_.phase == ShimPhase::Running) {
            co_return state_;
        }
        if (ended_ || exit_) {
            co_return internal("the monitor ended before the container was created");
        }
        const net::Wake wake = co_await changed_.wait(until);
        if (wake != net::Wake::Raised) {
            co_return net::to_result(wake, "create container").error();
        }
    }
}

net::Task<net::Wake> ShimChannel::wait_ended(net::Until until) {
    const auto self = shared_from_this();
    while (!ended_ && !exit_) {
        const net::Wake wake = co_await changed_.wait(until);
        if (wake != net::Wake::Raised) { co_return wake; }
    }
    co_return net::Wake::Raised;
}

/// A command that has been sent. Left without its answer, that one will be late.
class ShimChannel::Asking {
  public:
    explicit Asking(ShimChannel& channel) : channel_(channel) {}
    Asking(const Asking&) = delete;
    Asking& operator=(const Asking&) = delete;
    ~Asking() {
        if (answered_) { return; }
        if (channel_.answers_.empty()) {
            ++channel_.late_;
        } else {
            channel_.answers_.pop_front(); // it came in the moment in which nobody waited any more
        }
    }
    Result<void> answer() {
        answered_ = true;
        Result<void> first = std::move(channel_.answers_.front());
        channel_.answers_.pop_front();
        return first;
    }

  private:
    ShimChannel& channel_;
    bool answered_ = false;
};

net::Task<Result<void>> ShimChannel::request(Frame frame, std::string payload, net::Until until) {
    const auto self = shared_from_this();
    auto guard = co_await requests_.acquire(until);
    if (!guard) { co_return std::move(guard).error(); }
    if (until.cancelled()) { co_return Error{Errc::Cancelled, "command to the monitor"}; }
    if (unwritable_) {
        co_return Error{Errc::Unavailable, "the container's monitor takes no commands any more"};
    }
    answers_.clear();
    const std::string bytes = container::encode_frame(frame, payload);
    auto written = co_await stream_->write_all(bytes, until);
    if (!written) {
        unwritable_ = true;
        co_return written;
    }
    Asking asking(*this);
    while (answers_.empty()) {
        if (ended_) { co_return Error{Errc::Unavailable, "the container's monitor is gone"}; }
        const net::Wake wake = co_await changed_.wait(until);
        // The answer may have come in the turn in which the time was up.
        if (wake != net::Wake::Raised && answers_.empty()) {
            co_return net::to_result(wake, "command to the monitor");
        }
    }
    co_return asking.answer();
}

void ShimChannel::close() { stream_->close(); }

} // namespace shoal::engine
