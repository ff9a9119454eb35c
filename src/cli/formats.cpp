#include "cli/formats.h"

#include "base/text.h"
#include "base/time.h"
#include "cli/support.h"

namespace shoal::cli {
namespace {

constexpr std::int64_t seconds_max = INT64_MAX / 1'000'000'000;
constexpr std::string_view epoch = "1970-01-01"; // as an Instant it would be "never"

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes a run of digits off the front of `text`, without the zeros that lead it.
std::string_view take_digits(std::string_view& text) {
    std::size_t end = 0;
    while (end < text.size() && is_digit(text[end])) { ++end; }
    std::string_view digits = text.substr(0, end);
    text.remove_prefix(end);
    while (digits.size() > 1 && digits[0] == '0') { digits.remove_prefix(1); }
    return digits;
}

} // namespace

std::string choose_format(App& app, const Parsed& parsed, const Formats& formats) {
    const bool quiet = parsed.on("quiet");
    const std::string format = app.format_of(parsed, quiet ? "" : formats.config_member, "table");
    if (format == "table") { return std::string(quiet ? formats.quiet : formats.table); }
    if (format == "raw") { return std::string(quiet ? formats.quiet_raw : formats.raw); }
    return format;
}

bool natural_less(std::string_view a, std::string_view b) {
    const std::string_view whole_a = a, whole_b = b;
    while (!a.empty() && !b.empty()) {
        if (is_digit(a[0]) && is_digit(b[0])) {
            const auto x = take_digits(a);
            const auto y = take_digits(b);
            if (x.size() != y.size()) { return x.size() < y.size(); }
            if (x != y) { return x < y; }
            continue;
        }
        if (a[0] != b[0]) {
            return static_cast<unsigned char>(a[0]) < static_cast<unsigned char>(b[0]);
        }
        a.remove_prefix(1);
        b.remove_prefix(1);
    }
    if (a.empty() != b.empty()) { return a.empty(); }
    return whole_a < whole_b;
}

bool flag_of(const Json& object, std::string_view member) {
    if (!object.is_object()) { return false; }
    const auto at = object.find(std::string(member));
    return at != object.end() && at->is_boolean() && at->get<bool>();
}

Instant instant_of(std::int64_t seconds) {
    if (seconds > seconds_max || seconds < -seconds_max) { return Instant{}; }
    return from_unix_nanos(seconds * 1'000'000'000);
}

std::string date_text_of(std::int64_t seconds) {
    if (seconds == 0) { return std::string(epoch) + " 00:00:00 +0000 UTC"; }
    return date_text(instant_of(seconds));
}

std::string rfc3339_of(std::int64_t seconds) {
    if (seconds == 0) { return std::string(epoch) + "T00:00:00Z"; }
    return format_rfc3339(instant_of(seconds));
}

} // namespace shoal::cli
