#include "engine/shim_attachment.h"

#include "container/runtime.h"

namespace shoal::engine {

using container::Frame;

namespace {
constexpr std::size_t read_bytes = 32 * 1024;
}

void ShimAttachment::wait_in(std::shared_ptr<PendingAttachments> pending) {
    pending_ = std::move(pending);
    pending_->insert(shared_from_this());
}

void ShimAttachment::give_up() {
    decided_.set();
    const auto pending = std::move(pending_);
    pending_.reset();
    if (pending) { pending->erase(shared_from_this()); } // perhaps the last hold on this
}

net::Task<Result<void>> ShimAttachment::connect(std::string directory, net::Until until) {
    auto link = container::connect_shim(directory);
    if (!link) {
        give_up();
        co_return std::move(link).error();
    }
    stream_ = net::adopt_stream(loop_, std::move(link->socket));
    auto greeted = co_await greet(until);
    if (!greeted) { stream_.reset(); }
    give_up();
    co_return greeted;
}

net::Task<Result<void>> ShimAttachment::greet(net::Until until) {
    container::AttachRequest request;
    request.in = options_.input;
    request.out = options_.output;
    request.err = options_.error;
    const std::string hello =
        container::encode_frame(Frame::Attach, container::encode_attach(request));
    CO_TRY(co_await stream_->write_all(hello, until));
    CO_TRY_LET(whole, co_await fill(container::frame_header_bytes, until));
    if (!whole) { co_return Error{Errc::Unavailable, "the container's monitor is gone"}; }
    CO_TRY_LET(header, container::decode_frame_header(buffer_));
    CO_TRY_LET(payload, co_await fill(container::frame_header_bytes + header.length, until));
    if (!payload || header.type != Frame::Done) {
        co_return internal("attach: refused by the monitor");
    }
    buffer_.erase(0, container::frame_header_bytes + header.length);
    if (input_closed_) { CO_TRY(co_await stream_->shutdown_write(until)); }
    co_return ok();
}

net::Task<Result<bool>> ShimAttachment::ready(net::Until until) {
    const net::Wake wake = co_await decided_.wait(until);
    if (wake != net::Wake::Raised) { co_return net::to_result(wake, "attach").error(); }
    co_return stream_ != nullptr;
}

/// Reads until the buffer has `bytes`; false at the end of the stream.
net::Task<Result<bool>> ShimAttachment::fill(std::size_t bytes, net::Until until) {
    while (buffer_.size() < bytes) {
        const std::size_t before = buffer_.size();
        buffer_.resize(before + std::max(read_bytes, bytes - before));
        const std::span<char> into(buffer_.data() + before, buffer_.size() - before);
        auto got = co_await stream_->read_some(into, until);
        buffer_.resize(before + (got ? *got : 0));
        if (!got) { co_return std::move(got).error(); }
        if (*got == 0) { co_return false; }
    }
    co_return true;
}

net::Task<Result<Output>> ShimAttachment::read(net::Until until) {
    CO_TRY_LET(open, co_await ready(until));
    if (!open) { co_return Output{}; }
    CO_TRY_LET(head, co_await fill(container::frame_header_bytes, until));
    if (!head) { co_return Output{}; }
    CO_TRY_LET(header, container::decode_frame_header(buffer_));
    CO_TRY_LET(whole, co_await fill(container::frame_header_bytes + header.length, until));
    if (!whole) { co_return Output{}; }
    Output output{static_cast<OutputKind>(header.type),
                  buffer_.substr(container::frame_header_bytes, header.length)};
    buffer_.erase(0, container::frame_header_bytes + header.length);
    co_return output;
}

net::Task<Result<void>> ShimAttachment::write(std::string data, net::Until until) {
    CO_TRY_LET(open, co_await ready(until));
    if (!open) { co_return Error{Errc::Unavailable, "the program has ended"}; }
    co_return co_await stream_->write_all(data, until);
}

net::Task<Result<void>> ShimAttachment::close_input() {
    input_closed_ = true;
    if (!stream_) { co_return ok(); }
    co_return co_await stream_->shutdown_write(net::Until{});
}

} // namespace shoal::engine
