#include "swarm/manager/control/control_fixture.h"
#include "swarm/manager/control/networks.h"

namespace shoal::swarm {
namespace {

constexpr std::string_view vni = "com.docker.network.driver.overlay.vxlanid_list";

struct SwarmNetworksTest : ControlTest {
    static pb::NetworkSpec overlay(const std::string& name, const std::string& subnet = "") {
        pb::NetworkSpec spec;
        spec.mutable_annotations()->set_name(name);
        spec.mutable_driver_config()->set_name("overlay");
        if (!subnet.empty()) { spec.mutable_ipam()->add_configs()->set_subnet(subnet); }
        return spec;
    }
    std::string refused(const pb::NetworkSpec& spec) { return error_of(create_network(tx, spec)); }
};

TEST_F(SwarmNetworksTest, overlay_is_the_only_driver_and_the_default) {
    auto spec = overlay("back");
    spec.clear_driver_config();
    const auto made = create_network(tx, spec);
    ASSERT_TRUE(made);
    EXPECT_EQ((*made)->spec().driver_config().name(), "overlay");
    spec = overlay("other");
    spec.mutable_driver_config()->set_name("weave");
    EXPECT_EQ(code_of(create_network(tx, spec)), Errc::Unsupported);
}

TEST_F(SwarmNetworksTest, a_taken_name_is_a_conflict) {
    ASSERT_TRUE(create_network(tx, overlay("back")));
    EXPECT_EQ(refused(overlay("back")), "network with name back already exists");
    EXPECT_EQ(code_of(create_network(tx, overlay("Back"))), Errc::Conflict);
    EXPECT_EQ(refused(overlay("a.b")), "name must be valid as a DNS name component");
}

TEST_F(SwarmNetworksTest, options_are_known_and_have_values) {
    auto spec = overlay("back");
    auto& options = *spec.mutable_driver_config()->mutable_options();
    options["encrypted"] = "";
    options["com.docker.network.driver.mtu"] = "1400";
    options["com.docker.network.driver.overlay.vxlanid_list"] = "5000,5001";
    EXPECT_EQ(refused(spec), "");
    spec.mutable_annotations()->set_name("two");
    options["com.docker.network.driver.mtu"] = "12";
    EXPECT_EQ(refused(spec), "invalid value for com.docker.network.driver.mtu: \"12\"");
    options["com.docker.network.driver.mtu"] = "1400";
    options["com.docker.network.driver.overlay.vxlanid_list"] = "16777216";
    EXPECT_EQ(refused(spec), "invalid vxlan id value \"16777216\" passed");
    options.erase("com.docker.network.driver.overlay.vxlanid_list");
    options["encrypted"] = "perhaps";
    EXPECT_NE(refused(spec), "");
    options["encrypted"] = "true";
    options["colour"] = "blue";
    EXPECT_EQ(refused(spec), "unknown option of an overlay network: colour");
}

TEST_F(SwarmNetworksTest, subnets_are_whole_and_meet_no_other) {
    EXPECT_EQ(refused(overlay("a", "10.1.0.0")), "invalid subnet \"10.1.0.0\"");
    EXPECT_EQ(refused(overlay("a", "10.1.0.0/31")),
              "invalid subnet 10.1.0.0/31: no room for addresses");
    EXPECT_EQ(refused(overlay("a", "fd00::/64")),
              "invalid subnet fd00::/64: IPv6 has not been enabled for this network");
    EXPECT_EQ(refused(overlay("a", "10.1.0.0/16")), "");
    EXPECT_EQ(code_of(create_network(tx, overlay("b", "10.1.2.0/24"))), Errc::Forbidden);
    EXPECT_EQ(code_of(create_network(tx, overlay("b", "10.0.0.0/8"))), Errc::Forbidden);
    auto twice = overlay("b", "10.2.0.0/16");
    twice.mutable_ipam()->add_configs()->set_subnet("10.2.0.0/24");
    EXPECT_EQ(code_of(create_network(tx, twice)), Errc::Forbidden);
    EXPECT_EQ(refused(overlay("b", "10.2.0.0/24")), "");
}

TEST_F(SwarmNetworksTest, gateways_ranges_and_addresses_lie_in_their_subnet) {
    auto spec = overlay("a", "10.1.0.0/16");
    auto& config = *spec.mutable_ipam()->mutable_configs(0);
    config.set_gateway("10.2.0.1");
    EXPECT_NE(refused(spec), "");
    config.set_gateway("10.1.0.1");
    config.set_range("10.0.0.0/8");
    EXPECT_EQ(refused(spec),
              "invalid ip-range 10.0.0.0/8: parent subnet 10.1.0.0/16 doesn't contain ip-range");
    config.set_range("10.1.4.0/24");
    (*config.mutable_reserved())["router"] = "10.9.0.1";
    EXPECT_NE(refused(spec), "");
    (*config.mutable_reserved())["router"] = "10.1.0.9";
    EXPECT_EQ(refused(spec), "");
}

TEST_F(SwarmNetworksTest, what_the_allocator_cannot_give_is_refused_at_once) {
    pb::Cluster cluster;
    cluster.set_id("c");
    cluster.add_defaultaddresspool("10.5.0.0/24");
    tx.put(cluster);
    pb::Network other; // as the allocator leaves it
    other.set_id("other");
    other.mutable_spec()->mutable_annotations()->set_name("other");
    other.mutable_driver_state()->set_name("overlay");
    (*other.mutable_driver_state()->mutable_options())[std::string(vni)] = "5000";
    other.mutable_ipam()->add_configs()->set_subnet("10.5.0.0/24");
    tx.put(other);
    EXPECT_EQ(refused(overlay("auto")), "no subnet is left in the cluster's address pools");
    auto same = overlay("same", "10.6.0.0/24");
    (*same.mutable_driver_config()->mutable_options())[std::string(vni)] = "5000";
    EXPECT_EQ(refused(same), "vxlan id 5000 is already in use");
    EXPECT_EQ(refused(overlay("free", "10.6.0.0/24")), "");
}

TEST_F(SwarmNetworksTest, there_is_one_ingress_network) {
    auto spec = overlay("ingress");
    spec.set_ingress(true);
    spec.set_attachable(true);
    EXPECT_EQ(refused(spec), "ingress network cannot be attachable");
    spec.set_attachable(false);
    EXPECT_EQ(refused(spec), "");
    spec.mutable_annotations()->set_name("second");
    EXPECT_EQ(refused(spec), "ingress network (ingress) is already present");
}

TEST_F(SwarmNetworksTest, what_is_in_use_stays) {
    const auto network = *create_network(tx, overlay("back"));
    auto spec = web();
    spec.mutable_task()->add_networks()->set_target("back");
    const auto service = *create_service(tx, spec);
    EXPECT_EQ(error_of(remove_network(tx, network->id())),
              "network " + network->id() + " is in use by service web");
    ASSERT_TRUE(remove_service(tx, service->id()));
    pb::Task task;
    task.set_id("t");
    task.mutable_status()->set_state(pb::RUNNING);
    task.add_networks()->mutable_network()->set_id(network->id());
    tx.put(task);
    EXPECT_EQ(error_of(remove_network(tx, network->id())),
              "network " + network->id() + " is in use by task t");
    task.mutable_status()->set_state(pb::COMPLETE);
    tx.put(task);
    EXPECT_TRUE(remove_network(tx, network->id()));
    EXPECT_FALSE(store.get<pb::Network>(network->id()));
}

TEST_F(SwarmNetworksTest, the_ingress_network_stays_while_a_service_publishes_through_it) {
    auto ingress = overlay("ingress");
    ingress.set_ingress(true);
    const auto network = *create_network(tx, ingress);
    auto spec = web();
    publish(spec, 80);
    const auto service = *create_service(tx, spec);
    EXPECT_EQ(error_of(remove_network(tx, network->id())),
              "ingress network cannot be removed because service web depends on it");
    ASSERT_TRUE(remove_service(tx, service->id()));
    EXPECT_TRUE(remove_network(tx, network->id()));
}

TEST_F(SwarmNetworksTest, predefined_networks_stay) {
    pb::Network host;
    host.set_id("h");
    host.mutable_spec()->mutable_annotations()->set_name("host");
    (*host.mutable_spec()->mutable_annotations()->mutable_labels())[std::string(predefined_label)] =
        "true";
    tx.put(host);
    EXPECT_EQ(error_of(remove_network(tx, "h")),
              "host is a pre-defined network and cannot be removed");
}

} // namespace
} // namespace shoal::swarm
