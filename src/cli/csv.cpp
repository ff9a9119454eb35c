#include "cli/csv.h"

#include <fmt/format.h>

namespace shoal::cli {

namespace {
Error wrong(std::size_t column, std::string_view what) {
    return invalid(fmt::format("parse error on line 1, column {}: {}", column, what));
}
constexpr std::string_view unbalanced = "extraneous or missing \" in quoted-field";
} // namespace

Result<std::vector<std::string>> parse_csv(std::string_view line) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quoted) {
            if (c != '"') {
                fields.back() += c;
            } else if (i + 1 < line.size() && line[i + 1] == '"') {
                fields.back() += '"';
                ++i;
            } else if (i + 1 < line.size() && line[i + 1] != ',') {
                return wrong(i + 1, unbalanced);
            } else {
                quoted = false;
            }
            continue;
        }
        if (c == ',') {
            fields.emplace_back();
        } else if (c == '"' && fields.back().empty()) {
            quoted = true;
        } else if (c == '"') {
            return wrong(i + 1, "bare \" in non-quoted-field");
        } else {
            fields.back() += c;
        }
    }
    if (quoted) { return wrong(line.size() + 1, unbalanced); }
    return fields;
}

} // namespace shoal::cli
