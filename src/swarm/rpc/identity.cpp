#include "swarm/rpc/identity.h"

#include "base/time.h"
#include "swarm/rpc/x509.h"

namespace shoal::swarm {
namespace {

using x509::Cert;
using Store = std::unique_ptr<X509_STORE, x509::Freeing<X509_STORE_free>>;
using Context = std::unique_ptr<X509_STORE_CTX, x509::Freeing<X509_STORE_CTX_free>>;
using Untrusted = std::unique_ptr<STACK_OF(X509), x509::Freeing<x509::free_chain>>;

Error refused(const std::string& why) { return Error{Errc::Unauthorized, "certificate: " + why}; }

/// "" when it is not there exactly once, or not plain text.
std::string entry_of(const X509_NAME* name, int nid) {
    const int place = X509_NAME_get_index_by_NID(name, nid, -1);
    const bool once = place >= 0 && X509_NAME_get_index_by_NID(name, nid, place) < 0;
    if (!once) { return ""; }
    unsigned char* bytes = nullptr;
    const int size =
        ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, place)));
    const x509::Bytes owner(bytes);
    if (size <= 0) { return ""; }
    std::string text(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    return text.find('\0') == std::string::npos ? text : "";
}

Role role_named(std::string_view name) {
    if (name == manager_name) { return Role::Manager; }
    return name == worker_name ? Role::Worker : Role::None;
}

Result<Identity> identity_of(const X509* cert) {
    const X509_NAME* subject = X509_get_subject_name(cert);
    Identity identity;
    identity.node_id = entry_of(subject, NID_commonName);
    identity.role = role_named(entry_of(subject, NID_organizationalUnitName));
    identity.cluster_id = entry_of(subject, NID_organizationName);
    identity.not_before = x509::to_instant(X509_get0_notBefore(cert));
    identity.not_after = x509::to_instant(X509_get0_notAfter(cert));
    const bool whole =
        !identity.node_id.empty() && identity.role != Role::None && !identity.cluster_id.empty();
    if (!whole) { return refused("it names no node of a swarm"); }
    return identity;
}

/// One attempt with one root at one time.
struct Attempt {
    bool passed = false;
    int error = X509_V_OK;
    int depth = 0;
    std::string issuer_subject;
    std::string issuer_public_key;
};

Attempt attempt(X509* leaf, STACK_OF(X509) * untrusted, X509* root, const Verification& how,
                Instant at) {
    Attempt made;
    made.error = X509_V_ERR_UNSPECIFIED;
    const Store store(X509_STORE_new());
    const Context context(X509_STORE_CTX_new());
    const bool ready = store && context && X509_STORE_add_cert(store.get(), root) == 1 &&
                       X509_STORE_CTX_init(context.get(), store.get(), leaf, untrusted) == 1;
    if (!ready) { return made; }
    X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(context.get());
    const bool server = how.side == Verification::Side::Server;
    X509_VERIFY_PARAM_set_purpose(rules,
                                  server ? X509_PURPOSE_SSL_SERVER : X509_PURPOSE_SSL_CLIENT);
    X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
    X509_VERIFY_PARAM_set_time(rules, static_cast<std::time_t>(unix_seconds(at)));
    made.passed = X509_verify_cert(context.get()) == 1;
    made.error = X509_STORE_CTX_get_error(context.get());
    made.depth = X509_STORE_CTX_get_error_depth(context.get());
    const STACK_OF(X509)* const built = X509_STORE_CTX_get0_chain(context.get());
    if (made.passed && sk_X509_num(built) > 1) {
        const X509* const issuer = sk_X509_value(built, 1);
        made.issuer_subject = x509::print_der(X509_get_subject_name(issuer));
        made.issuer_public_key = x509::public_key_der(issuer);
    }
    return made;
}

bool is_in_grace(const Attempt& made, const Identity& identity, const Verification& how) {
    return made.error == X509_V_ERR_CERT_HAS_EXPIRED && made.depth == 0 &&
           how.at <= identity.not_after + how.grace;
}

Verified verified(Identity identity, Attempt made, bool expired) {
    return {std::move(identity), expired, std::move(made.issuer_subject),
            std::move(made.issuer_public_key)};
}

} // namespace

Result<CertificateChain> parse_chain(std::string_view pem) {
    TRY_LET(certs, x509::read_certificates(pem, "certificate"));
    CertificateChain chain;
    for (const Cert& cert : certs) { chain.push_back(x509::print_der(cert.get())); }
    return chain;
}

Result<Identity> parse_identity(std::string_view pem) {
    TRY_LET(cert, x509::read_certificate(pem, "certificate"));
    return identity_of(cert.get());
}

Result<Identity> parse_identity(const CertificateChain& chain) {
    if (chain.empty()) { return refused("none was given"); }
    TRY_LET(leaf, x509::parse_der(chain.front()));
    return identity_of(leaf.get());
}

Result<Verified> verify_chain(const CertificateChain& chain, const Verification& how) {
    if (chain.empty()) { return refused("none was given"); }
    TRY_LET(leaf, x509::parse_der(chain.front()));
    TRY_LET(identity, identity_of(leaf.get()));
    const Untrusted untrusted(sk_X509_new_null());
    for (std::size_t i = 1; i < chain.size(); ++i) {
        TRY_LET(cert, x509::parse_der(chain[i]));
        sk_X509_push(untrusted.get(), cert.release());
    }
    TRY_LET(roots, x509::read_certificates(how.roots, "root certificate"));
    const bool right_name =
        how.server_name.empty() || X509_check_host(leaf.get(), how.server_name.data(),
                                                   how.server_name.size(), 0, nullptr) == 1;
    if (!right_name) { return refused("it is not for " + std::string(how.server_name)); }
    // Each root by itself: two may have the same name and no key identifier.
    int error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    for (const Cert& root : roots) {
        auto made = attempt(leaf.get(), untrusted.get(), root.get(), how, how.at);
        if (made.passed) { return verified(std::move(identity), std::move(made), false); }
        if (is_in_grace(made, identity, how)) {
            const Instant last = identity.not_after - std::chrono::seconds(1);
            auto then = attempt(leaf.get(), untrusted.get(), root.get(), how, last);
            if (then.passed) { return verified(std::move(identity), std::move(then), true); }
        }
        // An unknown issuer is what every other root says.
        const bool says_more = made.error != X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
        if (says_more) { error = made.error; }
    }
    return refused(X509_verify_cert_error_string(error));
}

} // namespace shoal::swarm
