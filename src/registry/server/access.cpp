// Access put together: where a name and password or a token come from, and what they are worth.
#include "registry/server/access.h"

#include "base/json.h"
#include "base/text.h"
#include "base/time.h"
#include "blob/hash.h"
#include "net/pool.h"
#include "net/wait_queue.h"
#include "os/file.h"
#include "registry/protocol/auth_config.h"
#include "registry/server/audit.h"
#include "registry/server/directory_checks.h"
#include "registry/server/ended_sessions.h"
#include "registry/server/failures.h"
#include "registry/server/htpasswd.h"
#include "registry/server/robots.h"
#include "registry/server/rules.h"
#include "registry/server/token.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

namespace shoal::registry {
namespace {

constexpr int checks_max = 2;                    ///< passwords of the file checked at one time
constexpr std::chrono::seconds believed_for{30}; ///< a good password of the file
constexpr std::size_t believed_max = 10'000;
constexpr int tries_max = 3;                    ///< of a log-in while users change
constexpr std::size_t complaints_max = 20;      ///< of one reading of the file, in the log
constexpr std::size_t name_bytes_max = 256;     ///< of somebody who logs in
constexpr std::size_t session_bytes_max = 3800; ///< browsers keep no cookie beyond 4096
constexpr std::chrono::hours session_life{8};
constexpr std::chrono::hours directory_session_life{1}; ///< nobody asks the directory meanwhile

/// Says whether a file is still the one that was read.
struct Stamp {
    std::int64_t size = -1;
    std::int64_t changed = 0;
    std::uint64_t inode = 0;
    bool operator==(const Stamp&) const = default;
};
Stamp stamp_of(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) { return {}; }
    return {status.st_size, status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec,
            status.st_ino};
}

bool contains(const std::vector<std::string>& list, const std::string& one) {
    return std::find(list.begin(), list.end(), one) != list.end();
}

Error wrong_password() { return Error{Errc::Unauthorized, "incorrect username or password"}; }

class AccessImpl : public Access {
  public:
    AccessImpl(AccessSettings settings, net::Loop& loop, net::Pool& pool, const Clock& clock,
               Random& random, TokenKey key)
        : settings_(std::move(settings)), pool_(pool), clock_(clock), random_(random),
          key_(std::move(key)), audit_(settings_.directory + "/audit.log"),
          failures_(settings_.failures_max, settings_.failures_window), queue_(loop),
          directory_(loop), cache_key_(random.hex(32)) {}

    net::Task<Result<Caller>> authenticate(std::string authorization, std::string peer,
                                           net::Until until) override {
        if (authorization.empty()) { co_return Caller{}; }
        const auto [scheme, rest] = cut(authorization, ' ');
        if (equals_ignore_case(scheme, "Bearer")) { co_return bearer(trim(rest)); }
        if (!equals_ignore_case(scheme, "Basic")) {
            co_return Error{Errc::Unauthorized,
                            "log-ins of the kind " + scheme.substr(0, 20) + " are not understood"};
        }
        const auto pair = parse_basic(rest);
        if (!pair) { co_return wrong_password(); }
        const std::string name = pair->name;
        const std::string password = pair->password;
        if (name.empty() && password.empty()) { co_return Caller{}; }
        co_return co_await log_in(name, password, peer, until);
    }

    bool allows(const Caller& caller, std::string_view repository, Action action) const override {
        if (caller.token_scopes && !scopes_allow(*caller.token_scopes, repository, action)) {
            return false;
        }
        return rules_allow(settings_, caller.identity, repository, action);
    }

    std::function<bool(const std::string&)> pullable(const Caller& caller) const override {
        AccessSettings rules;
        rules.open = settings_.open;
        rules.rules = settings_.rules;
        rules.rules_given = settings_.rules_given;
        return [rules = std::move(rules), caller](const std::string& name) {
            const bool granted =
                !caller.token_scopes || scopes_allow(*caller.token_scopes, name, Action::Pull);
            return granted && rules_allow(rules, caller.identity, name, Action::Pull);
        };
    }

    std::string issue_token(const Caller& caller, const std::vector<Scope>& scopes) override {
        TokenClaims claims = claims_for(caller.identity, settings_.service);
        const auto life = settings_.token_life;
        for (const auto& scope : scopes) {
            Scope granted = grant(caller, scope);
            if (!granted.actions.empty()) { claims.scopes.push_back(std::move(granted)); }
        }
        claims.expires = claims.issued + life;
        const std::string token = key_.sign(claims);
        return dump_json(Json{{"token", token},
                              {"access_token", token},
                              {"expires_in", life.count()},
                              {"issued_at", format_rfc3339(claims.issued)}});
    }

    Result<Session> begin_session(const Caller& caller) override {
        TokenClaims claims = claims_for(caller.identity, session_audience());
        const auto life = caller.identity.directory ? directory_session_life : session_life;
        claims.expires = claims.issued + life;
        claims.stamp = caller.identity.stamp;
        claims.id = random_.hex(16);
        Session session{key_.sign(claims), life};
        if (session.text.size() > session_bytes_max) {
            return Error{Errc::Exhausted, "too many groups: a log-in to the page cannot hold the " +
                                              std::to_string(claims.groups.size()) + " of " +
                                              caller.identity.name + " that rules name"};
        }
        return session;
    }

    void end_session(std::string_view text) override {
        const Instant now = clock_.now();
        const auto claims = key_.verify(text, session_audience(), now);
        if (!claims || claims->id.empty()) { return; }
        ended_.note(claims->id, claims->expires, now);
    }

    Result<Caller> continue_session(std::string_view text) override {
        TRY_LET(claims, key_.verify(text, session_audience(), clock_.now()));
        if (claims.id.empty() || ended_.has(claims.id)) {
            return Error{Errc::Unauthorized, "the session was ended"};
        }
        TRY_LET(identity, standing_of(claims));
        if (claims.stamp != password_stamp(identity)) {
            return Error{Errc::Unauthorized, "the password is another one now"};
        }
        return Caller{std::move(identity), std::nullopt};
    }

    Result<void> reload(AccessSettings settings) override {
        settings.directory = settings_.directory;
        if (settings.htpasswd_file.empty()) {
            settings.htpasswd_file = settings.directory + "/htpasswd";
        }
        AccessSettings before = std::exchange(settings_, std::move(settings));
        file_stamp_.reset(); // a file that is absent has a stamp, too
        robots_stamp_.reset();
        if (auto read = refresh(); !read) {
            settings_ = std::move(before);
            return read;
        }
        failures_ = FailedLogins(settings_.failures_max, settings_.failures_window);
        forget_answers();
        return ok();
    }
    const AccessSettings& settings() const override { return settings_; }

    void audit(const Caller& caller, std::string_view peer, std::string_view what,
               std::string_view object, std::string_view result) override {
        const AuditLog::Entry entry{caller.identity.name, peer, what, object, result};
        (void)audit_.write(entry, clock_.now()); // a full disk must not stop reading
    }

    /// Reads users and robots again when their files have changed.
    Result<void> refresh() {
        const Stamp file = stamp_of(settings_.htpasswd_file);
        if (file_stamp_ != file) {
            TRY_LET(loaded, load_htpasswd(settings_.htpasswd_file));
            file_ = std::move(loaded);
            nobodys_hash_ = file_.nobodys_hash();
            log_complaints();
            file_stamp_ = file;
            forget_answers();
        }
        const std::string robots_file = settings_.directory + "/robots.json";
        const Stamp robots = stamp_of(robots_file);
        if (robots_stamp_ != robots) {
            TRY_LET(loaded, load_robots(robots_file));
            robots_.clear();
            for (auto& robot : loaded) { robots_[robot.name] = std::move(robot); }
            robots_stamp_ = robots;
            forget_answers();
        }
        return ok();
    }

  private:
    /// What is believed, and what checks that are under way will say: it was of other users.
    void forget_answers() {
        believed_.clear();
        ++generation_;
    }

    /// Lines of the file that are of no use, once for each time it is read.
    void log_complaints() const {
        const auto& all = file_.complaints;
        for (std::size_t n = 0; n < std::min(all.size(), complaints_max); ++n) {
            spdlog::warn("{}: {}", settings_.htpasswd_file, all[n]);
        }
        if (all.size() > complaints_max) {
            spdlog::warn("{}: {} more lines of no use", settings_.htpasswd_file,
                         all.size() - complaints_max);
        }
    }

    struct Believed {
        Identity identity;
        Instant until;
    };

    Result<Caller> bearer(std::string_view token) {
        TRY_LET(claims, key_.verify(token, settings_.service, clock_.now()));
        TRY_LET(identity, standing_of(claims));
        return Caller{std::move(identity), std::move(claims.scopes)};
    }

    std::string session_audience() const { return settings_.service + "/page"; }

    TokenClaims claims_for(const Identity& identity, std::string audience) const {
        TokenClaims claims;
        claims.subject = identity.name;
        claims.groups = groups_to_keep(identity);
        claims.robot = identity.robot;
        claims.directory = identity.directory;
        claims.audience = std::move(audience);
        claims.issued = clock_.now();
        return claims;
    }

    /// Groups that only the directory knows of, and that a rule asks for.
    std::vector<std::string> groups_to_keep(const Identity& identity) const {
        std::vector<std::string> kept;
        if (!identity.directory) { return kept; }
        for (const auto& group : identity.groups) {
            const auto own = settings_.groups.find(group);
            const bool given =
                own != settings_.groups.end() && contains(own->second, identity.name);
            const bool asked =
                std::any_of(settings_.rules.begin(), settings_.rules.end(),
                            [&](const Rule& rule) { return contains(rule.groups, group); });
            if (!given && asked) { kept.push_back(group); }
        }
        return kept;
    }

    /// Who a token speaks of, as users and settings are now. Fails: Unauthorized when there is no
    /// such account any more.
    Result<Identity> standing_of(const TokenClaims& claims) {
        const std::string& name = claims.subject;
        if (name.empty()) { return Identity{}; }
        if (const auto read = refresh(); !read) { return unreadable(read.error()); }
        bool there = false;
        if (claims.robot) {
            const auto robot = robots_.find(name);
            there = robot != robots_.end() &&
                    (robot->second.expires == Instant() || clock_.now() < robot->second.expires);
        } else {
            const bool in_file = file_.hashes.contains(name);
            there = claims.directory ? settings_.ldap && !in_file : in_file;
        }
        if (!there) { return Error{Errc::Unauthorized, "there is no account " + name}; }
        Identity identity = identity_of(name, claims.groups, claims.robot);
        identity.directory = claims.directory;
        return identity;
    }

    /// Another password, another stamp. "" for users of the directory.
    std::string password_stamp(const Identity& identity) const {
        std::string hash;
        if (identity.directory) { return ""; }
        if (const auto robot = robots_.find(identity.name); robot != robots_.end()) {
            hash = robot->second.hash;
        } else if (const auto user = file_.hashes.find(identity.name); user != file_.hashes.end()) {
            hash = user->second;
        }
        return hash.empty() ? "" : blob::hash(hash).hex().substr(0, 16);
    }

    static Error unreadable(const Error& error) {
        return unavailable("users cannot be read: " + error.message);
    }

    /// Clients are told less.
    static Error unavailable(std::string why) {
        spdlog::error("log-in: {}", why);
        return Error{Errc::Unavailable, std::move(why)};
    }

    net::Task<Result<Caller>> log_in(std::string name, std::string password, std::string peer,
                                     net::Until until) {
        if (const auto read = refresh(); !read) { co_return unreadable(read.error()); }
        if (name.size() > name_bytes_max) { co_return wrong_password(); }
        for (int tries = 0; tries < tries_max; ++tries) {
            auto found = co_await try_log_in(name, password, peer, until);
            if (!found) { co_return std::move(found).error(); }
            if (*found) { co_return std::move(**found); }
        }
        co_return unavailable("users or settings change all the time");
    }

    /// Nothing when users or settings became others meanwhile: then the answer is worth nothing.
    net::Task<Result<std::optional<Caller>>> try_log_in(std::string name, std::string password,
                                                        std::string peer, net::Until until) {
        const std::uint64_t generation = generation_;
        const std::string cached = blob::hash(cache_key_ + name + '\0' + password).hex();
        const std::string place = place_of(peer);
        const bool elsewhere = is_directorys(name);
        // Asked again when it is this one's turn: others may have failed meanwhile, or been right.
        for (const bool waited : {false, true}) {
            if (waited) { wake_next(elsewhere); } // this one may go without a check of its own
            if (generation != generation_) { co_return std::optional<Caller>(); }
            const Instant now = clock_.now();
            if (const auto known = believed_.find(cached);
                known != believed_.end() && now < known->second.until) {
                co_return std::optional<Caller>(Caller{known->second.identity, std::nullopt});
            }
            if (failures_.blocked(name, place, now)) {
                co_return Error{Errc::Unavailable,
                                "too many failed log-ins: try again in a minute"};
            }
            if (waited) { continue; }
            const auto turn = co_await wait_for_turn(elsewhere, until);
            if (!turn) { co_return unavailable(turn.error().message); }
        }
        const Instant now = clock_.now();
        auto found = co_await check(name, password, until);
        if (const auto read = refresh(); !read) { co_return unreadable(read.error()); }
        if (generation != generation_) { co_return std::optional<Caller>(); }
        if (!found) { co_return unavailable(found.error().message); }
        if (!*found) {
            failures_.note(name, place, now);
            Caller nobody;
            nobody.identity.name = name.substr(0, 128);
            audit(nobody, peer, "log-in", "", "refused");
            co_return wrong_password();
        }
        failures_.clear(name, place);
        Caller caller;
        caller.identity = std::move(**found);
        caller.identity.stamp = password_stamp(caller.identity);
        believe(cached, caller.identity);
        co_return std::optional<Caller>(std::move(caller));
    }

    void believe(const std::string& cached, const Identity& identity) {
        if (believed_.size() >= believed_max) { believed_.clear(); }
        const auto span = identity.directory ? settings_.ldap->cache : believed_for;
        Instant end = clock_.now() + span;
        const auto robot = robots_.find(identity.name);
        if (robot != robots_.end() && robot->second.expires != Instant()) {
            end = std::min(end, robot->second.expires);
        }
        believed_[cached] = {identity, end};
    }

    /// Names that neither the file nor the robots' prefix claims.
    bool is_directorys(const std::string& name) const {
        return settings_.ldap && !is_robot_name(name) && !file_.hashes.contains(name);
    }

    void wake_next(bool elsewhere) {
        if (elsewhere) {
            directory_.wake_one();
        } else {
            queue_.wake_one();
        }
    }

    net::Task<Result<void>> wait_for_turn(bool elsewhere, net::Until until) {
        if (elsewhere) {
            const Deadline patience = Deadline::in(settings_.ldap->timeout);
            co_return co_await directory_.wait_for_turn(until.no_later_than(patience));
        }
        while (checking_ >= checks_max) {
            const net::Wake wake = co_await queue_.wait(until);
            if (wake == net::Wake::Raised) { continue; }
            queue_.wake_one();
            co_return Error{Errc::Unavailable, "too many log-ins at one time"};
        }
        co_return ok();
    }

    /// Nothing when the password is wrong.
    net::Task<Result<std::optional<Identity>>> check(std::string name, std::string password,
                                                     net::Until until) {
        if (is_robot_name(name)) {
            const auto robot = robots_.find(name);
            const bool right =
                robot != robots_.end() && is_robots_secret(robot->second, password, clock_.now());
            if (!right) { co_return std::optional<Identity>(); }
            co_return std::optional<Identity>(identity_of(name, {}, true));
        }
        if (is_directorys(name)) {
            const LdapSettings ldap = *settings_.ldap;
            auto user = co_await directory_.log_in(ldap, name, password, until);
            if (!user) { co_return std::move(user).error(); }
            if (!*user) { co_return std::optional<Identity>(); }
            Identity identity = identity_of(name, std::move((*user)->groups), false);
            identity.directory = true;
            co_return std::optional<Identity>(std::move(identity));
        }
        ++checking_;
        const bool right = co_await is_files_password(name, password);
        --checking_;
        queue_.wake_one();
        if (!right) { co_return std::optional<Identity>(); }
        co_return std::optional<Identity>(identity_of(name, {}, false));
    }

    net::Task<bool> is_files_password(std::string name, std::string password) {
        const auto known = file_.hashes.find(name);
        const std::string hash = known == file_.hashes.end() ? nobodys_hash_ : known->second;
        auto job = [password, hash] { return check_password(password, hash); };
        co_return co_await pool_.run(std::move(job));
    }

    Identity identity_of(const std::string& name, std::vector<std::string> groups,
                         bool robot) const {
        Identity identity{name, std::move(groups), robot};
        identity.admin = !robot && contains(settings_.admins, name);
        for (const auto& [group, members] : settings_.groups) {
            if (contains(members, name)) { identity.groups.push_back(group); }
        }
        return identity;
    }

    /// As much of a scope as the caller has.
    Scope grant(const Caller& caller, const Scope& scope) const {
        Scope granted{scope.type, scope.name, {}};
        if (scope.type == "registry") {
            if (scope.name == "catalog" && allows(caller, "", Action::Catalog)) {
                granted.actions = {"*"};
            }
            return granted;
        }
        if (scope.type != "repository") { return granted; }
        for (const auto& word : scope.actions) {
            const bool all = word == "*";
            for (const auto action : {Action::Pull, Action::Push, Action::Delete}) {
                if ((all || word == name_of(action)) && allows(caller, scope.name, action)) {
                    granted.actions.emplace_back(name_of(action));
                }
            }
        }
        return granted;
    }

    AccessSettings settings_;
    net::Pool& pool_;
    const Clock& clock_;
    Random& random_;
    TokenKey key_;
    AuditLog audit_;
    FailedLogins failures_;
    PasswordFile file_;
    std::string nobodys_hash_; ///< as dear as those of the file
    std::optional<Stamp> file_stamp_;
    std::map<std::string, Robot> robots_;
    std::optional<Stamp> robots_stamp_;
    std::map<std::string, Believed> believed_;
    std::uint64_t generation_ = 0; ///< of users, robots and settings: more with each reading
    EndedSessions ended_;
    net::WaitQueue queue_;
    int checking_ = 0;
    DirectoryChecks directory_;
    std::string cache_key_;
};

} // namespace

Result<std::shared_ptr<Access>> Access::create(AccessSettings settings, net::Loop& loop,
                                               net::Pool& pool, const Clock& clock,
                                               Random& random) {
    TRY(os::ensure_directory(settings.directory, 0700));
    if (settings.htpasswd_file.empty()) {
        settings.htpasswd_file = settings.directory + "/htpasswd";
    }
    TRY_LET(key, TokenKey::load(settings.directory + "/token.key"));
    auto access = std::make_shared<AccessImpl>(std::move(settings), loop, pool, clock, random,
                                               std::move(key));
    TRY(access->refresh());
    return std::shared_ptr<Access>(std::move(access));
}

} // namespace shoal::registry
