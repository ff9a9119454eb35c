#include "network/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::network {
namespace {

using ::testing::ElementsAre;

TEST(Hosts, names_the_container_by_its_address_behind_the_fixed_entries) {
    HostsInput input;
    input.hostname = "web";
    input.domainname = "example.org";
    input.addresses = {"172.17.0.2"};
    input.ipv6 = false;
    input.extra = {{"10.0.0.9", {"db"}}};
    input.links = {{"172.17.0.3", {"cache", "redis"}}};
    EXPECT_EQ(render_hosts(input), "127.0.0.1\tlocalhost\n10.0.0.9\tdb\n172.17.0.3\tcache redis\n"
                                   "172.17.0.2\tweb.example.org web\n");
}

TEST(Hosts, has_the_ipv6_entries_of_docker) {
    HostsInput input;
    input.hostname = "web.example.org";
    input.addresses = {"172.17.0.2", "fd00::2"};
    EXPECT_EQ(
        render_hosts(input),
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
        "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
        "172.17.0.2\tweb.example.org web\nfd00::2\tweb.example.org web\n");
}

TEST(ExtraHosts, take_host_gateway_and_ipv6_and_refuse_the_rest) {
    const auto entries =
        parse_extra_hosts({"a:1.2.3.4", "b=::1", "c:host-gateway", "d:[fd00::1]"}, {"172.17.0.1"});
    ASSERT_TRUE(entries);
    EXPECT_EQ(entries->at(1).address, "::1");
    EXPECT_EQ(entries->at(2).address, "172.17.0.1");
    EXPECT_EQ(entries->at(3).address, "fd00::1");
    EXPECT_FALSE(parse_extra_hosts({"a:nothing"}, {}));
    EXPECT_FALSE(parse_extra_hosts({"a"}, {}));
    EXPECT_FALSE(parse_extra_hosts({"c:host-gateway"}, {}));
}

TEST(ResolvConf, of_the_default_bridge_drops_loopback_servers_and_falls_back) {
    const auto host = parse_resolv_conf(
        "# a comment\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch a b\noptions edns0 trust-ad\n");
    EXPECT_EQ(render_resolv_conf(plain_resolver(host, {}, false)),
              "nameserver 10.0.0.1\nsearch a b\noptions edns0 trust-ad\n");
    const auto local = parse_resolv_conf("nameserver 127.0.0.53\nnameserver fe80::1%eth0\n");
    EXPECT_THAT(plain_resolver(local, {}, false).nameservers, ElementsAre("8.8.8.8", "8.8.4.4"));
}

TEST(ResolvConf, of_a_user_network_names_the_embedded_server_and_keeps_a_wished_ndots) {
    const auto host = parse_resolv_conf("nameserver 127.0.0.53\nsearch lan\n");
    EXPECT_EQ(render_resolv_conf(embedded_resolver(host, {})),
              "nameserver 127.0.0.11\nsearch lan\noptions ndots:0\n");
    EXPECT_EQ(render_resolv_conf(embedded_resolver(host, {{"1.1.1.1"}, {"."}, {"ndots:2"}})),
              "nameserver 127.0.0.11\noptions ndots:2\n");
    EXPECT_THAT(upstream_servers(host, {}), ElementsAre("127.0.0.53"));
    EXPECT_THAT(upstream_servers(host, {{"1.1.1.1"}, {}, {}}), ElementsAre("1.1.1.1"));
}

TEST(LinkEnvironment, follows_the_legacy_names) {
    const auto env = link_environment(
        {"my-db", "web", "172.17.0.3", {{5432, Protocol::Tcp}}, {"A=b", "PATH=/bin"}});
    EXPECT_THAT(env, ElementsAre("MY_DB_PORT=tcp://172.17.0.3:5432",
                                 "MY_DB_PORT_5432_TCP=tcp://172.17.0.3:5432",
                                 "MY_DB_PORT_5432_TCP_ADDR=172.17.0.3",
                                 "MY_DB_PORT_5432_TCP_PORT=5432", "MY_DB_PORT_5432_TCP_PROTO=tcp",
                                 "MY_DB_NAME=/web/my-db", "MY_DB_ENV_A=b"));
}

} // namespace
} // namespace shoal::network
