#include "oci/reference.h"

#include <gtest/gtest.h>

namespace shoal::oci {
namespace {

std::string full(std::string_view text) {
    auto parsed = Reference::parse(text);
    return parsed ? parsed->text() : "error: " + parsed.error().message;
}
std::string brief(std::string_view text) {
    auto parsed = Reference::parse(text);
    return parsed ? parsed->familiar() : "error: " + parsed.error().message;
}
const std::string digest = "sha256:" + std::string(64, 'b');

} // namespace

TEST(Reference, puts_short_names_into_the_official_library) {
    EXPECT_EQ(full("nginx"), "docker.io/library/nginx");
    EXPECT_EQ(full("nginx:1.2"), "docker.io/library/nginx:1.2");
    EXPECT_EQ(full("group/tool"), "docker.io/group/tool");
    EXPECT_EQ(full("docker.io/nginx"), "docker.io/library/nginx");
    EXPECT_EQ(full("index.docker.io/library/nginx"), "docker.io/library/nginx");
}

TEST(Reference, shows_the_short_name_again) {
    EXPECT_EQ(brief("docker.io/library/nginx:1"), "nginx:1");
    EXPECT_EQ(brief("docker.io/group/tool"), "group/tool");
    EXPECT_EQ(brief("docker.io/library/a/b"), "library/a/b");
    EXPECT_EQ(brief("host:5000/nginx"), "host:5000/nginx");
}

TEST(Reference, keeps_the_port_of_a_registry) {
    const auto parsed = Reference::parse("host:5000/a/b:tag");
    EXPECT_EQ(parsed->domain(), "host:5000");
    EXPECT_EQ(parsed->path(), "a/b");
    EXPECT_EQ(parsed->tag(), "tag");
    EXPECT_EQ(full("[::1]:5000/a"), "[::1]:5000/a");
    EXPECT_EQ(full("localhost/a"), "localhost/a");
    EXPECT_EQ(full("Host/a"), "Host/a");
    EXPECT_EQ(full("a:5000"), "docker.io/library/a:5000");
}

TEST(Reference, takes_tag_and_digest_together) {
    const auto parsed = Reference::parse("nginx:1@" + digest);
    EXPECT_EQ(parsed->tag(), "1");
    EXPECT_EQ(parsed->digest().text(), digest);
    EXPECT_EQ(parsed->familiar(), "nginx:1@" + digest);
}

TEST(Reference, refuses_what_docker_refuses) {
    for (const char* bad :
         {"",       ":",      "a:",      "/a",   "a/",    "a//b", "-a",        "a..b",
          "a___b",  "a_-b",   "a:tag:x", "a@",   "a@b",   "a b",  "a\nb",      "host:port/a",
          "a.b:/c", "[::1/a", "..",      "a:-x", "a/./b", "a.-b", "http://a/b"}) {
        EXPECT_EQ(full(bad), "error: invalid reference format") << bad;
    }
    EXPECT_EQ(full("Nginx"),
              "error: invalid reference format: repository name (Nginx) must be lowercase");
    EXPECT_EQ(full(std::string(64, 'a')), "error: invalid repository name (" +
                                              std::string(64, 'a') +
                                              "), cannot specify 64-byte hexadecimal strings");
    EXPECT_FALSE(Reference::parse("a:" + std::string(129, 'x')));
    EXPECT_FALSE(Reference::parse(std::string(250, 'x')));
    EXPECT_TRUE(Reference::parse("a:" + std::string(128, 'x')));
    EXPECT_EQ(full("a@sha256:12"), "error: invalid checksum digest length");
}

TEST(Reference, allows_the_separators_of_path_parts) {
    for (const char* good : {"a.b", "a_b", "a__b", "a-b", "a---b", "0a", "a1/b.c/d"}) {
        EXPECT_EQ(brief(good), good);
    }
}

TEST(Reference, has_latest_as_default_tag) {
    EXPECT_EQ(Reference::parse("a")->with_default_tag().familiar(), "a:latest");
    EXPECT_EQ(Reference::parse("a:1")->with_default_tag().familiar(), "a:1");
    EXPECT_EQ(Reference::parse("a@" + digest)->with_default_tag().familiar(), "a@" + digest);
    EXPECT_EQ(Reference::parse("a:1@" + digest)->with_tag("2")->familiar(), "a:2");
    EXPECT_FALSE(Reference::parse("a")->with_tag("b/c"));
}

TEST(ReferencePattern, stops_stars_at_slashes) {
    const auto matches = [](const char* reference, const char* pattern) {
        return *matches_pattern(*Reference::parse(reference), pattern);
    };
    EXPECT_TRUE(matches("nginx:1", "nginx"));
    EXPECT_TRUE(matches("nginx:1", "ng*"));
    EXPECT_TRUE(matches("nginx:1", "*:1"));
    EXPECT_TRUE(matches("a/b:1", "*/*"));
    EXPECT_TRUE(matches("a/b:1", "a/b:?"));
    EXPECT_TRUE(matches("a/b:1", "a/[a-c]:1"));
    EXPECT_TRUE(matches("a/b:1", "a/[^c]:1"));
    EXPECT_FALSE(matches("a/b:1", "*"));
    EXPECT_FALSE(matches("a/b:1", "a?b:1"));
    EXPECT_FALSE(matches("nginx:1", "nginx:2"));
    EXPECT_FALSE(matches("nginx:1", "ngin"));
    EXPECT_TRUE(matches("aab/aab:1", "*ab/*ab:1"));
    EXPECT_FALSE(matches_pattern(*Reference::parse("a"), "[a"));
    EXPECT_FALSE(matches_pattern(*Reference::parse("a"), "a\\"));
    EXPECT_FALSE(matches_pattern(*Reference::parse("a"), "[]"));
}

} // namespace shoal::oci
