#include "registry/server/certificates.h"

#include "base/text.h"
#include "os/file.h"
#include "os/lock_file.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <functional>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace shoal::registry {
namespace {

constexpr long day = 24 * 3600;
constexpr long ca_days = 3650;
constexpr long leaf_days = 825;
constexpr long renew_days = 60;

template <auto Free> struct Freeing {
    template <class T> void operator()(T* thing) const { Free(thing); }
};
using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freeing<X509_free>>;
using Bio = std::unique_ptr<BIO, Freeing<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freeing<X509_EXTENSION_free>>;

bool is_address(const std::string& name) {
    unsigned char bytes[16];
    return ::inet_pton(AF_INET, name.c_str(), bytes) == 1 ||
           ::inet_pton(AF_INET6, name.c_str(), bytes) == 1;
}

std::string subject_alt_names(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) {
        text += (text.empty() ? "" : ",") + std::string(is_address(name) ? "IP:" : "DNS:") + name;
    }
    return text;
}

std::string text_of(const std::function<int(BIO*)>& write) {
    const Bio bio(BIO_new(BIO_s_mem()));
    if (write(bio.get()) != 1) { return ""; }
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return std::string(bytes, static_cast<std::size_t>(size));
}
std::string text_of(const Cert& cert) {
    return text_of([&](BIO* bio) { return PEM_write_bio_X509(bio, cert.get()); });
}
std::string text_of(const Key& key) {
    return text_of([&](BIO* bio) {
        return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
}

bool add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    return extension && X509_add_ext(cert, extension.get(), -1) == 1;
}

struct CertificateRequest {
    std::string common_name;
    long days = 0;
    bool authority = false;
    std::string alt_names;
};

Result<Cert> make_certificate(const CertificateRequest& request, const Key& key, const Cert& issuer,
                              const Key& issuer_key, Instant now) {
    Cert cert(X509_new());
    X509_set_version(cert.get(), 2);
    std::uint64_t serial = 0;
    RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), serial >> 1);
    time_t at = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(now));
    X509_time_adj_ex(X509_getm_notBefore(cert.get()), -1, 0, &at); // clocks differ
    X509_time_adj_ex(X509_getm_notAfter(cert.get()), static_cast<int>(request.days), 0, &at);
    X509_set_pubkey(cert.get(), key.get());
    X509_NAME* name = X509_get_subject_name(cert.get());
    const auto add = [&](const char* field, const std::string& value) {
        X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1,
                                   0);
    };
    add("O", "Shoal");
    add("CN", request.common_name.substr(0, 64));
    X509* const above = issuer ? issuer.get() : cert.get();
    X509_set_issuer_name(cert.get(), X509_get_subject_name(above));
    bool well = add_extension(cert.get(), above, NID_subject_key_identifier, "hash");
    if (request.authority) {
        well = well && add_extension(cert.get(), above, NID_basic_constraints,
                                     "critical,CA:TRUE,pathlen:0");
        well =
            well && add_extension(cert.get(), above, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        well = well && add_extension(cert.get(), above, NID_authority_key_identifier, "keyid");
        well = well && add_extension(cert.get(), above, NID_basic_constraints, "critical,CA:FALSE");
        well = well && add_extension(cert.get(), above, NID_key_usage, "critical,digitalSignature");
        well = well && add_extension(cert.get(), above, NID_ext_key_usage, "serverAuth");
        well = well && add_extension(cert.get(), above, NID_subject_alt_name, request.alt_names);
    }
    if (!well || X509_sign(cert.get(), issuer_key.get(), EVP_sha256()) == 0) {
        return internal("make a certificate for " + request.common_name);
    }
    return cert;
}

Key make_key() { return Key(EVP_EC_gen("P-256")); }

Result<Cert> load_certificate(const std::string& path) {
    TRY_LET(text, os::read_file(path, 1 << 20));
    const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    Cert cert(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!cert) { return invalid(path + " holds no certificate"); }
    return cert;
}
Result<Key> load_key(const std::string& path) {
    TRY_LET(text, os::read_file(path, 1 << 20));
    const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
    Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
    if (!key) { return invalid(path + " holds no key"); }
    return key;
}

bool ends_soon(const Cert& cert, Instant now) {
    time_t at = std::chrono::system_clock::to_time_t(
        std::chrono::time_point_cast<std::chrono::system_clock::duration>(
            now + std::chrono::seconds(renew_days * day)));
    return X509_cmp_time(X509_get0_notAfter(cert.get()), &at) < 0;
}

bool covers_all(const Cert& cert, const std::vector<std::string>& names) {
    return std::all_of(names.begin(), names.end(), [&](const auto& name) {
        return is_address(name)
                   ? X509_check_ip_asc(cert.get(), name.c_str(), 0) == 1
                   : X509_check_host(cert.get(), name.c_str(), name.size(), 0, nullptr) == 1;
    });
}

bool fit(const Cert& cert, const Key& key) {
    return X509_check_private_key(cert.get(), key.get()) == 1;
}

/// Whether the certificate that is there does for these names, with its key, under this authority.
/// The authority's own key is not needed for that: it may be kept elsewhere.
bool is_good(const MadeCertificates& made, const std::vector<std::string>& names, Instant now) {
    const auto authority = load_certificate(made.ca_file);
    const auto cert = load_certificate(made.cert_file);
    const auto key = load_key(made.key_file);
    return authority && cert && key && fit(*cert, *key) &&
           X509_verify(cert->get(), X509_get0_pubkey(authority->get())) == 1 &&
           !ends_soon(*cert, now) && covers_all(*cert, names);
}

Result<void> save(const std::string& path, const std::string& text, mode_t mode) {
    if (text.empty()) { return internal("print " + path); }
    os::WriteFile how;
    how.mode = mode;
    how.sync = os::Sync::Yes;
    return os::write_file_atomic(path, text, how);
}

struct Authority {
    Cert cert;
    Key key;
};
/// Fails when one of the files is missing or of no use, or when they are no pair.
Result<Authority> load_authority(const std::string& cert_file, const std::string& key_file) {
    TRY_LET(cert, load_certificate(cert_file));
    TRY_LET(key, load_key(key_file));
    if (!fit(cert, key)) { return invalid(key_file + " is not the key of " + cert_file); }
    return Authority{std::move(cert), std::move(key)};
}

/// Not there at all: neither unreadable, nor a link to a place that is not mounted.
template <class T> bool is_absent(const Result<T>& loaded, const std::string& path) {
    return !loaded && loaded.error().code == Errc::NotFound && !os::exists(path);
}

/// A key without its certificate is what a crash between the two leaves: it gets one.
Result<void> make_authority(const std::string& cert_file, const std::string& key_file,
                            const std::string& name, Instant now) {
    auto key = load_key(key_file);
    if (is_absent(key, key_file)) {
        key = make_key();
        TRY(save(key_file, text_of(*key), 0600));
    }
    if (!key) { return std::move(key).error(); }
    CertificateRequest request{"Shoal registry authority of " + name, ca_days, true, ""};
    TRY_LET(ca, make_certificate(request, *key, nullptr, *key, now));
    return save(cert_file, text_of(ca), 0644);
}

Result<os::LockFile> lock_for(Moment moment, const std::string& path) {
    return moment == Moment::Start ? os::LockFile::wait_for(path) : os::LockFile::acquire(path);
}

} // namespace

bool is_certificate_name(const std::string& name) {
    const auto is_byte = [](unsigned char c) {
        return std::isalnum(c) != 0 || std::strchr("-._*", c) != nullptr;
    };
    return is_address(name) ||
           (!name.empty() && name.size() <= 253 && std::all_of(name.begin(), name.end(), is_byte));
}

Result<MadeCertificates> ensure_certificates(const std::string& directory,
                                             const std::vector<std::string>& names, Instant now,
                                             Moment moment) {
    if (names.empty()) { return invalid("a certificate needs a name"); }
    for (const auto& name : names) {
        if (!is_certificate_name(name)) { return invalid("invalid host name: " + name); }
    }
    MadeCertificates made{directory + "/ca.crt", directory + "/server.crt",
                          directory + "/server.key"};
    const std::string ca_key_file = directory + "/ca.key";
    if (is_good(made, names, now)) { return made; }
    TRY(os::ensure_directory(directory, 0700));
    // Others may begin at the same time on the same directory.
    const auto lock = lock_for(moment, directory + "/lock");
    if (!lock && moment == Moment::Running && lock.error().code == Errc::Conflict) { return made; }
    if (!lock) { return lock.error(); }
    if (is_good(made, names, now)) { return made; }
    if (moment == Moment::Start && is_absent(load_certificate(made.ca_file), made.ca_file)) {
        TRY(make_authority(made.ca_file, ca_key_file, names.front(), now));
        made.fresh = true;
    }
    TRY_LET(authority, load_authority(made.ca_file, ca_key_file));
    const Key key = make_key();
    CertificateRequest request{names.front(), leaf_days, false, subject_alt_names(names)};
    TRY_LET(leaf, make_certificate(request, key, authority.cert, authority.key, now));
    TRY(save(made.key_file, text_of(key), 0600));
    TRY(save(made.cert_file, text_of(leaf) + text_of(authority.cert), 0644));
    made.renewed = true;
    return made;
}

std::string certificate_instructions(const MadeCertificates& made,
                                     const std::vector<std::string>& places) {
    std::string text = "This registry has a certificate of its own authority, " + made.ca_file +
                       ".\nOn every machine that uses it, copy that file:\n";
    for (const auto& place : places) {
        text += "  shoal:   /etc/shoal/certs.d/" + place + "/ca.crt\n";
        text += "  docker:  /etc/docker/certs.d/" + place + "/ca.crt\n";
        text += "  podman:  /etc/containers/certs.d/" + place + "/ca.crt\n";
    }
    return text;
}

} // namespace shoal::registry
