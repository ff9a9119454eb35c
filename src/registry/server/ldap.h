// Log-ins against a directory (LDAP, Active Directory) by libldap: bind as the user, read the
// groups. Blocking, for a pool's thread, and without a sure end (DirectoryChecks gives it one); one
// connection per question, nothing is kept.
#pragma once

#include "os/fd.h"
#include "registry/server/access.h"

#include <mutex>
#include <optional>

namespace shoal::registry {

struct DirectoryUser {
    std::string dn;
    std::vector<std::string> groups;
};
/// The connection of one question, for whoever does not want to wait for the answer any more.
class DirectoryLine {
  public:
    /// Any thread: whoever reads or writes there comes back with an error, now or when it connects.
    void hang_up();
    bool over() const;
    void connected(const os::Fd& socket);

  private:
    mutable std::mutex mutex_;
    os::Fd socket_;
    bool over_ = false;
};

/// Nothing when name or password are wrong. Fails: Unavailable when the directory does not answer
/// or may not be spoken to (no TLS beyond loopback).
Result<std::optional<DirectoryUser>> log_in_by_directory(const LdapSettings& settings,
                                                         const std::string& name,
                                                         const std::string& password,
                                                         DirectoryLine& line);

/// One directory, scheme and host and perhaps a port, nothing else: "ldaps://dc.example.org:636",
/// "ldapi://%2Frun%2Fslapd%2Fldapi". libldap would take lists of URLs and more. Pure.
struct LdapUrl {
    std::string scheme; ///< "ldap", "ldaps", "ldapi"
    std::string host;   ///< without brackets; of ldapi the socket's path, still encoded
    /// A name or an address that cannot leave this machine.
    bool is_loopback() const;
};
/// Fails: Invalid saying what does not belong there.
Result<LdapUrl> parse_ldap_url(const std::string& url);

/// "{}" replaced, with what the name has of special characters escaped: RFC 4515 and RFC 4514.
/// Pure.
std::string fill_filter(std::string_view pattern, std::string_view value);
std::string fill_dn(std::string_view pattern, std::string_view value);
/// Whether a user_dn is one: "{}@example.org" is a name that Active Directory binds by, and no DN.
bool is_dn_pattern(std::string_view pattern);
/// The first value of a DN: "admins" of "cn=admins,ou=groups,dc=x". Pure.
std::string first_value(std::string_view dn);

} // namespace shoal::registry
