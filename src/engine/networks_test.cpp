// Networks on a real kernel: each test is a machine of its own, a fresh network namespace with an
// outsider beside it.
#include "engine/networks.h"

#include "engine/env.h"
#include "engine/events.h"
#include "engine/networks_test_peers.h"
#include "engine/settings.h"
#include "engine/store.h"
#include "net/loop.h"
#include "net/pool.h"
#include "net/sleep.h"
#include "network/endpoint.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/netlink.h"
#include "os/netns.h"
#include "os/nft.h"
#include "os/sysctl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::engine {
namespace {

using namespace shoal::network;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

struct Machine : ::testing::Test {
    void SetUp() override {
        ASSERT_TRUE(own_mounts);
        ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
        host = std::move(*os::current_netns());
        outsider = std::move(*os::create_anonymous_netns());
        directory = std::move(*os::TempDir::create("/tmp", "shoal-networks-"));
        auto here = std::move(*os::Netlink::open());
        ASSERT_TRUE(here.set_up(1, true));
        ASSERT_TRUE(here.create_veth({"eth0", "eth0", outsider.raw(), "", 0, 0}));
        // A new namespace begins with what the machine has, whatever that is.
        for (const char* name : {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"}) {
            ASSERT_TRUE(os::write_sysctl(name, "0"));
        }
        wire(here, "10.99.0.1", "fd99::1");
        auto there = std::move(*os::Netlink::open_in(outsider));
        wire(there, "10.99.0.50", "fd99::50");
        ASSERT_TRUE(os::write_file_atomic(directory.path() + "/resolv.conf",
                                          "nameserver 10.99.0.50\nsearch lan\n"));
        options.exec_root = directory.path();
        options.resolv_conf = directory.path() + "/resolv.conf";
        store.emplace(std::move(*Store::open(directory.path() + "/state.db")));
        env.emplace(Env{loop, pool, pool, settings, clock, random, *store, events});
        boot({});
    }
    void TearDown() override {
        if (networks) {
            for (const auto& id : attached) { EXPECT_TRUE(run(networks->detach(id))); }
            run_void(networks->stop(false));
        }
        networks.reset();
        for (const auto& entry : os::list_directory(directory.path() + "/netns").value_or({})) {
            ADD_FAILURE() << "left behind: " << entry.name;
        }
    }
    static void wire(os::Netlink& netlink, const char* v4, const char* v6) {
        const auto eth0 = netlink.link("eth0");
        ASSERT_TRUE(netlink.add_address({Ip::parse(v4)->bytes(), 24, eth0->index}));
        ASSERT_TRUE(netlink.set_up(eth0->index, true));
        ASSERT_TRUE(netlink.add_address({Ip::parse(v6)->bytes(), 64, eth0->index}));
    }

    template <class T> T run(net::Task<T> task) { return net::run_task(loop, std::move(task)); }
    void run_void(net::Task<void> task) { net::run_task(loop, std::move(task)); }
    template <class F> auto beside(F job) { return run(pool.run(std::move(job))); }

    void boot(std::vector<RunningSandbox> running) {
        networks.emplace(*env, options);
        const auto recovered = run(networks->recover(std::move(running)));
        ASSERT_TRUE(recovered) << recovered.error().message;
    }
    /// The end of kill -9: nothing is put away.
    void crash() { networks.reset(); }

    NetworkId create(const std::string& name,
                     std::map<std::string, std::string> driver_options = {},
                     std::function<void(Definition&)> change = {}) {
        CreateNetwork request;
        request.definition.name = name;
        request.definition.options = std::move(driver_options);
        if (change) { change(request.definition); }
        auto created = run(networks->create(std::move(request)));
        EXPECT_TRUE(created) << created.error().message;
        return created ? created->id : NetworkId{};
    }
    AttachRequest request(const std::string& name, const std::string& mode) {
        AttachRequest wish;
        wish.container = ContainerId::fresh(random);
        wish.name = name;
        wish.mode = mode;
        return wish;
    }
    SandboxInfo start(AttachRequest wish) {
        const auto id = wish.container;
        auto info = run(networks->attach(std::move(wish)));
        EXPECT_TRUE(info) << info.error().message;
        if (!info) { return {}; }
        attached.push_back(id);
        return *info;
    }
    SandboxInfo start(const std::string& name, const std::string& mode = "bridge") {
        return start(request(name, mode));
    }
    os::Fd netns(const SandboxInfo& info) { return std::move(*os::open_netns(info.netns_path)); }
    static PortWish port(std::uint16_t host, std::uint16_t inside, const std::string& ip = "",
                         Protocol protocol = Protocol::Tcp) {
        return {{inside, protocol}, ip, host, host};
    }
    /// A container "name" with a server on port 80, published as tcp and udp.
    SandboxInfo start_web(const std::string& name, const std::string& mode,
                          std::uint16_t host_port) {
        auto wish = request(name, mode);
        wish.published = {port(host_port, 80), port(host_port, 80, "", Protocol::Udp)};
        auto info = start(std::move(wish));
        serve(info, name);
        return info;
    }
    void serve(const SandboxInfo& info, const std::string& name) {
        servers.push_back(std::make_unique<Server>(netns(info), name, "0.0.0.0", 80));
    }

    std::string ask(const os::Fd& from, const std::string& address, int port,
                    Kind kind = Kind::Tcp) {
        return beside([&, address, port, kind] {
            return ask_blocking(from, address, port, kind, answer_ms);
        });
    }
    bool silent(const os::Fd& from, const std::string& address, int port) {
        return beside([&, address, port] {
                   return ask_blocking(from, address, port, Kind::Tcp, silence_ms);
               })
            .empty();
    }
    DnsReply dns(const SandboxInfo& info, const std::string& name,
                 ldns_rr_type type = LDNS_RR_TYPE_A, Kind kind = Kind::Udp) {
        const auto inside = netns(info);
        return beside([&, name, type, kind] { return dns_blocking(inside, name, type, kind); });
    }
    void nft(const std::string& commands) {
        auto tool = os::Nft::open();
        const auto done = tool->apply(commands);
        EXPECT_TRUE(done) << done.error().message;
    }
    std::string ruleset() {
        return std::move(*os::Nft::open()->query("list ruleset", os::Nft::Form::Text));
    }
    std::string gateway() { return networks->inspect("bridge")->definition.pools.at(0).gateway; }
    void wait_ms(int ms) {
        net::run_task(loop, net::sleep(loop, Deadline::in(std::chrono::milliseconds(ms))));
    }
    /// Until the task of the rules has had its second.
    bool comes_true(const std::function<bool()>& condition) {
        for (int i = 0; i < 20; ++i) {
            if (condition()) { return true; }
            wait_ms(50);
        }
        return condition();
    }

    os::Fd host, outsider;
    os::TempDir directory;
    network::Settings options;
    Settings settings;
    net::Loop loop;
    net::Pool pool{loop, 4};
    os::SystemClock clock;
    os::SystemRandom random;
    Events events{loop, clock};
    std::optional<Store> store;
    std::optional<Env> env;
    std::optional<Networks> networks;
    std::vector<ContainerId> attached;
    std::vector<std::unique_ptr<Server>> servers;
};

TEST_F(Machine, starts_with_the_predefined_networks_and_docker_like_addresses) {
    const auto list = networks->list({});
    ASSERT_TRUE(list);
    std::vector<std::string> names;
    for (const auto& view : *list) { names.push_back(view.definition.name); }
    EXPECT_THAT(names, ElementsAre("bridge", "host", "none"));
    const auto info = start("one");
    ASSERT_EQ(info.endpoints.size(), 1u);
    EXPECT_EQ(info.endpoints[0].ipv4, "172.17.0.2");
    EXPECT_EQ(info.endpoints[0].gateway, "172.17.0.1");
    EXPECT_EQ(info.endpoints[0].mac, "02:42:ac:11:00:02");
    EXPECT_THAT(info.hosts, HasSubstr("172.17.0.2\t" + info.hostname));
    EXPECT_EQ(info.resolv_conf, "nameserver 10.99.0.50\nsearch lan\n");
}

TEST_F(Machine, publishes_ports_to_outsiders_and_keeps_their_address) {
    start_web("a1", "bridge", 8080);
    EXPECT_EQ(ask(outsider, "10.99.0.1", 8080), "a1 10.99.0.50");
    EXPECT_EQ(ask(outsider, "10.99.0.1", 8080, Kind::Udp), "a1 10.99.0.50");
}

TEST_F(Machine, publishes_ports_to_the_host_itself_by_every_address) {
    start_web("a1", "bridge", 8080);
    EXPECT_EQ(ask(host, "127.0.0.1", 8080), "a1 172.17.0.1");
    EXPECT_EQ(ask(host, "127.0.0.1", 8080, Kind::Udp), "a1 172.17.0.1");
    EXPECT_THAT(ask(host, "10.99.0.1", 8080), HasSubstr("a1 "));
    EXPECT_EQ(ask(host, "::1", 8080), "a1 172.17.0.1");
    EXPECT_EQ(ask(host, "::1", 8080, Kind::Udp), "a1 172.17.0.1");
}

TEST_F(Machine, lets_containers_use_published_ports_whereever_they_are) {
    const auto a1 = start_web("a1", "bridge", 8080);
    create("other");
    const auto a2 = start("a2");
    const auto e1 = start("e1", "other");
    EXPECT_EQ(ask(netns(a1), "10.99.0.1", 8080), "a1 172.17.0.1") << "hairpin";
    EXPECT_THAT(ask(netns(a2), "10.99.0.1", 8080), HasSubstr("a1 ")) << "same bridge";
    EXPECT_EQ(ask(netns(e1), "10.99.0.1", 8080), "a1 " + e1.endpoints[0].ipv4) << "other bridge";
}

TEST_F(Machine, binds_to_one_host_address_only_when_asked) {
    auto here = std::move(*os::Netlink::open());
    ASSERT_TRUE(
        here.add_address({Ip::parse("10.99.0.201")->bytes(), 24, here.link("eth0")->index}));
    auto wish = request("a2", "bridge");
    wish.published = {port(8081, 80, "10.99.0.201"), port(8082, 80, "127.0.0.1")};
    serve(start(std::move(wish)), "a2");
    EXPECT_EQ(ask(outsider, "10.99.0.201", 8081), "a2 10.99.0.50");
    EXPECT_TRUE(silent(outsider, "10.99.0.1", 8081));
    EXPECT_EQ(ask(host, "127.0.0.1", 8082), "a2 172.17.0.1");
    EXPECT_TRUE(silent(outsider, "10.99.0.1", 8082));
    // 127.0.0.1 of the host is not for others, whatever they route.
    auto there = std::move(*os::Netlink::open_in(outsider));
    ASSERT_TRUE(os::run_in_netns(
        outsider, [] { return os::write_sysctl("net.ipv4.conf.eth0.route_localnet", "1"); }));
    ASSERT_TRUE(there.set_up(1, true));
    (void)there.replace_route({Ip::parse("127.0.0.9")->bytes(), 32, Ip::parse("10.99.0.1")->bytes(),
                               there.link("eth0")->index});
    EXPECT_TRUE(silent(outsider, "127.0.0.9", 8082));
}

TEST_F(Machine, keeps_bridges_apart_and_lets_one_bridge_talk) {
    create("other");
    const auto a1 = start("a1"), a2 = start("a2"), e1 = start("e1", "other");
    serve(a2, "a2");
    serve(e1, "e1");
    ASSERT_EQ(*os::read_sysctl("net.bridge.bridge-nf-call-iptables"), "1") << "the harder case";
    EXPECT_EQ(ask(netns(a1), a2.endpoints[0].ipv4, 80), "a2 " + a1.endpoints[0].ipv4);
    EXPECT_TRUE(silent(netns(a1), e1.endpoints[0].ipv4, 80));
}

TEST_F(Machine, does_not_route_outsiders_to_container_addresses) {
    const auto a1 = start_web("a1", "bridge", 8080);
    auto there = std::move(*os::Netlink::open_in(outsider));
    ASSERT_TRUE(there.replace_route({Ip::parse("172.17.0.0")->bytes(), 16,
                                     Ip::parse("10.99.0.1")->bytes(), there.link("eth0")->index}));
    EXPECT_TRUE(silent(outsider, a1.endpoints[0].ipv4, 80));
    EXPECT_EQ(ask(host, a1.endpoints[0].ipv4, 80), "a1 172.17.0.1");
}

TEST_F(Machine, isolates_containers_of_a_network_without_icc_but_not_their_ports) {
    create("quiet", {{"com.docker.network.bridge.enable_icc", "false"}});
    const auto a1 = start("a1", "quiet");
    const auto a2 = start_web("a2", "quiet", 8080);
    EXPECT_TRUE(silent(netns(a1), a2.endpoints[0].ipv4, 80));
    EXPECT_EQ(ask(outsider, "10.99.0.1", 8080), "a2 10.99.0.50");
    // Where bridged frames go through the firewall, the isolation of the bridge's ports comes first (docs/networks.md).
    EXPECT_TRUE(silent(netns(a1), "10.99.0.1", 8080));
    ASSERT_TRUE(os::write_sysctl("net.bridge.bridge-nf-call-iptables", "0"));
    EXPECT_THAT(ask(netns(a1), "10.99.0.1", 8080), HasSubstr("a2 "));
    EXPECT_EQ(dns(a1, "a2.").records, std::vector<std::string>{a2.endpoints[0].ipv4});
}

TEST_F(Machine, hides_private_addresses_on_the_way_out) {
    const auto a1 = start("a1");
    const Server far(outsider, "x1", "10.99.0.50", 99);
    EXPECT_EQ(ask(netns(a1), "10.99.0.50", 99), "x1 10.99.0.1");
}

TEST_F(Machine, keeps_an_internal_network_inside) {
    create("inner", {}, [](Definition& d) { d.internal = true; });
    const auto a1 = start("a1", "inner");
    const auto a2 = start_web("a2", "inner", 8080);
    const Server far(outsider, "x1", "10.99.0.50", 99);
    FakeDns upstream(outsider, "10.99.0.50");
    EXPECT_EQ(ask(netns(a1), a2.endpoints[0].ipv4, 80), "a2 " + a1.endpoints[0].ipv4);
    EXPECT_EQ(a1.endpoints[0].gateway, "");
    EXPECT_TRUE(silent(netns(a1), "10.99.0.50", 99));
    EXPECT_TRUE(silent(outsider, "10.99.0.1", 8080));
    EXPECT_EQ(dns(a1, "a2.").records.size(), 1u);
    EXPECT_EQ(dns(a1, "example.org.").rcode, LDNS_RCODE_SERVFAIL);
    EXPECT_EQ(upstream.asked(), 0) << "a question leaked";
    // Not even with a route of its own making.
    auto inside = std::move(*os::Netlink::open_in(netns(a1)));
    const auto bridge = networks->inspect("inner")->definition.pools.at(0).gateway;
    ASSERT_TRUE(
        inside.replace_route({"", 0, Ip::parse(bridge)->bytes(), inside.link("eth0")->index}));
    EXPECT_TRUE(silent(netns(a1), "10.99.0.50", 99));
}

TEST_F(Machine, answers_names_aliases_ids_and_reverse_lookups) {
    create("app");
    auto wish = request("web", "app");
    wish.hostname = "frontend";
    wish.endpoints["app"].aliases = {"www", "site"};
    const auto web = start(std::move(wish));
    auto second = request("web2", "app");
    second.endpoints["app"].aliases = {"www"};
    const auto web2 = start(std::move(second));
    const auto ip = web.endpoints[0].ipv4;
    for (const std::string name : {"web.", "WEB.", "site.", "frontend.", "web.app."}) {
        EXPECT_THAT(dns(web2, name).records, ElementsAre(ip)) << name;
    }
    EXPECT_THAT(dns(web2, attached[0].short_text() + ".").records, ElementsAre(ip));
    const auto first = dns(web2, "www.").records, then = dns(web2, "www.").records;
    EXPECT_EQ(first.size(), 2u);
    EXPECT_NE(first.at(0), then.at(0)) << "round robin";
    const auto empty = dns(web2, "web.", LDNS_RR_TYPE_AAAA);
    EXPECT_EQ(empty.rcode, LDNS_RCODE_NOERROR);
    EXPECT_TRUE(empty.records.empty());
    EXPECT_THAT(dns(web2, Ip::parse(ip)->reverse_name() + ".", LDNS_RR_TYPE_PTR).records,
                ElementsAre("web.app."));
    EXPECT_THAT(dns(web2, "web.", LDNS_RR_TYPE_A, Kind::Tcp).records, ElementsAre(ip));
    EXPECT_EQ(web.resolv_conf, "nameserver 127.0.0.11\nsearch lan\noptions ndots:0\n");
}

TEST_F(Machine, forwards_other_questions_and_follows_links_and_renames) {
    create("app");
    const auto db = start("db", "app");
    auto wish = request("web", "app");
    wish.links = {"db:database"};
    const auto web = start(std::move(wish));
    FakeDns upstream(outsider, "10.99.0.50");
    EXPECT_THAT(dns(web, "example.org.").records, ElementsAre("203.0.113.7"));
    EXPECT_EQ(upstream.asked(), 1);
    EXPECT_THAT(dns(web, "database.").records, ElementsAre(db.endpoints[0].ipv4));
    EXPECT_EQ(upstream.asked(), 1);
    networks->rename(attached[0], "store");
    EXPECT_THAT(dns(web, "store.").records, ElementsAre(db.endpoints[0].ipv4));
}

TEST_F(Machine, lets_a_container_bind_port_53_itself) {
    create("app");
    const auto info = start("resolver", "app");
    const auto fd = os::socket_in_netns(netns(info), {AF_INET, SOCK_DGRAM, 0});
    Address any("0.0.0.0", 53);
    EXPECT_EQ(::bind(fd->raw(), any.get(), any.size), 0) << std::strerror(errno);
}

TEST_F(Machine, speaks_ipv6) {
    create("six", {}, [](Definition& d) { d.enable_ipv6 = true; });
    auto wish = request("a1", "six");
    wish.published = {port(8086, 86)};
    const auto a1 = start(std::move(wish));
    const auto a2 = start("a2", "six");
    ASSERT_FALSE(a1.endpoints[0].ipv6.empty());
    const Server server(netns(a1), "a1", "::", 86);
    EXPECT_EQ(ask(outsider, "fd99::1", 8086), "a1 fd99::50");
    EXPECT_THAT(ask(host, "fd99::1", 8086), HasSubstr("a1 "));
    EXPECT_THAT(ask(host, "::1", 8086), HasSubstr("a1 "));
    EXPECT_EQ(ask(netns(a2), a1.endpoints[0].ipv6, 86), "a1 " + a2.endpoints[0].ipv6);
    EXPECT_THAT(dns(a2, "a1.", LDNS_RR_TYPE_AAAA).records, ElementsAre(a1.endpoints[0].ipv6));
    const Server far(outsider, "x1", "fd99::50", 99);
    EXPECT_EQ(ask(netns(a1), "fd99::50", 99), "x1 fd99::1") << "masquerade";
    auto there = std::move(*os::Netlink::open_in(outsider));
    const auto subnet = *Subnet::parse(networks->inspect("six")->definition.pools.at(1).subnet);
    os::Route route{subnet.base().bytes(), 64, Ip::parse("fd99::1")->bytes(),
                    there.link("eth0")->index};
    route.v6 = true;
    ASSERT_TRUE(there.replace_route(route));
    EXPECT_TRUE(silent(outsider, a1.endpoints[0].ipv6, 86));
    EXPECT_THAT(a1.ports, ElementsAre(PortBinding{{86, Protocol::Tcp}, "0.0.0.0", 8086},
                                      PortBinding{{86, Protocol::Tcp}, "::", 8086}));
}

TEST_F(Machine, connects_and_disconnects_a_running_container) {
    const auto app = create("app");
    const auto db = start("db", "app");
    serve(db, "db");
    const auto web = start_web("web", "bridge", 8080);
    const auto id = attached[1];
    EXPECT_TRUE(silent(netns(web), db.endpoints[0].ipv4, 80));
    EndpointWish wish;
    wish.aliases = {"www"};
    auto joined = run(networks->join(id, app.text(), wish));
    ASSERT_TRUE(joined) << joined.error().message;
    ASSERT_EQ(joined->endpoints.size(), 2u);
    EXPECT_EQ(joined->endpoints[1].interface, "eth1");
    EXPECT_THAT(joined->resolv_conf, HasSubstr("127.0.0.11"));
    EXPECT_EQ(ask(netns(web), db.endpoints[0].ipv4, 80), "db " + joined->endpoints[1].ipv4);
    EXPECT_THAT(dns(*joined, "db.").records, ElementsAre(db.endpoints[0].ipv4));
    EXPECT_THAT(dns(db, "www.").records, ElementsAre(joined->endpoints[1].ipv4));
    EXPECT_FALSE(run(networks->join(id, app.text(), wish))) << "twice";
    EXPECT_EQ(run(networks->remove("app")).error().code, Errc::Forbidden);

    const auto bridge = networks->find("bridge")->id;
    auto left = run(networks->leave(id, bridge));
    ASSERT_TRUE(left) << left.error().message;
    EXPECT_EQ(ask(outsider, "10.99.0.1", 8080), "web 10.99.0.50")
        << "the port moved to the other network";
    left = run(networks->leave(id, app));
    ASSERT_TRUE(left);
    EXPECT_TRUE(left->endpoints.empty());
    EXPECT_TRUE(silent(outsider, "10.99.0.1", 8080));
    EXPECT_TRUE(dns(db, "web.").records.empty());
}

TEST_F(Machine, leaves_by_the_network_with_the_highest_priority) {
    create("a-net");
    create("b-net");
    auto wish = request("c", "a-net");
    wish.endpoints["b-net"].gw_priority = 5;
    const auto info = start(std::move(wish));
    auto inside = std::move(*os::Netlink::open_in(netns(info)));
    std::string through;
    for (const auto& route : inside.routes().value_or({})) {
        if (route.bits == 0) { through = Ip::from_bytes(route.gateway).text(); }
    }
    EXPECT_EQ(through, info.endpoints.at(1).gateway);
}

TEST_F(Machine, gives_static_addresses_macs_and_interface_names) {
    create("fixed", {},
           [](Definition& d) { d.pools = {{.subnet = "10.7.0.0/24", .gateway = "10.7.0.254"}}; });
    auto wish = request("c", "fixed");
    auto& endpoint = wish.endpoints["fixed"];
    endpoint.ipv4 = "10.7.0.77";
    endpoint.mac = "02:42:00:00:00:77";
    endpoint.link_local = {"169.254.7.7"};
    endpoint.driver_options = {{"com.docker.network.endpoint.ifname", "wan0"}};
    wish.sysctls = {{"net.ipv4.conf.wan0.forwarding", "1"}, {"net.core.somaxconn", "777"}};
    const auto info = start(std::move(wish));
    auto inside = std::move(*os::Netlink::open_in(netns(info)));
    const auto link = inside.link("wan0");
    ASSERT_TRUE(link);
    EXPECT_EQ(link->mac, "02:42:00:00:00:77");
    std::vector<std::string> addresses;
    for (const auto& address : inside.addresses().value_or({})) {
        if (address.link == link->index) {
            addresses.push_back(Ip::from_bytes(address.bytes).text());
        }
    }
    EXPECT_THAT(addresses, UnorderedElementsAre("10.7.0.77", "169.254.7.7"));
    EXPECT_TRUE(os::run_in_netns(netns(info), []() -> Result<void> {
        TRY_LET(conf, os::read_sysctl("net.ipv4.conf.wan0.forwarding"));
        TRY_LET(core, os::read_sysctl("net.core.somaxconn"));
        return conf == "1" && core == "777" ? ok() : Result<void>(invalid(conf + core));
    }));
    auto again = request("d", "fixed");
    again.endpoints["fixed"].ipv4 = "10.7.0.77";
    const auto refused = run(networks->attach(std::move(again)));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("Address already in use"));
    auto foreign = request("e", "bridge");
    foreign.endpoints["bridge"].ipv4 = "172.17.0.9";
    EXPECT_FALSE(networks->validate_create(foreign));
}

TEST_F(Machine, says_when_a_network_is_full) {
    create("tiny", {}, [](Definition& d) { d.pools = {{.subnet = "10.7.0.0/30"}}; });
    start("a", "tiny");
    const auto refused = run(networks->attach(request("b", "tiny")));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message,
                HasSubstr("no available IPv4 addresses on this network's address pools: tiny ("));
}

TEST_F(Machine, refuses_a_port_that_somebody_has_and_keeps_nothing_half_made) {
    start_web("a", "bridge", 8080);
    auto wish = request("b", "bridge");
    wish.published = {port(9090, 80), port(8080, 80)};
    const auto refused = run(networks->attach(wish));
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message,
                HasSubstr("driver failed programming external connectivity on endpoint b ("));
    EXPECT_THAT(refused.error().message,
                HasSubstr("Bind for 0.0.0.0:8080 failed: port is already allocated"));
    EXPECT_FALSE(os::exists(directory.path() + "/netns/" + wish.container.text()));
    const Server own(host, "own", "0.0.0.0", 7070);
    auto other = request("c", "bridge");
    other.published = {port(7070, 80)};
    EXPECT_THAT(run(networks->attach(other)).error().message, HasSubstr("address already in use"));
    auto fine = request("d", "bridge");
    fine.published = {port(9090, 80)};
    EXPECT_EQ(start(std::move(fine)).endpoints.at(0).ipv4, "172.17.0.3")
        << "the failed ones gave their addresses back";
}

TEST_F(Machine, picks_free_ports_from_nothing_and_from_a_range) {
    auto wish = request("a", "bridge");
    wish.exposed = {{80, Protocol::Tcp}, {81, Protocol::Udp}};
    wish.publish_all = true;
    const auto info = start(std::move(wish));
    ASSERT_EQ(info.ports.size(), 2u);
    EXPECT_GT(info.ports[0].host_port, 1024);
    const Server own(host, "own", "0.0.0.0", 8000);
    auto range = request("b", "bridge");
    range.published = {{{80, Protocol::Tcp}, "", 8000, 8002}};
    EXPECT_EQ(start(std::move(range)).ports.at(0).host_port, 8001);
}

TEST_F(Machine, restores_its_table_within_a_second_with_the_operators_rules) {
    start_web("a1", "bridge", 8080);
    nft("add rule inet shoal_0 user ip saddr 10.99.0.77 drop");
    wait_ms(200); // the rule is seen
    nft("flush ruleset");
    EXPECT_TRUE(comes_true([&] { return ruleset().find("tcp . 8080") != std::string::npos; }));
    EXPECT_THAT(ruleset(), HasSubstr("ip saddr 10.99.0.77 drop"));
    EXPECT_EQ(ask(outsider, "10.99.0.1", 8080), "a1 10.99.0.50");
    nft("flush map inet shoal_0 pub_any");
    EXPECT_TRUE(comes_true([&] { return ruleset().find("tcp . 8080") != std::string::npos; }));
}

TEST_F(Machine, obeys_the_operators_rules_about_published_ports) {
    start_web("a1", "bridge", 8080);
    nft("add rule inet shoal_0 user ip saddr 10.99.0.50 meta l4proto tcp ct original proto-dst 8080 drop");
    EXPECT_TRUE(silent(outsider, "10.99.0.1", 8080));
}

TEST_F(Machine, passes_foreign_chains_that_drop_and_takes_its_rule_away_at_the_end) {
    start_web("a1", "bridge", 8080);
    nft("table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop;\n}\n}");
    EXPECT_TRUE(
        comes_true([&] { return ruleset().find("shoal_0 accepted") != std::string::npos; }));
    EXPECT_EQ(ask(outsider, "10.99.0.1", 8080), "a1 10.99.0.50");
    nft("flush chain ip filter FORWARD");
    EXPECT_TRUE(
        comes_true([&] { return ruleset().find("shoal_0 accepted") != std::string::npos; }));
    for (const auto& id : attached) { ASSERT_TRUE(run(networks->detach(id))); }
    attached.clear();
    run_void(networks->stop(false));
    networks.reset();
    EXPECT_EQ(ruleset().find("shoal"), std::string::npos) << ruleset();
    EXPECT_THAT(ruleset(), HasSubstr("table ip filter"));
}

TEST_F(Machine, does_not_become_a_router_for_others) {
    const auto beyond = std::move(*os::create_anonymous_netns());
    auto here = std::move(*os::Netlink::open());
    ASSERT_TRUE(here.create_veth({"eth1", "eth0", beyond.raw(), "", 0, 0}));
    ASSERT_TRUE(here.add_address({Ip::parse("10.98.0.1")->bytes(), 24, here.link("eth1")->index}));
    ASSERT_TRUE(here.set_up(here.link("eth1")->index, true));
    auto there = std::move(*os::Netlink::open_in(beyond));
    ASSERT_TRUE(
        there.add_address({Ip::parse("10.98.0.2")->bytes(), 24, there.link("eth0")->index}));
    ASSERT_TRUE(there.set_up(there.link("eth0")->index, true));
    ASSERT_TRUE(
        there.replace_route({"", 0, Ip::parse("10.98.0.1")->bytes(), there.link("eth0")->index}));
    auto out = std::move(*os::Netlink::open_in(outsider));
    ASSERT_TRUE(out.replace_route({Ip::parse("10.98.0.0")->bytes(), 24,
                                   Ip::parse("10.99.0.1")->bytes(), out.link("eth0")->index}));
    const Server far(beyond, "far", "10.98.0.2", 99);
    EXPECT_EQ(*os::read_sysctl("net.ipv4.ip_forward"), "1");
    EXPECT_TRUE(silent(outsider, "10.98.0.2", 99));
}

TEST_F(Machine, comes_back_after_a_crash_with_everything_in_place) {
    const auto app = create("app");
    const auto web = start_web("web", "app", 8080);
    const auto db = start("db", "app");
    std::vector<RunningSandbox> running = {{attached[0], "web", web}, {attached[1], "db", db}};
    auto forgotten = start("dead", "app");
    crash();
    attached.pop_back();
    EXPECT_EQ(ask(outsider, "10.99.0.1", 8080), "web 10.99.0.50") << "while the daemon is away";
    boot(running);
    EXPECT_EQ(networks->find("app")->id, app);
    EXPECT_EQ(*networks->sandbox(attached[0]), web);
    EXPECT_FALSE(os::exists(forgotten.netns_path));
    EXPECT_EQ(ask(outsider, "10.99.0.1", 8080), "web 10.99.0.50");
    EXPECT_EQ(ask(host, "::1", 8080), "web " + web.endpoints[0].gateway);
    EXPECT_THAT(dns(db, "web.").records, ElementsAre(web.endpoints[0].ipv4));
    auto wish = request("late", "app");
    wish.published = {port(8080, 80)};
    EXPECT_THAT(run(networks->attach(wish)).error().message,
                HasSubstr("port is already allocated"));
    EXPECT_EQ(start("next", "app").endpoints.at(0).ipv4, forgotten.endpoints.at(0).ipv4);
}

TEST_F(Machine, leaves_nothing_behind) {
    auto here = std::move(*os::Netlink::open());
    const auto links_before = here.links()->size();
    const auto rules_before = ruleset();
    create("app");
    for (const char* name : {"a", "b", "c"}) {
        start_web(name, "app", static_cast<std::uint16_t>(8000 + name[0]));
    }
    for (const auto& id : attached) { ASSERT_TRUE(run(networks->detach(id))); }
    attached.clear();
    servers.clear();
    ASSERT_TRUE(run(networks->remove("app")));
    EXPECT_TRUE(comes_true([&] { return here.links()->size() == links_before; }))
        << "the kernel ends namespaces lazily";
    EXPECT_EQ(ruleset(), rules_before);
    EXPECT_TRUE(os::list_directory(directory.path() + "/netns")->empty());
    for (std::uint16_t port : {8097, 8098, 8099}) { const Server free(host, "x", "0.0.0.0", port); }
}

TEST_F(Machine, refuses_what_docker_refuses_in_its_words) {
    const auto refusal = [&](std::function<void(Definition&)> change) {
        CreateNetwork request;
        request.definition.name = "n";
        change(request.definition);
        auto created = run(networks->create(std::move(request)));
        EXPECT_FALSE(created);
        return created ? Error{} : created.error();
    };
    create("app");
    EXPECT_EQ(refusal([](Definition& d) { d.name = "app"; }),
              conflict("network with name app already exists"));
    EXPECT_EQ(refusal([](Definition& d) { d.name = "bridge"; }).code, Errc::Forbidden);
    EXPECT_EQ(refusal([](Definition& d) { d.driver = "overlay"; }).code, Errc::Forbidden);
    EXPECT_EQ(refusal([](Definition& d) { d.driver = "host"; }).message,
              "only one instance of \"host\" network is allowed");
    EXPECT_EQ(refusal([](Definition& d) { d.driver = "weave"; }).message,
              "plugin \"weave\" not found");
    EXPECT_THAT(refusal([](Definition& d) { d.pools = {{.subnet = "172.17.3.0/24"}}; }).message,
                HasSubstr("Pool overlaps"));
    EXPECT_THAT(refusal([](Definition& d) {
                    d.options = {{"x", "y"}};
                }).message,
                HasSubstr("\"x\""));
    EXPECT_EQ(run(networks->remove("bridge")).error(),
              (Error{Errc::Forbidden, "bridge is a pre-defined network and cannot be removed"}));
    EXPECT_EQ(run(networks->remove("nothing")).error().message, "network nothing not found");
    const auto a = start("a", "app");
    EXPECT_THAT(run(networks->remove("app")).error().message, HasSubstr("has active endpoints"));
    EXPECT_FALSE(networks->validate_create(request("x", "nothing")));
}

TEST_F(Machine, refuses_drivers_the_kernel_lacks_by_name_and_makes_macvlan_where_it_can) {
    create("mac", {{"parent", "eth0"}}, [](Definition& d) {
        d.driver = "macvlan";
        d.pools = {
            {.subnet = "10.99.0.0/24", .ip_range = "10.99.0.64/26", .gateway = "10.99.0.50"}};
    });
    const auto info = start("m", "mac");
    EXPECT_EQ(info.endpoints.at(0).ipv4, "10.99.0.64");
    const Server far(outsider, "x1", "10.99.0.50", 99);
    EXPECT_EQ(ask(netns(info), "10.99.0.50", 99), "x1 10.99.0.64");
    CreateNetwork second;
    second.definition.name = "mac2";
    second.definition.driver = "macvlan";
    second.definition.options = {{"parent", "eth0"}};
    EXPECT_THAT(run(networks->create(second)).error().message,
                HasSubstr("already using parent interface eth0"));
    second.definition.options.clear();
    auto dummy = run(networks->create(second));
    if (!dummy) { EXPECT_THAT(dummy.error().message, HasSubstr("dummy link")); }
    create("ipv", {{"parent", "eth9"}}, [](Definition& d) { d.config_only = true; });
}

TEST_F(Machine, lists_with_filters_and_prunes_what_is_unused) {
    create("used");
    create("idle", {}, [](Definition& d) { d.labels = {{"tier", "test"}}; });
    start("c", "used");
    const auto names = [&](const std::string& text) {
        std::vector<std::string> all;
        const auto views = networks->list(*Filters::parse(text));
        for (const auto& view : *views) { all.push_back(view.definition.name); }
        return all;
    };
    EXPECT_THAT(names(R"({"dangling":["true"]})"), ElementsAre("idle"));
    EXPECT_THAT(names(R"({"type":["builtin"]})"), ElementsAre("bridge", "host", "none"));
    EXPECT_THAT(names(R"({"label":["tier=test"]})"), ElementsAre("idle"));
    EXPECT_THAT(names(R"({"driver":["null"]})"), ElementsAre("none"));
    EXPECT_FALSE(networks->list(*Filters::parse(R"({"colour":["red"]})")));
    EXPECT_THAT(*run(networks->prune({})), ElementsAre("idle"));
    EXPECT_EQ(networks->inspect("used")->members.at(0).name, "c");
}

TEST_F(Machine, shares_and_does_without_namespaces) {
    const auto first = start("first");
    const auto second = start("second", "container:" + attached[0].text());
    EXPECT_EQ(second.netns_path, first.netns_path);
    EXPECT_EQ(second.hosts, first.hosts);
    EXPECT_EQ(start("h", "host").netns_path, "");
    const auto none = start("n", "none");
    EXPECT_EQ(std::move(*os::Netlink::open_in(netns(none))).links()->size(), 1u);
    auto wish = request("bad", "container:" + attached[0].text());
    wish.published = {port(80, 80)};
    EXPECT_FALSE(networks->validate_create(wish));
}

TEST_F(Machine, attaches_in_a_few_milliseconds) {
    create("app");
    constexpr int count = 20;
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) { start("c" + std::to_string(i)); }
    const auto middle = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) { start("d" + std::to_string(i), "app"); }
    const auto named = std::chrono::steady_clock::now();
    for (const auto& id : attached) { ASSERT_TRUE(run(networks->detach(id))); }
    const auto end = std::chrono::steady_clock::now();
    attached.clear();
    const auto each = [](auto span, int n) {
        return std::chrono::duration<double, std::milli>(span).count() / n;
    };
    std::printf("attach %.2f ms, with DNS %.2f ms, detach %.2f ms\n", each(middle - begin, count),
                each(named - middle, count), each(end - named, 2 * count));
    EXPECT_LT(each(middle - begin, count), 40.0) << "ten times what it takes on a quiet machine";
}

} // namespace
} // namespace shoal::engine
