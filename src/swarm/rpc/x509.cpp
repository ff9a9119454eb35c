#include "swarm/rpc/x509.h"

#include "base/time.h"

#include <ctime>
#include <openssl/err.h>

namespace shoal::swarm::x509 {
namespace {

constexpr std::size_t pem_bytes_max = 1 << 20;
constexpr std::size_t certificates_max = 16;

Bio reader_of(std::string_view text) {
    return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

template <class F> std::string text_of(F print) {
    const Bio bio(BIO_new(BIO_s_mem()));
    if (print(bio.get()) != 1) { return ""; }
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

template <class F> std::string der_of(F print) {
    unsigned char* bytes = nullptr;
    const int size = print(&bytes);
    const Bytes owner(bytes);
    if (size <= 0) { return ""; }
    return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size)};
}

/// An encrypted key asks nobody for a password.
int no_password(char*, int, int, void*) { return -1; }

} // namespace

Error failed(std::string what, Errc code) {
    const auto error = ERR_peek_last_error();
    ERR_clear_error();
    if (error == 0) { return Error{code, std::move(what)}; }
    const char* reason = ERR_reason_error_string(error);
    if (reason != nullptr) { what += std::string(": ") + reason; }
    return Error{code, std::move(what)};
}

Result<std::vector<Cert>> read_certificates(std::string_view pem, std::string_view what) {
    if (pem.size() > pem_bytes_max) { return invalid(std::string(what) + ": too long"); }
    ERR_clear_error();
    const Bio bio = reader_of(pem);
    std::vector<Cert> all;
    while (Cert cert{PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr)}) {
        all.push_back(std::move(cert));
        if (all.size() > certificates_max) {
            return invalid(std::string(what) + ": too many certificates");
        }
    }
    const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (all.empty() || !at_end) { return failed(std::string(what) + ": not a PEM certificate"); }
    ERR_clear_error();
    return all;
}

Result<Cert> read_certificate(std::string_view pem, std::string_view what) {
    TRY_LET(all, read_certificates(pem, what));
    return std::move(all.front());
}

Result<Cert> parse_der(std::string_view der) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    Cert cert(d2i_X509(nullptr, &bytes, static_cast<long>(der.size())));
    if (!cert) { return failed("not a certificate"); }
    return cert;
}

Result<Key> read_key(std::string_view pem, std::string_view what) {
    if (pem.size() > pem_bytes_max) { return invalid(std::string(what) + ": too long"); }
    ERR_clear_error();
    const Bio bio = reader_of(pem);
    Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
    if (!key) { return failed(std::string(what) + ": not a PEM private key"); }
    return key;
}

Result<Request> read_request(std::string_view pem) {
    constexpr std::size_t request_bytes_max = 64 * 1024;
    if (pem.size() > request_bytes_max) { return invalid("certificate request: too long"); }
    ERR_clear_error();
    const Bio bio = reader_of(pem);
    Request request(PEM_read_bio_X509_REQ(bio.get(), nullptr, no_password, nullptr));
    if (!request) { return failed("certificate request: not PEM"); }
    return request;
}

std::string print_pem(const X509* cert) {
    return text_of([&](BIO* bio) { return PEM_write_bio_X509(bio, cert); });
}
std::string print_pem(const EVP_PKEY* key) {
    return text_of([&](BIO* bio) {
        return PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
}
std::string print_pem(X509_REQ* request) {
    return text_of([&](BIO* bio) { return PEM_write_bio_X509_REQ(bio, request); });
}

std::string print_der(const X509* cert) {
    return der_of([&](unsigned char** out) { return i2d_X509(cert, out); });
}
std::string print_der(const X509_NAME* name) {
    return der_of([&](unsigned char** out) { return i2d_X509_NAME(name, out); });
}
std::string public_key_der(const X509* cert) {
    return der_of(
        [&](unsigned char** out) { return i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), out); });
}

Instant to_instant(const ASN1_TIME* at) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(at, &parts) != 1) { return {}; }
    return Instant{std::chrono::seconds(::timegm(&parts))};
}

} // namespace shoal::swarm::x509
