// IPAM: which subnet a network gets and which address an endpoint gets. Pure: other networks, the
// host's routes and the pools are arguments. It hands out numbers; making them exist is the
// driver's work.
#pragma once

#include "network/settings.h"
#include "network/types.h"

#include <optional>
#include <set>
#include <vector>

namespace shoal::network {

/// What is taken already and what may be taken.
struct AddressPlan {
    std::vector<Subnet> networks;   ///< of other networks: a request that meets one is refused
    std::vector<Subnet> avoid;      ///< host routes and resolvers: automatic choice keeps off them
    std::vector<AddressPool> pools; ///< default-address-pools
    Subnet ula;                     ///< fdxx:xxxx:xxxx::/48 of this node, for IPv6 without a subnet
};

/// Docker's checks of IPAM.Config. Fails: Invalid "invalid network config:\n...", every fault on a
/// line.
Result<void> check_pools(const std::vector<Pool>& pools, bool enable_ipv6);

/// The pools with subnet and gateway filled in, one automatic subnet for each enabled family that
/// has none. Fails: Forbidden "Pool overlaps ...", Invalid when the pools are used up.
Result<std::vector<Pool>> plan_pools(std::vector<Pool> wished, const Definition& network,
                                     const AddressPlan& plan);

/// A stable /48 from some text of the node (a machine id).
Subnet ula_of(std::string_view node);

/// The addresses of one network that are in use. Lowest free first.
class Addresses {
  public:
    Addresses() = default;
    /// `pools` complete. Gateways, auxiliary addresses, network and broadcast address are taken
    /// from the start.
    explicit Addresses(const std::vector<Pool>& pools);

    bool has(Family family) const;
    /// Fails: Exhausted, without naming the network.
    Result<Ip> allocate(Family family);
    /// Fails: Forbidden "Address already in use"; Invalid when no subnet contains it.
    Result<void> reserve(Ip ip);
    void release(Ip ip);
    bool in_use(Ip ip) const { return used_.contains(ip); }
    bool contains(Ip ip) const; ///< some subnet does
    int bits_of(Ip ip) const;   ///< prefix length of its subnet
    Ip gateway_of(Ip ip) const; ///< of its subnet; none when it has none

  private:
    struct Range {
        Subnet subnet;
        Ip first, last; ///< what automatic allocation may give
        Ip gateway;
        Ip next; ///< nothing below is free
    };
    std::vector<Range> ranges_;
    std::set<Ip> used_;
};

} // namespace shoal::network
