#include "archive/hash.h"

#include "base/assert.h"
#include "base/text.h"

#include <array>
#include <openssl/evp.h>

namespace shoal::archive {

struct Sha256::State {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    State() {
        ASSERT(context != nullptr);
        ASSERT(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
    ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish() {
    std::array<std::uint8_t, 32> digest{};
    unsigned length = 0;
    ASSERT(EVP_DigestFinal_ex(state_->context, digest.data(), &length) == 1 &&
           length == digest.size());
    return "sha256:" + to_hex(digest);
}

std::string sha256_of(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes);
    return hash.finish();
}

} // namespace shoal::archive
