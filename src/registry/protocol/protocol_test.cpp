#include "base/text.h"
#include "registry/protocol/auth_config.h"
#include "registry/protocol/challenge.h"
#include "registry/protocol/errors.h"
#include "registry/protocol/name.h"
#include "registry/protocol/ranges.h"

#include <gtest/gtest.h>

namespace shoal::registry {
namespace {

TEST(RepositoryName, AllowsWhatTheSpecificationHas) {
    for (const char* name : {"a", "library/nginx", "a.b_c__d-e---f/0", "x/y/z"}) {
        EXPECT_TRUE(is_repository_name(name)) << name;
    }
    EXPECT_TRUE(is_repository_name(std::string(255, 'a')));
}

TEST(RepositoryName, RefusesWhatCouldLeaveADirectory) {
    for (const char* name : {"", "/", "a/", "/a", "a//b", "..", "a/../b", ".a", "a.", "A", "a b",
                             "a___b", "a..b", "_uploads", "a\nb", "a%2fb", "-a", "a-"}) {
        EXPECT_FALSE(is_repository_name(name)) << name;
    }
    EXPECT_FALSE(is_repository_name(std::string(256, 'a')));
    EXPECT_FALSE(is_repository_name(std::string_view("a\0b", 3)));
}

TEST(RegistryErrors, ArePrintedWithCodeMessageAndDetail) {
    EXPECT_EQ(print_errors({{Code::BlobUnknown, "", Json{{"digest", "sha256:1"}}}}),
              "{\"errors\":[{\"code\":\"BLOB_UNKNOWN\",\"message\":\"blob unknown to registry\","
              "\"detail\":{\"digest\":\"sha256:1\"}}]}\n");
    EXPECT_EQ(status_of(Code::RangeInvalid), 416);
}

TEST(RegistryErrors, OfAnAnswerAreReadAsDockerShowsThem) {
    const Error error = error_of_answer(404, print_errors({{Code::ManifestUnknown, "", nullptr}}));
    EXPECT_EQ(error.code, Errc::NotFound);
    EXPECT_EQ(error.message, "manifest unknown: manifest unknown");
    EXPECT_EQ(error_of_answer(401, R"({"details":"incorrect username or password"})").message,
              "incorrect username or password");
    EXPECT_EQ(error_of_answer(500, "<html>\x1b[31m").message, "unexpected status 500: <html> [31m");
    EXPECT_EQ(error_of_answer(401, "").message, "unauthorized: authentication required");
    EXPECT_EQ(error_of_answer(503, "").code, Errc::Unavailable);
    EXPECT_LT(error_of_answer(400, std::string(100'000, 'x')).message.size(), 300u);
}

TEST(Challenges, AreReadWithTheirParameters) {
    const auto all = parse_challenges(
        R"(Bearer realm="https://h/token",service="a, b",scope="repository:x:pull,push", Basic realm=x)");
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].scheme, "bearer");
    EXPECT_EQ(all[0].params.at("service"), "a, b");
    EXPECT_EQ(all[0].params.at("scope"), "repository:x:pull,push");
    EXPECT_EQ(all[1].scheme, "basic");
    EXPECT_EQ(all[1].params.at("realm"), "x");
}

TEST(Challenges, SurviveNonsense) {
    for (const char* text :
         {"", ",,,", "=", "Bearer realm=\"", "a=\"\\", "\x01\x02", "Bearer ==,="}) {
        parse_challenges(text);
    }
    EXPECT_EQ(parse_challenges("Bearer realm=\"a\\\"b\"")[0].params.at("realm"), "a\"b");
}

TEST(Challenges, ArePrintedSoThatTheyReadTheSame) {
    const auto text = print_challenge("Bearer", {{"realm", "http://x/\"t"}, {"service", "s"}});
    const auto all = parse_challenges(text);
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].params.at("realm"), "http://x/\"t");
}

TEST(Scopes, HaveTypeNameAndActions) {
    const auto scope = parse_scope("repository:host:5000/a:pull,push,pull");
    ASSERT_TRUE(scope);
    EXPECT_EQ(*scope, (Scope{"repository", "host:5000/a", {"pull", "push"}}));
    EXPECT_EQ(print_scope(*scope), "repository:host:5000/a:pull,push");
    EXPECT_FALSE(parse_scope("repository"));
    EXPECT_FALSE(parse_scope("a:b"));
    EXPECT_EQ(parse_scopes("registry:catalog:*  repository:a:pull")->size(), 2u);
}

TEST(Ranges, OfARequestAreCutToTheBody) {
    EXPECT_EQ(wanted_range("bytes=0-9", 100).range, (ByteRange{0, 9}));
    EXPECT_EQ(wanted_range("bytes=90-", 100).range, (ByteRange{90, 99}));
    EXPECT_EQ(wanted_range("bytes=-10", 100).range, (ByteRange{90, 99}));
    EXPECT_EQ(wanted_range("bytes=50-1000", 100).range, (ByteRange{50, 99}));
    EXPECT_EQ(wanted_range("bytes=100-", 100).kind, RangeKind::Unsatisfiable);
    EXPECT_EQ(wanted_range("bytes=-0", 100).kind, RangeKind::Unsatisfiable);
    for (const char* text :
         {"", "bytes=", "bytes=5", "bytes=9-1", "lines=1-2", "bytes=0-1,3-4", "bytes=a-b"}) {
        EXPECT_EQ(wanted_range(text, 100).kind, RangeKind::Whole) << text;
    }
}

TEST(Ranges, OfChunksAndPartialAnswers) {
    EXPECT_EQ(*parse_chunk_range("0-1023"), (ByteRange{0, 1023}));
    EXPECT_EQ(*parse_chunk_range("bytes 5-6/7"), (ByteRange{5, 6}));
    EXPECT_FALSE(parse_chunk_range("6-5"));
    EXPECT_FALSE(parse_chunk_range("-"));
    EXPECT_EQ(parse_content_range("bytes 1-2/3")->size, 3u);
    EXPECT_FALSE(parse_content_range("bytes 1-2/*")->size.has_value());
    EXPECT_FALSE(parse_content_range("bytes 1-5/3"));
}

TEST(Links, GiveTheNextPage) {
    EXPECT_EQ(next_link("</v2/_catalog?last=b&n=2>; rel=\"next\""), "/v2/_catalog?last=b&n=2");
    EXPECT_EQ(next_link("</a>; rel=prev, </b>; rel=next"), "/b");
    EXPECT_EQ(next_link(print_next_link("/x?y=1")), "/x?y=1");
    EXPECT_EQ(next_link("</a>; rel=prev"), "");
    EXPECT_EQ(next_link("<"), "");
}

TEST(AuthConfig, IsReadInEveryFormOfBase64) {
    AuthConfig auth;
    auth.username = "ann";
    auth.password = "p>?~ü";
    auth.server_address = "h:5000";
    const auto again = parse_auth_header(print_auth_header(auth));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->username, "ann");
    EXPECT_EQ(again->password, "p>?~ü");
    const auto from_auth = parse_auth_header(base64(R"({"auth":")" + base64("ann:a:b") + "\"}"));
    ASSERT_TRUE(from_auth);
    EXPECT_EQ(from_auth->username, "ann");
    EXPECT_EQ(from_auth->password, "a:b");
    EXPECT_TRUE(parse_auth_header("")->empty());
    EXPECT_TRUE(parse_auth_header(base64("{}"))->empty());
}

TEST(AuthConfig, ErrorsDoNotShowWhatWasGiven) {
    for (const std::string& text :
         {base64("{\"password\":\"geheim\""), base64("[\"geheim\"]"), std::string("!geheim!")}) {
        const auto auth = parse_auth_header(text);
        ASSERT_FALSE(auth);
        EXPECT_EQ(auth.error().message, "invalid X-Registry-Auth header");
    }
    EXPECT_EQ(parse_auth_map_header(base64(R"({"h:1":{"username":"a","password":"b"}})"))
                  ->at("h:1")
                  .username,
              "a");
}

} // namespace
} // namespace shoal::registry
