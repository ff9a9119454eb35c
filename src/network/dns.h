// The embedded DNS server: one UDP and one TCP socket in each container's namespace, on 127.0.0.11
// and a high port to which the namespace redirects port 53 (so that the container may bind port 53
// itself). Names of containers are answered here; everything else is forwarded as bytes. It runs on
// the loop and belongs to its thread.
#pragma once

#include "base/clock.h"
#include "net/loop.h"
#include "network/names.h"
#include "os/fd.h"

#include <cstdint>
#include <memory>

namespace shoal::network {

struct DnsSockets {
    os::Fd udp;
    os::Fd tcp; ///< listening
    std::uint16_t port = 0;
};
/// In the namespace of the calling thread; `port` 0 picks one. Both sockets get the same port.
Result<DnsSockets> open_dns_sockets(std::uint16_t port);

struct DnsLimits {
    std::size_t in_flight_max =
        256; ///< forwarded queries of one container at a time; more are refused
    std::size_t connections_max = 32; ///< TCP connections of one container
    nanoseconds attempt = std::chrono::seconds(2);
    int rounds = 2; ///< how often the list of servers is tried
    nanoseconds idle = std::chrono::seconds(10);
    std::uint16_t upstream_port = 53;
};

class DnsServer {
  public:
    DnsServer(net::Loop& loop, Random& random, DnsLimits limits = {});
    ~DnsServer();
    DnsServer(const DnsServer&) = delete;
    DnsServer& operator=(const DnsServer&) = delete;

    NameTable& names() { return names_; }

    /// Serves the container from now on. `netns` is where confined queries leave.
    Result<void> add(const std::string& container, DnsSockets sockets, os::Fd netns, DnsView view);
    void set_view(const std::string& container, DnsView view);
    /// Ends at once, with all that is in flight.
    void remove(const std::string& container);

  private:
    struct Client;
    net::Task<void> serve_udp(Client* client);
    net::Task<void> serve_tcp(Client* client);
    net::Task<void> serve_connection(Client* client, std::size_t slot);
    net::Task<void> forward_udp(Client* client, std::string query, std::string peer,
                                std::size_t udp_size);
    net::Task<std::string> forward(Client* client, std::string query, bool tcp);
    net::Task<Result<std::string>> ask_udp(Client* client, Ip server, std::string query);
    net::Task<Result<std::string>> ask_tcp(Client* client, Ip server, std::string query);
    /// An answer of our own, or nothing when the question is to be forwarded.
    std::optional<std::string> answer_here(const Client& client, std::string_view query,
                                           std::size_t bytes_max);
    Result<os::Fd> upstream_socket(const Client& client, Ip server, int type) const;

    net::Loop& loop_;
    Random& random_;
    DnsLimits limits_;
    NameTable names_;
    std::uint32_t rotation_ = 0;
    std::map<std::string, std::unique_ptr<Client>> clients_;
};

} // namespace shoal::network
