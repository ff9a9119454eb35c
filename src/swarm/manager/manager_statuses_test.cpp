#include "swarm/manager/manager_statuses.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

pb::Node manager(const std::string& id, pb::NodeStatus::State agent,
                 pb::RaftMemberStatus::Reachability reachability) {
    pb::Node node;
    node.set_id(id);
    node.set_role(pb::MANAGER);
    node.mutable_status()->set_state(agent);
    node.mutable_manager_status()->set_addr("10.0.0.1:2377");
    node.mutable_manager_status()->set_reachability(reachability);
    return node;
}

struct CountingRandom final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = ++last; }
    }
    std::uint8_t last = 0;
};

TEST(ManagerStatuses, an_agent_says_nothing_about_its_manager) {
    using Status = pb::RaftMemberStatus;
    Store store;
    CountingRandom random;
    Tx tx(store, Instant(std::chrono::hours(1)), random);
    tx.put(manager("leads", pb::NodeStatus::DOWN, Status::UNKNOWN));
    tx.put(manager("away", pb::NodeStatus::READY, Status::UNREACHABLE));
    tx.put(manager("agent-away", pb::NodeStatus::DOWN, Status::REACHABLE));
    ManagerStatuses statuses("leads");
    statuses.rebuild(store);
    (void)statuses.run(tx);
    const auto status_of = [&](const char* id) {
        return store.get<pb::Node>(id)->manager_status();
    };
    EXPECT_TRUE(status_of("leads").leader());
    EXPECT_EQ(status_of("leads").reachability(), Status::REACHABLE);
    EXPECT_EQ(status_of("away").reachability(), Status::UNREACHABLE);
    EXPECT_EQ(status_of("agent-away").reachability(), Status::REACHABLE);
}

} // namespace
} // namespace shoal::swarm
