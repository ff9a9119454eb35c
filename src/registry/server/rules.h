// Who may do what: rules, an identity, a repository and an action make a yes or a no. Pure.
#pragma once

#include "registry/server/access.h"

namespace shoal::registry {

std::optional<Action> parse_action(std::string_view text);

/// Does `prefix` cover the repository: "" is all; "team" is team and what is below; "{user}" in it
/// stands for the caller's name.
bool covers(std::string_view prefix, std::string_view repository, std::string_view user);

/// What the settings alone give; a token may give less.
bool rules_allow(const AccessSettings& settings, const Identity& identity,
                 std::string_view repository, Action action);

/// Does a token with these scopes go as far.
bool scopes_allow(const std::vector<Scope>& scopes, std::string_view repository, Action action);

} // namespace shoal::registry
