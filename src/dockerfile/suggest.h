// "(did you mean RUN?)": the name that was probably meant. Internal to this folder.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace shoal::dockerfile {

enum class Case { Matters, Ignored };

/// " (did you mean NAME?)" with the option that is nearest to `given`, fewer than three letters
/// away, in the case of `given` when case is ignored; "" when there is none.
std::string suggestion(std::string_view given, const std::vector<std::string>& options,
                       Case letters = Case::Matters, std::string_view before_name = "");

} // namespace shoal::dockerfile
