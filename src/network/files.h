// The texts a container sees as /etc/hosts, /etc/resolv.conf and /etc/hostname, and the environment
// of legacy links. Pure: the host's own files are arguments.
#pragma once

#include "network/types.h"

#include <string>
#include <vector>

namespace shoal::network {

struct HostsEntry {
    std::string address;
    std::vector<std::string> names;
};

struct HostsInput {
    std::string hostname;
    std::string domainname;
    std::vector<std::string> addresses; ///< the container's own, IPv4 first; may be empty
    bool ipv6 = true;                   ///< loopback and multicast entries of IPv6
    std::vector<HostsEntry> links;
    std::vector<HostsEntry> extra;
};
std::string render_hosts(const HostsInput& input);
/// For the host's network: its file with the extra entries behind.
std::string render_hosts_of_host(const std::string& host_file,
                                 const std::vector<HostsEntry>& extra);

/// "name:address" or "name=address" with the first ":" or "=" as separator; "host-gateway" becomes
/// `gateway` (one entry each). Fails: Invalid "invalid IP address in add-host: ...".
Result<std::vector<HostsEntry>> parse_extra_hosts(const std::vector<std::string>& entries,
                                                  const std::vector<std::string>& gateway);

struct Resolver {
    std::vector<std::string> nameservers;
    std::vector<std::string> search;
    std::vector<std::string> options;
    bool operator==(const Resolver&) const = default;
};
Resolver parse_resolv_conf(std::string_view text);
std::string render_resolv_conf(const Resolver& resolver);

/// --dns, --dns-search, --dns-option over those of the daemon, already merged.
struct ResolverWish {
    std::vector<std::string> dns;
    std::vector<std::string> search;
    std::vector<std::string> options;
};
/// What a container without the embedded DNS uses: the wish, else the host's without loopback
/// servers, else public ones.
Resolver plain_resolver(const Resolver& host, const ResolverWish& wish, bool ipv6);
/// What a container with the host's network uses: loopback servers work there.
Resolver host_resolver(const Resolver& host, const ResolverWish& wish);
/// What a container with the embedded DNS uses: only 127.0.0.11.
Resolver embedded_resolver(const Resolver& host, const ResolverWish& wish);
/// Where the embedded DNS forwards to: the wish, else the host's servers, loopback ones included.
std::vector<std::string> upstream_servers(const Resolver& host, const ResolverWish& wish);

/// Whom a legacy link points at.
struct LinkTarget {
    std::string alias;
    std::string parent; ///< the container that has the link, for ALIAS_NAME=/parent/alias
    std::string address;
    std::vector<PortKey> ports;
    std::vector<std::string> environment; ///< of the target: "K=v" becomes ALIAS_ENV_K=v
};
std::vector<std::string> link_environment(const LinkTarget& target);

} // namespace shoal::network
