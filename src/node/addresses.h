// Addresses of a node in a cluster, from what users write ("eth1", "10.0.0.1:2377", nothing) to
// what is listened on and told to others.
#pragma once

#include "base/result.h"

#include <string>
#include <vector>

namespace shoal::node {

inline constexpr std::uint16_t swarm_port = 2377;

/// One of this machine's addresses, with the name of its interface.
struct LocalAddress {
    std::string interface;
    std::string address; ///< without brackets; "": the interface has none
    bool usable = true; ///< false: not to be chosen for the user: loopback, link-local, containers'
};
Result<std::vector<LocalAddress>> local_addresses();

struct Places {
    std::string listen;    ///< host:port
    std::string advertise; ///< host:port
    std::string data_path; ///< host
};
/// Pure. `listen` and `advertise` are "host", "host:port", "interface" or "interface:port"; an
/// `advertise` of "" is found out. Fails: Invalid in Docker's words, for instance when several
/// addresses are possible.
Result<Places> plan_addresses(const std::string& listen, const std::string& advertise,
                              const std::string& data_path, const std::vector<LocalAddress>& here);
Result<Places> resolve_addresses(const std::string& listen, const std::string& advertise,
                                 const std::string& data_path);
/// The same for a node that joins: without `advertise` the address by which this machine reaches
/// `remote`.
Result<Places> resolve_joiner(const std::string& listen, const std::string& advertise,
                              const std::string& data_path, const std::string& remote);
/// Each with a port. Invalid for an empty list and for addresses that are none.
Result<std::vector<std::string>> with_default_port(const std::vector<std::string>& addresses);

} // namespace shoal::node
