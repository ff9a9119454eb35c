// The small grammars inside single flags of `run`: device limits, ulimits, GPUs, networks. Pure;
// errors are Docker's.
#pragma once

#include "base/json.h"

#include <string_view>
#include <vector>

namespace shoal::cli {

Result<Json> parse_weight_device(std::string_view text);  ///< "/dev/sda:200"
Result<Json> parse_throttle_bytes(std::string_view text); ///< "/dev/sda:1mb"
Result<Json> parse_throttle_count(std::string_view text); ///< "/dev/sda:1000"
Result<Json> parse_device_rule(std::string_view text);    ///< "c 1:3 rwm"
Result<Json> parse_ulimit(std::string_view text);         ///< "nofile=1024:2048"
Result<Json>
parse_gpus(std::string_view text); ///< "all", "2", "\"device=0,1\",capabilities=utility"
Result<Json> parse_device(std::string_view text); ///< "/dev/x[:/dev/y[:rwm]]"
bool is_cdi_device(std::string_view text);        ///< "vendor.com/class=name"

/// "net_admin" as "CAP_NET_ADMIN", each once, sorted.
std::vector<std::string> effective_capabilities(const std::vector<std::string>& given);
/// "1.5" or "3/2" as 1500000000.
Result<std::int64_t> parse_cpus(std::string_view text);

struct NetworkOption {
    std::string name;
    std::vector<std::string> aliases;
    std::string ip, ip6, mac;
    std::vector<std::string> link_local_ips;
    Json driver_options = Json::object();
    std::optional<std::int64_t> priority;
};
/// "web" or "name=web,alias=a,ip=10.0.0.2,driver-opt=k=v".
Result<NetworkOption> parse_network(std::string_view text);
bool is_mac(std::string_view text);

} // namespace shoal::cli
