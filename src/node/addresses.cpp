#include "node/addresses.h"

#include "base/text.h"
#include "net/local_address.h"
#include "network/address.h"
#include "os/netlink.h"

#include <map>

namespace shoal::node {
namespace {

constexpr auto listen_default = "0.0.0.0:2377";

struct HostPort {
    std::string host; ///< without brackets
    std::uint16_t port = 0;
    bool has_port = false;
};

std::string print(const std::string& host, std::uint16_t port) {
    const bool six = host.find(':') != std::string::npos;
    return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> split(const std::string& text) {
    HostPort out;
    std::string rest = text;
    std::string port;
    if (!rest.empty() && rest.front() == '[') {
        const auto end = rest.find(']');
        if (end == std::string::npos) { return invalid("invalid address " + text); }
        out.host = rest.substr(1, end - 1);
        if (end + 1 < rest.size()) { port = rest.substr(end + 1); }
        if (!port.empty() && port.front() != ':') { return invalid("invalid address " + text); }
        if (!port.empty()) { port.erase(0, 1); }
    } else if (std::count(rest.begin(), rest.end(), ':') == 1) {
        out.host = rest.substr(0, rest.find(':'));
        port = rest.substr(rest.find(':') + 1);
        if (port.empty()) { return invalid("invalid address " + text); }
    } else {
        out.host = rest; // a name, or an IPv6 address without a port
    }
    if (port.empty()) { return out; }
    const auto number = parse_number<std::uint16_t>(port);
    if (!number || *number == 0) { return invalid("invalid port in address " + text); }
    out.port = *number;
    out.has_port = true;
    return out;
}

bool is_any(const std::string& host) { return host.empty() || host == "0.0.0.0" || host == "::"; }

/// An interface's name becomes its address.
Result<std::string> resolve_host(const std::string& host, const std::vector<LocalAddress>& here) {
    std::vector<std::string> of_interface;
    for (const LocalAddress& one : here) {
        const bool four = one.address.find(':') == std::string::npos;
        if (one.interface == host && four) { of_interface.push_back(one.address); }
    }
    if (of_interface.size() > 1) {
        return invalid("interface " + host + " has more than one IPv4 address (" +
                       join(of_interface, " and ") + ")");
    }
    if (of_interface.size() == 1) { return of_interface.front(); }
    if (!is_any(host) && !network::Ip::parse(host)) {
        return invalid("must specify an IP address or network interface: " + host);
    }
    return host;
}

Result<std::string> only_address(const std::vector<LocalAddress>& here) {
    std::map<std::string, std::string> usable; // address -> interface
    for (const LocalAddress& one : here) {
        if (one.usable && one.address.find(':') == std::string::npos) {
            usable.emplace(one.address, one.interface);
        }
    }
    if (usable.size() == 1) { return usable.begin()->first; }
    if (usable.empty()) {
        return invalid("could not find the system's IP address - specify one with "
                       "--advertise-addr");
    }
    std::vector<std::string> words;
    for (const auto& [address, interface] : usable) {
        words.push_back(address + " on " + interface);
    }
    return invalid("could not choose an IP address to advertise since this system has multiple "
                   "addresses (" +
                   join(words, " and ") + ") - specify one with --advertise-addr");
}

} // namespace

Result<std::vector<LocalAddress>> local_addresses() {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(links, netlink.links());
    TRY_LET(addresses, netlink.addresses());
    std::map<int, std::string> names;
    for (const os::Link& link : links) {
        // Bridges and their ports are the containers'.
        if (link.kind != "bridge" && link.kind != "veth") { names[link.index] = link.name; }
        if (link.kind == "veth" && link.master == 0) { names[link.index] = link.name; }
    }
    std::vector<LocalAddress> all;
    for (const os::InterfaceAddress& one : addresses) {
        const auto name = names.find(one.link);
        if (name == names.end()) { continue; }
        const auto ip = network::Ip::from_bytes(one.bytes);
        if (!ip) { continue; }
        LocalAddress out{name->second, ip.text(), true};
        const bool link_local =
            out.address.starts_with("169.254.") || out.address.starts_with("fe80:");
        const bool loopback = out.address.starts_with("127.") || out.address == "::1";
        out.usable = !link_local && !loopback;
        all.push_back(std::move(out));
    }
    return all;
}

Result<Places> plan_addresses(const std::string& listen, const std::string& advertise,
                              const std::string& data_path, const std::vector<LocalAddress>& here) {
    TRY_LET(at, split(listen.empty() ? listen_default : listen));
    TRY_LET(listen_host, resolve_host(at.host.empty() ? "0.0.0.0" : at.host, here));
    const std::uint16_t port = at.has_port ? at.port : swarm_port;
    Places places;
    places.listen = print(listen_host, port);
    if (advertise.empty()) {
        std::string host = listen_host;
        if (is_any(host)) {
            TRY_LET(only, only_address(here));
            host = only;
        }
        places.advertise = print(host, port);
        places.data_path = host;
    } else {
        TRY_LET(told, split(advertise));
        TRY_LET(host, resolve_host(told.host, here));
        if (is_any(host)) {
            return invalid(
                "advertise address must be a non-zero IP address or network interface (with optional port number)");
        }
        places.advertise = print(host, told.has_port ? told.port : port);
        places.data_path = host;
    }
    if (!data_path.empty()) {
        TRY_LET(host, resolve_host(data_path, here));
        if (is_any(host)) {
            return invalid("data path address must be a non-zero IP address or network interface");
        }
        places.data_path = host;
    }
    return places;
}

Result<Places> resolve_addresses(const std::string& listen, const std::string& advertise,
                                 const std::string& data_path) {
    TRY_LET(here, local_addresses());
    return plan_addresses(listen, advertise, data_path, here);
}

Result<Places> resolve_joiner(const std::string& listen, const std::string& advertise,
                              const std::string& data_path, const std::string& remote) {
    std::string told = advertise;
    TRY_LET(at, split(listen.empty() ? listen_default : listen));
    if (told.empty() && is_any(at.host)) {
        TRY_LET(peer, split(remote));
        TRY_LET(own, net::local_address_towards(peer.host, peer.port));
        told = print(own, at.has_port ? at.port : swarm_port);
    }
    return resolve_addresses(listen, told, data_path);
}

Result<std::vector<std::string>> with_default_port(const std::vector<std::string>& addresses) {
    if (addresses.empty()) { return invalid("at least 1 address is required to join"); }
    std::vector<std::string> all;
    for (const std::string& text : addresses) {
        TRY_LET(parts, split(text));
        if (parts.host.empty()) { return invalid("invalid remote address " + text); }
        all.push_back(print(parts.host, parts.has_port ? parts.port : swarm_port));
    }
    return all;
}

} // namespace shoal::node
