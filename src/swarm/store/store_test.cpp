#include "swarm/store/store.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

struct Counting final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = next++; }
    }
    std::uint8_t next = 0;
};

pb::Task task(const std::string& id, const std::string& service, const std::string& node) {
    pb::Task made;
    made.set_id(id);
    made.set_service_id(service);
    made.set_node_id(node);
    return made;
}

struct StoreTest : testing::Test {
    Store store;
    Counting random;
    Instant now = from_timestamp(to_timestamp(Instant{std::chrono::seconds(1000)}));
};

TEST_F(StoreTest, indexes_follow_a_task_to_another_node) {
    Tx tx(store, now, random);
    tx.put(task("t", "web", ""));
    EXPECT_EQ(store.tasks_of_node("").size(), 1u);
    tx.put(task("t", "web", "n1"));
    EXPECT_TRUE(store.tasks_of_node("").empty());
    EXPECT_EQ(store.tasks_of_node("n1").size(), 1u);
    EXPECT_EQ(store.tasks_of_service("web").at("t")->node_id(), "n1");
}

TEST_F(StoreTest, names_have_no_case_and_go_with_their_object) {
    Tx tx(store, now, random);
    pb::Service web;
    web.set_id("s1");
    web.mutable_spec()->mutable_annotations()->set_name("Web");
    tx.put(web);
    ASSERT_TRUE(store.by_name<pb::Service>("wEB"));
    web.mutable_spec()->mutable_annotations()->set_name("shop");
    tx.put(web);
    EXPECT_FALSE(store.by_name<pb::Service>("web"));
    tx.erase<pb::Service>("s1");
    EXPECT_FALSE(store.by_name<pb::Service>("shop"));
}

TEST_F(StoreTest, what_refers_to_an_object_by_id_comes_before_what_does_by_name) {
    Tx tx(store, now, random);
    for (const auto& [id, name] : {std::pair("s1", "s2"), std::pair("s2", "web")}) {
        pb::Service made;
        made.set_id(id);
        made.mutable_spec()->mutable_annotations()->set_name(name);
        tx.put(made);
    }
    EXPECT_EQ(store.find<pb::Service>("s2")->id(), "s2");
    EXPECT_EQ(store.find<pb::Service>("WEB")->id(), "s2");
    EXPECT_FALSE(store.find<pb::Service>("shop"));
}

TEST_F(StoreTest, a_transaction_is_taken_back_to_a_point) {
    Tx tx(store, now, random);
    tx.put(task("a", "web", "n1"));
    const auto mark = tx.changes().size();
    tx.put(task("a", "web", "n2"));
    tx.put(task("b", "web", "n2"));
    tx.roll_back_to(mark);
    EXPECT_EQ(store.all<pb::Task>().size(), 1u);
    EXPECT_EQ(store.get<pb::Task>("a")->node_id(), "n1");
    EXPECT_TRUE(store.tasks_of_node("n2").empty());
}

TEST_F(StoreTest, merged_changes_leave_out_what_came_and_went) {
    Tx tx(store, now, random);
    tx.put(task("a", "web", ""));
    tx.put(task("b", "web", ""));
    tx.put(task("a", "web", "n1"));
    tx.erase<pb::Task>("b");
    const auto merged = tx.merged();
    ASSERT_EQ(merged.size(), 1u);
    EXPECT_FALSE(exists(merged[0].before));
    EXPECT_EQ(merged[0].new_as<pb::Task>()->node_id(), "n1");
}

TEST_F(StoreTest, bytes_of_an_object_come_back_with_the_logs_version) {
    Tx tx(store, now, random);
    const auto held = tx.put(task("a", "web", ""));
    const auto bytes = encode_object(held);
    const auto again = decode_object(Kind::Task, bytes, 17);
    ASSERT_TRUE(again);
    EXPECT_EQ(version_of(*again), 17u);
    EXPECT_EQ(from_timestamp(std::get<TaskPtr>(*again)->meta().created_at()), now);
    EXPECT_FALSE(decode_object(Kind::Task, "\xff\xff", 1));
}

} // namespace
} // namespace shoal::swarm
