// Objects as `inspect` prints them: a JSON array, or one line of a template for each; first all
// that were found, then what went wrong.
#pragma once

#include "cli/app.h"

#include <functional>

namespace shoal::cli {

using FindObject = std::function<Result<Json>(const std::string& name)>;

/// `format` is "", "json" or a template. The exit code 64 stands for a template that cannot be
/// read.
Result<int> print_objects(App& app, const std::vector<std::string>& names, std::string_view format,
                          const FindObject& find);

} // namespace shoal::cli
