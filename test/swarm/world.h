// World: managers and nodes of one cluster in one process and in virtual time, for tests of the
// dispatcher and the agent together: real calls over pipes, a store and a writer of memory, and
// scripted executors. Who leads is said, not elected.
#pragma once

#include "swarm/agent/agent.h"
#include "swarm/agent/scripted_executor.h"
#include "swarm/dispatcher/dispatcher.h"
#include "swarm/dispatcher/log_broker.h"

#include "net/pipe_pair.h"

#include <gtest/gtest.h>

namespace shoal::swarm {

using namespace std::chrono_literals;

struct SeededRandom final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            byte = static_cast<std::uint8_t>(state >> 56);
        }
    }
    std::uint64_t state = 42;
};

struct World;

/// Applies what is submitted at once, or after a while, and tells the managers.
struct WorldWriter final : Writer {
    explicit WorldWriter(World& of) : world(of) {}
    net::Task<Result<std::int64_t>> submit(Mutation mutation, net::Until until) override;
    Result<void> apply(const Mutation& mutation);
    struct Waiting;
    net::Task<void> write(std::shared_ptr<Waiting> waiting);
    World& world;
    std::chrono::nanoseconds takes{};
    std::size_t writes = 0; ///< transactions that changed something
};

struct WorldManager final : LeaderRoute {
    WorldManager(World& of, const std::string& id);
    bool leads() const override { return leading; }
    net::Task<Result<std::shared_ptr<Channel>>> leader(net::Until until) override;
    bool is_removed(const std::string& node_id) const override;
    /// Changes of roles are not the subject here.
    Role present_role(const std::string&) const override { return Role::Manager; }
    std::string cluster_id() const override { return "c1"; }

    World& world;
    std::string id;
    std::string address; ///< the id, with a port
    bool up = true;
    bool leading = false;
    std::vector<std::string> said; ///< for the daemon's log
    RpcServer server;
    Dispatcher dispatcher;
    LogBroker broker;
    std::unique_ptr<net::Cancel> connections;
};

/// How one node, or manager, reaches managers.
struct WorldTransport final : Transport {
    WorldTransport(World& of, Caller as) : world(of), caller(std::move(as)) {}
    net::Task<Result<net::StreamPtr>> connect(std::string address, Trust trust,
                                              net::Until until) override;
    Result<void> listen(const std::string&) override { return internal("not used"); }
    void close() override {}
    net::Task<Result<Incoming>> accept(net::Until) override { co_return internal("not used"); }
    /// Breaks all its connections.
    void cut() {
        links.cancel();
        links.~Cancel();
        new (&links) net::Cancel;
    }
    World& world;
    Caller caller;
    bool deaf = false; ///< nothing arrives from managers any more
    bool mute = false; ///< nothing arrives at managers any more
    std::size_t connects = 0;
    net::Cancel links;
};

struct WorldNode {
    WorldNode(World& of, std::string node_id);
    void start();
    /// The daemon stops in an orderly way.
    void stop();
    /// The daemon is killed: nothing is said, its containers run on.
    void kill();

    World& world;
    std::string id;
    ScriptedExecutor executor;
    MapTaskMemory memory;
    std::unique_ptr<WorldTransport> transport;
    Agent::Settings settings;
    Agent::Hooks hooks;
    std::unique_ptr<Agent> agent;
    std::unique_ptr<net::TaskScope> scope;
};

struct World {
    World() : clock(loop), writer(*this), scope(loop) {
        change([](Tx& tx) {
            pb::Cluster cluster;
            cluster.set_id("c1");
            cluster.mutable_root_ca()->set_ca_cert("root 1");
            tx.put(cluster);
        });
    }
    ~World();

    WorldManager& add_manager(const std::string& id);
    WorldNode& add_node(const std::string& id);
    /// This one leads from now on; nobody for nullptr.
    void lead(WorldManager* manager);
    void crash(WorldManager& manager);
    void pass(std::chrono::nanoseconds span) { net::run_task(loop, wait(span)); }
    /// Until it is so, or a minute has passed; how long it took.
    std::chrono::nanoseconds pass_until(const std::function<bool()>& so) {
        const auto begin = loop.now();
        while (!so() && loop.now() < begin + 60s) { pass(1ms); }
        EXPECT_TRUE(so());
        return loop.now() - begin;
    }
    net::Task<void> wait(std::chrono::nanoseconds span) {
        co_await net::sleep(loop, net::Until(loop.in(span)));
    }
    void change(const Mutation& mutation) { EXPECT_TRUE(writer.apply(mutation)); }
    void change(const std::function<void(Tx&)>& act) {
        const Mutation mutation = [&act](Tx& tx) -> Result<void> {
            act(tx);
            return ok();
        };
        change(mutation);
    }
    void tell(const std::vector<Change>& changes);

    pb::Task make_task(const std::string& id, const std::string& node_id) const;
    void put_task(const std::string& id, const std::string& node_id) {
        const auto task = make_task(id, node_id);
        change([&](Tx& tx) { tx.put(task); });
    }
    void set_desired(const std::string& id, pb::TaskState state) {
        pb::Task task = *store.get<pb::Task>(id);
        task.set_desired_state(state);
        change([&](Tx& tx) { tx.put(task); });
    }
    pb::TaskState state_of(const std::string& id) const {
        const auto task = store.get<pb::Task>(id);
        return task ? task->status().state() : pb::NEW;
    }
    pb::NodeStatus::State node_state(const std::string& id) const {
        return store.get<pb::Node>(id)->status().state();
    }
    bool ready(const std::string& id) const { return node_state(id) == pb::NodeStatus::READY; }

    net::Loop loop{net::Loop::Time::Virtual};
    LoopClock clock;
    SeededRandom random;
    Store store;
    WorldWriter writer;
    std::map<std::string, std::unique_ptr<WorldManager>> managers;
    std::map<std::string, std::unique_ptr<WorldNode>> nodes;
    WorldManager* leader = nullptr;
    net::TaskScope scope; ///< connections
};

} // namespace shoal::swarm
