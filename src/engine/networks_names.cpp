// What a container is called on its networks and how it finds others: names in the embedded DNS,
// the view that it has of them, and the files hosts, hostname and resolv.conf.
#include "base/text.h"
#include "engine/networks_impl.h"

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

// --- the embedded DNS ---

std::vector<std::string> Networks::Impl::dns_names(const Attached& attached,
                                                   const EndpointState& endpoint) const {
    std::vector<std::string> names;
    const auto add = [&](const std::string& name) {
        if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(name);
        }
    };
    add(attached.info.name);
    for (const auto& alias : endpoint.wish.aliases) { add(alias); }
    add(attached.id.short_text());
    add(attached.info.hostname);
    if (!attached.info.domainname.empty()) {
        add(attached.info.hostname + "." + attached.info.domainname);
    }
    return names;
}

void Networks::Impl::name_endpoint(const Attached& attached, const EndpointState& endpoint) {
    if (endpoint.dns_names.empty()) { return; }
    dns.names().add(endpoint.network, {endpoint.endpoint, endpoint.dns_names, attached.info.name,
                                       addresses_of(endpoint)});
}

void Networks::Impl::refresh_names(Attached& attached) {
    for (auto& endpoint : attached.info.endpoints) {
        if (endpoint.dns_names.empty()) { continue; }
        endpoint.dns_names = dns_names(attached, endpoint);
        name_endpoint(attached, endpoint);
    }
}

bool Networks::Impl::needs_dns(const Attached& attached) const {
    const auto& all = attached.info.endpoints;
    return std::any_of(all.begin(), all.end(),
                       [](const EndpointState& e) { return !e.dns_names.empty(); });
}

DnsView Networks::Impl::dns_view(const Attached& attached) const {
    DnsView view;
    for (const auto& endpoint : attached.info.endpoints) {
        if (endpoint.dns_names.empty()) { continue; }
        view.networks.push_back(endpoint.network);
        auto links = endpoint.wish.links;
        if (endpoint.network_name == attached.info.mode) {
            links.insert(links.end(), attached.info.links.begin(), attached.info.links.end());
        }
        for (const auto& link : links) {
            const auto [target, alias] = cut(link, ':');
            const auto other = attached_by_name(target);
            const auto name = other ? other->info.name : target;
            view.links.push_back({endpoint.network, alias.empty() ? name : alias, name});
        }
    }
    for (const auto& server : attached.info.upstream_dns) {
        if (const auto ip = ip_of(server)) { view.upstream.push_back(ip); }
    }
    view.confined = gateway_endpoint(attached, Family::V4) == nullptr &&
                    gateway_endpoint(attached, Family::V6) == nullptr;
    const auto& all = attached.info.endpoints;
    if (view.confined && std::any_of(all.begin(), all.end(), is_overlay_interface)) {
        view.upstream.clear(); // the node next door would answer
    }
    return view;
}

Result<void> Networks::Impl::start_dns(Attached& attached, DnsSockets sockets) {
    TRY_LET(netns, attached.netns.duplicate());
    attached.info.dns_port = sockets.port;
    return dns.add(attached.id.text(), std::move(sockets), std::move(netns), dns_view(attached));
}

// --- files ---

std::vector<std::string> Networks::Impl::host_gateway() const {
    if (!settings.host_gateway.empty()) { return settings.host_gateway; }
    std::vector<std::string> out;
    const auto found = find("bridge");
    if (!found) { return out; }
    for (const auto& pool : (*found)->definition.pools) {
        if (!pool.gateway.empty()) { out.push_back(pool.gateway); }
    }
    return out;
}

/// Legacy links on the default bridge, which has no DNS.
std::vector<HostsEntry> Networks::Impl::link_entries(const Attached& attached) const {
    std::vector<HostsEntry> out;
    if (attached.info.mode != "bridge") { return out; }
    for (const auto& link : attached.info.links) {
        const auto [target, alias] = cut(link, ':');
        const auto other = attached_by_name(target);
        if (!other) { continue; }
        for (const auto& endpoint : other->info.endpoints) {
            if (endpoint.network_name != "bridge" || endpoint.ipv4.empty()) { continue; }
            std::vector<std::string> names{alias.empty() ? other->info.name : alias};
            for (const auto& name : {other->info.hostname, other->info.name}) {
                if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) {
                    names.push_back(name);
                }
            }
            out.push_back({endpoint.ipv4, names});
        }
    }
    return out;
}

void Networks::Impl::render_files(Attached& attached, const SetupDone& host) const {
    auto& info = attached.info;
    const auto pick = [](const std::vector<std::string>& own,
                         const std::vector<std::string>& daemon) {
        return own.empty() ? daemon : own;
    };
    const ResolverWish wish{pick(info.dns, settings.dns),
                            pick(info.dns_search, settings.dns_search),
                            pick(info.dns_options, settings.dns_options)};
    const auto extra = parse_extra_hosts(info.extra_hosts, host_gateway()).value_or({});
    info.hostname_file = info.hostname + "\n";
    if (info.mode == "host") {
        info.resolv_conf = render_resolv_conf(host_resolver(host.resolver, wish));
        info.hosts = render_hosts_of_host(host.hosts_file, extra);
        return;
    }
    HostsInput input;
    input.hostname = info.hostname;
    input.domainname = info.domainname;
    input.extra = extra;
    input.links = link_entries(attached);
    bool v6 = false;
    // What a container is called on its networks; the bridge that only leads out is none of them,
    // and an address in the mesh is not the container's own.
    const auto named = [&](const EndpointState& e) { return !e.automatic && !is_in_mesh(e); };
    const auto& all = info.endpoints;
    const bool any_named = std::any_of(all.begin(), all.end(), named);
    for (const auto& endpoint : info.endpoints) {
        if (is_in_mesh(endpoint) || (any_named && !named(endpoint))) { continue; }
        if (!endpoint.ipv4.empty()) { input.addresses.push_back(endpoint.ipv4); }
        if (!endpoint.ipv6.empty()) { input.addresses.push_back(endpoint.ipv6); }
        v6 |= !endpoint.ipv6.empty();
    }
    info.hosts = render_hosts(input);
    if (needs_dns(attached)) {
        info.upstream_dns = upstream_servers(host.resolver, wish);
        info.resolv_conf = render_resolv_conf(embedded_resolver(host.resolver, wish));
    } else {
        info.resolv_conf = render_resolv_conf(plain_resolver(host.resolver_plain, wish, v6));
    }
}

} // namespace shoal::engine
