// Who may do what in the registry: users out of an htpasswd file, robot accounts and a directory
// (LDAP); rules that give rights by user, group and prefix; tokens that say both for a while. It
// decides about names and actions; it knows no HTTP beyond the text of an Authorization header, and
// no storage.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/task.h"
#include "net/until.h"
#include "registry/protocol/challenge.h"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::net {
class Loop;
class Pool;
} // namespace shoal::net

namespace shoal::registry {

enum class Action {
    Pull,
    Push,
    Delete,
    Catalog, ///< list repositories: each caller sees those that it may pull
    Admin,   ///< collection, retention, users: everything
};
std::string_view name_of(Action action); ///< "pull"

struct Identity {
    std::string name; ///< "" for anonymous
    std::vector<std::string> groups;
    bool robot = false;
    bool admin = false;
    bool directory = false; ///< the directory (LDAP) knows the password, not the file
    std::string stamp{};    ///< of the password that was right just now; "" when none was asked for
    bool anonymous() const { return name.empty(); }
};

/// A rule of the configuration. A name matches when it is the prefix, or begins with prefix and
/// (unless the prefix ends in '/') a '/'. "" is every repository. Rights add up; nothing takes
/// away.
struct Rule {
    std::vector<std::string> users; ///< "*": everybody who has logged in
    std::vector<std::string> groups;
    bool anonymous = false; ///< those who have not, too (pull only)
    std::string prefix;
    std::vector<Action> actions;
};

struct LdapSettings {
    std::string url; ///< "ldaps://…", "ldap://…" (with start_tls unless loopback)
    bool start_tls = true;
    std::string ca_file;
    std::string bind_dn; ///< who looks users up; "" binds as the user himself by `user_dn`
    std::string bind_password_file;
    std::string user_dn;     ///< "uid={},ou=people,dc=example", "{}@example.org"; or
    std::string user_base;   ///< search here with (of "{}@example.org": afterwards, for the DN)
    std::string user_filter; ///< "(&(objectClass=person)(sAMAccountName={}))"
    std::string group_base;
    std::string group_filter; ///< "(member={})" with the user's DN; "" reads memberOf instead
    std::string group_name = "cn";
    std::chrono::seconds timeout{5};
    std::chrono::seconds cache{60}; ///< how long a good answer is believed; a bad one never
};

struct AccessSettings {
    std::string directory;     ///< robots.json, token.key, audit.log; private, made when missing
    std::string htpasswd_file; ///< bcrypt; read again when it changed
    std::vector<std::string> admins;
    std::map<std::string, std::vector<std::string>> groups; ///< names of users by group
    std::vector<Rule> rules;
    bool rules_given = false; ///< without: users pull and push everything, nobody else anything
    std::optional<LdapSettings> ldap;
    std::string service = "shoal-registry"; ///< audience of tokens
    std::chrono::seconds token_life{300};
    int failures_max = 5; ///< failed log-ins of one name from one address in `failures_window`; ten
                          ///< times as many from an address, twenty times of a name
    std::chrono::seconds failures_window{60};
    bool open = false; ///< no users at all and everything allowed: loopback only, said so at start
};

class Access {
  public:
    static Result<std::shared_ptr<Access>> create(AccessSettings settings, net::Loop& loop,
                                                  net::Pool& pool, const Clock& clock,
                                                  Random& random);
    virtual ~Access() = default;

    struct Caller {
        Identity identity;
        /// Set when a token said it: what it grants, and no more than that.
        std::optional<std::vector<Scope>> token_scopes;
    };
    /// `authorization` is the header's value, "" when there is none: then the anonymous caller.
    /// `peer` is the address, for the count of failures. Fails: Unauthorized (wrong name, password
    /// or token, expired robot); Unavailable with "too many failed log-ins" (HTTP 429), or when the
    /// directory does not answer.
    virtual net::Task<Result<Caller>> authenticate(std::string authorization, std::string peer,
                                                   net::Until until) = 0;
    /// `repository` is "" for Catalog and Admin.
    virtual bool allows(const Caller& caller, std::string_view repository, Action action) const = 0;
    /// The repositories that the caller may pull, by the rules of this moment: for long lists, on
    /// any thread.
    virtual std::function<bool(const std::string&)> pullable(const Caller& caller) const = 0;
    /// A token for as much of `scopes` as the caller has: {"token","access_token","expires_in",
    /// "issued_at"}.
    virtual std::string issue_token(const Caller& caller, const std::vector<Scope>& scopes) = 0;
    /// What a browser keeps of somebody who has logged in with a password. It grants nothing by
    /// itself: who that is and what he may do is looked up each time, and it ends with the account
    /// and the password. It is no token, nor is a token one.
    struct Session {
        std::string text;
        std::chrono::seconds life;
    };
    /// Fails: Exhausted when the caller has more groups than a cookie can hold.
    virtual Result<Session> begin_session(const Caller& caller) = 0;
    /// From now on it is nobody's, whoever has a copy: until its end, and as far as this process
    /// knows.
    virtual void end_session(std::string_view text) = 0;
    /// Fails: Unauthorized; Unavailable when the files of users cannot be read.
    virtual Result<Caller> continue_session(std::string_view text) = 0;
    /// Reads rules and settings again (SIGHUP).
    virtual Result<void> reload(AccessSettings settings) = 0;
    virtual const AccessSettings& settings() const = 0;

    /// One line of the audit log: who, from where, what, on what, how it ended.
    virtual void audit(const Caller& caller, std::string_view peer, std::string_view what,
                       std::string_view object, std::string_view result) = 0;
};

} // namespace shoal::registry
