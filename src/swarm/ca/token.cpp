#include "swarm/ca/token.h"

#include "base/text.h"
#include "swarm/ca/certificate.h"

#include <algorithm>
#include <openssl/crypto.h>

namespace shoal::swarm {
namespace {

constexpr std::string_view join_prefix = "SWMTKN-1-";
constexpr std::string_view unlock_prefix = "SWMKEY-1-";
constexpr std::size_t digest_bytes = 32;
constexpr std::size_t digest_digits = 50;
constexpr std::size_t secret_bytes = 16;
constexpr std::size_t secret_digits = 25;
constexpr std::string_view alphabet = "0123456789abcdefghijklmnopqrstuvwxyz";

std::string draw(std::size_t bytes, Random& random) {
    std::string drawn(bytes, '\0');
    random.fill({reinterpret_cast<std::uint8_t*>(drawn.data()), drawn.size()});
    return drawn;
}

Error no_token() { return invalid("invalid join token"); }

} // namespace

std::string to_base36(std::string_view bytes, std::size_t digits) {
    std::string number(bytes);
    std::string text(digits, '0');
    for (auto digit = text.rbegin(); digit != text.rend(); ++digit) {
        unsigned rest = 0;
        for (char& byte : number) {
            const unsigned value = rest << 8 | static_cast<unsigned char>(byte);
            byte = static_cast<char>(value / alphabet.size());
            rest = static_cast<unsigned>(value % alphabet.size());
        }
        *digit = alphabet[rest];
    }
    return text;
}

std::optional<std::string> from_base36(std::string_view text, std::size_t bytes) {
    std::string number(bytes, '\0');
    for (const char digit : text) {
        const auto place = alphabet.find(digit);
        if (place == std::string_view::npos) { return std::nullopt; }
        auto carry = static_cast<unsigned>(place);
        for (auto byte = number.rbegin(); byte != number.rend(); ++byte) {
            const unsigned value =
                static_cast<unsigned char>(*byte) * static_cast<unsigned>(alphabet.size()) + carry;
            *byte = static_cast<char>(value & 0xff);
            carry = value >> 8;
        }
        if (carry != 0) { return std::nullopt; }
    }
    return number;
}

std::string make_join_token(std::string_view digest, Random& random) {
    ASSERT(digest.size() == digest_bytes);
    return std::string(join_prefix) + to_base36(digest, digest_digits) + "-" +
           to_base36(draw(secret_bytes, random), secret_digits);
}

Result<JoinToken> parse_join_token(std::string_view text) {
    if (!text.starts_with(join_prefix)) { return no_token(); }
    const auto [digest, secret] = cut(text.substr(join_prefix.size()), '-');
    if (digest.size() != digest_digits || secret.size() != secret_digits) { return no_token(); }
    auto bytes = from_base36(digest, digest_bytes);
    if (!bytes || !from_base36(secret, secret_bytes)) { return no_token(); }
    return JoinToken{std::move(*bytes), secret};
}

Result<void> check_root_digest(const JoinToken& token, std::string_view roots) {
    if (same_secret(token.digest, root_digest(roots))) { return ok(); }
    return Error{Errc::Unauthorized,
                 "remote CA does not match fingerprint. Expected: " +
                     to_hex({reinterpret_cast<const std::uint8_t*>(token.digest.data()),
                             token.digest.size()})};
}

std::string make_unlock_key(Random& random) { return draw(unlock_key_bytes, random); }

std::string print_unlock_key(std::string_view key) {
    std::string text = base64(key);
    while (text.ends_with('=')) { text.pop_back(); }
    return std::string(unlock_prefix) + text;
}

Result<std::string> parse_unlock_key(std::string_view text) {
    const Error no_key = invalid("invalid key: it must look like SWMKEY-1-...");
    if (!text.starts_with(unlock_prefix)) { return no_key; }
    auto key = decode_base64(text.substr(unlock_prefix.size()));
    if (!key || key->size() != unlock_key_bytes) { return no_key; }
    return key;
}

bool same_secret(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

} // namespace shoal::swarm
