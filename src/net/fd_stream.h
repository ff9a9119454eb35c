// Inside of streams on descriptors: the state that plain and TLS streams share. The public Stream
// objects are handles; operations under way hold the state, so closing and destroying the handle is
// safe. Only .cpp files of net/ include this.
#pragma once

#include "net/stream.h"
#include "net/watch.h"

namespace shoal::net {

class FdState {
  public:
    FdState(Loop& loop, os::Fd read_end, os::Fd write_end, std::string peer);
    ~FdState() { close(); }

    /// Waits for the descriptor of that side; errors say `what`.
    static Task<Result<void>> wait(std::shared_ptr<FdState> self, Side side, Until until,
                                   std::string_view what);
    static Task<Result<std::size_t>> read_some(std::shared_ptr<FdState> self, std::span<char> into,
                                               Until until);
    static Task<Result<void>> write_all(std::shared_ptr<FdState> self, std::string_view head,
                                        std::string_view body, Until until);
    /// By sendfile; Internal when the file ends before `length` bytes.
    static Task<Result<void>> send_file(std::shared_ptr<FdState> self, int file,
                                        std::uint64_t offset, std::uint64_t length,
                                        std::chrono::seconds stall);
    static Task<Wake> wait_gone(std::shared_ptr<FdState> self, Until until);
    Result<void> shutdown_write();
    void close();
    bool closed() const { return closed_; }

    int raw(Side side) const {
        return side == Side::Write && write_end_ ? write_end_.raw() : read_end_.raw();
    }
    Loop& loop() const { return loop_; }
    const std::string& peer() const { return peer_; }
    /// Counts operations that did not have to wait; true when others should have their turn.
    bool too_busy();

  private:
    Result<std::shared_ptr<Readiness>> readiness(Side side);
    bool peer_has_gone() const;

    Loop& loop_;
    os::Fd read_end_;
    os::Fd write_end_; ///< empty when it is the same as read_end_
    std::shared_ptr<Readiness> ready_[2];
    std::string peer_;
    int restore_flags_ = -1; ///< of a terminal, which other processes share
    int streak_ = 0;
    bool socket_ = false;
    bool closed_ = false;
};

/// A stream directly on descriptors.
class FdStream : public Stream {
  public:
    explicit FdStream(std::shared_ptr<FdState> state) : state_(std::move(state)) {}
    ~FdStream() override { close(); }
    Task<Result<std::size_t>> read_some(std::span<char> into, Until until) override {
        return FdState::read_some(state_, into, until);
    }
    Task<Result<void>> write_all(std::string_view bytes, Until until) override {
        return FdState::write_all(state_, bytes, {}, until);
    }
    Task<Result<void>> write_all(std::string_view head, std::string_view body,
                                 Until until) override {
        return FdState::write_all(state_, head, body, until);
    }
    Task<Result<void>> shutdown_write(Until) override { return shut(state_); }
    void close() override {
        if (state_) { state_->close(); }
    }
    Task<Wake> wait_gone(Until until) override { return FdState::wait_gone(state_, until); }
    int raw() const override { return state_->raw(Side::Read); }
    std::string peer() const override { return state_->peer(); }
    const std::shared_ptr<FdState>& state() const { return state_; }
    /// The state for a stream on top; this one is empty afterwards and must only be destroyed.
    std::shared_ptr<FdState> take_state() { return std::move(state_); }

  private:
    static Task<Result<void>> shut(std::shared_ptr<FdState> state) {
        co_return state->shutdown_write();
    }
    std::shared_ptr<FdState> state_;
};

/// ECONNRESET, EPIPE and the like are Cancelled: the peer went away. Others are as os_error() says.
Error io_error(std::string_view what, int os_errno);
/// "192.0.2.1:4711", "[::1]:80", "uid 1000" of a process on this machine.
std::string peer_name_of(int socket);
StreamPtr make_socket_stream(Loop& loop, os::Fd socket);

} // namespace shoal::net
