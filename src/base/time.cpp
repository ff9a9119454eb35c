#include "base/time.h"

#include "base/text.h"

#include <fmt/format.h>

#include <cmath>

namespace shoal {
namespace {

using namespace std::chrono;

constexpr std::string_view zero_time = "0001-01-01T00:00:00Z";

/// "2026-11-23T10:00:00" in UTC; the fraction is the caller's.
std::string date_and_time(Instant at) {
    const auto second = floor<seconds>(at);
    const auto day = floor<days>(second);
    const year_month_day date(day);
    const hh_mm_ss time(second - day);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count(), time.seconds().count());
}

std::int64_t fraction_of(Instant at) { return (at - floor<seconds>(at)).count(); }

/// Reads exactly `width` digits at the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t width) {
    if (text.size() < width) { return std::nullopt; }
    const auto value = parse_number<unsigned>(text.substr(0, width));
    if (!value) { return std::nullopt; }
    text.remove_prefix(width);
    return static_cast<int>(*value);
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c) { return false; }
    text.remove_prefix(1);
    return true;
}

std::optional<nanoseconds> take_fraction(std::string_view& text) {
    if (!take(text, '.')) { return nanoseconds(0); }
    std::int64_t nanos = 0;
    std::size_t digits = 0;
    for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1)) {
        if (digits++ < 9) { nanos = nanos * 10 + (text.front() - '0'); }
    }
    if (digits == 0) { return std::nullopt; }
    for (; digits < 9; ++digits) { nanos *= 10; }
    return nanoseconds(nanos);
}

std::optional<minutes> take_zone(std::string_view& text) {
    if (text.empty() || take(text, 'Z') || take(text, 'z')) { return minutes(0); }
    const bool west = text.front() == '-';
    if (!take(text, '+') && !take(text, '-')) { return std::nullopt; }
    const auto hour = take_digits(text, 2);
    take(text, ':');
    const auto minute = take_digits(text, 2);
    if (!hour || !minute) { return std::nullopt; }
    const minutes offset(*hour * 60 + *minute);
    return west ? -offset : offset;
}

/// `date_only` and missing seconds are allowed when `relaxed`.
std::optional<Instant> parse_date(std::string_view text, bool relaxed) {
    const auto y = take_digits(text, 4);
    if (!y || !take(text, '-')) { return std::nullopt; }
    const auto mo = take_digits(text, 2);
    if (!mo || !take(text, '-')) { return std::nullopt; }
    const auto d = take_digits(text, 2);
    if (!d) { return std::nullopt; }
    const year_month_day date{year(*y), month(static_cast<unsigned>(*mo)),
                              day(static_cast<unsigned>(*d))};
    if (!date.ok()) { return std::nullopt; }
    std::optional<int> hour = 0;
    std::optional<int> minute = 0;
    std::optional<int> second = 0;
    std::optional<nanoseconds> fraction = nanoseconds(0);
    if (take(text, 'T') || take(text, 't')) {
        hour = take_digits(text, 2);
        if (take(text, ':')) {
            minute = take_digits(text, 2);
        } else if (!relaxed) {
            return std::nullopt;
        }
        if (take(text, ':')) {
            second = take_digits(text, 2);
            fraction = take_fraction(text);
        } else if (!relaxed) {
            return std::nullopt;
        }
    } else if (!relaxed) {
        return std::nullopt;
    }
    if (text.empty() && !relaxed) { return std::nullopt; }
    const auto zone = take_zone(text);
    if (!hour || !minute || !second || !fraction || !zone || !text.empty()) { return std::nullopt; }
    if (*hour > 23 || *minute > 59 || *second > 60) { return std::nullopt; }
    return Instant(sys_days(date)) + hours(*hour) + minutes(*minute) + seconds(*second) +
           *fraction - *zone;
}

} // namespace

std::string format_rfc3339(Instant at) {
    if (at == Instant{}) { return std::string(zero_time); }
    std::string text = date_and_time(at);
    if (const auto nanos = fraction_of(at); nanos != 0) {
        std::string digits = fmt::format(".{:09}", nanos);
        digits.erase(digits.find_last_not_of('0') + 1);
        text += digits;
    }
    return text + "Z";
}

std::string format_rfc3339_fixed(Instant at) {
    return fmt::format("{}.{:09}Z", date_and_time(at), fraction_of(at));
}

Result<Instant> parse_rfc3339(std::string_view text) {
    if (text == zero_time) { return Instant{}; }
    if (const auto at = parse_date(text, false)) { return *at; }
    return invalid("invalid time " + go_quote(text));
}

Result<Instant> parse_timestamp(std::string_view text, Instant now) {
    if (const auto at = parse_date(text, true)) { return *at; }
    std::string_view rest = text;
    const bool negative = take(rest, '-');
    const auto dot = rest.find('.');
    if (const auto whole = parse_number<std::int64_t>(rest.substr(0, dot)); whole && *whole >= 0) {
        rest.remove_prefix(dot == std::string_view::npos ? rest.size() : dot);
        const auto fraction = take_fraction(rest);
        constexpr std::int64_t seconds_max = INT64_MAX / 1'000'000'000 - 1;
        if (fraction && rest.empty() && *whole <= seconds_max) {
            const Instant at = Instant(seconds(*whole)) + *fraction;
            return negative ? Instant(-at.time_since_epoch()) : at;
        }
    }
    if (const auto span = parse_duration(text)) { return now - *span; }
    return invalid("invalid timestamp " + go_quote(text));
}

Result<nanoseconds> parse_duration(std::string_view text) {
    const auto bad = [&] { return invalid("time: invalid duration " + go_quote(text)); };
    std::string_view rest = text;
    const bool negative = take(rest, '-');
    if (!negative) { take(rest, '+'); }
    if (rest == "0") { return nanoseconds(0); }
    if (rest.empty()) { return bad(); }
    long double total = 0;
    while (!rest.empty()) {
        const auto length = std::min(rest.find_first_not_of("0123456789."), rest.size());
        const auto number = parse_double(rest.substr(0, length));
        if (!number) { return bad(); }
        rest.remove_prefix(length);
        const auto unit_length = std::min(rest.find_first_of("0123456789."), rest.size());
        const std::string_view unit = rest.substr(0, unit_length);
        rest.remove_prefix(unit_length);
        long double scale = 0;
        if (unit == "ns") { scale = 1; }
        if (unit == "us" || unit == "µs") { scale = 1e3; }
        if (unit == "ms") { scale = 1e6; }
        if (unit == "s") { scale = 1e9; }
        if (unit == "m") { scale = 60e9; }
        if (unit == "h") { scale = 3600e9; }
        if (unit.empty()) { return invalid("time: missing unit in duration " + go_quote(text)); }
        if (scale == 0) {
            return invalid("time: unknown unit " + go_quote(unit) + " in duration " +
                           go_quote(text));
        }
        total += static_cast<long double>(*number) * scale;
    }
    if (total > 9.2e18L) { return bad(); }
    const nanoseconds span(static_cast<std::int64_t>(std::llroundl(total)));
    return negative ? -span : span;
}

std::string format_duration(nanoseconds span) {
    if (span.count() == 0) { return "0s"; }
    const bool negative = span.count() < 0;
    std::uint64_t left = negative ? 0 - static_cast<std::uint64_t>(span.count())
                                  : static_cast<std::uint64_t>(span.count());
    const auto with_fraction = [](std::uint64_t value, std::uint64_t unit,
                                  std::string_view suffix) {
        std::string digits = std::to_string(value / unit);
        if (value % unit != 0) {
            const auto width = std::to_string(unit).size() - 1;
            std::string fraction = fmt::format(".{:0{}}", value % unit, width);
            fraction.erase(fraction.find_last_not_of('0') + 1);
            digits += fraction;
        }
        return digits + std::string(suffix);
    };
    std::string text;
    if (left < 1'000) {
        text = std::to_string(left) + "ns";
    } else if (left < 1'000'000) {
        text = with_fraction(left, 1'000, "µs");
    } else if (left < 1'000'000'000) {
        text = with_fraction(left, 1'000'000, "ms");
    } else {
        const std::uint64_t minutes_left = left / 60'000'000'000;
        if (minutes_left >= 60) { text += std::to_string(minutes_left / 60) + "h"; }
        if (minutes_left > 0) { text += std::to_string(minutes_left % 60) + "m"; }
        text += with_fraction(left % 60'000'000'000, 1'000'000'000, "s");
    }
    return negative ? "-" + text : text;
}

std::string human_duration(nanoseconds span) {
    const std::int64_t s = duration_cast<seconds>(span).count();
    const auto m = static_cast<std::int64_t>(static_cast<double>(s) / 60);
    const auto h = static_cast<std::int64_t>(std::llround(static_cast<double>(s) / 3600));
    if (s < 1) { return "Less than a second"; }
    if (s == 1) { return "1 second"; }
    if (s < 60) { return fmt::format("{} seconds", s); }
    if (m == 1) { return "About a minute"; }
    if (m < 60) { return fmt::format("{} minutes", m); }
    if (h == 1) { return "About an hour"; }
    if (h < 48) { return fmt::format("{} hours", h); }
    if (h < 24 * 7 * 2) { return fmt::format("{} days", h / 24); }
    if (h < 24 * 30 * 2) { return fmt::format("{} weeks", h / 24 / 7); }
    if (h < 24 * 365 * 2) { return fmt::format("{} months", h / 24 / 30); }
    return fmt::format("{} years", s / 3600 / 24 / 365);
}

std::int64_t unix_seconds(Instant at) { return floor<seconds>(at).time_since_epoch().count(); }
std::int64_t unix_nanos(Instant at) { return at.time_since_epoch().count(); }
Instant from_unix_nanos(std::int64_t nanos) { return Instant(nanoseconds(nanos)); }

} // namespace shoal
