// Who may call what on a manager: the table of docs/design/swarm.md, whole.
#include "swarm/manager/manager.h"

#include "swarm/store/fake_log.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

struct PlainSealer final : Sealer {
    std::string seal(std::string_view, std::string_view plain) override {
        return std::string(plain);
    }
    Result<std::string> open(std::string_view, std::string_view sealed) const override {
        return std::string(sealed);
    }
};

struct FixedClock final : Clock {
    Instant now() const override { return Instant(std::chrono::hours(1)); }
    Steady steady() const override { return {}; }
};

struct CountingRandom final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = ++last; }
    }
    std::uint8_t last = 0;
};

struct NoTransport final : Transport {
    net::Task<Result<net::StreamPtr>> connect(std::string, Trust, net::Until) override {
        co_return internal("not used");
    }
    Result<void> listen(const std::string&) override { return ok(); }
    void close() override {}
    net::Task<Result<Incoming>> accept(net::Until) override { co_return internal("not used"); }
};

struct ManagerTable : testing::Test {
    net::Loop loop{net::Loop::Time::Virtual};
    FixedClock clock;
    CountingRandom random;
    FakeCluster cluster{loop, random};
    std::unique_ptr<Log> log = cluster.log(cluster.bootstrap("m1", "https://10.0.0.1:2378"));
    PlainSealer sealer;
    NoTransport transport;
    Manager manager{ManagerSeams{loop, clock, random, *log, sealer,
                                 [] { return std::vector<mpb::DataKey>(); }, transport},
                    "m1", "c1"};
};

std::string printed(const RpcServer::Row& row) {
    const std::string where = row.where == Where::Leader ? "leader" : "anywhere";
    switch (row.allowed) {
    case Allowed::Everybody:
        return "everybody, " + where;
    case Allowed::Nodes:
        return "nodes, " + where;
    case Allowed::Managers:
        return "managers, " + where;
    }
    return "";
}

TEST_F(ManagerTable, says_who_may_call_what) {
    const std::map<std::string, std::string> wanted{
        {"/docker.swarmkit.v1.CA/GetRootCACertificate", "everybody, anywhere"},
        {"/docker.swarmkit.v1.CA/GetUnlockKey", "managers, leader"},
        {"/docker.swarmkit.v1.NodeCA/IssueNodeCertificate", "everybody, leader"},
        {"/docker.swarmkit.v1.NodeCA/NodeCertificateStatus", "everybody, leader"},
        {"/docker.swarmkit.v1.Dispatcher/Session", "nodes, leader"},
        {"/docker.swarmkit.v1.Dispatcher/Heartbeat", "nodes, leader"},
        {"/docker.swarmkit.v1.Dispatcher/Assignments", "nodes, leader"},
        {"/docker.swarmkit.v1.Dispatcher/Tasks", "nodes, leader"},
        {"/docker.swarmkit.v1.Dispatcher/UpdateTaskStatus", "nodes, leader"},
        {"/docker.swarmkit.v1.Dispatcher/UpdateVolumeStatus", "nodes, leader"},
        {"/docker.swarmkit.v1.LogBroker/ListenSubscriptions", "nodes, leader"},
        {"/docker.swarmkit.v1.LogBroker/PublishLogs", "nodes, leader"},
        {"/docker.swarmkit.v1.Logs/SubscribeLogs", "managers, leader"},
        {"/docker.swarmkit.v1.Health/Check", "managers, anywhere"},
        {"/docker.swarmkit.v1.ResourceAllocator/AttachNetwork", "nodes, leader"},
        {"/docker.swarmkit.v1.ResourceAllocator/DetachNetwork", "nodes, leader"},
        {"/shoal.swarm.v1.NetworkMap/Follow", "nodes, leader"},
        {"/shoal.swarm.v1.NetworkMap/Applied", "nodes, leader"},
        {"/shoal.swarm.v1.Managers/JoinStore", "managers, leader"},
        {"/shoal.swarm.v1.Managers/PromoteMember", "managers, leader"},
        {"/shoal.swarm.v1.Managers/Tunnel", "managers, leader"},
        {"/shoal.swarm.v1.Networks/Find", "nodes, anywhere"},
    };
    std::map<std::string, std::string> found;
    for (const auto& [method, row] : manager.server().rows()) { found[method] = printed(row); }
    EXPECT_EQ(found, wanted);
}

} // namespace
} // namespace shoal::swarm
