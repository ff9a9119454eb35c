// Times and durations as text, in the forms Docker and Go use: RFC 3339 with nanoseconds, Unix
// seconds with fraction, "1h30m", "3 minutes". Pure; the present moment is always an argument.
#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <string>
#include <string_view>

namespace shoal {

/// "2026-11-23T10:00:00.123456789Z"; trailing zeros of the fraction are cut as Go does. The "never"
/// Instant is Go's zero time "0001-01-01T00:00:00Z".
std::string format_rfc3339(Instant at);
/// The same with exactly nine fraction digits, as log timestamps have.
std::string format_rfc3339_fixed(Instant at);
/// Accepts any fraction length and "Z" or "+hh:mm"; Go's zero time gives the "never" Instant.
Result<Instant> parse_rfc3339(std::string_view text);

/// `since`/`until` of the API: Unix seconds "1700000000[.nanos]", RFC 3339 in its shortened forms
/// ("2026-11-23", "2026-11-23T10:00"), or a Go duration counted back from `now`.
Result<Instant> parse_timestamp(std::string_view text, Instant now);

/// Go's time.ParseDuration: "300ms", "-1.5h", "2h45m", "0".
Result<nanoseconds> parse_duration(std::string_view text);
/// Go's Duration.String: "1h30m0s", "1.5s", "0s".
std::string format_duration(nanoseconds span);

/// docker/go-units HumanDuration: "Less than a second", "5 seconds", "About a minute", "3 hours",
/// "2 weeks".
std::string human_duration(nanoseconds span);

std::int64_t unix_seconds(Instant at);
std::int64_t unix_nanos(Instant at);
Instant from_unix_nanos(std::int64_t nanos);

} // namespace shoal
