// The few primitives that sealing and back-ups are made of, from OpenSSL: AES-256-GCM, HMAC-SHA256,
// SHA-256, scrypt, and keys that are wiped when they are gone. It decides nothing about formats.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace shoal::swarm {

/// 256 bits that nobody else should know; wiped at the end.
class SecretKey {
  public:
    static constexpr std::size_t size = 32;
    SecretKey() = default;
    SecretKey(const SecretKey&) = default;
    SecretKey& operator=(const SecretKey&) = default;
    ~SecretKey();
    static SecretKey make(Random& random);
    /// `bytes` must be `size` long.
    static SecretKey of(std::string_view bytes);
    std::string_view view() const {
        return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
    }
    const std::uint8_t* data() const { return bytes_.data(); }
    bool operator==(const SecretKey&) const = default;

  private:
    std::array<std::uint8_t, size> bytes_{};
};

inline constexpr std::size_t aead_nonce_bytes = 12;
inline constexpr std::size_t aead_tag_bytes = 16;

/// The bytes with the tag behind them. A nonce must never be used twice with one key. `associated`
/// is not in the result, and opening needs the same.
std::string aead_seal(const SecretKey& key, std::string_view nonce, std::string_view associated,
                      std::string_view plain);
/// Invalid: another key, or changed bytes.
Result<std::string> aead_open(const SecretKey& key, std::string_view nonce,
                              std::string_view associated, std::string_view sealed);

std::string hmac_sha256(const SecretKey& key, std::string_view text); ///< 32 bytes
std::string sha256(std::string_view text);                            ///< 32 bytes
bool equal_in_constant_time(std::string_view a, std::string_view b);
/// Overwrites a secret that is in an ordinary string, and empties it.
void wipe(std::string& secret);

struct ScryptCost {
    std::uint8_t log2_n = 16; ///< memory: 128 * r * 2^log2_n bytes
    std::uint8_t r = 8;
    std::uint8_t p = 1;
    std::uint64_t memory_bytes() const { return (std::uint64_t{128} * r) << log2_n; }
};
/// Two keys from a passphrase. Slow by intent (0.1 s and more): not on the loop.
struct KeyPair {
    SecretKey first;
    SecretKey second;
};
Result<KeyPair> scrypt(std::string_view passphrase, std::string_view salt, ScryptCost cost);

} // namespace shoal::swarm
