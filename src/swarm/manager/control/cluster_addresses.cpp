#include "swarm/manager/control/cluster_addresses.h"

#include "base/text.h"
#include "swarm/model/constraints.h"

#include <fmt/format.h>

namespace shoal::swarm {
namespace {

constexpr std::uint32_t ordinary_subnet_size = 24;
constexpr std::string_view ordinary_pool = "10.0.0.0/8";

Result<AddressRange> read_pool(const std::string& text) {
    const auto pool = parse_address_range(text);
    if (!pool || text.find('/') == std::string::npos) {
        return invalid(
            fmt::format("invalid base pool {}: invalid CIDR address: {}", go_quote(text), text));
    }
    if (pool->length != 32) {
        return invalid(fmt::format("invalid base pool {}: address pools of a swarm are of IPv4",
                                   go_quote(text)));
    }
    return *pool;
}

bool overlap(const AddressRange& a, const AddressRange& b) {
    return a.prefix <= b.prefix ? a.contains(b) : b.contains(a);
}

Result<void> check_pools(const std::vector<std::string>& texts, std::uint32_t size) {
    std::vector<AddressRange> pools;
    for (const auto& text : texts) {
        TRY_LET(pool, read_pool(text));
        if (size < pool.prefix) {
            return invalid(fmt::format("invalid CIDR: {}. Subnet size is too small for pool: {}",
                                       go_quote(text), size));
        }
        for (std::size_t i = 0; i < pools.size(); ++i) {
            if (overlap(pools[i], pool)) {
                return invalid(fmt::format("invalid base pool {}: it overlaps with {}",
                                           go_quote(text), texts[i]));
            }
        }
        pools.push_back(pool);
    }
    return ok();
}

} // namespace

Result<void> check_cluster_addresses(const std::vector<std::string>& pools,
                                     std::uint32_t subnet_size, std::uint32_t data_path_port) {
    const auto size = subnet_size == 0 ? ordinary_subnet_size : subnet_size;
    if (size > subnet_size_max) {
        return invalid(fmt::format("subnet size is out of range: {}", size));
    }
    TRY(check_pools(pools.empty() ? std::vector{std::string(ordinary_pool)} : pools, size));
    if (data_path_port != 0 &&
        (data_path_port < data_path_port_min || data_path_port > data_path_port_max)) {
        return invalid(fmt::format("Datapath port number is not in valid range ({}-{}) : {}",
                                   data_path_port_min, data_path_port_max, data_path_port));
    }
    return ok();
}

} // namespace shoal::swarm
