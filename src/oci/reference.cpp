#include "oci/reference.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::oci {
namespace {

constexpr std::string_view default_domain = "docker.io";
constexpr std::string_view official_prefix = "library/";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_lower(c) || is_upper(c) || is_digit(c); }
bool is_word(char c) { return is_alnum(c) || c == '_'; }

bool is_domain_part(std::string_view part) {
    if (part.empty() || part.front() == '-' || part.back() == '-') { return false; }
    return std::all_of(part.begin(), part.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_host(std::string_view host) {
    if (host.starts_with('[')) {
        if (host.size() < 3 || !host.ends_with(']')) { return false; }
        host = host.substr(1, host.size() - 2);
        return std::all_of(host.begin(), host.end(), [](char c) {
            return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':';
        });
    }
    const auto parts = split(host, '.');
    return !parts.empty() && std::all_of(parts.begin(), parts.end(), is_domain_part);
}

bool is_domain(std::string_view domain) {
    const auto bracket = domain.rfind(']');
    const auto colon = domain.rfind(':');
    if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket)) {
        return is_host(domain);
    }
    const auto port = domain.substr(colon + 1);
    return is_host(domain.substr(0, colon)) && !port.empty() &&
           std::all_of(port.begin(), port.end(), is_digit);
}

/// Length of the separator at the start of `text`: one dot, one or two underscores, any number of
/// dashes.
std::size_t separator_length(std::string_view text) {
    if (text.starts_with('.')) { return 1; }
    if (text.starts_with("__")) { return 2; }
    if (text.starts_with('_')) { return 1; }
    return std::min(text.find_first_not_of('-'), text.size());
}

bool is_path_part(std::string_view part) {
    while (true) {
        const auto word_end = std::find_if_not(part.begin(), part.end(),
                                               [](char c) { return is_lower(c) || is_digit(c); });
        const auto word = static_cast<std::size_t>(word_end - part.begin());
        if (word == 0) { return false; }
        part.remove_prefix(word);
        if (part.empty()) { return true; }
        const std::size_t separator = separator_length(part);
        if (separator == 0) { return false; }
        part.remove_prefix(separator);
    }
}

bool is_path(std::string_view path) {
    const auto parts = split(path, '/');
    return !parts.empty() && std::all_of(parts.begin(), parts.end(), is_path_part);
}

Error bad_format() { return invalid("invalid reference format"); }

struct Halves {
    std::string domain;
    std::string rest;
};

/// What stands before the first slash is a domain only when it cannot be a path: with a dot, a
/// colon, an upper-case letter, or "localhost".
Halves split_domain(std::string_view text) {
    const auto slash = text.find('/');
    const auto head = text.substr(0, slash);
    const bool has_domain =
        slash != std::string_view::npos &&
        (head.find_first_of(".:") != std::string_view::npos || head == "localhost" ||
         std::any_of(head.begin(), head.end(), is_upper));
    Halves halves{std::string(default_domain), std::string(text)};
    if (has_domain) { halves = {std::string(head), std::string(text.substr(slash + 1))}; }
    if (halves.domain == "index.docker.io") { halves.domain = default_domain; }
    if (halves.domain == default_domain && halves.rest.find('/') == std::string::npos) {
        halves.rest.insert(0, official_prefix);
    }
    return halves;
}

} // namespace

bool is_tag(std::string_view text) {
    if (text.empty() || text.size() > reference_tag_max || !is_word(text.front())) { return false; }
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

Result<Reference> Reference::parse(std::string_view text) {
    if (text.empty()) { return bad_format(); }
    if (text.size() > 2048) { return bad_format(); }
    if (text.size() == 64 && is_hex(text) && to_lower(text) == text) {
        return invalid("invalid repository name (" + std::string(text) +
                       "), cannot specify 64-byte hexadecimal strings");
    }
    Halves halves = split_domain(text);
    Reference reference;
    std::string_view rest = halves.rest;
    if (const auto at = rest.find('@'); at != std::string_view::npos) {
        auto digest = Digest::parse(rest.substr(at + 1));
        if (!digest) {
            // Docker tells a digest of wrong length or algorithm from something that is no digest
            // at all.
            const bool shaped = digest.error().message.find("format") == std::string::npos;
            return shaped ? std::move(digest).error() : bad_format();
        }
        reference.digest_ = std::move(*digest);
        rest = rest.substr(0, at);
    }
    const auto slash = rest.rfind('/');
    if (const auto colon = rest.rfind(':');
        colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
        if (!is_tag(rest.substr(colon + 1))) { return bad_format(); }
        reference.tag_ = rest.substr(colon + 1);
        rest = rest.substr(0, colon);
    }
    if (std::any_of(rest.begin(), rest.end(), is_upper) && is_path(to_lower(rest))) {
        const std::string_view shown =
            halves.domain == default_domain && rest.starts_with(official_prefix)
                ? rest.substr(official_prefix.size())
                : rest;
        return invalid("invalid reference format: repository name (" + std::string(shown) +
                       ") must be lowercase");
    }
    if (!is_domain(halves.domain) || !is_path(rest)) { return bad_format(); }
    reference.domain_ = std::move(halves.domain);
    reference.path_ = rest;
    if (reference.name().size() > reference_name_max) {
        return invalid(
            "invalid reference format: repository name must not be more than 255 characters");
    }
    return reference;
}

std::string Reference::name() const { return domain_ + "/" + path_; }

std::string Reference::familiar_name() const {
    if (domain_ != default_domain) { return name(); }
    const bool official = path_.starts_with(official_prefix) &&
                          path_.find('/', official_prefix.size()) == std::string::npos;
    return official ? path_.substr(official_prefix.size()) : path_;
}

namespace {
std::string with_suffix(std::string name, const Reference& reference) {
    if (reference.has_tag()) { name += ":" + reference.tag(); }
    if (reference.has_digest()) { name += "@" + reference.digest().text(); }
    return name;
}
} // namespace

std::string Reference::text() const { return with_suffix(name(), *this); }
std::string Reference::familiar() const { return with_suffix(familiar_name(), *this); }

Reference Reference::with_default_tag() const {
    Reference copy = *this;
    if (!has_tag() && !has_digest()) { copy.tag_ = "latest"; }
    return copy;
}

Reference Reference::without_tag_and_digest() const {
    Reference copy = *this;
    copy.tag_.clear();
    copy.digest_ = {};
    return copy;
}

Result<Reference> Reference::with_tag(std::string_view tag) const {
    if (!is_tag(tag)) { return invalid("invalid tag format"); }
    Reference copy = without_tag_and_digest();
    copy.tag_ = tag;
    return copy;
}

Reference Reference::with_digest(Digest digest) const {
    Reference copy = without_tag_and_digest();
    copy.digest_ = std::move(digest);
    return copy;
}

} // namespace shoal::oci
