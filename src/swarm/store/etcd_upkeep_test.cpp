#include "swarm/store/etcd_upkeep.h"

#include "net/sleep.h"
#include "os/file.h"
#include "swarm/store/etcd_process.h"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace shoal::swarm {
namespace {

constexpr std::int64_t mib = 1 << 20;
constexpr std::int64_t quota = 100 * mib;

LogStatus status_with(std::int64_t size, std::int64_t in_use, bool full = false) {
    LogStatus status;
    status.member_id = status.leader_id = "1";
    status.database_bytes = size;
    status.in_use_bytes = in_use;
    if (full) { status.alarms.emplace_back("NOSPACE"); }
    return status;
}

TEST(EtcdCare, leaves_alone_what_is_small_or_well_used) {
    for (const auto& status : {status_with(60 * mib, mib), status_with(90 * mib, 60 * mib)}) {
        const auto care = plan_care(status, quota);
        EXPECT_FALSE(care.compact || care.defragment || care.clear_alarms);
    }
}

TEST(EtcdCare, rewrites_a_file_that_is_mostly_empty) {
    EXPECT_TRUE(plan_care(status_with(90 * mib, 40 * mib), quota).defragment);
}

TEST(EtcdCare, forgets_history_only_when_the_store_is_full_and_only_on_the_leader) {
    auto status = status_with(quota, quota, true);
    EXPECT_TRUE(plan_care(status, quota).compact);
    EXPECT_FALSE(plan_care(status, quota).defragment) << "there is nothing to win yet";
    EXPECT_FALSE(plan_care(status, quota).clear_alarms);
    status.leader_id = "2";
    EXPECT_FALSE(plan_care(status, quota).compact);
}

TEST(EtcdCare, takes_the_alarm_back_once_the_file_is_small_again) {
    EXPECT_TRUE(plan_care(status_with(quota, 10 * mib, true), quota).defragment);
    const auto care = plan_care(status_with(12 * mib, 10 * mib, true), quota);
    EXPECT_TRUE(care.clear_alarms);
    EXPECT_FALSE(care.defragment || care.compact);
    EXPECT_LT(care_pause(status_with(quota, quota, true)), care_pause(status_with(mib, mib)));
}

// --- with etcd ---

int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    ::close(fd);
    return ntohs(address.sin_port);
}

net::Task<Result<LogCommit>> put(Log& log, std::string key, std::size_t bytes) {
    LogTxn txn;
    txn.writes.push_back({std::move(key), std::string(bytes, 'x')});
    const net::Until limit(Deadline::in(std::chrono::seconds(30)));
    co_return co_await log.commit(std::move(txn), limit);
}

/// The same key over and over: history fills the store, the state stays small.
net::Task<void> fill_and_tend(net::Loop* loop, EtcdProcess* etcd) {
    const net::Until until(Deadline::in(std::chrono::seconds(120)));
    EtcdStart first{EtcdStart::Kind::Bootstrap, {}};
    const auto begun = co_await etcd->start(std::move(first));
    EXPECT_TRUE(begun) << begun.error().message;
    const auto ready = co_await etcd->wait_ready(until);
    EXPECT_TRUE(ready);
    EtcdLog log(*loop, etcd->socket_path());
    const std::int64_t bytes_max = etcd->settings().quota_bytes;
    Result<LogCommit> last = LogCommit{};
    for (int i = 0; i < 100 && last; ++i) { last = co_await put(log, "/shoal/a", 1 << 20); }
    EXPECT_FALSE(last);
    if (!last) {
        EXPECT_EQ(last.error().code, Errc::Exhausted);
        EXPECT_NE(last.error().message.find("store is full"), std::string::npos);
    }
    for (int i = 0; i < 20; ++i) {
        const auto tended = co_await tend_etcd(*loop, log, bytes_max, until);
        EXPECT_TRUE(tended) << tended.error().message;
        last = co_await put(log, "/shoal/b", 1000);
        if (last) { break; }
        co_await net::sleep(*loop, until.no_later_than(loop->in(std::chrono::milliseconds(200))));
    }
    EXPECT_TRUE(last) << last.error().message;
    const auto kept = co_await log.get("/shoal/a", until);
    EXPECT_TRUE(kept && *kept && (*kept)->value.size() == 1 << 20);
    co_await log.disconnect();
    co_await etcd->stop();
}

TEST(EtcdUpkeep, lets_a_store_that_history_has_filled_take_writes_again) {
    auto folder = os::TempDir::create();
    ASSERT_TRUE(folder);
    EtcdSettings settings;
    settings.folder = folder->path() + "/etcd";
    settings.name = "node1";
    settings.peer_url = settings.peer_listen_url =
        "http://127.0.0.1:" + std::to_string(free_port());
    settings.quota_bytes = 32 * mib;
    net::Loop loop;
    EtcdProcess etcd(loop, std::move(settings));
    net::run_task(loop, fill_and_tend(&loop, &etcd));
}

} // namespace
} // namespace shoal::swarm
