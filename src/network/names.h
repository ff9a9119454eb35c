// What the embedded DNS knows: which names mean which addresses on which network, and which
// networks, links and forwarders each container has. Pure lookups on plain maps, changed as
// endpoints come and go. It does not speak the wire format (network/dns_message.h) and owns no
// sockets (network/dns.h).
#pragma once

#include "base/id.h"
#include "network/address.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::network {

/// One endpoint's names on one network.
struct NamedEndpoint {
    std::string endpoint; ///< its id: the key for removal
    std::vector<std::string> names;
    std::string primary; ///< the container's name, for reverse lookups; "": there are none
    std::vector<Ip> addresses;
};

struct DnsLink {
    NetworkId network;
    std::string alias;
    std::string target; ///< a name on that network
};

/// How one container sees the world.
struct DnsView {
    std::vector<NetworkId> networks; ///< in order of preference
    std::vector<DnsLink> links;
    std::vector<Ip> upstream;
    /// Queries leave through the container's own namespace, because all its networks are internal.
    bool confined = false;
};

/// The outcome for one question.
struct NameAnswer {
    enum class Kind { Unknown, Addresses, Name };
    Kind kind = Kind::Unknown;
    std::vector<Ip> addresses; ///< of every family; empty for a question that has none of its type
    std::string name;          ///< of a reverse lookup
};

class NameTable {
  public:
    void add_network(const NetworkId& network, const std::string& name);
    void remove_network(const NetworkId& network);
    void add(const NetworkId& network, const NamedEndpoint& endpoint);
    void remove(const NetworkId& network, const std::string& endpoint);

    /// `name` in any case, with or without final dot. "web", an alias, or "web.<network name>".
    NameAnswer find(const DnsView& view, std::string_view name) const;
    /// "2.0.17.172.in-addr.arpa": a container's address gives "name.network".
    NameAnswer find_reverse(const DnsView& view, std::string_view name) const;

  private:
    struct Zone {
        std::string name;
        std::map<std::string, std::vector<std::string>> by_name; ///< lower case -> endpoint ids
        std::map<std::string, NamedEndpoint> endpoints;
        std::map<std::string, std::string> by_reverse; ///< reverse name -> endpoint id
    };
    const Zone* zone(const NetworkId& network) const;
    /// Nothing when nobody has the name; empty while those who have it have no address.
    static std::optional<std::vector<Ip>> addresses_of(const Zone& zone, const std::string& name);

    std::map<NetworkId, Zone> zones_;
};

} // namespace shoal::network
