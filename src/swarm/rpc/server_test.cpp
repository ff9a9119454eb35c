#include "swarm/rpc/server.h"

#include "net/pipe_pair.h"
#include "swarm/proto/dispatcher.pb.h"
#include "swarm/rpc/channel.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

namespace pb = docker::swarmkit::v1;
constexpr auto beat = "/docker.swarmkit.v1.Dispatcher/Heartbeat";
constexpr auto tasks = "/docker.swarmkit.v1.Dispatcher/Tasks";
constexpr auto open_to_all = "/docker.swarmkit.v1.NodeCA/IssueNodeCertificate";
constexpr auto secret = "/shoal.swarm.v1.Managers/PromoteMember";

/// One manager with its server; connections to it are pipes.
struct Manager : LeaderRoute, Transport {
    Manager(net::Loop& on, std::string id)
        : loop(on), name(std::move(id)), server(on, *this), scope(on) {
        server.add_unary<pb::HeartbeatRequest, pb::HeartbeatResponse>(
            beat, Allowed::Nodes, Where::Leader,
            [this](pb::HeartbeatRequest asked, Caller caller, net::Until) {
                return answer(asked, caller);
            });
        server.add(tasks, Allowed::Nodes, Where::Leader,
                   [this](net::GrpcCall& call, const Caller&, net::Until until) {
                       return count(call, until);
                   });
        server.add_unary<pb::HeartbeatRequest, pb::HeartbeatResponse>(
            open_to_all, Allowed::Everybody, Where::Leader,
            [this](pb::HeartbeatRequest asked, Caller caller, net::Until) {
                return answer(asked, caller);
            });
        server.add_unary<pb::HeartbeatRequest, pb::HeartbeatResponse>(
            secret, Allowed::Managers, Where::Anywhere,
            [this](pb::HeartbeatRequest asked, Caller caller, net::Until) {
                return answer(asked, caller);
            });
    }
    net::Task<Result<pb::HeartbeatResponse>> answer(pb::HeartbeatRequest, Caller caller) {
        last = caller;
        pb::HeartbeatResponse out;
        out.mutable_period()->set_seconds(5);
        co_return out;
    }
    /// Three messages, whatever was asked.
    net::Task<Result<void>> count(net::GrpcCall& call, net::Until until) {
        for (int i = 0; i < 3; ++i) { CO_TRY(co_await call.write(std::to_string(i), until)); }
        co_return ok();
    }

    bool leads() const override { return other == nullptr; }
    net::Task<Result<std::shared_ptr<Channel>>> leader(net::Until until) override {
        other->next_caller = Caller{name, Role::Manager, "c1", "10.0.0.9:1", expired};
        auto made = co_await Channel::connect(loop, *other, "leader", Trust::Managers, until);
        if (!made) { co_return made.error(); }
        co_return std::shared_ptr<Channel>(std::move(*made));
    }
    bool is_removed(const std::string& id) const override { return id == "gone"; }
    Role present_role(const std::string& id) const override {
        return id == "w1" || id == "demoted" ? Role::Worker : Role::Manager;
    }
    std::string cluster_id() const override { return "c1"; }

    net::Task<Result<net::StreamPtr>> connect(std::string, Trust, net::Until) override {
        auto [here, there] = net::make_pipe_pair(loop, "client", name, {}, {});
        scope.spawn(serve(Incoming{std::move(there), next_caller}));
        co_return std::move(here);
    }
    Result<void> listen(const std::string&) override { return ok(); }
    void close() override {}
    net::Task<Result<Incoming>> accept(net::Until) override { co_return internal("not used"); }
    net::Task<void> serve(Incoming incoming) {
        const net::Until until(scope.cancel());
        (void)co_await server.serve_one(std::move(incoming), until);
    }

    net::Loop& loop;
    std::string name;
    Manager* other = nullptr;
    bool expired = false; ///< its certificate, when it calls the leader
    RpcServer server;
    Caller next_caller;
    Caller last;
    net::TaskScope scope;
};

struct RpcTest : testing::Test {
    net::Loop loop{net::Loop::Time::Virtual};
    Manager leader{loop, "m1"};
    Manager follower{loop, "m2"};
    RpcTest() { follower.other = &leader; }

    Result<pb::HeartbeatResponse> ask(Manager& manager, Caller caller, std::string method = beat) {
        manager.next_caller = std::move(caller);
        return net::run_task(loop, call(&manager, std::move(method)));
    }
    net::Task<Result<pb::HeartbeatResponse>> call(Manager* manager, std::string method) {
        const net::Until until(loop.in(std::chrono::seconds(5)));
        CO_TRY_LET(channel, co_await Channel::connect(loop, *manager, "m", Trust::Managers, until));
        pb::HeartbeatRequest request;
        request.set_session_id("s");
        co_return co_await channel->call<pb::HeartbeatResponse>(method, request, until);
    }
    net::Task<Result<std::string>> stream(Manager* manager) {
        const net::Until until(loop.in(std::chrono::seconds(5)));
        CO_TRY_LET(channel, co_await Channel::connect(loop, *manager, "m", Trust::Managers, until));
        CO_TRY_LET(call, channel->open(tasks));
        CO_TRY(call->finish_writing());
        std::string all;
        for (;;) {
            CO_TRY_LET(message, co_await call->read(until));
            if (!message) { break; }
            all += *message;
        }
        co_return all;
    }
};

const Caller worker{"w1", Role::Worker, "c1", "10.0.0.1:5"};

TEST_F(RpcTest, a_worker_reaches_what_workers_may_call) {
    const auto answer = ask(leader, worker);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->period().seconds(), 5);
    EXPECT_EQ(leader.last.node_id, "w1");
}

TEST_F(RpcTest, a_worker_cannot_call_what_is_for_managers) {
    const auto answer = ask(leader, worker, secret);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, Errc::Forbidden);
    EXPECT_TRUE(ask(leader, Caller{"m3", Role::Manager, "c1", ""}, secret));
}

TEST_F(RpcTest, who_is_no_manager_any_more_is_refused_whatever_its_certificate_says) {
    const Caller demoted{"demoted", Role::Manager, "c1", ""};
    EXPECT_EQ(ask(leader, demoted, secret).error().code, Errc::Forbidden);
    EXPECT_TRUE(ask(leader, demoted));
    follower.name = "demoted"; // nor does it speak for others
    EXPECT_EQ(ask(follower, worker).error().code, Errc::Forbidden);
}

TEST_F(RpcTest, strangers_foreigners_and_removed_nodes_are_refused) {
    EXPECT_EQ(ask(leader, Caller{}).error().code, Errc::Forbidden);
    EXPECT_EQ(ask(leader, Caller{"w1", Role::Worker, "other", ""}).error().code, Errc::Forbidden);
    EXPECT_EQ(ask(leader, Caller{"gone", Role::Worker, "c1", ""}).error().code, Errc::Forbidden);
}

TEST_F(RpcTest, a_follower_passes_a_call_on_with_the_callers_name) {
    const auto answer = ask(follower, worker);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(leader.last.node_id, "w1");
    EXPECT_EQ(leader.last.role, Role::Worker);
    EXPECT_EQ(leader.last.address, "10.0.0.1:5");
}

TEST_F(RpcTest, a_removed_node_is_refused_behind_a_follower_too) {
    EXPECT_EQ(ask(follower, Caller{"gone", Role::Worker, "c1", ""}).error().code, Errc::Forbidden);
}

TEST_F(RpcTest, an_expired_certificate_is_good_for_what_strangers_may_call_only) {
    Caller late = worker;
    late.expired = true;
    EXPECT_EQ(ask(leader, late).error().code, Errc::Forbidden);
    EXPECT_EQ(ask(follower, late).error().code, Errc::Forbidden);
    for (Manager* manager : {&leader, &follower}) {
        ASSERT_TRUE(ask(*manager, late, open_to_all));
        EXPECT_EQ(leader.last.node_id, "w1");
        EXPECT_TRUE(leader.last.expired);
    }
    follower.expired = true;
    EXPECT_EQ(ask(follower, worker).error().code, Errc::Forbidden);
}

TEST_F(RpcTest, a_follower_passes_a_stream_on) {
    const auto all = net::run_task(loop, stream([this] {
                                       follower.next_caller = worker;
                                       return &follower;
                                   }()));
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_EQ(*all, "012");
}

} // namespace
} // namespace shoal::swarm
