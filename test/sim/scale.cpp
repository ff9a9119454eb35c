#include "scale.h"

#include "scenario.h"

#include "swarm/manager/control/services.h"

#include <ctime>
#include <fmt/format.h>
#include <sys/resource.h>

namespace shoal::sim {
namespace {

constexpr std::chrono::minutes limit(30); // of virtual time

/// Of this process, in seconds.
double processor_time() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

long resident_most_kib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

std::size_t running(const Store& store) {
    std::size_t count = 0;
    for (const auto& [id, task] : store.all<pb::Task>()) {
        count += task->status().state() == pb::RUNNING ? 1 : 0;
    }
    return count;
}

net::Task<bool> grow(World* world, std::size_t tasks) {
    const auto formed = co_await world->form(1);
    if (!formed) {
        fmt::print("the cluster does not form: {}\n", formed.error().message);
        co_return false;
    }
    fmt::print("{} nodes joined: {:.1f} s of one core, {} MiB\n", world->size(), processor_time(),
               resident_most_kib() / 1024);
    const double before = processor_time();
    const Mutation make = [tasks](Tx& tx) -> Result<void> {
        pb::ServiceSpec spec;
        spec.mutable_annotations()->set_name("large");
        spec.mutable_task()->mutable_container()->set_image("image:1");
        spec.mutable_replicated()->set_replicas(tasks);
        TRY(create_service(tx, spec));
        return ok();
    };
    const auto begun = world->loop.now();
    const Asked asked = co_await world->change(make, limit);
    if (asked.answer != Answer::Done) {
        fmt::print("the service is refused: {}\n", asked.error);
        co_return false;
    }
    fmt::print("{} tasks written and placed: {:.1f} s of one core\n", tasks,
               processor_time() - before);
    const auto all = [world, tasks] {
        Manager* const manager = world->leader();
        return manager != nullptr && running(manager->store()) == tasks;
    };
    const bool reached = co_await world->until(all, limit);
    const std::chrono::duration<double> took = world->loop.now() - begun;
    fmt::print("{} tasks {}: {:.1f} s of one core, {:.1f} s virtual, {} MiB at most\n", tasks,
               reached ? "run" : "DO NOT all run", processor_time() - before, took.count(),
               resident_most_kib() / 1024);
    co_return reached;
}

} // namespace

bool run_scale(std::size_t nodes, std::size_t tasks) {
    World world(1, nodes);
    for (std::size_t i = 0; i < nodes; ++i) {
        world.at(i).executor.nano_cpus = 64'000'000'000;
        world.at(i).executor.weather.step_max = std::chrono::milliseconds(10);
    }
    return net::run_task(world.loop, grow(&world, tasks));
}

} // namespace shoal::sim
