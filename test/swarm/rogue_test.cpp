// What a node gets, and does not get, that does as it likes with the calls it may make; and how a
// stock engine is treated.
#include "world.h"

namespace shoal::swarm {
namespace {

constexpr auto session_method = "/docker.swarmkit.v1.Dispatcher/Session";
constexpr auto heartbeat_method = "/docker.swarmkit.v1.Dispatcher/Heartbeat";
constexpr auto assignments_method = "/docker.swarmkit.v1.Dispatcher/Assignments";
constexpr auto status_method = "/docker.swarmkit.v1.Dispatcher/UpdateTaskStatus";
constexpr auto volume_method = "/docker.swarmkit.v1.Dispatcher/UpdateVolumeStatus";
constexpr auto tasks_method = "/docker.swarmkit.v1.Dispatcher/Tasks";
constexpr auto follow_map_method = "/shoal.swarm.v1.NetworkMap/Follow";
constexpr auto map_applied_method = "/shoal.swarm.v1.NetworkMap/Applied";
constexpr auto logs_method = "/docker.swarmkit.v1.Logs/SubscribeLogs";

/// Calls by hand, under one node's name.
struct Hand {
    Hand(World& of, const std::string& node_id, Role role = Role::Worker)
        : world(of), transport(of, Caller{node_id, role, "c1", "10.6.6.6:1", false}) {
        const net::Until until(world.loop.in(5s));
        auto made = net::run_task(
            world.loop, Channel::connect(world.loop, transport, "m1:2377", Trust::Managers, until));
        EXPECT_TRUE(made);
        channel = std::move(*made);
    }
    template <class Answer, class Request>
    Result<Answer> ask(const std::string& method, const Request& request) {
        const net::Until until(world.loop.in(5s));
        return net::run_task(world.loop, channel->call<Answer>(method, request, until));
    }
    template <class Request>
    net::GrpcCallPtr open(const std::string& method, const Request& asked) {
        auto call = channel->open(method);
        EXPECT_TRUE(call);
        const net::Until until(world.loop.in(5s));
        EXPECT_TRUE(net::run_task(world.loop, (*call)->write(print_message(asked), until)));
        EXPECT_TRUE((*call)->finish_writing());
        return std::move(*call);
    }
    template <class Message> Result<Message> read(net::GrpcCall& call) {
        const net::Until until(world.loop.in(1s));
        TRY_LET(bytes, net::run_task(world.loop, call.read(until)));
        if (!bytes) { return not_found("message", "next"); }
        return parse_message<Message>(*bytes, "message");
    }
    /// Registers; the stream stays open in `session`.
    Result<std::string> register_node(bool stock = false) {
        pb::SessionRequest request;
        request.mutable_description()->set_hostname("h");
        if (!stock) { request.mutable_description()->set_shoal_version("6.6"); }
        session = open(session_method, request);
        TRY_LET(first, read<pb::SessionMessage>(*session));
        last = first;
        return first.session_id();
    }
    Result<void> report(const std::string& session_id, const std::string& task,
                        pb::TaskState state) {
        pb::UpdateTaskStatusRequest request;
        request.set_session_id(session_id);
        auto& update = *request.add_updates();
        update.set_task_id(task);
        update.mutable_status()->set_state(state);
        TRY(ask<pb::UpdateTaskStatusResponse>(status_method, request));
        return ok();
    }
    Result<pb::HeartbeatResponse> beat(const std::string& session_id) {
        pb::HeartbeatRequest request;
        request.set_session_id(session_id);
        return ask<pb::HeartbeatResponse>(heartbeat_method, request);
    }
    net::GrpcCallPtr follow(const std::string& session_id) {
        pb::AssignmentsRequest request;
        request.set_session_id(session_id);
        return open(assignments_method, request);
    }

    World& world;
    WorldTransport transport;
    std::unique_ptr<Channel> channel;
    net::GrpcCallPtr session;
    pb::SessionMessage last;
};

Errc code_of(const auto& result) { return result ? Errc::NotModified : result.error().code; }

struct RogueTest : testing::Test {
    World world;
    WorldManager& m1 = world.add_manager("m1");
    RogueTest() {
        world.lead(&m1);
        world.add_node("n1");
        world.add_node("n2");
        pb::Secret secret;
        secret.set_id("s2");
        secret.mutable_spec()->set_data("of n2");
        auto foreign = world.make_task("t2", "n2");
        foreign.mutable_spec()->mutable_container()->add_secrets()->set_secret_id("s2");
        world.change([&](Tx& tx) {
            tx.put(secret);
            tx.put(foreign);
            tx.put(world.make_task("t1", "n1"));
        });
    }
};

TEST_F(RogueTest, without_a_session_nothing_is_told_or_taken) {
    Hand rogue(world, "n1");
    EXPECT_EQ(code_of(rogue.beat("")), Errc::NotFound);
    EXPECT_EQ(code_of(rogue.report("", "t1", pb::RUNNING)), Errc::NotFound);
    const auto stream = rogue.follow("");
    EXPECT_EQ(code_of(rogue.read<pb::AssignmentsMessage>(*stream)), Errc::NotFound);
    EXPECT_EQ(world.state_of("t1"), pb::ASSIGNED);
    const auto map = rogue.open(follow_map_method, mpb::FollowMapRequest());
    EXPECT_EQ(code_of(rogue.read<mpb::MapMessage>(*map)), Errc::NotFound);
    const auto applied =
        rogue.ask<mpb::MapAppliedResponse>(map_applied_method, mpb::MapAppliedRequest());
    EXPECT_EQ(code_of(applied), Errc::NotFound);
}

TEST_F(RogueTest, the_session_of_another_node_is_of_no_use) {
    Hand honest(world, "n2");
    Hand rogue(world, "n1");
    const auto other = honest.register_node();
    ASSERT_TRUE(other);
    EXPECT_EQ(code_of(rogue.beat(*other)), Errc::NotFound);
    ASSERT_TRUE(rogue.register_node());
    EXPECT_EQ(code_of(rogue.beat(*other)), Errc::Invalid);
    EXPECT_EQ(code_of(rogue.report(*other, "t2", pb::FAILED)), Errc::Invalid);
    const auto stream = rogue.follow(*other);
    EXPECT_EQ(code_of(rogue.read<pb::AssignmentsMessage>(*stream)), Errc::Invalid);
    EXPECT_EQ(world.state_of("t2"), pb::ASSIGNED);
}

TEST_F(RogueTest, tasks_of_another_node_cannot_be_reported_on) {
    Hand rogue(world, "n1");
    const auto id = rogue.register_node();
    ASSERT_TRUE(id);
    EXPECT_EQ(code_of(rogue.report(*id, "t2", pb::FAILED)), Errc::Forbidden);
    EXPECT_EQ(world.state_of("t2"), pb::ASSIGNED);
    EXPECT_TRUE(rogue.report(*id, "unknown", pb::FAILED));
    EXPECT_TRUE(rogue.report(*id, "t1", pb::RUNNING));
    EXPECT_EQ(world.state_of("t1"), pb::RUNNING);
}

TEST_F(RogueTest, states_that_are_not_a_nodes_to_report_are_refused) {
    Hand rogue(world, "n1");
    const auto id = rogue.register_node();
    ASSERT_TRUE(id);
    for (const auto state : {pb::NEW, pb::PENDING, pb::ASSIGNED, pb::REMOVE, pb::ORPHANED}) {
        EXPECT_EQ(code_of(rogue.report(*id, "t1", state)), Errc::Invalid);
    }
    EXPECT_EQ(world.state_of("t1"), pb::ASSIGNED);
    EXPECT_TRUE(rogue.report(*id, "t1", pb::FAILED));
    EXPECT_TRUE(rogue.report(*id, "t1", pb::RUNNING)); // and it never goes back
    EXPECT_EQ(world.state_of("t1"), pb::FAILED);
}

TEST_F(RogueTest, a_node_sees_no_task_and_no_secret_of_another) {
    Hand rogue(world, "n1");
    const auto id = rogue.register_node();
    ASSERT_TRUE(id);
    const auto stream = rogue.follow(*id);
    const auto set = rogue.read<pb::AssignmentsMessage>(*stream);
    ASSERT_TRUE(set);
    ASSERT_EQ(set->changes_size(), 1);
    EXPECT_EQ(set->changes(0).assignment().task().id(), "t1");
    world.put_task("t3", "n2");
    world.set_desired("t2", pb::SHUTDOWN);
    EXPECT_EQ(code_of(rogue.read<pb::AssignmentsMessage>(*stream)), Errc::Timeout);
}

TEST_F(RogueTest, what_is_not_supported_is_refused_by_name) {
    Hand rogue(world, "n1");
    const auto id = rogue.register_node();
    ASSERT_TRUE(id);
    pb::TasksRequest tasks;
    EXPECT_EQ(code_of(rogue.ask<pb::TasksMessage>(tasks_method, tasks)), Errc::Unsupported);
    pb::UpdateVolumeStatusRequest volumes;
    volumes.set_session_id(*id);
    EXPECT_TRUE(rogue.ask<pb::UpdateVolumeStatusResponse>(volume_method, volumes));
    volumes.add_updates()->set_id("v");
    EXPECT_EQ(code_of(rogue.ask<pb::UpdateVolumeStatusResponse>(volume_method, volumes)),
              Errc::Unsupported);
}

TEST_F(RogueTest, nobody_registers_who_was_not_accepted_or_is_not_known) {
    pb::Node waiting;
    waiting.set_id("n3");
    world.change([&](Tx& tx) { tx.put(waiting); });
    EXPECT_EQ(code_of(Hand(world, "n3").register_node()), Errc::Forbidden);
    EXPECT_EQ(code_of(Hand(world, "n4").register_node()), Errc::NotFound);
    EXPECT_EQ(code_of(Hand(world, "", Role::None).register_node()), Errc::Forbidden);
    EXPECT_EQ(m1.dispatcher.sessions(), 0u);
}

TEST_F(RogueTest, a_description_without_end_is_refused) {
    Hand rogue(world, "n1");
    pb::SessionRequest request;
    request.mutable_description()->set_hostname(std::string(2 << 20, 'h'));
    rogue.session = rogue.open(session_method, request);
    EXPECT_EQ(code_of(rogue.read<pb::SessionMessage>(*rogue.session)), Errc::Invalid);
}

TEST_F(RogueTest, a_call_that_says_nothing_is_ended) {
    Hand rogue(world, "n1");
    auto call = rogue.channel->open(session_method);
    ASSERT_TRUE(call);
    const net::Until until(world.loop.in(60s));
    const auto begin = world.loop.now();
    EXPECT_FALSE(net::run_task(world.loop, (*call)->read(until)));
    EXPECT_LT(world.loop.now() - begin, 15s);
}

TEST_F(RogueTest, a_worker_may_not_read_logs) {
    Hand rogue(world, "n1");
    pb::SubscribeLogsRequest request;
    request.mutable_selector()->add_service_ids("web");
    const auto stream = rogue.open(logs_method, request);
    EXPECT_EQ(code_of(rogue.read<pb::SubscribeLogsMessage>(*stream)), Errc::Forbidden);
}

TEST_F(RogueTest, registrations_are_limited) {
    Hand stock(world, "n1");
    for (int i = 0; i < 3; ++i) { EXPECT_TRUE(stock.register_node(true)); }
    EXPECT_EQ(code_of(stock.register_node(true)), Errc::Unavailable);
    world.pass(8s);
    EXPECT_TRUE(stock.register_node(true));
    Hand own(world, "n2");
    int taken = 0;
    for (int i = 0; i < 50; ++i) { taken += own.register_node() ? 1 : 0; }
    EXPECT_EQ(taken, 20);
}

// Stock engines.

TEST_F(RogueTest, a_stock_engine_is_asked_every_five_seconds_and_missed_after_fifteen) {
    Hand stock(world, "n1");
    const auto id = stock.register_node(true);
    ASSERT_TRUE(id);
    const auto answer = stock.beat(*id);
    ASSERT_TRUE(answer);
    const auto period = from_duration(answer->period());
    EXPECT_GE(period, 4500ms);
    EXPECT_LE(period, 5500ms);
    const auto took =
        world.pass_until([&] { return world.node_state("n1") == pb::NodeStatus::DOWN; });
    EXPECT_GE(took, 14s);
    EXPECT_LE(took, 15s);
    EXPECT_EQ(code_of(stock.beat(*id)), Errc::NotFound);
}

TEST_F(RogueTest, a_stock_engine_hears_nothing_of_overlays_and_everything_else) {
    pb::Node node = *world.store.get<pb::Node>("n1");
    node.add_attachments()->add_addresses("10.0.0.2/24");
    world.change([&](Tx& tx) { tx.put(node); });
    Hand stock(world, "n1");
    ASSERT_TRUE(stock.register_node(true));
    EXPECT_EQ(stock.last.node().attachments_size(), 0);
    EXPECT_EQ(stock.last.node().id(), "n1");
    ASSERT_EQ(stock.last.managers_size(), 1);
    EXPECT_EQ(stock.last.managers(0).peer().addr(), "m1:2377");
    EXPECT_GT(stock.last.managers(0).weight(), 0);
    EXPECT_EQ(stock.last.rootca(), "root 1");
    Hand own(world, "n1");
    ASSERT_TRUE(own.register_node());
    EXPECT_EQ(own.last.node().attachments_size(), 1);
}

TEST_F(RogueTest, changes_for_a_stock_engine_are_collected_and_those_for_ours_go_at_once) {
    for (const bool stock : {true, false}) {
        Hand node(world, "n1");
        const auto id = node.register_node(stock);
        ASSERT_TRUE(id);
        const auto stream = node.follow(*id);
        ASSERT_TRUE(node.read<pb::AssignmentsMessage>(*stream));
        const auto begin = world.loop.now();
        const std::string prefix = stock ? "a" : "b";
        world.put_task(prefix + "1", "n1");
        world.pass(50ms);
        world.put_task(prefix + "2", "n1");
        const auto message = node.read<pb::AssignmentsMessage>(*stream);
        ASSERT_TRUE(message);
        EXPECT_EQ(message->changes_size(), stock ? 2 : 1);
        EXPECT_EQ(world.loop.now() - begin > 100ms, stock);
        EXPECT_EQ(message->applies_to(), "1");
    }
}

TEST_F(RogueTest, a_node_that_does_not_read_holds_no_memory) {
    Hand slow(world, "n1");
    const auto id = slow.register_node();
    ASSERT_TRUE(id);
    const auto stream = slow.follow(*id);
    world.pass(10ms);
    auto large = world.make_task("large", "n1");
    large.mutable_spec()->mutable_container()->set_dir(std::string(100'000, 'd'));
    for (int i = 0; i < 2000; ++i) { // 200 MB, were they kept
        large.set_slot(static_cast<std::uint64_t>(i));
        world.change([&](Tx& tx) { tx.put(large); });
        if (i % 50 == 0) {
            world.pass(1ms);
            (void)slow.beat(*id);
        }
    }
    std::size_t bytes = 0;
    std::uint64_t slot = 0;
    while (const auto message = slow.read<pb::AssignmentsMessage>(*stream)) {
        bytes += message->ByteSizeLong();
        slot = message->changes(message->changes_size() - 1).assignment().task().slot();
        (void)slow.beat(*id);
    }
    EXPECT_LT(bytes, 20u << 20);
    EXPECT_EQ(slot, 1999u);
}

/// A manager that a test writes line by line.
struct StockManager final : Transport {
    explicit StockManager(net::Loop& on) : loop(on), server(on), scope(on), next(on) {
        server.add(session_method,
                   [this](net::GrpcCall& call, net::Until until) { return session(call, until); });
        server.add(heartbeat_method, [this](net::GrpcCall& call, net::Until until) {
            return heartbeat(call, until);
        });
        server.add(status_method,
                   [this](net::GrpcCall& call, net::Until until) { return status(call, until); });
        server.add(assignments_method, [this](net::GrpcCall& call, net::Until until) {
            return assignments(call, until);
        });
    }
    net::Task<Result<net::StreamPtr>> connect(std::string, Trust, net::Until) override {
        auto [here, there] = net::make_pipe_pair(loop, "node", "manager", {}, {});
        scope.spawn(serve(std::move(there)));
        co_return std::move(here);
    }
    Result<void> listen(const std::string&) override { return internal("not used"); }
    void close() override {}
    net::Task<Result<Incoming>> accept(net::Until) override { co_return internal("not used"); }
    net::Task<void> serve(net::StreamPtr stream) {
        const net::Until until(scope.cancel());
        (void)co_await server.serve(std::move(stream), until);
    }
    net::Task<Result<void>> session(net::GrpcCall& call, net::Until until) {
        registrations.push_back(loop.now());
        if (refuses) { co_return internal("no"); }
        pb::SessionMessage message;
        message.set_session_id("s");
        auto bytes = print_message(message);
        CO_TRY(co_await call.write(std::move(bytes), until));
        co_await net::sleep(loop, until);
        co_return ok();
    }
    net::Task<Result<void>> heartbeat(net::GrpcCall& call, net::Until until) {
        pb::HeartbeatResponse answer;
        answer.mutable_period()->set_seconds(5);
        auto bytes = print_message(answer);
        co_return co_await call.write(std::move(bytes), until);
    }
    net::Task<Result<void>> status(net::GrpcCall& call, net::Until until) {
        co_return co_await call.write("", until);
    }
    net::Task<Result<void>> assignments(net::GrpcCall& call, net::Until until) {
        ++streams;
        for (const auto& message : script) {
            auto bytes = print_message(message);
            CO_TRY(co_await call.write(std::move(bytes), until));
        }
        co_await net::sleep(loop, until);
        co_return ok();
    }
    net::Loop& loop;
    net::GrpcServer server;
    net::TaskScope scope;
    net::Signal next;
    std::vector<Steady> registrations;
    bool refuses = false;
    int streams = 0;
    std::vector<pb::AssignmentsMessage> script;
};

struct StockTest : testing::Test {
    net::Loop loop{net::Loop::Time::Virtual};
    LoopClock clock{loop};
    SeededRandom random;
    StockManager manager{loop};
    ScriptedExecutor executor{loop};
    MapTaskMemory memory;
    std::unique_ptr<Agent> agent;
    std::optional<net::TaskScope> scope{loop};

    StockTest() {
        Agent::Settings settings;
        settings.session.node_id = "n1";
        settings.session.absence = 30s;
        const Agent::Parts parts{loop, clock, random, manager, executor, memory};
        agent = std::make_unique<Agent>(parts, Agent::Hooks{}, settings);
        agent->add_manager("m:2377");
        scope->spawn(run());
    }
    ~StockTest() override {
        net::run_task(loop, scope->close());
        net::run_task(loop, manager.scope.close());
    }
    net::Task<void> run() {
        const net::Until until(scope->cancel());
        (void)co_await agent->run(until);
    }
    void pass(std::chrono::nanoseconds span) { net::run_task(loop, wait(span)); }
    net::Task<void> wait(std::chrono::nanoseconds span) {
        co_await net::sleep(loop, net::Until(loop.in(span)));
    }
    static pb::AssignmentsMessage message(pb::AssignmentsMessage::Type type, std::string from,
                                          std::string to, const std::string& task) {
        pb::AssignmentsMessage made;
        made.set_type(type);
        made.set_applies_to(std::move(from));
        made.set_results_in(std::move(to));
        auto& one = *made.add_changes()->mutable_assignment()->mutable_task();
        one.set_id(task);
        one.set_desired_state(pb::RUNNING);
        one.mutable_status()->set_state(pb::ASSIGNED);
        return made;
    }
};

TEST_F(StockTest, a_stock_manager_never_sees_more_than_three_registrations_in_eight_seconds) {
    manager.refuses = true;
    pass(120s);
    const auto& times = manager.registrations;
    ASSERT_GT(times.size(), 10u);
    for (std::size_t i = 3; i < times.size(); ++i) { EXPECT_GT(times[i] - times[i - 3], 8s); }
}

TEST_F(StockTest, descriptions_that_keep_changing_stay_within_that_limit) {
    for (int i = 0; i < 200; ++i) {
        executor.description.set_hostname("h" + std::to_string(i));
        agent->describe_now();
        pass(200ms);
    }
    const auto& times = manager.registrations;
    ASSERT_GT(times.size(), 5u);
    for (std::size_t i = 3; i < times.size(); ++i) { EXPECT_GT(times[i] - times[i - 3], 8s); }
}

TEST_F(StockTest, logs_that_it_does_not_know_do_not_end_the_session) {
    pass(60s);
    EXPECT_EQ(manager.registrations.size(), 1u);
    EXPECT_TRUE(agent->state().in_session);
}

TEST_F(StockTest, after_a_gap_the_stream_is_opened_anew_and_is_right_again) {
    manager.script = {message(pb::AssignmentsMessage::COMPLETE, "", "1", "t1"),
                      message(pb::AssignmentsMessage::INCREMENTAL, "1", "2", "t2"),
                      message(pb::AssignmentsMessage::INCREMENTAL, "3", "4", "t3")};
    pass(150ms);
    EXPECT_GE(manager.streams, 2);
    EXPECT_TRUE(executor.programs.contains("t2"));
    EXPECT_FALSE(executor.programs.contains("t3"));
    manager.script[2].set_applies_to("2");
    pass(1s);
    EXPECT_TRUE(executor.programs.contains("t3"));
    EXPECT_EQ(manager.registrations.size(), 1u);
    const auto streams = manager.streams;
    pass(60s);
    EXPECT_EQ(manager.streams, streams);
}

} // namespace
} // namespace shoal::swarm
