#include "api/swarm_calls.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

using swarm::LocalState;
using swarm::Standing;

std::string refused(LocalState state, bool manager = false, bool expired = false) {
    Standing standing;
    standing.state = state;
    standing.manager = manager;
    standing.certificates_expired = expired;
    const auto checked = check_manager(standing);
    if (checked) { return ""; }
    EXPECT_EQ(checked.error().code, Errc::Unavailable);
    return checked.error().message;
}

TEST(CheckManager, says_what_clients_look_for) {
    EXPECT_EQ(refused(LocalState::Active, true), "");
    EXPECT_EQ(
        refused(LocalState::Inactive),
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" "
        "to connect this node to swarm and try again.");
    EXPECT_TRUE(refused(LocalState::Active)
                    .starts_with("This node is not a swarm manager. Worker nodes can't be used"));
    EXPECT_TRUE(refused(LocalState::Pending).starts_with("This node is not a swarm manager."));
    EXPECT_TRUE(
        refused(LocalState::Locked).starts_with("Swarm is encrypted and needs to be unlocked"));
    EXPECT_TRUE(
        refused(LocalState::Error, false, true).starts_with("Swarm certificates have expired"));
}

} // namespace
} // namespace shoal::api
