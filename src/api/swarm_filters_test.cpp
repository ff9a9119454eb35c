#include "api/swarm_filters.h"
#include "api/swarm_test_cluster.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

struct SwarmFiltersTest : testing::Test, TestCluster {
    Filters filters(std::string_view text) { return *Filters::parse(text); }
    template <class T> std::string ids(const Result<std::vector<swarm::Ptr<T>>>& found) {
        if (!found) { return found.error().message; }
        std::string all;
        for (const auto& object : *found) { all += (all.empty() ? "" : " ") + object->id(); }
        return all;
    }
    std::string services(std::string_view text) { return ids(list_services(store, filters(text))); }
    std::string tasks(std::string_view text) { return ids(list_tasks(store, filters(text))); }
    std::string nodes(std::string_view text) { return ids(list_nodes(store, filters(text))); }
};

TEST_F(SwarmFiltersTest, services_by_id_name_label_and_mode) {
    auto web = service("a1", "web");
    (*web.mutable_spec()->mutable_annotations()->mutable_labels())["tier"] = "front";
    put(web);
    auto agent = service("b1", "webagent");
    agent.mutable_spec()->mutable_global();
    put(agent);
    EXPECT_EQ(services("{}"), "a1 b1");
    EXPECT_EQ(services(R"({"id":["b"]})"), "b1");
    EXPECT_EQ(services(R"({"name":["web"]})"), "a1 b1"); // how it begins, as Docker does
    EXPECT_EQ(services(R"({"name":["eb"]})"), "");
    EXPECT_EQ(services(R"({"label":{"tier=front":true}})"), "a1");
    EXPECT_EQ(services(R"({"label":["tier=back"]})"), "");
    EXPECT_EQ(services(R"({"mode":["global"]})"), "b1");
    EXPECT_EQ(services(R"({"runtime":["container"]})"), "a1 b1");
    EXPECT_EQ(services(R"({"mode":["some"]})"), "invalid filter 'mode': 'some'");
    EXPECT_EQ(services(R"({"colour":["red"]})"), "invalid filter 'colour'");
}

TEST_F(SwarmFiltersTest, tasks_by_service_node_state_and_label) {
    auto web = service("s1", "web");
    (*web.mutable_spec()->mutable_annotations()->mutable_labels())["com.docker.stack.namespace"] =
        "shop";
    put(web);
    const auto other = service("s2", "other");
    node("n1", "alpha");
    node("n2", "beta");
    task("t1", web, 1, "n1");
    auto old = task("t2", web, 2, "n2");
    old.set_desired_state(pb::SHUTDOWN);
    put(old);
    task("t3", other, 1, "n2");
    EXPECT_EQ(tasks("{}"), "t1 t2 t3");
    EXPECT_EQ(tasks(R"({"service":["web"]})"), "t1 t2");
    EXPECT_EQ(tasks(R"({"service":["web","s2"]})"), "t1 t2 t3");
    EXPECT_EQ(tasks(R"({"node":["beta"]})"), "t2 t3");
    EXPECT_EQ(tasks(R"({"desired-state":["running"]})"), "t1 t3");
    EXPECT_EQ(tasks(R"({"name":["web.1"]})"), "t1");
    EXPECT_EQ(tasks(R"({"label":["com.docker.stack.namespace=shop"]})"), "t1 t2");
    EXPECT_EQ(tasks(R"({"service":["none"]})"), "service none not found");
    EXPECT_EQ(tasks(R"({"desired-state":["flying"]})"), "invalid task-state filter: 'flying'");
}

TEST_F(SwarmFiltersTest, tasks_that_are_as_their_service_wants_them_now) {
    auto web = service("s1", "web");
    auto old = task("t1", web, 1, "");
    web.mutable_spec()->mutable_task()->mutable_container()->set_image("nginx:2");
    web.mutable_spec_version()->set_index(2);
    put(web);
    task("t2", web, 1, "");
    EXPECT_EQ(tasks(R"({"_up-to-date":["true"],"service":["web"]})"), "t2");
    EXPECT_EQ(tasks(R"({"_up-to-date":["false"]})"), "t1 t2");
}

TEST_F(SwarmFiltersTest, attachments_of_containers_are_listed_on_demand) {
    pb::Task attachment;
    attachment.set_id("a1");
    attachment.mutable_spec()->mutable_attachment()->set_container_id("c");
    put(attachment);
    EXPECT_EQ(tasks("{}"), "");
    EXPECT_EQ(tasks(R"({"runtime":["attachment"]})"), "a1");
}

TEST_F(SwarmFiltersTest, nodes_by_name_role_membership_and_both_kinds_of_labels) {
    auto alpha = node("n1", "alpha", pb::MANAGER);
    (*alpha.mutable_spec()->mutable_annotations()->mutable_labels())["disk"] = "ssd";
    (*alpha.mutable_description()->mutable_engine()->mutable_labels())["os"] = "x";
    put(alpha);
    auto beta = node("n2", "beta");
    beta.mutable_spec()->set_membership(pb::NodeSpec::PENDING);
    put(beta);
    EXPECT_EQ(nodes("{}"), "n1 n2");
    EXPECT_EQ(nodes(R"({"name":["al"]})"), "n1");
    EXPECT_EQ(nodes(R"({"role":["worker"]})"), "n2");
    EXPECT_EQ(nodes(R"({"membership":["pending"]})"), "n2");
    EXPECT_EQ(nodes(R"({"label":["os=x"]})"), "n1");
    EXPECT_EQ(nodes(R"({"label":["disk=ssd"]})"), "");
    EXPECT_EQ(nodes(R"({"node.label":["disk=ssd"]})"), "n1");
    EXPECT_EQ(nodes(R"({"role":["king"]})"), "Invalid role filter: 'king'");
    EXPECT_EQ(nodes(R"({"membership":["x"]})"), "Invalid membership filter: 'x'");
}

TEST_F(SwarmFiltersTest, secrets_by_name_and_whole_names_without_the_internal) {
    for (const std::string name : {"key", "key2"}) {
        pb::Secret secret;
        secret.set_id("id-" + name);
        secret.mutable_spec()->mutable_annotations()->set_name(name);
        put(secret);
    }
    pb::Secret hidden;
    hidden.set_id("x");
    hidden.set_internal(true);
    put(hidden);
    const auto secrets = [this](std::string_view text) {
        return ids(list_secrets(store, filters(text)));
    };
    EXPECT_EQ(secrets("{}"), "id-key id-key2");
    EXPECT_EQ(secrets(R"({"name":["key"]})"), "id-key id-key2");
    EXPECT_EQ(secrets(R"({"names":["key"]})"), "id-key");
    EXPECT_EQ(secrets(R"({"mode":["x"]})"), "invalid filter 'mode'");
}

TEST_F(SwarmFiltersTest, networks_of_the_swarm_beside_those_every_node_has) {
    network("o1", "back");
    auto host = network("h1", "host");
    (*host.mutable_spec()->mutable_annotations()->mutable_labels())["com.docker.swarm.predefined"] =
        "true";
    put(host);
    const auto networks = [this](std::string_view text) {
        return ids(Result(list_swarm_networks(store, filters(text))));
    };
    EXPECT_EQ(networks("{}"), "o1");
    EXPECT_EQ(networks(R"({"driver":["bridge"]})"), "");
    EXPECT_EQ(networks(R"({"scope":["swarm"],"name":["ba"]})"), "o1");
    EXPECT_EQ(networks(R"({"dangling":["true"]})"), "o1");
    auto web = service("s", "web");
    web.mutable_spec()->mutable_task()->add_networks()->set_target("o1");
    put(web);
    EXPECT_EQ(networks(R"({"dangling":["true"]})"), "");
}

} // namespace
} // namespace shoal::api
