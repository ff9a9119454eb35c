// Lists of objects as people ask for them: a table with headers, `--format` templates, `json`,
// `raw`, or ids only. Rows are plain JSON objects of texts, one member per column that a template
// may name.
#pragma once

#include "base/template.h"
#include "cli/table.h"

#include <string>
#include <utility>
#include <vector>

namespace shoal::cli {

struct Listing {
    /// "table {{.ID}}\t{{.Names}}", "{{.ID}}", "json".
    std::string format;
    /// Titles by member name.
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    std::vector<Json> rows;
    std::string type_name; ///< Go's name of the rows, for errors
    Columns columns{};
};

/// The finished text. Fails: Invalid, "template parsing error: ...".
Result<std::string> render(const Listing& listing);

/// The same for one object and a template that is not a table: `json` and templates; newline at the
/// end.
Result<std::string> render_one(std::string_view format, const Json& value,
                               const TemplateOptions& options);

/// Labels of a row are kept aside as "\x01labels" (an object), for `.Label "x"` and out of `json
/// .`.
inline constexpr std::string_view labels_member = "\x01labels";

} // namespace shoal::cli
