#include "cli/swarm/documents.h"

#include "base/text.h"
#include "base/time.h"
#include "oci/reference.h"

#include <algorithm>
#include <cctype>

namespace shoal::cli::swarm {

const Json& inside(const Json& document, std::initializer_list<std::string_view> path) {
    static const Json nothing = nullptr;
    const Json* at = &document;
    for (const auto name : path) {
        if (!at->is_object()) { return nothing; }
        const auto member = at->find(std::string(name));
        if (member == at->end()) { return nothing; }
        at = &*member;
    }
    return *at;
}

const Json& table_of(const Json& object, std::string_view member) {
    static const Json empty = Json::object();
    const Json& found = inside(object, {member});
    return found.is_object() ? found : empty;
}

bool has(const Json& object, std::string_view member) {
    return !inside(object, {member}).is_null();
}

std::vector<std::string> texts_of(const Json& object, std::string_view member) {
    std::vector<std::string> texts;
    for (const Json& item : list_of(object, member)) {
        if (item.is_string()) { texts.push_back(item.get<std::string>()); }
    }
    return texts;
}

std::string name_of(const Json& document) { return text_of(table_of(document, "Spec"), "Name"); }
std::string id_of(const Json& document) { return text_of(document, "ID"); }
std::string version_of(const Json& document) {
    return std::to_string(number_of(table_of(document, "Version"), "Index"));
}

Json& ensure_object(Json& object, std::string_view member) {
    Json& at = object[std::string(member)];
    if (!at.is_object()) { at = Json::object(); }
    return at;
}

void put(Json& object, std::string_view member, Json value) {
    const bool empty = value.is_null() || (value.is_string() && value.get<std::string>().empty()) ||
                       ((value.is_array() || value.is_object()) && value.empty()) ||
                       (value.is_boolean() && !value.get<bool>()) ||
                       (value.is_number() && value.get<double>() == 0);
    if (empty) {
        object.erase(std::string(member));
    } else {
        object[std::string(member)] = std::move(value);
    }
}

std::string capitalized(std::string_view text) {
    std::string out = to_lower(text);
    if (!out.empty()) {
        out[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(out[0])));
    }
    return out;
}

std::string shown_image(std::string_view image) {
    auto reference = oci::Reference::parse(image);
    if (!reference || reference->tag().empty()) { return std::string(image); }
    auto tagged = reference->with_tag(reference->tag());
    return tagged ? tagged->familiar() : std::string(image);
}

std::string ago_of(const Json& object, std::string_view member) {
    const auto at = parse_rfc3339(text_of(object, member));
    return ago(at ? *at : Instant{});
}

std::string date_of(const Json& object, std::string_view member) {
    const auto at = parse_rfc3339(text_of(object, member));
    return to_lower(date_text(at ? *at : Instant{}));
}

std::vector<std::string> sorted_keys(const Json& object) {
    std::vector<std::string> keys;
    if (!object.is_object()) { return keys; }
    for (const auto& [key, value] : object.items()) { keys.push_back(key); }
    std::sort(keys.begin(), keys.end());
    return keys;
}

} // namespace shoal::cli::swarm
