#include "base/json.h"
#include "base/text.h"
#include "net/loop.h"
#include "net/pool.h"
#include "net/scope.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/lock_file.h"
#include "registry/server/access_settings.h"
#include "registry/server/certificates.h"
#include "registry/server/ended_sessions.h"
#include "registry/server/failures.h"
#include "registry/server/htpasswd.h"
#include "registry/server/ldap.h"
#include "registry/server/robots.h"
#include "registry/server/rules.h"
#include "registry/server/token.h"

#include <gtest/gtest.h>

namespace shoal::registry {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class HandClock : public Clock {
  public:
    Instant now() const override { return at; }
    Steady steady() const override { return {}; }
    Instant at{hours(500'000)};
};

TEST(Htpasswd, takes_bcrypt_and_complains_of_the_rest) {
    os::SystemRandom random;
    const auto hash = hash_password("secret", random);
    ASSERT_TRUE(hash);
    const auto file = parse_htpasswd("# users\nann:" + *hash + "\nbob:$apr1$x$y\nnonsense\n\n");
    EXPECT_EQ(file.hashes.size(), 1u);
    ASSERT_EQ(file.complaints.size(), 2u);
    EXPECT_NE(file.complaints[0].find("line 3: bob"), std::string::npos);
    EXPECT_TRUE(check_password("secret", file.hashes.at("ann")));
    EXPECT_FALSE(check_password("Secret", file.hashes.at("ann")));
    EXPECT_FALSE(check_password("", file.hashes.at("ann")));
    EXPECT_FALSE(check_password("secret", ""));
    EXPECT_FALSE(check_password("secret", file.nobodys_hash()));
    EXPECT_FALSE(hash_password(std::string(73, 'x'), random));
    EXPECT_FALSE(hash_password("", random));
}

TEST(Htpasswd, complains_by_name_and_line_and_never_with_the_hash) {
    const std::string rest = "abcdefghijklmnopqrstuuO3Zq0OQ1mHNHeDMpA2p2Ykz3dG9a9iW";
    const auto file = parse_htpasswd("good:$2y$10$" + rest + "\nslow:$2y$31$" + rest +
                                     "\nodd:$2y$1x$" + rest + "\n$2y$10$" + rest + ":turned\n" +
                                     "$2y$10$" + rest + "\nrobot$ci:$2y$10$" + rest + "\n");
    EXPECT_EQ(file.hashes.size(), 1u);
    ASSERT_EQ(file.complaints.size(), 5u);
    EXPECT_EQ(file.complaints[0].find("line 2: slow"), 0u);
    EXPECT_EQ(file.complaints[1].find("line 3: odd"), 0u);
    EXPECT_EQ(file.complaints[2].find("line 4: a name"), 0u);
    EXPECT_EQ(file.complaints[3].find("line 5: not of the form"), 0u);
    for (const auto& complaint : file.complaints) {
        EXPECT_EQ(complaint.find("$2y$"), std::string::npos) << complaint;
    }
}

TEST(Htpasswd, nobody_costs_what_the_dearest_costs) {
    const std::string rest = "$abcdefghijklmnopqrstuuO3Zq0OQ1mHNHeDMpA2p2Ykz3dG9a9iX";
    const auto cost_of_nobody = [](const std::string& text) {
        return parse_htpasswd(text).nobodys_hash().substr(0, 7);
    };
    EXPECT_EQ(cost_of_nobody(""), "$2y$10$");
    EXPECT_EQ(cost_of_nobody("a:$2y$05" + rest), "$2y$05$");
    EXPECT_EQ(cost_of_nobody("a:$2y$05" + rest + "\nb:$2b$12" + rest + "\nc:$2y$10" + rest),
              "$2y$12$");
    EXPECT_EQ(parse_htpasswd("").nobodys_hash().size(), 60u);
}

TEST(Htpasswd, names_are_plain) {
    for (const char* name : {"ann", "a.b@c-d_e+1"}) { EXPECT_TRUE(is_user_name(name)); }
    for (const char* name : {"", "a:b", "a b", "robot$x", "-a", "../x", "a\n"}) {
        EXPECT_FALSE(is_user_name(name)) << name;
    }
}

TEST(Rules, cover_whole_components) {
    EXPECT_TRUE(covers("", "x", ""));
    EXPECT_TRUE(covers("team", "team", ""));
    EXPECT_TRUE(covers("team", "team/x", ""));
    EXPECT_FALSE(covers("team", "teamx", ""));
    EXPECT_TRUE(covers("users/{user}", "users/ann/x", "ann"));
    EXPECT_FALSE(covers("users/{user}", "users/bob/x", "ann"));
    EXPECT_FALSE(covers("{user}", "", ""));
}

Identity user(const std::string& name, std::vector<std::string> groups = {}) {
    Identity identity;
    identity.name = name;
    identity.groups = std::move(groups);
    return identity;
}

TEST(Rules, add_up_and_give_nothing_by_themselves) {
    AccessSettings settings;
    settings.rules = {{{"ann"}, {}, false, "team", {Action::Pull, Action::Push}},
                      {{}, {"ops"}, false, "", {Action::Delete}},
                      {{}, {}, true, "public", {Action::Pull}}};
    EXPECT_TRUE(rules_allow(settings, user("ann"), "team/x", Action::Push));
    EXPECT_FALSE(rules_allow(settings, user("ann"), "team/x", Action::Delete));
    EXPECT_FALSE(rules_allow(settings, user("bob"), "team/x", Action::Pull));
    EXPECT_TRUE(rules_allow(settings, user("bob", {"ops"}), "team/x", Action::Delete));
    EXPECT_TRUE(rules_allow(settings, user(""), "public/x", Action::Pull));
    EXPECT_TRUE(rules_allow(settings, user("bob"), "public/x", Action::Pull));
    EXPECT_FALSE(rules_allow(settings, user(""), "public/x", Action::Push));
    EXPECT_FALSE(rules_allow(settings, user(""), "team/x", Action::Pull));
    EXPECT_FALSE(rules_allow(settings, user("ann"), "", Action::Admin));
}

TEST(Rules, without_any_users_pull_and_push_and_nobody_else_does_anything) {
    const AccessSettings settings;
    EXPECT_TRUE(rules_allow(settings, user("ann"), "x", Action::Push));
    EXPECT_FALSE(rules_allow(settings, user("ann"), "x", Action::Delete));
    EXPECT_FALSE(rules_allow(settings, user(""), "x", Action::Pull));
    EXPECT_FALSE(rules_allow(settings, user(""), "", Action::Catalog));
}

TEST(Rules, an_empty_list_that_was_given_gives_nothing) {
    const auto settings = *parse_access_settings({}, *parse_json(R"({"rules":[]})"));
    for (const auto action : {Action::Pull, Action::Push, Action::Delete, Action::Catalog}) {
        EXPECT_FALSE(rules_allow(settings, user("ann"), "x", action)) << name_of(action);
    }
    Identity admin = user("root");
    admin.admin = true;
    EXPECT_TRUE(rules_allow(settings, admin, "x", Action::Push));
    const auto others = *parse_access_settings({}, *parse_json(R"({"admins":["root"]})"));
    EXPECT_TRUE(rules_allow(others, user("ann"), "x", Action::Push));
}

TEST(AccessSettings, refuse_unknown_members_by_name) {
    const auto error = [](const char* text) {
        const auto parsed = parse_access_settings({}, *parse_json(text));
        return parsed ? std::string() : parsed.error().message;
    };
    EXPECT_NE(error(R"({"rulez":[]})").find("unknown key rulez"), std::string::npos);
    EXPECT_NE(error(R"({"rules":[{"users":["a"],"actions":["pul"]}]})").find("pul is none"),
              std::string::npos);
    EXPECT_NE(error(R"({"rules":[{"anonymous":true,"actions":["push"]}]})").find("may only pull"),
              std::string::npos);
    EXPECT_NE(error(R"({"ldap":{"url":"ldap://h"}})").find("either user-dn"), std::string::npos);
    EXPECT_EQ(error(R"({"admins":["ann"],"groups":{"ops":["bob"]},"token-life":"10m",
        "rules":[{"groups":["ops"],"prefix":"x","actions":["pull","push","delete"]}]})"),
              "");
}

TEST(AccessSettings, refuse_ways_to_find_users_that_do_not_go_together) {
    const auto why = [](const std::string& ldap, const std::string& more = "") {
        const auto document = R"({"ldap":{"url":"ldaps://h",)" + ldap + "}" + more + "}";
        const auto parsed = parse_access_settings({}, *parse_json(document));
        return parsed ? std::string() : parsed.error().message;
    };
    const std::string upn = R"("user-dn":"{}@example.org")";
    const std::string find = R"x(,"user-base":"dc=x","user-filter":"(userPrincipalName={}@x)")x";
    const std::string groups = R"x(,"group-base":"dc=x","group-filter":"(member={})")x";
    const std::string rule = R"(,"rules":[{"groups":["ops"],"actions":["pull"]}])";
    EXPECT_EQ(why(upn), "");
    EXPECT_EQ(why(upn + find + groups, rule), "");
    EXPECT_EQ(why(upn + find, rule), "");
    EXPECT_NE(why(upn + groups).find("group-filter asks for the user's DN"), std::string::npos);
    EXPECT_EQ(why(upn + R"x(,"group-base":"dc=x","group-filter":"(memberUid={name})")x", rule), "");
    EXPECT_NE(why(upn, rule).find("the group ops"), std::string::npos);
    EXPECT_EQ(why(upn, rule + R"(,"groups":{"ops":["ann"]})"), "") << "it is a group of ours";
    EXPECT_NE(why(R"("user-dn":"uid={},dc=x")" + find).find("have no use"), std::string::npos);
    EXPECT_NE(why(upn + R"(,"user-base":"dc=x")").find("belong together"), std::string::npos);
    EXPECT_EQ(why(R"("user-dn":"uid={},dc=x")" + groups, rule), "");
}

class TokenTest : public ::testing::Test {
  protected:
    TokenTest()
        : directory_(*os::TempDir::create()), key_(*TokenKey::load(directory_.path() + "/key")) {}
    TokenClaims claims() const {
        TokenClaims claims;
        claims.subject = "ann";
        claims.audience = "registry";
        claims.scopes = {{"repository", "a/b", {"pull"}}};
        claims.issued = clock_.at;
        claims.expires = clock_.at + seconds(300);
        return claims;
    }
    std::string why(const std::string& token, std::string_view audience = "registry") const {
        const auto verified = key_.verify(token, audience, clock_.at);
        return verified ? "" : verified.error().message;
    }
    static std::string part(const std::string& json) {
        std::string text = base64url(json);
        while (text.ends_with('=')) { text.pop_back(); }
        return text;
    }
    os::TempDir directory_;
    HandClock clock_;
    TokenKey key_;
};

TEST_F(TokenTest, what_was_signed_is_read_again) {
    const auto verified = key_.verify(key_.sign(claims()), "registry", clock_.at);
    ASSERT_TRUE(verified) << verified.error().message;
    EXPECT_EQ(verified->subject, "ann");
    EXPECT_EQ(verified->scopes, claims().scopes);
    const auto again = TokenKey::load(directory_.path() + "/key");
    EXPECT_TRUE(again->verify(key_.sign(claims()), "registry", clock_.at)) << "the key is kept";
}

TEST_F(TokenTest, nothing_else_is_believed) {
    const std::string token = key_.sign(claims());
    EXPECT_EQ(why(token, "other"), "token: made for another service");
    const auto parts = split(token, '.');
    EXPECT_EQ(why(part(R"({"alg":"none"})") + "." + parts[1] + "."), "token: another algorithm");
    EXPECT_EQ(why(part(R"({"alg":"HS256","kid":")" + key_.id() + "\"}") + "." + parts[1] + "." +
                  parts[2]),
              "token: another algorithm");
    EXPECT_EQ(why(part(R"({"alg":"EdDSA","kid":"x"})") + "." + parts[1] + "." + parts[2]),
              "token: another key");
    EXPECT_EQ(why(parts[0] + "." + part(R"({"sub":"root"})") + "." + parts[2]),
              "token: the signature is wrong");
    EXPECT_EQ(why(parts[0] + "." + parts[1] + "."), "token: the signature is wrong");
    for (const char* text : {"", ".", "..", "a.b.c", "x.y"}) { EXPECT_NE(why(text), "") << text; }
    clock_.at += seconds(301);
    EXPECT_EQ(why(token), "token: expired");
    clock_.at -= hours(1);
    EXPECT_EQ(why(token), "token: not valid yet");
    const auto other = TokenKey::load(directory_.path() + "/other");
    EXPECT_EQ(why(other->sign(claims())), "token: another key");
}

TEST(Failures, block_for_a_while_and_forget) {
    Failures failures(3, seconds(60));
    HandClock clock;
    for (int n = 0; n < 3; ++n) {
        EXPECT_FALSE(failures.blocked("ann", clock.at));
        failures.note("ann", clock.at);
    }
    EXPECT_TRUE(failures.blocked("ann", clock.at));
    EXPECT_FALSE(failures.blocked("bob", clock.at));
    clock.at += seconds(61);
    EXPECT_FALSE(failures.blocked("ann", clock.at));
    EXPECT_EQ(failures.size(), 0u);
}

TEST(FailedLogins, are_few_for_a_name_from_a_place_and_many_for_a_name) {
    HandClock clock;
    FailedLogins failures(5, seconds(60));
    for (int n = 0; n < 5; ++n) { failures.note("ann", "a", clock.at); }
    EXPECT_TRUE(failures.blocked("ann", "a", clock.at));
    EXPECT_FALSE(failures.blocked("ann", "b", clock.at));
    EXPECT_FALSE(failures.blocked("bob", "a", clock.at));
    for (int n = 0; n < 45; ++n) { failures.note("x" + std::to_string(n), "a", clock.at); }
    EXPECT_TRUE(failures.blocked("bob", "a", clock.at)) << "50 from one place";
    for (int n = 0; n < 94; ++n) { failures.note("ann", "p" + std::to_string(n), clock.at); }
    EXPECT_FALSE(failures.blocked("ann", "b", clock.at));
    failures.note("ann", "q", clock.at);
    EXPECT_TRUE(failures.blocked("ann", "b", clock.at)) << "100 of one name";
    failures.clear("ann", "b");
    EXPECT_TRUE(failures.blocked("ann", "b", clock.at));
    clock.at += seconds(61);
    EXPECT_FALSE(failures.blocked("ann", "a", clock.at));
}

TEST(FailedLogins, a_network_of_ipv6_is_one_place) {
    EXPECT_EQ(place_of("[2001:db8:1:2::7]:80"), place_of("2001:db8:1:2:ffff::1"));
    EXPECT_EQ(place_of("[2001:db8:1:2::7]"), place_of("2001:db8:1:2::7%eth0"));
    EXPECT_NE(place_of("2001:db8:1:2::7"), place_of("2001:db8:1:3::7"));
    EXPECT_EQ(place_of("::ffff:192.0.2.1"), "192.0.2.1");
    EXPECT_EQ(place_of("192.0.2.1:4711"), "192.0.2.1");
    EXPECT_NE(place_of("192.0.2.1"), place_of("192.0.2.2"));
    EXPECT_EQ(place_of(""), "");
    EXPECT_LE(place_of(std::string(1000, 'x')).size(), 64u);
}

TEST(FailedLogins, a_large_network_of_ipv6_locks_nobody_out) {
    HandClock clock;
    FailedLogins failures(5, seconds(60));
    const auto of_network = [](int n) {
        return place_of("2001:db8:1:" + std::to_string(n) + "::7");
    };
    for (int n = 0; n < 200; ++n) { failures.note("ann", of_network(n), clock.at); }
    EXPECT_TRUE(failures.blocked("ann", of_network(1000), clock.at)) << "nor has it many tries";
    EXPECT_FALSE(failures.blocked("bob", of_network(1000), clock.at));
    EXPECT_FALSE(failures.blocked("ann", place_of("2001:db8:2::7"), clock.at));
    EXPECT_FALSE(failures.blocked("ann", "192.0.2.1", clock.at));
    for (int n = 0; n < 19; ++n) {
        for (int tries = 0; tries < 5; ++tries) {
            failures.note("ann", "192.0.2." + std::to_string(n + 10), clock.at);
        }
    }
    EXPECT_TRUE(failures.blocked("ann", "192.0.2.1", clock.at)) << "a crowd does";
    EXPECT_EQ(network_of("192.0.2.1"), "192.0.2.1");
}

TEST(Ldap, escapes_what_a_name_could_break_out_with) {
    EXPECT_EQ(fill_filter("(uid={})", "a*)(uid=b\\"), "(uid=a\\2a\\29\\28uid=b\\5c)");
    EXPECT_EQ(fill_dn("uid={},dc=x", "a,dc=y"), "uid=a\\2cdc\\3dy,dc=x");
    EXPECT_EQ(fill_dn("{}@example.org", "ann"), "ann@example.org");
    EXPECT_EQ(first_value("cn=admins,ou=groups,dc=x"), "admins");
    LdapSettings settings;
    settings.url = "ldap://127.0.0.1:1";
    settings.user_dn = "uid={}";
    DirectoryLine line;
    const auto empty = log_in_by_directory(settings, "ann", "", line);
    ASSERT_TRUE(empty);
    EXPECT_FALSE(empty->has_value()) << "an empty password would bind as nobody";
    EXPECT_EQ(log_in_by_directory(settings, "ann", "x", line).error().code, Errc::Unavailable);
    settings.url = "ldap://192.0.2.1";
    settings.start_tls = false;
    EXPECT_NE(log_in_by_directory(settings, "ann", "x", line).error().message.find("without TLS"),
              std::string::npos);
}

TEST(Ldap, one_directory_and_its_host_are_read_as_they_are_written) {
    for (const char* url : {"ldap://127.0.0.1", "ldap://127.9.9.9:389/", "ldap://localhost:1",
                            "ldap://[::1]:389", "ldapi://%2Frun%2Fldapi"}) {
        const auto parsed = parse_ldap_url(url);
        ASSERT_TRUE(parsed) << parsed.error().message;
        EXPECT_TRUE(parsed->is_loopback()) << url;
    }
    for (const char* url : {"ldap://127.0.0.1.evil.example", "ldap://localhost.evil.example:389",
                            "ldaps://dc.example", "ldap://[2001:db8::1]", "ldap://10.127.0.1"}) {
        const auto parsed = parse_ldap_url(url);
        ASSERT_TRUE(parsed) << parsed.error().message;
        EXPECT_FALSE(parsed->is_loopback()) << url;
    }
    const auto why = [](const char* url) {
        const auto parsed = parse_ldap_url(url);
        return parsed ? std::string("taken") : parsed.error().message;
    };
    for (const char* url :
         {"ldap://127.0.0.1 ldap://evil.example", "ldap://127.0.0.1,evil.example"}) {
        EXPECT_NE(why(url).find("lists of directories"), std::string::npos) << url;
    }
    EXPECT_NE(why("ldap://a@127.0.0.1").find("only a host"), std::string::npos);
    EXPECT_NE(why("ldap://h/dc=x").find("only a host"), std::string::npos);
    EXPECT_NE(why("ldap://h?x").find("only a host"), std::string::npos);
    EXPECT_NE(why("ldap://").find("a host is needed"), std::string::npos);
    EXPECT_NE(why("ldap://h:x").find("port"), std::string::npos);
    EXPECT_NE(why("ldap://::1").find("port"), std::string::npos);
    EXPECT_NE(why("ldap://[::1"), "taken");
    EXPECT_NE(why("http://h").find("is needed"), std::string::npos);
    LdapSettings settings;
    settings.url = "ldap://127.0.0.1.evil.example";
    settings.user_dn = "uid={}";
    settings.start_tls = false;
    DirectoryLine line;
    EXPECT_NE(log_in_by_directory(settings, "ann", "x", line).error().message.find("without TLS"),
              std::string::npos);
}

class AccessTest : public ::testing::Test {
  protected:
    AccessTest() : directory_(*os::TempDir::create()), pool_(loop_, 2) {
        settings_.directory = directory_.path();
        settings_.htpasswd_file = directory_.path() + "/htpasswd";
        settings_.admins = {"root"};
        put_user("ann", "secret");
        access_ = *Access::create(settings_, loop_, pool_, clock_, random_);
    }
    void put_user(const std::string& name, const std::string& password) {
        auto file = *load_htpasswd(settings_.htpasswd_file);
        file.hashes[name] = *hash_password(password, random_);
        EXPECT_TRUE(save_htpasswd(settings_.htpasswd_file, file.hashes));
    }
    Result<Access::Caller> basic(const std::string& pair, const std::string& peer = "192.0.2.1") {
        return net::run_task(loop_, access_->authenticate("Basic " + base64(pair), peer, {}));
    }
    net::Task<void> try_once(std::string pair, std::vector<Result<Access::Caller>>* answers) {
        auto answer = co_await access_->authenticate("Basic " + base64(pair), "192.0.2.1", {});
        answers->push_back(std::move(answer));
    }
    net::Task<void> change_password(std::string name, std::string password) {
        put_user(name, password);
        co_return;
    }
    static net::Task<void> wait_for_all(net::TaskScope* scope) {
        net::Until never;
        co_await scope->drain(never);
    }
    os::TempDir directory_;
    net::Loop loop_;
    net::Pool pool_;
    HandClock clock_;
    os::SystemRandom random_;
    AccessSettings settings_;
    std::shared_ptr<Access> access_;
};

TEST_F(AccessTest, users_come_and_go_with_their_file) {
    EXPECT_EQ(basic("ann:secret")->identity.name, "ann");
    EXPECT_EQ(basic("ann:wrong").error().code, Errc::Unauthorized);
    EXPECT_EQ(basic("bob:x").error().message, "incorrect username or password");
    put_user("bob", "x");
    EXPECT_TRUE(basic("bob:x"));
    put_user("ann", "other");
    EXPECT_FALSE(basic("ann:secret")) << "a believed password goes with the file";
    EXPECT_TRUE(net::run_task(loop_, access_->authenticate("", "", {}))->identity.anonymous());
}

TEST_F(AccessTest, a_password_that_changes_while_it_is_checked_is_the_new_one) {
    std::vector<Result<Access::Caller>> answers;
    net::TaskScope scope(loop_);
    scope.spawn(try_once("ann:secret", &answers));
    scope.spawn(change_password("ann", "other"));
    scope.spawn(try_once("ann:other", &answers));
    net::run_task(loop_, wait_for_all(&scope));
    ASSERT_EQ(answers.size(), 2u);
    for (const auto& answer : answers) {
        if (!answer) {
            EXPECT_EQ(answer.error().code, Errc::Unauthorized);
            continue;
        }
        EXPECT_TRUE(access_->continue_session(access_->begin_session(*answer)->text));
    }
    EXPECT_NE(answers[0].has_value(), answers[1].has_value()) << "the old one is refused";
}

TEST_F(AccessTest, a_session_is_of_the_password_that_was_given) {
    const auto ann = *basic("ann:secret");
    put_user("ann", "other");
    EXPECT_TRUE(basic("ann:other"));
    const auto session = access_->begin_session(ann);
    EXPECT_FALSE(access_->continue_session(session->text)) << "it was another password";
}

TEST_F(AccessTest, a_session_that_was_ended_is_nobodys_whoever_has_a_copy) {
    const auto ann = *basic("ann:secret");
    const auto one = access_->begin_session(ann)->text;
    const auto other = access_->begin_session(ann)->text;
    access_->end_session("nonsense");
    access_->end_session(one);
    access_->end_session(one);
    EXPECT_EQ(access_->continue_session(one).error().message, "the session was ended");
    EXPECT_TRUE(access_->continue_session(other)) << "at another browser";
}

TEST(EndedSessions, are_remembered_up_to_a_bound_and_the_first_to_end_makes_room) {
    HandClock clock;
    EndedSessions ended;
    ended.note("first", clock.at + seconds(10), clock.at);
    ended.note("second", clock.at + seconds(20), clock.at);
    for (std::size_t n = 2; n < EndedSessions::sessions_max; ++n) {
        ended.note(std::to_string(n), clock.at + hours(1), clock.at);
    }
    EXPECT_TRUE(ended.has("first"));
    ended.note("second", clock.at + seconds(20), clock.at);
    EXPECT_TRUE(ended.has("first"));
    ended.note("more", clock.at + hours(1), clock.at);
    EXPECT_FALSE(ended.has("first"));
    EXPECT_TRUE(ended.has("second"));
    EXPECT_EQ(ended.size(), EndedSessions::sessions_max);
    ended.note("late", clock.at + hours(4), clock.at + hours(3));
    EXPECT_EQ(ended.size(), 1u) << "what has ended by itself goes";
}

TEST_F(AccessTest, a_session_that_no_cookie_can_hold_is_refused) {
    Access::Caller many = *basic("ann:secret");
    many.identity.directory = true;
    settings_.rules = {{{}, {}, false, "", {Action::Pull}}};
    for (int n = 0; n < 300; ++n) {
        many.identity.groups.push_back("a group of ten thousand people " + std::to_string(n));
        settings_.rules[0].groups.push_back(many.identity.groups.back());
    }
    ASSERT_TRUE(access_->reload(settings_));
    const auto refused = access_->begin_session(many);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Exhausted);
    many.identity.groups.resize(20);
    EXPECT_TRUE(access_->begin_session(many));
}

TEST_F(AccessTest, failed_log_ins_are_counted_by_name_and_by_address) {
    for (int n = 0; n < 5; ++n) { EXPECT_EQ(basic("ann:no").error().code, Errc::Unauthorized); }
    EXPECT_EQ(basic("ann:secret").error().code, Errc::Unavailable) << "the right one neither";
    EXPECT_TRUE(basic("ann:secret", "192.0.2.9")) << "nobody locks her out elsewhere";
    EXPECT_EQ(basic("bob:x").error().code, Errc::Unauthorized) << "others may try from there";
    clock_.at += seconds(61);
    EXPECT_TRUE(basic("ann:secret"));
}

TEST_F(AccessTest, tries_at_one_time_are_counted_too) {
    int refused = 0;
    int blocked = 0;
    std::vector<Result<Access::Caller>> answers;
    net::TaskScope scope(loop_);
    for (int n = 0; n < 30; ++n) { scope.spawn(try_once("ann:no" + std::to_string(n), &answers)); }
    net::run_task(loop_, wait_for_all(&scope));
    for (const auto& answer : answers) {
        ++(answer.error().code == Errc::Unauthorized ? refused : blocked);
    }
    EXPECT_LE(refused, 7);
    EXPECT_EQ(refused + blocked, 30);
}

TEST_F(AccessTest, a_robot_that_was_removed_is_not_believed_any_more) {
    const auto made = make_robot("robot$ci", clock_.at, Instant(), random_);
    ASSERT_TRUE(save_robots(directory_.path() + "/robots.json", {made.robot}));
    EXPECT_TRUE(basic("robot$ci:" + made.secret));
    ASSERT_TRUE(save_robots(directory_.path() + "/robots.json", {}));
    EXPECT_FALSE(basic("robot$ci:" + made.secret));
}

TEST_F(AccessTest, a_reload_that_fails_changes_nothing) {
    ASSERT_TRUE(os::write_file_atomic(directory_.path() + "/robots.json", "nonsense"));
    AccessSettings other = settings_;
    other.admins = {"ann"};
    EXPECT_FALSE(access_->reload(other));
    ASSERT_TRUE(os::remove_file(directory_.path() + "/robots.json"));
    EXPECT_FALSE(basic("ann:secret")->identity.admin);
}

TEST_F(AccessTest, no_scope_makes_a_token_live_longer) {
    const auto ann = *basic("ann:secret");
    const auto document = *parse_json(
        access_->issue_token(ann, {{"page", "x", {"x"}}, {"repository", "a", {"pull"}}}));
    EXPECT_EQ(document["expires_in"], 300);
}

TEST_F(AccessTest, robots_have_an_end) {
    auto made = make_robot("robot$ci", clock_.at, clock_.at + hours(1), random_);
    ASSERT_TRUE(save_robots(directory_.path() + "/robots.json", {made.robot}));
    EXPECT_TRUE(basic("robot$ci:" + made.secret)->identity.robot);
    EXPECT_FALSE(basic("robot$ci:nope"));
    clock_.at += hours(2);
    EXPECT_FALSE(basic("robot$ci:" + made.secret));
    EXPECT_EQ(os::read_file(directory_.path() + "/robots.json")->find(made.secret),
              std::string::npos);
}

TEST_F(AccessTest, a_token_gives_what_its_bearer_has_and_was_asked_for) {
    const auto ann = *basic("ann:secret");
    const auto document = *parse_json(access_->issue_token(
        ann, {{"repository", "a/b", {"pull", "delete"}}, {"registry", "catalog", {"*"}}}));
    const auto caller = net::run_task(
        loop_, access_->authenticate("Bearer " + document["token"].get<std::string>(), "", {}));
    ASSERT_TRUE(caller) << caller.error().message;
    EXPECT_TRUE(access_->allows(*caller, "a/b", Action::Pull));
    EXPECT_FALSE(access_->allows(*caller, "a/b", Action::Push)) << "not asked for";
    EXPECT_FALSE(access_->allows(*caller, "a/b", Action::Delete)) << "not hers";
    EXPECT_FALSE(access_->allows(*caller, "a/c", Action::Pull));
    EXPECT_TRUE(access_->allows(*caller, "", Action::Catalog));
    clock_.at += seconds(301);
    EXPECT_FALSE(net::run_task(
        loop_, access_->authenticate("Bearer " + document["token"].get<std::string>(), "", {})));
}

TEST(Certificates, are_made_once_and_anew_when_names_change) {
    const auto directory = os::TempDir::create();
    os::SystemClock clock;
    const auto first = ensure_certificates(directory->path(), {"registry.example", "192.0.2.1"},
                                           clock.now(), Moment::Start);
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_TRUE(first->fresh);
    const auto leaf = *os::read_file(first->cert_file);
    const auto again = ensure_certificates(directory->path(), {"registry.example", "192.0.2.1"},
                                           clock.now(), Moment::Start);
    EXPECT_FALSE(again->fresh);
    EXPECT_EQ(*os::read_file(again->cert_file), leaf);
    ASSERT_TRUE(
        ensure_certificates(directory->path(), {"other.example"}, clock.now(), Moment::Start));
    EXPECT_NE(*os::read_file(again->cert_file), leaf);
    const auto old = *os::read_file(again->cert_file);
    ASSERT_TRUE(ensure_certificates(directory->path(), {"other.example"},
                                    clock.now() + hours(24 * 800), Moment::Running));
    EXPECT_NE(*os::read_file(again->cert_file), old);
    EXPECT_FALSE(ensure_certificates(directory->path(), {"bad name"}, clock.now(), Moment::Start));
    struct stat status {};
    ASSERT_EQ(::stat(first->key_file.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(Certificates, have_names_with_an_underscore) {
    const auto directory = os::TempDir::create();
    const os::SystemClock clock;
    const std::vector<std::string> names{"my_host", "a_b.example", "192.0.2.1"};
    const auto made = ensure_certificates(directory->path(), names, clock.now(), Moment::Start);
    ASSERT_TRUE(made) << made.error().message;
    const auto leaf = *os::read_file(made->cert_file);
    ASSERT_TRUE(ensure_certificates(directory->path(), names, clock.now(), Moment::Start));
    EXPECT_EQ(*os::read_file(made->cert_file), leaf) << "it covers them";
}

TEST(Certificates, are_made_anew_when_they_do_not_fit_their_keys) {
    const auto directory = os::TempDir::create();
    const auto other = os::TempDir::create();
    const os::SystemClock clock;
    const std::vector<std::string> names{"registry.example"};
    const auto made = *ensure_certificates(directory->path(), names, clock.now(), Moment::Start);
    const auto stranger = *ensure_certificates(other->path(), names, clock.now(), Moment::Start);
    const auto ca = *os::read_file(made.ca_file);
    ASSERT_TRUE(os::write_file_atomic(made.key_file, *os::read_file(stranger.key_file)));
    ASSERT_TRUE(ensure_certificates(directory->path(), names, clock.now(), Moment::Start));
    EXPECT_NE(*os::read_file(made.key_file), *os::read_file(stranger.key_file));
    EXPECT_EQ(*os::read_file(made.ca_file), ca) << "clients know it";
    ASSERT_TRUE(os::write_file_atomic(made.cert_file, *os::read_file(stranger.cert_file)));
    ASSERT_TRUE(os::write_file_atomic(made.key_file, *os::read_file(stranger.key_file)));
    ASSERT_TRUE(ensure_certificates(directory->path(), names, clock.now(), Moment::Start));
    EXPECT_NE(*os::read_file(made.cert_file), *os::read_file(stranger.cert_file));
}

TEST(Certificates, never_replace_an_authority_that_is_there) {
    const os::SystemClock clock;
    const std::vector<std::string> names{"registry.example"};
    const auto other = os::TempDir::create();
    ASSERT_TRUE(ensure_certificates(other->path(), names, clock.now(), Moment::Start));
    for (const std::string broken : {"/ca.crt", "/ca.key"}) {
        for (const std::string& text : {*os::read_file(other->path() + broken), std::string("x")}) {
            const auto directory = os::TempDir::create();
            const std::string here = directory->path();
            ASSERT_TRUE(ensure_certificates(here, names, clock.now(), Moment::Start));
            const auto ca = *os::read_file(here + "/ca.crt");
            const auto key = *os::read_file(here + "/ca.key");
            ASSERT_TRUE(os::write_file_atomic(here + broken, text));
            ASSERT_TRUE(os::remove_file(here + "/server.crt"));
            for (const auto moment : {Moment::Start, Moment::Running}) {
                const auto refused = ensure_certificates(here, names, clock.now(), moment);
                ASSERT_FALSE(refused) << broken;
                EXPECT_NE(refused.error().message.find(here + broken), std::string::npos)
                    << refused.error().message;
            }
            EXPECT_EQ(*os::read_file(here + "/ca.crt"), broken == "/ca.crt" ? text : ca);
            EXPECT_EQ(*os::read_file(here + "/ca.key"), broken == "/ca.key" ? text : key);
        }
    }
}

TEST(Certificates, give_a_key_alone_its_certificate_and_nothing_more) {
    const os::SystemClock clock;
    const auto directory = os::TempDir::create();
    const std::string here = directory->path();
    const std::vector<std::string> names{"registry.example"};
    EXPECT_FALSE(ensure_certificates(here, names, clock.now(), Moment::Running));
    EXPECT_FALSE(os::exists(here + "/ca.key")) << "nor does a running registry make one";
    ASSERT_TRUE(ensure_certificates(here, names, clock.now(), Moment::Start));
    const auto key = *os::read_file(here + "/ca.key");
    ASSERT_TRUE(os::remove_file(here + "/ca.crt"));
    EXPECT_FALSE(ensure_certificates(here, names, clock.now(), Moment::Running));
    const auto made = ensure_certificates(here, names, clock.now(), Moment::Start);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_TRUE(made->fresh);
    EXPECT_EQ(*os::read_file(here + "/ca.key"), key);
    ASSERT_TRUE(os::remove_file(here + "/ca.key"));
    EXPECT_TRUE(ensure_certificates(here, names, clock.now(), Moment::Start))
        << "the key may be kept elsewhere until it is needed";
    const auto needed = ensure_certificates(here, {"b.example"}, clock.now(), Moment::Start);
    ASSERT_FALSE(needed);
    EXPECT_NE(needed.error().message.find("/ca.key"), std::string::npos);
    EXPECT_FALSE(os::exists(here + "/ca.key"));
}

TEST(Certificates, that_are_good_need_no_lock) {
    const os::SystemClock clock;
    const auto directory = os::TempDir::create();
    const std::string here = directory->path();
    const std::vector<std::string> names{"registry.example"};
    ASSERT_TRUE(ensure_certificates(here, names, clock.now(), Moment::Start));
    const auto held = os::LockFile::acquire(here + "/lock");
    ASSERT_TRUE(held);
    const auto made = ensure_certificates(here, names, clock.now(), Moment::Start);
    ASSERT_TRUE(made);
    EXPECT_FALSE(made->renewed);
    const auto leaf = *os::read_file(made->cert_file);
    const auto later = ensure_certificates(here, {"b.example"}, clock.now(), Moment::Running);
    ASSERT_TRUE(later) << "somebody else is at it";
    EXPECT_EQ(*os::read_file(made->cert_file), leaf);
}

} // namespace
} // namespace shoal::registry
