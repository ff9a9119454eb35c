// Log-ins against a directory (LDAP, Active Directory) by libldap: bind as the user, read the
// groups. Blocking, for a pool's thread; one connection per question, nothing is kept.
#pragma once

#include "registry/server/access.h"

#include <optional>

namespace shoal::registry {

struct DirectoryUser {
    std::string dn;
    std::vector<std::string> groups;
};
/// Nothing when name or password are wrong. Fails: Unavailable when the directory does not answer
/// or may not be spoken to (no TLS beyond loopback).
Result<std::optional<DirectoryUser>> log_in_by_directory(const LdapSettings& settings,
                                                         const std::string& name,
                                                         const std::string& password);

/// "{}" replaced, with what the name has of special characters escaped: RFC 4515 and RFC 4514.
/// Pure.
std::string fill_filter(std::string_view pattern, std::string_view value);
std::string fill_dn(std::string_view pattern, std::string_view value);
/// The first value of a DN: "admins" of "cn=admins,ou=groups,dc=x". Pure.
std::string first_value(std::string_view dn);

} // namespace shoal::registry
