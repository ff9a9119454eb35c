// Listener: a listening socket that gives out streams. It knows nothing of HTTP or TLS; those wrap
// what it accepts.
#pragma once

#include "net/stream.h"

#include <optional>
#include <sys/types.h>

namespace shoal::net {

struct UnixSocketOptions {
    mode_t mode = 0660;
    std::optional<gid_t> group;
};

class Listener {
  public:
    /// A socket file that nobody listens on any more is replaced; one that answers is
    /// Errc::Conflict. The file is made with its final mode and group before anybody can connect,
    /// and removed by close().
    static Result<std::unique_ptr<Listener>> listen_unix(Loop& loop, std::string path,
                                                         UnixSocketOptions options);
    /// `host` is a numeric address, "localhost" or "" (any, both families); port 0 picks one.
    static Result<std::unique_ptr<Listener>> listen_tcp(Loop& loop, std::string host,
                                                        std::uint16_t port);
    /// A listening socket that somebody handed over (socket activation). Its file is not removed.
    static Result<std::unique_ptr<Listener>> adopt(Loop& loop, os::Fd fd);

    ~Listener();
    /// Cancelled after close(). Passing shortages (descriptors, memory) are Errc::Exhausted: try
    /// again a little later.
    Task<Result<StreamPtr>> accept(Until until);
    void close();
    bool is_tcp() const;
    bool is_loopback() const;   ///< true for unix and for 127.0.0.0/8 and ::1
    std::uint16_t port() const; ///< 0 for unix
    std::string text() const;   ///< "unix:///run/shoal.sock", "tcp://127.0.0.1:2375"

    struct Impl;
    explicit Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

  private:
    std::shared_ptr<Impl> impl_;
};

} // namespace shoal::net
