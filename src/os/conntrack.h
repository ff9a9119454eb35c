// Connections as the kernel's connection tracking knows them, by ctnetlink, in one network
// namespace. Who is asked for is named by the address that answers: behind a translation that is
// the backend and not what the client connected to. It decides nothing.
#pragma once

#include "os/fd.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct nl_sock;

namespace shoal::os {

/// Addresses are bytes in network order (4 or 16).
struct TrackedConnection {
    std::uint8_t protocol = 0;       ///< IPPROTO_TCP, ...
    std::string source, destination; ///< of the first packet, before any translation
    std::uint16_t source_port = 0, destination_port = 0;
    std::string answers; ///< source of the replies
    bool ended = false;  ///< TCP: both sides have closed it, or one has reset it
    bool operator==(const TrackedConnection&) const = default;
};

class Conntrack {
  public:
    /// In the namespace of the calling thread.
    static Result<Conntrack> open();
    static Result<Conntrack> open_in(const Fd& netns);

    Result<std::vector<TrackedConnection>> answered_by(const std::string& address);
    /// The kernel forgets them, whatever their protocol: what comes next counts as the first packet
    /// of a new connection. None is success.
    Result<void> forget_answered_by(const std::string& address);
    /// What forget_answered_by() does where the kernel cannot delete by a filter.
    Result<void> forget_one_by_one(const std::string& address);

  private:
    struct Close {
        void operator()(nl_sock* socket) const;
    };
    explicit Conntrack(nl_sock* socket) : socket_(socket) {}
    std::unique_ptr<nl_sock, Close> socket_;
};

} // namespace shoal::os
