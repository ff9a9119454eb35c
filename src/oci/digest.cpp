#include "oci/digest.h"

#include "base/assert.h"
#include "base/text.h"

#include <algorithm>

namespace shoal::oci {
namespace {

std::size_t hex_length(HashKind kind) { return kind == HashKind::Sha256 ? 64 : 128; }

bool is_lower_hex(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

} // namespace

std::string_view name_of(HashKind kind) { return kind == HashKind::Sha256 ? "sha256" : "sha512"; }

Result<Digest> Digest::parse(std::string_view text) {
    const auto [algorithm, hex] = cut(text, ':');
    HashKind kind = HashKind::Sha256;
    if (algorithm == "sha512") {
        kind = HashKind::Sha512;
    } else if (algorithm != "sha256") {
        if (text.find(':') == std::string_view::npos) {
            return invalid("invalid checksum digest format");
        }
        return invalid("unsupported digest algorithm");
    }
    if (hex.size() != hex_length(kind)) { return invalid("invalid checksum digest length"); }
    if (!is_lower_hex(hex)) { return invalid("invalid checksum digest format"); }
    return of_hex(kind, hex);
}

Digest Digest::of_hex(HashKind kind, std::string hex) {
    ASSERT(hex.size() == hex_length(kind) && is_lower_hex(hex));
    Digest digest;
    digest.kind_ = kind;
    digest.hex_ = std::move(hex);
    return digest;
}

std::string Digest::text() const {
    if (hex_.empty()) { return {}; }
    return std::string(name_of(kind_)) + ":" + hex_;
}

bool from_text(std::string_view text, Digest& digest) {
    auto parsed = Digest::parse(text);
    if (parsed) { digest = std::move(*parsed); }
    return parsed.has_value();
}

std::string to_text(const Digest& digest) { return digest.text(); }

Result<ImageId> image_id_of(const Digest& digest) {
    if (digest.kind() != HashKind::Sha256 || digest.empty()) {
        return invalid("image id " + digest.text() + ": expected a sha256 digest");
    }
    return ImageId::parse(digest.hex());
}

} // namespace shoal::oci
