// Stream: a connection, pipe or terminal as bytes in two directions, waited for on the loop. One
// read and one write may be waiting at the same time; two reads, or two writes, may not. It keeps
// no buffer while idle. Closing or destroying it under a waiting operation is safe: the operation
// ends with Cancelled.
#pragma once

#include "net/loop.h"
#include "net/until.h"
#include "os/fd.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace shoal::net {

class Stream {
  public:
    virtual ~Stream() = default;

    /// At least one byte, or 0 at the end of what the peer sends. `into` must live until the task
    /// ends.
    virtual Task<Result<std::size_t>> read_some(std::span<char> into, Until until) = 0;
    /// All bytes, or an error after which the stream is of no more use for writing. `bytes` must
    /// live until the task ends.
    virtual Task<Result<void>> write_all(std::string_view bytes, Until until) = 0;
    /// Both pieces, in one system call where that is possible.
    virtual Task<Result<void>> write_all(std::string_view head, std::string_view body,
                                         Until until) = 0;
    /// Tells the peer that no more comes; reading goes on. For a pipe or terminal that is written
    /// only, it closes.
    virtual Task<Result<void>> shutdown_write(Until until) = 0;
    /// At once; wakes waiting operations. Idempotent.
    virtual void close() = 0;

    /// Waits until the peer has ended or broken the connection (Raised). Bytes that arrive
    /// meanwhile stay unread, and hide what comes behind them: then this waits for `until`.
    virtual Task<Wake> wait_gone(Until until) = 0;

    /// The descriptor, for socket options and peer credentials; -1 when closed. It stays owned by
    /// the stream.
    virtual int raw() const = 0;
    /// "uid 1000" over a unix socket, "192.0.2.1:4711", "[::1]:80": for logs and RequestHead::peer.
    virtual std::string peer() const = 0;
};

using StreamPtr = std::unique_ptr<Stream>;

/// A socket, pipe, terminal, character device or file descriptor as a stream; it becomes
/// non-blocking. A separate write descriptor (for a pair of pipes, stdin and stdout) may be given.
StreamPtr adopt_stream(Loop& loop, os::Fd fd);
StreamPtr adopt_stream(Loop& loop, os::Fd read_end, os::Fd write_end);

/// Bytes already read are given first, then those of `inner`.
StreamPtr with_prefix(std::string already_read, StreamPtr inner);

/// Where to connect to or listen on.
struct Address {
    enum class Kind { Unix, Tcp };
    Kind kind = Kind::Unix;
    std::string host; ///< the path for Unix; a name or address without brackets for Tcp, "" for any
    std::uint16_t port = 0;
    std::string text() const; ///< "unix:///run/x.sock", "tcp://[::1]:2375"
};
/// "unix:///path", "tcp://host:port", "tcp://[::1]:port", also http:// and https://; a missing port
/// is `default_port`.
Result<Address> parse_address(std::string_view text, std::uint16_t default_port = 2375);

Task<Result<StreamPtr>> connect_unix(Loop& loop, std::string path, Until until);
/// Resolves the name and tries its addresses in order. TCP_NODELAY and keep-alive are set.
Task<Result<StreamPtr>> connect_tcp(Loop& loop, std::string host, std::uint16_t port, Until until);
Task<Result<StreamPtr>> connect(Loop& loop, Address address, Until until);

/// From now on a peer that has vanished breaks the connection after about this long, both while
/// bytes of ours are under way and while nothing is. For TCP (also under TLS); harmless for others.
void find_dead_peer(const Stream& stream, std::chrono::seconds after);

/// Waits until the descriptor is readable (pidfd, inotify, netlink, timerfd). For several waits on
/// one descriptor keep a Watch instead.
Task<Result<void>> wait_readable(Loop& loop, const os::Fd& fd, Until until);

/// A descriptor that somebody else owns, registered with the loop as long as the Watch lives (by a
/// duplicate, so closing the original is no danger).
class Watch {
  public:
    Watch(Loop& loop, const os::Fd& fd);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    /// Check the descriptor (a non-blocking read) before waiting: what was readable before may
    /// count as news or not.
    Task<Result<void>> readable(Until until);
    Task<Result<void>> writable(Until until);
    struct Impl;

  private:
    std::shared_ptr<Impl> impl_;
};

/// Copies `from` to `to` until its end; gives the number of bytes. Does not shut down `to`.
Task<Result<std::uint64_t>> copy_stream(Stream& from, Stream& to, Until until);

} // namespace shoal::net
