// How fast an overlay is beside the network it runs on. Measures, and so it is not among the tests
// that always run: --gtest_also_run_disabled_tests.
#include "network/overlay_test_cluster.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>

namespace shoal::network {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Reads all that comes on port 81.
class Sink {
  public:
    explicit Sink(const os::Fd& netns) {
        EXPECT_TRUE(os::run_in_netns(netns, [&]() -> Result<void> {
            TRY_LET(fd, dual_socket(SOCK_STREAM));
            const auto any = socket_address(ip("::"), 81);
            if (::bind(fd.raw(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) {
                return os_error("bind", errno);
            }
            listening_ = std::move(fd);
            return ok();
        }));
        EXPECT_EQ(::listen(listening_.raw(), 16), 0);
        thread_ = std::thread([this] { run(); });
    }
    ~Sink() {
        stop_ = true;
        ::shutdown(listening_.raw(), SHUT_RDWR);
        thread_.join();
    }
    std::atomic<std::uint64_t> bytes = 0;

  private:
    void run() {
        std::vector<char> buffer(1 << 18);
        while (!stop_) {
            const os::Fd fd(::accept4(listening_.raw(), nullptr, nullptr, SOCK_CLOEXEC));
            ssize_t got = 1;
            while (fd && got > 0) {
                got = ::recv(fd.raw(), buffer.data(), buffer.size(), 0);
                if (got > 0) { bytes += static_cast<std::uint64_t>(got); }
            }
        }
    }
    os::Fd listening_;
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

Result<os::Fd> connect_from(const os::Fd& netns, const Ip& to, std::uint16_t port) {
    os::Fd made;
    TRY(os::run_in_netns(netns, [&]() -> Result<void> {
        TRY_LET(fd, dual_socket(SOCK_STREAM));
        const auto where = socket_address(to, port);
        if (::connect(fd.raw(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
            return os_error("connect", errno);
        }
        made = std::move(fd);
        return ok();
    }));
    return made;
}

/// Of the whole process, the kernel's work for it included: what others do beside does not count.
double cpu_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

struct Rate {
    std::vector<double> by_time, by_cpu;
};

void transfer(Rate& rate, const os::Fd& from, const Ip& to, Sink& sink) {
    auto fd = connect_from(from, to, 81);
    EXPECT_TRUE(fd);
    if (!fd) { return; }
    const std::vector<char> data(1 << 18);
    const auto start = Clock::now();
    const double cpu = cpu_seconds();
    const auto before = sink.bytes.load();
    while (seconds_since(start) < 0.7) {
        if (::send(fd->raw(), data.data(), data.size(), MSG_NOSIGNAL) < 0) { return; }
    }
    const double gigabits = static_cast<double>(sink.bytes - before) * 8 / 1e9;
    rate.by_time.push_back(gigabits / seconds_since(start));
    rate.by_cpu.push_back(gigabits / (cpu_seconds() - cpu));
}

void connect_often(Rate& rate, const os::Fd& from, const Ip& to) {
    EXPECT_TRUE(os::run_in_netns(from, [&]() -> Result<void> {
        const auto start = Clock::now();
        const double cpu = cpu_seconds();
        int count = 0;
        const auto where = socket_address(to, 80);
        for (; seconds_since(start) < 0.5; ++count) {
            TRY_LET(fd, dual_socket(SOCK_STREAM));
            if (::connect(fd.raw(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
                return os_error("connect", errno);
            }
            TRY(receive(fd));
        }
        rate.by_time.push_back(count / seconds_since(start));
        rate.by_cpu.push_back(count / (cpu_seconds() - cpu));
        return ok();
    }));
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

double ratio(const std::vector<double>& base, const std::vector<double>& other) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < base.size(); ++i) { ratios.push_back(other[i] / base[i]); }
    return median(ratios);
}

void report(const char* what, const Rate& base, const Rate& other) {
    std::printf("%-42s %9.2f  ratio %.2f  per second of CPU %9.2f  ratio %.2f\n", what,
                median(other.by_time), ratio(base.by_time, other.by_time), median(other.by_cpu),
                ratio(base.by_cpu, other.by_cpu));
}

TEST(OverlaySpeed, DISABLED_beside_the_underlay) {
    TestCluster cluster(2);
    auto& client = cluster.add(1, 20);
    auto& here = cluster.add(1, 11);
    auto& there = cluster.add(2, 12);
    const Ip service = ip("10.8.9.1"), near_service = ip("10.8.9.2");
    cluster.services[service] = {{there.v4()}, false};
    cluster.services[near_service] = {{here.v4()}, false};
    cluster.apply();
    Sink under(cluster.node(2).netns), far(there.netns), near(here.netns);
    const TestServer node_server(cluster.node(2).netns, "node");
    const auto& node = cluster.node(1).netns;
    const Ip peer = cluster.node(2).plan.local;
    Rate g[6], c[5];
    for (int round = 0; round < 7; ++round) {
        transfer(g[0], node, peer, under);
        transfer(g[1], client.netns, there.v4(), far);
        transfer(g[2], client.netns, there.v6(), far);
        transfer(g[3], client.netns, service, far);
        transfer(g[4], client.netns, here.v4(), near);
        transfer(g[5], client.netns, near_service, near);
        connect_often(c[0], node, peer);
        connect_often(c[1], client.netns, there.v4());
        connect_often(c[2], client.netns, service);
        connect_often(c[3], client.netns, here.v4());
        connect_often(c[4], client.netns, near_service);
    }
    report("underlay, Gbit/s", g[0], g[0]);
    report("overlay across nodes of it", g[0], g[1]);
    report("overlay across nodes, IPv6, of it", g[0], g[2]);
    report("virtual address across nodes of direct", g[1], g[3]);
    report("overlay on one node of underlay", g[0], g[4]);
    report("virtual address on one node of direct", g[4], g[5]);
    report("underlay, connections/s", c[0], c[0]);
    report("overlay across nodes of it", c[0], c[1]);
    report("virtual address across nodes of direct", c[1], c[2]);
    report("overlay on one node of underlay", c[0], c[3]);
    report("virtual address on one node of direct", c[3], c[4]);
}

} // namespace
} // namespace shoal::network
