#include "blob/hash.h"

#include "base/assert.h"
#include "base/text.h"

#include <openssl/evp.h>

#include <array>

namespace shoal::blob {

struct Hasher::State {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(oci::HashKind kind) : state_(std::make_unique<State>()), kind_(kind) {
    const EVP_MD* algorithm = kind == oci::HashKind::Sha256 ? EVP_sha256() : EVP_sha512();
    ASSERT(state_->context != nullptr &&
           EVP_DigestInit_ex(state_->context, algorithm, nullptr) == 1);
}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::string_view bytes) {
    ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

oci::Digest Hasher::finish() {
    std::array<std::uint8_t, EVP_MAX_MD_SIZE> raw{};
    unsigned length = 0;
    ASSERT(EVP_DigestFinal_ex(state_->context, raw.data(), &length) == 1);
    return oci::Digest::of_hex(kind_, to_hex(std::span(raw).first(length)));
}

oci::Digest hash(std::string_view bytes, oci::HashKind kind) {
    Hasher hasher(kind);
    hasher.update(bytes);
    return hasher.finish();
}

std::vector<oci::ChainId> chain_ids(const std::vector<oci::Digest>& diff_ids) {
    std::vector<oci::ChainId> chain;
    std::string last;
    for (const auto& diff_id : diff_ids) {
        last = last.empty() ? diff_id.text() : hash(last + " " + diff_id.text()).text();
        const oci::Digest link = *oci::Digest::parse(last);
        // A lowest layer that is named by sha512 has a chain id of its own algorithm; the directory
        // name is its sha256.
        const std::string name =
            link.kind() == oci::HashKind::Sha256 ? link.hex() : hash(last).hex();
        chain.push_back(*oci::ChainId::parse(name));
    }
    return chain;
}

} // namespace shoal::blob
