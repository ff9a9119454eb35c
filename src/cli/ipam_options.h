// --subnet, --ip-range, --gateway and --aux-address of `network create`, put together as the API's
// IPAM.Config: whatever lies in a subnet belongs to it. Pure; whether the daemon can use the
// addresses is the daemon's business.
#pragma once

#include "base/json.h"

#include <string>
#include <utility>
#include <vector>

namespace shoal::cli {

struct IpamOptions {
    std::vector<std::string> subnets;
    std::vector<std::string> ranges;
    std::vector<std::string> gateways;
    std::vector<std::pair<std::string, std::string>> auxiliary; ///< name, address
};
/// Fails: Invalid, "no matching subnet for gateway 10.0.0.1".
Result<Json> ipam_config(const IpamOptions& options);

} // namespace shoal::cli
