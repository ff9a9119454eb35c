#include "base/template_functions.h"

#include "base/template.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace shoal {
namespace template_functions {
namespace {

using Arguments = std::span<const Json>;
using Function = Result<Json> (*)(Arguments);

std::string_view type_of(const Json& value) {
    switch (value.type()) {
    case Json::value_t::string:
        return "string";
    case Json::value_t::boolean:
        return "bool";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
        return "int";
    case Json::value_t::number_float:
        return "float64";
    case Json::value_t::array:
        return "[]interface {}";
    case Json::value_t::object:
        return "map[string]interface {}";
    default:
        return "nil";
    }
}

Result<std::string> text_argument(const Json& value) {
    if (value.is_string()) { return value.get<std::string>(); }
    return invalid(fmt::format("wrong type for value; expected string; got {}", type_of(value)));
}
Result<std::int64_t> number_argument(const Json& value) {
    if (value.is_number_integer()) { return value.get<std::int64_t>(); }
    return invalid(fmt::format("wrong type for value; expected int; got {}", type_of(value)));
}

/// Bytes [begin, end) of UTF-8 code points; broken bytes count as one each.
std::vector<std::size_t> rune_starts(std::string_view text) {
    std::vector<std::size_t> starts;
    for (std::size_t i = 0; i < text.size();) {
        starts.push_back(i);
        const auto rune = decode_rune(text.substr(i));
        i += rune ? rune->second : 1;
    }
    return starts;
}

Result<Json> join_words(Arguments all) {
    TRY_LET(separator, text_argument(all[1]));
    if (all[0].is_null()) { return Json(""); }
    if (!all[0].is_array()) {
        return invalid(
            fmt::format("wrong type for value; expected []string; got {}", type_of(all[0])));
    }
    std::vector<std::string> parts;
    for (const Json& part : all[0]) { parts.push_back(go_print(part)); }
    return Json(join(parts, separator));
}

Result<Json> split_words(Arguments all) {
    TRY_LET(text, text_argument(all[0]));
    TRY_LET(separator, text_argument(all[1]));
    Json parts = Json::array();
    if (separator.empty()) {
        const auto starts = rune_starts(text);
        for (std::size_t i = 0; i < starts.size(); ++i) {
            parts.push_back(text.substr(
                starts[i], (i + 1 < starts.size() ? starts[i + 1] : text.size()) - starts[i]));
        }
        return parts;
    }
    std::size_t from = 0;
    for (auto at = text.find(separator); at != std::string::npos; at = text.find(separator, from)) {
        parts.push_back(text.substr(from, at - from));
        from = at + separator.size();
    }
    parts.push_back(text.substr(from));
    return parts;
}

/// Go's strings.Title: the first letter of every word, where letters, digits, '_' and apostrophes
/// do not separate.
Result<Json> title(Arguments all) {
    TRY_LET(text, text_argument(all[0]));
    bool inside = false;
    for (char& c : text) {
        const bool word =
            c == '_' || c == '\'' || std::isalnum(static_cast<unsigned char>(c)) || (c & 0x80) != 0;
        if (word && !inside && c >= 'a' && c <= 'z') { c = static_cast<char>(c - 'a' + 'A'); }
        inside = word;
    }
    return Json(text);
}

Result<Json> lower(Arguments all) {
    TRY_LET(text, text_argument(all[0]));
    return Json(to_lower(text));
}
Result<Json> upper(Arguments all) {
    TRY_LET(text, text_argument(all[0]));
    return Json(to_upper(text));
}

/// {{pad "x" 1 2}}: spaces before and behind, unless the text is empty.
Result<Json> pad(Arguments all) {
    TRY_LET(text, text_argument(all[0]));
    TRY_LET(before, number_argument(all[1]));
    TRY_LET(behind, number_argument(all[2]));
    if (text.empty()) { return Json(text); }
    if (before < 0 || behind < 0 || before > 65536 || behind > 65536) {
        return invalid("padding is out of range");
    }
    return Json(std::string(static_cast<std::size_t>(before), ' ') + text +
                std::string(static_cast<std::size_t>(behind), ' '));
}

Result<Json> truncate(Arguments all) {
    TRY_LET(text, text_argument(all[0]));
    TRY_LET(length, number_argument(all[1]));
    if (length < 0 || text.size() < static_cast<std::size_t>(length)) { return Json(text); }
    return Json(text.substr(0, static_cast<std::size_t>(length)));
}

Result<Json> json(Arguments all) { return Json(go_json(all[0])); }

Result<Json> len(Arguments all) {
    const Json& value = all[0];
    if (value.is_string()) { return Json(value.get_ref<const std::string&>().size()); }
    if (value.is_structured()) { return Json(value.size()); }
    if (value.is_null()) { return invalid("len of nil pointer"); }
    return invalid(fmt::format("len of type {}", type_of(value)));
}

/// Whether a map holds only texts, so that Go's zero value of a missing key is "" (labels,
/// options).
bool is_text_map(const Json& object) {
    return std::all_of(object.begin(), object.end(),
                       [](const Json& value) { return value.is_string(); });
}

Result<Json> index(Arguments all) {
    Json value = all[0];
    for (const Json& key : all.subspan(1)) {
        if (value.is_object()) {
            if (!key.is_string()) {
                return invalid(fmt::format("value has type {}; should be string", type_of(key)));
            }
            const auto at = value.find(key.get<std::string>());
            if (at == value.end()) { return is_text_map(value) ? Json("") : Json(nullptr); }
            Json inner = *at;
            value = std::move(inner);
        } else if (value.is_array() || value.is_string()) {
            if (!key.is_number_integer()) {
                return invalid(fmt::format("cannot index slice/array with type {}", type_of(key)));
            }
            const auto size =
                value.is_array() ? value.size() : value.get_ref<const std::string&>().size();
            const auto position = key.get<std::int64_t>();
            if (position < 0 || static_cast<std::size_t>(position) >= size) {
                return invalid(fmt::format("index out of range: {}", position));
            }
            const auto at = static_cast<std::size_t>(position);
            Json inner =
                value.is_array()
                    ? value[at]
                    : Json(static_cast<unsigned char>(value.get_ref<const std::string&>()[at]));
            value = std::move(inner);
        } else if (value.is_null()) {
            return key.is_string() ? Result<Json>(Json(""))
                                   : Result<Json>(invalid("index of nil pointer"));
        } else {
            return invalid(fmt::format("can't index item of type {}", type_of(value)));
        }
    }
    return value;
}

Result<Json> slice(Arguments all) {
    const Json& value = all[0];
    if (!value.is_string() && !value.is_array()) {
        return invalid(fmt::format("can't slice item of type {}", type_of(value)));
    }
    if (all.size() > 4) {
        return invalid(fmt::format("too many slice indexes: {}", all.size() - 1));
    }
    if (all.size() == 4 && value.is_string()) { return invalid("cannot 3-index slice a string"); }
    const auto size = static_cast<std::int64_t>(
        value.is_string() ? value.get_ref<const std::string&>().size() : value.size());
    std::int64_t bounds[3] = {0, size, size};
    for (std::size_t i = 1; i < all.size(); ++i) {
        if (!all[i].is_number_integer()) {
            return invalid(fmt::format("cannot index slice/array with type {}", type_of(all[i])));
        }
        bounds[i - 1] = all[i].get<std::int64_t>();
        if (bounds[i - 1] < 0 || bounds[i - 1] > size) {
            return invalid(fmt::format("index out of range: {}", bounds[i - 1]));
        }
    }
    if (bounds[0] > bounds[1]) {
        return invalid(fmt::format("invalid slice index: {} > {}", bounds[0], bounds[1]));
    }
    if (bounds[1] > bounds[2]) {
        return invalid(fmt::format("invalid slice index: {} > {}", bounds[1], bounds[2]));
    }
    if (value.is_string()) {
        return Json(value.get_ref<const std::string&>().substr(
            static_cast<std::size_t>(bounds[0]), static_cast<std::size_t>(bounds[1] - bounds[0])));
    }
    Json part = Json::array();
    for (auto i = bounds[0]; i < bounds[1]; ++i) {
        part.push_back(value[static_cast<std::size_t>(i)]);
    }
    return part;
}

/// Go's Sprint: a space between two operands when neither is a string.
Result<Json> print(Arguments all) {
    std::string out;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0 && !all[i].is_string() && !all[i - 1].is_string()) { out += ' '; }
        out += go_print(all[i]);
    }
    return Json(out);
}
Result<Json> println(Arguments all) {
    std::string out;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i > 0) { out += ' '; }
        out += go_print(all[i]);
    }
    return Json(out + "\n");
}
Result<Json> printf(Arguments all) {
    TRY_LET(format, text_argument(all[0]));
    return Json(go_sprintf(format, all.subspan(1)));
}

Result<Json> negate(Arguments all) { return Json(!is_true(all[0])); }

std::string concatenated(Arguments all) {
    std::string text;
    for (const Json& value : all) { text += go_print(value); }
    return text;
}
Result<Json> html(Arguments all) {
    std::string out;
    for (const char c : concatenated(all)) {
        switch (c) {
        case '&':
            out += "&amp;";
            break;
        case '<':
            out += "&lt;";
            break;
        case '>':
            out += "&gt;";
            break;
        case '"':
            out += "&#34;";
            break;
        case '\'':
            out += "&#39;";
            break;
        default:
            out += c;
        }
    }
    return Json(out);
}
Result<Json> urlquery(Arguments all) {
    return Json(replace_all(encode_percent(concatenated(all)), "%20", "+"));
}

// --- comparison ---

enum class Class { Bool, Whole, Real, Text, Other };
Class class_of(const Json& value) {
    if (value.is_boolean()) { return Class::Bool; }
    if (value.is_number_integer()) { return Class::Whole; }
    if (value.is_number_float()) { return Class::Real; }
    return value.is_string() ? Class::Text : Class::Other;
}

Result<bool> equal(const Json& a, const Json& b) {
    if (a.is_null() || b.is_null()) { return a.is_null() && b.is_null(); }
    if (class_of(a) == Class::Other || class_of(b) == Class::Other) {
        return invalid("non-comparable type");
    }
    if (class_of(a) != class_of(b)) { return invalid("incompatible types for comparison"); }
    return a == b;
}
Result<bool> less(const Json& a, const Json& b) {
    const Class kind = class_of(a);
    if (kind == Class::Bool || kind == Class::Other) {
        return invalid("invalid type for comparison");
    }
    if (kind != class_of(b)) { return invalid("incompatible types for comparison"); }
    return a < b;
}

Result<Json> eq(Arguments all) {
    for (const Json& other : all.subspan(1)) {
        TRY_LET(same, equal(all[0], other));
        if (same) { return Json(true); }
    }
    return Json(false);
}
Result<Json> ne(Arguments all) {
    TRY_LET(same, equal(all[0], all[1]));
    return Json(!same);
}
Result<Json> lt(Arguments all) {
    TRY_LET(smaller, less(all[0], all[1]));
    return Json(smaller);
}
Result<Json> gt(Arguments all) {
    TRY_LET(smaller, less(all[1], all[0]));
    TRY(less(all[0], all[1]));
    return Json(smaller);
}
Result<Json> le(Arguments all) {
    TRY_LET(smaller, less(all[1], all[0]));
    return Json(!smaller);
}
Result<Json> ge(Arguments all) {
    TRY_LET(smaller, less(all[0], all[1]));
    return Json(!smaller);
}

struct Entry {
    std::string_view name;
    std::size_t least;
    std::size_t most; ///< SIZE_MAX: any number
    Function function;
};

constexpr Entry functions[] = {
    {"eq", 2, SIZE_MAX, eq},
    {"ge", 2, 2, ge},
    {"gt", 2, 2, gt},
    {"html", 0, SIZE_MAX, html},
    {"index", 1, SIZE_MAX, index},
    {"join", 2, 2, join_words},
    {"json", 1, 1, json},
    {"le", 2, 2, le},
    {"len", 1, 1, len},
    {"lower", 1, 1, lower},
    {"lt", 2, 2, lt},
    {"ne", 2, 2, ne},
    {"not", 1, 1, negate},
    {"pad", 3, 3, pad},
    {"print", 0, SIZE_MAX, print},
    {"printf", 1, SIZE_MAX, printf},
    {"println", 0, SIZE_MAX, println},
    {"slice", 1, SIZE_MAX, slice},
    {"split", 2, 2, split_words},
    {"title", 1, 1, title},
    {"truncate", 2, 2, truncate},
    {"upper", 1, 1, upper},
    {"urlquery", 0, SIZE_MAX, urlquery},
};

const Entry* find(std::string_view name) {
    const auto at = std::find_if(std::begin(functions), std::end(functions),
                                 [&](const Entry& entry) { return entry.name == name; });
    return at == std::end(functions) ? nullptr : at;
}

} // namespace

bool is_known(std::string_view name) {
    return name == "and" || name == "or" || find(name) != nullptr;
}

Result<Json> call(std::string_view name, std::span<const Json> arguments) {
    const Entry* entry = find(name);
    if (entry == nullptr) { return invalid(fmt::format("\"{}\" is not a defined function", name)); }
    if (arguments.size() < entry->least || arguments.size() > entry->most) {
        const auto* least = entry->most == SIZE_MAX ? "at least " : "";
        return invalid(fmt::format("wrong number of args for {}: want {}{} got {}", name, least,
                                   entry->least, arguments.size()));
    }
    return entry->function(arguments);
}

bool is_true(const Json& value) {
    switch (value.type()) {
    case Json::value_t::boolean:
        return value.get<bool>();
    case Json::value_t::string:
        return !value.get_ref<const std::string&>().empty();
    case Json::value_t::number_float:
        return value.get<double>() != 0;
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
        return value.get<std::int64_t>() != 0;
    case Json::value_t::array:
    case Json::value_t::object:
        return !value.empty();
    default:
        return false;
    }
}

std::optional<std::pair<std::uint32_t, std::size_t>> decode_rune(std::string_view text) {
    if (text.empty()) { return std::nullopt; }
    const auto first = static_cast<unsigned char>(text[0]);
    const std::size_t length = first < 0x80                    ? 1
                               : first >= 0xF0 && first < 0xF8 ? 4
                               : first >= 0xE0                 ? 3
                               : first >= 0xC2                 ? 2
                                                               : 0;
    if (length == 0 || first >= 0xF8 || text.size() < length) { return std::nullopt; }
    std::uint32_t code = length == 1 ? first : first & (0xFFu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte & 0xC0) != 0x80) { return std::nullopt; }
        code = code << 6 | (byte & 63);
    }
    return std::pair{code, length};
}

} // namespace template_functions
} // namespace shoal
