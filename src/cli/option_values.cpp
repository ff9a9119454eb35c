#include "cli/option_values.h"

#include "base/text.h"
#include "cli/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace shoal::cli {
namespace {

Result<std::pair<std::string, std::string>> path_and_value(std::string_view text) {
    const auto [path, value] = cut(text, ':');
    if (text.find(':') == std::string_view::npos || value.find(':') != std::string::npos) {
        return invalid(fmt::format("bad format: {}", text));
    }
    if (!path.starts_with("/dev/")) {
        return invalid(fmt::format("bad format for device path: {}", text));
    }
    return std::pair{path, value};
}

bool is_number_or_star(std::string_view text) {
    return text == "*" || parse_number<std::uint32_t>(text).has_value();
}

} // namespace

Result<Json> parse_weight_device(std::string_view text) {
    TRY_LET(parts, path_and_value(text));
    const auto weight = parse_number<std::uint16_t>(parts.second);
    if (!weight) { return invalid(fmt::format("invalid weight for device: {}", text)); }
    if (*weight > 0 && (*weight < 10 || *weight > 1000)) {
        return invalid(fmt::format("invalid weight for device: {}", text));
    }
    return Json{{"Path", parts.first}, {"Weight", *weight}};
}

Result<Json> parse_throttle_bytes(std::string_view text) {
    TRY_LET(parts, path_and_value(text));
    const auto rate = parse_bytes(parts.second);
    if (!rate || *rate < 0) {
        return invalid(fmt::format(
            "invalid rate for device: {}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive "
            "integer. Unit is optional and can be kb, mb, or gb",
            text));
    }
    return Json{{"Path", parts.first}, {"Rate", *rate}};
}

Result<Json> parse_throttle_count(std::string_view text) {
    TRY_LET(parts, path_and_value(text));
    const auto rate = parse_number<std::uint64_t>(parts.second);
    if (!rate) {
        return invalid(fmt::format(
            "invalid rate for device: {}. The correct format is <device-path>:<number>. Number must be a positive integer",
            text));
    }
    return Json{{"Path", parts.first}, {"Rate", *rate}};
}

Result<Json> parse_device_rule(std::string_view text) {
    const auto bad = [&] {
        return invalid(fmt::format("invalid device cgroup format '{}'", text));
    };
    const auto words = split(text, ' ');
    if (words.size() != 3 || words[0].size() != 1 ||
        std::string_view("abc").find(words[0][0]) == std::string_view::npos) {
        return bad();
    }
    const auto [major, minor] = cut(words[1], ':');
    if (!is_number_or_star(major) || !is_number_or_star(minor)) { return bad(); }
    if (words[2].empty() || words[2].size() > 3 ||
        words[2].find_first_not_of("rwm") != std::string::npos) {
        return bad();
    }
    return Json(std::string(text));
}

Result<Json> parse_ulimit(std::string_view text) {
    constexpr std::string_view names[] = {"core",    "cpu",      "data",   "fsize",      "locks",
                                          "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                          "rss",     "rtprio",   "rttime", "sigpending", "stack"};
    const auto [name, value] = cut(text, '=');
    if (text.find('=') == std::string_view::npos) {
        return invalid(fmt::format("invalid ulimit argument: {}", text));
    }
    if (std::find(std::begin(names), std::end(names), name) == std::end(names)) {
        return invalid("invalid ulimit type: " + name);
    }
    const auto numbers = split(value, ':');
    if (numbers.size() > 2) {
        return invalid(fmt::format(
            "too many limit value arguments - {}, can only have up to two, `soft[:hard]`", value));
    }
    std::int64_t limits[2] = {};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto number = parse_number<std::int64_t>(numbers[i]);
        if (!number) {
            return invalid(
                fmt::format("strconv.ParseInt: parsing {}: invalid syntax", go_quote(numbers[i])));
        }
        limits[i] = *number;
    }
    if (numbers.size() == 1) { limits[1] = limits[0]; }
    if (limits[1] != -1 && (limits[0] > limits[1] || limits[0] == -1)) {
        return invalid(
            fmt::format("ulimit soft limit must be less than or equal to hard limit: {} > {}",
                        limits[0], limits[1]));
    }
    return Json{{"Name", name}, {"Soft", limits[0]}, {"Hard", limits[1]}};
}

std::vector<std::string> effective_capabilities(const std::vector<std::string>& given) {
    std::set<std::string> all;
    for (const auto& name : given) {
        std::string word = to_upper(trim(name));
        const bool special = word == "ALL" || word == "RESET";
        all.insert(special || word.starts_with("CAP_") ? word : "CAP_" + word);
    }
    return {all.begin(), all.end()};
}

Result<std::int64_t> parse_cpus(std::string_view text) {
    const auto [above, below] = cut(text, '/');
    const auto numerator = parse_double(above);
    const auto denominator = below.empty() ? std::optional<double>(1) : parse_double(below);
    if (!numerator || !denominator || *denominator == 0) {
        return invalid(fmt::format("failed to parse {} as a rational number", text));
    }
    const double nanos = *numerator / *denominator * 1e9;
    const double whole = std::round(nanos);
    if (std::abs(nanos - whole) > 0.01) { return invalid("value is too precise"); }
    if (std::abs(whole) > 9e18) {
        return invalid(fmt::format("failed to parse {} as a rational number", text));
    }
    return static_cast<std::int64_t>(whole);
}

Result<Json> parse_gpus(std::string_view text) {
    TRY_LET(fields, parse_csv(text));
    Json request{{"Driver", ""},
                 {"Count", 0},
                 {"DeviceIDs", nullptr},
                 {"Capabilities", Json::array()},
                 {"Options", Json::object()}};
    std::vector<std::string> capabilities = {"gpu"};
    std::vector<std::string> seen;
    const auto set_count = [&](const std::string& value) -> Result<void> {
        const auto number = parse_number<int>(value);
        if (value != "all" && !number) {
            return invalid(fmt::format(
                "invalid count ({}): value must be either \"all\" or an integer: invalid syntax",
                value));
        }
        request["Count"] = value == "all" ? -1 : *number;
        return ok();
    };
    for (const auto& field : fields) {
        const auto [key, value] = cut(field, '=');
        const bool has_value = field.find('=') != std::string::npos;
        const std::string name = has_value ? key : "count";
        if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
            return invalid(fmt::format("gpu request key '{}' can be specified only once", name));
        }
        seen.push_back(name);
        if (name == "count") {
            TRY(set_count(has_value ? value : field));
        } else if (name == "driver") {
            request["Driver"] = value;
        } else if (name == "device") {
            request["DeviceIDs"] = split(value, ',');
        } else if (name == "capabilities") {
            capabilities = split(value, ',');
            if (std::find(capabilities.begin(), capabilities.end(), "gpu") == capabilities.end()) {
                capabilities.push_back("gpu");
            }
        } else if (name == "options") {
            for (const auto& option : split(value, ',')) {
                const auto [option_name, setting] = cut(option, '=');
                request["Options"][option_name] = setting;
            }
        } else {
            return invalid(fmt::format("unexpected key '{}' in '{}'", key, field));
        }
    }
    const bool counted = std::find(seen.begin(), seen.end(), "count") != seen.end();
    if (!counted && request["DeviceIDs"].is_null()) { request["Count"] = 1; }
    request["Capabilities"].push_back(capabilities);
    return request;
}

bool is_cdi_device(std::string_view text) {
    const auto slash = text.find('/');
    const auto equals = text.find('=');
    return !text.starts_with('/') && slash != std::string_view::npos && slash > 0 &&
           equals != std::string_view::npos && equals > slash + 1 && equals + 1 < text.size();
}

Result<Json> parse_device(std::string_view text) {
    const auto parts = split(text, ':');
    const auto is_mode = [](const std::string& mode) {
        return !mode.empty() && mode.size() <= 3 &&
               mode.find_first_not_of("rwm") == std::string::npos;
    };
    std::string source = parts[0], target = parts[0], permissions = "rwm";
    if (parts.size() > 3 || source.empty()) {
        return invalid(fmt::format("invalid device specification: {}", text));
    }
    if (parts.size() == 2) { (is_mode(parts[1]) ? permissions : target) = parts[1]; }
    if (parts.size() == 3) {
        target = parts[1].empty() ? parts[0] : parts[1];
        permissions = parts[2];
        if (!is_mode(permissions)) {
            return invalid(fmt::format("invalid device mode: {}", permissions));
        }
    }
    if (!target.starts_with('/')) { return invalid(fmt::format("bad format for path: {}", text)); }
    return Json{
        {"PathOnHost", source}, {"PathInContainer", target}, {"CgroupPermissions", permissions}};
}

Result<NetworkOption> parse_network(std::string_view text) {
    NetworkOption option;
    if (text.find('=') == std::string_view::npos) {
        option.name = text;
        return option;
    }
    TRY_LET(fields, parse_csv(text));
    for (const auto& field : fields) {
        auto [key, value] = cut(field, '=');
        key = to_lower(trim(key));
        value = trim(value);
        if (field.find('=') == std::string::npos) {
            return invalid(fmt::format("invalid field {}", field));
        }
        if (key == "name") {
            option.name = value;
        } else if (key == "alias") {
            option.aliases.push_back(value);
        } else if (key == "ip") {
            option.ip = value;
        } else if (key == "ip6") {
            option.ip6 = value;
        } else if (key == "mac-address") {
            if (!is_mac(value)) {
                return invalid(fmt::format("{} is not a valid mac address", value));
            }
            option.mac = value;
        } else if (key == "link-local-ip") {
            option.link_local_ips.push_back(value);
        } else if (key == "driver-opt") {
            const auto [name, setting] = cut(value, '=');
            if (value.find('=') == std::string::npos) {
                return invalid("invalid key/value pair format in driver options");
            }
            option.driver_options[name] = setting;
        } else if (key == "gw-priority") {
            option.priority = parse_number<std::int64_t>(value);
            if (!option.priority) {
                return invalid(fmt::format("invalid gw-priority ({}): invalid syntax", value));
            }
        } else {
            return invalid(fmt::format("invalid field key {}", key));
        }
    }
    if (option.name.empty()) { return invalid("network name/id is not specified"); }
    return option;
}

bool is_mac(std::string_view text) {
    const auto parts = split(text, text.find('-') != std::string_view::npos ? '-' : ':');
    return parts.size() == 6 &&
           std::all_of(parts.begin(), parts.end(),
                       [](const std::string& part) { return part.size() == 2 && is_hex(part); });
}

} // namespace shoal::cli
