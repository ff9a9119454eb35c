// What nodes are told of the cluster's networks: the cluster's map and the nodes' views of it.
#include "swarm/dispatcher/node_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Counting final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = next++; }
    }
    std::uint8_t next = 0;
};

/// What a node makes of the messages.
struct View {
    explicit View(const std::string& node_id, NodeMap::Limits limits = {})
        : told(node_id, 100, limits) {}
    NodeMap told;
    NetworkMap map;
    std::uint64_t generation = 0;
    std::size_t messages = 0;
    std::size_t changes = 0;

    void take(const mpb::MapMessage& message) {
        ++messages;
        changes += static_cast<std::size_t>(message.changes_size());
        if (message.base() == 0) {
            map.clear();
        } else {
            EXPECT_EQ(message.base(), generation);
        }
        generation = message.generation();
        for (const auto& change : message.changes()) { map.change(change); }
        if (message.more()) { return; }
        EXPECT_EQ(message.count(), map.count());
        EXPECT_EQ(message.digest(), map.digest());
    }
    std::vector<std::string> keys() const {
        std::vector<std::string> all;
        for (const auto& [key, item] : map.items()) { all.push_back(key); }
        return all;
    }
};

struct NodeMapTest : testing::Test {
    Store store;
    Counting random;
    ClusterMap map;
    std::map<std::string, std::unique_ptr<View>> views;

    template <class Act> void change(Act act) {
        Tx tx(store, Instant{std::chrono::seconds(1000)}, random);
        act(tx);
        for (const auto& one : tx.merged()) {
            map.observe(store, one);
            map.observe(store, one); // as the leader, which hears of it from the log too
        }
    }
    template <class T> void put(T object) {
        change([&](Tx& tx) { tx.put(std::move(object)); });
    }
    template <class T> void alter(const std::string& id, std::function<void(T&)> with) {
        T changed = *store.get<T>(id);
        with(changed);
        put(std::move(changed));
    }
    void node(const std::string& id, std::uint32_t index, const std::string& version = "1") {
        pb::Node made;
        made.set_id(id);
        made.set_network_index(index);
        made.mutable_description()->set_shoal_version(version);
        made.mutable_description()->set_hostname("host-" + id);
        made.mutable_status()->set_addr("192.0.2." + std::to_string(index));
        made.mutable_status()->set_state(pb::NodeStatus::READY);
        put(std::move(made));
        views[id] = std::make_unique<View>(id);
    }
    pb::Network network_of(const std::string& id, bool ingress = false) {
        pb::Network made;
        made.set_id(id);
        made.mutable_spec()->mutable_annotations()->set_name("name-" + id);
        made.mutable_spec()->set_ingress(ingress);
        made.mutable_driver_state()->set_name("overlay");
        auto& options = *made.mutable_driver_state()->mutable_options();
        options["com.docker.network.driver.overlay.vxlanid_list"] = "4097,4098";
        auto& config = *made.mutable_ipam()->add_configs();
        config.set_subnet("10.0.1.0/24");
        config.set_gateway("10.0.1.1");
        return made;
    }
    void network(const std::string& id, bool ingress = false) { put(network_of(id, ingress)); }
    pb::Task task_of(const std::string& id, const std::string& node, const std::string& network,
                     pb::TaskState state = pb::RUNNING) {
        pb::Task made;
        made.set_id(id);
        made.set_node_id(node);
        made.set_service_id("web");
        made.mutable_annotations()->set_name("web.1." + id);
        made.set_desired_state(pb::RUNNING);
        made.mutable_status()->set_state(state);
        auto& attachment = *made.add_networks();
        attachment.mutable_network()->set_id(network);
        attachment.mutable_network()->mutable_driver_state()->set_name("overlay");
        attachment.add_addresses("10.0.1.7/24");
        return made;
    }
    void task(const std::string& id, const std::string& node, const std::string& network,
              pb::TaskState state = pb::RUNNING) {
        put(task_of(id, node, network, state));
    }
    void service(const std::string& id, const std::string& network) {
        pb::Service made;
        made.set_id(id);
        made.mutable_spec()->mutable_annotations()->set_name("name-" + id);
        auto& config = *made.mutable_spec()->mutable_task()->add_networks();
        config.set_target("name-" + network);
        config.add_aliases("alias");
        auto& vip = *made.mutable_endpoint()->add_virtual_ips();
        vip.set_network_id(network);
        vip.set_addr("10.0.1.2/24");
        put(std::move(made));
    }
    void state(const std::string& id, pb::TaskState state) {
        alter<pb::Task>(id, [state](pb::Task& t) { t.mutable_status()->set_state(state); });
    }

    View& view(const std::string& id) { return *views.at(id); }
    /// All messages that wait for the node; gives how many changes they had.
    std::size_t deliver(const std::string& id) {
        auto& to = view(id);
        to.changes = 0;
        while (const auto message = to.told.next(map)) { to.take(*message); }
        check(id);
        return to.changes;
    }
    /// However it came to it, a node's map is what the store says.
    void check(const std::string& id) {
        ClusterMap fresh_map;
        fresh_map.rebuild(store);
        View fresh(id);
        while (const auto message = fresh.told.next(fresh_map)) { fresh.take(*message); }
        EXPECT_EQ(view(id).keys(), fresh.keys());
        EXPECT_EQ(view(id).map.digest(), fresh.map.digest());
    }
    const mpb::MapEndpoint& endpoint(const std::string& at, const std::string& network,
                                     const std::string& task) {
        return view(at).map.items().at(endpoint_key(network, task)).endpoint();
    }
    const mpb::MapService& service_at(const std::string& at, const std::string& network,
                                      const std::string& service) {
        return view(at).map.items().at(service_key(network, service)).service();
    }
    void two_nodes() {
        node("n1", 1);
        node("n2", 2);
        network("net");
    }
};

TEST_F(NodeMapTest, the_first_message_is_whole_even_when_empty) {
    node("n1", 1);
    const auto message = view("n1").told.next(map);
    ASSERT_TRUE(message);
    EXPECT_EQ(message->base(), 0u);
    EXPECT_EQ(message->generation(), 101u);
    EXPECT_EQ(message->count(), 0u);
    EXPECT_FALSE(view("n1").told.next(map));
}

TEST_F(NodeMapTest, a_node_is_told_of_networks_on_which_it_has_tasks) {
    two_nodes();
    network("other");
    deliver("n1");
    EXPECT_THAT(view("n1").keys(), IsEmpty());
    task("t1", "n1", "net", pb::ASSIGNED);
    task("t2", "n2", "other");
    deliver("n1");
    deliver("n2");
    EXPECT_THAT(view("n1").keys(),
                ElementsAre("endpoint/net/t1", "network/net", "node/n1", "node/n2"));
    EXPECT_THAT(view("n2").keys(),
                ElementsAre("endpoint/other/t2", "network/other", "node/n1", "node/n2"));
    task("t3", "n1", "net");
    state("t1", pb::FAILED);
    EXPECT_EQ(deliver("n1"), 2u);
    EXPECT_EQ(deliver("n2"), 0u) << "it is not concerned";
    state("t3", pb::FAILED);
    deliver("n1");
    EXPECT_THAT(view("n1").keys(), IsEmpty());
}

TEST_F(NodeMapTest, ingress_is_every_nodes_and_all_are_told_of_all_when_somebody_is_on_it) {
    two_nodes();
    node("stock", 3, "");
    network("ing", true);
    deliver("n1");
    EXPECT_THAT(view("n1").keys(), ElementsAre("network/ing")) << "which costs next to nothing";
    task("t1", "n2", "ing");
    deliver("n1");
    EXPECT_THAT(view("n1").keys(),
                ElementsAre("endpoint/ing/t1", "network/ing", "node/n1", "node/n2"));
    change([](Tx& tx) { tx.erase<pb::Network>("ing"); });
    deliver("n1");
    EXPECT_THAT(view("n1").keys(), IsEmpty());
}

TEST_F(NodeMapTest, items_say_what_the_objects_say) {
    two_nodes();
    alter<pb::Node>("n1", [](pb::Node& n) {
        n.mutable_description()->set_data_path_address("198.51.100.1");
        n.mutable_manager_status()->set_addr("[2001:db8::1]:2377");
    });
    alter<pb::Network>("net", [](pb::Network& n) {
        (*n.mutable_driver_state()->mutable_options())["encrypted"] = "";
        (*n.mutable_driver_state()->mutable_options())["com.docker.network.driver.mtu"] = "1400";
        n.mutable_spec()->set_internal(true);
    });
    service("web", "net");
    auto held = task_of("t1", "n1", "net");
    held.mutable_spec()->mutable_container()->set_hostname("own");
    put(held);
    deliver("n1");
    const auto& items = view("n1").map.items();
    const auto& n1 = items.at("node/n1").node();
    EXPECT_EQ(n1.index(), 1u);
    EXPECT_EQ(n1.address(), "198.51.100.1");
    EXPECT_THAT(n1.addresses(), ElementsAre("198.51.100.1", "192.0.2.1", "2001:db8::1"));
    const auto& net = items.at("network/net").network();
    EXPECT_EQ(net.vni(), 4097u);
    EXPECT_THAT(net.gateways(), ElementsAre("10.0.1.1"));
    EXPECT_TRUE(net.encrypted() && net.internal() && !net.ingress());
    EXPECT_EQ(net.mtu(), 1400u);
    const auto& t1 = endpoint("n1", "net", "t1");
    EXPECT_THAT(t1.addresses(), ElementsAre("10.0.1.7"));
    EXPECT_THAT(t1.names(), ElementsAre("web.1.t1", "own"));
    EXPECT_EQ(t1.node(), 1u);
    EXPECT_TRUE(t1.serving());
    const auto& web = service_at("n1", "net", "web");
    EXPECT_THAT(web.names(), ElementsAre("name-web", "alias"));
    EXPECT_THAT(web.virtual_addresses(), ElementsAre("10.0.1.2"));
}

TEST_F(NodeMapTest, a_task_serves_while_it_runs_is_wanted_and_its_node_is_there) {
    two_nodes();
    task("t1", "n1", "net", pb::STARTING);
    task("t2", "n2", "net");
    const auto serves = [this](const std::string& id) {
        deliver("n1");
        return endpoint("n1", "net", id).serving();
    };
    EXPECT_FALSE(serves("t1"));
    state("t1", pb::RUNNING);
    EXPECT_TRUE(serves("t1"));
    alter<pb::Task>("t1", [](pb::Task& t) { t.set_desired_state(pb::REMOVE); });
    EXPECT_FALSE(serves("t1")) << "its route stays until it has ended";
    EXPECT_TRUE(serves("t2"));
    alter<pb::Node>("n2", [](pb::Node& n) { n.mutable_status()->set_state(pb::NodeStatus::DOWN); });
    EXPECT_FALSE(serves("t2"));
    EXPECT_TRUE(view("n1").map.items().contains("node/n2"));
    state("t2", pb::ORPHANED);
    deliver("n1");
    EXPECT_FALSE(view("n1").map.items().contains(endpoint_key("net", "t2")));
    change([](Tx& tx) { tx.erase<pb::Task>("t1"); });
    deliver("n1");
    EXPECT_THAT(view("n1").keys(), IsEmpty());
}

TEST_F(NodeMapTest, a_service_is_there_while_it_asks_for_the_network_or_has_tasks_on_it) {
    two_nodes();
    network("new");
    service("web", "net");
    task("t1", "n1", "net");
    task("t2", "n1", "new");
    deliver("n1");
    EXPECT_THAT(service_at("n1", "new", "web").virtual_addresses(), IsEmpty());
    service("web", "new"); // t1 is still to be replaced
    deliver("n1");
    EXPECT_THAT(service_at("n1", "new", "web").virtual_addresses(), ElementsAre("10.0.1.2"));
    EXPECT_THAT(service_at("n1", "net", "web").names(), ElementsAre("name-web"));
    alter<pb::Service>("web", [](pb::Service& s) {
        s.mutable_spec()->mutable_endpoint()->set_mode(pb::EndpointSpec::DNSRR);
        (*s.mutable_spec()->mutable_annotations()->mutable_labels())["shoal.balance"] = "client";
    });
    deliver("n1");
    EXPECT_THAT(service_at("n1", "new", "web").virtual_addresses(), IsEmpty());
    EXPECT_EQ(service_at("n1", "new", "web").balance(), mpb::MapService::CLIENT);
    change([](Tx& tx) { tx.erase<pb::Service>("web"); });
    EXPECT_EQ(deliver("n1"), 2u);
}

TEST_F(NodeMapTest, published_ports_are_the_meshs) {
    two_nodes();
    network("ing", true);
    service("web", "ing");
    alter<pb::Service>("web", [](pb::Service& s) {
        auto& port = *s.mutable_endpoint()->add_ports();
        port.set_protocol(pb::PortConfig::UDP);
        port.set_target_port(53);
        port.set_published_port(5353);
        *s.mutable_endpoint()->add_ports() = port;
        s.mutable_endpoint()->mutable_ports(1)->set_publish_mode(pb::PortConfig::HOST);
    });
    deliver("n1");
    const auto& ports = service_at("n1", "ing", "web").ports();
    ASSERT_EQ(ports.size(), 1);
    EXPECT_EQ(ports[0].protocol(), mpb::MapPort::UDP);
    EXPECT_EQ(ports[0].target(), 53u);
    EXPECT_EQ(ports[0].published(), 5353u);
}

TEST_F(NodeMapTest, containers_that_were_attached_have_their_aliases_as_names) {
    two_nodes();
    auto held = task_of("t1", "n1", "net");
    held.clear_service_id();
    held.mutable_spec()->mutable_attachment()->set_container_id("c");
    held.mutable_networks(0)->add_aliases("db");
    put(held);
    deliver("n1");
    EXPECT_THAT(endpoint("n1", "net", "t1").names(), ElementsAre("web.1.t1", "db"));
}

TEST_F(NodeMapTest, nodes_with_encrypted_networks_have_the_keys_the_one_in_use_first) {
    two_nodes();
    pb::Cluster cluster;
    cluster.set_id("c");
    for (std::uint64_t time = 1; time <= 6; ++time) {
        auto& key = *cluster.add_network_bootstrap_keys();
        key.set_subsystem(time % 2 == 0 ? "networking:ipsec" : "networking:gossip");
        key.set_lamport_time(time);
        key.set_key("key" + std::to_string(time));
    }
    put(cluster);
    task("t1", "n1", "net");
    deliver("n1");
    EXPECT_FALSE(view("n1").map.items().contains("keys"));
    alter<pb::Network>("net", [](pb::Network& n) {
        (*n.mutable_driver_state()->mutable_options())["encrypted"] = "true";
    });
    deliver("n1");
    std::vector<std::uint64_t> numbers;
    for (const auto& key : view("n1").map.items().at("keys").keys().keys()) {
        numbers.push_back(key.number());
    }
    EXPECT_THAT(numbers, ElementsAre(4u, 2u, 6u));
    alter<pb::Network>("net", [](pb::Network& n) {
        (*n.mutable_driver_state()->mutable_options())["encrypted"] = "false";
    });
    deliver("n1");
    EXPECT_FALSE(view("n1").map.items().contains("keys"));
}

TEST_F(NodeMapTest, a_large_map_comes_in_pieces_that_belong_together) {
    two_nodes();
    for (int i = 0; i < 25; ++i) { task("t" + std::to_string(i), "n1", "net"); }
    NodeMap::Limits limits;
    limits.changes_max = 10;
    views["n1"] = std::make_unique<View>("n1", limits);
    auto& to = view("n1");
    to.take(*to.told.next(map));
    state("t3", pb::FAILED); // meanwhile
    deliver("n1");
    EXPECT_EQ(to.messages, 4u);
    limits.changes_max = 1000;
    limits.message_bytes = 200;
    views["n1"] = std::make_unique<View>("n1", limits);
    deliver("n1");
    EXPECT_GT(view("n1").messages, 5u);
}

TEST_F(NodeMapTest, what_is_known_is_what_was_confirmed) {
    two_nodes();
    task("t1", "n1", "net");
    auto& to = view("n1");
    deliver("n1");
    EXPECT_EQ(to.told.known(), 0u);
    to.told.confirm(to.generation - 1); // of an older view
    EXPECT_EQ(to.told.known(), 0u);
    to.told.confirm(to.generation);
    const auto sequence = [this] { return map.endpoint("net", "t1")->sequence; };
    EXPECT_GE(to.told.known(), sequence());
    alter<pb::Task>("t1", [](pb::Task& t) { t.set_desired_state(pb::SHUTDOWN); });
    EXPECT_LT(to.told.known(), sequence());
    deliver("n1");
    EXPECT_LT(to.told.known(), sequence());
    to.told.confirm(to.generation);
    EXPECT_GE(to.told.known(), sequence());
}

TEST_F(NodeMapTest, what_has_gone_is_not_remembered_for_ever) {
    two_nodes();
    task("keep", "n1", "net");
    task("keep2", "n2", "net");
    deliver("n1");
    deliver("n2");
    for (int i = 0; i < 3000; ++i) {
        const auto id = "t" + std::to_string(i);
        task(id, "n1", "net");
        state(id, pb::FAILED);
        if (i % 100 == 0) { deliver("n1"); }
    }
    EXPECT_LT(map.scope("net")->entries.size(), 1100u);
    view("n1").messages = view("n2").messages = 0;
    EXPECT_LT(deliver("n1"), 200u);
    EXPECT_LT(deliver("n2"), 1100u); // from the beginning
    for (int i = 0; i < 300; ++i) {
        const auto id = "o" + std::to_string(i);
        network(id);
        change([&](Tx& tx) { tx.erase<pb::Network>(id); });
    }
    deliver("n1");
}

TEST_F(NodeMapTest, a_change_of_one_task_costs_its_nodes_alone) {
    two_nodes();
    for (int i = 0; i < 500; ++i) {
        const auto id = std::to_string(i);
        network("w" + id);
        service("s" + id, "w" + id);
        task("a" + id, "n2", "w" + id);
    }
    task("t1", "n1", "net");
    deliver("n1");
    deliver("n2");
    (void)map.take_news();
    state("a7", pb::FAILED);
    const auto news = map.take_news();
    EXPECT_THAT(news.scopes, ElementsAre("w7"));
    EXPECT_THAT(news.nodes, ElementsAre("n2"));
    EXPECT_EQ(deliver("n1"), 0u);
    EXPECT_LE(deliver("n2"), 4u);
}

} // namespace
} // namespace shoal::swarm
