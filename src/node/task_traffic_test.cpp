#include "node/task_traffic.h"

#include <gtest/gtest.h>

namespace shoal::node {
namespace {

pb::Task task_with(std::vector<std::pair<pb::PortConfig::PublishMode, std::uint32_t>> ports) {
    pb::Task task;
    for (const auto& [mode, target] : ports) {
        auto& port = *task.mutable_endpoint()->add_ports();
        port.set_protocol(pb::PortConfig::TCP);
        port.set_publish_mode(mode);
        port.set_target_port(target);
        port.set_published_port(8000 + target);
    }
    return task;
}

void put_on_overlay(pb::Task& task) {
    auto& network = *task.add_networks()->mutable_network();
    network.mutable_driver_state()->set_name("overlay");
}

container::Config exposing(const std::vector<std::string>& ports) {
    container::Config config;
    for (const auto& port : ports) { config.exposed_ports[port]; }
    return config;
}

TEST(AwaitedPorts, all_that_the_mesh_publishes_and_no_others) {
    auto task = task_with({{pb::PortConfig::INGRESS, 80}, {pb::PortConfig::HOST, 81}});
    put_on_overlay(task);
    const auto awaited = awaited_ports(task, exposing({"443/tcp"}));
    EXPECT_EQ(awaited.ports, std::set<std::uint16_t>{80});
    EXPECT_EQ(awaited.which, AwaitedPorts::Which::All);
}

TEST(AwaitedPorts, one_of_those_that_the_image_exposes_on_an_overlay) {
    auto task = task_with({});
    EXPECT_TRUE(awaited_ports(task, exposing({"80/tcp"})).ports.empty());
    put_on_overlay(task);
    const auto awaited = awaited_ports(task, exposing({"80/tcp", "53/udp", "443/tcp"}));
    EXPECT_EQ(awaited.ports, (std::set<std::uint16_t>{80, 443}));
    EXPECT_EQ(awaited.which, AwaitedPorts::Which::Any);
    EXPECT_TRUE(awaited_ports(task, {}).ports.empty());
}

} // namespace
} // namespace shoal::node
