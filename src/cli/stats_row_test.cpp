#include "cli/stats_row.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

Json sample() {
    return *parse_json(R"({"name":"/web","id":"0123456789abcdef","pids_stats":{"current":3},
        "networks":{"eth0":{"rx_bytes":1000,"tx_bytes":20},"eth1":{"rx_bytes":500,"tx_bytes":0}},
        "memory_stats":{"usage":20971520,"limit":104857600,"stats":{"inactive_file":10485760}},
        "blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":4096},{"op":"write","value":1}]},
        "cpu_stats":{"cpu_usage":{"total_usage":300},"system_cpu_usage":2000,"online_cpus":2},
        "precpu_stats":{"cpu_usage":{"total_usage":200},"system_cpu_usage":1000}})");
}

TEST(StatsRow, a_sample_becomes_columns) {
    EXPECT_EQ(
        dump_json(stats_row(read_stats("web", sample()), true)),
        R"({"BlockIO":"4.1kB / 1B","CPUPerc":"20.00%","Container":"web","ID":"0123456789ab","MemPerc":"10.00%","MemUsage":"10MiB / 100MiB",)"
        R"("Name":"web","NetIO":"1.5kB / 20B","PIDs":"3"})");
}

TEST(StatsRow, the_page_cache_of_cgroup_v1_is_left_out_too) {
    Json old = sample();
    old["memory_stats"]["stats"] = Json{{"total_inactive_file", 20971519}, {"inactive_file", 0}};
    EXPECT_EQ(read_stats("web", old).memory, 1);
}

TEST(StatsRow, without_a_sample_there_are_dashes) {
    StatsEntry entry;
    entry.container = "web";
    const Json row = stats_row(entry, true);
    EXPECT_EQ(row["CPUPerc"], "--");
    EXPECT_EQ(row["Name"], "--");
    EXPECT_EQ(row["NetIO"], "-- / --");
}

TEST(StatsRow, time_that_stood_still_is_no_load) {
    Json still = sample();
    still["precpu_stats"] = still["cpu_stats"];
    EXPECT_EQ(read_stats("web", still).cpu_percent, 0);
}

} // namespace
} // namespace shoal::cli
