// An image reference: what people write for an image, "nginx", "host:5000/a/b:tag",
// "name@sha256:...". It is kept whole (domain "docker.io", path "library/nginx") and shown short
// ("nginx"), as Docker does. Ids and short ids are not references; the image table tells them
// apart.
#pragma once

#include "base/result.h"
#include "oci/digest.h"

#include <string>
#include <string_view>

namespace shoal::oci {

inline constexpr std::size_t reference_name_max = 255; ///< domain and path together
inline constexpr std::size_t reference_tag_max = 128;

class Reference {
  public:
    Reference() = default; ///< empty; only as "none"
    /// Reads the short or the full form. A name of 64 hexadecimal digits is refused: it could be an
    /// id. Fails: Invalid "invalid reference format" and its kin, as Docker words them.
    static Result<Reference> parse(std::string_view text);

    const std::string& domain() const { return domain_; }
    const std::string& path() const { return path_; }
    const std::string& tag() const { return tag_; }  ///< "" when there is none
    const Digest& digest() const { return digest_; } ///< empty when there is none
    bool has_tag() const { return !tag_.empty(); }
    bool has_digest() const { return !digest_.empty(); }
    bool empty() const { return path_.empty(); }

    std::string name() const;          ///< "docker.io/library/nginx"
    std::string familiar_name() const; ///< "nginx"
    std::string text() const;          ///< full name with tag and digest
    std::string familiar() const;      ///< short name with tag and digest

    /// The same with tag "latest" when there is neither tag nor digest.
    Reference with_default_tag() const;
    Reference without_tag_and_digest() const;
    /// `tag` replaces tag and digest. Fails: Invalid.
    Result<Reference> with_tag(std::string_view tag) const;
    Reference with_digest(Digest digest) const; ///< replaces tag and digest

    auto operator<=>(const Reference&) const = default;

  private:
    std::string domain_;
    std::string path_;
    std::string tag_;
    Digest digest_;
};

bool is_tag(std::string_view text);

/// Does the pattern of the `reference` filter match: Go's path.Match against the short name, or
/// against the short name with tag. Fails: Invalid for a malformed pattern.
Result<bool> matches_pattern(const Reference& reference, std::string_view pattern);

} // namespace shoal::oci
