// What only the simulator promises: the same seed gives the same history, and whatever the weather,
// what its clients are told is true.
#include "swarm/store/fake_log.h"

#include "net/sleep.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using net::Until;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct SeededRandom final : Random {
    explicit SeededRandom(std::uint64_t seed) : state(seed) {}
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) {
            state += 0x9e3779b97f4a7c15;
            const auto mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
            byte = static_cast<std::uint8_t>(mixed ^ (mixed >> 27));
        }
    }
    std::uint64_t state;
};

// --- history ---

LogTxn put(std::string key, std::string value) {
    LogTxn txn;
    txn.writes.push_back({std::move(key), std::move(value)});
    return txn;
}

TEST(FakeHistory, shows_every_revision_as_it_was) {
    FakeHistory history;
    const auto first = history.apply(put("a", "1")).revision;
    const auto second = history.apply(put("a", "2")).revision;
    LogTxn erase;
    erase.writes.push_back({"a", std::nullopt});
    const auto third = history.apply(erase).revision;
    EXPECT_EQ(history.get("a", first)->value, "1");
    EXPECT_EQ(history.get("a", second)->value, "2");
    EXPECT_FALSE(history.get("a", third));
    EXPECT_EQ(history.apply(erase).revision, third); // nothing to delete
    EXPECT_EQ(history.events("a", {first, third, 10}).events.size(), 3U);
}

TEST(FakeHistory, forgets_what_is_compacted_and_what_is_rolled_back) {
    FakeHistory history;
    const auto first = history.apply(put("a", "1")).revision;
    const auto second = history.apply(put("a", "2")).revision;
    const auto third = history.apply(put("b", "3")).revision;
    history.compact(second);
    EXPECT_FALSE(history.get("a", first));
    EXPECT_EQ(history.get("a", third)->value, "2");
    history.roll_back(second);
    EXPECT_FALSE(history.get("b", third));
    EXPECT_EQ(history.revision(), second);
}

// --- a cluster in bad weather ---

constexpr std::size_t members_count = 3;
constexpr auto storm = seconds(60);
constexpr std::uint64_t storms = 10;

struct World {
    explicit World(std::uint64_t seed) : random(seed), cluster(loop, random, settings()) {}
    static FakeSettings settings() {
        FakeSettings out;
        out.faults.lose_request = 0.02;
        out.faults.lose_reply = 0.05;
        return out;
    }
    net::Loop loop{net::Loop::Time::Virtual};
    SeededRandom random;
    FakeCluster cluster;
    std::vector<std::string> ids;
    std::vector<std::unique_ptr<Log>> logs;
    bool stop = false;
    net::TaskScope scope{loop};

    std::map<std::string, std::int64_t> told; ///< key -> revision that a writer was told
    std::int64_t newest_told = 0;
    std::size_t unknown = 0, refused = 0, reads = 0, watched = 0;
    std::string trace;

    Until within(nanoseconds span) { return loop.in(span); }
    Log& any_log() { return *logs[random.below(logs.size())]; }
};

net::Task<void> grow(World& world) {
    world.ids.push_back(world.cluster.bootstrap("m0", "http://m0:1"));
    world.logs.push_back(world.cluster.log(world.ids[0]));
    for (std::size_t i = 1; i < members_count; ++i) {
        const auto url = "http://m" + std::to_string(i) + ":1";
        for (bool added = false; !added;) {
            const auto learner = co_await world.logs[0]->add_learner(url, world.within(seconds(9)));
            added = learner || learner.error().code == Errc::Conflict;
            co_await net::sleep(world.loop, world.within(milliseconds(300)));
        }
        world.ids.push_back(*world.cluster.join("m" + std::to_string(i), url));
        world.logs.push_back(world.cluster.log(world.ids[i]));
        for (bool voter = false; !voter;) {
            const auto promoted =
                co_await world.logs[0]->promote(world.ids[i], world.within(seconds(9)));
            voter = promoted.has_value();
            co_await net::sleep(world.loop, world.within(milliseconds(300)));
        }
    }
}

/// Writes each key once, all guarded by not being there.
net::Task<void> write(World& world, int writer) {
    for (int i = 0; !world.stop; ++i) {
        auto txn = put("/k/" + std::to_string(writer) + "/" + std::to_string(i), "v");
        const std::string key = txn.writes[0].key;
        txn.guards.push_back({key, 0});
        Log& log = world.any_log();
        const auto done = co_await log.commit(std::move(txn), world.within(seconds(2)));
        if (done) {
            EXPECT_TRUE(done->applied) << key; // it is written once only
            world.told.emplace(key, done->revision);
            world.newest_told = std::max(world.newest_told, done->revision);
        } else if (done.error().code == Errc::Unavailable) {
            ++world.refused;
            EXPECT_FALSE(world.cluster.history().get(key, world.cluster.history().revision()));
        } else {
            ++world.unknown;
        }
        co_await net::sleep(world.loop, world.within(milliseconds(world.random.below(60))));
    }
}

/// A read shows at least what anybody had been told before it began.
net::Task<void> read(World& world) {
    while (!world.stop) {
        const auto before = world.newest_told;
        Log& log = world.any_log();
        const auto listing = co_await log.list("/k/", world.within(seconds(2)));
        if (listing) {
            ++world.reads;
            EXPECT_GE(listing->revision, before);
        }
        co_await net::sleep(world.loop, world.within(milliseconds(world.random.below(200))));
    }
}

/// Follows one member, beginning again where it was: nothing twice, nothing left out, in order.
net::Task<void> watch(World& world, std::size_t member, std::vector<std::int64_t>& seen) {
    std::int64_t next = 1;
    while (!world.stop) {
        auto opened = co_await world.logs[member]->watch("/k/", next, world.within(seconds(1)));
        while (opened && !world.stop) {
            const auto events = co_await (*opened)->read(world.within(seconds(1)));
            if (!events && events.error().code == Errc::Timeout) { continue; }
            if (!events) { break; }
            for (const auto& event : events->events) { seen.push_back(event.revision); }
            next = events->revision + 1;
        }
        co_await net::sleep(world.loop, world.within(milliseconds(20)));
    }
}

net::Task<void> blow(World& world) {
    while (!world.stop) {
        co_await net::sleep(world.loop, world.within(milliseconds(200 + world.random.below(2000))));
        const auto& id = world.ids[world.random.below(members_count)];
        const auto& other = world.ids[world.random.below(members_count)];
        switch (world.random.below(7)) {
        case 0:
            world.cluster.crash(id);
            break;
        case 1:
            world.cluster.crash(world.cluster.leader());
            break;
        case 2:
            world.cluster.isolate(id);
            break;
        case 3:
            world.cluster.cut(id, other); // one way
            break;
        case 4:
            world.cluster.slow_disk(id, milliseconds(world.random.below(400)));
            break;
        default:
            world.cluster.heal_all();
            for (const auto& each : world.ids) { world.cluster.restart(each); }
        }
        world.trace += std::to_string(world.cluster.history().revision()) + "/" +
                       std::to_string(world.cluster.term()) + " ";
    }
}

net::Task<void> run_storm(World& world) {
    co_await grow(world);
    std::vector<std::vector<std::int64_t>> seen(members_count);
    for (int i = 0; i < 3; ++i) { world.scope.spawn(write(world, i)); }
    world.scope.spawn(read(world));
    for (std::size_t i = 0; i < members_count; ++i) { world.scope.spawn(watch(world, i, seen[i])); }
    net::TaskScope weather(world.loop);
    weather.spawn(blow(world));
    co_await net::sleep(world.loop, world.within(storm));
    weather.destroy_all();
    world.cluster.heal_all();
    for (const auto& id : world.ids) {
        world.cluster.restart(id);
        world.cluster.slow_disk(id, nanoseconds(0));
    }
    // It heals, and everybody comes to the same.
    co_await net::sleep(world.loop, world.within(seconds(10)));
    const auto last = co_await world.logs[0]->commit(put("/k/last", "v"), world.within(seconds(9)));
    EXPECT_TRUE(last || last.error().code == Errc::Timeout);
    co_await net::sleep(world.loop, world.within(seconds(5)));
    world.stop = true;
    co_await world.scope.drain(world.within(seconds(30)));

    std::vector<std::int64_t> truth;
    const auto& history = world.cluster.history();
    for (const auto& event : history.events("/k/", {1, history.revision(), 1U << 30}).events) {
        truth.push_back(event.revision);
    }
    for (auto& one : seen) {
        // The last few may still have been on their way.
        EXPECT_GE(one.size() + 100, truth.size());
        EXPECT_EQ(one, std::vector<std::int64_t>(truth.begin(),
                                                 truth.begin() + static_cast<long>(one.size())));
        world.watched += one.size();
    }
    for (const auto& [key, revision] : world.told) {
        const auto entry = history.get(key, history.revision());
        EXPECT_TRUE(entry && entry->revision == revision) << key;
    }
}

TEST(FakeCluster, what_clients_are_told_is_true_in_any_weather) {
    std::size_t told = 0, unknown = 0, refused = 0, reads = 0;
    for (std::uint64_t seed = 1; seed <= storms; ++seed) {
        SCOPED_TRACE(seed);
        World world(seed);
        net::run_task(world.loop, run_storm(world));
        told += world.told.size();
        unknown += world.unknown;
        refused += world.refused;
        reads += world.reads;
    }
    // All that the weather is for has happened.
    EXPECT_GT(told, 3000U);
    EXPECT_GT(unknown, 300U);
    EXPECT_GT(refused, 500U);
    EXPECT_GT(reads, 500U);
}

/// Members come and go, the leader too, while members die.
net::Task<void> churn(World& world) {
    for (int i = 10; !world.stop; ++i) {
        const auto url = "http://m" + std::to_string(i) + ":1";
        Log& log = world.any_log();
        const auto added = co_await log.add_learner(url, world.within(seconds(2)));
        const auto joined = world.cluster.join("m" + std::to_string(i), url);
        if (joined) {
            world.ids.push_back(*joined);
            world.logs.push_back(world.cluster.log(*joined));
        }
        co_await net::sleep(world.loop, world.within(seconds(1)));
        for (const auto& id : world.cluster.member_ids()) {
            Log& promoter = world.any_log();
            const auto promoted = co_await promoter.promote(id, world.within(milliseconds(500)));
            (void)promoted;
        }
        const auto all = world.cluster.member_ids();
        if (all.size() < 3) { continue; }
        const auto victim = all[world.random.below(all.size())];
        Log& remover = world.any_log();
        const auto removed = co_await remover.remove(victim, world.within(seconds(2)));
        (void)removed;
        co_await net::sleep(world.loop, world.within(seconds(3)));
    }
}

net::Task<void> run_churn(World& world) {
    co_await grow(world);
    for (int i = 0; i < 3; ++i) { world.scope.spawn(write(world, i)); }
    world.scope.spawn(churn(world));
    const Until end = world.within(seconds(240));
    while (world.loop.now() < end.deadline.at()) {
        co_await net::sleep(world.loop, world.within(seconds(5)));
        const auto all = world.cluster.member_ids();
        world.cluster.crash(all[world.random.below(all.size())]);
        co_await net::sleep(world.loop, world.within(seconds(1)));
        for (const auto& id : world.cluster.member_ids()) { world.cluster.restart(id); }
        co_await net::sleep(world.loop, world.within(seconds(12)));
    }
    world.stop = true;
    co_await world.scope.drain(world.within(seconds(60)));
    const auto& history = world.cluster.history();
    for (const auto& [key, revision] : world.told) {
        const auto entry = history.get(key, history.revision());
        EXPECT_TRUE(entry && entry->revision == revision) << key;
    }
}

TEST(FakeCluster, nothing_is_lost_while_members_come_and_go) {
    std::size_t members = 0;
    for (std::uint64_t seed = 1; seed <= storms / 2; ++seed) {
        SCOPED_TRACE(seed);
        World world(seed);
        net::run_task(world.loop, run_churn(world));
        members += world.ids.size();
        EXPECT_GT(world.told.size(), 200U);
        EXPECT_NE(world.cluster.leader(), "");
    }
    EXPECT_GT(members, 5 * storms / 2);
}

TEST(FakeCluster, the_same_seed_gives_the_same_history) {
    World first(99);
    net::run_task(first.loop, run_storm(first));
    World second(99);
    net::run_task(second.loop, run_storm(second));
    EXPECT_EQ(first.trace, second.trace);
    EXPECT_EQ(first.told, second.told);
    World other(100);
    net::run_task(other.loop, run_storm(other));
    EXPECT_NE(first.trace, other.trace);
}

// --- one fault at a time ---

struct Calm : testing::Test {
    World world{5};
    void SetUp() override {
        world.cluster.faults().lose_request = world.cluster.faults().lose_reply = 0;
        net::run_task(world.loop, grow(world));
    }
    Result<LogCommit> commit(std::size_t at, std::string key, nanoseconds within = seconds(9)) {
        return net::run_task(
            world.loop, world.logs[at]->commit(put(std::move(key), "v"), world.within(within)));
    }
    LogStatus status(std::size_t at) {
        auto found = net::run_task(world.loop, world.logs[at]->status(world.within(seconds(9))));
        EXPECT_TRUE(found);
        return *found;
    }
    std::size_t leader() {
        const auto id = world.cluster.leader();
        return static_cast<std::size_t>(std::find(world.ids.begin(), world.ids.end(), id) -
                                        world.ids.begin());
    }
    void pass(nanoseconds span) {
        net::run_task(world.loop, net::sleep(world.loop, world.within(span)));
    }
};

TEST_F(Calm, a_lost_answer_is_written_and_a_lost_request_is_not) {
    world.cluster.faults().lose_reply = 1;
    EXPECT_EQ(commit(0, "/reply", seconds(1)).error().code, Errc::Timeout);
    world.cluster.faults().lose_reply = 0;
    world.cluster.faults().lose_request = 1;
    EXPECT_EQ(commit(0, "/request", seconds(1)).error().code, Errc::Timeout);
    const auto& history = world.cluster.history();
    EXPECT_TRUE(history.get("/reply", history.revision()));
    EXPECT_FALSE(history.get("/request", history.revision()));
}

TEST_F(Calm, a_leader_that_is_cut_off_believes_in_itself_for_a_while) {
    const auto old = leader();
    world.cluster.isolate(world.ids[old]);
    EXPECT_TRUE(status(old).leads());
    pass(seconds(3));
    EXPECT_FALSE(status(old).leads());
    EXPECT_EQ(status(old).leader_id, "");
    EXPECT_NE(leader(), old);
    EXPECT_TRUE(commit(leader(), "/k"));
}

TEST_F(Calm, a_leader_that_is_heard_but_hears_nothing_steps_down) {
    const auto old = leader();
    for (const auto& id : world.ids) {
        if (id != world.ids[old]) { world.cluster.cut(id, world.ids[old]); }
    }
    pass(seconds(5));
    EXPECT_NE(world.cluster.leader(), world.ids[old]);
    EXPECT_NE(world.cluster.leader(), "");
}

TEST_F(Calm, a_slow_disk_of_one_costs_nothing_and_of_two_costs_time) {
    const auto timed = [this] {
        const auto begin = world.loop.now();
        EXPECT_TRUE(commit(0, "/k"));
        return world.loop.now() - begin;
    };
    world.cluster.slow_disk(world.ids[1], seconds(1));
    EXPECT_LT(timed(), milliseconds(200));
    world.cluster.slow_disk(world.ids[2], seconds(1));
    EXPECT_GT(timed(), milliseconds(900));
}

TEST_F(Calm, a_full_log_takes_deletions_only) {
    ASSERT_TRUE(commit(0, "/k"));
    world.cluster.set_full(true);
    EXPECT_EQ(commit(0, "/k2").error().code, Errc::Exhausted);
    EXPECT_EQ(status(0).alarms, std::vector<std::string>{"NOSPACE"});
    LogTxn erase;
    erase.writes.push_back({"/k", std::nullopt});
    EXPECT_TRUE(net::run_task(world.loop, world.logs[0]->commit(erase, world.within(seconds(9)))));
    world.cluster.set_full(false);
    EXPECT_TRUE(commit(0, "/k2"));
}

TEST_F(Calm, a_survivor_made_the_only_member_has_what_it_had) {
    ASSERT_TRUE(commit(0, "/k"));
    pass(seconds(1));
    world.cluster.crash(world.ids[1]);
    world.cluster.crash(world.ids[2]);
    world.cluster.force_new_cluster(world.ids[0]);
    pass(seconds(2));
    EXPECT_TRUE(commit(0, "/alone"));
    const auto& history = world.cluster.history();
    EXPECT_TRUE(history.get("/k", history.revision()));
    EXPECT_EQ(world.cluster.member_ids(), std::vector<std::string>{world.ids[0]});
    EXPECT_EQ(commit(1, "/others").error().code, Errc::Unavailable);
}

} // namespace
} // namespace shoal::swarm
