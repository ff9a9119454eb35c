// Go's fmt over JSON values.
#include "base/template.h"

#include "base/template_functions.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace shoal {
namespace {

/// strconv.FormatFloat(value, 'g', -1, 64) with %v's limit of 21 for plain digits.
std::string shortest(double value) {
    if (std::isnan(value)) { return "NaN"; }
    if (std::isinf(value)) { return value > 0 ? "+Inf" : "-Inf"; }
    if (value == 0) { return std::signbit(value) ? "-0" : "0"; }
    const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value))));
    if (exponent < -4 || exponent >= 21) {
        char buffer[64];
        const auto [end, error] =
            std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
        return std::string(buffer, end);
    }
    char buffer[512];
    const auto [end, error] =
        std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
    return std::string(buffer, end);
}

void print_into(const Json& value, std::string& out) {
    switch (value.type()) {
    case Json::value_t::string:
        out += value.get_ref<const std::string&>();
        break;
    case Json::value_t::null:
        out += "<nil>";
        break;
    case Json::value_t::boolean:
        out += value.get<bool>() ? "true" : "false";
        break;
    case Json::value_t::number_float:
        out += shortest(value.get<double>());
        break;
    case Json::value_t::array: {
        out += '[';
        for (std::size_t i = 0; i < value.size(); ++i) {
            if (i > 0) { out += ' '; }
            print_into(value[i], out);
        }
        out += ']';
        break;
    }
    case Json::value_t::object: {
        std::vector<std::string> keys;
        for (const auto& [key, member] : value.items()) { keys.push_back(key); }
        std::sort(keys.begin(), keys.end());
        out += "map[";
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (i > 0) { out += ' '; }
            out += keys[i] + ':';
            print_into(value[keys[i]], out);
        }
        out += ']';
        break;
    }
    default:
        out += value.dump();
    }
}

std::string type_name(const Json& value) {
    if (value.is_string()) { return "string"; }
    if (value.is_boolean()) { return "bool"; }
    if (value.is_number_integer()) { return "int"; }
    if (value.is_number_float()) { return "float64"; }
    if (value.is_array()) { return "[]interface {}"; }
    return value.is_object() ? "map[string]interface {}" : "<nil>";
}

struct Directive {
    bool minus = false, plus = false, zero = false, space = false, sharp = false;
    int width = 0;
    int precision = -1;
    char verb = 0;
};

std::string wrong(char verb, const Json& value) {
    if (value.is_null()) { return fmt::format("%!{}(<nil>)", verb); }
    return fmt::format("%!{}({}={})", verb, type_name(value), go_print(value));
}

std::string signed_text(const Directive& how, bool negative, std::string digits) {
    if (negative) { return "-" + digits; }
    return (how.plus ? "+" : how.space ? " " : "") + digits;
}

std::string whole(const Directive& how, const Json& value) {
    const bool negative = value.is_number_unsigned() ? false : value.get<std::int64_t>() < 0;
    const std::uint64_t size = value.is_number_unsigned() ? value.get<std::uint64_t>()
                               : negative
                                   ? 0 - static_cast<std::uint64_t>(value.get<std::int64_t>())
                                   : static_cast<std::uint64_t>(value.get<std::int64_t>());
    switch (how.verb) {
    case 'x':
        return signed_text(how, negative, (how.sharp ? "0x" : "") + fmt::format("{:x}", size));
    case 'X':
        return signed_text(how, negative, (how.sharp ? "0X" : "") + fmt::format("{:X}", size));
    case 'o':
        return signed_text(how, negative, fmt::format("{:o}", size));
    case 'b':
        return signed_text(how, negative, fmt::format("{:b}", size));
    case 'c':
        return size < 0x80 ? std::string(1, static_cast<char>(size)) : std::string("\xEF\xBF\xBD");
    case 'U':
        return fmt::format("U+{:04X}", size);
    case 'q':
        return size < 0x80 ? fmt::format("'{}'", static_cast<char>(size))
                           : std::string("'\xEF\xBF\xBD'");
    case 'd':
    case 'v':
        return signed_text(how, negative, std::to_string(size));
    default:
        return wrong(how.verb, value);
    }
}

std::string real(const Directive& how, const Json& value) {
    const double number = value.get<double>();
    const int precision = how.precision < 0 ? 6 : std::min(how.precision, 1000);
    const double size = std::abs(number);
    const bool negative = std::signbit(number);
    switch (how.verb) {
    case 'f':
    case 'F':
        return signed_text(how, negative, fmt::format("{:.{}f}", size, precision));
    case 'e':
        return signed_text(how, negative, fmt::format("{:.{}e}", size, precision));
    case 'E':
        return signed_text(how, negative, fmt::format("{:.{}E}", size, precision));
    case 'g':
    case 'G':
    case 'v':
        return signed_text(how, negative,
                           how.precision < 0
                               ? shortest(size)
                               : fmt::format("{:.{}g}", size, std::max(1, precision)));
    default:
        return wrong(how.verb, value);
    }
}

std::string hex_of(std::string_view bytes, bool upper) {
    const std::string text =
        to_hex(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
    return upper ? to_upper(text) : text;
}

std::string words(const Directive& how, const Json& value) {
    std::string text = value.get<std::string>();
    if (how.precision >= 0 && how.verb != 'x' && how.verb != 'X') {
        std::size_t at = 0;
        for (int i = 0; i < how.precision && at < text.size(); ++i) {
            const auto rune = template_functions::decode_rune(std::string_view(text).substr(at));
            at += rune ? rune->second : 1;
        }
        text.resize(at);
    }
    switch (how.verb) {
    case 's':
    case 'v':
        return text;
    case 'q':
        return go_quote(text);
    case 'x':
    case 'X':
        return hex_of(text, how.verb == 'X');
    default:
        return wrong(how.verb, value);
    }
}

std::string one(const Directive& how, const Json& value) {
    if (how.verb == 'T') { return type_name(value); }
    if (how.verb == 'v' && how.sharp) { return go_json(value); }
    if (value.is_string()) { return words(how, value); }
    if (value.is_number_integer()) { return whole(how, value); }
    if (value.is_number_float()) { return real(how, value); }
    if (value.is_boolean()) {
        return how.verb == 't' || how.verb == 'v' ? go_print(value) : wrong(how.verb, value);
    }
    if (value.is_null()) { return how.verb == 'v' ? "<nil>" : wrong(how.verb, value); }
    if (how.verb == 'v' || how.verb == 's') { return go_print(value); }
    if (value.is_array()) {
        std::string out = "[";
        for (std::size_t i = 0; i < value.size(); ++i) {
            out += (i > 0 ? " " : "") + one(how, value[i]);
        }
        return out + "]";
    }
    return wrong(how.verb, value);
}

std::string padded(const Directive& how, std::string text, bool numeric) {
    std::size_t runes = 0;
    for (const char c : text) { runes += (c & 0xC0) != 0x80; }
    const auto width = static_cast<std::size_t>(how.width);
    if (runes >= width) { return text; }
    const std::size_t missing = width - runes;
    if (how.minus) { return text + std::string(missing, ' '); }
    if (how.zero && numeric) {
        const std::size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
        return text.insert(sign, missing, '0');
    }
    return std::string(missing, how.zero ? '0' : ' ') + text;
}

} // namespace

std::string go_print(const Json& value) {
    std::string out;
    print_into(value, out);
    return out;
}

std::string go_json(const Json& value) { return dump_json(value); }

std::string escape_html(std::string_view json) {
    return replace_all(replace_all(replace_all(json, "&", "\\u0026"), "<", "\\u003c"), ">",
                       "\\u003e");
}

std::string go_sprintf(std::string_view format, std::span<const Json> arguments) {
    constexpr int width_max = 65536;
    std::string out;
    std::size_t used = 0;
    auto number = [&](std::size_t& at, int& into) {
        if (at < format.size() && format[at] == '*') {
            ++at;
            if (used < arguments.size() && arguments[used].is_number_integer()) {
                into = static_cast<int>(std::clamp<std::int64_t>(
                    arguments[used].get<std::int64_t>(), -width_max, width_max));
            } else {
                out += "%!(BADWIDTH)";
            }
            ++used;
            return;
        }
        into = 0;
        for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at) {
            into = std::min(width_max, into * 10 + (format[at] - '0'));
        }
    };
    for (std::size_t at = 0; at < format.size();) {
        if (format[at] != '%') {
            out += format[at++];
            continue;
        }
        ++at;
        Directive how;
        for (bool more = true; more && at < format.size();) {
            switch (format[at]) {
            case '-':
                how.minus = true;
                break;
            case '+':
                how.plus = true;
                break;
            case '0':
                how.zero = !how.minus;
                break;
            case ' ':
                how.space = true;
                break;
            case '#':
                how.sharp = true;
                break;
            default:
                more = false;
            }
            if (more) { ++at; }
        }
        number(at, how.width);
        if (how.width < 0) {
            how.minus = true;
            how.width = -how.width;
        }
        if (at < format.size() && format[at] == '.') { number(++at, how.precision); }
        if (at >= format.size()) {
            out += "%!(NOVERB)";
            break;
        }
        how.verb = format[at++];
        if (how.verb == '%') {
            out += '%';
        } else if (used >= arguments.size()) {
            out += fmt::format("%!{}(MISSING)", how.verb);
        } else {
            const Json& value = arguments[used++];
            out += padded(how, one(how, value), value.is_number());
        }
    }
    if (used < arguments.size()) {
        out += "%!(EXTRA ";
        for (std::size_t i = used; i < arguments.size(); ++i) {
            out += fmt::format("{}{}={}", i > used ? ", " : "", type_name(arguments[i]),
                               go_print(arguments[i]));
        }
        out += ")";
    }
    return out;
}

} // namespace shoal
