#include "swarm/ca/certificate.h"

#include "base/text.h"
#include "base/time.h"
#include "swarm/rpc/x509.h"

#include <arpa/inet.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

namespace shoal::swarm {
namespace {

using x509::Cert;
using x509::Key;

constexpr int rsa_bits_min = 2048;
constexpr std::size_t serial_bytes = 20;

bool is_address(const std::string& host) {
    unsigned char bytes[16];
    return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

/// Names go into a text that OpenSSL takes apart at commas.
bool is_plain_host(const std::string& host) {
    return !host.empty() && host.find_first_of(",:\n\r\0 ") == std::string::npos;
}

Result<std::string> alternative_names(const std::vector<std::string>& hosts) {
    std::vector<std::string> names;
    for (const auto& host : hosts) {
        const bool address = is_address(host);
        if (!address && !is_plain_host(host)) { return invalid("invalid host name: " + host); }
        names.push_back((address ? "IP:" : "DNS:") + host);
    }
    return join(names, ",");
}

bool add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
    const x509::Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    return extension && X509_add_ext(cert, extension.get(), -1) == 1;
}

bool add_name(X509_NAME* name, const char* field, std::string_view value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(value.data()),
                                      static_cast<int>(value.size()), -1, 0) == 1;
}

bool set_times(X509* cert, Instant from, Instant to) {
    const auto set = [](ASN1_TIME* at, Instant when) {
        return ASN1_TIME_set(at, static_cast<std::time_t>(unix_seconds(when))) != nullptr;
    };
    return set(X509_getm_notBefore(cert), from) && set(X509_getm_notAfter(cert), to);
}

bool set_serial(X509* cert) {
    unsigned char bytes[serial_bytes];
    if (RAND_bytes(bytes, sizeof bytes) != 1) { return false; }
    bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40); // positive and of full length
    const std::unique_ptr<BIGNUM, x509::Freeing<BN_free>> number(
        BN_bin2bn(bytes, sizeof bytes, nullptr));
    return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(cert)) != nullptr;
}

Cert begin(EVP_PKEY* key, Instant from, Instant to) {
    Cert cert(X509_new());
    const bool well = cert && X509_set_version(cert.get(), 2) == 1 && set_serial(cert.get()) &&
                      set_times(cert.get(), from, to) && X509_set_pubkey(cert.get(), key) == 1;
    return well ? std::move(cert) : nullptr;
}

/// P-384 and larger keys sign with a digest of their size.
const EVP_MD* digest_for(const EVP_PKEY* key) {
    if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) { return EVP_sha256(); }
    const int bits = EVP_PKEY_get_bits(key);
    return bits > 384 ? EVP_sha512() : bits > 256 ? EVP_sha384() : EVP_sha256();
}

bool sign(X509* cert, EVP_PKEY* key) { return X509_sign(cert, key, digest_for(key)) > 0; }

/// RSA of 2048 bits and more, or ECDSA over P-256, P-384, P-521.
Result<void> check_key(const EVP_PKEY* key, const std::string& what) {
    const int kind = EVP_PKEY_get_base_id(key);
    if (kind == EVP_PKEY_RSA) {
        if (EVP_PKEY_get_bits(key) >= rsa_bits_min) { return ok(); }
        return invalid(what + ": RSA keys must have 2048 bits or more");
    }
    char curve[64] = "";
    if (kind == EVP_PKEY_EC) { EVP_PKEY_get_group_name(key, curve, sizeof curve, nullptr); }
    const std::string_view name = curve;
    if (name == "prime256v1" || name == "secp384r1" || name == "secp521r1") { return ok(); }
    return invalid(what + ": only RSA and ECDSA over P-256, P-384 and P-521 are supported");
}

/// SHA-256, SHA-384 or SHA-512.
Result<void> check_digest(int signature_nid, const std::string& what) {
    int digest = NID_undef;
    OBJ_find_sigid_algs(signature_nid, &digest, nullptr);
    if (digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512) { return ok(); }
    return invalid(what + ": signed with an unsupported algorithm; SHA-256, SHA-384 and SHA-512 "
                          "are accepted");
}

/// The request's key, when its maker has proved to have it.
Result<EVP_PKEY*> proven_key(X509_REQ* request) {
    const std::string what = "certificate request";
    EVP_PKEY* const key = X509_REQ_get0_pubkey(request);
    if (key == nullptr) { return x509::failed(what + ": no usable key"); }
    TRY(check_key(key, what));
    TRY(check_digest(X509_REQ_get_signature_nid(request), what));
    if (X509_REQ_verify(request, key) != 1) {
        return x509::failed(what + ": its signature is wrong");
    }
    return key;
}

struct LoadedSigner {
    Cert cert;
    Key key;
};
Result<LoadedSigner> load(const Signer& signer) {
    TRY_LET(cert, x509::read_certificate(signer.certificate, "root certificate"));
    TRY_LET(key, x509::read_key(signer.key, "root key"));
    if (X509_check_private_key(cert.get(), key.get()) != 1) {
        return x509::failed("the root certificate and its key do not belong together");
    }
    return LoadedSigner{std::move(cert), std::move(key)};
}

/// What all leaves have in common: for servers and clients, signed by the root.
Result<std::string> finish_leaf(Cert cert, const LoadedSigner& signer, const std::string& names) {
    X509* const root = signer.cert.get();
    bool well = X509_set_issuer_name(cert.get(), X509_get_subject_name(root)) == 1;
    const auto add = [&](int nid, const std::string& value) {
        well = well && add_extension(cert.get(), root, nid, value);
    };
    add(NID_key_usage, "critical,digitalSignature,keyEncipherment");
    add(NID_ext_key_usage, "serverAuth,clientAuth");
    add(NID_basic_constraints, "critical,CA:FALSE");
    add(NID_subject_key_identifier, "hash");
    // Never by issuer and serial: the same root signed by another one has others.
    if (X509_get0_subject_key_id(root) != nullptr) { add(NID_authority_key_identifier, "keyid"); }
    if (!names.empty()) { add(NID_subject_alt_name, names); }
    if (!well || !sign(cert.get(), signer.key.get())) {
        return x509::failed("make a certificate", Errc::Internal);
    }
    return x509::print_pem(cert.get());
}

Result<void> check_is_root(X509* cert) {
    const std::string what = "CA certificate";
    if (X509_check_ca(cert) != 1) { return invalid(what + ": it is not a CA certificate"); }
    const bool own = X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) == 0 &&
                     X509_verify(cert, X509_get0_pubkey(cert)) == 1;
    if (!own) { return x509::failed(what + ": it is not self-signed"); }
    if ((X509_get_key_usage(cert) & KU_KEY_CERT_SIGN) == 0) {
        return invalid(what + ": it may not sign certificates");
    }
    TRY(check_key(X509_get0_pubkey(cert), what));
    return check_digest(X509_get_signature_nid(cert), what);
}

} // namespace

Result<Signer> make_root(Instant now, std::string_view common_name) {
    const Key key(EVP_EC_gen("P-256"));
    Cert cert = key ? begin(key.get(), now - backdate, now + root_life) : nullptr;
    if (!cert) { return x509::failed("make a root certificate", Errc::Internal); }
    X509* const raw = cert.get();
    X509_NAME* const name = X509_get_subject_name(raw);
    const bool well = add_name(name, "CN", common_name) && X509_set_issuer_name(raw, name) == 1 &&
                      add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                      add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE") &&
                      add_extension(raw, raw, NID_subject_key_identifier, "hash") &&
                      sign(raw, key.get());
    if (!well) { return x509::failed("make a root certificate", Errc::Internal); }
    return Signer{x509::print_pem(raw), x509::print_pem(key.get()), ""};
}

Result<Signer> check_root(std::string certificate, std::string key, Instant now) {
    TRY_LET(all, x509::read_certificates(certificate, "CA certificate"));
    if (all.size() != 1) {
        return invalid("CA certificate: exactly one is needed, chains are not supported");
    }
    X509* const cert = all.front().get();
    TRY(check_is_root(cert));
    const bool valid = x509::to_instant(X509_get0_notBefore(cert)) <= now &&
                       now < x509::to_instant(X509_get0_notAfter(cert));
    if (!valid) { return invalid("CA certificate: it is not valid at this time"); }
    TRY_LET(loaded, x509::read_key(key, "CA key"));
    if (X509_check_private_key(cert, loaded.get()) != 1) {
        return x509::failed("the CA key is not the certificate's");
    }
    // As we print them: the digest in tokens is over these bytes.
    return Signer{x509::print_pem(cert), x509::print_pem(loaded.get()), ""};
}

Result<std::string> cross_sign(const Signer& old, std::string_view next) {
    TRY_LET(signer, load(old));
    TRY_LET(root, x509::read_certificate(next, "root certificate"));
    const Cert cert(X509_dup(root.get()));
    X509* const above = signer.cert.get();
    // Its name is usually its signer's: only the identifier says that it has not signed itself.
    const int place = X509_get_ext_by_NID(cert.get(), NID_authority_key_identifier, -1);
    if (place >= 0) { x509::Extension(X509_delete_ext(cert.get(), place)); }
    const bool well =
        X509_set_issuer_name(cert.get(), X509_get_subject_name(above)) == 1 &&
        add_extension(cert.get(), above, NID_authority_key_identifier, "keyid,issuer") &&
        sign(cert.get(), signer.key.get());
    if (!well) { return x509::failed("sign the new root certificate", Errc::Internal); }
    return x509::print_pem(cert.get());
}

Result<KeyAndRequest> make_request() {
    const Key key(EVP_EC_gen("P-256"));
    const x509::Request request(X509_REQ_new());
    const bool well = key && request && X509_REQ_set_pubkey(request.get(), key.get()) == 1 &&
                      add_name(X509_REQ_get_subject_name(request.get()), "CN", "swarm-node") &&
                      X509_REQ_sign(request.get(), key.get(), EVP_sha256()) > 0;
    if (!well) { return x509::failed("make a certificate request", Errc::Internal); }
    return KeyAndRequest{x509::print_pem(key.get()), x509::print_pem(request.get())};
}

Result<void> check_request(std::string_view request) {
    TRY_LET(asked, x509::read_request(request));
    TRY(proven_key(asked.get()));
    return ok();
}

Result<std::string> sign_node_certificate(const Signer& signer, std::string_view request,
                                          const Subject& subject, Life life) {
    ASSERT(subject.role != Role::None);
    TRY_LET(loaded, load(signer));
    TRY_LET(asked, x509::read_request(request));
    TRY_LET(key, proven_key(asked.get()));
    const nanoseconds span = life.life < node_life_min ? node_life_default : life.life;
    const std::string role(subject.role == Role::Manager ? manager_name : worker_name);
    std::vector<std::string> hosts{role, subject.node_id};
    if (subject.role == Role::Manager) { hosts.emplace_back(ca_name); }
    TRY_LET(names, alternative_names(hosts));
    const Instant end = x509::to_instant(X509_get0_notAfter(loaded.cert.get()));
    Cert cert = begin(key, life.now - backdate, std::min(life.now + span, end));
    if (!cert) { return x509::failed("make a certificate", Errc::Internal); }
    X509_NAME* const name = X509_get_subject_name(cert.get());
    const bool named = add_name(name, "O", subject.cluster_id) && add_name(name, "OU", role) &&
                       add_name(name, "CN", subject.node_id);
    if (!named) { return x509::failed("make a certificate", Errc::Internal); }
    TRY_LET(made, finish_leaf(std::move(cert), loaded, names));
    return made + signer.intermediates;
}

Result<std::string> issue_store_certificate(const Signer& signer, std::string_view request,
                                            std::string_view common_name,
                                            const std::vector<std::string>& hosts, Instant now) {
    TRY_LET(loaded, load(signer));
    TRY_LET(asked, x509::read_request(request));
    TRY_LET(key, proven_key(asked.get()));
    TRY_LET(names, alternative_names(hosts));
    const Instant end = x509::to_instant(X509_get0_notAfter(loaded.cert.get()));
    Cert cert = begin(key, now - backdate, std::min(now + store_life, end));
    if (!cert || !add_name(X509_get_subject_name(cert.get()), "CN", common_name)) {
        return x509::failed("make a certificate", Errc::Internal);
    }
    return finish_leaf(std::move(cert), loaded, names);
}

Result<void> check_pair(std::string_view certificate, std::string_view key) {
    TRY_LET(cert, x509::read_certificate(certificate, "certificate"));
    TRY_LET(loaded, x509::read_key(key, "key"));
    if (X509_check_private_key(cert.get(), loaded.get()) != 1) {
        return x509::failed("the certificate and the key do not belong together");
    }
    return ok();
}

std::string root_digest(std::string_view roots) {
    unsigned char out[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(roots.data()), roots.size(), out);
    return {reinterpret_cast<const char*>(out), sizeof out};
}

std::string root_digest_hex(std::string_view roots) {
    const std::string digest = root_digest(roots);
    return to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()});
}

Result<pb::NodeTLSInfo> tls_info_of(std::string_view chain, std::string_view roots, Instant now) {
    TRY_LET(parsed, parse_chain(chain));
    Verification how;
    how.roots = roots;
    how.at = now;
    how.grace = std::chrono::years(100); // who signed it does not change when it runs out
    TRY_LET(verified, verify_chain(parsed, how));
    pb::NodeTLSInfo info;
    info.set_trust_root(std::string(roots));
    info.set_cert_issuer_subject(verified.issuer_subject);
    info.set_cert_issuer_public_key(verified.issuer_public_key);
    return info;
}

Result<pb::NodeTLSInfo> tls_info_of_root(std::string_view root) {
    TRY_LET(cert, x509::read_certificate(root, "root certificate"));
    pb::NodeTLSInfo info;
    info.set_trust_root(std::string(root));
    info.set_cert_issuer_subject(x509::print_der(X509_get_subject_name(cert.get())));
    info.set_cert_issuer_public_key(x509::public_key_der(cert.get()));
    return info;
}

bool same_issuer(const pb::NodeTLSInfo& a, const pb::NodeTLSInfo& b) {
    return a.cert_issuer_subject() == b.cert_issuer_subject() &&
           a.cert_issuer_public_key() == b.cert_issuer_public_key();
}

} // namespace shoal::swarm
