#include "cli/ports.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

std::string published(std::vector<std::string> texts) {
    auto ports = parse_ports(texts, {});
    return ports ? dump_json(ports->bindings) : "error: " + ports.error().message;
}
std::string exposed(std::vector<std::string> texts) {
    auto ports = parse_ports({}, texts);
    return ports ? dump_json(ports->exposed) : "error: " + ports.error().message;
}

TEST(Ports, single_ports) {
    EXPECT_EQ(published({"80"}), R"({"80/tcp":[{"HostIp":"","HostPort":""}]})");
    EXPECT_EQ(published({"8080:80"}), R"({"80/tcp":[{"HostIp":"","HostPort":"8080"}]})");
    EXPECT_EQ(published({"127.0.0.1:8080:80/udp"}),
              R"({"80/udp":[{"HostIp":"127.0.0.1","HostPort":"8080"}]})");
    EXPECT_EQ(published({"[::1]:8080:80"}), R"({"80/tcp":[{"HostIp":"::1","HostPort":"8080"}]})");
    EXPECT_EQ(published({"127.0.0.1::80"}), R"({"80/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]})");
    EXPECT_EQ(published({"80/TCP/x"}), R"({"80/tcp":[{"HostIp":"","HostPort":""}]})");
}

TEST(Ports, ranges) {
    EXPECT_EQ(
        published({"8080-8081:80-81"}),
        R"({"80/tcp":[{"HostIp":"","HostPort":"8080"}],"81/tcp":[{"HostIp":"","HostPort":"8081"}]})");
    EXPECT_EQ(published({"8080-8082:80"}), R"({"80/tcp":[{"HostIp":"","HostPort":"8080-8082"}]})")
        << "one of them, the daemon chooses";
    EXPECT_EQ(published({"8080-8082:80-81"}),
              "error: invalid ranges specified for container and host Ports: 80-81 and 8080-8082");
}

TEST(Ports, the_long_form) {
    EXPECT_EQ(published({"published=8080,target=80,protocol=udp,mode=host"}),
              R"({"80/udp":[{"HostIp":"","HostPort":"8080"}]})");
    EXPECT_EQ(published({"target=80"}), R"({"80/tcp":[{"HostIp":"","HostPort":""}]})");
    EXPECT_EQ(published({"target=x"}), "error: invalid containerPort: x");
    EXPECT_EQ(published({"published=80"}), "error: no port specified: 80:/tcp<empty>");
}

TEST(Ports, what_is_wrong_is_named) {
    EXPECT_EQ(published({"x"}), "error: invalid containerPort: x");
    EXPECT_EQ(published({"abc:80"}), "error: invalid hostPort: abc");
    EXPECT_EQ(published({"70000:80"}), "error: invalid hostPort: 70000");
    EXPECT_EQ(published({""}), "error: no port specified: <empty>");
    EXPECT_EQ(published({"80/foo"}), "error: invalid proto: foo");
    EXPECT_EQ(published({"localhost:80:80"}), "error: invalid IP address: localhost");
}

TEST(Ports, exposed_ones) {
    EXPECT_EQ(exposed({"80", "100-101/udp"}), R"({"100/udp":{},"101/udp":{},"80/tcp":{}})");
    EXPECT_EQ(exposed({"80:90"}), "error: invalid port format for --expose: 80:90");
    EXPECT_EQ(
        exposed({"x"}),
        "error: invalid range format for --expose: x, error: strconv.ParseUint: parsing \"x\": invalid syntax");
}

} // namespace
} // namespace shoal::cli
