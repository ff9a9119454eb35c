#include "container/stats.h"

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"

#include <sstream>

#include <unistd.h>

namespace shoal::container {
namespace {

constexpr std::uint64_t memory_unlimited_v1 =
    0x7ffffffffffff000ULL; ///< what the kernel shows for "no limit"

Json cpu_json(const StatsSample& sample, bool v2) {
    Json usage{{"total_usage", sample.cpu.total_ns}};
    if (!v2 && !sample.cpu.per_cpu_ns.empty()) { usage["percpu_usage"] = sample.cpu.per_cpu_ns; }
    usage["usage_in_kernelmode"] = sample.cpu.system_ns;
    usage["usage_in_usermode"] = sample.cpu.user_ns;
    Json json{{"cpu_usage", std::move(usage)}};
    if (sample.read != Instant{}) {
        json["system_cpu_usage"] = sample.system_cpu_ns;
        json["online_cpus"] = sample.online_cpus;
    }
    json["throttling_data"] = Json{{"periods", sample.cpu.periods},
                                   {"throttled_periods", sample.cpu.throttled_periods},
                                   {"throttled_time", sample.cpu.throttled_ns}};
    return json;
}

Json memory_json(const StatsSample& sample, bool v2) {
    if (sample.read == Instant{}) { return Json::object(); }
    Json json{{"usage", sample.memory.usage}};
    if (!v2) { json["max_usage"] = sample.memory.max_usage; }
    Json stats = Json::object();
    for (const auto& [name, value] : sample.memory.stat) { stats[name] = value; }
    json["stats"] = std::move(stats);
    if (!v2 && sample.memory.failcnt > 0) { json["failcnt"] = sample.memory.failcnt; }
    json["limit"] = sample.memory.limit;
    return json;
}

Json blkio_json(const StatsSample& sample) {
    Json json = Json::object();
    for (const char* name :
         {"io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive",
          "io_service_time_recursive", "io_wait_time_recursive", "io_merged_recursive",
          "io_time_recursive", "sectors_recursive"}) {
        const auto found = sample.blkio.tables.find(name);
        if (found == sample.blkio.tables.end()) {
            json[name] = nullptr;
            continue;
        }
        Json rows = Json::array();
        for (const auto& entry : found->second) {
            rows.push_back(Json{{"major", entry.major},
                                {"minor", entry.minor},
                                {"op", entry.op},
                                {"value", entry.value}});
        }
        json[name] = std::move(rows);
    }
    return json;
}

Json networks_json(const StatsSample& sample) {
    Json json = Json::object();
    for (const auto& [name, n] : sample.networks) {
        json[name] = Json{{"rx_bytes", n.rx_bytes},   {"rx_packets", n.rx_packets},
                          {"rx_errors", n.rx_errors}, {"rx_dropped", n.rx_dropped},
                          {"tx_bytes", n.tx_bytes},   {"tx_packets", n.tx_packets},
                          {"tx_errors", n.tx_errors}, {"tx_dropped", n.tx_dropped}};
    }
    return json;
}

} // namespace

std::map<std::string, InterfaceCounters> parse_net_dev(std::string_view text) {
    std::map<std::string, InterfaceCounters> all;
    for (const auto& line : split(text, '\n')) {
        const auto colon = line.find(':');
        if (colon == std::string::npos) { continue; }
        const std::string name(trim(std::string_view(line).substr(0, colon)));
        std::istringstream numbers(line.substr(colon + 1));
        InterfaceCounters n;
        std::uint64_t skipped = 0;
        numbers >> n.rx_bytes >> n.rx_packets >> n.rx_errors >> n.rx_dropped >> skipped >>
            skipped >> skipped >> skipped;
        numbers >> n.tx_bytes >> n.tx_packets >> n.tx_errors >> n.tx_dropped;
        if (numbers && name != "lo") { all[name] = n; }
    }
    return all;
}

std::uint64_t parse_system_cpu(std::string_view proc_stat) {
    std::istringstream line(std::string(proc_stat.substr(0, proc_stat.find('\n'))));
    std::string word;
    line >> word;
    std::uint64_t ticks = 0;
    for (int column = 0; column < 7; ++column) { // user to softirq; steal and guest are not ours
        std::uint64_t value = 0;
        if (line >> value) { ticks += value; }
    }
    const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    return ticks * (1'000'000'000ULL / (per_second == 0 ? 100 : per_second));
}

Result<StatsSample> sample_stats(const os::Cgroup& group, const SampleStats& how, Instant now) {
    StatsSample sample;
    sample.read = now;
    sample.cpu = os::read_cpu_usage(group);
    sample.memory = os::read_memory_usage(group);
    sample.pids = os::read_pids_usage(group);
    sample.blkio = os::read_blkio_usage(group);
    sample.online_cpus = static_cast<std::uint32_t>(::sysconf(_SC_NPROCESSORS_ONLN));
    if (auto text = os::read_file("/proc/stat")) { sample.system_cpu_ns = parse_system_cpu(*text); }
    const bool unlimited =
        sample.memory.limit == 0 || sample.memory.limit >= memory_unlimited_v1 - 4096;
    if (unlimited) { sample.memory.limit = static_cast<std::uint64_t>(how.host_memory_bytes); }
    if (how.pid > 0 && how.with_networks) {
        auto text = os::read_file("/proc/" + std::to_string(how.pid) + "/net/dev");
        if (text) {
            sample.networks = parse_net_dev(*text);
            sample.has_networks = true;
        }
    }
    return sample;
}

Json make_stats(const StatsSubject& subject, const StatsSample& before, const StatsSample& now) {
    Json pids = Json::object();
    if (now.pids.current > 0) { pids["current"] = now.pids.current; }
    if (now.pids.limit > 0) { pids["limit"] = now.pids.limit; }
    Json stats{{"name", subject.name},
               {"id", subject.id},
               {"read", format_rfc3339(now.read)},
               {"preread", format_rfc3339(before.read)},
               {"pids_stats", std::move(pids)},
               {"blkio_stats", blkio_json(now)},
               {"num_procs", 0},
               {"storage_stats", Json::object()},
               {"cpu_stats", cpu_json(now, subject.cgroup_v2)},
               {"precpu_stats", cpu_json(before, subject.cgroup_v2)},
               {"memory_stats", memory_json(now, subject.cgroup_v2)}};
    if (now.has_networks) { stats["networks"] = networks_json(now); }
    return stats;
}

Json make_empty_stats(const StatsSubject& subject) { return make_stats(subject, {}, {}); }

} // namespace shoal::container
