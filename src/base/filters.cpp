#include "base/filters.h"

#include "base/json.h"
#include "base/pattern.h"
#include "base/text.h"

#include <algorithm>

namespace shoal {
namespace {

bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

bool matches_pattern(std::string_view pattern, std::string_view text) {
    const auto parsed = Pattern::parse(pattern);
    return parsed ? parsed->found_in(text) : contains(text, pattern);
}

} // namespace

Result<Filters> Filters::parse(std::string_view text) {
    Filters filters;
    if (text.empty()) { return filters; }
    TRY_LET(json, parse_json(text));
    if (json.is_null()) { return filters; }
    if (!json.is_object()) { return invalid("invalid filters: expected an object"); }
    for (const auto& [key, values] : json.items()) {
        auto& list = filters.values_[key];
        const auto bad = [&, key = key] {
            return invalid("invalid filters: " + key + ": expected a list of strings");
        };
        if (values.is_object()) {
            for (const auto& [value, wanted] : values.items()) {
                if (!wanted.is_boolean()) { return bad(); }
                if (wanted.get<bool>()) { list.push_back(value); }
            }
        } else if (values.is_array()) {
            for (const auto& value : values) {
                if (!value.is_string()) { return bad(); }
                list.push_back(value.get<std::string>());
            }
        } else {
            return bad();
        }
        if (list.empty()) { filters.values_.erase(key); }
    }
    return filters;
}

Result<void> Filters::allow_only(std::initializer_list<std::string_view> allowed) const {
    for (const auto& [key, values] : values_) {
        if (std::find(allowed.begin(), allowed.end(), key) == allowed.end()) {
            return invalid("invalid filter '" + key + "'");
        }
    }
    return ok();
}

bool Filters::has(std::string_view key) const { return values_.find(key) != values_.end(); }

const std::vector<std::string>& Filters::values(std::string_view key) const {
    static const std::vector<std::string> none;
    const auto found = values_.find(key);
    return found == values_.end() ? none : found->second;
}

void Filters::add(std::string key, std::string value) {
    values_[std::move(key)].push_back(std::move(value));
}

bool Filters::exact(std::string_view key, std::string_view text) const {
    const auto& wanted = values(key);
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), text) != wanted.end();
}

bool Filters::prefix(std::string_view key, std::string_view text) const {
    const auto& wanted = values(key);
    return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](const auto& value) {
               return text.starts_with(value);
           });
}

bool Filters::fuzzy(std::string_view key, std::string_view text) const {
    const auto& wanted = values(key);
    return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](const auto& value) {
               return matches_pattern(value, text);
           });
}

bool Filters::labels(std::string_view key, const Labels& labels) const {
    const auto& wanted = values(key);
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& value) {
        const auto [name, text] = cut(value, '=');
        const auto found = labels.find(name);
        if (found == labels.end()) { return false; }
        return !contains(value, "=") || found->second == text;
    });
}

Result<bool> Filters::boolean(std::string_view key, bool fallback) const {
    const auto& wanted = values(key);
    if (wanted.empty()) { return fallback; }
    std::optional<bool> all;
    for (const auto& value : wanted) {
        const auto parsed = parse_bool(value);
        if (!parsed || (all && *all != *parsed)) {
            return invalid("invalid filter '" + std::string(key) + "=" + value + "'");
        }
        all = parsed;
    }
    return *all;
}

std::string Filters::to_json() const {
    Json json = Json::object();
    for (const auto& [key, values] : values_) { json[key] = values; }
    return dump_json(json);
}

} // namespace shoal
