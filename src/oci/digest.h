// A digest names content by its hash: "sha256:<64 hex>" or "sha512:<128 hex>" (OCI image-spec,
// descriptor.md). It is only the name; hashing is in blob/hash.h.
#pragma once

#include "base/result.h"
#include "oci/ids.h"

#include <string>
#include <string_view>

namespace shoal::oci {

enum class HashKind { Sha256, Sha512 };
std::string_view name_of(HashKind kind);

class Digest {
  public:
    Digest() = default; ///< empty; only as "none"
    /// Fails: Invalid for unknown algorithms, wrong lengths and upper-case digits.
    static Result<Digest> parse(std::string_view text);
    /// `hex` must be right for `kind` (asserted).
    static Digest of_hex(HashKind kind, std::string hex);
    template <class Tag> static Digest of(const Id<Tag>& id) {
        return of_hex(HashKind::Sha256, id.text());
    }

    HashKind kind() const { return kind_; }
    const std::string& hex() const { return hex_; }
    std::string text() const; ///< "" when empty
    bool empty() const { return hex_.empty(); }
    auto operator<=>(const Digest&) const = default;

  private:
    HashKind kind_ = HashKind::Sha256;
    std::string hex_;
};

bool from_text(std::string_view text, Digest& digest);
std::string to_text(const Digest& digest);

/// The id that a sha256 digest of a config is. Fails: Invalid for other algorithms.
Result<ImageId> image_id_of(const Digest& digest);

} // namespace shoal::oci
