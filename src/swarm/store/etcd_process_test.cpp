#include "swarm/store/etcd_process.h"

#include "base/text.h"
#include "net/sleep.h"
#include "os/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

namespace shoal::swarm {
namespace {

using net::Until;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

#define CO_ASSERT(...)                                                                             \
    if (!(__VA_ARGS__)) {                                                                          \
        ADD_FAILURE() << #__VA_ARGS__;                                                             \
        co_return;                                                                                 \
    }

EtcdSettings some_settings() {
    EtcdSettings settings;
    settings.folder = "/var/lib/x/etcd";
    settings.name = "node1";
    settings.peer_listen_url = settings.peer_url = "https://10.0.0.1:2378";
    return settings;
}

bool has(const std::vector<std::string>& all, std::string_view one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

// --- settings ---

TEST(EtcdSettings, only_the_first_of_a_cluster_may_begin_one) {
    const auto settings = some_settings();
    const auto first = etcd_arguments(settings, {EtcdStart::Kind::Bootstrap, {}});
    EXPECT_TRUE(has(first, "--initial-cluster-state=new"));
    EXPECT_TRUE(has(first, "--initial-cluster=node1=https://10.0.0.1:2378"));
    EXPECT_TRUE(has(first, "--initial-cluster-token=node1"))
        << "no ids of one that was here before";
    for (const auto kind : {EtcdStart::Kind::Resume, EtcdStart::Kind::Join}) {
        EXPECT_TRUE(has(etcd_arguments(settings, {kind, {}}), "--initial-cluster-state=existing"));
    }
    EXPECT_FALSE(has(first, "--force-new-cluster=true"));
    EXPECT_TRUE(
        has(etcd_arguments(settings, {EtcdStart::Kind::ForceNew, {}}), "--force-new-cluster=true"));
}

TEST(EtcdSettings, a_joining_member_names_all_the_others) {
    EtcdStart join{EtcdStart::Kind::Join,
                   {{"a1", "node0", "https://10.0.0.9:2378", false},
                    {"b2", "", "https://10.0.0.1:2378", true},
                    {"c3", "", "https://10.0.0.7:2378", false}}};
    EXPECT_TRUE(has(etcd_arguments(some_settings(), join),
                    "--initial-cluster=node1=https://10.0.0.1:2378,node0=https://10.0.0.9:2378,"
                    "c3=https://10.0.0.7:2378"));
}

TEST(EtcdSettings, peers_are_checked_by_certificate_and_clients_have_no_tcp_port) {
    auto settings = some_settings();
    settings.peer_tls = EtcdPeerTls{"/c", "/k", "/t", "managers"};
    const auto all = etcd_arguments(settings, {});
    for (const auto* one :
         {"--peer-cert-file=/c", "--peer-key-file=/k", "--peer-trusted-ca-file=/t",
          "--peer-client-cert-auth=true", "--peer-cert-allowed-hostname=managers",
          "--experimental-peer-skip-client-san-verification=true",
          "--listen-client-urls=unix://client:1"}) {
        EXPECT_TRUE(has(all, one)) << one;
    }
}

TEST(EtcdSettings, how_it_began_makes_no_other_process_but_force_and_timing_do) {
    auto settings = some_settings();
    const auto running = etcd_arguments(settings, {EtcdStart::Kind::Bootstrap, {}});
    EXPECT_TRUE(same_etcd(running, etcd_arguments(settings, {})));
    EXPECT_FALSE(same_etcd(etcd_arguments(settings, {EtcdStart::Kind::ForceNew, {}}),
                           etcd_arguments(settings, {})));
    settings.heartbeat *= 2;
    EXPECT_FALSE(same_etcd(running, etcd_arguments(settings, {})));
}

TEST(EtcdSettings, nothing_of_the_daemons_environment_reaches_it) {
    for (const auto& entry : etcd_environment(some_settings())) {
        EXPECT_TRUE(entry.starts_with("PATH=") || entry.starts_with("GO") ||
                    entry.starts_with("ETCD_UNSUPPORTED_ARCH="))
            << entry;
    }
}

TEST(EtcdSettings, back_off_grows_to_a_limit) {
    EXPECT_EQ(etcd_back_off(1), milliseconds(200));
    EXPECT_EQ(etcd_back_off(2), milliseconds(400));
    EXPECT_EQ(etcd_back_off(100), milliseconds(15'000));
}

EtcdEnd::Kind kind_of(std::string_view log) { return diagnose_etcd(log, some_settings()).kind; }

TEST(EtcdEnd, is_told_from_its_last_words) {
    using Kind = EtcdEnd::Kind;
    EXPECT_EQ(
        kind_of(R"({"level":"fatal","msg":"discovery failed","error":"walpb: crc mismatch"})"),
        Kind::Damaged);
    EXPECT_EQ(kind_of("panic: failed to open database\n\ngoroutine 127 [running]:\n"),
              Kind::Damaged);
    EXPECT_EQ(kind_of("panic: tocommit(5) is out of range [lastIndex(3)]. Was the raft log "
                      "corrupted, truncated, or lost?"),
              Kind::Damaged);
    EXPECT_EQ(kind_of(R"({"level":"error","msg":"server error","error":"the member has been )"
                      R"(permanently removed from the cluster"})"),
              Kind::Removed);
    EXPECT_EQ(kind_of(R"({"level":"fatal","msg":"discovery failed","error":"listen tcp )"
                      R"(10.0.0.1:2378: bind: address already in use"})"),
              Kind::AddressInUse);
    EXPECT_EQ(kind_of(R"({"level":"fatal","msg":"failed to save","error":"write x: no space left )"
                      R"(on device"})"),
              Kind::NoSpace);
    EXPECT_EQ(kind_of(""), Kind::Other);
}

TEST(EtcdEnd, a_repaired_snapshot_is_no_damage) {
    EXPECT_EQ(kind_of(R"({"level":"warn","msg":"failed to read a snap file","error":"snap: crc )"
                      R"(mismatch"})"
                      "\n"
                      R"({"level":"fatal","msg":"boom","error":"something else"})"),
              EtcdEnd::Kind::Other);
}

TEST(EtcdEnd, errors_say_what_to_do) {
    const auto damaged = diagnose_etcd("panic: failed to open database", some_settings());
    EXPECT_THAT(damaged.error.message, HasSubstr("/var/lib/x/etcd/data is damaged"));
    EXPECT_THAT(damaged.error.message, HasSubstr("docker node demote"));
    EXPECT_THAT(damaged.error.message, HasSubstr("back-up"));
    EXPECT_THAT(diagnose_etcd("", some_settings()).error.message, HasSubstr("etcd.log"));
}

// --- errors of calls ---

Errc translated(std::string text, CallKind kind, Errc code = Errc::Unavailable) {
    return translate_etcd_error({code, std::move(text)}, kind, false).code;
}

TEST(EtcdErrors, a_write_is_unavailable_only_when_it_surely_was_not_written) {
    using enum CallKind;
    EXPECT_EQ(translated("/x: etcdserver: no leader", Write), Errc::Unavailable);
    EXPECT_EQ(translated("etcdserver: rpc not supported for learner", Write), Errc::Unavailable);
    EXPECT_EQ(translated("etcdserver: request timed out", Write), Errc::Timeout);
    EXPECT_EQ(
        translated("etcdserver: request timed out, possibly due to previous leader failure", Write),
        Errc::Timeout);
    EXPECT_EQ(translated("etcdserver: leader changed", Write), Errc::Internal);
    EXPECT_EQ(translated("etcdserver: server stopped", Write), Errc::Internal);
    EXPECT_EQ(translated("something new", Write), Errc::Internal);
    EXPECT_EQ(translated("the connection has ended", Write, Errc::Cancelled), Errc::Internal);
    EXPECT_EQ(translated("the connection has ended", Read, Errc::Cancelled), Errc::Unavailable);
    EXPECT_EQ(translated("etcdserver: request timed out", Read), Errc::Unavailable);
}

TEST(EtcdErrors, keep_what_callers_act_on) {
    using enum CallKind;
    EXPECT_EQ(translated("etcdserver: mvcc: database space exceeded", Write, Errc::Exhausted),
              Errc::Exhausted);
    EXPECT_EQ(translated("etcdserver: too many requests", Write, Errc::Exhausted),
              Errc::Unavailable);
    EXPECT_EQ(
        translated("etcdserver: mvcc: required revision has been compacted", Read, Errc::Invalid),
        Errc::NotFound);
    EXPECT_EQ(translated("read: timed out", Write, Errc::Timeout), Errc::Timeout);
    EXPECT_EQ(translate_etcd_error({Errc::Cancelled, "x"}, Write, true).code, Errc::Cancelled);
}

TEST(EtcdLog, ranges_end_behind_the_last_key_of_a_prefix) {
    EXPECT_EQ(range_end_of("/a/"), "/a0");
    EXPECT_EQ(range_end_of("a\xff"), "b");
    EXPECT_EQ(range_end_of(""), std::string(1, '\0'));
}

// --- the process ---

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

struct EtcdProcessTest : testing::Test {
    os::TempDir folder = *os::TempDir::create("/tmp", "shoal-etcd-");
    net::Loop loop;
    EtcdSettings settings;
    std::unique_ptr<EtcdProcess> etcd;

    void SetUp() override {
        if (!os::find_program("etcd")) { GTEST_SKIP() << "etcd is not installed"; }
        settings.folder = folder.path() + "/etcd";
        settings.name = "m0";
        settings.peer_url = "http://127.0.0.1:" + std::to_string(free_port());
        settings.peer_listen_url = settings.peer_url;
        anew();
    }
    void TearDown() override {
        if (etcd) { net::run_task(loop, etcd->stop()); }
    }
    void anew() { etcd = std::make_unique<EtcdProcess>(loop, settings); }
    void run(net::Task<void> (*scenario)(EtcdProcessTest&)) {
        net::run_task(loop, scenario(*this));
    }
    Until soon() { return loop.in(seconds(20)); }
    net::Task<Result<void>> begin(EtcdStart::Kind kind) {
        EtcdStart how{kind, {}};
        CO_TRY(co_await etcd->start(std::move(how)));
        co_return co_await etcd->wait_ready(soon());
    }
    net::Task<Result<LogCommit>> put(std::string key) {
        EtcdLog log(loop, settings.socket_path());
        LogTxn txn;
        txn.writes.push_back({std::move(key), "v"});
        auto done = co_await log.commit(std::move(txn), soon());
        co_await log.disconnect();
        co_return done;
    }
    net::Task<bool> has_key(std::string key) {
        EtcdLog log(loop, settings.socket_path());
        const auto entry = co_await log.get(std::move(key), soon());
        co_await log.disconnect();
        co_return entry && entry->has_value();
    }
    net::Task<void> wait_for(EtcdProcess::State state) {
        const Until until = soon();
        while (etcd->state() != state && loop.now() < until.deadline.at()) {
            const Until pause(loop.in(milliseconds(10)));
            co_await net::sleep(loop, pause);
        }
        EXPECT_EQ(name_of(etcd->state()), name_of(state));
    }
};

bool is_gone(pid_t pid) { return !os::identify_process(pid); }

net::Task<void> lives(EtcdProcessTest& test) {
    CO_ASSERT(!EtcdProcess::has_data(test.settings));
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    EXPECT_TRUE(EtcdProcess::has_data(test.settings));
    const auto written = co_await test.put("/k");
    CO_ASSERT(written);
    const pid_t pid = test.etcd->pid();
    EXPECT_EQ(::getsid(pid), pid);
    struct stat folder {};
    EXPECT_EQ(::stat(test.settings.run_folder().c_str(), &folder), 0);
    EXPECT_EQ(folder.st_mode & 0777, 0700U);
    co_await test.etcd->stop();
    EXPECT_TRUE(is_gone(pid));
    EXPECT_FALSE(os::exists(test.settings.socket_path()));
    EXPECT_FALSE(os::exists(test.settings.pid_path()));

    const auto again = co_await test.begin(EtcdStart::Kind::Resume);
    CO_ASSERT(again);
    const bool kept = co_await test.has_key("/k");
    EXPECT_TRUE(kept);
}
TEST_F(EtcdProcessTest, begins_stops_and_resumes_with_what_it_had) { run(lives); }

net::Task<void> dies(EtcdProcessTest& test) {
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    const auto written = co_await test.put("/k");
    CO_ASSERT(written);
    const pid_t first = test.etcd->pid();
    CO_ASSERT(::kill(first, SIGKILL) == 0);
    co_await test.wait_for(EtcdProcess::State::Waiting);
    EXPECT_TRUE(test.etcd->failure());
    const auto ready = co_await test.etcd->wait_ready(test.soon());
    CO_ASSERT(ready);
    EXPECT_FALSE(test.etcd->failure());
    EXPECT_NE(test.etcd->pid(), first);
    const bool kept = co_await test.has_key("/k");
    EXPECT_TRUE(kept);
}
TEST_F(EtcdProcessTest, is_started_again_when_it_dies) { run(dies); }

net::Task<void> taken_over(EtcdProcessTest& test) {
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    const pid_t pid = test.etcd->pid();
    test.anew(); // the daemon has crashed
    EXPECT_FALSE(is_gone(pid));
    const auto again = co_await test.begin(EtcdStart::Kind::Resume);
    CO_ASSERT(again);
    EXPECT_EQ(test.etcd->pid(), pid);
    EXPECT_TRUE(test.etcd->taken_over());

    test.anew(); // and before it had noted the number
    EXPECT_TRUE(os::remove_file(test.settings.pid_path()));
    const auto third = co_await test.begin(EtcdStart::Kind::Resume);
    CO_ASSERT(third);
    EXPECT_EQ(test.etcd->pid(), pid);
    EXPECT_EQ(::kill(pid, SIGKILL), 0); // seen though it is not our child by then
    co_await test.wait_for(EtcdProcess::State::Waiting);
    const auto ready = co_await test.etcd->wait_ready(test.soon());
    CO_ASSERT(ready);
    EXPECT_NE(test.etcd->pid(), pid);
}
TEST_F(EtcdProcessTest, is_taken_over_after_a_crash_of_the_daemon) { run(taken_over); }

net::Task<void> other_settings(EtcdProcessTest& test) {
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    const pid_t pid = test.etcd->pid();
    const auto same = co_await test.etcd->apply(test.settings);
    CO_ASSERT(same);
    EXPECT_EQ(test.etcd->pid(), pid);
    test.settings.heartbeat *= 2;
    test.settings.election *= 2;
    const auto applied = co_await test.etcd->apply(test.settings);
    CO_ASSERT(applied);
    const auto ready = co_await test.etcd->wait_ready(test.soon());
    CO_ASSERT(ready);
    EXPECT_TRUE(is_gone(pid));
    const pid_t second = test.etcd->pid();
    test.settings.snapshot_count += 1;
    test.anew();
    const auto again = co_await test.begin(EtcdStart::Kind::Resume);
    CO_ASSERT(again);
    EXPECT_TRUE(is_gone(second) || test.etcd->pid() != second);
    EXPECT_FALSE(test.etcd->taken_over());
}
TEST_F(EtcdProcessTest, begins_anew_for_other_settings_only) { run(other_settings); }

net::Task<void> strangers(EtcdProcessTest& test) {
    // A number that somebody else has by now.
    CO_ASSERT(os::ensure_directory(test.settings.folder, 0700));
    const auto self = os::identify_process(::getpid());
    CO_ASSERT(self);
    CO_ASSERT(os::write_file_atomic(test.settings.pid_path(), std::to_string(self->pid) + " " +
                                                                  std::to_string(self->start_time) +
                                                                  "\n"));
    CO_ASSERT(os::ensure_directory(test.settings.run_folder(), 0700));
    CO_ASSERT(os::write_file_atomic(test.settings.socket_path(), "stale"));
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    EXPECT_NE(test.etcd->pid(), ::getpid());
}
TEST_F(EtcdProcessTest, mistakes_nobody_for_it_and_clears_a_stale_socket) { run(strangers); }

net::Task<void> other_namespace(EtcdProcessTest& test) {
    // A daemon in a container has its folder under the same name, and it is another folder.
    const auto run_folder = test.settings.run_folder();
    const auto other = test.folder.path() + "/other";
    CO_ASSERT(os::ensure_directory(run_folder, 0700));
    CO_ASSERT(os::ensure_directory(other, 0700));
    os::Spawn spawn;
    spawn.argv = {"unshare", "-m", "sh", "-c",
                  "mount --make-rprivate / && mount --bind " + other + " " + run_folder +
                      " && cd " + run_folder + " && touch ready && exec sleep 60"};
    spawn.die_with_parent = true;
    auto stranger = os::Process::spawn(spawn);
    CO_ASSERT(stranger);
    const Until until = test.soon();
    const auto exe = "/proc/" + std::to_string(stranger->pid()) + "/exe";
    const auto is_sleep = [&exe] {
        std::error_code error;
        return std::filesystem::read_symlink(exe, error).filename() == "sleep";
    };
    while (!is_sleep() && is_gone(stranger->pid()) == false &&
           test.loop.now() < until.deadline.at()) {
        const Until pause(test.loop.in(milliseconds(10)));
        co_await net::sleep(test.loop, pause);
    }
    if (!is_sleep()) { co_return; } // not allowed here
    std::error_code error;
    CO_ASSERT(std::filesystem::read_symlink("/proc/" + std::to_string(stranger->pid()) + "/cwd",
                                            error) == run_folder);
    test.settings.program = "sleep";
    test.anew();
    EtcdStart bootstrap{EtcdStart::Kind::Bootstrap, {}};
    const auto started = co_await test.etcd->start(bootstrap);
    EXPECT_TRUE(started);
    EXPECT_NE(test.etcd->pid(), stranger->pid());
    EXPECT_FALSE(is_gone(stranger->pid()));
    co_await test.etcd->stop();
    EXPECT_TRUE(stranger->kill(SIGKILL));
    EXPECT_TRUE(stranger->wait(Deadline::in(seconds(5))));
}
TEST_F(EtcdProcessTest, leaves_that_of_a_daemon_in_a_container_alone) { run(other_namespace); }

net::Task<void> damaged(EtcdProcessTest& test) {
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    co_await test.etcd->stop();
    CO_ASSERT(os::write_file_atomic(test.settings.data_folder() + "/member/snap/db", "garbage"));
    EtcdStart resume;
    const auto started = co_await test.etcd->start(resume);
    CO_ASSERT(started);
    const auto ready = co_await test.etcd->wait_ready(test.soon());
    CO_ASSERT(!ready);
    EXPECT_EQ(name_of(test.etcd->state()), "failed");
    EXPECT_THAT(ready.error().message, HasSubstr("is damaged"));
    EXPECT_THAT(ready.error().message, HasSubstr("docker node demote"));
}
TEST_F(EtcdProcessTest, damaged_files_are_named_with_the_remedy) { run(damaged); }

net::Task<void> emptied(EtcdProcessTest& test) {
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    co_await test.etcd->stop();
    CO_ASSERT(os::remove_tree(test.settings.data_folder() + "/member/wal"));
    for (const auto kind : {EtcdStart::Kind::Resume, EtcdStart::Kind::Bootstrap}) {
        EtcdStart how{kind, {}};
        const auto started = co_await test.etcd->start(how);
        CO_ASSERT(!started);
        EXPECT_THAT(started.error().message, HasSubstr("is damaged"));
    }
    EXPECT_EQ(name_of(test.etcd->state()), "stopped");
}
TEST_F(EtcdProcessTest, a_member_that_lost_its_data_begins_no_second_cluster) { run(emptied); }

net::Task<void> nothing_there(EtcdProcessTest& test) {
    EtcdStart resume;
    const auto started = co_await test.etcd->start(resume);
    CO_ASSERT(!started);
    EXPECT_EQ(started.error().code, Errc::NotFound);
    test.settings.program = "no-such-etcd";
    test.anew();
    EtcdStart bootstrap{EtcdStart::Kind::Bootstrap, {}};
    const auto missing = co_await test.etcd->start(bootstrap);
    CO_ASSERT(!missing);
    EXPECT_EQ(missing.error().code, Errc::NotFound);
    EXPECT_THAT(missing.error().message, HasSubstr("no-such-etcd"));
}
TEST_F(EtcdProcessTest, refuses_at_once_what_cannot_be) { run(nothing_there); }

net::Task<void> address_in_use(EtcdProcessTest& test) {
    os::Fd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto port = cut(std::string_view(test.settings.peer_url).substr(7), ':').second;
    address.sin_port = htons(parse_number<std::uint16_t>(port).value_or(0));
    CO_ASSERT(::bind(taken.raw(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    CO_ASSERT(::listen(taken.raw(), 1) == 0);
    EtcdStart bootstrap{EtcdStart::Kind::Bootstrap, {}};
    const auto started = co_await test.etcd->start(bootstrap);
    CO_ASSERT(started);
    co_await test.wait_for(EtcdProcess::State::Waiting);
    CO_ASSERT(test.etcd->failure());
    EXPECT_THAT(test.etcd->failure()->message, HasSubstr("another program listens there"));
    taken.reset();
    const auto ready = co_await test.etcd->wait_ready(test.soon());
    EXPECT_TRUE(ready);
}
TEST_F(EtcdProcessTest, waits_for_its_address_and_says_so) { run(address_in_use); }

net::Task<void> bounded_log(EtcdProcessTest& test) {
    test.settings.log_bytes_max = 1 << 20;
    test.anew();
    CO_ASSERT(os::ensure_directory(test.settings.folder, 0700));
    std::string words(2 << 20, 'x');
    words += "the end";
    CO_ASSERT(os::write_file_atomic(test.settings.log_path(), words));
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    const auto now = os::read_file(test.settings.log_path());
    CO_ASSERT(now);
    EXPECT_LT(now->size(), 64U << 10);
    const auto before = os::read_file(test.settings.log_path() + ".1");
    CO_ASSERT(before);
    EXPECT_THAT(*before, HasSubstr("the end"));
    EXPECT_LE(before->size(), 256U << 10);
}
TEST_F(EtcdProcessTest, its_log_does_not_grow_for_ever) { run(bounded_log); }

net::Task<void> survivor(EtcdProcessTest& test) {
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    const auto written = co_await test.put("/k");
    CO_ASSERT(written);
    // A second voter that never runs: the quorum is lost for good.
    EtcdLog log(test.loop, test.settings.socket_path());
    EtcdSettings other = test.settings;
    other.name = "m1";
    other.folder = test.folder.path() + "/other";
    other.peer_url = other.peer_listen_url = "http://127.0.0.1:" + std::to_string(free_port());
    const auto added = co_await log.add_learner(other.peer_url, test.soon());
    CO_ASSERT(added);
    const auto members = co_await log.members(test.soon());
    CO_ASSERT(members);
    EtcdProcess second(test.loop, other);
    EtcdStart join{EtcdStart::Kind::Join, *members};
    const auto joined = co_await second.start(join);
    CO_ASSERT(joined);
    const auto joined_ready = co_await second.wait_ready(test.soon());
    CO_ASSERT(joined_ready);
    for (;;) {
        const auto promoted = co_await log.promote(added->id, test.soon());
        if (promoted) { break; }
        const Until pause(test.loop.in(milliseconds(50)));
        co_await net::sleep(test.loop, pause);
    }
    co_await second.stop();
    co_await log.disconnect();
    co_await test.etcd->stop();

    const auto forced = co_await test.begin(EtcdStart::Kind::ForceNew);
    CO_ASSERT(forced);
    const auto alone = co_await log.members(test.soon());
    CO_ASSERT(alone);
    EXPECT_EQ(alone->size(), 1U);
    const bool kept = co_await test.has_key("/k");
    EXPECT_TRUE(kept);
    // Once only: a later start must not forget those that join by then.
    EXPECT_EQ(::kill(test.etcd->pid(), SIGKILL), 0);
    co_await test.wait_for(EtcdProcess::State::Waiting);
    const auto ready = co_await test.etcd->wait_ready(test.soon());
    CO_ASSERT(ready);
    const auto arguments =
        os::read_file("/proc/" + std::to_string(test.etcd->pid()) + "/cmdline", 1 << 16);
    CO_ASSERT(arguments);
    EXPECT_EQ(arguments->find("--force-new-cluster"), std::string::npos);
    co_await log.disconnect();
}
TEST_F(EtcdProcessTest, a_survivor_goes_on_alone_when_it_is_told_to) { run(survivor); }

net::Task<void> orphaned_watch(EtcdProcessTest& test) {
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    auto log = std::make_unique<EtcdLog>(test.loop, test.settings.socket_path());
    const auto opened = co_await log->watch("/", 1, test.soon());
    CO_ASSERT(opened);
    const Until a_moment(test.loop.in(milliseconds(50)));
    const auto silence = co_await (*opened)->read(a_moment);
    CO_ASSERT(!silence);
    EXPECT_EQ(silence.error().code, Errc::Timeout);
    log.reset();
    const auto failed = co_await (*opened)->read(test.soon());
    CO_ASSERT(!failed);
    EXPECT_EQ(failed.error().code, Errc::Unavailable) << failed.error().message;
}
TEST_F(EtcdProcessTest, a_watch_fails_when_its_log_is_gone) { run(orphaned_watch); }

// --- peers ---

/// An authority for a test, and certificates by it.
class Authority {
  public:
    explicit Authority(const std::string& folder)
        : folder_(folder), key_(new_key()), certificate_(make(key_, "ca", nullptr)) {
        EXPECT_TRUE(os::ensure_directory(folder, 0700));
        save_certificate("ca.crt", certificate_);
    }
    ~Authority() {
        X509_free(certificate_);
        EVP_PKEY_free(key_);
    }
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;

    EtcdPeerTls issue(const std::string& name, const char* address = "IP:127.0.0.1") {
        EVP_PKEY* key = new_key();
        X509* certificate = make(key, name, certificate_, address);
        save_certificate(name + ".crt", certificate);
        BIO* out = BIO_new_file((folder_ + "/" + name + ".key").c_str(), "w");
        EXPECT_EQ(PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr), 1);
        BIO_free(out);
        X509_free(certificate);
        EVP_PKEY_free(key);
        return {folder_ + "/" + name + ".crt", folder_ + "/" + name + ".key", folder_ + "/ca.crt",
                ""};
    }

  private:
    static EVP_PKEY* new_key() { return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"); }
    static void extend(X509* certificate, X509* issuer, int what, const char* value) {
        X509V3_CTX context;
        X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
        X509_EXTENSION* one = X509V3_EXT_conf_nid(nullptr, &context, what, value);
        EXPECT_NE(one, nullptr);
        EXPECT_EQ(X509_add_ext(certificate, one, -1), 1);
        X509_EXTENSION_free(one);
    }
    X509* make(EVP_PKEY* key, const std::string& name, X509* issuer, const char* address = "") {
        X509* made = X509_new();
        X509_set_version(made, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial_);
        X509_gmtime_adj(X509_getm_notBefore(made), -60);
        X509_gmtime_adj(X509_getm_notAfter(made), 3600);
        X509_set_pubkey(made, key);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
        X509* by = issuer != nullptr ? issuer : made;
        X509_set_issuer_name(made, X509_get_subject_name(by));
        if (issuer == nullptr) {
            extend(made, made, NID_basic_constraints, "critical,CA:TRUE");
            extend(made, made, NID_key_usage, "critical,keyCertSign");
        } else {
            extend(made, by, NID_ext_key_usage, "serverAuth,clientAuth");
            extend(made, by, NID_subject_alt_name, address);
        }
        EXPECT_GT(X509_sign(made, key_, EVP_sha256()), 0);
        return made;
    }
    void save_certificate(const std::string& file, X509* certificate) {
        BIO* out = BIO_new_file((folder_ + "/" + file).c_str(), "w");
        EXPECT_EQ(PEM_write_bio_X509(out, certificate), 1);
        BIO_free(out);
    }

    std::string folder_;
    long serial_ = 0;
    EVP_PKEY* key_;
    X509* certificate_;
};

EtcdSettings peer(EtcdProcessTest& test, const std::string& name, const EtcdPeerTls& tls) {
    EtcdSettings settings;
    settings.folder = test.folder.path() + "/" + name;
    settings.name = name;
    settings.peer_url = "https://127.0.0.1:" + std::to_string(free_port());
    settings.peer_listen_url = settings.peer_url;
    settings.peer_tls = tls;
    return settings;
}

net::Task<void> only_managers(EtcdProcessTest& test) {
    Authority managers(test.folder.path() + "/managers");
    Authority others(test.folder.path() + "/others");
    const auto first_tls = managers.issue("first");
    const auto second_tls = managers.issue("second");
    auto stranger_tls = others.issue("stranger");
    stranger_tls.trust_path = managers.issue("unused").trust_path; // it trusts them; they do not

    test.settings = peer(test, "m0", first_tls);
    test.anew();
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    EtcdLog log(test.loop, test.settings.socket_path());
    const auto right = peer(test, "m1", second_tls);
    const auto added = co_await log.add_learner(right.peer_url, test.soon());
    CO_ASSERT(added);
    const auto members = co_await log.members(test.soon());
    CO_ASSERT(members);
    EtcdStart join{EtcdStart::Kind::Join, *members};

    // The stranger knows the address and the name, and has a certificate: of somebody else.
    auto wrong = right;
    wrong.folder = test.folder.path() + "/stranger";
    wrong.peer_tls = stranger_tls;
    EtcdProcess stranger(test.loop, wrong);
    const auto tried = co_await stranger.start(join);
    CO_ASSERT(tried);
    const Until a_while(test.loop.in(seconds(3)));
    const auto refused = co_await stranger.wait_ready(a_while);
    EXPECT_FALSE(refused);
    co_await stranger.stop();

    EtcdProcess second(test.loop, right);
    const auto started = co_await second.start(join);
    CO_ASSERT(started);
    const auto ready = co_await second.wait_ready(test.soon());
    EXPECT_TRUE(ready) << ready.error().message;
    co_await second.stop();
    co_await log.disconnect();
}
TEST_F(EtcdProcessTest, peers_are_those_that_the_managers_authority_has_signed) {
    run(only_managers);
}

/// The second is reached at one address and calls from another: that of the kernel's choice.
net::Task<void> several_addresses(EtcdProcessTest& test) {
    Authority managers(test.folder.path() + "/managers");
    test.settings = peer(test, "m0", managers.issue("first"));
    test.anew();
    const auto begun = co_await test.begin(EtcdStart::Kind::Bootstrap);
    CO_ASSERT(begun);
    EtcdLog log(test.loop, test.settings.socket_path());
    auto elsewhere = peer(test, "m1", managers.issue("second", "IP:127.0.0.2"));
    elsewhere.peer_url = "https://127.0.0.2:" + std::to_string(free_port());
    elsewhere.peer_listen_url = elsewhere.peer_url;
    const auto added = co_await log.add_learner(elsewhere.peer_url, test.soon());
    CO_ASSERT(added);
    const auto members = co_await log.members(test.soon());
    CO_ASSERT(members);
    EtcdProcess second(test.loop, elsewhere);
    EtcdStart join{EtcdStart::Kind::Join, *members};
    const auto started = co_await second.start(join);
    CO_ASSERT(started);
    const Until a_while(test.loop.in(seconds(10)));
    const auto ready = co_await second.wait_ready(a_while);
    EXPECT_TRUE(ready) << ready.error().message;
    co_await second.stop();
    co_await log.disconnect();
}
TEST_F(EtcdProcessTest, a_peer_may_call_from_another_address_than_it_is_called_at) {
    run(several_addresses);
}

} // namespace
} // namespace shoal::swarm
