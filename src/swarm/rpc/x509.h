// What the files of rpc/ and ca/ share of OpenSSL's certificates: owners, reading and printing of
// PEM and DER. Only .cpp files include this; everybody else handles text (rpc/identity.h).
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <memory>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::swarm::x509 {

template <auto Free> struct Freeing {
    template <class T> void operator()(T* thing) const { Free(thing); }
};
inline void free_chain(STACK_OF(X509) * chain) { sk_X509_pop_free(chain, X509_free); }
inline void free_bytes(unsigned char* bytes) { OPENSSL_free(bytes); }

using Key = std::unique_ptr<EVP_PKEY, Freeing<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freeing<X509_free>>;
using Request = std::unique_ptr<X509_REQ, Freeing<X509_REQ_free>>;
using Bio = std::unique_ptr<BIO, Freeing<BIO_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freeing<X509_EXTENSION_free>>;
using Bytes = std::unique_ptr<unsigned char, Freeing<free_bytes>>;

/// Every certificate in the text, in order; at least one. `what` names the text in errors.
Result<std::vector<Cert>> read_certificates(std::string_view pem, std::string_view what);
Result<Cert> read_certificate(std::string_view pem, std::string_view what); ///< the first
Result<Cert> parse_der(std::string_view der);
Result<Key> read_key(std::string_view pem, std::string_view what); ///< not encrypted
Result<Request> read_request(std::string_view pem);

std::string print_pem(const X509* cert);
std::string print_pem(const EVP_PKEY* key); ///< PKCS#8
std::string print_pem(X509_REQ* request);
std::string print_der(const X509* cert);
std::string print_der(const X509_NAME* name);
/// SubjectPublicKeyInfo.
std::string public_key_der(const X509* cert);

Instant to_instant(const ASN1_TIME* at);
/// The error with OpenSSL's own words behind it; forgets what OpenSSL has noted.
Error failed(std::string what, Errc code = Errc::Invalid);

} // namespace shoal::swarm::x509
