// The nftables text of an overlay (network/overlay.h): one table, whose rules are fixed and whose
// maps say which virtual addresses there are and who is behind them. Pure: text out, nothing
// applied.
//
// `guard` drops what comes from an address that is not behind the link it came by. `translate`
// sends a new connection to a virtual address through the chain of that address: a chain for each
// address and number of backends, so that each has a counter of its own and the spread is exact.
// `decide` answers for addresses that nobody has: after the translation, so that connections whose
// backend has gone are reset as well, and the answer comes from the virtual address. A container
// that reaches itself sees the virtual address as source (`itself`).
#pragma once

#include "network/overlay.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace shoal::network {

/// What balances in a table: the services, and the chains that were made for them. Those of another
/// number of backends stay until a third one comes, since backends mostly go and come back.
struct OverlayBalance {
    std::map<Ip, Balance> services;
    std::map<Ip, std::set<std::string>> chains;
    bool operator==(const OverlayBalance&) const = default;
};

inline constexpr std::string_view overlay_table = "overlay"; ///< of family inet
inline constexpr std::string_view overlay_link = "vx0";
/// Slots of a service that is balanced by client. Many more than backends, so that each gets about
/// the same number.
inline constexpr std::size_t client_slots = 256;

/// Replaces the table, whatever is there now.
std::string render_overlay_table(const OverlayBalance& balance);

/// From what is there to the wanted services, as few elements: one transaction, "" for nothing.
struct OverlayRulesChange {
    std::string text;
    OverlayBalance after;
};
OverlayRulesChange plan_overlay_rules(OverlayBalance present, const std::map<Ip, Balance>& wanted);

/// Which backend has which slot. By client: each slot goes to the backend that values it most, so
/// that one that goes or comes moves no slot of the others, whatever was before.
std::vector<Ip> balance_slots(Ip service, const Balance& balance);

/// How many entries of one listing of a table (`nft list table`) the other does not have, both
/// ways.
std::size_t count_listing_differences(std::string_view one, std::string_view other);

} // namespace shoal::network
