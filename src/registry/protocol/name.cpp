#include "registry/protocol/name.h"

namespace shoal::registry {
namespace {

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/// The length of a separator at the front: '.', '_', "__" or any number of '-'; 0 for none.
std::size_t separator(std::string_view text) {
    if (text.empty()) { return 0; }
    if (text.starts_with("__")) { return 2; }
    if (text.front() == '.' || text.front() == '_') { return 1; }
    std::size_t n = 0;
    while (n < text.size() && text[n] == '-') { ++n; }
    return n;
}

bool is_component(std::string_view text) {
    while (true) {
        std::size_t n = 0;
        while (n < text.size() && is_alphanumeric(text[n])) { ++n; }
        if (n == 0) { return false; }
        text.remove_prefix(n);
        if (text.empty()) { return true; }
        const std::size_t gap = separator(text);
        if (gap == 0) { return false; }
        text.remove_prefix(gap);
    }
}

} // namespace

bool is_repository_name(std::string_view text) {
    if (text.empty() || text.size() > repository_name_max) { return false; }
    while (true) {
        const std::size_t slash = text.find('/');
        if (!is_component(text.substr(0, slash))) { return false; }
        if (slash == std::string_view::npos) { return true; }
        text.remove_prefix(slash + 1);
    }
}

} // namespace shoal::registry
