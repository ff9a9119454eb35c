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
        answers_.emplace_back();
        break;
    case Frame::Failed:
        answers_.emplace_back(internal(item.payload));
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

net::Task<Result<void>> ShimChannel::request(Frame frame, std::string payload, net::Until until) {
    const auto self = shared_from_this();
    auto guard = co_await requests_.acquire();
    answers_.clear();
    const std::string bytes = container::encode_frame(frame, payload);
    CO_TRY(co_await stream_->write_all(bytes, until));
    while (answers_.empty()) {
        if (ended_) { co_return Error{Errc::Unavailable, "the container's monitor is gone"}; }
        const net::Wake wake = co_await changed_.wait(until);
        if (wake != net::Wake::Raised) { co_return net::to_result(wake, "command to the monitor"); }
    }
    Result<void> answer = std::move(answers_.front());
    answers_.pop_front();
    co_return answer;
}

void ShimChannel::close() { stream_->close(); }

} // namespace shoal::engine
