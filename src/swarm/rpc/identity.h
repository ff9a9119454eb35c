// Identity: who a certificate of the cluster says its bearer is, and whether the cluster's root
// says so too. Pure functions over PEM and DER. Making certificates is ca/certificate.h; what a
// bearer may do is the server's business.
#pragma once

#include "swarm/rpc/transport.h"

#include "base/clock.h"

#include <string>
#include <string_view>
#include <vector>

namespace shoal::swarm {

// The organizational unit of a node's certificate, also a DNS name in it.
inline constexpr std::string_view manager_name = "swarm-manager";
inline constexpr std::string_view worker_name = "swarm-worker";
/// The root's common name; also a DNS name in managers' certificates, for callers that have none.
inline constexpr std::string_view ca_name = "swarm-ca";

struct Identity {
    std::string node_id;
    Role role = Role::None;
    std::string cluster_id;
    Instant not_before;
    Instant not_after;
};

/// DER, leaf first, then intermediates.
using CertificateChain = std::vector<std::string>;
Result<CertificateChain> parse_chain(std::string_view pem);

/// Of the first certificate in the text; nothing is verified.
Result<Identity> parse_identity(std::string_view pem);
Result<Identity> parse_identity(const CertificateChain& chain);

struct Verification {
    std::string_view roots; ///< PEM; any of them will do
    Instant at;
    enum class Side { Server, Client } side = Side::Client;
    /// How long ago the leaf may have run out; everything above it must be valid all the same.
    nanoseconds grace{};
    std::string_view server_name; ///< "": any
};
struct Verified {
    Identity identity;
    bool expired = false;          ///< only the grace let it through
    std::string issuer_subject;    ///< DER
    std::string issuer_public_key; ///< DER, SubjectPublicKeyInfo
};
/// Errc::Unauthorized, with the reason, for a chain that no root stands behind and for a leaf that
/// names no node.
Result<Verified> verify_chain(const CertificateChain& chain, const Verification& how);

} // namespace shoal::swarm
