#include "world.h"

namespace shoal::swarm {

struct WorldWriter::Waiting {
    Waiting(net::Loop& loop, Mutation what) : mutation(std::move(what)), done(loop) {}
    Mutation mutation;
    net::Flag done;
    Result<void> outcome = ok();
};

net::Task<void> WorldWriter::write(std::shared_ptr<Waiting> waiting) {
    if (takes > 0s) { co_await net::sleep(world.loop, net::Until(world.loop.in(takes))); }
    if (world.leader == nullptr) {
        waiting->outcome = Error{Errc::Unavailable, "nobody leads"};
    } else {
        waiting->outcome = apply(waiting->mutation);
    }
    waiting->done.set();
}

/// Who does not wait any longer has it written nevertheless, as with the real one.
net::Task<Result<std::int64_t>> WorldWriter::submit(Mutation mutation, net::Until until) {
    auto waiting = std::make_shared<Waiting>(world.loop, std::move(mutation));
    world.scope.spawn(write(waiting));
    const auto wake = co_await waiting->done.wait(until);
    CO_TRY(net::to_result(wake, "write"));
    CO_TRY(waiting->outcome);
    co_return world.store.revision;
}

Result<void> WorldWriter::apply(const Mutation& mutation) {
    Tx tx(world.store, world.clock.now(), world.random);
    auto outcome = mutation(tx);
    if (!outcome) {
        tx.roll_back_to(0);
        return outcome;
    }
    const auto changes = tx.merged();
    if (changes.empty()) { return ok(); }
    ++world.store.revision;
    ++writes;
    world.tell(changes);
    return ok();
}

WorldManager::WorldManager(World& of, const std::string& as)
    : world(of), id(as), address(as + ":2377"), server(of.loop, *this),
      dispatcher({of.loop, of.clock, of.random, of.store, of.writer,
                  [this](std::string line) { said.push_back(std::move(line)); }},
                 {as, "0.1", 24h}),
      broker(of.loop, of.random, of.store), connections(std::make_unique<net::Cancel>()) {
    dispatcher.register_with(server);
    broker.register_with(server);
}

net::Task<Result<std::shared_ptr<Channel>>> WorldManager::leader(net::Until until) {
    if (world.leader == nullptr) { co_return Error{Errc::Unavailable, "nobody leads"}; }
    WorldTransport transport(world, Caller{id, Role::Manager, "c1", address, false});
    auto made = co_await Channel::connect(world.loop, transport, world.leader->address,
                                          Trust::Managers, until);
    if (!made) { co_return made.error(); }
    co_return std::shared_ptr<Channel>(std::move(*made));
}

bool WorldManager::is_removed(const std::string& node_id) const {
    return world.store.cluster()->blacklisted_certificates().contains(node_id);
}

namespace {

net::Task<void> serve(WorldManager* manager, Incoming incoming, std::shared_ptr<net::Cancel> stop) {
    const net::Until until(*stop);
    const auto outcome = co_await manager->server.serve_one(std::move(incoming), until);
    (void)outcome;
}

net::LinkWeather unless(const bool& silent) {
    net::LinkWeather weather;
    weather.delay = [&silent](std::size_t) -> std::optional<std::chrono::nanoseconds> {
        if (silent) { return std::nullopt; }
        return 100us;
    };
    return weather;
}

} // namespace

net::Task<Result<net::StreamPtr>> WorldTransport::connect(std::string address, Trust,
                                                          net::Until until) {
    ++connects;
    if (deaf || mute) {
        const auto wake = co_await net::sleep(world.loop, until);
        co_return net::to_result(wake, "connect").error();
    }
    const auto found = world.managers.find(address.substr(0, address.find(':')));
    if (found == world.managers.end() || !found->second->up) {
        co_return Error{Errc::Unavailable, "connection refused"};
    }
    const bool manager = caller.role == Role::Manager; // its transport does not live as long
    auto [here, there] = net::make_pipe_pair(world.loop, caller.address, address,
                                             manager ? net::LinkWeather{} : unless(mute),
                                             manager ? net::LinkWeather{} : unless(deaf));
    auto stop = std::make_shared<net::Cancel>(*found->second->connections);
    if (!manager) { stop->follow(links); }
    world.scope.spawn(
        serve(found->second.get(), Incoming{std::move(there), caller}, std::move(stop)));
    co_return std::move(here);
}

WorldNode::WorldNode(World& of, std::string node_id)
    : world(of), id(std::move(node_id)), executor(of.loop),
      transport(std::make_unique<WorldTransport>(
          of, Caller{id, Role::Worker, "c1", "10.0.0.1:4711", false})) {
    executor.description.set_hostname(id);
    settings.session.node_id = id;
    settings.session.shoal_version = "0.1";
}

namespace {
net::Task<void> run_agent(Agent* agent, net::Cancel* cancel) {
    const net::Until until(*cancel);
    const auto outcome = co_await agent->run(until);
    EXPECT_TRUE(outcome);
}
} // namespace

void WorldNode::start() {
    const Agent::Parts parts{world.loop, world.clock, world.random, *transport, executor, memory};
    agent = std::make_unique<Agent>(parts, hooks, settings);
    for (const auto& [name, manager] : world.managers) { agent->add_manager(manager->address); }
    scope = std::make_unique<net::TaskScope>(world.loop);
    scope->spawn(run_agent(agent.get(), &scope->cancel()));
}

void WorldNode::stop() {
    net::run_task(world.loop, scope->close());
    scope.reset();
    agent.reset();
}

void WorldNode::kill() {
    scope.reset();
    agent.reset();
    transport->cut();
}

WorldManager& World::add_manager(const std::string& id) {
    auto& manager = managers[id];
    manager = std::make_unique<WorldManager>(*this, id);
    pb::Node node;
    node.set_id(id);
    node.mutable_spec()->set_membership(pb::NodeSpec::ACCEPTED);
    node.mutable_manager_status()->set_addr(manager->address);
    change([&](Tx& tx) { tx.put(node); });
    return *manager;
}

WorldNode& World::add_node(const std::string& id) {
    pb::Node node;
    node.set_id(id);
    node.mutable_spec()->set_membership(pb::NodeSpec::ACCEPTED);
    change([&](Tx& tx) { tx.put(node); });
    auto& made = nodes[id];
    made = std::make_unique<WorldNode>(*this, id);
    return *made;
}

void World::lead(WorldManager* manager) {
    if (leader != nullptr) {
        leader->leading = false;
        leader->dispatcher.end();
        leader->broker.end();
    }
    leader = manager;
    if (manager == nullptr) { return; }
    manager->leading = true;
    manager->dispatcher.begin();
    manager->broker.begin();
}

void World::crash(WorldManager& manager) {
    if (leader == &manager) { lead(nullptr); }
    manager.up = false;
    manager.connections->cancel();
    pass(1ms);
    manager.connections = std::make_unique<net::Cancel>();
}

void World::tell(const std::vector<Change>& changes) {
    if (leader == nullptr) { return; }
    for (const auto& change : changes) {
        leader->dispatcher.observe(change);
        leader->broker.observe(change);
    }
    leader->dispatcher.flush();
}

pb::Task World::make_task(const std::string& id, const std::string& node_id) const {
    pb::Task task;
    task.set_id(id);
    task.set_node_id(node_id);
    task.set_service_id("web");
    task.set_desired_state(pb::RUNNING);
    task.mutable_status()->set_state(pb::ASSIGNED);
    return task;
}

World::~World() {
    for (const auto& [id, node] : nodes) {
        if (node->scope) { node->stop(); }
    }
    lead(nullptr);
    for (const auto& [id, manager] : managers) { manager->connections->cancel(); }
    net::run_task(loop, scope.close());
}

} // namespace shoal::swarm
