#include "swarm/allocator/allocator.h"

#include "swarm/allocator/predefined.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

struct Counting final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            byte = static_cast<std::uint8_t>(state >> 56);
        }
    }
    std::uint64_t state = 1;
};

struct AllocatorTest : testing::Test {
    Store store;
    Counting random;
    Instant now{1000s};
    Allocator allocator;

    void commit(const Tx& tx) {
        for (const Change& change : tx.changes()) { allocator.observe(store, change); }
    }
    std::size_t run() {
        now += 1s;
        Tx tx(store, now, random);
        allocator.run(tx);
        commit(tx);
        return tx.changes().size();
    }
    template <class T> void put(T object) {
        Tx tx(store, now, random);
        tx.put(std::move(object));
        commit(tx);
    }
    template <class T> void erase(const std::string& id) {
        Tx tx(store, now, random);
        tx.erase<T>(id);
        commit(tx);
    }
    template <class T> void change(const std::string& id, const std::function<void(T&)>& with) {
        T changed = *store.get<T>(id);
        with(changed);
        put(std::move(changed));
    }
    void predefine() {
        Tx tx(store, now, random);
        ensure_predefined(tx);
        commit(tx);
    }
    std::string id_of(const std::string& network) {
        return store.by_name<pb::Network>(network)->id();
    }

    using NetworkChange = std::function<void(pb::NetworkSpec&)>;
    void add_network(const std::string& name, const NetworkChange& with = {}) {
        pb::Network network;
        network.set_id("id-" + name);
        network.mutable_spec()->mutable_annotations()->set_name(name);
        if (with) { with(*network.mutable_spec()); }
        put(network);
    }
    void add_subnet_network(const std::string& name, const std::string& subnet) {
        add_network(name, [&](pb::NetworkSpec& spec) {
            spec.mutable_ipam()->add_configs()->set_subnet(subnet);
        });
    }
    using ServiceChange = std::function<void(pb::ServiceSpec&)>;
    void add_service(const std::string& id, const ServiceChange& with = {}) {
        pb::Service service;
        service.set_id(id);
        service.mutable_spec()->mutable_annotations()->set_name(id);
        if (with) { with(*service.mutable_spec()); }
        put(service);
    }
    void add_task(const std::string& service, const std::string& id) {
        pb::Task task;
        task.set_id(id);
        task.set_service_id(service);
        *task.mutable_spec() = store.get<pb::Service>(service)->spec().task();
        task.set_desired_state(pb::RUNNING);
        put(task);
    }
    void end_task(const std::string& id) {
        change<pb::Task>(id, [](pb::Task& t) { t.mutable_status()->set_state(pb::FAILED); });
    }
    void add_node(const std::string& id, const std::string& shoal_version = "1") {
        pb::Node node;
        node.set_id(id);
        node.mutable_description()->set_shoal_version(shoal_version);
        put(node);
    }
    pb::TaskState state(const std::string& id) { return store.get<pb::Task>(id)->status().state(); }
    std::string error(const std::string& id) { return store.get<pb::Task>(id)->status().err(); }
    std::string address(const std::string& task, int network = 0) {
        const auto held = store.get<pb::Task>(task);
        if (held->networks_size() <= network) { return ""; }
        const auto& attachment = held->networks(network);
        return attachment.addresses().empty() ? "" : attachment.addresses(0);
    }
    std::string vip(const std::string& service, const std::string& network) {
        for (const auto& vip : store.get<pb::Service>(service)->endpoint().virtual_ips()) {
            if (vip.network_id() == network) { return vip.addr(); }
        }
        return "";
    }
    std::uint32_t port(const std::string& service, int index = 0) {
        return store.get<pb::Service>(service)->endpoint().ports(index).published_port();
    }
};

void use(pb::ServiceSpec& spec, const std::string& network) {
    spec.mutable_task()->add_networks()->set_target(network);
}
pb::PortConfig& publish(pb::ServiceSpec& spec, std::uint32_t target, std::uint32_t published) {
    auto& port = *spec.mutable_endpoint()->add_ports();
    port.set_target_port(target);
    port.set_published_port(published);
    return port;
}

TEST_F(AllocatorTest, a_task_without_wishes_is_pending_at_once) {
    add_service("web");
    add_task("web", "t1");
    run();
    const auto task = store.get<pb::Task>("t1");
    EXPECT_EQ(task->status().state(), pb::PENDING);
    EXPECT_EQ(task->status().message(), "pending task scheduling");
    EXPECT_EQ(run(), 0u);
}

TEST_F(AllocatorTest, the_predefined_networks_are_made_once_and_ingress_only_in_a_new_cluster) {
    predefine();
    run();
    const auto ingress = store.by_name<pb::Network>("ingress");
    ASSERT_TRUE(ingress);
    EXPECT_EQ(ingress->ipam().configs(0).subnet(), "10.0.0.0/24");
    EXPECT_EQ(ingress->ipam().configs(0).gateway(), "10.0.0.1");
    EXPECT_EQ(ingress->driver_state().options().at(std::string(vni_option)), "4096");
    for (const char* name : {"bridge", "host"}) {
        const auto network = store.by_name<pb::Network>(name);
        EXPECT_TRUE(is_predefined(*network));
        EXPECT_EQ(network->driver_state().name(), name);
        EXPECT_FALSE(network->ipam().driver().name().empty());
    }
    erase<pb::Network>(ingress->id());
    predefine();
    EXPECT_EQ(store.all<pb::Network>().size(), 2u);
}

TEST_F(AllocatorTest, networks_get_subnets_and_numbers_one_after_another) {
    add_network("a");
    add_network("b");
    add_subnet_network("c", "10.0.2.0/24");
    run();
    add_network("d");
    run();
    const auto subnet = [this](const std::string& id) {
        return store.get<pb::Network>("id-" + id)->ipam().configs(0).subnet();
    };
    const auto vni = [this](const std::string& id) {
        return store.get<pb::Network>("id-" + id)
            ->driver_state()
            .options()
            .at(std::string(vni_option));
    };
    EXPECT_EQ(subnet("a"), "10.0.0.0/24");
    EXPECT_EQ(subnet("b"), "10.0.1.0/24");
    EXPECT_EQ(subnet("d"), "10.0.3.0/24");
    EXPECT_EQ(vni("a"), "4096");
    EXPECT_EQ(vni("d"), "4099");
    erase<pb::Network>("id-d"); // nodes may have something of it for some time yet
    add_network("e");
    run();
    EXPECT_EQ(vni("e"), "4100");
}

TEST_F(AllocatorTest, the_clusters_pool_and_size_are_used_up_and_said_so) {
    pb::Cluster cluster;
    cluster.set_id("c");
    cluster.add_defaultaddresspool("172.20.0.0/15");
    cluster.set_subnetsize(16);
    put(cluster);
    add_network("a");
    add_network("b");
    add_network("c");
    run();
    EXPECT_EQ(store.get<pb::Network>("id-b")->ipam().configs(0).subnet(), "172.21.0.0/16");
    EXPECT_FALSE(is_allocated(*store.get<pb::Network>("id-c")));
    add_service("web", [](pb::ServiceSpec& spec) { use(spec, "c"); });
    add_task("web", "t1");
    run();
    EXPECT_EQ(error("t1"), "network c: no subnet is left in the cluster's address pools");
    EXPECT_EQ(run(), 0u);
    erase<pb::Network>("id-a");
    run();
    EXPECT_EQ(state("t1"), pb::PENDING);
    EXPECT_EQ(error("t1"), "");
    EXPECT_EQ(address("t1"), "172.20.0.3/16");
}

TEST_F(AllocatorTest, wishes_of_a_network_are_checked) {
    add_subnet_network("a", "10.7.0.0/24");
    add_network("b", [](pb::NetworkSpec& spec) {
        (*spec.mutable_driver_config()->mutable_options())[std::string(vni_option)] = "5000";
    });
    run();
    EXPECT_EQ(store.get<pb::Network>("id-b")->driver_state().options().at(std::string(vni_option)),
              "5000");
    const auto why = [this](const NetworkChange& with) {
        pb::NetworkSpec spec;
        with(spec);
        const auto checked = check_network(store, spec);
        return checked ? std::string() : checked.error().message;
    };
    const auto ipam = [](pb::NetworkSpec& spec, const std::string& subnet) -> pb::IPAMConfig& {
        auto& config = *spec.mutable_ipam()->add_configs();
        config.set_subnet(subnet);
        return config;
    };
    EXPECT_EQ(why([](pb::NetworkSpec&) {}), "");
    EXPECT_EQ(why([&](pb::NetworkSpec& s) { ipam(s, "10.7.0.128/25"); }),
              "subnet 10.7.0.128/25 overlaps one of another network");
    EXPECT_EQ(why([&](pb::NetworkSpec& s) { ipam(s, "10.8.0.0"); }), "invalid subnet 10.8.0.0");
    EXPECT_THAT(why([&](pb::NetworkSpec& s) { ipam(s, "10.8.0.0/24").set_gateway("10.9.0.1"); }),
                HasSubstr("gateway 10.9.0.1 is not within"));
    EXPECT_THAT(why([&](pb::NetworkSpec& s) { ipam(s, "10.8.0.0/24").set_range("10.9.0.0/30"); }),
                HasSubstr("range 10.9.0.0/30 is not within"));
    EXPECT_EQ(why([](pb::NetworkSpec& s) {
                  (*s.mutable_driver_config()->mutable_options())[std::string(vni_option)] = "5000";
              }),
              "vxlan id 5000 is already in use");
    EXPECT_THAT(why([](pb::NetworkSpec& s) { s.mutable_driver_config()->set_name("weave"); }),
                HasSubstr("network driver weave is not supported"));
}

TEST_F(AllocatorTest, addresses_go_to_gateway_service_and_tasks_from_one_pool) {
    add_subnet_network("net", "10.1.0.0/24");
    add_service("web", [](pb::ServiceSpec& spec) { use(spec, "id-net"); });
    add_task("web", "t1");
    add_task("web", "t2");
    run();
    EXPECT_EQ(vip("web", "id-net"), "10.1.0.2/24");
    EXPECT_EQ(address("t1"), "10.1.0.3/24");
    EXPECT_EQ(address("t2"), "10.1.0.4/24");
    EXPECT_EQ(store.get<pb::Task>("t1")->networks(0).network().driver_state().name(), "overlay");
    EXPECT_EQ(store.get<pb::Task>("t1")->endpoint().virtual_ips_size(), 1);
    EXPECT_EQ(run(), 0u);
}

TEST_F(AllocatorTest, every_node_has_a_number_of_its_own_and_an_old_one_rests) {
    add_node("n2");
    add_node("n1", "");
    run();
    const auto number = [this](const std::string& id) {
        return store.get<pb::Node>(id)->network_index();
    };
    EXPECT_EQ(number("n1") + number("n2"), 3u);
    add_node("n3");
    run();
    erase<pb::Node>("n3");
    EXPECT_EQ(number("n2"), 2u);
    add_node("n4");
    run();
    EXPECT_EQ(number("n4"), 4u);
    EXPECT_EQ(run(), 0u);
    erase<pb::Node>("n2");
    Allocator next;
    next.rebuild(store);
    allocator = std::move(next);
    add_node("n5");
    run();
    EXPECT_EQ(number("n5"), 5u) << "also under the next leader";
    change<pb::Node>("n5", [](pb::Node& node) { node.set_network_index(1); });
    run();
    EXPECT_NE(number("n5"), number("n1"));
    EXPECT_EQ(run(), 0u);
}

TEST_F(AllocatorTest, an_exhausted_network_is_said_on_the_task_and_filled_when_there_is_room) {
    add_subnet_network("net", "10.1.0.0/29"); // .1 gateway, .2 service, .3 to .6
    add_service("web", [](pb::ServiceSpec& spec) { use(spec, "net"); });
    for (int i = 1; i <= 5; ++i) { add_task("web", "t" + std::to_string(i)); }
    run();
    EXPECT_EQ(address("t4"), "10.1.0.6/29");
    EXPECT_EQ(state("t5"), pb::NEW);
    EXPECT_EQ(error("t5"), "could not find an available IP in network net");
    add_service("late", [](pb::ServiceSpec& spec) { use(spec, "net"); });
    add_task("late", "u1");
    run();
    EXPECT_EQ(error("u1"), "could not find an available IP while allocating VIP in network net");
    EXPECT_EQ(run(), 0u);
    change<pb::Task>("t2", [](pb::Task& t) { t.set_desired_state(pb::SHUTDOWN); });
    run();
    EXPECT_EQ(state("t5"), pb::NEW) << "an address is free when the task has ended, not before";
    end_task("t2");
    run();
    EXPECT_EQ(vip("late", "id-net"), "10.1.0.4/29") << "services go before tasks";
    erase<pb::Task>("t3");
    run();
    EXPECT_EQ(address("t5") + address("u1"), "10.1.0.5/29");
}

TEST_F(AllocatorTest, a_new_leader_reads_everything_from_the_store) {
    predefine();
    add_subnet_network("net", "10.1.0.0/28");
    add_service("web", [](pb::ServiceSpec& spec) {
        use(spec, "net");
        publish(spec, 80, 0);
        publish(spec, 81, 8081);
    });
    for (int i = 1; i <= 3; ++i) { add_task("web", "t" + std::to_string(i)); }
    run();
    EXPECT_EQ(address("t3", 1), "10.1.0.5/28");
    end_task("t3"); // its address rests, also under the next leader
    run();
    Allocator next;
    next.rebuild(store);
    allocator = std::move(next);
    EXPECT_EQ(run(), 0u);
    add_service("shop", [](pb::ServiceSpec& spec) {
        use(spec, "net");
        publish(spec, 80, 0);
    });
    add_task("shop", "u1");
    run();
    std::set<std::string> seen;
    for (const auto& [id, service] : store.all<pb::Service>()) {
        for (const auto& vip : service->endpoint().virtual_ips()) { seen.insert(vip.addr()); }
    }
    for (const auto& [id, task] : store.all<pb::Task>()) {
        for (const auto& a : task->networks()) { seen.insert(a.addresses(0)); }
    }
    EXPECT_EQ(seen.size(), 4u + 8u) << "nobody shares an address, dead tasks' included";
    EXPECT_EQ(port("web"), 30000u);
    EXPECT_EQ(port("shop"), 30001u);
}

TEST_F(AllocatorTest, published_ports_stay_conflict_and_are_given_back) {
    predefine();
    add_service("web", [](pb::ServiceSpec& spec) {
        publish(spec, 80, 0);
        publish(spec, 443, 8443);
        publish(spec, 53, 0).set_protocol(pb::PortConfig::UDP);
        publish(spec, 22, 8443).set_publish_mode(pb::PortConfig::HOST);
    });
    run();
    EXPECT_EQ(port("web", 0), 30000u);
    EXPECT_EQ(port("web", 1), 8443u);
    EXPECT_EQ(port("web", 2), 30000u);
    EXPECT_EQ(port("web", 3), 8443u);
    add_service("rival", [](pb::ServiceSpec& spec) { publish(spec, 1, 8443); });
    add_task("rival", "r1");
    run();
    EXPECT_EQ(error("r1"), "port 8443/tcp is already in use by service web");
    add_service("third", [](pb::ServiceSpec& spec) { publish(spec, 1, 30000); });
    add_task("third", "x1");
    run();
    EXPECT_THAT(error("x1"), HasSubstr("port 30000/tcp is already in use"));
    change<pb::Service>("web", [](pb::Service& s) {
        auto& ports = *s.mutable_spec()->mutable_endpoint()->mutable_ports();
        ports.DeleteSubrange(1, 1);
        s.mutable_spec()->mutable_annotations()->set_name("web2");
    });
    run();
    EXPECT_EQ(port("web", 0), 30000u) << "the number stays";
    EXPECT_EQ(port("web", 1), 30000u);
    EXPECT_EQ(state("r1"), pb::PENDING);
    erase<pb::Service>("web");
    run();
    EXPECT_EQ(state("x1"), pb::PENDING);
    EXPECT_EQ(port("third"), 30000u);
}

TEST_F(AllocatorTest, ingress_is_attached_first_to_services_that_publish) {
    predefine();
    add_network("net");
    add_service("web", [](pb::ServiceSpec& spec) {
        publish(spec, 80, 8080);
        use(spec, "net");
    });
    add_service("quiet");
    add_task("web", "t1");
    add_task("quiet", "q1");
    run();
    const auto task = store.get<pb::Task>("t1");
    ASSERT_EQ(task->networks_size(), 2);
    EXPECT_EQ(task->networks(0).network().id(), id_of("ingress"));
    EXPECT_EQ(task->networks(1).network().id(), "id-net");
    EXPECT_NE(vip("web", id_of("ingress")), "");
    EXPECT_EQ(store.get<pb::Task>("q1")->networks_size(), 0);
}

TEST_F(AllocatorTest, without_ingress_a_published_port_says_what_is_missing) {
    add_service("web", [](pb::ServiceSpec& spec) { publish(spec, 80, 8080); });
    add_task("web", "t1");
    run();
    EXPECT_EQ(error("t1"), "published ports need the ingress network, which does not exist");
    add_network("my-ingress", [](pb::NetworkSpec& spec) { spec.set_ingress(true); });
    run();
    EXPECT_EQ(state("t1"), pb::PENDING);
    EXPECT_NE(vip("web", "id-my-ingress"), "");
}

TEST_F(AllocatorTest, without_virtual_addresses_there_is_none) {
    add_network("net");
    add_service("web", [](pb::ServiceSpec& spec) {
        use(spec, "net");
        spec.mutable_endpoint()->set_mode(pb::EndpointSpec::DNSRR);
    });
    add_task("web", "t1");
    run();
    EXPECT_EQ(store.get<pb::Service>("web")->endpoint().virtual_ips_size(), 0);
    EXPECT_EQ(address("t1"), "10.0.0.2/24");
    change<pb::Service>("web", [](pb::Service& s) {
        s.mutable_spec()->mutable_endpoint()->set_mode(pb::EndpointSpec::VIP);
    });
    run();
    EXPECT_EQ(vip("web", "id-net"), "10.0.0.3/24");
}

TEST_F(AllocatorTest, networks_of_every_node_have_no_addresses_but_all_that_stock_engines_look_at) {
    predefine();
    add_service("web", [](pb::ServiceSpec& spec) { use(spec, "host"); });
    add_task("web", "t1");
    run();
    const auto task = store.get<pb::Task>("t1");
    ASSERT_EQ(task->networks_size(), 1);
    EXPECT_EQ(task->networks(0).addresses_size(), 0);
    EXPECT_EQ(task->networks(0).network().driver_state().name(), "host");
    EXPECT_TRUE(task->networks(0).network().has_ipam());
    EXPECT_EQ(task->networks(0).network().ipam().driver().name(), "default");
    EXPECT_EQ(store.get<pb::Service>("web")->endpoint().virtual_ips_size(), 0);
}

TEST_F(AllocatorTest, a_network_with_both_families_gives_addresses_of_both) {
    add_network("net", [](pb::NetworkSpec& spec) { spec.set_ipv6_enabled(true); });
    add_service("web", [](pb::ServiceSpec& spec) { use(spec, "net"); });
    add_task("web", "t1");
    run();
    const auto task = store.get<pb::Task>("t1");
    ASSERT_EQ(task->networks(0).addresses_size(), 2);
    EXPECT_EQ(task->networks(0).addresses(0), "10.0.0.3/24");
    EXPECT_THAT(task->networks(0).addresses(1), testing::StartsWith("fd"));
    const auto vips = [this] {
        std::vector<std::string> all;
        for (const auto& vip : store.get<pb::Service>("web")->endpoint().virtual_ips()) {
            EXPECT_EQ(vip.network_id(), "id-net");
            all.push_back(vip.addr());
        }
        return all;
    };
    const auto both = vips();
    ASSERT_EQ(both.size(), 2u);
    EXPECT_EQ(both[0], "10.0.0.2/24");
    EXPECT_THAT(both[1], testing::StartsWith("fd"));
    change<pb::Service>(
        "web", [](pb::Service& s) { s.mutable_endpoint()->mutable_virtual_ips()->RemoveLast(); });
    run();
    ASSERT_EQ(vips().size(), 2u) << "a family that is missing is added";
    EXPECT_EQ(vips()[0], both[0]);
}

TEST_F(AllocatorTest, an_address_that_is_asked_for_is_given_or_refused) {
    add_subnet_network("net", "10.1.0.0/24");
    const auto attach = [this](const std::string& id, const std::string& address) {
        pb::Task task;
        task.set_id(id);
        task.set_desired_state(pb::RUNNING);
        task.set_node_id("n1");
        task.mutable_spec()->mutable_attachment()->set_container_id("c");
        auto& network = *task.mutable_spec()->add_networks();
        network.set_target("id-net");
        network.add_addresses(address);
        put(task);
        run();
    };
    attach("a", "10.1.0.9");
    EXPECT_EQ(address("a"), "10.1.0.9/24");
    attach("b", "10.1.0.9/24");
    EXPECT_EQ(error("b"), "address 10.1.0.9 is already in use in network net");
    attach("c", "10.2.0.9");
    EXPECT_EQ(error("c"), "address 10.2.0.9 is in no subnet of network net");
    end_task("a");
    run();
    EXPECT_EQ(address("b"), "10.1.0.9/24");
}

TEST_F(AllocatorTest, a_task_that_fails_half_way_keeps_nothing) {
    add_subnet_network("wide", "10.1.0.0/24");
    add_subnet_network("full", "10.2.0.0/30"); // gateway and one more
    add_service("web", [](pb::ServiceSpec& spec) {
        spec.mutable_endpoint()->set_mode(pb::EndpointSpec::DNSRR);
        use(spec, "wide");
        use(spec, "full");
        use(spec, "nowhere");
    });
    add_task("web", "t1");
    run();
    EXPECT_EQ(error("t1"), "No such network: nowhere");
    add_network("nowhere");
    run();
    EXPECT_EQ(state("t1"), pb::PENDING) << error("t1");
    EXPECT_EQ(address("t1", 1), "10.2.0.2/30");
    add_task("web", "t2");
    run();
    EXPECT_EQ(error("t2"), "could not find an available IP in network full");
    end_task("t1");
    run();
    EXPECT_EQ(address("t2", 1), "10.2.0.2/30");
}

TEST_F(AllocatorTest, what_is_no_longer_wanted_gets_nothing) {
    add_service("web");
    add_task("web", "t1");
    change<pb::Task>("t1", [](pb::Task& t) { t.set_desired_state(pb::REMOVE); });
    EXPECT_EQ(run(), 0u);
}

} // namespace
} // namespace shoal::swarm
