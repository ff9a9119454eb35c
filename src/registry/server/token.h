// Signed tokens of the registry's own token service: JSON Web Tokens with one fixed algorithm
// (EdDSA, Ed25519). It makes them and believes none but its own: algorithm, key, audience and times
// are compared, nothing of a stranger's header is followed.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "registry/protocol/challenge.h"
#include "registry/server/access.h"

#include <memory>

namespace shoal::registry {

struct TokenClaims {
    std::string subject; ///< the user's name, "" for nobody
    std::vector<std::string> groups;
    bool robot = false;
    bool directory = false; ///< a user of the directory rather than of the file
    std::string id;         ///< of a session; "" for tokens
    std::string stamp;      ///< of the password that was right; "" when that does not matter
    std::vector<Scope> scopes;
    std::string audience;
    Instant issued;
    Instant expires;
};

class TokenKey {
  public:
    /// Reads the key, or makes it (mode 0600) when there is none.
    static Result<TokenKey> load(const std::string& path);
    std::string sign(const TokenClaims& claims) const;
    /// Fails: Unauthorized, saying why in a word or two.
    Result<TokenClaims> verify(std::string_view token, std::string_view audience,
                               Instant now) const;
    const std::string& id() const { return id_; }

  private:
    struct Key;
    std::shared_ptr<Key> key_;
    std::string id_;
};

} // namespace shoal::registry
