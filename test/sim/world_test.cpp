// A simulated cluster forms, runs a service, loses its leader and gets it back.
#include "scenario.h"

#include "swarm/manager/control/networks.h"
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

pb::ServiceSpec networked_service() {
    auto spec = service_of("web", 4);
    spec.mutable_task()->add_networks()->set_target("net");
    spec.mutable_update()->set_order(pb::UpdateConfig::START_FIRST);
    spec.mutable_update()->set_parallelism(2);
    spec.mutable_update()->mutable_monitor()->set_nanos(100'000'000);
    return spec;
}

/// What the machine believes of the tasks of its networks.
std::size_t serving(const Machine& machine, const std::string& task_id = {}) {
    std::size_t count = 0;
    for (const auto& [key, item] : machine.executor.network_map().items()) {
        const bool asked = task_id.empty() || item.endpoint().task_id() == task_id;
        count += item.endpoint().serving() && asked ? 1 : 0;
    }
    return count;
}

bool all_updated(World& world) {
    Manager* const manager = world.leader();
    if (manager == nullptr) { return false; }
    for (const auto& [id, service] : manager->store().all<pb::Service>()) {
        if (service->update_status().state() != pb::UpdateStatus::COMPLETED) { return false; }
    }
    return true;
}

struct UpdateSeen {
    std::size_t stopped = 0;       ///< tasks
    std::size_t stopped_early = 0; ///< while a node would still have sent them something
    std::size_t least = SIZE_MAX;  ///< tasks that a node knew to serve
    bool watching = false;
};

void watch_networks(World& world, UpdateSeen& seen) {
    for (std::size_t i = 0; i < world.size(); ++i) {
        Machine& machine = world.at(i);
        machine.executor.weather.step_max = std::chrono::milliseconds(400);
        machine.executor.on_stop = [&world, &seen](const pb::Task& task) {
            ++seen.stopped;
            for (std::size_t j = 0; j < world.size(); ++j) {
                const bool concerned = world.at(j).executor.running() > 0; // it has who could send
                if (concerned) { seen.stopped_early += serving(world.at(j), task.id()); }
            }
        };
        machine.executor.on_network_map = [&machine, &seen] {
            const bool concerned = machine.executor.running() > 0;
            if (seen.watching && concerned) { seen.least = std::min(seen.least, serving(machine)); }
        };
    }
}

net::Task<void> update_with_network(World* world, UpdateSeen* seen, bool* reached) {
    watch_networks(*world, *seen);
    const auto formed = co_await world->form(3);
    EXPECT_TRUE(formed) << formed.error().message;
    if (!formed) { co_return; }
    const Mutation make = [](Tx& tx) -> Result<void> {
        pb::NetworkSpec spec;
        spec.mutable_annotations()->set_name("net");
        TRY(create_network(tx, spec));
        TRY(create_service(tx, networked_service()));
        return ok();
    };
    const auto made = co_await world->change(make, std::chrono::seconds(30));
    EXPECT_EQ(made.answer, Answer::Done) << made.error;
    const auto four = [world] {
        for (std::size_t i = 0; i < world->size(); ++i) {
            const auto& machine = world->at(i);
            if (machine.executor.running() > 0 && serving(machine) != 4) { return false; }
        }
        return running(*world) == 4;
    };
    EXPECT_TRUE(co_await world->until(four, std::chrono::seconds(60)));
    seen->watching = true;
    const Mutation change = [](Tx& tx) -> Result<void> {
        const auto held = tx.store().by_name<pb::Service>("web");
        auto spec = held->spec();
        spec.mutable_task()->mutable_container()->set_image("image:2");
        TRY(update_service(tx, held->id(), held->meta().version().index(), spec));
        return ok();
    };
    const auto changed = co_await world->change(change, std::chrono::seconds(30));
    EXPECT_EQ(changed.answer, Answer::Done) << changed.error;
    const auto done = [world] { return all_updated(*world); };
    EXPECT_TRUE(co_await world->until(done, std::chrono::seconds(120)));
    EXPECT_TRUE(co_await world->until(four, std::chrono::seconds(60)));
    *reached = true;
}

TEST(SimWorld, AnUpdateOnANetworkStopsNothingThatOthersStillSendTo) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
        UpdateSeen seen;
        World world(seed, 5);
        bool reached = false;
        net::run_task(world.loop, update_with_network(&world, &seen, &reached));
        EXPECT_TRUE(reached);
        EXPECT_EQ(seen.stopped, 4u);
        EXPECT_EQ(seen.stopped_early, 0u);
        EXPECT_GE(seen.least, 4u) << "start first: never fewer than asked for";
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
