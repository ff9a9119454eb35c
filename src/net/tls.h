// TLS (1.2 and newer) over any socket stream, both sides, with certificates in PEM files. It is the
// transport of the tcp endpoints and of the client; certificate authorities and their rotation are
// somebody else's.
#pragma once

#include "net/stream.h"

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

/// Shared by all connections of an endpoint; reload() concerns the handshakes that begin
/// afterwards.
class TlsServer {
  public:
    static Result<std::shared_ptr<TlsServer>> create(TlsFiles files, ClientCertificates clients);
    /// Reads the files again; on failure the old certificates stay in use.
    Result<void> reload(TlsFiles files);
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
    ~TlsClient();
    struct Impl;
    Impl& impl() { return *impl_; }
    explicit TlsClient(std::unique_ptr<Impl> impl);

  private:
    std::unique_ptr<Impl> impl_;
};

/// Both take a stream made by connect_*() or Listener::accept() and do the handshake.
/// Errc::Unauthorized when a certificate is missing or not trusted. shutdown_write() sends
/// close_notify; reading goes on afterwards.
Task<Result<StreamPtr>> accept_tls(Loop& loop, StreamPtr stream, std::shared_ptr<TlsServer> tls,
                                   Until until);
Task<Result<StreamPtr>> connect_tls(Loop& loop, StreamPtr stream, std::shared_ptr<TlsClient> tls,
                                    std::string server_name, Until until);
/// The common name of the peer's certificate; "" without one or without TLS.
std::string peer_common_name(const Stream& stream);

} // namespace shoal::net
