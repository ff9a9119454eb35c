// What the lists of images, volumes, networks and disk usage have in common: which template is
// meant, the order of names people expect (vol2 before vol10), and moments that came as Unix
// seconds.
#pragma once

#include "cli/app.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace shoal::cli {

/// The templates of one kind of list. `quiet` ones are for -q; raw ones for "--format raw".
struct Formats {
    std::string_view config_member = ""; ///< "imagesFormat" of config.json; not asked for -q
    std::string_view table;
    std::string_view quiet = "";
    std::string_view raw = "raw";
    std::string_view quiet_raw = "raw";
};
std::string choose_format(App& app, const Parsed& parsed, const Formats& formats);

/// Runs of digits compare as numbers, everything else byte by byte.
bool natural_less(std::string_view a, std::string_view b);

/// False unless `object[member]` is true; whatever the daemon or a file says, it does not throw.
bool flag_of(const Json& object, std::string_view member);

/// Seconds of Go's zero time, which daemons send for "unknown".
inline constexpr std::int64_t zero_time_seconds = -62'135'596'800;
Instant instant_of(std::int64_t seconds); ///< "never" for what does not fit
/// "2026-11-24 00:31:31 +0000 UTC".
std::string date_text_of(std::int64_t seconds);
/// "2026-11-24T00:31:31Z".
std::string rfc3339_of(std::int64_t seconds);

} // namespace shoal::cli
