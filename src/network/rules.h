// The nftables text of all bridge networks: one table of our own, whose rules are fixed and whose
// sets and maps say which bridges, subnets and published ports there are. A port more or less is a
// few elements in one transaction; the whole table can be written again at any time. Pure: text
// out, nothing applied (os/nft.h).
//
// What the chains do: `publish` sends published ports to containers; `forward` keeps bridges apart,
// lets replies, published ports and outgoing traffic through and marks what it accepts with bit 28,
// so that one rule in a foreign chain with policy drop can honour it; `masquerade` hides private
// addresses, also of a container that asks for its own published port (`self`: where br_netfilter
// is on, that packet never leaves the bridge, and has no input interface to match); `user` is the
// operator's.
#pragma once

#include "network/types.h"

#include <string>
#include <vector>

namespace shoal::network {

/// "accepted by us", also what the rule in foreign chains looks for.
inline constexpr std::uint32_t accepted_mark = 0x10000000;
/// Of connections that came to this node over the cluster's mesh, which has looked at them
/// (network/mesh_rules.h): they pass without asking `user`, which was asked where they entered.
inline constexpr std::uint32_t mesh_mark_tag = 0x005b0000;
inline constexpr std::uint32_t mesh_mark_tag_mask = 0x00ff0000;

struct RuleBridge {
    std::string link;
    bool icc = true;
    bool internal = false;
    bool routed_v4 =
        false; ///< gateway mode routed: no address translation; ICMP from outside allowed
    bool routed_v6 = false;
    bool unprotected = false; ///< every port reachable from outside by address
    std::vector<Subnet> masquerade;
    auto operator<=>(const RuleBridge&) const = default;
};

struct RulePort {
    Protocol protocol = Protocol::Tcp;
    Ip host; ///< none: any local address of the target's family
    std::uint16_t host_port = 0;
    Ip target;
    std::uint16_t target_port = 0;
    bool routed = false; ///< no translation: the target's own port is opened
    auto operator<=>(const RulePort&) const = default;
};

struct RuleState {
    std::vector<RuleBridge> bridges;
    std::vector<RulePort> ports;
    /// Forwarding was turned on for containers only: what comes from outside, and neither we nor an
    /// address translation of somebody else let in, is dropped. What other bridges (libvirt,
    /// Docker) send passes.
    bool guard_forward = false;
};

std::string table_name(const std::string& instance); ///< "shoal_<instance>"

/// Replaces the table, whatever is there now. `user_rules` are the rules of chain `user`, one per
/// line.
std::string render_table(const std::string& table, const RuleState& state,
                         const std::string& user_rules);
std::string render_delete_table(const std::string& table);

/// Elements of one bridge or of some ports, added or removed in one transaction. "" when there is
/// nothing to do.
std::string render_add_bridge(const std::string& table, const RuleBridge& bridge);
std::string render_remove_bridge(const std::string& table, const RuleBridge& bridge);
std::string render_add_ports(const std::string& table, const std::vector<RulePort>& ports);
std::string render_remove_ports(const std::string& table, const std::vector<RulePort>& ports);

/// A base chain of somebody else on the forward hook.
struct ForeignChain {
    std::string family;
    std::string table;
    std::string chain;
    bool drops = false; ///< its policy
    bool has_our_rule = false;
    std::vector<std::string> our_handles;
    auto operator<=>(const ForeignChain&) const = default;
};
/// From `nft -j list chains` or `list chain ...`; rules of ours are seen in the latter only. Fails:
/// Invalid.
Result<std::vector<ForeignChain>> parse_foreign_chains(std::string_view json,
                                                       const std::string& table);
std::string render_list_chain(const ForeignChain& chain);
/// The rule that lets marked packets pass goes first in each dropping chain that lacks it.
std::string render_foreign_accept(const std::vector<ForeignChain>& chains,
                                  const std::string& table);
std::string render_foreign_remove(const std::vector<ForeignChain>& chains);

/// The rules inside `chain user { ... }` of `nft list chain`, without handles.
std::string parse_user_rules(std::string_view listing);

/// Inside a container: 127.0.0.11:53 leads to the port where the embedded DNS listens.
std::string render_dns_redirect(std::uint16_t port);

} // namespace shoal::network
