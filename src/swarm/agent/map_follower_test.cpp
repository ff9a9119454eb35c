// A node's part in the cluster's networks, with a manager that says what a test wants.
#include "swarm/agent/map_follower.h"

#include "swarm/agent/scripted_executor.h"

#include "net/pipe_pair.h"
#include "net/scope.h"
#include "swarm/rpc/server.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;

struct LoneRoute final : LeaderRoute {
    bool leads() const override { return true; }
    net::Task<Result<std::shared_ptr<Channel>>> leader(net::Until) override {
        co_return internal("it leads itself");
    }
    bool is_removed(const std::string&) const override { return false; }
    Role present_role(const std::string&) const override { return Role::Worker; }
    std::string cluster_id() const override { return "c"; }
};

struct MapFollowerTest : testing::Test, Transport {
    net::Loop loop{net::Loop::Time::Virtual};
    ScriptedExecutor executor{loop};
    LoneRoute route;
    RpcServer server{loop, route};
    net::Signal told{loop};
    std::deque<mpb::MapMessage> to_tell;
    std::size_t streams = 0;
    std::vector<mpb::MapAppliedRequest> answers;
    NetworkMap meant; ///< by the manager
    std::uint64_t generation = 0;
    std::optional<Result<void>> outcome;
    net::TaskScope scope{loop};

    net::Task<Result<net::StreamPtr>> connect(std::string, Trust, net::Until) override {
        auto [here, there] = net::make_pipe_pair(loop, "node", "manager", {}, {});
        const Caller caller{"n1", Role::Worker, "c", "10.0.0.1:1", false};
        scope.spawn(serve(Incoming{std::move(there), caller}));
        co_return std::move(here);
    }
    Result<void> listen(const std::string&) override { return ok(); }
    void close() override {}
    net::Task<Result<Incoming>> accept(net::Until) override { co_return internal("not used"); }
    net::Task<void> serve(Incoming incoming) {
        (void)co_await server.serve_one(std::move(incoming), net::Until(scope.cancel()));
    }

    void answer_calls() {
        server.add("/shoal.swarm.v1.NetworkMap/Follow", Allowed::Nodes, Where::Leader,
                   [this](net::GrpcCall& call, const Caller&, net::Until until) {
                       return follow(&call, until);
                   });
        server.add_unary<mpb::MapAppliedRequest, mpb::MapAppliedResponse>(
            "/shoal.swarm.v1.NetworkMap/Applied", Allowed::Nodes, Where::Leader,
            [this](mpb::MapAppliedRequest asked, Caller, net::Until) {
                return applied(std::move(asked));
            });
    }
    net::Task<Result<void>> follow(net::GrpcCall* call, net::Until until) {
        ++streams;
        for (;;) {
            while (!to_tell.empty()) {
                auto bytes = print_message(to_tell.front());
                to_tell.pop_front();
                CO_TRY(co_await call->write(std::move(bytes), until));
            }
            const auto wake = co_await told.wait(until);
            CO_TRY(net::to_result(wake, "follow"));
        }
    }
    net::Task<Result<mpb::MapAppliedResponse>> applied(mpb::MapAppliedRequest asked) {
        answers.push_back(std::move(asked));
        co_return mpb::MapAppliedResponse();
    }

    net::Task<void> run_follower() {
        const net::Until until(scope.cancel());
        auto channel = co_await Channel::connect(loop, *this, "m", Trust::Managers, until);
        MapFollower follower({loop, executor, **channel}, "s1", {});
        outcome = co_await follower.run(until);
    }
    void begin() { scope.spawn(run_follower()); }
    ~MapFollowerTest() override { net::run_task(loop, scope.close()); }
    void pass(std::chrono::nanoseconds span) { net::run_task(loop, wait(span)); }
    net::Task<void> wait(std::chrono::nanoseconds span) {
        co_await net::sleep(loop, net::Until(loop.in(span)));
    }

    enum class More { No, Yes };
    /// As the manager tells of nodes with these ids.
    mpb::MapMessage make(std::vector<std::string> ids, bool whole, More more = More::No) {
        mpb::MapMessage message;
        message.set_base(whole ? 0 : generation);
        message.set_generation(++generation);
        if (whole) { meant.clear(); }
        for (const auto& id : ids) {
            auto& change = *message.add_changes();
            change.set_key("node/" + id);
            change.mutable_item()->mutable_node()->set_id(id);
            meant.change(change);
        }
        message.set_more(more == More::Yes);
        if (more == More::Yes) { return message; }
        message.set_count(meant.count());
        message.set_digest(meant.digest());
        return message;
    }
    void tell(mpb::MapMessage message) {
        to_tell.push_back(std::move(message));
        told.raise();
    }
    bool agrees() const {
        return executor.network_map.count() == meant.count() &&
               executor.network_map.digest() == meant.digest();
    }
};

TEST_F(MapFollowerTest, what_is_told_is_made_true_and_confirmed) {
    answer_calls();
    begin();
    tell(make({"a", "b"}, true));
    pass(1s);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].session_id(), "s1");
    EXPECT_EQ(answers[0].generation(), generation);
    EXPECT_EQ(answers[0].problem(), "");
    EXPECT_TRUE(executor.applied[0].whole);
    tell(make({"c"}, false));
    pass(1s);
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_FALSE(executor.applied[1].whole);
    EXPECT_EQ(executor.applied[1].changed, std::vector<std::string>{"node/c"});
    EXPECT_TRUE(agrees());
    EXPECT_EQ(streams, 1u);
}

TEST_F(MapFollowerTest, pieces_that_belong_together_are_made_true_together) {
    answer_calls();
    begin();
    tell(make({"a"}, true, More::Yes));
    pass(1s);
    EXPECT_TRUE(executor.applied.empty());
    tell(make({"b"}, false));
    pass(1s);
    ASSERT_EQ(executor.applied.size(), 1u);
    EXPECT_EQ(executor.applied[0].count, 2u);
}

TEST_F(MapFollowerTest, what_came_meanwhile_is_made_true_at_once) {
    answer_calls();
    executor.apply_takes = 1s;
    begin();
    tell(make({"a"}, true));
    pass(500ms);
    for (int i = 0; i < 200; ++i) { tell(make({std::to_string(i)}, false)); }
    pass(5s);
    EXPECT_TRUE(agrees());
    EXPECT_LE(answers.size(), 6u);
    EXPECT_EQ(answers.back().generation(), generation);
}

TEST_F(MapFollowerTest, what_does_not_fit_is_asked_for_anew) {
    answer_calls();
    begin();
    tell(make({"a"}, true));
    pass(1s);
    auto lost = make({"b"}, false);
    tell(make({"c"}, false));
    pass(1s);
    EXPECT_EQ(streams, 2u);
    EXPECT_EQ(answers.size(), 1u);
    tell(make({"a", "b", "c"}, true));
    pass(1s);
    EXPECT_TRUE(agrees());
    EXPECT_TRUE(executor.applied.back().whole);
    auto wrong = make({"d"}, false);
    wrong.set_digest(wrong.digest() + 1);
    tell(wrong);
    pass(1s);
    EXPECT_EQ(streams, 3u);
    auto short_of_one = make({"e"}, true);
    short_of_one.set_count(2);
    tell(short_of_one);
    pass(1s);
    EXPECT_EQ(streams, 4u);
    EXPECT_EQ(answers.size(), 2u);
}

TEST_F(MapFollowerTest, a_failure_is_told_and_the_whole_is_tried_again) {
    answer_calls();
    begin();
    tell(make({"a"}, true));
    pass(1s);
    executor.apply_errors = {internal("no such device"), internal("no such device")};
    tell(make({"b"}, false));
    pass(100ms);
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[1].problem(), "no such device");
    pass(10s);
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers[3].problem(), "");
    EXPECT_EQ(answers[3].generation(), generation);
    EXPECT_TRUE(executor.applied.back().whole);
    EXPECT_TRUE(agrees());
}

TEST_F(MapFollowerTest, a_new_map_is_tried_at_once_after_failures) {
    answer_calls();
    begin();
    executor.apply_errors.assign(6, internal("no such device"));
    tell(make({"a"}, true));
    pass(20s); // the next attempt would be 11 seconds from here
    ASSERT_EQ(answers.size(), 6u);
    tell(make({"b"}, false, More::Yes));
    pass(1s);
    EXPECT_EQ(answers.size(), 6u) << "a part of one is none";
    tell(make({"c"}, false));
    pass(100ms);
    ASSERT_EQ(answers.size(), 7u);
    EXPECT_EQ(answers[6].generation(), generation);
    EXPECT_EQ(answers[6].problem(), "");
    EXPECT_TRUE(executor.applied.back().whole);
    EXPECT_TRUE(agrees());
}

TEST_F(MapFollowerTest, a_manager_that_knows_nothing_of_it_is_left_alone) {
    begin();
    pass(60s);
    EXPECT_FALSE(outcome) << "the session goes on";
}

} // namespace
} // namespace shoal::swarm
