// Logs from tasks to clients, through real agents.
#include "world.h"

namespace shoal::swarm {
namespace {

constexpr auto listen_method = "/docker.swarmkit.v1.LogBroker/ListenSubscriptions";
constexpr auto publish_method = "/docker.swarmkit.v1.LogBroker/PublishLogs";

/// One who reads logs.
struct Reader {
    explicit Reader(World& of) : world(of), scope(of.loop) {}
    void ask(pb::LogSelector selector, pb::LogSubscriptionOptions options = {}) {
        scope.spawn(run(std::move(selector), std::move(options)));
    }
    net::Task<void> run(pb::LogSelector selector, pb::LogSubscriptionOptions options) {
        const net::Until until(stop);
        LogBroker::Take take = [this](pb::SubscribeLogsMessage message) {
            return read(std::move(message));
        };
        outcome = co_await world.leader->broker.subscribe(std::move(selector), std::move(options),
                                                          std::move(take), until);
    }
    net::Task<Result<void>> read(pb::SubscribeLogsMessage message) {
        while (slow) { co_await net::sleep(world.loop, net::Until(world.loop.in(10ms))); }
        for (const auto& line : message.messages()) {
            lines.push_back(line.context().task_id() + ": " + line.data());
        }
        co_return ok();
    }
    World& world;
    net::Cancel stop;
    bool slow = false;
    std::vector<std::string> lines;
    std::optional<Result<void>> outcome;
    net::TaskScope scope;
};

struct LogTest : testing::Test {
    World world;
    WorldManager& m1 = world.add_manager("m1");
    std::optional<Reader> reader;

    LogTest() {
        world.lead(&m1);
        for (const auto* id : {"n1", "n2"}) { world.add_node(id).start(); }
        world.pass_until([&] { return world.ready("n1") && world.ready("n2"); });
        reader.emplace(world);
    }
    ~LogTest() override {
        reader->slow = false;
        reader->stop.cancel();
        net::run_task(world.loop, reader->scope.close());
    }
    void run_task(const std::string& id, const std::string& node,
                  const std::vector<std::string>& lines) {
        world.put_task(id, node);
        world.pass_until([&] { return world.state_of(id) == pb::RUNNING; });
        world.nodes[node]->executor.program_of(id).log = lines;
    }
    void say(const std::string& id, const std::string& node, const std::string& line) {
        world.nodes[node]->executor.program_of(id).log.push_back(line);
    }
    static pb::LogSelector service(const std::string& id) {
        pb::LogSelector selector;
        selector.add_service_ids(id);
        return selector;
    }
    static pb::LogSubscriptionOptions follow() {
        pb::LogSubscriptionOptions options;
        options.set_follow(true);
        return options;
    }
};
using Lines = std::vector<std::string>;

TEST_F(LogTest, all_lines_of_all_tasks_come_and_then_the_end) {
    run_task("t1", "n1", {"a", "b"});
    run_task("t2", "n2", {"c"});
    reader->ask(service("web"));
    world.pass(1s);
    ASSERT_TRUE(reader->outcome);
    EXPECT_TRUE(*reader->outcome);
    auto lines = reader->lines;
    std::sort(lines.begin(), lines.end());
    EXPECT_EQ(lines, (Lines{"t1: a", "t1: b", "t2: c"}));
    EXPECT_EQ(m1.broker.subscriptions(), 0u);
}

TEST_F(LogTest, one_task_can_be_asked_for) {
    run_task("t1", "n1", {"a"});
    run_task("t2", "n1", {"b"});
    pb::LogSelector selector;
    selector.add_task_ids("t2");
    reader->ask(selector);
    world.pass(1s);
    EXPECT_EQ(reader->lines, (Lines{"t2: b"}));
}

TEST_F(LogTest, following_goes_on_and_takes_up_new_tasks) {
    run_task("t1", "n1", {"a"});
    reader->ask(service("web"), follow());
    world.pass(1s);
    EXPECT_EQ(reader->lines, (Lines{"t1: a"}));
    say("t1", "n1", "b");
    world.pass(1s);
    run_task("t2", "n2", {"c"}); // on a node that had none
    world.pass(1s);
    run_task("t3", "n2", {"d"});
    world.pass(1s);
    EXPECT_EQ(reader->lines, (Lines{"t1: a", "t1: b", "t2: c", "t3: d"}));
    EXPECT_FALSE(reader->outcome);
    reader->stop.cancel();
    world.pass(100ms);
    ASSERT_TRUE(reader->outcome);
    say("t1", "n1", "e");
    world.pass(1s);
    EXPECT_EQ(reader->lines.size(), 4u);
    EXPECT_EQ(m1.broker.subscriptions(), 0u);
}

TEST_F(LogTest, what_is_missing_is_said_in_the_end) {
    run_task("t1", "n1", {"a"});
    run_task("t2", "n2", {"b"});
    world.nodes["n2"]->kill();
    world.pass(10ms);
    reader->ask(service("web"));
    world.pass(1s);
    EXPECT_EQ(reader->lines, (Lines{"t1: a"}));
    ASSERT_TRUE(reader->outcome && !*reader->outcome);
    EXPECT_EQ(reader->outcome->error().message,
              "warning: incomplete log stream. some logs could not be retrieved for the following "
              "reasons: node n2 is not available");
}

TEST_F(LogTest, a_node_that_dies_meanwhile_does_not_keep_the_client) {
    std::vector<std::string> many(2000, std::string(1000, 'x'));
    run_task("t1", "n1", many);
    reader->slow = true;
    reader->ask(service("web"));
    world.pass(100ms);
    world.nodes["n1"]->kill();
    world.pass(10ms);
    reader->slow = false;
    world.pass(10s);
    ASSERT_TRUE(reader->outcome && !*reader->outcome);
    EXPECT_NE(reader->outcome->error().message.find("node n1 disconnected unexpectedly"),
              std::string::npos);
}

TEST_F(LogTest, a_slow_reader_makes_the_node_wait_and_loses_nothing) {
    std::vector<std::string> many;
    for (int i = 0; i < 5000; ++i) { many.push_back(std::to_string(i) + std::string(1000, 'x')); }
    run_task("t1", "n1", many);
    reader->slow = true;
    reader->ask(service("web"));
    world.pass(10s);
    EXPECT_TRUE(reader->lines.empty());
    reader->slow = false;
    world.pass(10s);
    ASSERT_EQ(reader->lines.size(), 5000u);
    EXPECT_EQ(reader->lines[4999], "t1: " + many[4999]);
    EXPECT_TRUE(reader->outcome && *reader->outcome);
}

TEST_F(LogTest, a_change_of_leaders_ends_the_stream_with_a_reason) {
    run_task("t1", "n1", {"a"});
    reader->ask(service("web"), follow());
    world.pass(1s);
    world.lead(nullptr);
    world.pass(1s);
    ASSERT_TRUE(reader->outcome && !*reader->outcome);
    EXPECT_EQ(reader->outcome->error().code, Errc::Unavailable);
}

TEST_F(LogTest, nothing_selected_is_refused_and_nothing_found_is_an_empty_log) {
    reader->ask({});
    world.pass(100ms);
    ASSERT_TRUE(reader->outcome && !*reader->outcome);
    EXPECT_EQ(reader->outcome->error().code, Errc::Invalid);
    reader->outcome.reset();
    reader->ask(service("other"));
    world.pass(100ms);
    EXPECT_TRUE(reader->outcome && *reader->outcome);
}

TEST_F(LogTest, a_node_publishes_lines_of_its_own_tasks_only) {
    run_task("t1", "n1", {});
    run_task("t2", "n2", {});
    world.nodes["n1"]->kill();
    WorldTransport transport(world, Caller{"n1", Role::Worker, "c1", "10.6.6.6:1", false});
    const net::Until until(world.loop.in(60s));
    auto made = net::run_task(
        world.loop, Channel::connect(world.loop, transport, m1.address, Trust::Managers, until));
    ASSERT_TRUE(made);
    auto listen = (*made)->open(listen_method);
    ASSERT_TRUE(listen);
    ASSERT_TRUE(net::run_task(world.loop, (*listen)->write("", until)));
    ASSERT_TRUE((*listen)->finish_writing());
    world.pass(10ms);
    const auto publish = [&](const std::string& subscription, const std::string& node,
                             const std::string& task) {
        auto call = (*made)->open(publish_method);
        pb::PublishLogsMessage message;
        message.set_subscription_id(subscription);
        auto& line = *message.add_messages();
        line.set_data("forged");
        line.mutable_context()->set_node_id(node);
        line.mutable_context()->set_task_id(task);
        line.mutable_context()->set_service_id("web");
        message.set_close(true);
        (void)net::run_task(world.loop, (*call)->write(print_message(message), until));
        (void)(*call)->finish_writing();
        auto answer = net::run_task(world.loop, (*call)->read_only_message(until));
        return answer ? Errc::NotModified : answer.error().code;
    };
    EXPECT_EQ(publish("nowhere", "n1", "t1"), Errc::NotFound);
    for (const auto& [node, task] : {std::pair{"n2", "t2"}, std::pair{"n1", "t2"}}) {
        reader->lines.clear();
        reader->ask(service("web"));
        auto asked = net::run_task(world.loop, (*listen)->read(until));
        ASSERT_TRUE(asked && asked->has_value());
        pb::SubscriptionMessage message;
        ASSERT_TRUE(message.ParseFromString(**asked));
        EXPECT_EQ(publish(message.id(), node, task), Errc::Forbidden);
        world.pass(1s);
        EXPECT_TRUE(reader->lines.empty());
    }
    // Asked about n2 only, n1 has nothing to say.
    pb::LogSelector other;
    other.add_task_ids("t2");
    world.nodes["n2"]->executor.program_of("t2").log = {"real"};
    reader->ask(other, follow());
    world.pass(1s);
    EXPECT_EQ(reader->lines, (Lines{"t2: real"}));
}

TEST(LogTail, counts_from_minus_one_down) {
    EXPECT_EQ(encode_tail(0), -1);
    EXPECT_EQ(encode_tail(10), -11);
    EXPECT_EQ(encode_tail(UINT64_MAX), INT64_MIN + 1 + 0);
}

} // namespace
} // namespace shoal::swarm
