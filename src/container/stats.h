// One sample of what a container uses, and Docker's stats document made from two of them. Reading
// asks the kernel (cgroup v1 or v2, /proc/stat, the network namespace); making the document is
// pure.
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "os/cgroup.h"

#include <cstdint>
#include <map>
#include <string>

namespace shoal::container {

struct InterfaceCounters {
    std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_dropped = 0;
    std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_dropped = 0;
};
/// Text of /proc/<pid>/net/dev; the loopback is left out.
std::map<std::string, InterfaceCounters> parse_net_dev(std::string_view text);
/// Total of all CPUs in nanoseconds, from the text of /proc/stat.
std::uint64_t parse_system_cpu(std::string_view proc_stat);

struct StatsSample {
    Instant read; ///< never: no sample
    os::CpuUsage cpu;
    std::uint64_t system_cpu_ns = 0;
    std::uint32_t online_cpus = 0;
    os::MemoryUsage memory;
    os::PidsUsage pids;
    os::BlkioUsage blkio;
    std::map<std::string, InterfaceCounters> networks;
    bool has_networks = false;
};
struct SampleStats {
    pid_t pid = 0; ///< its network namespace is read; 0: none (host network too)
    bool with_networks = true;
    std::int64_t host_memory_bytes = 0; ///< stands in for "no limit"
};
Result<StatsSample> sample_stats(const os::Cgroup& group, const SampleStats& how, Instant now);

struct StatsSubject {
    std::string id;
    std::string name; ///< "/web"
    bool cgroup_v2 = false;
};
/// `before` may be empty (read == never): then precpu is zero, as in Docker's first message.
Json make_stats(const StatsSubject& subject, const StatsSample& before, const StatsSample& now);
/// What Docker sends for a container that does not run.
Json make_empty_stats(const StatsSubject& subject);

} // namespace shoal::container
