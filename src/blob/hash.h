// Hashing of content, piece by piece, by OpenSSL. It gives the digests that oci/digest.h names.
#pragma once

#include "oci/digest.h"

#include <memory>
#include <span>
#include <string_view>

namespace shoal::blob {

class Hasher {
  public:
    explicit Hasher(oci::HashKind kind = oci::HashKind::Sha256);
    Hasher(Hasher&&) noexcept;
    Hasher& operator=(Hasher&&) noexcept;
    ~Hasher();
    void update(std::string_view bytes);
    /// The digest of everything so far; the hasher is used up.
    oci::Digest finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
    oci::HashKind kind_;
};

oci::Digest hash(std::string_view bytes, oci::HashKind kind = oci::HashKind::Sha256);

/// The chain id of each layer (OCI image-spec, config.md, "Layer ChainID"), lowest first. It is
/// always sha256.
std::vector<oci::ChainId> chain_ids(const std::vector<oci::Digest>& diff_ids);

} // namespace shoal::blob
