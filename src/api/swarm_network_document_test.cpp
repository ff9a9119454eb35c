#include "api/swarm_network_document.h"
#include "api/swarm_test_cluster.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

TEST(SwarmNetworkDocument, has_the_members_of_a_local_network) {
    TestCluster cluster;
    auto network = cluster.network("o1", "back");
    (*network.mutable_spec()->mutable_driver_config()->mutable_options())["encrypted"] = "";
    auto& asked = *network.mutable_spec()->mutable_ipam()->add_configs();
    asked.set_subnet("10.9.0.0/24");
    (*asked.mutable_reserved())["r"] = "10.9.0.5";
    EXPECT_EQ(
        swarm_network_document(network, 151).dump(),
        R"({"Name":"back","Id":"o1","Created":"0001-01-01T00:00:00Z","Scope":"swarm","Driver":"overlay","EnableIPv4":true,"EnableIPv6":false,)"
        R"("IPAM":{"Driver":"default","Options":null,"Config":[{"Subnet":"10.9.0.0/24","AuxiliaryAddresses":{"r":"10.9.0.5"}}]},)"
        R"("Internal":false,"Attachable":false,"Ingress":false,"ConfigFrom":{"Network":""},"ConfigOnly":false,"Containers":null,"Options":{"encrypted":""},"Labels":null})");
    network.mutable_driver_state()->set_name("overlay");
    (*network.mutable_driver_state()
          ->mutable_options())["com.docker.network.driver.overlay.vxlanid_list"] = "4097";
    auto& given = *network.mutable_ipam()->add_configs();
    given.set_subnet("10.0.1.0/24");
    given.set_gateway("10.0.1.1");
    const auto json = swarm_network_document(network, 146);
    EXPECT_FALSE(json.contains("EnableIPv4"));
    EXPECT_EQ(json["IPAM"]["Config"].dump(),
              R"([{"Subnet":"10.0.1.0/24","Gateway":"10.0.1.1"}])"); // what was allocated
    EXPECT_EQ(json["Options"].dump(),
              R"({"com.docker.network.driver.overlay.vxlanid_list":"4097","encrypted":""})");
}

struct NetworkUseTest : testing::Test {
    NetworkUseTest()
        : network(cluster.network("o1", "back")), service(cluster.service("s1", "web")) {
        node("n1", "192.168.7.1");
        node("n2", "");
        node("n3", "192.168.7.3");
        auto& vip = *service.mutable_endpoint()->add_virtual_ips();
        vip.set_network_id("o1");
        vip.set_addr("10.0.1.2/24");
        auto& port = *service.mutable_endpoint()->add_ports();
        port.set_target_port(80);
        port.set_published_port(8080);
        cluster.put(service);
    }
    void node(const std::string& id, const std::string& data_path) {
        auto made = cluster.node(id, "host-" + id);
        made.mutable_status()->set_addr("10.0.0." + id.substr(1));
        made.mutable_description()->set_data_path_address(data_path);
        made.mutable_description()->set_shoal_version("1");
        cluster.put(made);
    }
    void task(const std::string& id, const std::string& node, pb::TaskState state) {
        auto made = cluster.task(id, service, 1, node);
        made.mutable_status()->set_state(state);
        place(made, "10.0.1.5/24");
    }
    void place(pb::Task& made, const std::string& address) {
        auto& attachment = *made.add_networks();
        *attachment.mutable_network() = network;
        attachment.add_addresses(address);
        if (made.spec().has_attachment()) { attachment.add_aliases("db"); }
        cluster.put(made);
    }
    TestCluster cluster;
    pb::Network network;
    pb::Service service;
};

TEST_F(NetworkUseTest, peers_are_the_nodes_that_have_something_on_it) {
    EXPECT_EQ(peers_document(cluster.store, network).dump(), "[]");
    task("t1", "n1", pb::RUNNING);
    task("t2", "n2", pb::ASSIGNED);
    task("t3", "n3", pb::COMPLETE);
    EXPECT_EQ(peers_document(cluster.store, network).dump(),
              R"([{"Name":"n1","IP":"192.168.7.1"},{"Name":"n2","IP":"10.0.0.2"}])");
    network.mutable_spec()->set_ingress(true);
    EXPECT_EQ(peers_document(cluster.store, network).size(), 3u) << "it is everywhere";
}

TEST_F(NetworkUseTest, services_are_shown_with_their_tasks) {
    EXPECT_EQ(
        network_services_document(cluster.store, network, {}).dump(),
        R"({"web":{"VIP":"10.0.1.2","Ports":["Target: 80, Publish: 8080"],"LocalLBIndex":0,"Tasks":[]}})");
    task("t1", "n1", pb::RUNNING);
    task("t3", "n3", pb::FAILED);
    EXPECT_EQ(
        network_services_document(cluster.store, network, {})["web"]["Tasks"].dump(),
        R"([{"Name":"web.1.t1","EndpointID":"t1","EndpointIP":"10.0.1.5","Info":{"Host IP":"192.168.7.1"}}])");
    const auto here = network_services_document(cluster.store, network, {{"web.1.t1", "abc"}});
    EXPECT_EQ(here["web"]["Tasks"][0]["EndpointID"], "abc");
}

TEST_F(NetworkUseTest, containers_that_are_no_services_have_no_name_for_theirs) {
    pb::Task attached;
    attached.set_id("t9");
    attached.set_node_id("n1");
    attached.mutable_spec()->mutable_attachment()->set_container_id("c");
    attached.mutable_status()->set_state(pb::RUNNING);
    place(attached, "10.0.1.9/24");
    const auto services = network_services_document(cluster.store, network, {});
    EXPECT_EQ(services[""]["VIP"], "");
    EXPECT_EQ(services[""]["Tasks"][0]["Name"], "db");
    EXPECT_EQ(services[""]["Tasks"][0]["EndpointIP"], "10.0.1.9");
}

} // namespace
} // namespace shoal::api
