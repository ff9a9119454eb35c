#include "volume/name.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::volume {
namespace {

bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}
bool is_inner(char c) { return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-'; }

} // namespace

Result<void> check_name(std::string_view name) {
    if (name.size() == 1) {
        return invalid(
            "volume name is too short, names should be at least two alphanumeric characters");
    }
    if (name.size() > name_bytes_max) { return invalid("volume name is longer than 255 bytes"); }
    if (!name.empty() && is_letter_or_digit(name.front()) && std::ranges::all_of(name, is_inner)) {
        return ok();
    }
    return invalid(
        go_quote(name) +
        " includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. "
        "If you intended to pass a host directory, use absolute path");
}

std::string make_anonymous_name(Random& random) { return random.hex(32); }

} // namespace shoal::volume
