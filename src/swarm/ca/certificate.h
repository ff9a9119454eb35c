// Certificates of a cluster: making its root, keys and requests, and signing what nodes and the
// store's members are known by. Pure functions over PEM, but for OpenSSL's random numbers. Who may
// have which certificate is decided elsewhere (ca/authority.h); reading and verifying them is
// rpc/identity.h.
#pragma once

#include "swarm/model/object.h"
#include "swarm/rpc/identity.h"

namespace shoal::swarm {

inline constexpr std::chrono::hours root_life{24 * 365 * 20};
inline constexpr std::chrono::hours node_life_default{2160};
inline constexpr std::chrono::hours node_life_min{1};
/// A certificate begins so long ago: clocks differ.
inline constexpr std::chrono::hours backdate{1};
/// The store's traffic has nobody to ask for a new certificate while it is down, so these last as
/// long as their root may.
inline constexpr std::chrono::hours store_life{24 * 365 * 10};

/// What signs: PEM.
struct Signer {
    std::string certificate;
    std::string key;
    /// Goes behind every certificate signed: during a rotation the new root, signed by the old one.
    std::string intermediates;
};
/// ECDSA P-256, self-signed.
Result<Signer> make_root(Instant now, std::string_view common_name = ca_name);
/// A root that a user gives: one self-signed CA certificate, valid now, with its key. Errors say
/// what is wrong with it.
Result<Signer> check_root(std::string certificate, std::string key, Instant now);
/// The certificate of `next`, signed by `old`: whoever trusts `old` then trusts what `next` signs.
Result<std::string> cross_sign(const Signer& old, std::string_view next);

struct KeyAndRequest {
    std::string key; ///< PKCS#8
    std::string request;
};
Result<KeyAndRequest> make_request();
/// Its key is of a supported kind, and its maker has proved to have it.
Result<void> check_request(std::string_view request);

struct Subject {
    std::string node_id;
    std::string cluster_id;
    Role role = Role::None;
};
struct Life {
    Instant now;
    nanoseconds life = node_life_default; ///< below node_life_min: the default
};
/// PEM, leaf first, then signer.intermediates. Of the request only its key and the proof that its
/// maker has it are taken; the subject is not looked at.
Result<std::string> sign_node_certificate(const Signer& signer, std::string_view request,
                                          const Subject& subject, Life life);
/// For a member of the store: server and client, good for these hosts (addresses or names).
Result<std::string> issue_store_certificate(const Signer& signer, std::string_view request,
                                            std::string_view common_name,
                                            const std::vector<std::string>& hosts, Instant now);

/// Success when the certificate's key and this one belong together.
Result<void> check_pair(std::string_view certificate, std::string_view key);
/// SHA-256 over the bytes of a root bundle as they are served.
std::string root_digest(std::string_view roots); ///< 32 bytes
std::string root_digest_hex(std::string_view roots);

/// What a node tells about its certificate (NodeDescription.tls_info): the roots it trusts, and who
/// signed it. Errc::Unauthorized when the roots do not stand behind the chain.
Result<pb::NodeTLSInfo> tls_info_of(std::string_view chain, std::string_view roots, Instant now);
/// The same of a root itself: what every node's will be when all certificates are from it.
Result<pb::NodeTLSInfo> tls_info_of_root(std::string_view root);
bool same_issuer(const pb::NodeTLSInfo& a, const pb::NodeTLSInfo& b);

} // namespace shoal::swarm
