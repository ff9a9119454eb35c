// AddressPool: the addresses of one subnet, who holds each, and which is given next. Addresses are
// given in turn, so that one that was given back rests for as long as possible. It is rebuilt from
// what holders say; two holders of one address (a restored backup) are both remembered, and it is
// free when both are gone.
#pragma once

#include "network/address.h"

#include <map>
#include <set>

namespace shoal::swarm {

class AddressPool {
  public:
    using Number = network::Ip::Number;
    /// `range`: the part that is given without being asked for; empty: all of it. The network's own
    /// address and an IPv4 broadcast address are never given.
    AddressPool(network::Subnet subnet, network::Subnet range);

    const network::Subnet& subnet() const { return subnet_; }
    bool is_free(network::Ip ip) const;
    /// The next one that is free, now held; none when there is none.
    network::Ip take(const std::string& holder);
    void hold(network::Ip ip, const std::string& holder);
    /// Harmless when the holder does not hold it.
    void release(network::Ip ip, const std::string& holder);
    /// The one that was given last.
    void set_last(network::Ip ip) { last_ = ip.number(); }

  private:
    /// The first free number of [from, to]; nothing when there is none.
    std::optional<Number> free_in(Number from, Number to) const;
    void occupy(Number number);
    void vacate(Number number);

    network::Subnet subnet_;
    Number first_ = 0, final_ = 0; ///< what is given
    Number last_ = 0;
    std::map<Number, Number> free_; ///< first -> last of each stretch, none touching another
    std::map<Number, std::set<std::string>> holders_;
};

} // namespace shoal::swarm
