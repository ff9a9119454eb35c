#include "client/client.h"

#include <gtest/gtest.h>

namespace shoal::client {
namespace {

TEST(Endpoint, completes_what_people_write) {
    EXPECT_EQ(*parse_host("unix:///run/x.sock", false), "unix:///run/x.sock");
    EXPECT_EQ(*parse_host("tcp://example:1234", false), "tcp://example:1234");
    EXPECT_EQ(*parse_host("tcp://example", true), "tcp://example:2376");
    EXPECT_EQ(*parse_host("example:2375", false), "tcp://example:2375");
    EXPECT_EQ(*parse_host("tcp://[::1]", false), "tcp://[::1]:2375");
    EXPECT_EQ(*parse_host(":4000", false), "tcp://localhost:4000");
    EXPECT_EQ(parse_host("foo://x", false).error().message, "invalid bind address format: foo://x");
    EXPECT_EQ(parse_host("ssh://x", false).error().code, Errc::Unsupported);
}

TEST(Client, reads_versions) {
    EXPECT_EQ(parse_version("1.41"), 141);
    EXPECT_EQ(parse_version("x"), std::nullopt);
    EXPECT_EQ(version_text(124), "1.24");
}

TEST(Client, words_errors_as_the_daemon_did) {
    EXPECT_EQ(error_of(404, R"({"message":"No such container: x"})").message,
              "Error response from daemon: No such container: x");
    EXPECT_EQ(error_of(404, R"({"message":"No such container: x"})").code, Errc::NotFound);
    EXPECT_EQ(error_of(500, "boom\n").message, "Error response from daemon: boom");
    EXPECT_EQ(error_of(409, "").code, Errc::Conflict);
}

TEST(Client, keeps_image_names_readable_in_paths) {
    EXPECT_EQ(part("registry:5000/a/b@sha256:12"), "registry:5000/a/b@sha256:12");
    EXPECT_EQ(part("a b?c"), "a%20b%3Fc");
}

} // namespace
} // namespace shoal::client
