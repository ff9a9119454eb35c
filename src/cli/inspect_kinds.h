// What the members of Docker's objects are in Go, where JSON alone does not say: for templates of
// `inspect`, which print a list that is not there as [], a map without the key as <no value>, and a
// span of time as 1m30s. Pure.
#pragma once

#include "base/template.h"

namespace shoal::cli {

GoKind inspect_kind(std::string_view member);

/// Members that daemons leave out when there is nothing to say, and that templates may ask for all
/// the same.
std::optional<Json> absent_member(std::string_view member);

} // namespace shoal::cli
