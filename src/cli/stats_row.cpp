#include "cli/stats_row.h"

#include "base/text.h"
#include "cli/support.h"

#include <fmt/format.h>

namespace shoal::cli {
namespace {

const Json& object_of(const Json& object, std::string_view member) {
    static const Json empty = Json::object();
    if (!object.is_object()) { return empty; }
    const auto at = object.find(std::string(member));
    return at != object.end() && at->is_object() ? *at : empty;
}

double decimal_of(const Json& object, std::string_view member) {
    const auto at = object.find(std::string(member));
    return at != object.end() && at->is_number() ? at->get<double>() : 0;
}

/// Share of one CPU since the sample before, summed over all CPUs.
double cpu_percent(const Json& sample) {
    const Json& now = object_of(sample, "cpu_stats");
    const Json& before = object_of(sample, "precpu_stats");
    const double used = decimal_of(object_of(now, "cpu_usage"), "total_usage") -
                        decimal_of(object_of(before, "cpu_usage"), "total_usage");
    const double passed =
        decimal_of(now, "system_cpu_usage") - decimal_of(before, "system_cpu_usage");
    double cpus = decimal_of(now, "online_cpus");
    if (cpus == 0) {
        cpus = static_cast<double>(list_of(object_of(now, "cpu_usage"), "percpu_usage").size());
    }
    return used > 0 && passed > 0 ? used / passed * cpus * 100 : 0;
}

/// Without the page cache that can go at any time.
double memory_used(const Json& memory) {
    const double usage = decimal_of(memory, "usage");
    const Json& details = object_of(memory, "stats");
    for (const char* member : {"total_inactive_file", "inactive_file"}) { // cgroup v1, v2
        const auto at = details.find(member);
        if (at == details.end() || !at->is_number()) { continue; }
        const double inactive = at->get<double>();
        return inactive < usage ? usage - inactive : usage;
    }
    return usage;
}

} // namespace

const std::vector<std::pair<std::string_view, std::string_view>> stats_headers = {
    {"Container", "CONTAINER"},
    {"Name", "NAME"},
    {"ID", "CONTAINER ID"},
    {"CPUPerc", "CPU %"},
    {"MemUsage", "MEM USAGE / LIMIT"},
    {"MemPerc", "MEM %"},
    {"NetIO", "NET I/O"},
    {"BlockIO", "BLOCK I/O"},
    {"PIDs", "PIDS"},
};

StatsEntry read_stats(const std::string& container, const Json& sample) {
    StatsEntry entry;
    entry.container = container;
    entry.name = text_of(sample, "name");
    entry.id = text_of(sample, "id");
    entry.cpu_percent = cpu_percent(sample);
    const Json& memory = object_of(sample, "memory_stats");
    entry.memory = memory_used(memory);
    entry.memory_limit = decimal_of(memory, "limit");
    entry.memory_percent = entry.memory_limit > 0 ? entry.memory / entry.memory_limit * 100 : 0;
    for (const auto& [name, network] : object_of(sample, "networks").items()) {
        entry.network_in += decimal_of(network, "rx_bytes");
        entry.network_out += decimal_of(network, "tx_bytes");
    }
    for (const Json& item :
         list_of(object_of(sample, "blkio_stats"), "io_service_bytes_recursive")) {
        const std::string kind = to_lower(text_of(item, "op"));
        if (kind.starts_with('r')) { entry.block_in += decimal_of(item, "value"); }
        if (kind.starts_with('w')) { entry.block_out += decimal_of(item, "value"); }
    }
    entry.processes =
        static_cast<std::uint64_t>(number_of(object_of(sample, "pids_stats"), "current"));
    entry.valid = true;
    return entry;
}

Json stats_row(const StatsEntry& entry, bool truncate) {
    std::string name = entry.name;
    if (name.starts_with('/')) { name.erase(0, 1); }
    const auto known = [&](std::string text, std::string_view otherwise) {
        return entry.valid ? text : std::string(otherwise);
    };
    constexpr std::string_view none = "--";
    constexpr std::string_view no_pair = "-- / --";
    Json row;
    row["BlockIO"] =
        known(fmt::format("{} / {}", size_text(entry.block_in, 3), size_text(entry.block_out, 3)),
              no_pair);
    row["CPUPerc"] = known(fmt::format("{:.2f}%", entry.cpu_percent), none);
    row["Container"] = entry.container;
    row["ID"] = truncate ? short_id(entry.id) : entry.id;
    row["MemPerc"] = known(fmt::format("{:.2f}%", entry.memory_percent), none);
    row["MemUsage"] = known(fmt::format("{} / {}", human_size_binary(entry.memory),
                                        human_size_binary(entry.memory_limit)),
                            no_pair);
    row["Name"] = name.empty() ? std::string(none) : name;
    row["NetIO"] = known(
        fmt::format("{} / {}", size_text(entry.network_in, 3), size_text(entry.network_out, 3)),
        no_pair);
    row["PIDs"] = known(std::to_string(entry.processes), none);
    return row;
}

} // namespace shoal::cli
