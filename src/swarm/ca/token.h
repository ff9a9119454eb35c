// Join tokens and unlock keys as text: SWMTKN-1-<digest of the root bundle>-<secret>, both in base
// 36, and SWMKEY-1-<32 bytes in base 64>. The forms are the public protocol's. Which token is
// worth what is decided in ca/authority.h.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal::swarm {

/// `digest` is root_digest(): 32 bytes.
std::string make_join_token(std::string_view digest, Random& random);

struct JoinToken {
    std::string digest; ///< 32 bytes
    std::string secret; ///< as text
};
/// Errc::Invalid for what is no join token; the token itself is not in the message.
Result<JoinToken> parse_join_token(std::string_view text);
/// Success when these are the bytes that the token was made for. What Docker says otherwise.
Result<void> check_root_digest(const JoinToken& token, std::string_view roots);

inline constexpr std::size_t unlock_key_bytes = 32;
std::string make_unlock_key(Random& random); ///< raw bytes
std::string print_unlock_key(std::string_view key);
Result<std::string> parse_unlock_key(std::string_view text);

/// Takes as long wherever the first difference is.
bool same_secret(std::string_view a, std::string_view b);

/// Bytes as one large number, most significant first, with leading zeros up to `digits`.
std::string to_base36(std::string_view bytes, std::size_t digits);
/// Nothing for other digits than 0-9a-z and for numbers of more than `bytes` bytes.
std::optional<std::string> from_base36(std::string_view text, std::size_t bytes);

} // namespace shoal::swarm
