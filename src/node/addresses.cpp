#include "node/addresses.h"

#include "base/text.h"
#include "net/local_address.h"
#include "network/address.h"
#include "os/netlink.h"

#include <map>
#include <optional>

namespace shoal::node {
namespace {

constexpr auto listen_default = "0.0.0.0:2377";
constexpr auto bad_listen =
    "listen address must be an IP address or network interface (with optional port number)";
constexpr auto bad_advertise = "advertise address must be a non-zero IP address or network "
                               "interface (with optional port number)";
constexpr auto bad_data_path = "data path address must be a non-zero IP address or network "
                               "interface (without a port number)";

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

bool is_six(const std::string& address) { return address.find(':') != std::string::npos; }
bool is_link_local(const std::string& address) { return address.starts_with("fe80:"); }

/// Its only IPv4 address, else its only IPv6 address that others can use. Nothing: there is no such
/// interface.
Result<std::optional<std::string>> address_of_interface(const std::string& name,
                                                        const std::vector<LocalAddress>& here) {
    std::vector<std::string> four;
    std::vector<std::string> six;
    bool exists = false;
    for (const LocalAddress& one : here) {
        if (one.interface != name) { continue; }
        exists = true;
        if (one.address.empty() || is_link_local(one.address)) { continue; }
        (is_six(one.address) ? six : four).push_back(one.address);
    }
    if (!exists) { return std::nullopt; }
    const std::string kind = four.empty() ? "IPv6" : "IPv4";
    const auto& found = four.empty() ? six : four;
    if (found.empty()) {
        return invalid("interface " + name + " has no usable IPv4 or IPv6 address");
    }
    if (found.size() > 1) {
        return invalid("interface " + name + " has more than one " + kind + " address (" +
                       join(found, " and ") + ")");
    }
    return found.front();
}

/// An interface's name becomes its address; what is neither is refused with these words.
Result<std::string> resolve_host(const std::string& host, const std::vector<LocalAddress>& here,
                                 const char* refusal) {
    TRY_LET(address, address_of_interface(host, here));
    if (address) { return *address; }
    if (!is_any(host) && !network::Ip::parse(host)) { return invalid(refusal); }
    return host;
}

/// By their interfaces; of one version only.
std::map<std::string, std::string> usable_addresses(const std::vector<LocalAddress>& here,
                                                    bool six) {
    std::map<std::string, std::string> usable; // address -> interface
    for (const LocalAddress& one : here) {
        if (!one.usable || one.address.empty() || is_six(one.address) != six) { continue; }
        usable.emplace(one.address, one.interface);
    }
    return usable;
}

Result<std::string> only_address(const std::vector<LocalAddress>& here) {
    auto usable = usable_addresses(here, false);
    if (usable.empty()) { usable = usable_addresses(here, true); }
    if (usable.size() == 1) { return usable.begin()->first; }
    // The command lines say how to specify one.
    if (usable.empty()) { return invalid("could not find the system's IP address"); }
    const auto& [first, first_on] = *usable.begin();
    const auto& [second, second_on] = *std::next(usable.begin());
    const std::string where = first_on == second_on
                                  ? "interface " + first_on + " (" + first + " and " + second + ")"
                                  : "different interfaces (" + first + " on " + first_on + " and " +
                                        second + " on " + second_on + ")";
    return invalid("could not choose an IP address to advertise since this system has multiple "
                   "addresses on " +
                   where);
}

/// A bridge of an engine, or a port of any. Other bridges may well be how the machine is reached.
bool is_of_containers(const os::Link& link) {
    if (link.kind == "veth") { return link.master != 0; }
    const bool named = link.name == "shoal0" || link.name == "docker0" ||
                       link.name == "docker_gwbridge" || link.name.starts_with("br-");
    return link.kind == "bridge" && named;
}

} // namespace

Result<std::vector<LocalAddress>> local_addresses() {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(links, netlink.links());
    TRY_LET(addresses, netlink.addresses());
    std::map<int, os::Link> by_index;
    std::vector<LocalAddress> all;
    for (os::Link& link : links) {
        all.push_back({link.name, "", false});
        by_index[link.index] = std::move(link);
    }
    for (const os::InterfaceAddress& one : addresses) {
        const auto link = by_index.find(one.link);
        if (link == by_index.end()) { continue; }
        const auto ip = network::Ip::from_bytes(one.bytes);
        if (!ip) { continue; }
        LocalAddress out{link->second.name, ip.text(), true};
        const bool link_local = out.address.starts_with("169.254.") || is_link_local(out.address);
        const bool loopback = out.address.starts_with("127.") || out.address == "::1";
        out.usable = !link_local && !loopback && !is_of_containers(link->second);
        all.push_back(std::move(out));
    }
    return all;
}

Result<Places> plan_addresses(const std::string& listen, const std::string& advertise,
                              const std::string& data_path, const std::vector<LocalAddress>& here) {
    TRY_LET(at, split(listen.empty() ? listen_default : listen));
    TRY_LET(listen_host, resolve_host(at.host.empty() ? "0.0.0.0" : at.host, here, bad_listen));
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
        TRY_LET(host, resolve_host(told.host, here, bad_advertise));
        if (is_any(host)) { return invalid(bad_advertise); }
        places.advertise = print(host, told.has_port ? told.port : port);
        places.data_path = host;
    }
    if (!data_path.empty()) {
        TRY_LET(host, resolve_host(data_path, here, bad_data_path));
        if (is_any(host)) { return invalid(bad_data_path); }
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
