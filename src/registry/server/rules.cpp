#include "registry/server/rules.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::registry {
namespace {

bool contains(const std::vector<std::string>& list, std::string_view one) {
    return std::find(list.begin(), list.end(), one) != list.end();
}

bool is_about(const Rule& rule, const Identity& identity) {
    if (identity.anonymous()) { return rule.anonymous; }
    if (rule.anonymous || contains(rule.users, "*") || contains(rule.users, identity.name)) {
        return true;
    }
    return std::any_of(identity.groups.begin(), identity.groups.end(),
                       [&](const auto& group) { return contains(rule.groups, group); });
}

bool gives(const Rule& rule, const Identity& identity, Action action) {
    if (identity.anonymous() && action != Action::Pull) { return false; }
    return std::find(rule.actions.begin(), rule.actions.end(), action) != rule.actions.end();
}

} // namespace

std::string_view name_of(Action action) {
    switch (action) {
    case Action::Pull:
        return "pull";
    case Action::Push:
        return "push";
    case Action::Delete:
        return "delete";
    case Action::Catalog:
        return "catalog";
    case Action::Admin:
        return "admin";
    }
    return "";
}

std::optional<Action> parse_action(std::string_view text) {
    for (const auto action : {Action::Pull, Action::Push, Action::Delete}) {
        if (text == name_of(action)) { return action; }
    }
    return std::nullopt;
}

bool covers(std::string_view prefix, std::string_view repository, std::string_view user) {
    std::string own;
    if (prefix.find("{user}") != std::string_view::npos) {
        if (user.empty()) { return false; }
        own = replace_all(prefix, "{user}", to_lower(user));
        prefix = own;
    }
    if (prefix.empty() || prefix == repository) { return true; }
    if (!repository.starts_with(prefix)) { return false; }
    return prefix.ends_with('/') || repository[prefix.size()] == '/';
}

bool rules_allow(const AccessSettings& settings, const Identity& identity,
                 std::string_view repository, Action action) {
    if (settings.open || identity.admin) { return true; }
    if (action == Action::Admin) { return false; }
    const auto some_pull = [&](const Rule& rule) {
        return is_about(rule, identity) && gives(rule, identity, Action::Pull);
    };
    if (!settings.rules_given && settings.rules.empty()) {
        const bool ordinary =
            action == Action::Pull || action == Action::Push || action == Action::Catalog;
        return !identity.anonymous() && ordinary;
    }
    if (action == Action::Catalog) {
        return (!identity.anonymous() && !settings.rules.empty()) ||
               std::any_of(settings.rules.begin(), settings.rules.end(), some_pull);
    }
    return std::any_of(settings.rules.begin(), settings.rules.end(), [&](const Rule& rule) {
        return is_about(rule, identity) && gives(rule, identity, action) &&
               covers(rule.prefix, repository, identity.name);
    });
}

bool scopes_allow(const std::vector<Scope>& scopes, std::string_view repository, Action action) {
    const auto has = [&](const Scope& scope, std::string_view what) {
        return contains(scope.actions, what) || contains(scope.actions, "*");
    };
    return std::any_of(scopes.begin(), scopes.end(), [&](const Scope& scope) {
        if (action == Action::Catalog || action == Action::Admin) {
            return scope.type == "registry" && scope.name == "catalog" &&
                   action == Action::Catalog && has(scope, "*");
        }
        return scope.type == "repository" && scope.name == repository &&
               has(scope, name_of(action));
    });
}

} // namespace shoal::registry
