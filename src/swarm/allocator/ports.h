// PortSpace: published ports of the whole cluster, by protocol, and which service has each. Ports
// that a task publishes on its own node are not here: the scheduler keeps those apart.
#pragma once

#include "swarm/model/object.h"

#include <map>
#include <set>
#include <vector>

namespace shoal::swarm {

inline constexpr std::uint32_t dynamic_port_first = 30000;
inline constexpr std::uint32_t dynamic_port_last = 32767;

using PublishedPort = std::pair<pb::PortConfig::Protocol, std::uint32_t>;
std::string port_text(const PublishedPort& port); ///< "80/tcp"

class PortSpace {
  public:
    /// What the service has from now on; what it had before and is not among it is free.
    /// True when something became free.
    bool set(const std::string& service_id, std::set<PublishedPort> ports);
    /// Who has it, but for `service_id` itself; "" when it is free.
    std::string other_owner(const PublishedPort& port, const std::string& service_id) const;
    /// The next free number of the dynamic range that is not among `taken`; 0 when there is none.
    std::uint32_t next_dynamic(pb::PortConfig::Protocol protocol,
                               const std::set<PublishedPort>& taken) const;

  private:
    std::map<PublishedPort, std::set<std::string>> owners_;
    std::map<std::string, std::set<PublishedPort>> of_service_;
    std::map<pb::PortConfig::Protocol, std::uint32_t> last_; ///< given, of the dynamic range
};

/// The service's ports with numbers: those asked for, those it has already (same name, protocol and
/// target), and new ones. Fails: Conflict, Exhausted, with a sentence for the task's status. Takes
/// nothing.
Result<std::vector<pb::PortConfig>> plan_ports(const pb::Service& service, const PortSpace& space);
/// Those of an endpoint that the whole cluster publishes.
std::set<PublishedPort> cluster_ports(const pb::Endpoint& endpoint);

} // namespace shoal::swarm
