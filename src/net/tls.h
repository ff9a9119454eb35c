// TLS (1.2 and newer) over any socket stream, both sides, with certificates in PEM files or in
// memory. It is the transport of the tcp endpoints, of the client and of the cluster's nodes;
// certificate authorities and their rotation are somebody else's.
#pragma once

#include "net/stream.h"

#include <functional>
#include <vector>

namespace shoal::net {

struct TlsFiles {
    std::string ca_file;   ///< whom to trust; "" means the system's own store (client only)
    std::string cert_file; ///< our own certificate chain; may be empty for a client
    std::string key_file;
    std::vector<std::string>
        more_ca_files; ///< client: trusted beside the system's store or `ca_file`
};

enum class ClientCertificates { Ignore, Required };
enum class ServerCertificate {
    Verify,
    Trust
}; ///< Trust: any certificate and name (tlsverify=false)

/// The other end's certificates as it sent them: DER, leaf first.
using TlsChain = std::vector<std::string>;
/// Judges the other end in place of a list of authorities and a name. An error ends the handshake
/// and is what its caller gets; the other end is told that its certificate is bad.
using JudgePeer = std::function<Result<void>(const TlsChain&)>;

/// Certificates in memory, and our own judgement of the other end's.
struct TlsIdentity {
    std::string cert_pem; ///< with intermediates; may be empty for a client
    std::string key_pem;
    /// A server asks for a certificate and judges it when there is one. A client without a judge
    /// takes any server.
    JudgePeer judge;
    /// ALPN: what a client offers; a server takes the first of its own that is offered. Who offers
    /// only others is refused, who offers none is not.
    std::vector<std::string> protocols;
};

/// Shared by all connections of an endpoint; reload() concerns the handshakes that begin
/// afterwards.
class TlsServer {
  public:
    static Result<std::shared_ptr<TlsServer>> create_in_memory(TlsIdentity identity);
    static Result<std::shared_ptr<TlsServer>> create(TlsFiles files, ClientCertificates clients);
    /// Reads the files again; on failure the old certificates stay in use.
    Result<void> reload(TlsFiles files);
    Result<void> replace(TlsIdentity identity); ///< as reload()
    ~TlsServer();
    struct Impl;
    Impl& impl() { return *impl_; }
    explicit TlsServer(std::unique_ptr<Impl> impl);

  private:
    std::unique_ptr<Impl> impl_;
};

class TlsClient {
  public:
    static Result<std::shared_ptr<TlsClient>>
    create(TlsFiles files, ServerCertificate server = ServerCertificate::Verify);
    static Result<std::shared_ptr<TlsClient>> create_in_memory(TlsIdentity identity);
    ~TlsClient();
    struct Impl;
    Impl& impl() { return *impl_; }
    explicit TlsClient(std::unique_ptr<Impl> impl);

  private:
    std::unique_ptr<Impl> impl_;
};

/// Both take a stream made by connect_*() or Listener::accept() and do the handshake.
/// Errc::Unauthorized when a certificate is missing or not trusted. shutdown_write() sends
/// close_notify; reading goes on afterwards. A client whose certificate is refused may learn it
/// from its first read only (TLS 1.3). `server_name` is sent along, and checked unless a judge does
/// that.
Task<Result<StreamPtr>> accept_tls(Loop& loop, StreamPtr stream, std::shared_ptr<TlsServer> tls,
                                   Until until);
Task<Result<StreamPtr>> connect_tls(Loop& loop, StreamPtr stream, std::shared_ptr<TlsClient> tls,
                                    std::string server_name, Until until);
/// The common name of the peer's certificate; "" without one or without TLS.
std::string peer_common_name(const Stream& stream);
/// Empty without one or without TLS.
TlsChain peer_chain(const Stream& stream);
/// By ALPN; "" when nothing was agreed on.
std::string selected_protocol(const Stream& stream);

} // namespace shoal::net
