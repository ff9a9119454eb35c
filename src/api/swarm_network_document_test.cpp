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

} // namespace
} // namespace shoal::api
