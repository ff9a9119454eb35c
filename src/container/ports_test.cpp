#include "container/ports.h"

#include <gtest/gtest.h>

namespace shoal::container {
namespace {

template <class T> std::string error_of(const Result<T>& result) {
    return result ? "taken" : result.error().message;
}

} // namespace

TEST(Ports, are_a_number_and_a_protocol) {
    EXPECT_EQ(*parse_port("80"), (Port{80, "tcp"}));
    EXPECT_EQ(*parse_port("53/udp"), (Port{53, "udp"}));
    EXPECT_EQ(*parse_port("7/SCTP"), (Port{7, "sctp"}));
    EXPECT_EQ(to_text(Port{65535, "udp"}), "65535/udp");
    for (const char* bad : {"", "0", "65536", "-1", "http", "80-81", "80 ", "+80", "0x50"}) {
        EXPECT_EQ(error_of(parse_port(bad)),
                  "invalid port specification: \"" + std::string(bad) + "\"");
    }
    EXPECT_EQ(error_of(parse_port("80/icmp")), "invalid proto: icmp");
    EXPECT_EQ(error_of(parse_port("80/")), "invalid proto: ");
}

TEST(Ports, come_in_ranges) {
    EXPECT_EQ(*parse_port_range("8000-8010"), (PortRange{8000, 8010}));
    EXPECT_EQ(*parse_port_range("80"), (PortRange{80, 80}));
    EXPECT_EQ(*parse_port_range("0", true), (PortRange{0, 0}));
    for (const char* bad : {"90-80", "80-", "-80", "0", "1-65536", "1-2-3"}) {
        EXPECT_FALSE(parse_port_range(bad)) << bad;
    }
    const std::vector<Port> three{{80, "udp"}, {81, "udp"}, {82, "udp"}};
    EXPECT_EQ(*parse_exposed("80-82/udp"), three);
    EXPECT_EQ(parse_exposed("1-65535")->size(), 65535u);
}

TEST(Ports, are_bound_to_what_the_request_says) {
    PortMap map;
    map["80/tcp"] = {{"", "8080"}, {"127.0.0.1", "8000-8010"}, {"::1", ""}};
    map["9/udp"] = {};
    const auto bound = parse_port_bindings(map);
    ASSERT_TRUE(bound) << bound.error().message;
    const std::vector<PublishedPort> expected{{{80, "tcp"}, "", {8080, 8080}},
                                              {{80, "tcp"}, "127.0.0.1", {8000, 8010}},
                                              {{80, "tcp"}, "::1", {}},
                                              {{9, "udp"}, "", {}}};
    EXPECT_EQ(*bound, expected);
}

TEST(Ports, bound_wrongly_are_refused) {
    const auto refusal = [](const std::string& port, PortBinding host) {
        PortMap map;
        map[port].push_back(std::move(host));
        return error_of(parse_port_bindings(map));
    };
    EXPECT_EQ(refusal("80/tcp", {"everywhere", "80"}), "invalid IP address: everywhere");
    EXPECT_EQ(refusal("80/tcp", {"1.2.3", "80"}), "invalid IP address: 1.2.3");
    EXPECT_EQ(refusal("80/tcp", {"::::", "80"}), "invalid IP address: ::::");
    EXPECT_EQ(refusal("80/tcp", {"", "http"}), "invalid port specification: \"http\"");
    EXPECT_EQ(refusal("80/tcp", {"", "0"}), "taken") << "any free port";
    EXPECT_EQ(refusal("eighty", {"", "80"}), "invalid port specification: \"eighty\"");
    EXPECT_EQ(refusal("80-81/tcp", {"", "80"}), "invalid port specification: \"80-81/tcp\"")
        << "a key is one port";
}

} // namespace shoal::container
