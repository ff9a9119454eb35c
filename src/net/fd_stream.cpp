#include "net/fd_stream.h"

#include "net/sleep.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace shoal::net {

namespace {
constexpr int streak_max = 64;
constexpr auto gone_poll_interval = std::chrono::seconds(1);

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

bool is_socket(int raw) {
    struct stat about {};
    return ::fstat(raw, &about) == 0 && S_ISSOCK(about.st_mode);
}

/// Non-blocking from now on; gives the flags to restore later when it is a terminal, or -1.
int make_non_blocking(int raw) {
    const int flags = ::fcntl(raw, F_GETFL);
    if (flags < 0 || (flags & O_NONBLOCK) != 0) { return -1; }
    ::fcntl(raw, F_SETFL, flags | O_NONBLOCK);
    return ::isatty(raw) == 1 ? flags : -1;
}

struct Pieces {
    std::string_view head;
    std::string_view body;
    bool empty() const { return head.empty() && body.empty(); }
    void consume(std::size_t count) {
        const auto from_head = std::min(count, head.size());
        head.remove_prefix(from_head);
        body.remove_prefix(count - from_head);
    }
};

ssize_t write_pieces(int raw, bool socket, const Pieces& pieces) {
    iovec vectors[2] = {{const_cast<char*>(pieces.head.data()), pieces.head.size()},
                        {const_cast<char*>(pieces.body.data()), pieces.body.size()}};
    iovec* const first = pieces.head.empty() ? &vectors[1] : &vectors[0];
    const int count = pieces.head.empty() || pieces.body.empty() ? 1 : 2;
    if (!socket) { return ::writev(raw, first, count); }
    msghdr message{};
    message.msg_iov = first;
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(raw, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}
} // namespace

Error io_error(std::string_view what, int os_errno) {
    Error error = os_error(std::string(what), os_errno);
    const bool peer_left = os_errno == ECONNRESET || os_errno == EPIPE || os_errno == ESHUTDOWN ||
                           os_errno == ENOTCONN;
    if (peer_left) { error.code = Errc::Cancelled; }
    return error;
}

FdState::FdState(Loop& loop, os::Fd read_end, os::Fd write_end, std::string peer)
    : loop_(loop), read_end_(std::move(read_end)), write_end_(std::move(write_end)),
      peer_(std::move(peer)), socket_(is_socket(read_end_.raw())) {
    restore_flags_ = make_non_blocking(read_end_.raw());
    if (write_end_) { make_non_blocking(write_end_.raw()); }
}

void FdState::close() {
    if (closed_) { return; }
    closed_ = true;
    for (auto& ready : ready_) {
        if (ready) { ready->close(); }
    }
    if (restore_flags_ >= 0) { ::fcntl(read_end_.raw(), F_SETFL, restore_flags_); }
    read_end_.reset();
    write_end_.reset();
}

bool FdState::too_busy() {
    if (++streak_ < streak_max) { return false; }
    streak_ = 0;
    return true;
}

Result<std::shared_ptr<Readiness>> FdState::readiness(Side side) {
    auto& ready = ready_[side == Side::Write && write_end_ ? 1 : 0];
    if (!ready) {
        TRY_LET(made, Readiness::create(loop_, raw(side)));
        ready = std::move(made);
    }
    return ready;
}

Task<Result<void>> FdState::wait(std::shared_ptr<FdState> self, Side side, Until until,
                                 std::string_view what) {
    if (self->closed_) { co_return Error{Errc::Cancelled, std::string(what) + ": closed"}; }
    CO_TRY_LET(ready, self->readiness(side));
    self->streak_ = 0;
    const auto keep = ready;
    const Wake wake = co_await keep->wait(side, until);
    if (self->closed_) { co_return Error{Errc::Cancelled, std::string(what) + ": closed"}; }
    co_return to_result(wake, what);
}

Task<Result<std::size_t>> FdState::read_some(std::shared_ptr<FdState> self, std::span<char> into,
                                             Until until) {
    if (until.cancelled()) { co_return Error{Errc::Cancelled, "read: cancelled"}; }
    if (self->too_busy()) { co_await yield(self->loop_); }
    for (;;) {
        if (self->closed_) { co_return Error{Errc::Cancelled, "read: closed"}; }
        const ssize_t got = ::read(self->raw(Side::Read), into.data(), into.size());
        if (got >= 0) { co_return static_cast<std::size_t>(got); }
        const int error = errno;
        if (error == EINTR) { continue; }
        if (error == EIO && !self->socket_) {
            co_return std::size_t{0};
        } // a terminal whose other side has closed
        if (!would_block(error)) { co_return io_error("read", error); }
        CO_TRY(co_await wait(self, Side::Read, until, "read"));
    }
}

Task<Result<void>> FdState::write_all(std::shared_ptr<FdState> self, std::string_view head,
                                      std::string_view body, Until until) {
    if (until.cancelled()) { co_return Error{Errc::Cancelled, "write: cancelled"}; }
    if (self->too_busy()) { co_await yield(self->loop_); }
    Pieces pieces{head, body};
    while (!pieces.empty()) {
        if (self->closed_) { co_return Error{Errc::Cancelled, "write: closed"}; }
        const ssize_t put = write_pieces(self->raw(Side::Write), self->socket_, pieces);
        if (put >= 0) {
            pieces.consume(static_cast<std::size_t>(put));
            continue;
        }
        const int error = errno;
        if (error == EINTR) { continue; }
        if (!would_block(error)) { co_return io_error("write", error); }
        CO_TRY(co_await wait(self, Side::Write, until, "write"));
    }
    co_return ok();
}

Result<void> FdState::shutdown_write() {
    if (closed_) { return Error{Errc::Cancelled, "shut down writing: closed"}; }
    if (socket_) {
        if (::shutdown(raw(Side::Write), SHUT_WR) != 0) {
            return io_error("shut down writing", errno);
        }
        return ok();
    }
    if (!write_end_) {
        close();
        return ok();
    }
    if (ready_[1]) { ready_[1]->close(); }
    write_end_ = os::Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); // writing fails from now on
    return ok();
}

bool FdState::peer_has_gone() const {
    pollfd look{raw(Side::Read), static_cast<short>(socket_ ? POLLRDHUP : 0), 0};
    return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

Task<Result<void>> FdState::send_file(std::shared_ptr<FdState> self, int file, std::uint64_t offset,
                                      std::uint64_t length, std::chrono::seconds stall) {
    constexpr std::uint64_t slice_max = 1024 * 1024; // then others have their turn
    auto at = static_cast<off_t>(offset);
    while (length > 0) {
        if (self->closed_) { co_return Error{Errc::Cancelled, "write: closed"}; }
        const ssize_t put = ::sendfile(self->raw(Side::Write), file, &at,
                                       static_cast<std::size_t>(std::min(length, slice_max)));
        if (put > 0) {
            length -= static_cast<std::uint64_t>(put);
            if (length > 0 && self->too_busy()) { co_await yield(self->loop_); }
            continue;
        }
        if (put == 0) { co_return internal("the file is shorter than was said"); }
        const int error = errno;
        if (error == EINTR) { continue; }
        if (!would_block(error)) { co_return io_error("write", error); }
        const Until until(Deadline::in(stall));
        CO_TRY(co_await wait(self, Side::Write, until, "write"));
    }
    co_return ok();
}

// Unread bytes make the descriptor readable all the time; behind them only a look now and then
// helps.
Task<Wake> FdState::wait_gone(std::shared_ptr<FdState> self, Until until) {
    for (;;) {
        if (self->closed_) { co_return Wake::Cancelled; }
        if (self->peer_has_gone()) { co_return Wake::Raised; }
        const auto next_look = Deadline::in(gone_poll_interval);
        pollfd look{self->raw(Side::Read), POLLIN, 0};
        const bool unread = ::poll(&look, 1, 0) > 0;
        auto ready = self->readiness(Side::Read);
        Wake wake = Wake::Timeout;
        if (unread || !ready) {
            wake = co_await sleep(self->loop_, until.no_later_than(next_look));
        } else {
            const auto keep = *ready;
            wake = co_await keep->wait(Side::Read, until);
            if (wake == Wake::Timeout) { co_return wake; }
        }
        if (wake == Wake::Cancelled) { co_return wake; }
        if (until.deadline.at() <= self->loop_.now()) { co_return Wake::Timeout; }
    }
}

} // namespace shoal::net
