#include "api/task_document.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

pb::Task task() {
    pb::Task made;
    made.set_id("t1");
    made.mutable_meta()->mutable_version()->set_index(71);
    made.mutable_spec()->mutable_container()->set_image("redis");
    made.set_service_id("s1");
    made.set_slot(1);
    made.set_node_id("n1");
    made.mutable_status()->set_state(pb::RUNNING);
    made.mutable_status()->set_message("started");
    made.mutable_status()->mutable_container()->set_container_id("c1");
    made.mutable_status()->mutable_container()->set_pid(677);
    made.set_desired_state(pb::RUNNING);
    return made;
}

TEST(TaskDocument, has_the_members_of_dockers) {
    EXPECT_EQ(
        task_document(task(), 151).dump(),
        R"({"ID":"t1","Version":{"Index":71},"CreatedAt":"0001-01-01T00:00:00Z","UpdatedAt":"0001-01-01T00:00:00Z","Labels":{},)"
        R"("Spec":{"ContainerSpec":{"Image":"redis","Isolation":"default"},"ForceUpdate":0,"Runtime":"container"},)"
        R"("ServiceID":"s1","Slot":1,"NodeID":"n1","Status":{"Timestamp":"0001-01-01T00:00:00Z","State":"running","Message":"started",)"
        R"("ContainerStatus":{"ContainerID":"c1","PID":677,"ExitCode":0},"PortStatus":{}},"DesiredState":"running"})");
}

TEST(TaskDocument, shows_networks_resources_and_ports_that_it_got) {
    auto made = task();
    auto& attachment = *made.add_networks();
    attachment.mutable_network()->set_id("net");
    attachment.mutable_network()->mutable_spec()->mutable_annotations()->set_name("ingress");
    attachment.mutable_network()->mutable_spec()->set_ingress(true);
    attachment.mutable_network()->mutable_driver_state()->set_name("overlay");
    attachment.mutable_network()->mutable_ipam()->add_configs()->set_subnet("10.0.0.0/24");
    attachment.add_addresses("10.0.0.10/24");
    made.add_assigned_generic_resources()->mutable_named_resource_spec()->set_kind("GPU");
    made.mutable_status()->mutable_port_status()->add_ports()->set_published_port(80);
    made.mutable_status()->set_err("boom");
    const auto json = task_document(made, 151);
    EXPECT_EQ(json["NetworksAttachments"][0]["Network"]["Spec"].dump(),
              R"({"Name":"ingress","Labels":{},"Ingress":true,"Scope":"swarm"})");
    EXPECT_EQ(json["NetworksAttachments"][0]["Network"]["DriverState"].dump(),
              R"({"Name":"overlay"})");
    EXPECT_EQ(json["NetworksAttachments"][0]["Network"]["IPAMOptions"].dump(),
              R"({"Driver":{},"Configs":[{"Subnet":"10.0.0.0/24"}]})");
    EXPECT_EQ(json["NetworksAttachments"][0]["Addresses"].dump(), R"(["10.0.0.10/24"])");
    EXPECT_EQ(json["GenericResources"].dump(), R"([{"NamedResourceSpec":{"Kind":"GPU"}}])");
    EXPECT_EQ(json["Status"]["PortStatus"]["Ports"][0]["PublishedPort"], 80);
    EXPECT_EQ(json["Status"]["Err"], "boom");
}

TEST(TaskDocument, older_clients_see_no_jobs) {
    auto made = task();
    made.mutable_job_iteration()->set_index(4);
    EXPECT_EQ(task_document(made, 141)["JobIteration"]["Index"], 4);
    EXPECT_FALSE(task_document(made, 140).contains("JobIteration"));
}

TEST(TaskDocument, an_attachment_of_a_container_is_a_task_too) {
    pb::Task made;
    made.set_id("a1");
    made.mutable_spec()->mutable_attachment()->set_container_id("c9");
    const auto json = task_document(made, 151);
    EXPECT_EQ(
        json["Spec"].dump(),
        R"({"NetworkAttachmentSpec":{"ContainerID":"c9"},"ForceUpdate":0,"Runtime":"attachment"})");
    EXPECT_FALSE(json.contains("ServiceID"));
}

} // namespace
} // namespace shoal::api
