#include "cli/csv.h"

namespace shoal::cli {

Result<std::vector<std::string>> parse_csv(std::string_view line) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    bool was_quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quoted) {
            if (c != '"') {
                fields.back() += c;
            } else if (i + 1 < line.size() && line[i + 1] == '"') {
                fields.back() += '"';
                ++i;
            } else {
                quoted = false;
            }
            continue;
        }
        if (c == ',') {
            fields.emplace_back();
            was_quoted = false;
        } else if (c == '"' && fields.back().empty() && !was_quoted) {
            quoted = was_quoted = true;
        } else if (c == '"') {
            return invalid("parse error on line 1: bare \" in non-quoted-field");
        } else {
            fields.back() += c;
        }
    }
    if (quoted) { return invalid("parse error on line 1: extraneous or missing \" in quoted-field"); }
    return fields;
}

} // namespace shoal::cli
