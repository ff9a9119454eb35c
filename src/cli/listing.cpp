#include "cli/listing.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::cli {
namespace {

constexpr std::string_view wrong_template = "template parsing error";

/// "com.example.team-name" is shown over its column as "team name".
std::string header_of_label(std::string label) {
    if (const auto dot = label.rfind('.'); dot != std::string::npos) { label.erase(0, dot + 1); }
    std::replace(label.begin(), label.end(), '-', ' ');
    std::replace(label.begin(), label.end(), '_', ' ');
    return label;
}

std::optional<Result<Json>> row_method(const Json& receiver, std::string_view name,
                                       std::span<const Json> given) {
    if (name != "Label" || given.size() != 1 || !given[0].is_string() || !receiver.is_object()) {
        return std::nullopt;
    }
    const auto labels = receiver.find(labels_member);
    if (labels == receiver.end()) { return std::nullopt; }
    if (labels->is_string()) { return Result<Json>(header_of_label(given[0].get<std::string>())); }
    return Result<Json>(labels->value(given[0].get<std::string>(), ""));
}

std::string unescaped(std::string_view format) {
    return replace_all(replace_all(format, "\\t", "\t"), "\\n", "\n");
}

Json sorted(const Json& object) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : object.items()) { keys.push_back(key); }
    std::sort(keys.begin(), keys.end());
    Json out = Json::object();
    for (const auto& key : keys) { out[key] = object[key]; }
    return out;
}

/// A row as templates see it as a whole: without what is kept aside, members in order.
Json visible(const Json& row) {
    Json out = sorted(row);
    out.erase(std::string(labels_member));
    return out;
}

Result<std::string> header_line(const Template& parsed, const Listing& listing) {
    Json header = Json::object();
    for (const auto& [name, title] : listing.headers) { header[std::string(name)] = title; }
    header[std::string(labels_member)] = "";
    TemplateOptions options;
    options.type_name = listing.type_name;
    options.method = row_method;
    options.plain = true;
    return parsed.execute(header, options);
}

} // namespace

Result<std::string> render(const Listing& listing) {
    std::string format = listing.format;
    const bool table = format.starts_with("table");
    if (table) { format.erase(0, 5); }
    format.erase(0, format.find_first_not_of(' '));
    format.erase(format.find_last_not_of(' ') + 1);
    if (format == "json") {
        std::string out;
        for (const Json& row : listing.rows) { out += escape_html(go_json(visible(row))) + "\n"; }
        return out;
    }
    auto parsed = Template::parse(unescaped(format));
    if (!parsed) { return std::move(parsed).error().with(wrong_template); }
    TemplateOptions options;
    options.type_name = listing.type_name;
    options.method = row_method;
    options.escape_objects = true;
    std::string out;
    if (table) {
        auto header = header_line(*parsed, listing);
        if (!header) { return std::move(header).error().with(wrong_template); }
        out += *header + "\n";
    }
    const bool whole =
        format.find("{{json .}}") != std::string::npos || format.find("{{.}}") != std::string::npos;
    for (const Json& row : listing.rows) {
        auto line = parsed->execute(whole ? visible(row) : row, options);
        if (!line) { return std::move(line).error().with(wrong_template); }
        out += *line + "\n";
    }
    return table ? align(out, listing.columns) : out;
}

Result<std::string> render_one(std::string_view format, const Json& value,
                               const TemplateOptions& options) {
    if (format == "json") { return go_json(value) + "\n"; }
    auto parsed = Template::parse(unescaped(format));
    if (!parsed) { return std::move(parsed).error().with("template parsing error"); }
    auto text = parsed->execute(value, options);
    if (!text) { return std::move(text).error().with("template parsing error"); }
    return *text + "\n";
}

} // namespace shoal::cli
