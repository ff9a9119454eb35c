// SandboxInfo: the network side of one running container as a value: its namespace, endpoints,
// ports and the files it sees. It is what survives a restart of the daemon; the kernel work is in
// network/endpoint.h.
#pragma once

#include "network/types.h"

#include <string>
#include <vector>

namespace shoal::network {

/// What a running container has. Serialisable (describe): Containers stores it with the container's
/// record.
struct SandboxInfo {
    std::string mode;       ///< as requested, "default" resolved to "bridge"
    std::string netns_path; ///< "" for host; the other container's for container:<id>
    std::string name;       ///< the container's name at the time
    std::string hostname;
    std::string domainname;
    std::vector<EndpointState> endpoints; ///< in attach order: eth0 first
    std::vector<PortBinding> ports;
    std::string hosts;       ///< text of /etc/hosts
    std::string resolv_conf; ///< text of /etc/resolv.conf
    std::string hostname_file;
    std::vector<std::string> upstream_dns; ///< where the embedded DNS forwards to
    std::vector<std::string> dns;
    std::vector<std::string> dns_search;
    std::vector<std::string> dns_options;
    std::vector<std::string> extra_hosts;
    std::vector<std::string> links;
    std::vector<PortWish> published;  ///< wishes, to publish again on another network
    std::vector<std::string> sysctls; ///< "net.x.y=value"
    std::uint16_t dns_port = 0;       ///< of the embedded DNS inside the namespace; 0 when none
    bool operator==(const SandboxInfo&) const = default;
};

template <class V> void describe(V& v, SandboxInfo& s) {
    v("Mode", s.mode);
    v("NetnsPath", s.netns_path);
    v("Name", s.name);
    v("Hostname", s.hostname);
    v("Domainname", s.domainname);
    v("Endpoints", s.endpoints);
    v("Ports", s.ports);
    v("Hosts", s.hosts);
    v("ResolvConf", s.resolv_conf);
    v("HostnameFile", s.hostname_file);
    v("UpstreamDns", s.upstream_dns);
    v("Dns", s.dns);
    v("DnsSearch", s.dns_search);
    v("DnsOptions", s.dns_options);
    v("ExtraHosts", s.extra_hosts);
    v("Links", s.links);
    v("Published", s.published);
    v("Sysctls", s.sysctls);
    v("DnsPort", s.dns_port);
}

} // namespace shoal::network
