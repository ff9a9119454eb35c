#include "node/network_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::node {
namespace {

namespace mpb = swarm::mpb;
using network::Ip;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* network_id = "app000000000000000000000a";

template <class T> T item(const mpb::MapItem& from) {
    auto made = overlay_item(from);
    if (!made || !*made) {
        ADD_FAILURE() << (made ? "nothing" : made.error().message);
        return {};
    }
    return std::get<T>(**made);
}

TEST(NetworkMapItems, a_node_and_a_network) {
    mpb::MapItem from;
    from.mutable_node()->set_index(3);
    from.mutable_node()->set_address("192.0.2.3");
    from.mutable_node()->set_hostname("box");
    from.mutable_node()->add_addresses("192.0.2.3");
    const auto node = item<engine::OverlayNode>(from);
    EXPECT_EQ(node.index, 3);
    EXPECT_EQ(node.address, Ip::parse("192.0.2.3"));
    EXPECT_THAT(node.addresses, ElementsAre(*Ip::parse("192.0.2.3")));

    from.mutable_network()->set_id(network_id);
    from.mutable_network()->set_vni(4099);
    from.mutable_network()->add_subnets("10.0.1.0/24");
    from.mutable_network()->add_gateways("10.0.1.1");
    from.mutable_network()->set_ingress(true);
    const auto network = item<engine::OverlayNetwork>(from);
    EXPECT_EQ(network.id.text(), network_id);
    EXPECT_EQ(network.vni, 4099u);
    EXPECT_THAT(network.subnets, ElementsAre(*network::Subnet::parse("10.0.1.0/24")));
    EXPECT_TRUE(network.ingress);
}

TEST(NetworkMapItems, a_task_and_a_service_with_ports) {
    mpb::MapItem from;
    auto& endpoint = *from.mutable_endpoint();
    endpoint.set_task_id("t");
    endpoint.set_network_id(network_id);
    endpoint.add_addresses("10.0.1.7");
    endpoint.set_node(65535);
    endpoint.set_serving(true);
    const auto task = item<engine::OverlayTask>(from);
    EXPECT_EQ(task.node, 65535);
    EXPECT_TRUE(task.serving);

    auto& service = *from.mutable_service();
    service.set_id("s");
    service.set_network_id(network_id);
    service.add_names("web");
    service.set_balance(mpb::MapService::LOCAL);
    auto& port = *service.add_ports();
    port.set_protocol(mpb::MapPort::UDP);
    port.set_target(53);
    port.set_published(5353);
    const auto made = item<engine::OverlayService>(from);
    EXPECT_EQ(made.balance, engine::OverlayService::Balance::Local);
    ASSERT_EQ(made.ports.size(), 1u);
    EXPECT_EQ(made.ports[0].protocol, network::Protocol::Udp);
    EXPECT_EQ(made.ports[0].published, 5353);
}

TEST(NetworkMapItems, what_cannot_be_is_refused) {
    mpb::MapItem from;
    from.mutable_node()->set_address("somewhere");
    from.mutable_node()->set_index(1);
    EXPECT_THAT(overlay_item(from).error().message, HasSubstr("not an address"));
    from.mutable_node()->set_address("192.0.2.3");
    from.mutable_node()->set_index(70000);
    EXPECT_THAT(overlay_item(from).error().message, HasSubstr("no node's number"));
}

TEST(NetworkMapItems, keys_in_their_order) {
    mpb::MapItem from;
    for (const auto number : {8, 7}) {
        auto& key = *from.mutable_keys()->add_keys();
        key.set_number(static_cast<std::uint64_t>(number));
        key.set_key("sixteen bytes ok");
    }
    const auto made = std::get<engine::OverlayKeys>(**overlay_item(from));
    ASSERT_EQ(made.keys.size(), 2u);
    EXPECT_EQ(made.keys[0].number, 8u);
    EXPECT_EQ(made.keys[1].secret, "sixteen bytes ok");
}

} // namespace
} // namespace shoal::node
