// Docker's build checks that the text alone decides: casing, duplicate names, legacy forms, secrets
// in arguments, and so on. Those that need values are found by interpret() and make_plan().
// Internal to this folder.
#pragma once

#include "dockerfile/instruction.h"

namespace shoal::dockerfile {

/// All of them, in no order, also those the file does not want.
std::vector<Warning> find_warnings(const File& file);
Warning empty_continuation_warning(int line);

} // namespace shoal::dockerfile
