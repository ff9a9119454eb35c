#include "swarm/store/leader_writer.h"

#include "net/scope.h"
#include "net/sleep.h"
#include "swarm/store/fake_log.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Seeded final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) {
            state = state * 6364136223846793005ULL + 1442695040888963407ULL;
            byte = static_cast<std::uint8_t>(state >> 56);
        }
    }
    std::uint64_t state = 7;
};

struct LoopClock final : Clock {
    explicit LoopClock(net::Loop& on) : loop(on) {}
    Instant now() const override { return Instant(loop.now().time_since_epoch()); }
    Steady steady() const override { return loop.now(); }
    net::Loop& loop;
};

/// Leaves values readable, and marks them so that what was not sealed is not opened.
struct OpenSealer final : Sealer {
    std::string seal(std::string_view name, std::string_view plain) override {
        return std::string(name) + "|" + std::string(plain);
    }
    Result<std::string> open(std::string_view name, std::string_view sealed) const override {
        if (!sealed.starts_with(std::string(name) + "|")) { return invalid("not sealed"); }
        return std::string(sealed.substr(name.size() + 1));
    }
};

/// Gives every service that has none a task, in the same transaction.
struct OneTaskEach final : Reconciler {
    void rebuild(const Store& store) override {
        ++rebuilt;
        noted.clear();
        for (const auto& [id, service] : store.all<pb::Service>()) { noted.insert(id); }
    }
    void observe(const Store&, const Change& change) override {
        if (change.kind == Kind::Service) { noted.insert(change.id); }
    }
    std::optional<Instant> run(Tx& tx) override {
        for (const std::string& id : std::exchange(noted, {})) {
            const bool wanted =
                tx.store().get<pb::Service>(id) && tx.store().tasks_of_service(id).empty();
            if (!wanted) { continue; }
            pb::Task task;
            task.set_id("task-of-" + id);
            task.set_service_id(id);
            tx.put(std::move(task));
        }
        return std::nullopt;
    }
    std::set<std::string> noted;
    int rebuilt = 0;
};

/// A manager's store and writer over a member of a fake cluster.
struct Side {
    Side(net::Loop& on, std::unique_ptr<Log> member, std::string named)
        : loop(on), log(std::move(member)), name(std::move(named)), clock(on),
          replica(on, *log, sealer,
                  [this](const std::vector<Change>& changes) { heard.push_back(changes); }),
          writer(on, *log, sealer, replica, clock, random), scope(on) {
        scope.spawn(follow());
    }
    net::Task<void> follow() { (void)co_await replica.run(net::Until(scope.cancel())); }
    void lead() { scope.spawn(lead_now()); }
    net::Task<void> lead_now() {
        const std::function<void()> told = [this] { ++began; };
        const std::vector<Reconciler*> all(1, &tasks);
        const net::Until until(scope.cancel());
        outcome = co_await writer.lead(name, all, told, until);
    }

    net::Loop& loop;
    std::unique_ptr<Log> log;
    std::string name;
    LoopClock clock;
    Seeded random;
    OpenSealer sealer;
    std::vector<std::vector<Change>> heard;
    Replica replica;
    LeaderWriter writer;
    OneTaskEach tasks;
    int began = 0;
    std::optional<Result<void>> outcome;
    net::TaskScope scope;
};

Mutation make_service(const std::string& name) {
    return [name](Tx& tx) -> Result<void> {
        if (tx.store().by_name<pb::Service>(name)) { return conflict("name is taken: " + name); }
        pb::Service service;
        service.set_id("id-" + name);
        service.mutable_spec()->mutable_annotations()->set_name(name);
        tx.put(std::move(service));
        return ok();
    };
}

struct LeaderWriterTest : testing::Test {
    net::Loop loop{net::Loop::Time::Virtual};
    Seeded random;
    FakeCluster cluster{loop, random};
    std::string first = cluster.bootstrap("n1", "https://n1:2378");
    Side one{loop, cluster.log(first), "n1"};

    void wait(nanoseconds span) { net::run_task(loop, nap(span)); }
    net::Task<void> nap(nanoseconds span) { co_await net::sleep(loop, loop.in(span)); }
    void begin() {
        wait(seconds(2)); // the log elects
        one.lead();
        wait(seconds(1));
        ASSERT_TRUE(one.writer.leads());
    }
    Result<std::int64_t> submit(Side& side, Mutation what, nanoseconds most = seconds(20)) {
        return net::run_task(loop, submit_task(&side, std::move(what), most));
    }
    using Outcomes = std::vector<Result<std::int64_t>>;
    net::Task<void> submit_into(Mutation what, Outcomes* into) {
        auto outcome = co_await submit_task(&one, std::move(what), seconds(5));
        into->push_back(std::move(outcome));
    }
    net::Task<Result<std::int64_t>> submit_task(Side* side, Mutation what, nanoseconds most) {
        const net::Until until(loop.in(most));
        co_return co_await side->writer.submit(std::move(what), until);
    }
};

TEST_F(LeaderWriterTest, writes_nothing_before_it_leads) {
    wait(seconds(2));
    const auto outcome = submit(one, make_service("web"));
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::Unavailable);
}

TEST_F(LeaderWriterTest, what_is_submitted_is_committed_with_what_follows_from_it) {
    begin();
    const auto revision = submit(one, make_service("web"));
    ASSERT_TRUE(revision) << revision.error().message;
    const auto service = one.replica.store().by_name<pb::Service>("WEB");
    ASSERT_TRUE(service);
    const auto task = one.replica.store().get<pb::Task>("task-of-id-web");
    ASSERT_TRUE(task);
    // One transaction: one revision, which is the version of both.
    EXPECT_EQ(service->meta().version().index(), static_cast<std::uint64_t>(*revision));
    EXPECT_EQ(task->meta().version().index(), static_cast<std::uint64_t>(*revision));
    EXPECT_EQ(one.replica.store().revision, *revision);
}

TEST_F(LeaderWriterTest, an_error_takes_back_one_mutation_and_no_other) {
    begin();
    ASSERT_TRUE(submit(one, make_service("web")));
    std::vector<Result<std::int64_t>> outcomes;
    const auto add = [this, &outcomes](Mutation what) {
        one.scope.spawn(submit_into(std::move(what), &outcomes));
    };
    add(make_service("a"));
    add([](Tx& tx) -> Result<void> {
        pb::Service half;
        half.set_id("half");
        tx.put(half);
        return invalid("changed its mind");
    });
    add(make_service("web"));
    add(make_service("b"));
    wait(seconds(1));
    ASSERT_EQ(outcomes.size(), 4u);
    EXPECT_EQ(std::count_if(outcomes.begin(), outcomes.end(), [](const auto& o) { return !o; }), 2);
    EXPECT_TRUE(one.replica.store().by_name<pb::Service>("a"));
    EXPECT_TRUE(one.replica.store().by_name<pb::Service>("b"));
    EXPECT_FALSE(one.replica.store().get<pb::Service>("half"));
}

TEST_F(LeaderWriterTest, a_lost_answer_is_looked_into_and_nothing_is_written_twice) {
    begin();
    cluster.faults().lose_reply = 0.5;
    for (int i = 0; i < 20; ++i) {
        const auto outcome = submit(one, make_service("s" + std::to_string(i)), seconds(200));
        ASSERT_TRUE(outcome) << i << ": " << outcome.error().message;
    }
    EXPECT_EQ(one.replica.store().all<pb::Service>().size(), 20u);
    EXPECT_EQ(one.replica.store().all<pb::Task>().size(), 20u);
}

TEST_F(LeaderWriterTest, a_full_log_refuses_and_takes_more_when_there_is_room) {
    begin();
    cluster.set_full(true);
    const auto refused = submit(one, make_service("web"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::Exhausted);
    EXPECT_FALSE(one.writer.trouble().empty());
    EXPECT_FALSE(one.replica.store().by_name<pb::Service>("web"));
    cluster.set_full(false);
    EXPECT_TRUE(submit(one, make_service("web")));
    EXPECT_TRUE(one.writer.trouble().empty());
}

TEST_F(LeaderWriterTest, a_larger_change_than_the_log_takes_at_once_goes_in_parts) {
    begin();
    const auto outcome = submit(one, [](Tx& tx) -> Result<void> {
        for (std::size_t i = 0; i < log_writes_max + 10; ++i) {
            pb::Secret secret;
            secret.set_id("s" + std::to_string(i));
            tx.put(std::move(secret));
        }
        return ok();
    });
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(one.replica.store().all<pb::Secret>().size(), log_writes_max + 10);
}

TEST_F(LeaderWriterTest, who_takes_office_deposes_who_had_it) {
    begin();
    ASSERT_TRUE(submit(one, make_service("web")));
    // The same member of the log, another manager: nothing but the fence keeps them apart.
    Side two(loop, cluster.log(first), "n2");
    two.lead();
    wait(seconds(1));
    ASSERT_TRUE(two.writer.leads());
    const auto late = submit(one, make_service("late"));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Errc::Unavailable);
    EXPECT_FALSE(one.writer.leads());
    ASSERT_TRUE(one.outcome);
    EXPECT_EQ(one.outcome->error().code, Errc::Conflict);
    ASSERT_TRUE(submit(two, make_service("shop")));
    wait(seconds(1));
    EXPECT_TRUE(one.replica.store().by_name<pb::Service>("shop"));
    EXPECT_FALSE(two.replica.store().by_name<pb::Service>("late"));
}

TEST_F(LeaderWriterTest, a_watch_that_was_compacted_is_made_good_by_a_listing) {
    begin();
    Side other(loop, cluster.log(first), "n2");
    wait(seconds(1));
    ASSERT_TRUE(submit(one, make_service("old")));
    wait(seconds(1));
    cluster.crash(first);
    wait(milliseconds(100));
    cluster.restart(first);
    wait(seconds(5));
    ASSERT_TRUE(submit(one, [](Tx& tx) -> Result<void> {
        tx.erase<pb::Service>("id-old");
        return ok();
    }));
    ASSERT_TRUE(submit(one, make_service("new")));
    cluster.compact(one.replica.store().revision);
    wait(seconds(5));
    EXPECT_FALSE(other.replica.store().by_name<pb::Service>("old"));
    EXPECT_TRUE(other.replica.store().by_name<pb::Service>("new"));
    EXPECT_EQ(other.replica.store().revision, one.replica.store().revision);
}

} // namespace
} // namespace shoal::swarm
