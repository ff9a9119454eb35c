#include "cli/swarm/convergence.h"

#include "base/time.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace shoal::cli::swarm {
namespace {

const std::set<std::string> nodes = {"n1", "n2"};
Json json(std::string_view text) { return *parse_json(text); }

Json task(int slot, const char* state, const char* node = "n1", const char* desired = "running") {
    return {{"Slot", slot},
            {"NodeID", node},
            {"DesiredState", desired},
            {"Status", {{"State", state}}}};
}

Instant at(double seconds) {
    return from_unix_nanos(1'000'000'000'000 + static_cast<std::int64_t>(seconds * 1e9));
}

/// "id: text" of every message.
std::vector<std::string> lines(const Look& look) {
    std::vector<std::string> all;
    for (const Json& message : look.messages) {
        all.push_back(message.value("id", "") + ": " + message.value("status", ""));
    }
    return all;
}
using Lines = std::vector<std::string>;

const Json two = json(R"({"Spec":{"Mode":{"Replicated":{"Replicas":2}}}})");

TEST(Convergence, shows_slots_and_waits_until_they_are_stable) {
    Convergence convergence("web");
    EXPECT_EQ(lines(*convergence.look(two, Json::array(), nodes, at(0))),
              (Lines{"overall progress: 0 out of 2 tasks",
                     "1/2:  ", "2/2:  ", "overall progress: 0 out of 2 tasks"}));
    EXPECT_EQ(lines(*convergence.look(two, {task(7, "running"), task(9, "new")}, nodes, at(1))),
              (Lines{"1/2: running  ", "2/2: new      ", "overall progress: 1 out of 2 tasks"}));
    const Json good = {task(7, "running"), task(9, "running")};
    EXPECT_EQ(lines(*convergence.look(two, good, nodes, at(2))).back(),
              "verify: Waiting 6 seconds to verify that tasks are stable...");
    EXPECT_FALSE(convergence.begin(two, at(6.9))->over);
    const auto end = convergence.begin(two, at(7));
    EXPECT_TRUE(end->over);
    EXPECT_EQ(lines(*end), (Lines{"verify: Service web converged"}));
}

TEST(Convergence, starts_again_when_a_task_fails_meanwhile) {
    Convergence convergence("web");
    const Json good = {task(1, "running"), task(2, "running")};
    (void)convergence.look(two, good, nodes, at(0));
    const auto bad = convergence.look(two, {task(1, "running"), task(2, "failed")}, nodes, at(1));
    EXPECT_EQ(lines(*bad).back(), "verify: Detected task failure");
    (void)convergence.look(two, good, nodes, at(2));
    EXPECT_FALSE(convergence.begin(two, at(6))->over);
    EXPECT_TRUE(convergence.begin(two, at(7))->over);
}

TEST(Convergence, counts_neither_lost_nodes_nor_tasks_that_are_to_end) {
    Convergence convergence("web");
    const Json tasks = {task(1, "running", "gone"), task(2, "running", "n1", "shutdown"),
                        task(2, "preparing", "n2")};
    EXPECT_EQ(lines(*convergence.look(two, tasks, nodes, at(0))).back(),
              "overall progress: 0 out of 2 tasks");
}

TEST(Convergence, ends_with_the_update) {
    struct Case {
        const char* state;
        bool over;
        const char* error;
    };
    for (const auto& [state, over, error] :
         {Case{"updating", false, ""}, Case{"completed", true, ""},
          Case{"paused", false, "service update paused: why"}, Case{"rollback_started", false, ""},
          Case{"rollback_completed", false, ""},
          Case{"rollback_paused", false, "service rollback paused: why"}}) {
        Json service = two;
        service["UpdateStatus"] = {{"State", state}, {"Message", "why"}};
        Convergence convergence("web");
        const auto look = convergence.begin(service, at(0));
        EXPECT_EQ(look ? "" : look.error().message, error) << state;
        if (look) { EXPECT_EQ(look->over, over) << state; }
    }
}

TEST(Convergence, of_a_job_ends_with_its_last_task) {
    const Json service = json(
        R"({"Spec":{"Mode":{"ReplicatedJob":{"MaxConcurrent":1,"TotalCompletions":10}}},"JobStatus":{"JobIteration":{"Index":3}}})");
    const auto tasks_done = [](int count) {
        Json tasks = Json::array();
        for (int i = 0; i < count; ++i) {
            tasks.push_back(task(i, "complete"));
            tasks.back()["JobIteration"] = {{"Index", 3}};
        }
        tasks.push_back(task(99, "running"));
        tasks.back()["JobIteration"] = {{"Index", 2}}; // of an earlier run
        return tasks;
    };
    Convergence convergence("job");
    const auto first = lines(*convergence.look(service, tasks_done(1), nodes, at(0)));
    EXPECT_EQ(first[0], "job progress:  0 out of 10 complete");
    EXPECT_EQ(first[first.size() - 2], "job progress:  1 out of 10 complete");
    EXPECT_EQ(first.back(), "active tasks: 0 out of 1 tasks");
    const auto last = convergence.look(service, tasks_done(10), nodes, at(1));
    EXPECT_TRUE(last->over);
    EXPECT_EQ(lines(*last).back(), ": job complete");
}

TEST(Convergence, bears_answers_of_the_wrong_shape) {
    Convergence convergence("x");
    EXPECT_TRUE(convergence.begin(json(R"({"UpdateStatus":3,"Spec":[]})"), at(0)));
    EXPECT_FALSE(convergence.look(json(R"({"Spec":{"Mode":1}})"), json("[1]"), nodes, at(0)));
    EXPECT_TRUE(convergence.look(two, json(R"([1,{"Slot":"x","Status":[]}])"), nodes, at(0)));
}

} // namespace
} // namespace shoal::cli::swarm
