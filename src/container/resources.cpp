// "linux.resources" of the OCI specification (declared in spec.h).
#include "container/resources.h"
#include "base/text.h"
#include "container/spec.h"

namespace shoal::container {
namespace {

void put(Json& object, const char* name, std::int64_t value) {
    if (value != 0) { object[name] = value; }
}
void put(Json& object, const char* name, const std::string& value) {
    if (!value.empty()) { object[name] = value; }
}

Json memory_of(const Resources& resources, const HostFacts& host) {
    Json memory = Json::object();
    put(memory, "limit", resources.memory);
    put(memory, "reservation", resources.memory_reservation);
    if (host.memory_swap_accounting) { put(memory, "swap", resources.memory_swap); }
    if (resources.memory_swappiness && *resources.memory_swappiness >= 0 && !host.cgroup_v2) {
        memory["swappiness"] = *resources.memory_swappiness;
    }
    if (resources.oom_kill_disable.value_or(false) && !host.cgroup_v2) {
        memory["disableOOMKiller"] = true;
    }
    return memory;
}

Json cpu_of(const Resources& resources) {
    Json cpu = Json::object();
    put(cpu, "shares", resources.cpu_shares);
    if (resources.nano_cpus != 0) {
        cpu["period"] = 100000;
        cpu["quota"] = resources.nano_cpus / 10000;
    }
    put(cpu, "period", resources.cpu_period);
    put(cpu, "quota", resources.cpu_quota);
    put(cpu, "realtimePeriod", resources.cpu_realtime_period);
    put(cpu, "realtimeRuntime", resources.cpu_realtime_runtime);
    put(cpu, "cpus", resources.cpuset_cpus);
    put(cpu, "mems", resources.cpuset_mems);
    return cpu;
}

using Numbers = std::map<std::string, DeviceNumber>;

Result<void> put_throttle(Json& block, const char* name, const std::vector<ThrottleDevice>& devices,
                          const Numbers& numbers) {
    for (const auto& device : devices) {
        const auto found = numbers.find(device.path);
        if (found == numbers.end()) { return invalid("no such block device: " + device.path); }
        block[name].push_back(Json{
            {"major", found->second.major}, {"minor", found->second.minor}, {"rate", device.rate}});
    }
    return ok();
}

Result<Json> block_of(const Resources& resources, const Numbers& numbers) {
    Json block = Json::object();
    put(block, "weight", static_cast<std::int64_t>(resources.blkio_weight));
    for (const auto& device : resources.blkio_weight_device) {
        const auto found = numbers.find(device.path);
        if (found == numbers.end()) { return invalid("no such block device: " + device.path); }
        block["weightDevice"].push_back(Json{{"major", found->second.major},
                                             {"minor", found->second.minor},
                                             {"weight", device.weight}});
    }
    TRY(put_throttle(block, "throttleReadBpsDevice", resources.blkio_device_read_bps, numbers));
    TRY(put_throttle(block, "throttleWriteBpsDevice", resources.blkio_device_write_bps, numbers));
    TRY(put_throttle(block, "throttleReadIOPSDevice", resources.blkio_device_read_iops, numbers));
    TRY(put_throttle(block, "throttleWriteIOPSDevice", resources.blkio_device_write_iops, numbers));
    return block;
}

Json rule(bool allow, const std::string& type, std::optional<std::int64_t> major,
          std::optional<std::int64_t> minor, const std::string& access) {
    Json entry{{"allow", allow}};
    if (type != "a") { entry["type"] = type; }
    if (major) { entry["major"] = *major; }
    if (minor) { entry["minor"] = *minor; }
    entry["access"] = access;
    return entry;
}

} // namespace

Result<Json> make_resources(const Resources& resources, const HostFacts& host,
                            const Numbers& numbers) {
    Json all = Json::object();
    if (Json memory = memory_of(resources, host); !memory.empty()) {
        all["memory"] = std::move(memory);
    }
    if (Json cpu = cpu_of(resources); !cpu.empty()) { all["cpu"] = std::move(cpu); }
    // A fresh group has no limit; taking one away from an old group is the caller's to do.
    if (resources.pids_limit && *resources.pids_limit > 0) {
        all["pids"] = Json{{"limit", *resources.pids_limit}};
    }
    TRY_LET(block, block_of(resources, numbers));
    if (!block.empty()) { all["blockIO"] = std::move(block); }
    return all;
}

Result<Json> parse_device_rule(const std::string& text) {
    const auto bad = [&] { return invalid("invalid device cgroup rule: " + go_quote(text)); };
    const auto parts = split(text, ' ');
    if (parts.size() != 3 || parts[0].size() != 1 ||
        std::string("abc").find(parts[0]) == std::string::npos) {
        return bad();
    }
    const auto [major, minor] = cut(parts[1], ':');
    if (parts[2].empty() || parts[2].find_first_not_of("rwm") != std::string::npos) {
        return bad();
    }
    const auto number = [&](const std::string& word, std::optional<std::int64_t>& out) {
        if (word == "*") { return true; }
        out = parse_number<std::int64_t>(word);
        return out.has_value() && *out >= 0;
    };
    std::optional<std::int64_t> major_number, minor_number;
    if (!number(major, major_number) || !number(minor, minor_number)) { return bad(); }
    return rule(true, parts[0], major_number, minor_number, parts[2]);
}

Result<Json> make_device_rules(const SpecInput& input) {
    Json rules = Json::array();
    if (input.host_config->privileged) {
        rules.push_back(rule(true, "a", std::nullopt, std::nullopt, "rwm"));
        return rules;
    }
    rules.push_back(rule(false, "a", std::nullopt, std::nullopt, "rwm"));
    rules.push_back(rule(true, "c", std::nullopt, std::nullopt, "m"));
    rules.push_back(rule(true, "b", std::nullopt, std::nullopt, "m"));
    // null, zero, full, random, urandom, tty, ptmx; pseudo terminals
    constexpr std::pair<int, int> standard[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8},
                                                {1, 9}, {5, 0}, {5, 2}};
    for (const auto& [major, minor] : standard) {
        rules.push_back(rule(true, "c", major, minor, "rwm"));
    }
    rules.push_back(rule(true, "c", 136, std::nullopt, "rwm"));
    for (const auto& device : input.devices) {
        rules.push_back(rule(true, std::string(1, device.type), device.major, device.minor,
                             device.permissions));
    }
    for (const auto& text : input.host_config->resources.device_cgroup_rules) {
        TRY_LET(parsed, parse_device_rule(text));
        rules.push_back(std::move(parsed));
    }
    return rules;
}

} // namespace shoal::container
