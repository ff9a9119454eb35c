// What the members of a swarm's documents are in Go, for templates of `inspect`: daemons leave out
// what says nothing, and templates ask for it all the same ({{if .ManagerStatus}}). Pure.
#pragma once

#include "base/template.h"

namespace shoal::cli::swarm {

/// Services, tasks, nodes, secrets and configs have a version; nothing else that is inspected has.
bool is_swarm_document(const Json& document);
GoKind member_kind(std::string_view member);
/// The value of a member that is not there; nothing when there is no such member in Go either.
std::optional<Json> absent_member(const Json& receiver, std::string_view member);

} // namespace shoal::cli::swarm
