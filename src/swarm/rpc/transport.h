// Transport: how bytes get from node to node, and who is at the other end. The real one is TLS with
// the cluster's certificates (rpc/tls_transport.h), the simulator's are pipes in virtual time. It
// knows no calls and no messages.
#pragma once

#include "net/stream.h"

#include <string>

namespace shoal::swarm {

enum class Role { None, Worker, Manager };

/// What the other end's certificate says. Without a certificate all but `address` are empty.
struct Caller {
    std::string node_id;
    Role role = Role::None;
    std::string cluster_id;
    std::string address; ///< host:port of the connection
    /// The certificate has run out, not long ago: good for asking for a new one and nothing else.
    bool expired = false;
};

/// What is shown to and asked of whoever we connect to.
enum class Trust {
    Nobody,  ///< no check at all: to fetch the root certificate that a token pins
    Root,    ///< the cluster's root must have signed the server; we show no certificate
    Managers ///< both sides: the other end must be a manager of this cluster
};

struct Incoming {
    net::StreamPtr stream;
    Caller caller;
};

class Transport {
  public:
    virtual ~Transport() = default;
    virtual net::Task<Result<net::StreamPtr>> connect(std::string address, Trust trust,
                                                      net::Until until) = 0;
    /// "0.0.0.0:2377", "[::1]:0". Managers only, once; callers are taken from now on, for accept().
    virtual Result<void> listen(const std::string& address) = 0;
    virtual void close() = 0; ///< no more of them
    /// The handshake of one caller never holds up another. Cancelled after close().
    virtual net::Task<Result<Incoming>> accept(net::Until until) = 0;
};

} // namespace shoal::swarm
