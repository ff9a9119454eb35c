// The links, addresses, neighbours and routes of an overlay's namespace (network/overlay.h):
// everything of it but balancing. Each call is about one thing, and what it asks for may be there
// or gone already.
#pragma once

#include "network/overlay.h"
#include "os/netlink.h"

namespace shoal::network {

class OverlayLinks {
  public:
    /// Makes what is missing. Fails: Unsupported without VXLAN; Conflict when another plan was
    /// followed here.
    static Result<OverlayLinks> open(const OverlayPlan& plan, const os::Fd& netns);

    Result<void> set_node(NodeIndex node, const Ip& address);
    Result<void> drop_node(NodeIndex node);
    Result<void> set_remote(const Ip& address, NodeIndex node);
    /// Without such a link there is nothing to lead to: the route comes with the link.
    Result<void> set_local(const Ip& address, const std::string& near_link);
    Result<void> drop_address(const Ip& address);

    Result<OverlayState> look(); ///< what is there; no services
    /// How much was missing, wrong or too much.
    Result<std::size_t> repair(const OverlayState& wanted);

    Result<void> add_endpoint(const os::Fd& netns, const OverlayEndpointPlan& endpoint);

  private:
    OverlayLinks(OverlayPlan plan, os::Netlink inside)
        : plan_(std::move(plan)), inside_(std::move(inside)) {}
    struct Seen;
    Result<Seen> see();
    Seen expected(const OverlayState& state, const Seen& seen) const;
    std::vector<Ip> hops(NodeIndex node) const;
    Result<void> ensure_vxlan(const os::Fd& netns);
    Result<void> ensure_gateways();
    Result<void> ensure_subnets();
    Result<void> make_endpoint(const os::Fd& netns, const OverlayEndpointPlan& endpoint);
    Result<void> lead_to_subnets(os::Netlink& container, const os::Link& link,
                                 const OverlayEndpointPlan& endpoint, const std::string& near_mac);

    OverlayPlan plan_;
    os::Netlink inside_;
    int vxlan_ = 0; ///< index of the link
};

} // namespace shoal::network
