// The functions that templates may call; private to base/template*.cpp.
#pragma once

#include "base/json.h"

#include <optional>
#include <span>
#include <string_view>

namespace shoal::template_functions {

/// Including `and` and `or`, which the evaluator handles itself because they do not evaluate all
/// their arguments.
bool is_known(std::string_view name);
/// Fails with Go's text without the "error calling x: " in front.
Result<Json> call(std::string_view name, std::span<const Json> arguments);
bool is_true(const Json& value);
/// The first code point and its length in bytes; nothing for "" or broken UTF-8.
std::optional<std::pair<std::uint32_t, std::size_t>> decode_rune(std::string_view text);

} // namespace shoal::template_functions
