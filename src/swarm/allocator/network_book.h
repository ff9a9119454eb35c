// NetworkBook: the cluster's networks with their subnets, VXLAN numbers and addresses. It gives a
// new network what it needs and keeps who holds which address; what a network is for is not its
// business.
#pragma once

#include "base/network_options.h"
#include "swarm/allocator/address_pool.h"
#include "swarm/model/overlay.h"

#include <vector>

namespace shoal::swarm {

inline constexpr std::uint32_t vni_first = 4096;
inline constexpr std::uint32_t vni_last = (1u << 24) - 1;

/// "" is "overlay".
std::string_view driver_of(const pb::NetworkSpec& spec);
/// bridge, host, ipvlan, macvlan: every node has its own.
bool is_node_local(std::string_view driver);
inline bool is_allocated(const pb::Network& network) { return network.has_driver_state(); }

/// Where automatic subnets come from.
struct SubnetPlan {
    std::vector<network::Subnet> pools;
    int bits = 24;
    network::Subnet ula; ///< of the cluster, for IPv6 without a subnet
};
SubnetPlan subnet_plan_of(const pb::Cluster* cluster);

/// One address of one network.
struct HeldAddress {
    std::string network_id;
    network::Ip ip;
    auto operator<=>(const HeldAddress&) const = default;
};

class NetworkBook {
  public:
    /// Takes the network for what it is now.
    void see(const pb::Network& network);
    void forget(const std::string& network_id);

    /// Fills in driver state and addresses of a network that has none. Takes nothing: see() does.
    Result<void> plan(pb::Network& network, const SubnetPlan& from) const;

    /// One address of every family that the network has and the holder has not, now held:
    /// "10.0.1.2/24". Fails: Exhausted "could not find an available IP".
    Result<std::vector<std::string>> take(const std::string& network_id, const std::string& holder,
                                          const std::set<network::Family>& has = {});
    /// A certain one; with or without a prefix length. Fails: Invalid, Conflict.
    Result<std::string> take_this(const std::string& network_id, std::string_view text,
                                  const std::string& holder);

    void hold(const HeldAddress& address, const std::string& holder);
    void release(const HeldAddress& address, const std::string& holder);
    /// It was given last of those that the pool had given when the store was read.
    void set_last(const HeldAddress& address);

  private:
    struct Book {
        std::string name;
        std::string ipam; ///< serialized; what the pools were made from
        std::vector<AddressPool> pools;
        std::set<std::uint32_t> vnis;
    };
    AddressPool* pool_of(const HeldAddress& address);
    const std::string& name_of_network(const std::string& network_id) const;
    std::vector<network::Subnet> subnets() const; ///< in use, by first address
    Result<void> plan_subnets(pb::Network& network, const SubnetPlan& from) const;
    Result<void> plan_vnis(pb::Network& network) const;

    std::map<std::string, Book> books_;
    std::multiset<std::uint32_t> vnis_;
    std::uint32_t last_vni_ = 0; ///< the highest that was seen
};

/// "10.0.1.2/24" -> the address.
std::optional<network::Ip> ip_of_cidr(std::string_view text);

} // namespace shoal::swarm
