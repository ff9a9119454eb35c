#include "cli/swarm/values.h"

#include "base/text.h"
#include "base/time.h"
#include "cli/csv.h"
#include "cli/ports.h"
#include "cli/run_options.h"
#include "cli/support.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace shoal::cli::swarm {
namespace {

// --- ports ---

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// "key=value" somewhere in it.
bool is_long_form(std::string_view text) {
    for (std::size_t i = 1; i + 1 < text.size(); ++i) {
        if (text[i] == '=' && is_word(text[i - 1]) && is_word(text[i + 1])) { return true; }
    }
    return false;
}

Result<std::int64_t> port_number(std::string_view what, const std::string& value) {
    if (const auto port = parse_number<std::uint16_t>(value)) { return std::int64_t{*port}; }
    const bool digits = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
        return std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
    return invalid(fmt::format("invalid {} port ({}): value must be an integer: {}", what, value,
                               digits ? "value out of range" : "invalid syntax"));
}

Result<void> take_port_field(Json& port, const std::string& field) {
    const auto [key, value] = cut(to_lower(field), '=');
    if (key.empty() || field.find('=') == std::string::npos) {
        return invalid("invalid field: " + field);
    }
    if (key == "protocol") {
        if (value != "tcp" && value != "udp" && value != "sctp") {
            return invalid(fmt::format("invalid protocol value '{}'", value));
        }
        port["Protocol"] = value;
    } else if (key == "mode") {
        if (value != "ingress" && value != "host") {
            return invalid(fmt::format(
                "invalid publish mode value ({}): must be either 'ingress' or 'host'", value));
        }
        port["PublishMode"] = value;
    } else if (key == "target") {
        TRY_LET(number, port_number("target", value));
        port["TargetPort"] = number;
    } else if (key == "published") {
        TRY_LET(number, port_number("published", value));
        port["PublishedPort"] = number;
    } else {
        return invalid("invalid field key: " + key);
    }
    return ok();
}

Json port_config(std::string_view protocol, std::int64_t target, std::int64_t published) {
    Json port{{"Protocol", protocol}};
    if (target != 0) { port["TargetPort"] = target; }
    if (published != 0) { port["PublishedPort"] = published; }
    port["PublishMode"] = "ingress";
    return port;
}

Result<std::vector<Json>> long_form(std::string_view text) {
    TRY_LET(fields, parse_csv(text));
    Json port = port_config("tcp", 0, 0);
    for (const auto& field : fields) { TRY(take_port_field(port, field)); }
    if (number_of(port, "TargetPort") == 0) { return invalid("missing mandatory field 'target'"); }
    if (number_of(port, "PublishedPort") == 0) { port.erase("PublishedPort"); }
    return std::vector<Json>{port};
}

/// What `run -p` makes of it, one by one.
Result<std::vector<Json>> short_form(std::string_view text) {
    TRY_LET(ports, parse_ports({std::string(text)}, {}));
    std::vector<Json> configs;
    for (const auto& [key, bindings] : ports.bindings.items()) {
        const auto [target, protocol] = cut(key, '/');
        const auto number = parse_number<std::uint16_t>(target).value_or(0);
        for (const Json& binding : bindings) {
            if (!text_of(binding, "HostIp").empty()) { return invalid("hostip is not supported"); }
            const auto [first, last] = cut(text_of(binding, "HostPort"), '-');
            const std::int64_t low = parse_number<std::uint16_t>(first).value_or(0);
            const std::int64_t high = parse_number<std::uint16_t>(last).value_or(low);
            for (std::int64_t published = low; published <= high; ++published) {
                configs.push_back(port_config(protocol, number, published));
            }
        }
    }
    return configs;
}

// --- secrets and configs ---

/// As Go reads it with base 0: 0444, 0o444, 0x124, 292.
std::optional<std::uint32_t> parse_mode(std::string_view text) {
    int base = 10;
    if (text.size() > 1 && text[0] == '0') {
        const char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(text[1])));
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        text.remove_prefix(letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1);
    }
    std::uint32_t mode = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, base);
    if (error != std::errc{} || end != text.data() + text.size()) { return std::nullopt; }
    return mode;
}

struct ReferenceKind {
    std::string_view word; ///< "secret"
    const char* name;      ///< "SecretName"
};

Result<Json> parse_reference(std::string_view text, ReferenceKind kind) {
    TRY_LET(fields, parse_csv(text));
    Json file{{"Name", ""}, {"UID", "0"}, {"GID", "0"}, {"Mode", 0444}};
    std::string source;
    const bool plain = fields.size() == 1 && fields[0].find('=') == std::string::npos;
    if (plain) { source = fields[0]; }
    for (const auto& field : plain ? std::vector<std::string>{} : fields) {
        const auto [key, value] = cut(field, '=');
        const std::string name = to_lower(key);
        if (key.empty() || field.find('=') == std::string::npos) {
            return invalid(fmt::format("invalid field '{}' must be a key=value pair", field));
        }
        if (name == "source" || name == "src") {
            source = value;
        } else if (name == "target") {
            file["Name"] = value;
        } else if (name == "uid") {
            file["UID"] = value;
        } else if (name == "gid") {
            file["GID"] = value;
        } else if (name == "mode") {
            const auto mode = parse_mode(value);
            if (!mode) {
                return invalid(fmt::format(
                    "invalid mode specified: strconv.ParseUint: parsing {}: invalid syntax",
                    go_quote(value)));
            }
            file["Mode"] = *mode;
        } else {
            return invalid(fmt::format("invalid field in {} request: {}", kind.word, key));
        }
    }
    if (source.empty() && !plain) { return invalid("source is required"); }
    if (text_of(file, "Name").empty()) { file["Name"] = source; }
    return Json{{"File", file}, {kind.name, source}};
}

} // namespace

Result<std::vector<Json>> parse_publish(std::string_view text) {
    return is_long_form(text) ? long_form(text) : short_form(text);
}

Result<Json> parse_secret(std::string_view text) {
    return parse_reference(text, {"secret", "SecretName"});
}
Result<Json> parse_config(std::string_view text) {
    return parse_reference(text, {"config", "ConfigName"});
}

Result<Json> parse_preference(std::string_view text) {
    const auto [strategy, argument] = cut(text, '=');
    if (strategy.empty() || text.find('=') == std::string_view::npos) {
        return invalid("placement preference must be of the format \"<strategy>=<arg>\"");
    }
    if (strategy != "spread") {
        return invalid(fmt::format("unsupported placement preference {} (only spread is supported)",
                                   strategy));
    }
    return Json{{"Spread", {{"SpreadDescriptor", argument}}}};
}

Result<void> check_generic_resource(std::string_view value) {
    if (value.find('=') != std::string_view::npos) { return ok(); }
    return invalid(
        fmt::format("invalid generic-resource format `{}` expected `name=value`", value));
}

Result<std::vector<Json>> parse_generic_resources(const std::vector<std::string>& texts) {
    std::vector<Json> resources;
    for (const auto& text : texts) {
        const auto [kind, value] = cut(text, '=');
        const auto number = parse_number<std::int64_t>(value);
        if (!number) {
            return invalid(fmt::format(
                "invalid generic-resource request `{}={}`, Named Generic Resources is not "
                "supported for service create or update",
                kind, value));
        }
        Json amount{{"Kind", kind}};
        if (*number != 0) { amount["Value"] = *number; }
        resources.push_back(Json{{"DiscreteResourceSpec", amount}});
    }
    return resources;
}

Result<Json> parse_credential_spec(std::string_view text) {
    constexpr std::pair<std::string_view, const char*> schemes[] = {
        {"config://", "Config"}, {"file://", "File"}, {"registry://", "Registry"}};
    Json spec{{"Config", ""}, {"File", ""}, {"Registry", ""}};
    if (text.empty()) { return spec; }
    for (const auto& [scheme, member] : schemes) {
        if (!text.starts_with(scheme)) { continue; }
        spec[member] = text.substr(scheme.size());
        return spec;
    }
    return invalid("invalid credential spec: value must be prefixed with \"config://\", "
                   "\"file://\", or \"registry://\"");
}

Result<std::vector<std::string>> shell_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool inside = false;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote != '\'' && c == '\\') {
            if (i + 1 == text.size()) { return invalid("EOF found after escape character"); }
            word += text[++i];
            inside = true;
        } else if (quote != 0) {
            if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        } else if (c == '\'' || c == '"') {
            quote = c;
            inside = true;
        } else if (c == '#' && !inside) {
            i = std::min(text.find('\n', i), text.size() - 1);
        } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            if (inside) { words.push_back(std::exchange(word, {})); }
            inside = false;
        } else {
            word += c;
            inside = true;
        }
    }
    if (quote != 0) { return invalid("EOF found when expecting closing quote"); }
    if (inside) { words.push_back(word); }
    return words;
}

std::string swarm_host(std::string_view text) {
    const auto [name, address] = cut(extra_host(text), ':');
    return address + " " + name;
}

Result<void> check_ratio(std::string_view value) {
    if (parse_double(value)) { return ok(); }
    return invalid(fmt::format("strconv.ParseFloat: parsing {}: invalid syntax", go_quote(value)));
}

Result<void> check_positive_duration(std::string_view value) {
    const auto span = parse_duration(value);
    if (span && span->count() < 0) { return invalid("duration cannot be negative"); }
    return ok();
}

} // namespace shoal::cli::swarm
