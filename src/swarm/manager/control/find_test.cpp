#include "swarm/manager/control/control_fixture.h"
#include "swarm/manager/control/find.h"

namespace shoal::swarm {
namespace {

struct FindTest : ControlTest {
    void put(const std::string& id, const std::string& name) {
        pb::Service service;
        service.set_id(id);
        service.mutable_spec()->mutable_annotations()->set_name(name);
        tx.put(service);
    }
};

TEST_F(FindTest, a_whole_id_wins_over_a_name_and_a_name_over_a_beginning) {
    put("abc", "first");
    put("abd", "abc");
    put("xyz", "ab");
    EXPECT_EQ((*find<pb::Service>(store, "abc"))->id(), "abc");
    EXPECT_EQ((*find<pb::Service>(store, "ab"))->id(), "xyz");
    EXPECT_EQ((*find<pb::Service>(store, "FIRST"))->id(), "abc");
    EXPECT_EQ((*find<pb::Service>(store, "abd"))->id(), "abd");
    EXPECT_EQ((*find<pb::Service>(store, "x"))->id(), "xyz");
}

TEST_F(FindTest, what_is_not_there_or_not_alone_is_said_in_dockers_words) {
    put("abc", "first");
    put("abd", "second");
    EXPECT_EQ(error_of(find<pb::Service>(store, "web")), "service web not found");
    EXPECT_EQ(code_of(find<pb::Service>(store, "web")), Errc::NotFound);
    EXPECT_EQ(error_of(find<pb::Service>(store, "")), "service  not found");
    EXPECT_EQ(error_of(find<pb::Service>(store, "ab")),
              "service ab is ambiguous (2 matches found)");
    EXPECT_EQ(code_of(find<pb::Service>(store, "ab")), Errc::Invalid);
}

TEST_F(FindTest, a_node_is_found_by_its_host_name) {
    auto one = node("n1", pb::WORKER);
    one.mutable_description()->set_hostname("alpha");
    tx.put(one);
    EXPECT_EQ((*find<pb::Node>(store, "alpha"))->id(), "n1");
    auto two = node("n2", pb::WORKER);
    two.mutable_description()->set_hostname("alpha");
    tx.put(two);
    EXPECT_EQ(error_of(find<pb::Node>(store, "alpha")),
              "node alpha is ambiguous (2 matches found)");
}

TEST_F(FindTest, a_task_is_found_by_its_name) {
    pb::Task task;
    task.set_id("t1");
    task.set_slot(3);
    task.mutable_service_annotations()->set_name("web");
    tx.put(task);
    EXPECT_EQ((*find<pb::Task>(store, "web.3.t1"))->id(), "t1");
    EXPECT_EQ(error_of(find<pb::Task>(store, "web.4.t1")), "task web.4.t1 not found");
}

TEST(TaskName, names_the_node_where_there_is_no_slot) {
    pb::Task task;
    task.set_id("t1");
    task.set_node_id("n1");
    task.mutable_service_annotations()->set_name("agent");
    EXPECT_EQ(task_name(task), "agent.n1.t1");
}

} // namespace
} // namespace shoal::swarm
