// Which certificate the registry shows, and when it looks at its files again. Decisions; the files
// of ours are made by certificates.h.
#pragma once

#include "net/tls.h"
#include "registry/server/certificates.h"
#include "registry/server/serve_settings.h"

namespace shoal::registry {

/// Plain on loopback unless a certificate or names ask for TLS; elsewhere only with plain_http.
enum class Transport { Plain, GivenCertificate, OwnCertificate };
Transport transport_of(const ServeSettings& settings);

/// Names and addresses for the certificate: the settings' first, then this machine's name, unless
/// no certificate can have it, and those of its addresses that the registry listens on.
std::vector<std::string> certificate_names(const ServeSettings& settings,
                                           const std::string& machine);

/// The certificate's files, made when they are ours and missing, near their end, or for other
/// names. May block.
struct ServerFiles {
    net::TlsFiles files;
    std::string instructions; ///< for the terminal, when the authority is new; "" else
    std::string warning;      ///< for the log; "" when there is none
    std::string made;         ///< what was made just now, for the log; "" for nothing
};
Result<ServerFiles> prepare_certificate(const ServeSettings& settings, Instant now, Moment moment);

/// Changes when the files do.
std::string stamp_of(const net::TlsFiles& files);

} // namespace shoal::registry
