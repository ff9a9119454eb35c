// The part of OverlayLinks that brings a container into the overlay.
#include "network/overlay_links.h"

#include <algorithm>

namespace shoal::network {
namespace {

bool has_family(const OverlayEndpointPlan& endpoint, Family family) {
    return std::any_of(endpoint.addresses.begin(), endpoint.addresses.end(),
                       [&](const auto& entry) { return entry.first.family() == family; });
}

InterfacePlan interface_of(const OverlayEndpointPlan& endpoint) {
    InterfacePlan plan;
    plan.name = endpoint.name;
    plan.addresses = endpoint.addresses;
    plan.sysctls = endpoint.sysctls;
    plan.no_routes = true;
    return plan;
}

} // namespace

Result<void> OverlayLinks::add_endpoint(const os::Fd& netns, const OverlayEndpointPlan& endpoint) {
    // That of a container before, which the kernel has not taken down yet.
    TRY_LET(old, inside_.find_link(endpoint.near_link));
    if (old) { TRY(inside_.delete_link(old->index)); }
    auto made = make_endpoint(netns, endpoint);
    if (made) { return made; }
    if (auto half = inside_.find_link(endpoint.near_link); half && *half) {
        (void)inside_.delete_link((*half)->index);
    }
    return made;
}

/// Both sides know each other's hardware address for good: nobody has to be asked for, and nobody
/// can answer falsely.
Result<void> OverlayLinks::make_endpoint(const os::Fd& netns, const OverlayEndpointPlan& endpoint) {
    TRY(inside_.create_veth(
        {endpoint.near_link, endpoint.name, netns.raw(), endpoint.mac, plan_.mtu, 0}));
    TRY(inside_.set_port_up(endpoint.near_link));
    TRY_LET(near, inside_.link(endpoint.near_link));
    TRY(configure_interface(netns, interface_of(endpoint)));
    TRY_LET(container, os::Netlink::open_in(netns));
    TRY_LET(link, container.link(endpoint.name));
    TRY(lead_to_subnets(container, link, endpoint, near.mac));
    for (const auto& [ip, bits] : endpoint.addresses) {
        TRY(inside_.replace_neighbour({ip.bytes(), link.mac, near.index}));
    }
    return ok();
}

Result<void> OverlayLinks::lead_to_subnets(os::Netlink& container, const os::Link& link,
                                           const OverlayEndpointPlan& endpoint,
                                           const std::string& near_mac) {
    for (const auto& gateway : plan_.gateways) {
        if (!has_family(endpoint, gateway.family())) { continue; }
        TRY(container.replace_neighbour({gateway.bytes(), near_mac, link.index}));
        for (const auto& subnet : plan_.subnets) {
            if (!subnet.contains(gateway)) { continue; }
            os::Route route{subnet.base().bytes(), subnet.bits(), gateway.bytes(), link.index};
            route.v6 = gateway.is_v6();
            route.onlink = true;
            TRY(container.replace_route(route));
        }
    }
    return ok();
}

} // namespace shoal::network
