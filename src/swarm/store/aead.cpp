#include "swarm/store/aead.h"

#include "base/assert.h"

#include <climits>
#include <memory>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

namespace shoal::swarm {
namespace {

struct FreeCipher {
    void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using CipherPtr = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* raw(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

int length_of(std::string_view text) {
    ASSERT(text.size() <= INT_MAX);
    return static_cast<int>(text.size());
}

Error does_not_open() { return invalid("sealed bytes do not open: another key, or damaged"); }

} // namespace

SecretKey::~SecretKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

SecretKey SecretKey::make(Random& random) {
    SecretKey key;
    random.fill(key.bytes_);
    return key;
}

SecretKey SecretKey::of(std::string_view bytes) {
    ASSERT(bytes.size() == size);
    SecretKey key;
    std::copy(bytes.begin(), bytes.end(), key.bytes_.begin());
    return key;
}

std::string aead_seal(const SecretKey& key, std::string_view nonce, std::string_view associated,
                      std::string_view plain) {
    ASSERT(nonce.size() == aead_nonce_bytes);
    const CipherPtr context(EVP_CIPHER_CTX_new());
    std::string out(plain.size() + aead_tag_bytes, '\0');
    int written = 0;
    int rest = 0;
    int unused = 0;
    auto* c = context.get();
    ASSERT(c != nullptr);
    ASSERT(EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), nullptr, key.data(), raw(nonce)) == 1);
    ASSERT(EVP_EncryptUpdate(c, nullptr, &unused, raw(associated), length_of(associated)) == 1);
    ASSERT(EVP_EncryptUpdate(c, raw(out), &written, raw(plain), length_of(plain)) == 1);
    ASSERT(EVP_EncryptFinal_ex(c, raw(out) + written, &rest) == 1);
    ASSERT(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, aead_tag_bytes, raw(out) + plain.size()) ==
           1);
    return out;
}

Result<std::string> aead_open(const SecretKey& key, std::string_view nonce,
                              std::string_view associated, std::string_view sealed) {
    if (nonce.size() != aead_nonce_bytes || sealed.size() < aead_tag_bytes) {
        return does_not_open();
    }
    const CipherPtr context(EVP_CIPHER_CTX_new());
    const auto body = sealed.substr(0, sealed.size() - aead_tag_bytes);
    std::string tag(sealed.substr(body.size()));
    std::string out(body.size(), '\0');
    int written = 0;
    int rest = 0;
    int unused = 0;
    auto* c = context.get();
    ASSERT(c != nullptr);
    ASSERT(EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), nullptr, key.data(), raw(nonce)) == 1);
    ASSERT(EVP_DecryptUpdate(c, nullptr, &unused, raw(associated), length_of(associated)) == 1);
    ASSERT(EVP_DecryptUpdate(c, raw(out), &written, raw(body), length_of(body)) == 1);
    ASSERT(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, aead_tag_bytes, tag.data()) == 1);
    if (EVP_DecryptFinal_ex(c, raw(out) + written, &rest) != 1) {
        wipe(out);
        return does_not_open();
    }
    return out;
}

std::string hmac_sha256(const SecretKey& key, std::string_view text) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    unsigned length = 0;
    ASSERT(HMAC(EVP_sha256(), key.data(), SecretKey::size, raw(text), text.size(), raw(out),
                &length) != nullptr);
    return out;
}

std::string sha256(std::string_view text) {
    std::string out(SHA256_DIGEST_LENGTH, '\0');
    SHA256(raw(text), text.size(), raw(out));
    return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe(std::string& secret) {
    OPENSSL_cleanse(secret.data(), secret.size());
    secret.clear();
}

Result<KeyPair> scrypt(std::string_view passphrase, std::string_view salt, ScryptCost cost) {
    std::string both(2 * SecretKey::size, '\0');
    const std::uint64_t slack = 1 << 20;
    const int done = EVP_PBE_scrypt(passphrase.data(), passphrase.size(), raw(salt), salt.size(),
                                    std::uint64_t{1} << cost.log2_n, cost.r, cost.p,
                                    cost.memory_bytes() + slack, raw(both), both.size());
    if (done != 1) { return internal("scrypt: cannot derive a key with these parameters"); }
    KeyPair pair{SecretKey::of(std::string_view(both).substr(0, SecretKey::size)),
                 SecretKey::of(std::string_view(both).substr(SecretKey::size))};
    wipe(both);
    return pair;
}

} // namespace shoal::swarm
