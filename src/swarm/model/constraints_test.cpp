#include "swarm/model/constraints.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

struct ConstraintsTest : testing::Test {
    ConstraintsTest() {
        node.set_id("abc");
        node.set_role(pb::MANAGER);
        auto& description = *node.mutable_description();
        description.set_hostname("Host-1");
        description.mutable_platform()->set_os("linux");
        description.mutable_platform()->set_architecture("x86_64");
        (*description.mutable_engine()->mutable_labels())["storage"] = "fast";
        (*node.mutable_spec()->mutable_annotations()->mutable_labels())["Zone"] = "a";
        node.mutable_status()->set_addr("10.1.2.3");
    }
    bool holds(const std::string& text) const {
        const auto constraints = parse_constraints(std::vector<std::string>{text});
        EXPECT_TRUE(constraints) << text;
        return constraints && match_constraints(*constraints, node);
    }
    pb::Node node;
};

TEST_F(ConstraintsTest, know_a_nodes_facts) {
    EXPECT_TRUE(holds("node.id==abc"));
    EXPECT_TRUE(holds("node.hostname == host-1"));
    EXPECT_TRUE(holds("node.role==manager"));
    EXPECT_FALSE(holds("node.role!=manager"));
    EXPECT_TRUE(holds("node.platform.os==linux"));
    EXPECT_TRUE(holds("node.platform.arch==x86_64"));
    EXPECT_TRUE(holds("engine.labels.storage==fast"));
    EXPECT_TRUE(holds("engine.labels.storage!=slow"));
}

TEST_F(ConstraintsTest, keys_and_values_have_no_case_but_labels_have) {
    EXPECT_TRUE(holds("NODE.Hostname==HOST-1"));
    EXPECT_TRUE(holds("Node.Labels.Zone==A"));
    EXPECT_FALSE(holds("node.labels.zone==a"));
}

TEST_F(ConstraintsTest, a_missing_label_reads_as_empty) {
    EXPECT_FALSE(holds("node.labels.disk==ssd"));
    EXPECT_TRUE(holds("node.labels.disk!=ssd"));
}

TEST_F(ConstraintsTest, an_unknown_key_never_holds) {
    EXPECT_FALSE(holds("node.colour==red"));
    EXPECT_FALSE(holds("node.colour!=red"));
    EXPECT_FALSE(holds("node.labels.==red"));
}

TEST_F(ConstraintsTest, values_are_compared_whole) {
    EXPECT_FALSE(holds("node.hostname==host*"));
    EXPECT_FALSE(holds("node.hostname==host"));
}

TEST_F(ConstraintsTest, addresses_match_alone_and_by_network) {
    EXPECT_TRUE(holds("node.ip==10.1.2.3"));
    EXPECT_TRUE(holds("node.ip==10.1.0.0/15"));
    EXPECT_TRUE(holds("node.ip==0.0.0.0/0"));
    EXPECT_FALSE(holds("node.ip==10.2.0.0/15"));
    EXPECT_TRUE(holds("node.ip!=10.2.0.0/15"));
    EXPECT_FALSE(holds("node.ip==::/0"));
    EXPECT_FALSE(holds("node.ip==nonsense"));
    EXPECT_FALSE(holds("node.ip!=nonsense"));
    EXPECT_FALSE(holds("node.ip==10.0.0.0/33"));
    node.mutable_status()->set_addr("2001:db8::7");
    EXPECT_TRUE(holds("node.ip==2001:db8::/32"));
    EXPECT_TRUE(holds("node.ip==2001:0db8::7"));
    EXPECT_FALSE(holds("node.ip==2001:db9::/32"));
    node.mutable_status()->clear_addr();
    EXPECT_FALSE(holds("node.ip==0.0.0.0/0"));
    EXPECT_TRUE(holds("node.ip!=10.1.2.3"));
}

TEST_F(ConstraintsTest, all_must_hold) {
    EXPECT_TRUE(match_constraints({}, node));
    pb::Placement placement;
    placement.add_constraints("node.role==manager");
    EXPECT_TRUE(match_placement(placement, node));
    placement.add_constraints("node.labels.Zone==b");
    EXPECT_FALSE(match_placement(placement, node));
    placement.set_constraints(1, "nothing");
    EXPECT_FALSE(match_placement(placement, node));
}

TEST_F(ConstraintsTest, errors_name_the_expression) {
    for (const std::string text : {"node.role=manager", "", "==x", "node.role==", "1a==b", "a==b",
                                   "node.id==a==b", "node.id==a,b", "node id==x"}) {
        const auto result = parse_constraint(text);
        ASSERT_FALSE(result) << text;
        EXPECT_NE(result.error().message.find("\"" + text + "\""), std::string::npos)
            << result.error().message;
    }
    EXPECT_TRUE(parse_constraint("_a == b c/[d]"));
}

} // namespace
} // namespace shoal::swarm
