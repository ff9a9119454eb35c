#include "swarm/agent/worker.h"

#include "swarm/agent/scripted_executor.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;
using pb::AssignmentsMessage;

pb::Task task(const std::string& id, pb::TaskState desired = pb::RUNNING) {
    pb::Task made;
    made.set_id(id);
    made.set_service_id("web");
    made.set_desired_state(desired);
    made.mutable_status()->set_state(pb::ASSIGNED);
    return made;
}
void add(AssignmentsMessage& message, const pb::Task& task) {
    *message.add_changes()->mutable_assignment()->mutable_task() = task;
}
void add_secret(AssignmentsMessage& message, const std::string& id, const std::string& data,
                pb::AssignmentChange::AssignmentAction action = pb::AssignmentChange::UPDATE) {
    auto& change = *message.add_changes();
    change.set_action(action);
    change.mutable_assignment()->mutable_secret()->set_id(id);
    change.mutable_assignment()->mutable_secret()->mutable_spec()->set_data(data);
}
AssignmentsMessage message(AssignmentsMessage::Type type, const std::vector<pb::Task>& tasks = {}) {
    AssignmentsMessage made;
    made.set_type(type);
    for (const auto& one : tasks) { add(made, one); }
    return made;
}
AssignmentsMessage complete(const std::vector<pb::Task>& tasks = {}) {
    return message(AssignmentsMessage::COMPLETE, tasks);
}
AssignmentsMessage increment(const std::vector<pb::Task>& tasks = {}) {
    return message(AssignmentsMessage::INCREMENTAL, tasks);
}
AssignmentsMessage removal(const std::string& id) {
    auto made = increment({task(id)});
    made.mutable_changes(0)->set_action(pb::AssignmentChange::REMOVE);
    return made;
}

struct WorkerTest : testing::Test {
    net::Loop loop{net::Loop::Time::Virtual};
    LoopClock clock{loop};
    ScriptedExecutor executor{loop};
    MapTaskMemory memory;
    std::map<std::string, pb::TaskState> reported;
    std::unique_ptr<Worker> worker;

    WorkerTest() { begin(); }
    ~WorkerTest() override { net::run_task(loop, worker->close()); }
    void begin() {
        worker = std::make_unique<Worker>(
            loop, clock, executor, memory,
            [this](const std::string& id, const pb::TaskStatus& status) {
                EXPECT_TRUE(memory.tasks.contains(id)); // remembered before it is told
                reported[id] = status.state();
            });
        ASSERT_TRUE(worker->start());
    }
    /// Everything in memory is gone; containers and what was remembered are not.
    void restart() {
        net::run_task(loop, worker->close());
        reported.clear();
        begin();
    }
    void pass(std::chrono::nanoseconds span) { net::run_task(loop, wait(span)); }
    net::Task<void> wait(std::chrono::nanoseconds span) {
        co_await net::sleep(loop, net::Until(loop.in(span)));
    }
};

TEST_F(WorkerTest, a_complete_set_says_what_there_is) {
    worker->apply(complete({task("t1"), task("t2")}));
    pass(1s);
    EXPECT_EQ(reported["t1"], pb::RUNNING);
    worker->apply(complete({task("t2")}));
    pass(1s);
    EXPECT_FALSE(executor.programs.contains("t1"));
    EXPECT_FALSE(memory.tasks.contains("t1"));
    EXPECT_TRUE(executor.program_of("t2").running);
    EXPECT_EQ(executor.count("prepare t2"), 1u);
}

TEST_F(WorkerTest, increments_add_change_and_remove) {
    worker->apply(complete());
    worker->apply(increment({task("t1")}));
    pass(1s);
    EXPECT_EQ(reported["t1"], pb::RUNNING);
    worker->apply(increment({task("t1", pb::SHUTDOWN)}));
    pass(1s);
    EXPECT_EQ(reported["t1"], pb::SHUTDOWN);
    worker->apply(removal("t1"));
    pass(1s);
    EXPECT_EQ(worker->size(), 0u);
}

TEST_F(WorkerTest, unknown_tasks_go_with_the_first_complete_set_and_not_before) {
    executor.program_of("old").running = true;
    worker->apply(increment({task("t1")}));
    pass(60s);
    EXPECT_TRUE(executor.programs.contains("old"));
    worker->apply(complete({task("t1")}));
    pass(5s);
    EXPECT_FALSE(executor.programs.contains("old"));
    EXPECT_FALSE(reported.contains("old"));
    executor.program_of("by-hand").running = true;
    worker->apply(complete({task("t1")}));
    pass(5s);
    EXPECT_TRUE(executor.programs.contains("by-hand"));
}

TEST_F(WorkerTest, after_a_restart_tasks_run_on_and_are_told_of_again) {
    worker->apply(complete({task("t1"), task("t2")}));
    pass(1s);
    restart();
    pass(60s);
    EXPECT_EQ(worker->statuses().size(), 2u);
    EXPECT_EQ(executor.count("start t1"), 1u);
    executor.exit("t1", 7);
    pass(1s);
    EXPECT_EQ(reported["t1"], pb::FAILED);
    restart();
    ASSERT_EQ(worker->statuses().size(), 2u);
    EXPECT_EQ(worker->statuses()[0].status.container().exit_code(), 7);
}

TEST_F(WorkerTest, a_task_that_was_removed_meanwhile_goes_at_the_first_complete_set) {
    worker->apply(complete({task("t1")}));
    pass(1s);
    restart();
    worker->apply(complete());
    pass(1s);
    EXPECT_TRUE(executor.programs.empty());
    EXPECT_TRUE(memory.tasks.empty());
}

TEST_F(WorkerTest, secrets_are_given_and_never_remembered) {
    auto with = task("t1");
    with.mutable_spec()->mutable_container()->add_secrets()->set_secret_id("s1");
    with.mutable_spec()->mutable_container()->mutable_pull_options()->set_registry_auth("hunter2");
    auto set = complete({with}); // the secret behind the task that needs it
    add_secret(set, "s1", "hunter2");
    add_secret(set, "s2", "of others");
    worker->apply(set);
    pass(1s);
    const auto& given = executor.given["t1"].secrets;
    ASSERT_EQ(given.size(), 1u);
    EXPECT_EQ(given.at("s1")->spec().data(), "hunter2");
    for (const auto& [id, bytes] : memory.tasks) {
        EXPECT_EQ(bytes.find("hunter2"), std::string::npos);
    }
}

TEST_F(WorkerTest, a_task_that_was_not_begun_gets_its_secrets_after_a_restart) {
    executor.fallback.prepare_hangs = ScriptedExecutor::Hang::UntilCancelled;
    auto with = task("t1");
    with.mutable_spec()->mutable_container()->add_secrets()->set_secret_id("s1");
    auto set = complete({with});
    add_secret(set, "s1", "x");
    worker->apply(set);
    pass(1s);
    executor.fallback = {};
    restart();
    pass(60s);
    EXPECT_TRUE(executor.given["t1"].secrets.empty());
    worker->apply(set);
    pass(1s);
    EXPECT_EQ(executor.given["t1"].secrets.size(), 1u);
    EXPECT_EQ(reported["t1"], pb::RUNNING);
}

TEST_F(WorkerTest, a_secret_made_for_one_task_goes_before_the_common_one) {
    auto with = task("t1");
    with.mutable_spec()->mutable_container()->add_secrets()->set_secret_id("s1");
    auto set = complete({with});
    add_secret(set, "s1", "common");
    add_secret(set, "s1.t1", "own");
    worker->apply(set);
    EXPECT_EQ(executor.given["t1"].secrets.at("s1")->spec().data(), "own");
}

TEST_F(WorkerTest, dependencies_sent_ahead_of_a_complete_set_belong_to_it) {
    auto with = task("t1");
    with.mutable_spec()->mutable_container()->add_secrets()->set_secret_id("s1");
    worker->begin_stream();
    auto ahead = increment();
    add_secret(ahead, "s1", "x");
    worker->apply(ahead);
    worker->apply(complete({with}));
    EXPECT_EQ(executor.given["t1"].secrets.size(), 1u);
    worker->begin_stream();
    auto other = with;
    other.set_id("t2");
    worker->apply(complete({with, other})); // and this set has none
    EXPECT_TRUE(executor.given["t2"].secrets.empty());
}

TEST_F(WorkerTest, a_task_is_there_once_though_it_is_assigned_while_it_goes) {
    executor.fallback.shutdown_takes = 5s;
    worker->apply(complete({task("t1")}));
    pass(1s);
    worker->apply(removal("t1"));
    pass(1s);
    worker->apply(increment({task("t1")}));
    pass(1s);
    EXPECT_EQ(executor.count("prepare t1"), 1u);
    pass(10s);
    EXPECT_EQ(executor.count("remove t1"), 1u);
    EXPECT_EQ(executor.count("prepare t1"), 2u);
    EXPECT_EQ(reported["t1"], pb::RUNNING);
}

TEST_F(WorkerTest, a_node_that_lost_its_memory_goes_on_from_what_the_manager_knows) {
    auto running = task("t1");
    running.mutable_status()->set_state(pb::RUNNING);
    worker->apply(complete({running}));
    pass(1s);
    EXPECT_EQ(executor.count("start t1"), 0u);
    EXPECT_EQ(reported["t1"], pb::FAILED);
}

TEST_F(WorkerTest, leaving_stops_and_removes_all) {
    worker->apply(complete({task("t1"), task("t2")}));
    pass(1s);
    const auto left = net::run_task(loop, worker->leave(net::Until(loop.in(10s))));
    EXPECT_TRUE(left);
    EXPECT_EQ(reported["t1"], pb::SHUTDOWN);
    EXPECT_TRUE(executor.programs.empty());
}

TEST_F(WorkerTest, nothing_is_taken_up_any_more_once_the_node_leaves) {
    worker->apply(complete({task("t1")}));
    pass(1s);
    auto leave = [this]() -> net::Task<void> {
        const auto left = co_await worker->leave(net::Until(loop.in(10s)));
        EXPECT_TRUE(left);
    };
    net::TaskScope scope(loop);
    scope.spawn(leave());
    pass(1ms);
    worker->apply(complete({task("t1"), task("t2")})); // a manager that has not heard of it
    pass(9s);
    EXPECT_EQ(executor.count("prepare t2"), 0u);
    EXPECT_EQ(executor.count("remove t1"), 1u);
    EXPECT_TRUE(executor.programs.empty());
    net::run_task(loop, scope.close());
}

TEST(DatabaseTaskMemory, keeps_tasks_over_a_restart) {
    const auto folder =
        std::filesystem::temp_directory_path() / ("shoal-tasks-" + std::to_string(::getpid()));
    const auto path = (folder / "tasks.db").string();
    {
        DatabaseTaskMemory memory(path);
        EXPECT_FALSE(std::filesystem::exists(folder)); // it may never be needed
        auto with_zero = task("t1");
        with_zero.mutable_annotations()->set_name(std::string("a\0b", 3));
        ASSERT_TRUE(memory.put(with_zero));
        ASSERT_TRUE(memory.put(task("t2")));
        ASSERT_TRUE(memory.remove("t2"));
        ASSERT_TRUE(memory.remove("t2"));
    }
    DatabaseTaskMemory memory(path);
    const auto all = memory.load();
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 1u);
    EXPECT_EQ((*all)[0].annotations().name(), std::string("a\0b", 3));
    std::filesystem::remove_all(folder);
}

} // namespace
} // namespace shoal::swarm
