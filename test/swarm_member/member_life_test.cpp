// Members over long times and after bad ones: certificates that ran out while nobody looked,
// removal, a forced new cluster. On simulated machines, in virtual time.
#include "world.h"

#include "net/sleep.h"
#include "os/file.h"
#include "swarm/ca/authority.h"
#include "swarm/ca/token.h"
#include "swarm/manager/control/nodes.h"

#include <gtest/gtest.h>

namespace shoal::sim {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr hours day{24};

struct MemberLife : testing::Test {
    ~MemberLife() override {
        if (!HasFailure() || !world) { return; }
        for (const auto& line : world->lines) { std::puts(line.c_str()); }
    }
    void make(std::size_t machines) { world = std::make_unique<World>(7, machines); }
    void pass(nanoseconds span) {
        for (std::size_t i = 0; i < world->size(); ++i) { world->at(i).clock.skew += span; }
    }
    bool has_good_certificate(std::size_t index) const {
        Machine& machine = world->at(index);
        return machine.up() && machine.member->state() == MemberState::Active &&
               !machine.member->certificate_has_expired();
    }
    /// Who leads says so of a node.
    NodePtr node_of(std::size_t index) const {
        Manager* const manager = world->leader();
        if (manager == nullptr || !world->at(index).up()) { return nullptr; }
        return manager->store().get<pb::Node>(world->at(index).member->node_id());
    }
    bool is_ready(std::size_t index) const {
        const auto node = node_of(index);
        return node && node->status().state() == pb::NodeStatus::READY;
    }
    /// All are here, with certificates that are good, and whose end the cluster knows.
    bool is_whole() const {
        for (std::size_t i = 0; i < world->size(); ++i) {
            if (!has_good_certificate(i) || !is_ready(i)) { return false; }
            const auto end = certificate_end(*node_of(i));
            if (!end || *end < world->at(i).clock.now()) { return false; }
        }
        return true;
    }
    bool is_worker(std::size_t index) const {
        const auto node = node_of(index);
        Machine& machine = world->at(index);
        return node && node->role() == pb::WORKER && !machine.member->is_manager() &&
               !machine.log_host.has_data() && is_ready(index);
    }
    std::unique_ptr<World> world;
};

net::Task<bool> form(World* world, std::size_t managers) {
    const auto formed = co_await world->form(managers);
    EXPECT_TRUE(formed) << formed.error().message;
    co_return formed.has_value();
}

net::Task<bool> submit(World* world, Mutation mutation) {
    Manager* const manager = world->leader();
    if (manager == nullptr) { co_return false; }
    const net::Until limit(world->loop.in(seconds(10)));
    const auto outcome = co_await manager->writer().submit(std::move(mutation), limit);
    EXPECT_TRUE(outcome) << outcome.error().message;
    co_return outcome.has_value();
}

/// Its wishes for a node, as an operator has them.
Mutation wish(std::string id, pb::NodeRole role) {
    return [id, role](Tx& tx) -> Result<void> {
        const auto held = tx.store().get<pb::Node>(id);
        auto spec = held->spec();
        spec.set_desired_role(role);
        TRY(update_node(tx, id, held->meta().version().index(), std::move(spec)));
        return ok();
    };
}

net::Task<void> founded(MemberLife* test, bool* done) {
    const bool formed = co_await form(test->world.get(), 1);
    EXPECT_TRUE(formed);
    EXPECT_TRUE(test->is_ready(0));
    *done = true;
}

TEST_F(MemberLife, a_cluster_is_made_when_its_first_node_is_ready) {
    make(1);
    bool done = false;
    net::run_task(world->loop, founded(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> worker_sleeps(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 1);
    if (!formed) { co_return; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came_1 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_1);
    world->at(1).power_cut();
    test->pass(100 * day);
    // The manager was there all the time, and renews at the jump.
    const auto first = [test] { return test->has_good_certificate(0); };
    const bool came_2 = co_await world->until(first, seconds(60));
    EXPECT_TRUE(came_2);
    world->at(1).start();
    const bool came_3 = co_await world->until(whole, seconds(90));
    EXPECT_TRUE(came_3);
    *done = true;
}

TEST_F(MemberLife, a_worker_whose_certificate_ran_out_while_it_was_off_comes_back) {
    make(2);
    bool done = false;
    net::run_task(world->loop, worker_sleeps(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> all_sleep(MemberLife* test, std::size_t managers, nanoseconds span, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, managers);
    if (!formed) { co_return; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came_1 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_1);
    for (std::size_t i = 0; i < world->size(); ++i) { world->at(i).power_cut(); }
    test->pass(span);
    for (std::size_t i = 0; i < world->size(); ++i) { world->at(i).start(); }
    const bool came_2 = co_await world->until(whole, seconds(180));
    EXPECT_TRUE(came_2);
    *done = true;
}

TEST_F(MemberLife, the_only_manager_renews_itself) {
    make(1);
    bool done = false;
    net::run_task(world->loop, all_sleep(this, 1, 400 * day, &done));
    EXPECT_TRUE(done);
}

TEST_F(MemberLife, managers_heal_however_long_all_of_them_were_off) {
    make(3);
    bool done = false;
    net::run_task(world->loop, all_sleep(this, 3, 400 * day, &done));
    EXPECT_TRUE(done);
}

TEST_F(MemberLife, a_cluster_that_was_off_for_months_heals_with_its_workers) {
    make(5);
    bool done = false;
    net::run_task(world->loop, all_sleep(this, 3, 100 * day, &done));
    EXPECT_TRUE(done);
}

net::Task<void> demoted_while_off(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 3);
    if (!formed) { co_return; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came_1 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_1);
    const std::string id = world->at(2).member->node_id();
    world->at(2).power_cut();
    const auto leads = [world] { return world->leader() != nullptr; };
    const bool came_2 = co_await world->until(leads, seconds(60));
    EXPECT_TRUE(came_2);
    const Mutation demote = wish(id, pb::WORKER);
    const bool came_3 = co_await submit(world, demote);
    EXPECT_TRUE(came_3);
    const auto demoted = [world, id] {
        Manager* const manager = world->leader();
        return manager != nullptr && manager->store().get<pb::Node>(id)->role() == pb::WORKER;
    };
    const bool came_4 = co_await world->until(demoted, seconds(60));
    EXPECT_TRUE(came_4);
    world->at(2).start();
    const auto worker = [test] { return test->is_worker(2); };
    const bool came_5 = co_await world->until(worker, seconds(90));
    EXPECT_TRUE(came_5);
    const Mutation promote = wish(id, pb::MANAGER);
    const bool came_6 = co_await submit(world, promote);
    EXPECT_TRUE(came_6);
    const auto again = [world] {
        return world->at(2).member->is_manager() &&
               world->at(2).member->manager()->when_loaded().is_set();
    };
    const bool came_7 = co_await world->until(again, seconds(90));
    EXPECT_TRUE(came_7);
    *done = true;
}

TEST_F(MemberLife, a_manager_demoted_while_it_was_off_comes_back_as_a_worker) {
    make(3);
    bool done = false;
    net::run_task(world->loop, demoted_while_off(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> lost_its_member(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 3);
    if (!formed) { co_return; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came_1 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_1);
    std::size_t victim = 0;
    while (&world->at(victim) == world->leading_machine()) { ++victim; }
    const std::string member = world->at(victim).log_host.member();
    const std::string leading = world->leading_machine()->log_host.member();
    const auto log = world->log->log(leading);
    const net::Until limit(world->loop.in(seconds(10)));
    const auto removed = co_await log->remove(member, limit);
    EXPECT_TRUE(removed) << removed.error().message;
    const auto back = [world, victim, member] {
        Machine& machine = world->at(victim);
        return machine.member->is_manager() && machine.log_host.member() != member &&
               machine.member->manager()->when_loaded().is_set();
    };
    const bool came_2 = co_await world->until(back, seconds(90));
    EXPECT_TRUE(came_2);
    const bool came_3 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_3);
    *done = true;
}

TEST_F(MemberLife, a_manager_that_lost_its_member_of_the_log_joins_it_anew) {
    make(3);
    bool done = false;
    net::run_task(world->loop, lost_its_member(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> forced(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 3);
    if (!formed) { co_return; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came_1 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_1);
    const auto before = world->leader()->store().cluster();
    world->at(1).power_cut();
    world->at(2).power_cut();
    MemberInit request;
    request.listen_address = "0.0.0.0:2377";
    request.advertise_address = world->at(0).address();
    request.force_new_cluster = true;
    const net::Until limit(world->loop.in(seconds(60)));
    const auto made = co_await world->at(0).member->init(std::move(request), limit);
    EXPECT_TRUE(made) << made.error().message;
    if (!made) { co_return; }
    EXPECT_EQ(world->at(0).member->state(), MemberState::Active);
    EXPECT_TRUE(test->is_ready(0));
    const auto after = world->at(0).member->manager()->store().cluster();
    EXPECT_EQ(after->root_ca().ca_cert(), before->root_ca().ca_cert());
    EXPECT_EQ(after->root_ca().join_tokens().worker(), before->root_ca().join_tokens().worker());
    world->at(1).start();
    world->at(2).start();
    const auto workers = [test] { return test->is_worker(1) && test->is_worker(2); };
    const bool came_2 = co_await world->until(workers, seconds(120));
    EXPECT_TRUE(came_2);
    *done = true;
}

TEST_F(MemberLife, after_a_forced_new_cluster_the_other_managers_come_as_workers) {
    make(3);
    bool done = false;
    net::run_task(world->loop, forced(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> log_cut_off(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 3);
    if (!formed) { co_return; }
    const auto reach = [test](std::size_t index) {
        const auto node = test->node_of(index);
        return node ? node->manager_status().reachability() : pb::RaftMemberStatus::UNKNOWN;
    };
    const auto all_reached = [reach] {
        for (std::size_t i = 0; i < 3; ++i) {
            if (reach(i) != pb::RaftMemberStatus::REACHABLE) { return false; }
        }
        return true;
    };
    const bool came_1 = co_await world->until(all_reached, seconds(30));
    EXPECT_TRUE(came_1);
    std::size_t away = 0;
    while (world->leading_machine() == &world->at(away)) { ++away; }
    for (std::size_t i = 0; i < 3; ++i) {
        if (i == away) { continue; }
        world->cut(world->at(i), world->at(away), false, true);
        world->cut(world->at(away), world->at(i), false, true);
    }
    const auto seen = [test, reach, away] {
        return reach(away) == pb::RaftMemberStatus::UNREACHABLE && test->is_ready(away);
    };
    const bool came_2 = co_await world->until(seen, seconds(30));
    EXPECT_TRUE(came_2);
    world->heal();
    const bool came_3 = co_await world->until(all_reached, seconds(30));
    EXPECT_TRUE(came_3);
    *done = true;
}

TEST_F(MemberLife, a_manager_whose_log_is_cut_off_is_unreachable_though_its_agent_lives) {
    make(3);
    bool done = false;
    net::run_task(world->loop, log_cut_off(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> data_paths(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    co_await net::yield(world->loop); // members look for what was there before
    const net::Until limit(world->loop.in(seconds(60)));
    MemberInit first;
    first.listen_address = "0.0.0.0:2377";
    first.advertise_address = world->at(0).address();
    first.data_path_address = "10.9.0.1";
    first.data_path_port = 7777;
    const auto made = co_await world->at(0).member->init(std::move(first), limit);
    EXPECT_TRUE(made) << made.error().message;
    if (!made) { co_return; }
    const auto cluster = world->leader()->store().cluster();
    MemberJoin second;
    second.remote_addresses = {world->at(0).address()};
    second.token = cluster->root_ca().join_tokens().worker();
    second.listen_address = "0.0.0.0:2377";
    second.advertise_address = world->at(1).address();
    second.data_path_address = "10.9.0.2";
    const auto joined = co_await world->at(1).member->join(std::move(second), limit);
    EXPECT_TRUE(joined) << joined.error().message;
    const auto known = [test](std::size_t index) {
        const auto node = test->node_of(index);
        return node ? node->description().data_path_address() : "";
    };
    const auto told = [known] { return known(0) == "10.9.0.1" && known(1) == "10.9.0.2"; };
    const bool came_1 = co_await world->until(told, seconds(30));
    EXPECT_TRUE(came_1);
    EXPECT_EQ(cluster->vxlanudpport(), 7777u);
    world->at(1).kill_daemon();
    world->at(1).start();
    const auto back = [test, told] { return test->is_ready(1) && told(); };
    const bool came_2 = co_await world->until(back, seconds(60));
    EXPECT_TRUE(came_2);
    *done = true;
}

TEST_F(MemberLife, the_cluster_knows_where_the_data_path_of_each_node_is) {
    make(2);
    for (std::size_t i = 0; i < 2; ++i) { world->at(i).start(); }
    bool done = false;
    net::run_task(world->loop, data_paths(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> pace_changes(MemberLife* test, std::size_t managers, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, managers);
    if (!formed) { co_return; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came_1 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_1);
    for (std::size_t i = 0; i < managers; ++i) {
        EXPECT_TRUE(world->at(i).log_host.applied.empty());
    }
    const std::size_t led = world->leading_machine() == &world->at(0) ? 0 : 1;
    const bool asked = co_await submit(world, [](Tx& tx) -> Result<void> {
        pb::Cluster cluster = *tx.store().cluster();
        cluster.mutable_spec()->mutable_raft()->set_snapshot_interval(777);
        cluster.mutable_spec()->mutable_store_timing()->set_heartbeat_ms(200);
        cluster.mutable_spec()->mutable_store_timing()->set_election_ms(2000);
        tx.put(std::move(cluster));
        return ok();
    });
    EXPECT_TRUE(asked);
    std::size_t at_once = 0;
    bool leader_was_last = true;
    const auto applied = [&] {
        std::size_t now = 0;
        std::size_t through = 0;
        for (std::size_t i = 0; i < managers; ++i) {
            now += world->at(i).log_host.restarting ? 1 : 0;
            through += world->at(i).log_host.applied.empty() ? 0 : 1;
        }
        if (world->at(led).log_host.restarting) { leader_was_last = through + 1 == managers; }
        at_once = std::max(at_once, now);
        return through == managers && now == 0;
    };
    const bool came_2 = co_await world->until(applied, seconds(180));
    EXPECT_TRUE(came_2);
    EXPECT_EQ(at_once, 1u);
    EXPECT_TRUE(leader_was_last);
    const bool came_3 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_3);
    const bool quiet = co_await world->until([] { return false; }, seconds(30));
    EXPECT_FALSE(quiet);
    for (std::size_t i = 0; i < managers; ++i) {
        const auto& told = world->at(i).log_host.applied;
        EXPECT_EQ(told.size(), 1u); // and not again
        if (told.empty()) { continue; }
        EXPECT_EQ(told[0].snapshot_interval, 777u);
        EXPECT_EQ(told[0].heartbeat_ms, 200u);
        EXPECT_EQ(told[0].election_ms, 2000u);
    }
    *done = true;
}

TEST_F(MemberLife, managers_restart_their_logs_one_by_one_for_another_pace) {
    make(3);
    bool done = false;
    net::run_task(world->loop, pace_changes(this, 3, &done));
    EXPECT_TRUE(done);
}

TEST_F(MemberLife, the_only_manager_takes_another_pace_too) {
    make(1);
    bool done = false;
    net::run_task(world->loop, pace_changes(this, 1, &done));
    EXPECT_TRUE(done);
}

net::Task<void> slow_promotion(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 1);
    if (!formed) { co_return; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came_1 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_1);
    Machine& slow = world->at(1);
    world->cut(world->at(0), slow, false, true); // so its log never catches up
    world->cut(slow, world->at(0), false, true);
    const bool asked = co_await submit(world, wish(slow.member->node_id(), pb::MANAGER));
    EXPECT_TRUE(asked);
    const auto begun = [&slow] { return slow.log_host.has_data(); };
    const bool came_2 = co_await world->until(begun, seconds(30));
    EXPECT_TRUE(came_2);
    const std::string id = slow.log_host.member();
    const bool ended =
        co_await world->until([&] { return slow.log_host.member() != id; }, seconds(300));
    EXPECT_FALSE(ended); // it goes on with what it has
    world->heal();
    const auto manages = [&slow] {
        return slow.member->is_manager() && slow.member->manager()->when_loaded().is_set();
    };
    const bool came_3 = co_await world->until(manages, seconds(60));
    EXPECT_TRUE(came_3);
    EXPECT_EQ(slow.log_host.member(), id);
    *done = true;
}

TEST_F(MemberLife, a_promotion_is_waited_for_however_long_it_takes) {
    make(2);
    bool done = false;
    net::run_task(world->loop, slow_promotion(this, &done));
    EXPECT_TRUE(done);
}

/// A demotion, whose last step a crash has left out.
net::Task<void> half_demoted(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 1);
    if (!formed) { co_return; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came_1 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_1);
    Machine& machine = world->at(1);
    machine.power_cut();
    const std::string raw(32, 'k');
    {
        auto keys = KeyFile::load(machine.directory + "/certificates", world->random);
        EXPECT_TRUE(keys);
        ManagerKeys secrets;
        secrets.store_key = "left over";
        EXPECT_TRUE(keys->save(std::move(secrets)));
        EXPECT_TRUE(keys->use_unlock_key(raw, 1));
    }
    machine.start();
    const auto locked = [&machine] { return machine.member->state() == MemberState::Locked; };
    const bool came_2 = co_await world->until(locked, seconds(10));
    EXPECT_TRUE(came_2);
    const net::Until limit(world->loop.in(seconds(60)));
    const auto unlocked = co_await machine.member->unlock(print_unlock_key(raw), limit);
    EXPECT_TRUE(unlocked) << unlocked.error().message;
    const bool came_3 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_3);
    const bool later = co_await world->until([] { return false; }, seconds(40));
    EXPECT_FALSE(later);
    machine.power_cut();
    machine.start();
    const bool came_4 = co_await world->until(whole, seconds(60)); // nobody has to unlock it
    EXPECT_TRUE(came_4);
    *done = true;
}

TEST_F(MemberLife, a_worker_that_was_demoted_by_half_is_not_locked_for_ever) {
    make(2);
    bool done = false;
    net::run_task(world->loop, half_demoted(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> state_is_damaged(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 2);
    if (!formed) { co_return; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came_1 = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came_1);
    Machine& machine = world->at(1);
    machine.power_cut();
    EXPECT_TRUE(os::write_file_atomic(machine.directory + "/state.json", "{"));
    machine.start();
    const auto wrong = [&machine] { return machine.member->state() == MemberState::Error; };
    const bool came_2 = co_await world->until(wrong, seconds(10));
    EXPECT_TRUE(came_2);
    EXPECT_NE(machine.member->error().find("leave --force"), std::string::npos);
    const net::Until limit(world->loop.in(seconds(60)));
    const auto left = co_await machine.member->leave(true, limit);
    EXPECT_TRUE(left) << left.error().message;
    EXPECT_EQ(machine.member->state(), MemberState::Inactive);
    EXPECT_FALSE(machine.log_host.has_data());
    EXPECT_FALSE(os::exists(machine.directory + "/certificates/swarm-node.key"));
    machine.power_cut();
    machine.start();
    const auto out = [&machine] { return machine.member->state() == MemberState::Inactive; };
    const bool came_3 = co_await world->until(out, seconds(10));
    EXPECT_TRUE(came_3);
    *done = true;
}

TEST_F(MemberLife, a_node_whose_state_is_damaged_can_leave) {
    make(2);
    bool done = false;
    net::run_task(world->loop, state_is_damaged(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> force_a_worker(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 1);
    if (!formed) { co_return; }
    MemberInit request;
    request.advertise_address = world->at(1).address();
    request.force_new_cluster = true;
    const net::Until limit(world->loop.in(seconds(60)));
    const auto made = co_await world->at(1).member->init(std::move(request), limit);
    EXPECT_FALSE(made);
    EXPECT_EQ(world->at(1).member->state(), MemberState::Active);
    *done = true;
}

TEST_F(MemberLife, a_worker_cannot_force_a_new_cluster_and_stays_what_it_is) {
    make(2);
    bool done = false;
    net::run_task(world->loop, force_a_worker(this, &done));
    EXPECT_TRUE(done);
}

TEST(MemberRetry, pauses_double_up_to_half_a_minute) {
    std::vector<std::chrono::seconds> all;
    for (int failures = 1; failures <= 7; ++failures) {
        all.push_back(retry_pause_after(failures));
    }
    const std::vector<std::chrono::seconds> wanted{seconds(1),  seconds(2),  seconds(4), seconds(8),
                                                   seconds(16), seconds(30), seconds(30)};
    EXPECT_EQ(all, wanted);
    EXPECT_EQ(retry_pause_after(1000), seconds(30));
}

net::Task<void> pass_time(World* world, nanoseconds span) {
    const auto never = [] { return false; };
    (void)co_await world->until(never, span);
}

constexpr std::size_t deaf_one = 2;

/// A manager that starts before its address is there.
net::Task<bool> start_deaf(MemberLife* test) {
    World* const world = test->world.get();
    const bool formed = co_await form(world, 3);
    if (!formed) { co_return false; }
    const auto whole = [test] { return test->is_whole(); };
    const bool came = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came);
    Machine& machine = world->at(deaf_one);
    machine.power_cut();
    world->net.set_deaf(machine.host, true);
    machine.start();
    const auto wrong = [&machine] { return machine.member->state() == MemberState::Error; };
    const bool failed = co_await world->until(wrong, seconds(10));
    EXPECT_TRUE(failed);
    EXPECT_EQ(machine.member->error(), "listen on 0.0.0.0:2377: cannot assign address");
    co_return came&& failed;
}

net::Task<void> address_comes_later(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool begun = co_await start_deaf(test);
    if (!begun) { co_return; }
    Machine& machine = world->at(deaf_one);
    const std::size_t tried = world->net.listens(machine.host);
    const auto said = world->lines.size();
    co_await pass_time(world, seconds(180));
    const std::size_t more = world->net.listens(machine.host) - tried;
    EXPECT_GE(more, 8U); // after 1, 2, 4, 8, 16, 30, 30 ... seconds
    EXPECT_LE(more, 10U);
    EXPECT_EQ(world->lines.size(), said); // the same reason is not said again
    EXPECT_EQ(machine.member->state(), MemberState::Error);
    world->net.set_deaf(machine.host, false);
    const auto whole = [test] { return test->is_whole(); };
    const bool came = co_await world->until(whole, seconds(45));
    EXPECT_TRUE(came);
    EXPECT_EQ(machine.member->error(), "");
    EXPECT_TRUE(machine.member->is_manager());
    *done = true;
}

TEST_F(MemberLife, a_manager_whose_address_comes_later_takes_part_then) {
    make(3);
    bool done = false;
    net::run_task(world->loop, address_comes_later(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> leaves_deaf(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool begun = co_await start_deaf(test);
    if (!begun) { co_return; }
    Machine& machine = world->at(deaf_one);
    co_await pass_time(world, seconds(5));
    const net::Until limit(world->loop.in(seconds(60)));
    const auto left = co_await machine.member->leave(true, limit);
    EXPECT_TRUE(left);
    const std::size_t tried = world->net.listens(machine.host);
    world->net.set_deaf(machine.host, false);
    co_await pass_time(world, seconds(120));
    EXPECT_EQ(world->net.listens(machine.host), tried);
    EXPECT_EQ(machine.member->state(), MemberState::Inactive);
    *done = true;
}

TEST_F(MemberLife, who_leaves_does_not_try_again) {
    make(3);
    bool done = false;
    net::run_task(world->loop, leaves_deaf(this, &done));
    EXPECT_TRUE(done);
}

net::Task<void> stops_deaf(MemberLife* test, bool* done) {
    World* const world = test->world.get();
    const bool begun = co_await start_deaf(test);
    if (!begun) { co_return; }
    Machine& machine = world->at(deaf_one);
    co_await machine.member->stop();
    machine.power_cut();
    world->net.set_deaf(machine.host, false);
    machine.start();
    const auto whole = [test] { return test->is_whole(); };
    const bool came = co_await world->until(whole, seconds(60));
    EXPECT_TRUE(came);
    *done = true;
}

TEST_F(MemberLife, a_daemon_that_is_stopped_while_it_tries_ends) {
    make(3);
    bool done = false;
    net::run_task(world->loop, stops_deaf(this, &done));
    EXPECT_TRUE(done);
}

} // namespace
} // namespace shoal::sim
