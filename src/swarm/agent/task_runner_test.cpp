#include "swarm/agent/task_runner.h"

#include "swarm/agent/scripted_executor.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using Act = TaskStep::Act;
using Hang = ScriptedExecutor::Hang;
using namespace std::chrono_literals;

constexpr pb::TaskState states[] = {pb::NEW,       pb::PENDING,  pb::ASSIGNED, pb::ACCEPTED,
                                    pb::PREPARING, pb::READY,    pb::STARTING, pb::RUNNING,
                                    pb::COMPLETE,  pb::SHUTDOWN, pb::FAILED,   pb::REJECTED};

TEST(TaskStep, never_leads_back_and_ends_what_shall_end) {
    for (const auto state : states) {
        for (const auto desired :
             {pb::READY, pb::RUNNING, pb::COMPLETE, pb::SHUTDOWN, pb::REMOVE}) {
            const auto step = plan_step(state, desired);
            if (is_terminal(state)) {
                EXPECT_EQ(step.act, Act::Rest);
                continue;
            }
            EXPECT_EQ(step.act == Act::Shutdown, desired >= pb::SHUTDOWN);
            if (step.act != Act::Rest) { EXPECT_GT(step.state, state); }
        }
    }
}

TEST(TaskStep, rests_at_ready_when_no_more_is_wanted) {
    EXPECT_EQ(plan_step(pb::READY, pb::READY).act, Act::Rest);
    EXPECT_EQ(plan_step(pb::READY, pb::RUNNING).state, pb::STARTING);
    EXPECT_EQ(plan_step(pb::RUNNING, pb::READY).act, Act::Wait);
    EXPECT_EQ(plan_step(pb::RUNNING, pb::COMPLETE).act, Act::Wait);
}

TEST(TaskVerdict, tells_rejected_from_failed_by_how_far_it_was) {
    const Result<void> broken = internal("no such image");
    const Result<void> later = Error{Errc::Unavailable, "registry"};
    EXPECT_EQ(judge({Act::Prepare, pb::READY, ""}, pb::PREPARING, broken).state, pb::REJECTED);
    EXPECT_EQ(judge({Act::Start, pb::RUNNING, ""}, pb::STARTING, broken).state, pb::FAILED);
    EXPECT_EQ(judge({Act::Wait, pb::COMPLETE, ""}, pb::RUNNING, broken).state, pb::FAILED);
    EXPECT_TRUE(judge({Act::Prepare, pb::READY, ""}, pb::PREPARING, later).again);
}

struct TaskRunnerTest : testing::Test {
    net::Loop loop{net::Loop::Time::Virtual};
    LoopClock clock{loop};
    ScriptedExecutor executor{loop};
    std::vector<pb::TaskStatus> kept;
    bool full = false;
    std::unique_ptr<TaskRunner> runner;
    std::optional<net::TaskScope> scope{loop};

    TaskPtr task(pb::TaskState state, pb::TaskState desired) {
        pb::Task made;
        made.set_id("t");
        made.set_desired_state(desired);
        made.mutable_status()->set_state(state);
        return std::make_shared<const pb::Task>(made);
    }
    void begin(pb::TaskState state, pb::TaskState desired,
               TaskRunner::Begin how = TaskRunner::Begin::Now) {
        const auto first = task(state, desired);
        runner = std::make_unique<TaskRunner>(
            loop, clock, first, executor.make_controller(first, {}), how,
            [this](const pb::Task& changed) -> Result<void> {
                if (full) { return Error{Errc::Exhausted, "disk full"}; }
                kept.push_back(changed.status());
                return ok();
            },
            TaskRunner::Settings{});
        scope->spawn(runner->run(net::Until(scope->cancel())));
    }
    void pass(std::chrono::nanoseconds span) { net::run_task(loop, wait(span)); }
    net::Task<void> wait(std::chrono::nanoseconds span) {
        co_await net::sleep(loop, net::Until(loop.in(span)));
    }
    std::vector<pb::TaskState> seen() const {
        std::vector<pb::TaskState> all;
        for (const auto& status : kept) { all.push_back(status.state()); }
        return all;
    }
    ~TaskRunnerTest() override { scope.reset(); }
};
using States = std::vector<pb::TaskState>;

TEST_F(TaskRunnerTest, goes_through_all_states_and_tells_of_each) {
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(1s);
    EXPECT_EQ(seen(), (States{pb::ACCEPTED, pb::PREPARING, pb::READY, pb::STARTING, pb::RUNNING}));
    executor.exit("t", 0);
    pass(1s);
    EXPECT_EQ(kept.back().state(), pb::COMPLETE);
    EXPECT_EQ(kept.back().message(), "finished");
    EXPECT_EQ(kept.back().container().container_id(), "c-t");
}

TEST_F(TaskRunnerTest, a_failure_carries_the_exit_code_and_what_was_wrong) {
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(1s);
    executor.exit("t", 3);
    pass(1s);
    EXPECT_EQ(kept.back().state(), pb::FAILED);
    EXPECT_EQ(kept.back().container().exit_code(), 3);
    EXPECT_EQ(kept.back().err(), "task: non-zero exit (3)");
    EXPECT_EQ(kept.back().message(), "started");
}

TEST_F(TaskRunnerTest, an_error_before_its_start_rejects_it) {
    executor.fallback.prepare_errors = {internal("no such image: x")};
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(10s);
    EXPECT_EQ(kept.back().state(), pb::REJECTED);
    EXPECT_EQ(executor.count("prepare t"), 1u);
}

TEST_F(TaskRunnerTest, what_was_wrong_is_told_in_utf8_whatever_a_program_says) {
    executor.fallback.prepare_errors = {internal("gr\xfc\xdf, caf\xc3\xa9 \xed\xa0\x80 \xe2\x82")};
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(1s);
    EXPECT_EQ(kept.back().err(), "gr??, caf\xc3\xa9 ??? ??");
}

TEST_F(TaskRunnerTest, a_temporary_error_is_tried_again_a_second_later) {
    executor.fallback.prepare_errors = {Error{Errc::Unavailable, "registry"},
                                        Error{Errc::Timeout, "registry"}};
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(1500ms);
    EXPECT_EQ(executor.count("prepare t"), 2u);
    pass(1s);
    EXPECT_EQ(kept.back().state(), pb::RUNNING);
}

TEST_F(TaskRunnerTest, waits_at_ready_until_more_is_wanted) {
    begin(pb::ASSIGNED, pb::READY);
    pass(60s);
    EXPECT_EQ(kept.back().state(), pb::READY);
    runner->update(task(pb::ASSIGNED, pb::RUNNING));
    pass(1s);
    EXPECT_EQ(kept.back().state(), pb::RUNNING);
    EXPECT_EQ(executor.count("update t"), 1u);
}

TEST_F(TaskRunnerTest, a_running_task_is_stopped_when_that_is_wanted) {
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(1s);
    runner->update(task(pb::RUNNING, pb::SHUTDOWN));
    pass(1s);
    EXPECT_EQ(kept.back().state(), pb::SHUTDOWN);
    EXPECT_EQ(executor.running(), 0u);
}

TEST_F(TaskRunnerTest, a_prepare_that_is_told_to_end_makes_way_at_once) {
    executor.fallback.prepare_hangs = Hang::UntilCancelled;
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(5s);
    runner->update(task(pb::ASSIGNED, pb::SHUTDOWN));
    pass(1ms);
    EXPECT_EQ(kept.back().state(), pb::SHUTDOWN);
}

TEST_F(TaskRunnerTest, a_prepare_that_hangs_does_not_keep_it_from_being_stopped) {
    executor.fallback.prepare_hangs = Hang::ForEver;
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(60s);
    runner->update(task(pb::ASSIGNED, pb::SHUTDOWN));
    pass(11s);
    EXPECT_EQ(kept.back().state(), pb::SHUTDOWN);
}

TEST_F(TaskRunnerTest, removing_it_stops_it_first) {
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(1s);
    executor.scripts["t"].remove_errors = {};
    runner->remove();
    pass(1s);
    EXPECT_TRUE(runner->removed());
    EXPECT_TRUE(executor.programs.empty());
    EXPECT_EQ(executor.count("shutdown t"), 1u);
    EXPECT_EQ(executor.count("remove t"), 1u);
}

TEST_F(TaskRunnerTest, a_removal_that_fails_is_tried_again) {
    executor.fallback.remove_errors = {internal("busy"), internal("busy")};
    begin(pb::COMPLETE, pb::SHUTDOWN);
    runner->remove();
    pass(10s);
    EXPECT_TRUE(runner->removed());
    EXPECT_EQ(executor.count("remove t"), 3u);
    EXPECT_EQ(executor.count("shutdown t"), 0u);
}

TEST_F(TaskRunnerTest, nothing_goes_on_that_cannot_be_remembered) {
    full = true;
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(10s);
    EXPECT_TRUE(executor.calls.empty());
    full = false;
    pass(2s);
    EXPECT_EQ(kept.back().state(), pb::RUNNING);
}

TEST_F(TaskRunnerTest, an_outcome_that_cannot_be_remembered_is_kept_without_a_second_try) {
    begin(pb::ASSIGNED, pb::RUNNING);
    pass(1s);
    full = true;
    executor.exit("t", 0);
    pass(10s);
    EXPECT_EQ(kept.back().state(), pb::RUNNING);
    EXPECT_EQ(executor.count("wait t"), 1u);
    full = false;
    pass(2s);
    EXPECT_EQ(kept.back().state(), pb::COMPLETE);
}

TEST_F(TaskRunnerTest, from_memory_it_begins_nothing_until_it_is_confirmed) {
    begin(pb::PREPARING, pb::RUNNING, TaskRunner::Begin::WhenConfirmed);
    pass(60s);
    EXPECT_TRUE(executor.calls.empty());
    const auto known = task(pb::ASSIGNED, pb::RUNNING);
    runner->confirm(known, executor.make_controller(known, {}));
    pass(1s);
    EXPECT_EQ(seen(), (States{pb::READY, pb::STARTING, pb::RUNNING}));
}

TEST_F(TaskRunnerTest, from_memory_it_looks_after_what_runs) {
    executor.program_of("t").running = true;
    begin(pb::RUNNING, pb::RUNNING, TaskRunner::Begin::WhenConfirmed);
    pass(1s);
    executor.exit("t", 1);
    pass(1s);
    EXPECT_EQ(seen(), (States{pb::FAILED}));
}

} // namespace
} // namespace shoal::swarm
