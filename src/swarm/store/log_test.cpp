// The contract of Log, against the simulator's cluster in virtual time and against real etcd:
// three members of this machine that the test starts, kills, stops and starts again.
#include "swarm/store/etcd_log.h"
#include "swarm/store/etcd_settings.h"
#include "swarm/store/fake_log.h"

#include "net/sleep.h"
#include "os/file.h"
#include "os/process.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace shoal::swarm {
namespace {

using net::Until;
using std::chrono::milliseconds;
using std::chrono::seconds;

#define CO_ASSERT(...)                                                                             \
    if (!(__VA_ARGS__)) {                                                                          \
        ADD_FAILURE() << #__VA_ARGS__;                                                             \
        co_return;                                                                                 \
    }

template <class T> std::string why(const Result<T>& result) {
    return result ? "" : result.error().message;
}

/// Fast and the same every time.
struct SeededRandom final : Random {
    explicit SeededRandom(std::uint64_t seed) : state(seed) {}
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) {
            state += 0x9e3779b97f4a7c15;
            auto mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
            byte = static_cast<std::uint8_t>(mixed ^ (mixed >> 27));
        }
    }
    std::uint64_t state;
};

/// A cluster that can be done things to.
class Members {
  public:
    virtual ~Members() = default;
    virtual net::Loop& loop() = 0;
    /// So many voters, from nothing.
    virtual void start(std::size_t count) = 0;
    virtual Log& log(std::size_t member) = 0;
    virtual std::string peer_url(std::size_t member) = 0;
    virtual void kill(std::size_t member) = 0;
    virtual void restart(std::size_t member) = 0;
    /// It hears and says nothing any more, and may think that nothing has happened.
    virtual void part(std::size_t member) = 0;
    virtual void rejoin(std::size_t member) = 0;
    /// The member that was added with this one's peer_url begins to run.
    virtual void join(std::size_t member, const std::vector<LogMember>& all) = 0;
    virtual net::Task<Result<void>> compact(std::int64_t before_revision) = 0;
    /// Room for about so much from now on; before start().
    virtual void limit_space() = 0;
    Until within(nanoseconds span) { return loop().in(span); }
    Until soon() { return within(seconds(20)); }
};

class FakeMembers final : public Members {
  public:
    net::Loop& loop() override { return loop_; }
    void start(std::size_t count) override {
        cluster_.emplace(loop_, random_, settings_);
        ids_.push_back(cluster_->bootstrap("m0", peer_url(0)));
        logs_.push_back(cluster_->log(ids_[0]));
        for (std::size_t i = 1; i < count; ++i) { net::run_task(loop_, grow(i)); }
    }
    net::Task<void> grow(std::size_t i) {
        for (;;) {
            const auto added = co_await log(0).add_learner(peer_url(i), soon());
            if (added) { break; }
            co_await net::sleep(loop_, within(milliseconds(500)));
        }
        join(i, {});
        for (;;) {
            const auto promoted = co_await log(0).promote(ids_[i], soon());
            if (promoted) { break; }
            co_await net::sleep(loop_, within(milliseconds(500)));
        }
    }
    Log& log(std::size_t member) override { return *logs_[member]; }
    std::string peer_url(std::size_t member) override {
        return "http://m" + std::to_string(member) + ":2378";
    }
    void kill(std::size_t member) override { cluster_->crash(ids_[member]); }
    void restart(std::size_t member) override { cluster_->restart(ids_[member]); }
    void part(std::size_t member) override { cluster_->isolate(ids_[member]); }
    void rejoin(std::size_t) override { cluster_->heal_all(); }
    void join(std::size_t member, const std::vector<LogMember>&) override {
        auto id = cluster_->join("m" + std::to_string(member), peer_url(member));
        ASSERT_TRUE(id);
        ids_.push_back(*id);
        logs_.push_back(cluster_->log(*id));
    }
    net::Task<Result<void>> compact(std::int64_t before_revision) override {
        cluster_->compact(before_revision);
        co_return ok();
    }
    void limit_space() override { settings_.quota_bytes = 1 << 20; }

  private:
    net::Loop loop_{net::Loop::Time::Virtual};
    SeededRandom random_{4711};
    FakeSettings settings_;
    std::optional<FakeCluster> cluster_;
    std::vector<std::string> ids_;
    std::vector<std::unique_ptr<Log>> logs_;
};

std::uint16_t free_port() {
    const os::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd.raw(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(fd.raw(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    return ntohs(address.sin_port);
}

class EtcdMembers final : public Members {
  public:
    EtcdMembers() : folder_(*os::TempDir::create("/tmp", "shoal-etcd-")) {}
    ~EtcdMembers() override {
        for (auto& one : members_) {
            if (one.process.pid() >= 0) { end(one, SIGKILL); }
        }
    }
    net::Loop& loop() override { return loop_; }
    void start(std::size_t count) override {
        for (std::size_t i = 0; i < count; ++i) { make(i); }
        EtcdStart how{EtcdStart::Kind::Bootstrap, {}};
        for (auto& one : members_) {
            how.members.push_back({"", one.settings.name, one.settings.peer_url, false});
        }
        for (auto& one : members_) { launch(one, how); }
    }
    Log& log(std::size_t member) override { return *members_[member].log; }
    std::string peer_url(std::size_t member) override {
        make(member);
        return members_[member].settings.peer_url;
    }
    void kill(std::size_t member) override { end(members_[member], SIGKILL); }
    void restart(std::size_t member) override { launch(members_[member], {}); }
    void part(std::size_t member) override { EXPECT_TRUE(members_[member].process.kill(SIGSTOP)); }
    void rejoin(std::size_t member) override {
        EXPECT_TRUE(members_[member].process.kill(SIGCONT));
    }
    void join(std::size_t member, const std::vector<LogMember>& all) override {
        launch(members_[member], {EtcdStart::Kind::Join, all});
    }
    net::Task<Result<void>> compact(std::int64_t before_revision) override {
        co_return co_await members_[0].log->compact(before_revision, soon());
    }
    void limit_space() override { quota_ = 4 << 20; }
    pid_t pid(std::size_t member) const { return members_[member].process.pid(); }

  private:
    struct Member {
        EtcdSettings settings;
        os::Process process;
        std::unique_ptr<EtcdLog> log;
    };
    void make(std::size_t i) {
        while (members_.size() <= i) {
            Member one;
            one.settings.name = "m" + std::to_string(members_.size());
            one.settings.cluster_token = "contract"; // they begin together
            one.settings.folder = folder_.path() + "/" + one.settings.name;
            one.settings.peer_url = "http://127.0.0.1:" + std::to_string(free_port());
            one.settings.peer_listen_url = one.settings.peer_url;
            one.settings.heartbeat = milliseconds(100);
            one.settings.election = milliseconds(1000);
            if (quota_ > 0) { one.settings.quota_bytes = quota_; }
            for (const auto& path :
                 {one.settings.folder, one.settings.data_folder(), one.settings.run_folder()}) {
                EXPECT_TRUE(os::ensure_directory(path, 0700));
            }
            one.log = std::make_unique<EtcdLog>(loop_, one.settings.socket_path());
            members_.push_back(std::move(one));
        }
    }
    static void launch(Member& one, const EtcdStart& how) {
        EXPECT_TRUE(os::remove_file(one.settings.socket_path()));
        auto log = os::open_file(one.settings.log_path(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        ASSERT_TRUE(log);
        os::Spawn spawn;
        spawn.argv = etcd_arguments(one.settings, how);
        spawn.env = etcd_environment(one.settings);
        spawn.inherit_env = false;
        spawn.cwd = one.settings.run_folder();
        spawn.stderr_fd = log->raw();
        spawn.die_with_parent = true;
        auto process = os::Process::spawn(spawn);
        ASSERT_TRUE(process) << process.error().message;
        one.process = std::move(*process);
    }
    static void end(Member& one, int signal) {
        EXPECT_TRUE(one.process.kill(signal));
        EXPECT_TRUE(one.process.wait(Deadline::in(seconds(10))));
        one.process = os::Process();
    }

    os::TempDir folder_;
    net::Loop loop_;
    std::int64_t quota_ = 0;
    std::vector<Member> members_;
};

enum class Which { Fake, Etcd };

struct LogContract : testing::TestWithParam<Which> {
    void SetUp() override {
        if (GetParam() == Which::Etcd && !os::find_program("etcd")) {
            GTEST_SKIP() << "etcd is not installed";
        }
        if (GetParam() == Which::Fake) {
            members = std::make_unique<FakeMembers>();
        } else {
            members = std::make_unique<EtcdMembers>();
        }
    }
    void run(std::size_t count, net::Task<void> (*scenario)(Members&)) {
        members->start(count);
        net::run_task(members->loop(), scenario(*members));
    }
    std::unique_ptr<Members> members;
};
INSTANTIATE_TEST_SUITE_P(All, LogContract, testing::Values(Which::Fake, Which::Etcd),
                         [](const auto& info) {
                             return info.param == Which::Fake ? "fake" : "etcd";
                         });

// --- what scenarios are made of ---

LogTxn put(std::string key, std::string value) {
    LogTxn txn;
    txn.writes.push_back({std::move(key), std::move(value)});
    return txn;
}

net::Task<void> pause(Members& members) {
    co_await net::sleep(members.loop(), members.within(milliseconds(50)));
}

bool is_unknown(const Error& error) {
    return error.code == Errc::Timeout || error.code == Errc::Cancelled ||
           error.code == Errc::Internal;
}

/// Again while it is Unavailable; and when nobody knows, if doing it twice does no harm.
net::Task<Result<LogCommit>> commit(Members& members, std::size_t at, LogTxn txn) {
    const Until until = members.soon();
    for (;;) {
        auto done = co_await members.log(at).commit(txn, until);
        const bool unwritten = !done && done.error().code == Errc::Unavailable;
        const bool unknown = !done && is_unknown(done.error()) && txn.guards.empty();
        if (!(unwritten || unknown) || members.loop().now() >= until.deadline.at()) {
            co_return done;
        }
        co_await pause(members);
    }
}

/// The index of the one that leads and answers, of `count`; `not_this` does not count.
net::Task<std::size_t> leader(Members& members, std::size_t count, std::size_t not_this = 99) {
    for (;;) {
        for (std::size_t i = 0; i < count; ++i) {
            if (i == not_this) { continue; }
            const Until patience = members.within(milliseconds(500));
            const auto status = co_await members.log(i).status(patience);
            if (status && status->leads()) { co_return i; }
        }
        co_await pause(members);
    }
}

// --- reading and writing ---

net::Task<void> write_and_read(Members& members) {
    const auto first = co_await commit(members, 0, put("/a/1", std::string("v\0one", 5)));
    CO_ASSERT(first && first->applied && first->revision > 0);
    for (std::size_t i = 0; i < 3; ++i) {
        const auto entry = co_await members.log(i).get("/a/1", members.soon());
        CO_ASSERT(entry && entry->has_value());
        EXPECT_EQ((*entry)->value, std::string("v\0one", 5));
        EXPECT_EQ((*entry)->revision, first->revision);
    }
    const auto second = co_await commit(members, 1, put("/a/1", "two"));
    CO_ASSERT(second && second->revision > first->revision);
    const auto entry = co_await members.log(2).get("/a/1", members.soon());
    CO_ASSERT(entry && *entry);
    EXPECT_EQ((*entry)->value, "two");
    const auto none = co_await members.log(2).get("/a/2", members.soon());
    CO_ASSERT(none);
    EXPECT_FALSE(*none);
}
TEST_P(LogContract, what_is_committed_is_seen_by_every_member) { run(3, write_and_read); }

net::Task<void> guards(Members& members) {
    auto create = put("/k", "first");
    create.guards.push_back({"/k", 0});
    const auto made = co_await commit(members, 0, create);
    CO_ASSERT(made && made->applied);
    const auto again = co_await commit(members, 0, create);
    CO_ASSERT(again);
    EXPECT_FALSE(again->applied);

    auto update = put("/k", "second");
    update.writes.push_back({"/other", "x"});
    update.guards.push_back({"/k", made->revision});
    update.guards.push_back({"/missing", 7});
    const auto refused = co_await commit(members, 0, update);
    CO_ASSERT(refused);
    EXPECT_FALSE(refused->applied);
    EXPECT_EQ(refused->revision, made->revision);
    const auto nothing = co_await members.log(0).get("/other", members.soon());
    CO_ASSERT(nothing);
    EXPECT_FALSE(*nothing);

    update.guards.pop_back();
    const auto done = co_await commit(members, 0, update);
    CO_ASSERT(done);
    EXPECT_TRUE(done->applied);
    LogTxn erase;
    erase.guards.push_back({"/k", done->revision});
    erase.writes.push_back({"/k", std::nullopt});
    const auto erased = co_await commit(members, 0, erase);
    CO_ASSERT(erased && erased->applied);
    EXPECT_GT(erased->revision, done->revision);
    const auto recreated = co_await commit(members, 0, create);
    CO_ASSERT(recreated);
    EXPECT_TRUE(recreated->applied);
}
TEST_P(LogContract, a_transaction_is_written_only_if_all_guards_hold) { run(1, guards); }

net::Task<void> listing(Members& members) {
    const auto before = co_await commit(members, 0, put("/b", "outside"));
    CO_ASSERT(before);
    LogTxn many;
    for (int i = 0; i < 2000; ++i) {
        many.writes.push_back({"/a/" + std::to_string(100'000 + i), std::to_string(i)});
    }
    const auto done = co_await commit(members, 0, many);
    CO_ASSERT(done && done->applied);
    for (int i = 0; i < 12; ++i) { // more than a message holds, after many small ones
        auto big = put("/a/z" + std::to_string(10 + i), std::string(2 << 20, static_cast<char>(i)));
        const auto written = co_await commit(members, 0, std::move(big));
        CO_ASSERT(written && written->applied);
    }
    const auto all = co_await members.log(0).list("/a/", members.soon());
    CO_ASSERT(all);
    CO_ASSERT(all->entries.size() == 2012);
    EXPECT_TRUE(std::is_sorted(all->entries.begin(), all->entries.end(),
                               [](const auto& a, const auto& b) { return a.key < b.key; }));
    EXPECT_EQ(all->entries[7].key, "/a/100007");
    EXPECT_EQ(all->entries[7].value, "7");
    EXPECT_EQ(all->entries[7].revision, done->revision);
    EXPECT_EQ(all->entries.back().value, std::string(2 << 20, 11));
    EXPECT_EQ(all->revision, all->entries.back().revision);
    const auto everything = co_await members.log(0).list("", members.soon());
    CO_ASSERT(everything);
    EXPECT_EQ(everything->entries.size(), 2013U);
    const auto nothing = co_await members.log(0).list("/c", members.soon());
    CO_ASSERT(nothing);
    EXPECT_TRUE(nothing->entries.empty());
    EXPECT_EQ(nothing->revision, all->revision);
}
TEST_P(LogContract, lists_by_prefix_in_order_however_much_it_is) { run(1, listing); }

net::Task<void> limits(Members& members) {
    LogTxn most;
    for (std::size_t i = 0; i < log_writes_max; ++i) {
        most.writes.push_back({"/a/" + std::to_string(i), "v"});
    }
    for (std::size_t i = 0; i < log_guards_max; ++i) {
        most.guards.push_back({"/g/" + std::to_string(i), 0});
    }
    const auto done = co_await commit(members, 0, most);
    CO_ASSERT(done);
    EXPECT_TRUE(done->applied);
    most.writes.push_back({"/a/more", "v"});
    const auto too_many = co_await members.log(0).commit(most, members.soon());
    CO_ASSERT(!too_many);
    EXPECT_EQ(too_many.error().code, Errc::Invalid);

    auto large = put("/l", std::string(log_txn_bytes_max - 2, 'x'));
    const auto fits = co_await commit(members, 0, large);
    CO_ASSERT(fits);
    EXPECT_TRUE(fits->applied);
    *large.writes[0].value += "y";
    const auto too_large = co_await members.log(0).commit(large, members.soon());
    CO_ASSERT(!too_large);
    EXPECT_EQ(too_large.error().code, Errc::Invalid);
    const auto read = co_await members.log(0).get("/l", members.soon());
    CO_ASSERT(read && *read);
    EXPECT_EQ((*read)->value.size(), log_txn_bytes_max - 2);

    auto twice = put("/t", "1");
    twice.writes.push_back({"/t", std::nullopt});
    const auto refused = co_await members.log(0).commit(twice, members.soon());
    CO_ASSERT(!refused);
    EXPECT_EQ(refused.error().code, Errc::Invalid);
}
TEST_P(LogContract, takes_transactions_up_to_its_limits_and_refuses_the_next) { run(1, limits); }

// --- watching ---

/// Reads until so many events have come.
net::Task<Result<std::vector<LogEvents::Event>>> read_events(Members& members, LogWatch& watch,
                                                             std::size_t count) {
    std::vector<LogEvents::Event> all;
    while (all.size() < count) {
        CO_TRY_LET(events, co_await watch.read(members.soon()));
        EXPECT_FALSE(events.events.empty());
        EXPECT_EQ(events.revision, events.events.back().revision);
        all.insert(all.end(), events.events.begin(), events.events.end());
    }
    co_return all;
}

net::Task<void> watching(Members& members) {
    const auto first = co_await commit(members, 0, put("/w/0", "0"));
    CO_ASSERT(first);
    auto opened = co_await members.log(1).watch("/w/", first->revision, members.soon());
    CO_ASSERT(opened);
    LogWatch& watch = **opened;
    LogTxn both;
    both.writes.push_back({"/w/1", "1"});
    both.writes.push_back({"/x/1", "unseen"});
    both.writes.push_back({"/w/0", std::nullopt});
    const auto second = co_await commit(members, 0, both);
    CO_ASSERT(second && second->applied);
    const auto unseen = co_await commit(members, 0, put("/x/2", "unseen"));
    CO_ASSERT(unseen);
    const auto third = co_await commit(members, 2, put("/w/2", "2"));
    CO_ASSERT(third);

    const auto events = co_await read_events(members, watch, 4);
    CO_ASSERT(events && events->size() == 4);
    EXPECT_EQ((*events)[0].key, "/w/0");
    EXPECT_EQ((*events)[0].value, "0");
    EXPECT_EQ((*events)[0].revision, first->revision);
    EXPECT_EQ((*events)[1].key, "/w/1");
    EXPECT_EQ((*events)[2].key, "/w/0");
    EXPECT_FALSE((*events)[2].value);
    EXPECT_EQ((*events)[1].revision, second->revision);
    EXPECT_EQ((*events)[2].revision, second->revision);
    EXPECT_EQ((*events)[3].revision, third->revision);

    const auto silence = co_await watch.read(members.within(milliseconds(300)));
    CO_ASSERT(!silence);
    EXPECT_EQ(silence.error().code, Errc::Timeout);
    const auto fourth = co_await commit(members, 0, put("/w/3", "3"));
    CO_ASSERT(fourth);
    const auto more = co_await read_events(members, watch, 1);
    CO_ASSERT(more);
    EXPECT_EQ((*more)[0].key, "/w/3");
}
TEST_P(LogContract, a_watch_tells_all_from_its_revision_on_in_order) { run(3, watching); }

net::Task<void> watch_much(Members& members) {
    LogTxn large;
    for (int i = 0; i < 14; ++i) {
        large.writes.push_back({"/w/" + std::to_string(10 + i), std::string(1 << 20, 'x')});
    }
    const auto first = co_await commit(members, 0, large);
    CO_ASSERT(first && first->applied);
    const auto second = co_await commit(members, 0, large);
    CO_ASSERT(second && second->applied);
    for (int i = 0; i < 300; ++i) {
        const auto done = co_await commit(members, 0, put("/w/x", std::to_string(i)));
        CO_ASSERT(done);
    }
    // Twice more than a message holds, and the transactions stay whole.
    auto opened = co_await members.log(0).watch("/w/", first->revision, members.soon());
    CO_ASSERT(opened);
    std::size_t seen = 0;
    std::int64_t last = 0;
    while (seen < 328) {
        const auto events = co_await (*opened)->read(members.soon());
        CO_ASSERT(events);
        EXPECT_GT(events->events.front().revision, last);
        last = events->revision;
        seen += events->events.size();
    }
    EXPECT_EQ(seen, 328U);
    EXPECT_EQ(last, second->revision + 300);
}
TEST_P(LogContract, a_watch_that_lags_gets_much_at_once_and_whole_transactions) {
    run(1, watch_much);
}

net::Task<void> watch_compacted(Members& members) {
    const auto first = co_await commit(members, 0, put("/w/0", "0"));
    CO_ASSERT(first);
    std::int64_t last = 0;
    for (int i = 0; i < 5; ++i) {
        const auto done = co_await commit(members, 0, put("/w/0", std::to_string(i)));
        CO_ASSERT(done);
        last = done->revision;
    }
    const auto compacted = co_await members.compact(last);
    CO_ASSERT(compacted);
    auto opened = co_await members.log(0).watch("/w/", first->revision, members.soon());
    CO_ASSERT(opened);
    for (int i = 0; i < 2; ++i) {
        const auto read = co_await (*opened)->read(members.soon());
        CO_ASSERT(!read);
        EXPECT_EQ(read.error().code, Errc::NotFound) << read.error().message;
    }
    const auto listing = co_await members.log(0).list("/w/", members.soon());
    CO_ASSERT(listing && listing->entries.size() == 1);
    EXPECT_EQ(listing->entries[0].value, "4");
    auto anew = co_await members.log(0).watch("/w/", last, members.soon());
    CO_ASSERT(anew);
    const auto events = co_await (*anew)->read(members.soon());
    CO_ASSERT(events);
    EXPECT_EQ(events->revision, last);
}
TEST_P(LogContract, a_watch_from_a_compacted_revision_is_told_to_list_again) {
    run(1, watch_compacted);
}

net::Task<void> watch_lost(Members& members) {
    const auto first = co_await commit(members, 0, put("/w/0", "0"));
    CO_ASSERT(first);
    const auto there = co_await commit(members, 2, put("/w/1", "1"));
    CO_ASSERT(there);
    auto opened = co_await members.log(2).watch("/w/", there->revision + 1, members.soon());
    CO_ASSERT(opened);
    members.kill(2);
    const auto lost = co_await (*opened)->read(members.soon());
    CO_ASSERT(!lost);
    EXPECT_EQ(lost.error().code, Errc::Unavailable) << lost.error().message;
    const auto refused = co_await members.log(2).status(members.soon());
    CO_ASSERT(!refused);
    EXPECT_EQ(refused.error().code, Errc::Unavailable) << refused.error().message;
    const auto unwritten = co_await members.log(2).commit(put("/w/no", ""), members.soon());
    CO_ASSERT(!unwritten);
    EXPECT_EQ(unwritten.error().code, Errc::Unavailable) << unwritten.error().message;

    const auto meanwhile = co_await commit(members, 0, put("/w/2", "2"));
    CO_ASSERT(meanwhile && meanwhile->applied);
    members.restart(2);
    const auto back = co_await commit(members, 2, put("/w/3", "3"));
    CO_ASSERT(back && back->applied);
    auto anew = co_await members.log(2).watch("/w/", there->revision + 1, members.soon());
    CO_ASSERT(anew);
    const auto events = co_await read_events(members, **anew, 2);
    CO_ASSERT(events && events->size() == 2);
    EXPECT_EQ((*events)[0].key, "/w/2");
    EXPECT_EQ((*events)[1].key, "/w/3");
}
TEST_P(LogContract, a_watch_whose_member_dies_can_be_taken_up_again) { run(3, watch_lost); }

// --- members that move ---

net::Task<void> moved(Members& members) {
    const auto answers = co_await leader(members, 1);
    EXPECT_EQ(answers, 0u);
    const auto status = co_await members.log(0).status(members.soon());
    CO_ASSERT(status);
    const std::string place = members.peer_url(0) + "0";
    const auto told =
        co_await members.log(0).set_peer_url(status->member_id, place, members.soon());
    EXPECT_TRUE(told) << why(told);
    const auto all = co_await members.log(0).members(members.soon());
    CO_ASSERT(all && all->size() == 1);
    EXPECT_EQ(all->front().peer_url, place);
    const auto nobody = co_await members.log(0).set_peer_url("abc", place, members.soon());
    CO_ASSERT(!nobody);
    EXPECT_EQ(nobody.error().code, Errc::NotFound) << nobody.error().message;
}
TEST_P(LogContract, a_member_that_moved_is_known_at_its_new_place) { run(1, moved); }

// --- failures ---

net::Task<void> failover(Members& members) {
    const auto before = co_await commit(members, 0, put("/k", "before"));
    CO_ASSERT(before);
    const auto old = co_await leader(members, 3);
    const auto status = co_await members.log(old).status(members.soon());
    CO_ASSERT(status);
    members.kill(old);
    const auto next = co_await leader(members, 3, old);
    EXPECT_NE(next, old);
    const auto now = co_await members.log(next).status(members.soon());
    CO_ASSERT(now);
    EXPECT_GT(now->term, status->term);
    EXPECT_NE(now->leader_id, status->leader_id);
    const auto kept = co_await members.log(next).get("/k", members.soon());
    CO_ASSERT(kept && *kept);
    EXPECT_EQ((*kept)->value, "before");
    const auto after = co_await commit(members, next, put("/k", "after"));
    EXPECT_TRUE(after) << why(after);
    CO_ASSERT(after && after->applied);
    members.restart(old);
    const auto caught_up = co_await commit(members, old, put("/k2", "from the old one"));
    CO_ASSERT(caught_up && caught_up->applied);
    const auto seen = co_await members.log(old).get("/k", members.soon());
    CO_ASSERT(seen && *seen);
    EXPECT_EQ((*seen)->value, "after");
    const auto follows = co_await members.log(old).status(members.soon());
    CO_ASSERT(follows);
    EXPECT_FALSE(follows->leads());
}
TEST_P(LogContract, another_leads_when_the_leader_dies_and_nothing_is_lost) { run(3, failover); }

net::Task<void> without_quorum(Members& members) {
    const auto before = co_await commit(members, 0, put("/k", "before"));
    CO_ASSERT(before);
    auto opened = co_await members.log(0).watch("/k", before->revision + 1, members.soon());
    CO_ASSERT(opened);
    members.kill(1);
    members.kill(2);
    const auto write =
        co_await members.log(0).commit(put("/k", "never"), members.within(seconds(3)));
    CO_ASSERT(!write);
    EXPECT_TRUE(is_unknown(write.error())) << write.error().message;
    const auto read = co_await members.log(0).get("/k", members.within(seconds(2)));
    CO_ASSERT(!read);
    EXPECT_TRUE(read.error().code == Errc::Timeout || read.error().code == Errc::Unavailable);
    const auto silence = co_await (*opened)->read(members.within(milliseconds(200)));
    CO_ASSERT(!silence);
    EXPECT_EQ(silence.error().code, Errc::Timeout);
    const auto status = co_await members.log(0).status(members.soon());
    CO_ASSERT(status);
    EXPECT_EQ(status->leader_id, "");

    members.restart(1);
    const auto again = co_await commit(members, 1, put("/k", "after"));
    CO_ASSERT(again && again->applied);
    const auto seen = co_await read_events(members, **opened, 1);
    CO_ASSERT(seen);
    EXPECT_EQ(seen->back().key, "/k");
}
TEST_P(LogContract, without_a_quorum_nothing_is_written_or_read_and_watches_wait) {
    run(3, without_quorum);
}

LogTxn fenced(std::string key, std::string value, std::int64_t epoch) {
    auto txn = put(std::move(key), std::move(value));
    txn.guards.push_back({"/epoch", epoch});
    return txn;
}

net::Task<void> deposed(Members& members) {
    const auto old = co_await leader(members, 3);
    const auto first = co_await commit(members, old, put("/epoch", "old"));
    CO_ASSERT(first);
    members.part(old);
    const auto next = co_await leader(members, 3, old);
    const auto second = co_await commit(members, next, put("/epoch", "new"));
    CO_ASSERT(second && second->applied);
    // The old one does not know yet, and its process goes on writing.
    const auto late = co_await members.log(old).commit(fenced("/late", "1", first->revision),
                                                       members.within(seconds(1)));
    EXPECT_TRUE(!late || !late->applied);
    members.rejoin(old);
    const auto later = co_await commit(members, old, fenced("/late", "2", first->revision));
    EXPECT_TRUE(later ? !later->applied : is_unknown(later.error()));
    const auto fresh = co_await commit(members, next, fenced("/k", "new", second->revision));
    CO_ASSERT(fresh);
    EXPECT_TRUE(fresh->applied);
    const auto none = co_await members.log(next).get("/late", members.soon());
    CO_ASSERT(none);
    EXPECT_FALSE(*none);
}
TEST_P(LogContract, a_deposed_leader_cannot_write_past_the_epoch) { run(3, deposed); }

/// Numbers that are written one after the other while members die: what is told must be true.
struct Told {
    std::vector<int> written;
    std::vector<int> refused; ///< surely not written
};
net::Task<void> write_numbers(Members& members, Told& told, bool& stop) {
    for (int number = 0; !stop; ++number) {
        const auto at = static_cast<std::size_t>(number) % 3;
        const auto key = "/n/" + std::to_string(1000 + number);
        const auto done =
            co_await members.log(at).commit(put(key, "v"), members.within(milliseconds(1500)));
        if (done) { told.written.push_back(number); }
        if (!done && !is_unknown(done.error())) {
            EXPECT_EQ(done.error().code, Errc::Unavailable) << done.error().message;
            told.refused.push_back(number);
        }
        co_await net::sleep(members.loop(), members.within(milliseconds(5)));
    }
}
net::Task<void> told_is_true(Members& members) {
    Told told;
    bool stop = false;
    net::TaskScope scope(members.loop());
    scope.spawn(write_numbers(members, told, stop));
    // On a slow machine little is written between two losses.
    const auto goes_on = [&](int round) {
        return round < 3 || (told.written.size() <= 20 && round < 30);
    };
    for (int round = 0; goes_on(round); ++round) {
        co_await net::sleep(members.loop(), members.within(milliseconds(400)));
        const auto victim = co_await leader(members, 3);
        members.kill(victim);
        co_await net::sleep(members.loop(), members.within(milliseconds(900)));
        members.restart(victim);
        const auto healthy = co_await commit(members, victim, put("/healthy", "v"));
        EXPECT_TRUE(healthy);
    }
    stop = true;
    const auto drained = co_await scope.drain(members.soon());
    EXPECT_EQ(drained, net::Wake::Raised);
    const auto all = co_await members.log(1).list("/n/", members.soon());
    CO_ASSERT(all);
    std::set<std::string> there;
    for (const auto& entry : all->entries) { there.insert(entry.key); }
    EXPECT_GT(told.written.size(), 20U);
    for (const int number : told.written) {
        EXPECT_TRUE(there.contains("/n/" + std::to_string(1000 + number))) << number;
    }
    for (const int number : told.refused) {
        EXPECT_FALSE(there.contains("/n/" + std::to_string(1000 + number))) << number;
    }
}
TEST_P(LogContract, what_is_told_of_a_write_is_true_while_leaders_die) { run(3, told_is_true); }

net::Task<void> full(Members& members) {
    std::optional<Error> refused;
    for (int i = 0; i < 40 && !refused; ++i) {
        const auto done = co_await commit(
            members, 0, put("/f/" + std::to_string(i), std::string(256 << 10, 'x')));
        if (!done) { refused = done.error(); }
    }
    CO_ASSERT(refused);
    EXPECT_EQ(refused->code, Errc::Exhausted) << refused->message;
    const auto status = co_await members.log(0).status(members.soon());
    CO_ASSERT(status && !status->alarms.empty());
    EXPECT_EQ(status->alarms[0], "NOSPACE");
    const auto read = co_await members.log(0).get("/f/0", members.soon());
    CO_ASSERT(read && *read);
}
TEST_P(LogContract, a_full_log_says_so_and_can_be_read) {
    members->limit_space();
    run(1, full);
}

// --- membership ---

net::Task<Result<LogMember>> add(Members& members, std::size_t asked, std::string url) {
    const Until until = members.soon();
    for (;;) {
        auto added = co_await members.log(asked).add_learner(url, until);
        if (added || added.error().code != Errc::Unavailable) { co_return added; }
        if (members.loop().now() >= until.deadline.at()) { co_return added; }
        co_await pause(members);
    }
}
net::Task<Result<void>> promote(Members& members, std::size_t asked, std::string id) {
    const Until until = members.soon();
    for (;;) {
        auto promoted = co_await members.log(asked).promote(id, until);
        if (promoted || promoted.error().code != Errc::Unavailable) { co_return promoted; }
        if (members.loop().now() >= until.deadline.at()) { co_return promoted; }
        co_await pause(members);
    }
}

net::Task<void> membership(Members& members) {
    const auto data = co_await commit(members, 0, put("/k", "v"));
    CO_ASSERT(data);
    const auto url = members.peer_url(1);
    const auto learner = co_await add(members, 0, url);
    CO_ASSERT(learner);
    EXPECT_TRUE(learner->learner);
    EXPECT_EQ(learner->peer_url, url);
    EXPECT_EQ(learner->name, "");
    const auto twice = co_await members.log(0).add_learner(url, members.soon());
    CO_ASSERT(!twice);
    EXPECT_EQ(twice.error().code, Errc::Conflict) << twice.error().message;
    const auto second = co_await members.log(0).add_learner("http://127.0.0.1:1", members.soon());
    CO_ASSERT(!second);
    EXPECT_EQ(second.error().code, Errc::Unavailable) << second.error().message;
    const auto early = co_await members.log(0).promote(learner->id, members.soon());
    CO_ASSERT(!early);
    EXPECT_EQ(early.error().code, Errc::Unavailable) << early.error().message;

    const auto all = co_await members.log(0).members(members.soon());
    CO_ASSERT(all && all->size() == 2);
    members.join(1, *all);
    for (;;) {
        const auto status = co_await members.log(1).status(members.soon());
        if (status && !status->leader_id.empty()) {
            EXPECT_TRUE(status->learner);
            EXPECT_EQ(status->member_id, learner->id);
            break;
        }
        co_await pause(members);
    }
    const auto no_read = co_await members.log(1).get("/k", members.soon());
    CO_ASSERT(!no_read);
    EXPECT_EQ(no_read.error().code, Errc::Unavailable) << no_read.error().message;
    const auto no_watch = co_await members.log(1).watch("/", 1, members.soon());
    CO_ASSERT(!no_watch);
    EXPECT_EQ(no_watch.error().code, Errc::Unavailable) << no_watch.error().message;

    const auto promoted = co_await promote(members, 0, learner->id);
    CO_ASSERT(promoted);
    const auto again = co_await members.log(0).promote(learner->id, members.soon());
    EXPECT_TRUE(again) << again.error().message;
    const auto now = co_await members.log(0).members(members.soon());
    CO_ASSERT(now && now->size() == 2);
    for (const auto& member : *now) {
        EXPECT_FALSE(member.learner);
        EXPECT_NE(member.name, "");
    }
    const auto seen = co_await members.log(1).get("/k", members.soon());
    CO_ASSERT(seen && *seen);
}
TEST_P(LogContract, a_learner_catches_up_and_gets_a_vote) { run(1, membership); }

net::Task<void> hand_over(Members& members) {
    const auto first = co_await commit(members, 0, put("/k", "v"));
    CO_ASSERT(first);
    const auto old = co_await leader(members, 3);
    const auto target = (old + 1) % 3;
    const auto other = (old + 2) % 3;
    const auto target_status = co_await members.log(target).status(members.soon());
    CO_ASSERT(target_status);
    const auto not_leader =
        co_await members.log(other).move_leader(target_status->member_id, members.soon());
    CO_ASSERT(!not_leader);
    EXPECT_EQ(not_leader.error().code, Errc::Conflict) << not_leader.error().message;
    const auto nobody = co_await members.log(old).move_leader("abc123", members.soon());
    CO_ASSERT(!nobody);
    EXPECT_EQ(nobody.error().code, Errc::Invalid) << nobody.error().message;
    const auto moved =
        co_await members.log(old).move_leader(target_status->member_id, members.soon());
    CO_ASSERT(moved);
    for (;;) {
        const auto status = co_await members.log(target).status(members.soon());
        CO_ASSERT(status);
        if (status->leads()) { break; }
        co_await pause(members);
    }
    const auto written = co_await commit(members, target, put("/k", "v2"));
    CO_ASSERT(written && written->applied);

    const auto old_status = co_await members.log(old).status(members.soon());
    CO_ASSERT(old_status);
    const Until until = members.soon();
    for (;;) {
        const auto removed =
            co_await members.log(target).remove(old_status->member_id, members.soon());
        if (removed) { break; }
        CO_ASSERT(removed.error().code == Errc::Unavailable);
        CO_ASSERT(members.loop().now() < until.deadline.at());
        co_await pause(members);
    }
    const auto gone = co_await members.log(target).remove(old_status->member_id, members.soon());
    CO_ASSERT(!gone);
    EXPECT_EQ(gone.error().code, Errc::NotFound) << gone.error().message;
    const auto left = co_await members.log(target).members(members.soon());
    CO_ASSERT(left);
    EXPECT_EQ(left->size(), 2U);
    const auto after = co_await commit(members, other, put("/k", "v3"));
    EXPECT_TRUE(after) << why(after);
    CO_ASSERT(after && after->applied);
    // The one that was removed writes no more.
    const auto outside =
        co_await members.log(old).commit(put("/outside", "x"), members.within(seconds(3)));
    EXPECT_FALSE(outside);
}
TEST_P(LogContract, the_leader_gives_way_and_can_be_removed) { run(3, hand_over); }

net::Task<void> snapshots(Members& members) {
    const auto done = co_await commit(members, 0, put("/k", std::string(100'000, 'x')));
    CO_ASSERT(done);
    std::size_t bytes = 0;
    std::size_t pieces = 0;
    const auto take = [&bytes, &pieces](std::string_view piece) {
        bytes += piece.size();
        ++pieces;
        return ok();
    };
    const auto taken = co_await members.log(0).snapshot(take, members.soon());
    CO_ASSERT(taken);
    EXPECT_GE(bytes, 100'000U);
    const std::size_t whole = pieces;
    pieces = 0;
    const auto fail = [&pieces](std::string_view) -> Result<void> {
        ++pieces;
        return Error{Errc::Exhausted, "enough"};
    };
    const auto ended = co_await members.log(0).snapshot(fail, members.soon());
    CO_ASSERT(!ended);
    EXPECT_EQ(ended.error().message, "enough");
    EXPECT_EQ(pieces, 1U);
    EXPECT_GT(whole, 1U);
    const auto alive = co_await members.log(0).get("/k", members.soon());
    EXPECT_TRUE(alive && *alive);
}
TEST_P(LogContract, gives_a_copy_of_everything_in_pieces) { run(1, snapshots); }

// --- numbers, when asked for: --gtest_also_run_disabled_tests --gtest_filter=*Measure* ---

std::string memory_of(pid_t pid) {
    const auto text =
        os::read_file("/proc/" + std::to_string(pid) + "/smaps_rollup", 1 << 16).value_or("");
    std::string out;
    for (const std::string_view field : {"Rss:", "Pss:"}) {
        const auto at = text.find(field);
        if (at != std::string::npos) { out += text.substr(at, text.find("kB", at) - at) + "KiB "; }
    }
    return out;
}

net::Task<void> measure(EtcdMembers& members, std::size_t bytes) {
    const auto at = co_await leader(members, 3);
    for (const std::size_t from : {at, (at + 1) % 3}) {
        std::vector<double> all;
        for (int i = 0; i < 400; ++i) {
            const auto begin = std::chrono::steady_clock::now();
            const auto done = co_await members.log(from).commit(
                put("/m/" + std::to_string(i % 100), std::string(bytes, 'x')), members.soon());
            CO_ASSERT(done);
            const std::chrono::duration<double, std::milli> took =
                std::chrono::steady_clock::now() - begin;
            all.push_back(took.count());
        }
        std::sort(all.begin(), all.end());
        printf("%zu bytes, at %s: median %.2f ms, 90%% %.2f, 99%% %.2f, most %.2f\n", bytes,
               from == at ? "the leader" : "a follower", all[200], all[360], all[396], all[399]);
    }
}

TEST(EtcdMeasure, DISABLED_commits_and_memory) {
    EtcdMembers members;
    members.start(3);
    net::run_task(members.loop(), measure(members, 500));
    for (std::size_t i = 0; i < 3; ++i) { printf("%s\n", memory_of(members.pid(i)).c_str()); }
    net::run_task(members.loop(), measure(members, 100'000));
    for (std::size_t i = 0; i < 3; ++i) { printf("%s\n", memory_of(members.pid(i)).c_str()); }
    net::run_task(members.loop(), net::sleep(members.loop(), members.within(seconds(20))));
    printf("after 20 s of rest\n");
    for (std::size_t i = 0; i < 3; ++i) { printf("%s\n", memory_of(members.pid(i)).c_str()); }
}

} // namespace
} // namespace shoal::swarm
