// The plain values of the network vertical: a network's definition, what a container asks of its
// networks, and what it got. They are persisted and shown as JSON (describe), and know nothing of
// containers beyond names.
#pragma once

#include "base/codec.h"
#include "base/filters.h"
#include "base/id.h"
#include "network/address.h"

#include <map>
#include <string>
#include <vector>

namespace shoal::network {

/// One entry of IPAM.Config.
struct Pool {
    std::string subnet;
    std::string ip_range;
    std::string gateway;
    std::map<std::string, std::string> aux;
    bool operator==(const Pool&) const = default;
};

/// A network as it is created, stored and inspected.
struct Definition {
    NetworkId id;
    std::string name;
    Instant created{};
    std::string driver = "bridge";
    std::string scope = "local";
    bool enable_ipv4 = true;
    bool enable_ipv6 = false;
    bool internal = false;
    bool attachable = false;
    bool ingress = false;
    bool config_only = false;
    std::string config_from;
    std::string ipam_driver = "default";
    std::map<std::string, std::string> ipam_options;
    std::vector<Pool> pools;    ///< complete after creation: subnet and gateway filled in
    bool pools_by_user = false; ///< only then may a container ask for an address
    std::map<std::string, std::string> options;
    Labels labels;
    bool link_made = true; ///< false: the bridge or parent belongs to somebody else and stays
    bool operator==(const Definition&) const = default;
};

template <class V> void describe(V& v, Pool& p) {
    v("Subnet", p.subnet, codec::omit);
    v("IPRange", p.ip_range, codec::omit);
    v("Gateway", p.gateway, codec::omit);
    v("AuxiliaryAddresses", p.aux, codec::omit);
}

template <class V> void describe(V& v, Definition& d) {
    v("Id", d.id);
    v("Name", d.name);
    v("Created", d.created);
    v("Driver", d.driver);
    v("Scope", d.scope);
    v("EnableIPv4", d.enable_ipv4);
    v("EnableIPv6", d.enable_ipv6);
    v("Internal", d.internal);
    v("Attachable", d.attachable);
    v("Ingress", d.ingress);
    v("ConfigOnly", d.config_only);
    v("ConfigFrom", d.config_from);
    v("IPAMDriver", d.ipam_driver);
    v("IPAMOptions", d.ipam_options);
    v("Pools", d.pools);
    v("PoolsByUser", d.pools_by_user);
    v("Options", d.options);
    v("Labels", d.labels);
    v("LinkMade", d.link_made);
}

/// What a container asks of one network (EndpointSettings of the API, its input half).
struct EndpointWish {
    std::string ipv4; ///< IPAMConfig.IPv4Address
    std::string ipv6;
    std::vector<std::string> link_local; ///< IPAMConfig.LinkLocalIPs
    std::string mac;
    std::vector<std::string> links; ///< "container:alias"
    std::vector<std::string> aliases;
    std::map<std::string, std::string> driver_options;
    std::int64_t gw_priority = 0;
    bool operator==(const EndpointWish&) const = default;
};

template <class V> void describe(V& v, EndpointWish& w) {
    v("IPv4", w.ipv4, codec::omit);
    v("IPv6", w.ipv6, codec::omit);
    v("LinkLocal", w.link_local, codec::omit);
    v("Mac", w.mac, codec::omit);
    v("Links", w.links, codec::omit);
    v("Aliases", w.aliases, codec::omit);
    v("DriverOptions", w.driver_options, codec::omit);
    v("GwPriority", w.gw_priority, codec::omit);
}

enum class Protocol { Tcp, Udp, Sctp };
std::string to_text(Protocol protocol); ///< "tcp"
bool from_text(std::string_view text, Protocol& protocol);

/// A port inside the container: "80/tcp".
struct PortKey {
    std::uint16_t port = 0;
    Protocol protocol = Protocol::Tcp;
    auto operator<=>(const PortKey&) const = default;
};
std::string to_text(const PortKey& key);
bool from_text(std::string_view text, PortKey& key); ///< "80" or "80/tcp"

/// One wish to publish. Host ports first..last; 0..0 means any free one.
struct PortWish {
    PortKey container;
    std::string host_ip; ///< "" is the network's default binding address
    std::uint16_t host_first = 0;
    std::uint16_t host_last = 0;
    bool operator==(const PortWish&) const = default;
};

/// One published port as it is.
struct PortBinding {
    PortKey container;
    std::string host_ip;
    std::uint16_t host_port = 0;
    auto operator<=>(const PortBinding&) const = default;
};

template <class V> void describe(V& v, PortWish& w) {
    v("Container", w.container);
    v("HostIp", w.host_ip);
    v("HostFirst", w.host_first);
    v("HostLast", w.host_last);
}

template <class V> void describe(V& v, PortBinding& b) {
    v("Container", b.container);
    v("HostIp", b.host_ip);
    v("HostPort", b.host_port);
}

/// What a container got on one network (EndpointSettings of the API, its output half).
struct EndpointState {
    NetworkId network;
    std::string network_name;
    std::string driver;
    std::string endpoint; ///< 64 hexadecimal digits
    std::string ipv4;
    int ipv4_bits = 0;
    std::string gateway; ///< "" on internal networks
    std::string ipv6;
    int ipv6_bits = 0;
    std::string gateway6;
    std::string mac;
    std::string host_link;              ///< the bridge port; "" for macvlan and ipvlan
    std::string interface;              ///< "eth0"
    std::vector<std::string> dns_names; ///< names that resolve to it on this network
    bool automatic = false;             ///< only for the way out: nobody asked for it
    EndpointWish wish;
    bool operator==(const EndpointState&) const = default;
};

template <class V> void describe(V& v, EndpointState& e) {
    v("NetworkID", e.network);
    v("NetworkName", e.network_name);
    v("Driver", e.driver);
    v("EndpointID", e.endpoint);
    v("IPAddress", e.ipv4);
    v("IPPrefixLen", e.ipv4_bits);
    v("Gateway", e.gateway);
    v("GlobalIPv6Address", e.ipv6);
    v("GlobalIPv6PrefixLen", e.ipv6_bits);
    v("IPv6Gateway", e.gateway6);
    v("MacAddress", e.mac);
    v("HostLink", e.host_link);
    v("Interface", e.interface);
    v("DNSNames", e.dns_names);
    v("Automatic", e.automatic, codec::omit);
    v("Wish", e.wish);
}

} // namespace shoal::network
