// Driver options of a network as typed values. Every option that is not known to the driver is
// refused by name, so that a misspelled one is never silently without effect. Pure.
#pragma once

#include "network/types.h"

#include <map>
#include <string>

namespace shoal::network {

enum class GatewayMode { Nat, NatUnprotected, Routed, Isolated };

struct BridgeOptions {
    std::string bridge; ///< name of the link; "" when the network makes its own
    bool default_bridge = false;
    bool icc = true;
    bool masquerade = true;
    std::string host_binding = "0.0.0.0"; ///< of ports published without an address
    bool host_binding_given = false;
    bool inhibit_ipv4 = false;
    GatewayMode gateway_v4 = GatewayMode::Nat;
    GatewayMode gateway_v6 = GatewayMode::Nat;
    int mtu = 0;
    std::string interface_prefix = "eth";
};

struct VlanOptions { ///< macvlan and ipvlan
    std::string parent;
    std::string mode; ///< macvlan: bridge private vepa passthru; ipvlan: l2 l3 l3s
    std::string flag; ///< ipvlan: bridge private vepa
    int mtu = 0;
    std::string interface_prefix = "eth";
};

/// Fails: Invalid, naming the option and its value.
Result<BridgeOptions> parse_bridge_options(const std::map<std::string, std::string>& options,
                                           bool internal);
Result<VlanOptions> parse_vlan_options(const std::string& driver,
                                       const std::map<std::string, std::string>& options);

/// ("eth0", 10) of "eth0.10": a parent that the driver makes as a VLAN link.
struct VlanParent {
    std::string link;
    int id = 0;
};
std::optional<VlanParent> parse_vlan_parent(const std::string& parent);

/// Letters, digits, "_", ".", "-", at most 15, as the kernel wants them.
Result<void> check_link_name(const std::string& name);
/// Docker's rule for network names.
Result<void> check_network_name(const std::string& name);

/// Driver options of one endpoint: com.docker.network.endpoint.ifname and .sysctls; others are
/// refused.
struct EndpointOptions {
    std::string interface;
    std::vector<std::string> sysctls; ///< "net.ipv4.conf.IFNAME.x=1"
};
Result<EndpointOptions> parse_endpoint_options(const std::map<std::string, std::string>& options);

/// The link of a bridge network.
std::string bridge_link_name(const Definition& network, const BridgeOptions& options);

} // namespace shoal::network
