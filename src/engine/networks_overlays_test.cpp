// Networks that span nodes, on a real kernel: two nodes, each an engine in a network namespace and
// on a thread of its own, with an outsider beside them, all on one wire.
#include "engine/networks.h"

#include "engine/env.h"
#include "engine/events.h"
#include "engine/networks_test_peers.h"
#include "engine/overlays.h"
#include "engine/settings.h"
#include "engine/store.h"
#include "net/loop.h"
#include "net/pool.h"
#include "net/sleep.h"
#include "os/clock.h"
#include "os/netlink.h"
#include "os/nft.h"
#include "os/sysctl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <mutex>

namespace shoal::engine {
namespace {

using namespace shoal::network;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const NetworkId app = *NetworkId::parse("app000000000000000000000a");
const NetworkId ingress = *NetworkId::parse("ingress00000000000000000i");

/// A thread in a network namespace of its own, which does what it is told.
class Place {
  public:
    Place() : thread_([this](std::stop_token stop) { run(stop); }) {
        in([this] {
            ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
            netns = std::move(*os::current_netns());
        });
    }
    ~Place() {
        thread_.request_stop();
        wake_.notify_all();
    }
    void in(std::function<void()> job) {
        std::unique_lock lock(mutex_);
        job_ = std::move(job);
        wake_.notify_all();
        done_.wait(lock, [this] { return !job_; });
    }
    os::Fd netns;

  private:
    void run(std::stop_token stop) {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [&] { return job_ || stop.stop_requested(); });
            if (!job_) { return; }
            job_();
            job_ = nullptr;
            done_.notify_all();
        }
    }
    std::mutex mutex_;
    std::condition_variable wake_, done_;
    std::function<void()> job_;
    std::jthread thread_;
};

/// One node: the network side of an engine.
class Node {
  public:
    Node(NodeIndex number, const char* at) : index(number), address(at) {
        place.in([this] {
            for (const char* name : {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"}) {
                EXPECT_TRUE(os::write_sysctl(name, "0"));
            }
            directory = std::move(*os::TempDir::create("/tmp", "shoal-overlays-"));
            EXPECT_TRUE(os::write_file_atomic(directory.path() + "/resolv.conf",
                                              "nameserver 10.99.0.50\n"));
            options.exec_root = directory.path();
            options.resolv_conf = directory.path() + "/resolv.conf";
            options.overlay_linger = std::chrono::milliseconds(300);
            loop.emplace();
            pool.emplace(*loop, 4);
            events.emplace(*loop, clock);
            store.emplace(std::move(*Store::open(directory.path() + "/state.db")));
            env.emplace(Env{*loop, *pool, *pool, settings, clock, random, *store, *events});
        });
    }
    ~Node() {
        place.in([this] {
            if (networks) {
                for (const auto& [id, info] : running) { EXPECT_TRUE(run(networks->detach(id))); }
                run_void(networks->stop(false));
            }
            networks.reset();
            for (const char* folder : {"/netns", "/overlays"}) {
                for (const auto& entry :
                     os::list_directory(directory.path() + folder).value_or({})) {
                    ADD_FAILURE() << "left behind: " << entry.name;
                }
            }
            env.reset(), store.reset(), events.reset(), pool.reset(), loop.reset();
        });
    }
    template <class T> T run(net::Task<T> task) { return net::run_task(*loop, std::move(task)); }
    void run_void(net::Task<void> task) { net::run_task(*loop, std::move(task)); }

    void boot() {
        place.in([this] {
            networks.emplace(*env, options);
            std::vector<RunningSandbox> all;
            for (const auto& [id, info] : running) { all.push_back({id, info.name, info}); }
            const auto recovered = run(networks->recover(std::move(all)));
            EXPECT_TRUE(recovered) << recovered.error().message;
        });
    }
    /// The end of kill -9.
    void crash() {
        place.in([this] { networks.reset(); });
    }
    void join(std::uint16_t port = 4789) {
        place.in([this, port] {
            const OverlaySelf self{index, *Ip::parse(address), port};
            const auto joined = run(networks->overlays().join(self));
            EXPECT_TRUE(joined) << joined.error().message;
        });
    }
    void apply(std::vector<OverlayChange> changes, bool whole = false) {
        place.in([&] {
            const auto applied = run(networks->overlays().apply(std::move(changes), whole));
            EXPECT_TRUE(applied) << applied.error().message;
        });
    }
    void ensure(const Definition& definition, const std::string& granted) {
        place.in([&] {
            std::vector<Ip> all;
            if (const auto ip = Ip::parse(granted)) { all.push_back(*ip); }
            EXPECT_TRUE(run(networks->ensure_overlay(definition, all)));
        });
    }
    struct Wish {
        std::string name;
        std::map<std::string, std::string> addresses; ///< by network
        std::vector<PortWish> published;
    };
    Result<SandboxInfo> try_start(const Wish& wish) {
        Result<SandboxInfo> started = internal("never ran");
        place.in([&] {
            AttachRequest request;
            request.container = ContainerId::fresh(random);
            request.name = wish.name;
            request.published = wish.published;
            for (const auto& [network, ip] : wish.addresses) {
                if (request.mode.empty()) { request.mode = network; }
                request.endpoints[network].ipv4 = ip;
            }
            const auto id = request.container;
            started = run(networks->attach(std::move(request)));
            if (started) { running[id] = *started; }
        });
        return started;
    }
    SandboxInfo start(const Wish& wish) {
        auto started = try_start(wish);
        EXPECT_TRUE(started) << started.error().message;
        return started ? *started : SandboxInfo{};
    }
    /// A container on the network `app`.
    SandboxInfo start(const std::string& name, const std::string& ip) {
        return start({name, {{app.text(), ip}}, {}});
    }
    ContainerId id_of(const std::string& name) {
        for (const auto& [id, info] : running) {
            if (info.name == name) { return id; }
        }
        return {};
    }
    void stop(const std::string& name) {
        place.in([&] {
            const auto id = id_of(name);
            EXPECT_TRUE(run(networks->detach(id)));
            running.erase(id);
        });
    }
    /// Looks again and again, for some seconds.
    bool comes_true(const std::function<bool()>& condition) {
        bool seen = false;
        for (int i = 0; i < 100 && !seen; ++i) {
            place.in([&] {
                seen = condition();
                const net::Until soon = loop->in(std::chrono::milliseconds(50));
                if (!seen) { (void)run(net::sleep(*loop, soon)); }
            });
        }
        return seen;
    }
    /// What a Server says, asked from in there, while this node's loop runs.
    std::string ask(const os::Fd& from, const std::string& to, int port, Kind kind = Kind::Tcp,
                    int wait_ms = answer_ms) {
        std::string answer;
        place.in([&] {
            auto job = [&] { return ask_blocking(from, to, port, kind, wait_ms); };
            answer = run(pool->run(std::move(job)));
        });
        return answer;
    }
    DnsReply dns(const SandboxInfo& from, const std::string& name,
                 ldns_rr_type type = LDNS_RR_TYPE_A) {
        DnsReply reply;
        place.in([&] {
            auto job = [&] { return dns_blocking(netns(from), name, type, Kind::Udp); };
            reply = run(pool->run(std::move(job)));
        });
        return reply;
    }
    static os::Fd netns(const SandboxInfo& info) {
        return std::move(*os::open_netns(info.netns_path));
    }
    std::string overlay_path(const NetworkId& id) const {
        return directory.path() + "/overlays/" + id.text();
    }

    NodeIndex index;
    std::string address;
    Place place;
    os::TempDir directory;
    std::optional<net::Loop> loop;
    std::optional<net::Pool> pool;
    std::optional<Events> events;
    Settings settings;
    network::Settings options;
    os::SystemClock clock;
    os::SystemRandom random;
    std::optional<Store> store;
    std::optional<Env> env;
    std::optional<Networks> networks;
    std::map<ContainerId, SandboxInfo> running;
};

Definition definition(const NetworkId& id, const std::string& name, const std::string& vni,
                      const std::string& subnet, const std::string& gateway) {
    Definition made;
    made.id = id;
    made.name = name;
    made.driver = "overlay";
    made.scope = "swarm";
    made.options = {{"com.docker.network.driver.overlay.vxlanid_list", vni}};
    made.pools = {{.subnet = subnet, .gateway = gateway}};
    return made;
}
Definition app_network() { return definition(app, "app", "4097", "10.0.1.0/24", "10.0.1.1"); }
Definition ingress_network() {
    auto made = definition(ingress, "ingress", "4098", "10.0.0.0/24", "10.0.0.1");
    made.ingress = true;
    return made;
}

OverlayChange said(const Definition& from, std::uint32_t vni) {
    OverlayNetwork item;
    item.id = from.id;
    item.name = from.name;
    item.vni = vni;
    item.subnets = {*Subnet::parse(from.pools.at(0).subnet)};
    item.gateways = {*Ip::parse(from.pools.at(0).gateway)};
    item.internal = from.internal;
    item.ingress = from.ingress;
    return {"network/" + from.name, item};
}
OverlayChange task(const std::string& id, const NetworkId& network, const char* ip, NodeIndex node,
                   bool serving = true) {
    OverlayTask item;
    item.task = id;
    item.network = network;
    item.addresses = {*Ip::parse(ip)};
    item.node = node;
    item.service = "web";
    item.names = {"web." + id};
    item.serving = serving;
    return {"endpoint/" + network.text() + "/" + id, item};
}
OverlayChange gone(const std::string& id, const NetworkId& network) {
    return {"endpoint/" + network.text() + "/" + id, std::nullopt};
}
OverlayChange service(const NetworkId& network, std::vector<Ip> virtual_addresses) {
    OverlayService item;
    item.id = "web";
    item.network = network;
    item.names = {"web", "www"};
    item.virtual_addresses = std::move(virtual_addresses);
    if (network == ingress) { item.ports = {{Protocol::Tcp, 80, 8080}}; }
    return {"service/" + network.text() + "/web", item};
}
const Ip web_address = *Ip::parse("10.0.1.2");

/// By this process: what else the machine does is not counted.
std::chrono::nanoseconds work_done() {
    timespec used{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

struct TwoNodes : ::testing::Test {
    void SetUp() override {
        ASSERT_TRUE(own_mounts);
        wire = std::move(*os::create_anonymous_netns());
        outsider = std::move(*os::create_anonymous_netns());
        auto netlink = std::move(*os::Netlink::open_in(wire));
        ASSERT_TRUE(netlink.create_bridge({"wire", "02:00:00:00:00:01", 0}));
        ASSERT_TRUE(netlink.set_up(netlink.link("wire")->index, true));
        plug(netlink, "a", a.place.netns, "10.99.0.1");
        plug(netlink, "b", b.place.netns, "10.99.0.2");
        plug(netlink, "o", outsider, "10.99.0.50");
        for (auto* node : {&a, &b}) {
            node->boot();
            node->join();
        }
    }
    static void plug(os::Netlink& netlink, const std::string& name, const os::Fd& there,
                     const char* address) {
        const auto bridge = netlink.link("wire")->index;
        ASSERT_TRUE(netlink.create_veth({name, "eth0", there.raw(), "", 0, bridge}));
        ASSERT_TRUE(netlink.set_port_up(name));
        auto inside = std::move(*os::Netlink::open_in(there));
        ASSERT_TRUE(inside.set_up(1, true));
        const auto eth0 = inside.link("eth0")->index;
        ASSERT_TRUE(inside.add_address({Ip::parse(address)->bytes(), 24, eth0}));
        ASSERT_TRUE(inside.set_up(eth0, true));
    }
    std::vector<OverlayChange> nodes() {
        std::vector<OverlayChange> all;
        for (const auto* node : {&a, &b}) {
            OverlayNode item;
            item.index = node->index;
            item.id = std::to_string(10 - node->index);
            item.address = *Ip::parse(node->address);
            item.addresses = {item.address};
            all.push_back({"node/" + node->address, item});
        }
        return all;
    }
    /// Both nodes hear the same.
    void tell(std::vector<OverlayChange> changes) {
        a.apply(changes);
        b.apply(changes);
    }
    /// A service "web" with one task on the first node, and a client on the second.
    void begin_web() {
        tell(nodes());
        tell({said(app_network(), 4097), service(app, {web_address}),
              task("one", app, "10.0.1.5", 1), task("client", app, "10.0.1.9", 2, false)});
        a.ensure(app_network(), "10.0.1.5");
        b.ensure(app_network(), "10.0.1.9");
        one = a.start("one", "10.0.1.5");
        client = b.start("client", "10.0.1.9");
        server.emplace(Node::netns(one), "one", "0.0.0.0", 80);
    }
    std::string from_client(const std::string& to) { return b.ask(Node::netns(client), to, 80); }

    os::Fd wire, outsider;
    Node a{1, "10.99.0.1"};
    Node b{2, "10.99.0.2"};
    SandboxInfo one, client;
    std::optional<Server> server;
};

TEST_F(TwoNodes, reach_each_others_containers_by_address_and_by_the_services_virtual_one) {
    begin_web();
    EXPECT_EQ(from_client("10.0.1.5"), "one 10.0.1.9");
    EXPECT_EQ(from_client("10.0.1.2"), "one 10.0.1.9");
    EXPECT_EQ(b.ask(Node::netns(client), "10.0.1.2", 80, Kind::Udp), "one 10.0.1.9");
    EXPECT_EQ(a.ask(Node::netns(one), "10.0.1.2", 80).substr(0, 3), "one") << "by itself too";
}

TEST_F(TwoNodes, a_task_that_does_not_serve_gets_nothing_new_and_what_is_gone_is_refused) {
    begin_web();
    tell({task("two", app, "10.0.1.6", 2)});
    b.ensure(app_network(), "10.0.1.6");
    const auto two = b.start("two", "10.0.1.6");
    const Server second(Node::netns(two), "two", "0.0.0.0", 80);
    std::set<std::string> answers;
    for (int i = 0; i < 4; ++i) { answers.insert(from_client("10.0.1.2").substr(0, 3)); }
    EXPECT_THAT(answers, ElementsAre("one", "two"));
    tell({task("one", app, "10.0.1.5", 1, false)});
    for (int i = 0; i < 3; ++i) { EXPECT_THAT(from_client("10.0.1.2"), StartsWith("two")); }
    EXPECT_EQ(from_client("10.0.1.5"), "one 10.0.1.9") << "it still is where it was";
    tell({gone("one", app), gone("two", app)});
    const auto began = std::chrono::steady_clock::now();
    EXPECT_EQ(from_client("10.0.1.2"), "");
    EXPECT_EQ(from_client("10.0.1.5"), "");
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1)) << "at once";
}

TEST_F(TwoNodes, names_are_those_of_services_tasks_and_containers_of_the_network) {
    begin_web();
    tell({task("two", app, "10.0.1.6", 2, false)});
    EXPECT_THAT(b.dns(client, "web.").records, ElementsAre("10.0.1.2"));
    EXPECT_THAT(b.dns(client, "www.app.").records, ElementsAre("10.0.1.2"));
    EXPECT_THAT(b.dns(client, "tasks.web.").records, ElementsAre("10.0.1.5"));
    EXPECT_THAT(b.dns(client, "web.two.").records, ElementsAre("10.0.1.6"));
    EXPECT_THAT(b.dns(client, "client.").records, ElementsAre("10.0.1.9"));
    EXPECT_THAT(b.dns(client, "5.1.0.10.in-addr.arpa.", LDNS_RR_TYPE_PTR).records,
                ElementsAre("web.one.app."));
    tell({service(app, {})}); // round robin
    EXPECT_THAT(b.dns(client, "web.").records, ElementsAre("10.0.1.5"));
    tell({gone("one", app)});
    const auto nobody = b.dns(client, "web.");
    EXPECT_EQ(nobody.rcode, LDNS_RCODE_NOERROR) << "asked nobody outside";
    EXPECT_THAT(nobody.records, IsEmpty());
}

TEST_F(TwoNodes, know_who_takes_part_in_a_network) {
    const auto peers = [&] {
        std::string all;
        b.place.in([&] {
            const auto view = b.networks->inspect("app");
            ASSERT_TRUE(view) << view.error().message;
            for (const auto& peer : view->peers) {
                all += peer.node + "=" + peer.address.text() + " ";
            }
        });
        return all;
    };
    begin_web();
    EXPECT_EQ(peers(), "8=10.99.0.2 9=10.99.0.1 ");
    tell({gone("one", app)});
    EXPECT_EQ(peers(), "8=10.99.0.2 ");
}

TEST_F(TwoNodes, go_on_after_a_crash_of_the_daemon_from_what_they_had_heard) {
    begin_web();
    a.crash();
    EXPECT_EQ(from_client("10.0.1.5"), "one 10.0.1.9") << "without a daemon";
    a.boot();
    a.join();
    a.apply({said(app_network(), 4097), service(app, {web_address}),
             task("one", app, "10.0.1.5", 1), task("client", app, "10.0.1.9", 2, false)},
            true);
    a.apply(nodes());
    EXPECT_EQ(from_client("10.0.1.2"), "one 10.0.1.9");
    EXPECT_EQ(a.ask(Node::netns(one), "10.0.1.2", 80).substr(0, 3), "one");
    EXPECT_THAT(a.dns(one, "web.").records, ElementsAre("10.0.1.2"));
}

TEST_F(TwoNodes, make_the_interfaces_anew_when_the_data_path_is_another) {
    begin_web();
    a.join(4790);
    b.join(4790);
    EXPECT_EQ(from_client("10.0.1.2"), "one 10.0.1.9");
}

TEST_F(TwoNodes, end_a_network_some_time_after_its_last_container) {
    begin_web();
    EXPECT_TRUE(os::exists(a.overlay_path(app)));
    EXPECT_TRUE(a.networks->inspect("app"));
    a.stop("one");
    EXPECT_TRUE(os::exists(a.overlay_path(app))) << "late packets get an answer";
    EXPECT_TRUE(a.comes_true([&] { return !os::exists(a.overlay_path(app)); }));
    EXPECT_TRUE(a.comes_true([&] { return !a.networks->inspect("app"); }));
    a.ensure(app_network(), "10.0.1.5");
    one = a.start("one", "10.0.1.5");
    server.emplace(Node::netns(one), "again", "0.0.0.0", 80);
    EXPECT_EQ(from_client("10.0.1.2"), "again 10.0.1.9");
}

TEST_F(TwoNodes, leave_by_the_gateway_bridge_of_which_nobody_is_told) {
    begin_web();
    const Server world(outsider, "world", "10.99.0.50", 80);
    EXPECT_EQ(from_client("10.99.0.50"), "world 10.99.0.2");
    const auto bridge = b.networks->inspect("docker_gwbridge");
    ASSERT_TRUE(bridge);
    ASSERT_EQ(bridge->members.size(), 1u);
    EXPECT_EQ(bridge->members[0].name, "client");
    ASSERT_EQ(client.endpoints.size(), 2u);
    EXPECT_TRUE(client.endpoints[1].automatic);
    EXPECT_EQ(client.endpoints[1].interface, "eth1");
    EXPECT_THAT(client.hosts, Not(HasSubstr(client.endpoints[1].ipv4)));
    Result<SandboxInfo> left = internal("");
    b.place.in([&] { left = b.run(b.networks->leave(b.id_of("client"), bridge->definition.id)); });
    ASSERT_FALSE(left);
    EXPECT_EQ(left.error().code, Errc::Forbidden);
}

TEST_F(TwoNodes, keep_an_internal_network_inside_questions_for_names_too) {
    auto inner = app_network();
    inner.internal = true;
    a.ensure(inner, "10.0.1.5");
    const FakeDns world(outsider, "10.99.0.50");
    const auto alone = a.start("alone", "10.0.1.5");
    EXPECT_EQ(alone.endpoints.size(), 1u);
    EXPECT_NE(a.dns(alone, "example.org.").rcode, LDNS_RCODE_NOERROR);
    EXPECT_EQ(world.asked(), 0);
}

TEST_F(TwoNodes, take_no_address_that_managers_did_not_give_and_no_network_they_cannot_encrypt) {
    a.ensure(app_network(), "10.0.1.5");
    const auto foreign = a.try_start({"thief", {{app.text(), "10.0.1.6"}}, {}});
    ASSERT_FALSE(foreign);
    EXPECT_THAT(foreign.error().message, HasSubstr("was not given to this container"));
    const auto none = a.try_start({"thief", {{app.text(), ""}}, {}});
    ASSERT_FALSE(none);
    auto secret = definition(*NetworkId::parse("secret0000000000000000000"), "secret", "4099",
                             "10.0.3.0/24", "10.0.3.1");
    secret.options["encrypted"] = "";
    a.ensure(secret, "10.0.3.5");
    const auto refused = a.try_start({"quiet", {{secret.id.text(), "10.0.3.5"}}, {}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Unsupported);
    EXPECT_THAT(refused.error().message,
                StartsWith("network secret is encrypted and this kernel has no ESP"));
    EXPECT_FALSE(os::exists(a.overlay_path(secret.id)));
}

/// Somebody on the wire who sends packets as if it were the second node, with its client.
class Forger {
  public:
    explicit Forger(const os::Fd& netns) : netns_(netns) {
        auto netlink = std::move(*os::Netlink::open_in(netns));
        os::VxlanLink link;
        link.name = "vx0";
        link.vni = 4097;
        link.port = 4789;
        link.local = Ip::parse("10.99.0.50")->bytes();
        link.mac = overlay_mac(2);
        EXPECT_TRUE(netlink.create_vxlan(link));
        const int vx = netlink.link("vx0")->index;
        EXPECT_TRUE(netlink.add_address({Ip::parse("10.0.1.9")->bytes(), 24, vx}));
        EXPECT_TRUE(netlink.set_up(vx, true));
        EXPECT_TRUE(
            netlink.replace_neighbour({Ip::parse("10.0.1.5")->bytes(), overlay_mac(1), vx}));
        EXPECT_TRUE(
            netlink.replace_forwarding({overlay_mac(1), Ip::parse("10.99.0.1")->bytes(), vx}));
    }
    /// Whether it reached the container.
    bool reaches(const SandboxInfo& container) {
        constexpr int port = 9999;
        Address here("0.0.0.0", port), there("10.0.1.5", port);
        const auto taker = *os::socket_in_netns(Node::netns(container), {AF_INET, SOCK_DGRAM, 0});
        EXPECT_EQ(::bind(taker.raw(), here.get(), here.size), 0);
        const auto sender = *os::socket_in_netns(netns_, {AF_INET, SOCK_DGRAM, 0});
        EXPECT_EQ(::sendto(sender.raw(), "forged", 6, 0, there.get(), there.size), 6);
        pollfd readable{taker.raw(), POLLIN, 0};
        return ::poll(&readable, 1, silence_ms) == 1;
    }

  private:
    const os::Fd& netns_;
};

/// "" for none. On the thread of the node.
std::string guard_here() {
    return os::Nft::open()
        ->query("list table inet shoal_0_vxlan", os::Nft::Form::Text)
        .value_or("");
}
std::string guard_of(Node& node) {
    std::string text;
    node.place.in([&] { text = guard_here(); });
    return text;
}

TEST_F(TwoNodes, keep_strangers_out_of_overlays_without_a_mesh_too) {
    begin_web();
    Forger forger(outsider);
    EXPECT_FALSE(forger.reaches(one));
    a.place.in([] { ASSERT_TRUE(os::Nft::open()->apply("flush ruleset")); });
    ASSERT_TRUE(a.comes_true([] { return !guard_here().empty(); }));
    EXPECT_FALSE(forger.reaches(one));
    EXPECT_EQ(from_client("10.0.1.5"), "one 10.0.1.9");
    OverlayNode known;
    known.index = 9;
    known.address = *Ip::parse("10.99.0.50");
    a.apply({{"node/known", known}});
    EXPECT_TRUE(forger.reaches(one)) << "it was the sender that was refused";
    a.apply({{"node/known", std::nullopt}});
    EXPECT_FALSE(forger.reaches(one));
}

TEST_F(TwoNodes, keep_the_guard_over_a_crash_and_until_the_last_link_went) {
    EXPECT_EQ(guard_of(a), "") << "there is nothing to reach yet";
    begin_web();
    const auto before = guard_of(a);
    EXPECT_THAT(before, HasSubstr("elements = { 10.99.0.2 }"));
    a.crash();
    a.boot();
    a.join();
    EXPECT_EQ(guard_of(a), before) << "in this life it was told of no node yet";
    a.apply(nodes(), true);
    a.stop("one");
    EXPECT_TRUE(a.comes_true([] { return guard_here().empty(); }));
    b.place.in([&] { EXPECT_TRUE(b.run(b.networks->overlays().leave())); });
    EXPECT_EQ(guard_of(b), "");
}

TEST_F(TwoNodes, one_backend_among_thousands_is_a_small_change) {
    constexpr int services = 1000, backends = 10;
    std::vector<OverlayChange> all = nodes();
    all.push_back(said(app_network(), 4097));
    const auto address = [](int number) { return Ip::parse("10.1.0.0")->plus(number); };
    const auto backend = [&](int number, bool serving) {
        auto change = task(std::to_string(number), app, "10.1.0.0", 2, serving);
        auto& item = std::get<OverlayTask>(*change.item);
        item.addresses = {address(number)};
        item.service = "s" + std::to_string(number / backends);
        return change;
    };
    for (int i = 0; i < services; ++i) {
        auto change = service(app, {Ip::parse("10.2.0.0")->plus(i)});
        auto& item = std::get<OverlayService>(*change.item);
        item.id = "s" + std::to_string(i);
        item.names = {item.id};
        change.key += item.id;
        all.push_back(std::move(change));
    }
    for (int i = 0; i < services * backends; ++i) { all.push_back(backend(i, true)); }
    auto wide = app_network();
    wide.pools = {{.subnet = "10.0.0.0/8", .gateway = "10.0.0.1"}};
    a.ensure(wide, "10.0.1.5");
    a.start("one", "10.0.1.5");
    a.apply(std::move(all), true);
    a.apply({backend(5, false)}); // both kinds of chains are there
    auto least = std::chrono::nanoseconds::max();
    for (int i = 0; i < 5; ++i) {
        std::vector<OverlayChange> change{backend(5, i % 2 == 0)};
        const auto began = work_done();
        a.apply(std::move(change));
        least = std::min(least, work_done() - began);
    }
    RecordProperty("microseconds", static_cast<int>(least.count() / 1000));
    EXPECT_LT(least, std::chrono::milliseconds(60)) << "in a build without optimisation";
}

/// The same with published ports: a task on the first node.
struct Mesh : TwoNodes {
    void SetUp() override {
        TwoNodes::SetUp();
        tell(nodes());
        tell({said(ingress_network(), 4098), service(ingress, {}),
              task("one", ingress, "10.0.0.5", 1)});
    }
    void begin() {
        a.ensure(ingress_network(), "10.0.0.5");
        one = a.start({"one", {{ingress.text(), "10.0.0.5"}}, {}});
        server.emplace(Node::netns(one), "one", "0.0.0.0", 80);
    }
    std::string from_outside(const std::string& to, int wait_ms = answer_ms) {
        return ask_blocking(outsider, to, 8080, Kind::Tcp, wait_ms);
    }
};

TEST_F(Mesh, answers_on_every_node_and_the_task_sees_who_asks) {
    EXPECT_EQ(from_outside("10.99.0.1"), "") << "nobody serves yet";
    begin();
    EXPECT_EQ(from_outside("10.99.0.1"), "one 10.99.0.50");
    EXPECT_EQ(from_outside("10.99.0.2"), "one 10.99.0.50");
    ASSERT_EQ(one.endpoints.size(), 2u);
    EXPECT_EQ(one.endpoints[0].network_name, "ingress");
    EXPECT_EQ(one.endpoints[0].interface, "");
    a.stop("one");
    EXPECT_EQ(from_outside("10.99.0.1", silence_ms), "");
}

TEST_F(Mesh, comes_back_within_a_second_after_somebody_flushed_the_rules) {
    begin();
    a.place.in([] { ASSERT_TRUE(os::Nft::open()->apply("flush ruleset")); });
    EXPECT_TRUE(a.comes_true([&] { return !from_outside("10.99.0.1", 100).empty(); }));
    EXPECT_TRUE(a.comes_true([&] { return a.networks->repairs() > 0; }));
}

TEST_F(Mesh, keeps_its_ports_and_leaves_those_that_a_container_has) {
    const auto refused =
        b.try_start({"plain", {{"bridge", ""}}, {{{80, Protocol::Tcp}, "", 8080, 8080}}});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message,
                HasSubstr("port is already allocated: service web publishes it on every node"));
    tell({{"service/" + ingress.text() + "/web", std::nullopt}});
    const auto plain =
        b.start({"plain", {{"bridge", ""}}, {{{80, Protocol::Tcp}, "", 8080, 8080}}});
    const Server local(Node::netns(plain), "plain", "0.0.0.0", 80);
    begin();
    tell({service(ingress, {})});
    EXPECT_THAT(from_outside("10.99.0.2"), StartsWith("plain"));
    EXPECT_THAT(from_outside("10.99.0.1"), StartsWith("one"));
    b.stop("plain");
    EXPECT_THAT(from_outside("10.99.0.2"), StartsWith("one")) << "now it is the service's";
}

TEST_F(Mesh, goes_when_the_node_leaves) {
    begin();
    b.place.in([&] { EXPECT_TRUE(b.run(b.networks->overlays().leave())); });
    EXPECT_EQ(from_outside("10.99.0.2", silence_ms), "");
    EXPECT_EQ(from_outside("10.99.0.1"), "one 10.99.0.50");
    EXPECT_NE(guard_of(a), "") << "a mesh alone has it as well";
    EXPECT_EQ(guard_of(b), "");
}

} // namespace
} // namespace shoal::engine
