#include "network/mesh_rules.h"

#include "network/overlay_rules.h"
#include "os/netns.h"
#include "os/nft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::network {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

Ip ip(const char* text) { return *Ip::parse(text); }

MeshPlan sample_plan() {
    MeshPlan plan;
    plan.table = "t";
    plan.link = "m0";
    plan.gateway = "gw";
    plan.gateway_subnets = {*Subnet::parse("172.18.0.0/16"), *Subnet::parse("fd18::/64")};
    plan.vni = 7;
    plan.local = ip("10.99.0.1");
    plan.self = 1;
    plan.task_prefix6 = *Subnet::parse("fd5b::/96");
    return plan;
}

MeshState sample_state(std::size_t tasks) {
    MeshState state;
    state.nodes[2] = {ip("10.99.0.2"), {ip("10.99.0.2"), ip("fd99::2")}};
    state.local[ip("10.0.0.1")] = {ip("172.18.0.2"), ip("fd18::2"), {{Protocol::Tcp, 80}}};
    MeshBalance balance{80, {}, false};
    for (std::size_t i = 0; i < tasks; ++i) {
        balance.tasks.push_back(ip("10.0.0.1").plus(static_cast<std::int64_t>(i)));
        if (i > 0) { state.remote[balance.tasks.back()] = 2; }
    }
    state.ports[{Protocol::Tcp, 8080}] = balance;
    return state;
}

std::set<std::string> facts(const MeshState& state) {
    return mesh_facts(sample_plan(), state, MeshReplies::RulePerNode, mesh_chains(state));
}

TEST(MeshRules, a_port_leads_to_its_tasks_those_here_at_their_own_address) {
    const auto all = facts(sample_state(2));
    EXPECT_THAT(all, Contains("element tcp4 8080 . 0 : 172.18.0.2 . 80"));
    EXPECT_THAT(all, Contains("element tcp4 8080 . 1 : 10.0.0.2 . 80"));
    EXPECT_THAT(all, Contains("element tcp6 8080 . 0 : fd18::2 . 80"));
    EXPECT_THAT(all, Contains("element tcp6 8080 . 1 : fd5b::a00:2 . 80"));
    EXPECT_THAT(all, Contains("element ports tcp . 8080 : goto tcp_8080_2"));
    EXPECT_THAT(all, Contains("element tasks4 10.0.0.1 . tcp . 80 : 172.18.0.2"));
}

TEST(MeshRules, tasks_of_which_nobody_said_where_they_are_get_nothing) {
    auto state = sample_state(2);
    state.remote.clear();
    EXPECT_THAT(facts(state), Contains("element ports tcp . 8080 : goto tcp_8080_1"));
    state.local.clear();
    EXPECT_THAT(facts(state), Contains("element refused tcp . 8080"));
}

TEST(MeshRules, one_task_more_is_a_few_elements_once_both_chains_are_there) {
    const auto plan = sample_plan();
    const auto two = sample_state(2), three = sample_state(3);
    auto chains = mesh_chains(two);
    const auto first = render_mesh_change(plan, {two, three}, MeshReplies::RulePerNode, chains);
    EXPECT_THAT(first, HasSubstr("add chain inet t tcp_8080_3"));
    EXPECT_THAT(first, Not(HasSubstr("tcp4 { 8080 . 0"))) << "that one did not change";
    (void)render_mesh_change(plan, {three, two}, MeshReplies::RulePerNode, chains);
    const auto again = render_mesh_change(plan, {two, three}, MeshReplies::RulePerNode, chains);
    EXPECT_THAT(again, Not(HasSubstr("chain inet")));
    EXPECT_THAT(again, HasSubstr("add element inet t ports { tcp . 8080 : goto tcp_8080_3 }"));
    EXPECT_THAT(render_mesh_change(plan, {three, three}, MeshReplies::RulePerNode, chains),
                IsEmpty());
}

TEST(MeshRules, chains_of_a_port_do_not_pile_up_and_go_with_it) {
    const auto plan = sample_plan();
    MeshState before;
    MeshChains chains;
    for (std::size_t tasks = 1; tasks < 20; ++tasks) {
        const auto after = sample_state(tasks);
        (void)render_mesh_change(plan, {before, after}, MeshReplies::RulePerNode, chains);
        before = after;
    }
    EXPECT_LE(chains.size(), 4u);
    (void)render_mesh_change(plan, {before, {}}, MeshReplies::RulePerNode, chains);
    EXPECT_THAT(chains, IsEmpty());
}

std::map<std::string, std::string> slots_of(const MeshState& state) {
    std::map<std::string, std::string> slots;
    for (const auto& fact : facts(state)) {
        const auto at = fact.find(" : ");
        if (fact.starts_with("element tcp4")) { slots[fact.substr(0, at)] = fact.substr(at + 3); }
    }
    return slots;
}

TEST(MeshRules, by_client_a_task_that_goes_moves_its_own_slots_only) {
    auto state = sample_state(5);
    auto& balance = state.ports.begin()->second;
    balance.by_client = true;
    const auto before = slots_of(state);
    ASSERT_EQ(before.size(), client_slots);
    std::map<std::string, int> share;
    for (const auto& [slot, task] : before) { ++share[task]; }
    EXPECT_EQ(share.size(), 5u) << "each has some";
    balance.tasks.erase(balance.tasks.begin() + 2);
    for (const auto& [slot, task] : slots_of(state)) {
        if (before.at(slot) != "10.0.0.3 . 80") { EXPECT_EQ(task, before.at(slot)); }
        EXPECT_NE(task, "10.0.0.3 . 80");
    }
}

TEST(MeshRules, the_kernel_takes_them_and_says_what_they_were) {
    const auto plan = sample_plan();
    auto netns = os::create_anonymous_netns();
    ASSERT_TRUE(netns);
    const auto done = os::run_in_netns(*netns, [&]() -> Result<void> {
        TRY_LET(nft, os::Nft::open());
        auto state = sample_state(3);
        state.ports[{Protocol::Sctp, 9000}] = {90, {ip("10.0.0.2")}, true};
        state.ports[{Protocol::Udp, 9000}] = {90, {}, false};
        TRY(nft.apply(render_mesh(plan, state, MeshReplies::RulePerNode)));
        auto chains = mesh_chains(state);
        auto after = state;
        after.ports[{Protocol::Udp, 9000}].tasks = {ip("10.0.0.1")};
        after.ports.erase({Protocol::Tcp, 8080});
        TRY(nft.apply(render_mesh_change(plan, {state, after}, MeshReplies::RulePerNode, chains)));
        TRY_LET(json, nft.query("list table inet t", os::Nft::Form::Json));
        TRY_LET(read, parse_mesh_facts(json));
        EXPECT_EQ(read, mesh_facts(plan, after, MeshReplies::RulePerNode, chains));
        return ok();
    });
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
}

} // namespace
} // namespace shoal::network
