#include "registry/server/access_settings.h"

#include "base/time.h"
#include "registry/server/ldap.h"
#include "registry/server/rules.h"

#include <functional>

namespace shoal::registry {
namespace {

using Reader = std::function<Result<void>(const Json&)>;

/// Every member of `object` goes to its reader; others are refused.
Result<void> read_members(const Json& object, const std::string& place,
                          const std::map<std::string, Reader>& readers) {
    if (!object.is_object()) { return invalid(place + ": an object is needed"); }
    for (const auto& [key, value] : object.items()) {
        const auto reader = readers.find(key);
        if (reader == readers.end()) { return invalid(place + ": unknown key " + key); }
        TRY(reader->second(value).with(place + "." + key));
    }
    return ok();
}

Reader text(std::string& into) {
    return [&into](const Json& value) -> Result<void> {
        if (!value.is_string()) { return invalid("a text is needed"); }
        into = value.get<std::string>();
        return ok();
    };
}
Reader texts(std::vector<std::string>& into) {
    return [&into](const Json& value) -> Result<void> {
        if (!value.is_array()) { return invalid("a list of texts is needed"); }
        into.clear();
        for (const auto& one : value) {
            if (!one.is_string()) { return invalid("a list of texts is needed"); }
            into.push_back(one.get<std::string>());
        }
        return ok();
    };
}
Reader flag(bool& into) {
    return [&into](const Json& value) -> Result<void> {
        if (!value.is_boolean()) { return invalid("true or false is needed"); }
        into = value.get<bool>();
        return ok();
    };
}
Reader number(int& into) {
    return [&into](const Json& value) -> Result<void> {
        if (!value.is_number_integer() || value.get<std::int64_t>() < 1 ||
            value.get<std::int64_t>() > 1'000'000) {
            return invalid("a number from 1 to 1000000 is needed");
        }
        into = value.get<int>();
        return ok();
    };
}
Reader span(std::chrono::seconds& into) {
    return [&into](const Json& value) -> Result<void> {
        if (!value.is_string()) { return invalid("a duration such as \"5m\" is needed"); }
        TRY_LET(parsed, parse_duration(value.get<std::string>()));
        if (parsed < std::chrono::seconds(1)) { return invalid("at least a second is needed"); }
        into = std::chrono::duration_cast<std::chrono::seconds>(parsed);
        return ok();
    };
}

Reader actions(std::vector<Action>& into) {
    return [&into](const Json& value) -> Result<void> {
        std::vector<std::string> words;
        TRY(texts(words)(value));
        for (const auto& word : words) {
            const auto action = parse_action(word);
            if (!action) { return invalid(word + " is none of pull, push, delete"); }
            into.push_back(*action);
        }
        return ok();
    };
}

Result<Rule> parse_rule(const Json& value, const std::string& place) {
    Rule rule;
    TRY(read_members(value, place,
                     {{"users", texts(rule.users)},
                      {"groups", texts(rule.groups)},
                      {"anonymous", flag(rule.anonymous)},
                      {"prefix", text(rule.prefix)},
                      {"actions", actions(rule.actions)}}));
    if (rule.users.empty() && rule.groups.empty() && !rule.anonymous) {
        return invalid(place + ": a rule needs users, groups or anonymous");
    }
    if (rule.actions.empty()) { return invalid(place + ": a rule needs actions"); }
    if (rule.anonymous && rule.actions != std::vector<Action>{Action::Pull}) {
        return invalid(place + ": those who have not logged in may only pull");
    }
    return rule;
}

Reader rules(std::vector<Rule>& into) {
    return [&into](const Json& value) -> Result<void> {
        if (!value.is_array()) { return invalid("a list of rules is needed"); }
        into.clear();
        for (const auto& one : value) {
            TRY_LET(rule, parse_rule(one, "rule " + std::to_string(into.size() + 1)));
            into.push_back(std::move(rule));
        }
        return ok();
    };
}

Reader groups(std::map<std::string, std::vector<std::string>>& into) {
    return [&into](const Json& value) -> Result<void> {
        if (!value.is_object()) { return invalid("an object of lists of names is needed"); }
        into.clear();
        for (const auto& [name, members] : value.items()) {
            TRY(texts(into[name])(members).with(name));
        }
        return ok();
    };
}

/// A name to bind by that is no DN, and nothing to find the DN with.
bool has_no_dn(const LdapSettings& ldap) {
    return !ldap.user_dn.empty() && !is_dn_pattern(ldap.user_dn) && ldap.user_base.empty();
}

/// How users are found, one way of three.
Result<void> check_users_of(const LdapSettings& ldap) {
    const bool by_search = !ldap.bind_dn.empty();
    if (by_search && (ldap.user_base.empty() || ldap.user_filter.empty())) {
        return invalid("ldap: bind-dn needs user-base and user-filter");
    }
    if (by_search == !ldap.user_dn.empty()) {
        return invalid("ldap: either user-dn, or bind-dn with user-base and user-filter");
    }
    if (ldap.user_base.empty() != ldap.user_filter.empty()) {
        return invalid("ldap: user-base and user-filter belong together");
    }
    if (is_dn_pattern(ldap.user_dn) && !ldap.user_base.empty()) {
        return invalid("ldap: user-dn says where users are: user-base and user-filter have no use");
    }
    for (const auto& pattern : {ldap.user_dn, ldap.user_filter}) {
        if (!pattern.empty() && pattern.find("{}") == std::string::npos) {
            return invalid("ldap: {} must stand where the user's name belongs");
        }
    }
    if (has_no_dn(ldap) && ldap.group_filter.find("{}") != std::string::npos) {
        return invalid("ldap: group-filter asks for the user's DN, and " + ldap.user_dn +
                       " is none: user-base and user-filter are needed");
    }
    return ok();
}

/// Rules about groups that nobody could be found to be in.
Result<void> check_groups(const AccessSettings& settings) {
    if (!settings.ldap || !has_no_dn(*settings.ldap)) { return ok(); }
    if (!settings.ldap->group_filter.empty()) { return ok(); }
    for (const auto& rule : settings.rules) {
        for (const auto& group : rule.groups) {
            if (settings.groups.contains(group)) { continue; }
            return invalid("rules: the group " + group + " is the directory's, and with user-dn " +
                           settings.ldap->user_dn +
                           " its groups are read only with user-base and user-filter");
        }
    }
    return ok();
}

Result<LdapSettings> parse_ldap(const Json& value) {
    LdapSettings ldap;
    TRY(read_members(value, "ldap",
                     {{"url", text(ldap.url)},
                      {"start-tls", flag(ldap.start_tls)},
                      {"ca-file", text(ldap.ca_file)},
                      {"bind-dn", text(ldap.bind_dn)},
                      {"bind-password-file", text(ldap.bind_password_file)},
                      {"user-dn", text(ldap.user_dn)},
                      {"user-base", text(ldap.user_base)},
                      {"user-filter", text(ldap.user_filter)},
                      {"group-base", text(ldap.group_base)},
                      {"group-filter", text(ldap.group_filter)},
                      {"group-name", text(ldap.group_name)},
                      {"timeout", span(ldap.timeout)},
                      {"cache", span(ldap.cache)}}));
    TRY_LET(url, parse_ldap_url(ldap.url));
    TRY(check_users_of(ldap));
    if (url.scheme != "ldap") { ldap.start_tls = false; }
    return ldap;
}

} // namespace

Result<AccessSettings> parse_access_settings(AccessSettings base, const Json& document) {
    const Reader ldap = [&base](const Json& value) -> Result<void> {
        TRY_LET(parsed, parse_ldap(value));
        base.ldap = std::move(parsed);
        return ok();
    };
    const Reader given_rules = [&base](const Json& value) -> Result<void> {
        base.rules_given = true;
        return rules(base.rules)(value);
    };
    TRY(read_members(document, "access",
                     {{"htpasswd", text(base.htpasswd_file)},
                      {"admins", texts(base.admins)},
                      {"groups", groups(base.groups)},
                      {"rules", given_rules},
                      {"ldap", ldap},
                      {"service", text(base.service)},
                      {"token-life", span(base.token_life)},
                      {"failures-max", number(base.failures_max)},
                      {"failures-window", span(base.failures_window)}}));
    TRY(check_groups(base));
    return base;
}

} // namespace shoal::registry
