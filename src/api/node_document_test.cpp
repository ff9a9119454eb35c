#include "api/node_document.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

TEST(NodeDocument, what_a_client_says_is_understood) {
    // docker node update --role manager --availability drain --label-add x=y
    const auto spec = parse_node_spec(
        *parse_json(R"({"Labels":{"x":"y"},"Role":"manager","Availability":"drain"})"));
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->desired_role(), pb::MANAGER);
    EXPECT_EQ(spec->availability(), pb::NodeSpec::DRAIN);
    EXPECT_EQ(spec->annotations().labels().at("x"), "y");
    EXPECT_EQ(parse_node_spec(*parse_json(R"({"Role":"king"})")).error().message,
              "Role: invalid value \"king\"");
    EXPECT_EQ(parse_node_spec(*parse_json(R"({"Colour":"red"})")).error().message,
              "Colour: unknown field");
    // Left out, it would be a demotion, or the end of a drain.
    EXPECT_EQ(parse_node_spec(*parse_json(R"({"Availability":"drain"})")).error().message,
              "invalid Role: \"\"");
    EXPECT_EQ(parse_node_spec(*parse_json(R"({"Role":"worker"})")).error().message,
              "invalid Availability: \"\"");
}

TEST(NodeDocument, has_the_members_of_dockers) {
    pb::Node node;
    node.set_id("n1");
    node.mutable_spec()->set_desired_role(pb::MANAGER);
    auto& description = *node.mutable_description();
    description.set_hostname("alpha");
    description.mutable_platform()->set_architecture("x86_64");
    description.mutable_platform()->set_os("linux");
    description.mutable_resources()->set_nano_cpus(4'000'000'000);
    description.mutable_engine()->set_engine_version("1.0");
    auto& plugin = *description.mutable_engine()->add_plugins();
    plugin.set_type("Network");
    plugin.set_name("overlay");
    description.mutable_tls_info()->set_trust_root("PEM");
    description.mutable_tls_info()->set_cert_issuer_subject("ab");
    node.mutable_status()->set_state(pb::NodeStatus::READY);
    node.mutable_status()->set_addr("10.0.0.1");
    EXPECT_EQ(
        node_document(node).dump(),
        R"({"ID":"n1","Version":{"Index":0},"CreatedAt":"0001-01-01T00:00:00Z","UpdatedAt":"0001-01-01T00:00:00Z",)"
        R"("Spec":{"Labels":{},"Role":"manager","Availability":"active"},)"
        R"("Description":{"Hostname":"alpha","Platform":{"Architecture":"x86_64","OS":"linux"},"Resources":{"NanoCPUs":4000000000},)"
        R"("Engine":{"EngineVersion":"1.0","Plugins":[{"Type":"Network","Name":"overlay"}]},"TLSInfo":{"TrustRoot":"PEM","CertIssuerSubject":"YWI="}},)"
        R"("Status":{"State":"ready","Addr":"10.0.0.1"}})");
    description.set_data_path_address("192.168.7.1");
    EXPECT_EQ(node_document(node)["Status"].dump(),
              R"({"State":"ready","Addr":"10.0.0.1","DataPathAddr":"192.168.7.1"})");
    node.mutable_manager_status()->set_leader(true);
    node.mutable_manager_status()->set_reachability(pb::RaftMemberStatus::REACHABLE);
    node.mutable_manager_status()->set_addr("10.0.0.1:2377");
    EXPECT_EQ(node_document(node)["ManagerStatus"].dump(),
              R"({"Leader":true,"Reachability":"reachable","Addr":"10.0.0.1:2377"})");
}

} // namespace
} // namespace shoal::api
