// TlsTransport: connections between nodes over TCP and TLS, with the cluster's certificates. It
// judges certificates (root, role, cluster, time) and lets no slow or silent caller stand in
// another's way. What a caller may do is decided above (rpc/server.h), as is who has been removed.
#pragma once

#include "swarm/rpc/identity.h"
#include "swarm/rpc/transport.h"

#include "net/signal.h"

#include <functional>
#include <memory>
#include <optional>

namespace shoal::swarm {

/// PEM. A node that has not joined has nothing, or the roots only.
struct NodeCredentials {
    std::string certificate; ///< with intermediates
    std::string key;
    std::string roots; ///< during a rotation both
};

/// What this node shows and whom it trusts; renewal and rotation replace it while connections go
/// on. Shared by everybody on the node who needs it.
class Credentials {
  public:
    Credentials() = default;
    static Result<std::shared_ptr<Credentials>> create(NodeCredentials first);
    /// Refused, and nothing changes, when certificate and key are no pair or the certificate names
    /// no node. The handshakes that begin afterwards use it.
    Result<void> replace(NodeCredentials next);
    const NodeCredentials& held() const { return held_; }
    /// Of our own certificate; nothing without one.
    const std::optional<Identity>& identity() const { return identity_; }
    std::uint64_t generation() const { return generation_; } ///< grows with every replace()

  private:
    NodeCredentials held_;
    std::optional<Identity> identity_;
    std::uint64_t generation_ = 1;
};
using CredentialsPtr = std::shared_ptr<Credentials>;

struct TlsTransportSettings {
    /// Under way at once; one more ends the one that has taken longest.
    std::size_t handshakes_max = 256;
    std::chrono::seconds handshake_time{10};
    /// Through their handshake and not yet taken by accept(); one more is turned away.
    std::size_t waiting_max = 1024;
    /// So long after it has run out a certificate is good for its own renewal.
    std::chrono::hours expired_grace{24 * 30};
    /// A peer that vanishes is noticed after about this long.
    std::chrono::seconds dead_after{10};
    /// Told of every caller that did not get in; may be empty.
    std::function<void(const std::string& address, const Error& why)> on_refused;
};

class TlsTransport : public Transport {
  public:
    TlsTransport(net::Loop& loop, const Clock& clock, CredentialsPtr credentials,
                 TlsTransportSettings settings = {});
    ~TlsTransport() override;

    /// Fails without a certificate.
    Result<void> listen(const std::string& address) override;
    std::uint16_t port() const; ///< 0 before listen()
    void close() override;

    net::Task<Result<net::StreamPtr>> connect(std::string address, Trust trust,
                                              net::Until until) override;
    net::Task<Result<Incoming>> accept(net::Until until) override;

    struct Impl;

  private:
    std::shared_ptr<Impl> impl_;
};

} // namespace shoal::swarm
