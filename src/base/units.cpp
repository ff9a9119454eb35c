// Sizes as text (declared in text.h).
#include "base/text.h"

#include <fmt/format.h>

#include <cmath>

namespace shoal {
namespace {

/// Up to `digits` significant digits without trailing zeros, as C's %g prints.
std::string scaled(double value, double base, std::span<const std::string_view> units, int digits) {
    std::size_t unit = 0;
    while (value >= base && unit + 1 < units.size()) {
        value /= base;
        ++unit;
    }
    return fmt::format("{:.{}g}{}", value, digits, units[unit]);
}

constexpr std::string_view decimal_units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
constexpr std::string_view binary_units[] = {"B",   "KiB", "MiB", "GiB", "TiB",
                                             "PiB", "EiB", "ZiB", "YiB"};

} // namespace

Result<std::int64_t> parse_bytes(std::string_view text) {
    const auto bad = [&] { return invalid("invalid size: '" + std::string(text) + "'"); };
    const auto digits = text.find_last_of("0123456789.");
    if (digits == std::string_view::npos) { return bad(); }
    std::string_view number = text.substr(0, digits + 1);
    std::string unit = to_lower(trim(text.substr(digits + 1)));
    while (!number.empty() && number.back() == ' ') { number.remove_suffix(1); }
    const auto value = parse_double(number);
    if (!value || *value < 0) { return bad(); }

    int power = 0;
    if (!unit.empty() && unit != "b") {
        const auto at = std::string_view("bkmgtpe").find(unit[0]);
        if (at == std::string_view::npos || at == 0) { return bad(); }
        power = static_cast<int>(at);
        const std::string rest = unit.substr(1);
        if (!rest.empty() && rest != "b" && rest != "ib") { return bad(); }
    }
    const double bytes = *value * std::pow(1024.0, power);
    if (bytes >= 9223372036854775807.0) { return bad(); }
    return static_cast<std::int64_t>(bytes);
}

std::string human_size(double bytes) { return scaled(bytes, 1000, decimal_units, 4); }

std::string human_size_binary(double bytes) { return scaled(bytes, 1024, binary_units, 4); }

} // namespace shoal
