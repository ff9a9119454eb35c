// Many nodes with many tasks: what the leader holds for them, and how long it takes until all of
// them run. SHOAL_SCALE=full: a thousand nodes with a hundred tasks each, a matter of minutes
// unless the build is a release.
#include "world.h"

#include <chrono>
#include <fstream>

namespace shoal::swarm {
namespace {

/// Of this process.
std::size_t resident_kib() {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("VmRSS:")) { return std::stoul(line.substr(6)); }
    }
    return 0;
}

constexpr auto session_method = "/docker.swarmkit.v1.Dispatcher/Session";
constexpr auto heartbeat_method = "/docker.swarmkit.v1.Dispatcher/Heartbeat";
constexpr auto assignments_method = "/docker.swarmkit.v1.Dispatcher/Assignments";
constexpr auto status_method = "/docker.swarmkit.v1.Dispatcher/UpdateTaskStatus";

/// A node that says at once that everything it was given runs: the least that an agent can be, so
/// that what is measured is the dispatcher.
struct LightNode {
    LightNode(World& of, const std::string& id)
        : world(of), transport(of, Caller{id, Role::Worker, "c1", "10.0.0.1:1", false}) {}

    net::Task<void> run(net::Until until) {
        const auto outcome = co_await live(until);
        (void)outcome;
    }
    net::Task<Result<void>> live(net::Until until) {
        CO_TRY_LET(made, co_await Channel::connect(world.loop, transport, "m1:2377",
                                                   Trust::Managers, until));
        channel = std::move(made);
        CO_TRY_LET(session, channel->open(session_method));
        pb::SessionRequest request;
        request.mutable_description()->set_hostname(transport.caller.node_id);
        request.mutable_description()->set_shoal_version("0.1");
        auto asked = print_message(request);
        CO_TRY(co_await session->write(std::move(asked), until));
        CO_TRY(session->finish_writing());
        CO_TRY_LET(first, co_await session->read(until));
        CO_TRY_LET(message, parse_message<pb::SessionMessage>(*first, "session"));
        session_id = message.session_id();
        net::TaskScope parts(world.loop);
        const net::Until limit(parts.cancel());
        parts.spawn(beat(limit));
        parts.spawn(work(limit));
        co_await net::sleep(world.loop, until);
        co_await parts.close();
        co_return ok();
    }
    net::Task<void> beat(net::Until until) {
        pb::HeartbeatRequest request;
        request.set_session_id(session_id);
        while (!until.cancelled()) {
            const auto answer =
                co_await channel->call<pb::HeartbeatResponse>(heartbeat_method, request, until);
            if (!answer) { co_return; }
            co_await net::sleep(world.loop, until.no_later_than(world.loop.in(1s)));
        }
    }
    net::Task<void> work(net::Until until) {
        const auto outcome = co_await follow(until);
        (void)outcome;
    }
    net::Task<Result<void>> follow(net::Until until) {
        CO_TRY_LET(stream, channel->open(assignments_method));
        pb::AssignmentsRequest request;
        request.set_session_id(session_id);
        auto asked = print_message(request);
        CO_TRY(co_await stream->write(std::move(asked), until));
        CO_TRY(stream->finish_writing());
        for (;;) {
            CO_TRY_LET(bytes, co_await stream->read(until));
            CO_TRY_LET(message, parse_message<pb::AssignmentsMessage>(*bytes, "assignments"));
            pb::UpdateTaskStatusRequest report;
            report.set_session_id(session_id);
            for (const auto& change : message.changes()) {
                auto& update = *report.add_updates();
                update.set_task_id(change.assignment().task().id());
                update.mutable_status()->set_state(pb::RUNNING);
            }
            if (report.updates_size() == 0) { continue; }
            CO_TRY_LET(answer, co_await channel->call<pb::UpdateTaskStatusResponse>(status_method,
                                                                                    report, until));
            (void)answer;
        }
    }

    World& world;
    WorldTransport transport;
    std::unique_ptr<Channel> channel;
    std::string session_id;
};

TEST(Scale, many_nodes_with_many_tasks) {
    const char* const scale = std::getenv("SHOAL_SCALE");
    const bool full = scale != nullptr && std::string_view(scale) == "full";
    const std::size_t node_count = full ? 1000 : 100;
    const std::size_t tasks_each = full ? 100 : 20;
    using Clock = std::chrono::steady_clock;
    World world;
    auto& m1 = world.add_manager("m1");
    std::vector<std::string> ids;
    world.change([&](Tx& tx) {
        for (std::size_t n = 0; n < node_count; ++n) {
            pb::Node node;
            node.set_id("node" + std::to_string(n));
            node.mutable_spec()->set_membership(pb::NodeSpec::ACCEPTED);
            tx.put(node);
            ids.push_back(node.id());
        }
    });
    world.lead(&m1);
    std::vector<std::unique_ptr<LightNode>> nodes;
    net::TaskScope scope(world.loop);
    const auto empty = resident_kib();
    for (const auto& id : ids) {
        nodes.push_back(std::make_unique<LightNode>(world, id));
        scope.spawn(nodes.back()->run(net::Until(scope.cancel())));
    }
    auto begin = Clock::now();
    auto took = world.pass_until([&] { return m1.dispatcher.sessions() == node_count; });
    world.pass(1s);
    const auto connected = resident_kib();
    const auto seconds = [&] {
        return std::chrono::duration<double>(Clock::now() - begin).count();
    };
    std::printf(
        "%zu sessions: %.3f s virtual, %.1f s of work, %zu KiB with both ends of the pipes\n",
        m1.dispatcher.sessions(), std::chrono::duration<double>(took).count(), seconds(),
        connected - empty);

    begin = Clock::now();
    const auto put_round = [&](std::size_t round) { // one task on every node, in one transaction
        world.change([&](Tx& tx) {
            for (std::size_t n = 0; n < node_count; ++n) {
                auto task =
                    world.make_task("t" + std::to_string(round) + "-" + std::to_string(n), ids[n]);
                task.mutable_spec()->mutable_container()->set_image("registry.example/app:1");
                tx.put(std::move(task));
            }
        });
    };
    const auto all_run = [&](const std::string& prefix) {
        for (std::size_t n = 0; n < node_count; ++n) {
            if (world.state_of(prefix + "-" + std::to_string(n)) != pb::RUNNING) { return false; }
        }
        return true;
    };
    const auto virtual_begin = world.loop.now();
    for (std::size_t round = 0; round < tasks_each; ++round) {
        put_round(round);
        world.pass(1ms);
    }
    world.pass_until([&] { return all_run("t" + std::to_string(tasks_each - 1)); });
    const auto loaded = resident_kib();
    std::printf("%zu tasks: running after %.3f s virtual, %.1f s of work, %zu KiB more\n",
                world.store.all<pb::Task>().size(),
                std::chrono::duration<double>(world.loop.now() - virtual_begin).count(), seconds(),
                loaded - connected);
    for (std::size_t round = 0; round < tasks_each; ++round) {
        EXPECT_TRUE(all_run("t" + std::to_string(round)));
    }

    begin = Clock::now();
    const auto writes = world.writer.writes;
    world.pass(10s);
    std::fflush(stdout);
    std::printf("10 s of heartbeats: %.2f s of work\n", seconds());
    EXPECT_LE(world.writer.writes - writes, 1u);

    begin = Clock::now();
    world.lead(nullptr); // all at once
    world.lead(&m1);
    std::printf("a change of leaders: %.3f s of work\n", seconds());
    EXPECT_EQ(m1.dispatcher.sessions(), 0u);
    net::run_task(world.loop, scope.close());
    // Both ends of all connections and the objects themselves are in these.
    EXPECT_LT(connected - empty, node_count * 1500);
    if (full) { EXPECT_LT(loaded - connected, node_count * tasks_each * 8); }
}

} // namespace
} // namespace shoal::swarm
