// A simulated cluster forms, runs a service, loses its leader and gets it back.
#include "scenario.h"

#include "swarm/manager/control/services.h"

#include <gtest/gtest.h>

namespace shoal::sim {
namespace {

pb::ServiceSpec service_of(const std::string& name, std::uint64_t replicas) {
    pb::ServiceSpec spec;
    spec.mutable_annotations()->set_name(name);
    spec.mutable_task()->mutable_container()->set_image("image:1");
    spec.mutable_replicated()->set_replicas(replicas);
    return spec;
}

std::size_t running(World& world) {
    Manager* const manager = world.leader();
    if (manager == nullptr) { return 0; }
    std::size_t count = 0;
    for (const auto& [id, task] : manager->store().all<pb::Task>()) {
        const bool runs = task->status().state() == pb::RUNNING;
        count += runs && task->desired_state() == pb::RUNNING ? 1 : 0;
    }
    return count;
}

net::Task<void> lose_leader(World* world, bool* reached) {
    const auto formed = co_await world->form(3);
    EXPECT_TRUE(formed) << formed.error().message;
    if (!formed) { co_return; }
    const Mutation make = [](Tx& tx) -> Result<void> {
        TRY(create_service(tx, service_of("web", 6)));
        return ok();
    };
    const auto made = co_await world->change(make, std::chrono::seconds(30));
    EXPECT_EQ(made.answer, Answer::Done) << made.error;
    const auto six = [world] { return running(*world) == 6; };
    EXPECT_TRUE(co_await world->until(six, std::chrono::seconds(60)));
    Machine* const first = world->leading_machine();
    EXPECT_NE(first, nullptr);
    if (first == nullptr) { co_return; }
    first->power_cut();
    const auto other = [world, first] {
        Machine* const now = world->leading_machine();
        return now != nullptr && now != first;
    };
    EXPECT_TRUE(co_await world->until(other, std::chrono::seconds(30)));
    const auto moved = [world] {
        std::size_t count = 0;
        for (std::size_t i = 0; i < world->size(); ++i) {
            count += world->at(i).up() ? world->at(i).executor.running() : 0;
        }
        return count == 6 && running(*world) == 6;
    };
    EXPECT_TRUE(co_await world->until(moved, std::chrono::seconds(120)));
    first->start();
    const auto back = [world] {
        Manager* const manager = world->leader();
        if (manager == nullptr) { return false; }
        std::size_t ready = 0;
        for (const auto& [id, node] : manager->store().all<pb::Node>()) {
            ready += node->status().state() == pb::NodeStatus::READY ? 1 : 0;
        }
        return ready == world->size();
    };
    EXPECT_TRUE(co_await world->until(back, std::chrono::seconds(60)));
    *reached = true;
}

TEST(SimWorld, LosesItsLeaderAndGoesOn) {
    World world(1, 5);
    bool reached = false;
    net::run_task(world.loop, lose_leader(&world, &reached));
    EXPECT_TRUE(reached);
    if (testing::Test::HasFailure()) {
        for (const auto& line : world.lines) { std::puts(line.c_str()); }
    }
}

/// Its own address comes first among the managers it knows, and it knows no leader.
TEST(SimWorld, ANewManagerDoesNotAskItselfForItsVote) {
    World world(1, 2);
    const auto formed = net::run_task(world.loop, world.form(2, 1));
    EXPECT_TRUE(formed) << formed.error().message;
}

TEST(SimScenario, TheSameSeedGivesTheSameTranscript) {
    ScenarioOptions options;
    options.steps = 8;
    for (const std::uint64_t seed : {5U, 6U}) {
        const auto first = run_scenario(seed, options);
        const auto again = run_scenario(seed, options);
        EXPECT_EQ(first.digest, again.digest) << "seed " << seed;
        EXPECT_EQ(first.lines, again.lines) << "seed " << seed;
        EXPECT_GT(first.changes, 50U);
    }
}

} // namespace
} // namespace shoal::sim
