// -p and --expose: "[[ip:][host[-end]]:]container[-end][/proto]", or
// "published=8080,target=80,protocol=tcp". Pure.
#pragma once

#include "base/json.h"

#include <string>
#include <vector>

namespace shoal::cli {

struct Ports {
    Json exposed = Json::object();  ///< {"80/tcp":{}}
    Json bindings = Json::object(); ///< {"80/tcp":[{"HostIp":"","HostPort":"8080"}]}
};
/// Fails with Docker's sentences: "invalid containerPort: x".
Result<Ports> parse_ports(const std::vector<std::string>& publish,
                          const std::vector<std::string>& expose);

bool is_ip(std::string_view text); ///< IPv4 or IPv6

} // namespace shoal::cli
