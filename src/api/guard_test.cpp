#include "api/guard.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

Approach tcp(std::string host, std::string origin = "") {
    Approach approach;
    approach.tcp = true;
    approach.host = std::move(host);
    approach.origin = std::move(origin);
    return approach;
}

TEST(Guard, lets_programs_on_a_unix_socket_through_whatever_they_say) {
    Approach approach;
    approach.host = "anything";
    approach.origin = "http://evil.example";
    EXPECT_TRUE(check_approach(approach));
}

TEST(Guard, takes_loopback_names_on_tcp) {
    for (const auto* host : {"localhost", "localhost:2375", "127.0.0.1:2375", "127.1.2.3",
                             "[::1]:2375", "LOCALHOST:1"}) {
        EXPECT_TRUE(check_approach(tcp(host))) << host;
    }
}

TEST(Guard, refuses_names_that_could_be_rebound_to_loopback) {
    for (const auto* host :
         {"evil.example:2375", "127.0.0.1.evil.example", "", "localhost.evil.example",
          "10.0.0.1:2375", "[::1].evil.example:1", "[", "2130706433"}) {
        const auto checked = check_approach(tcp(host));
        ASSERT_FALSE(checked) << host;
        EXPECT_EQ(checked.error().code, Errc::Forbidden);
    }
}

TEST(Guard, refuses_what_comes_from_a_page) {
    EXPECT_FALSE(check_approach(tcp("127.0.0.1:2375", "http://evil.example")));
    EXPECT_FALSE(check_approach(tcp("127.0.0.1:2375", "http://127.0.0.1:8080")));
    EXPECT_FALSE(check_approach(tcp("127.0.0.1:2375", "null")));
    auto image = tcp("127.0.0.1:2375");
    image.fetch_site = "cross-site";
    EXPECT_FALSE(check_approach(image));
    image.fetch_site = "same-site";
    EXPECT_FALSE(check_approach(image));
}

TEST(Guard, refuses_a_page_even_when_the_browser_has_a_certificate) {
    auto approach = tcp("node1.example:2376", "http://evil.example");
    approach.certificate = true;
    EXPECT_FALSE(check_approach(approach));
    approach.origin.clear();
    EXPECT_TRUE(check_approach(approach));
}

TEST(Guard, takes_a_client_library_that_names_the_daemon_as_origin) {
    EXPECT_TRUE(check_approach(tcp("127.0.0.1:2375", "http://127.0.0.1:2375")));
}

} // namespace
} // namespace shoal::api
