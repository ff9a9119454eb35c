#include "network/overlay_rules.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::network {
namespace {

const std::string rules = R"(  map services4 { type ipv4_addr : verdict; }
  map services6 { type ipv6_addr : verdict; }
  map slots4 { typeof ip daddr . numgen inc mod 65536 : ip daddr; }
  map slots6 { typeof ip6 daddr . numgen inc mod 65536 : ip6 daddr; }
  chain guard { type filter hook prerouting priority raw; policy accept;
    meta pkttype != host drop
    fib saddr . iif oif missing drop
  }
  chain translate { type nat hook prerouting priority dstnat; policy accept;
    iifname "vx0" accept
    ip daddr vmap @services4
    ip6 daddr vmap @services6
  }
  chain refuse {
    fib daddr type local accept
    meta l4proto tcp reject with tcp reset
    meta l4proto udp reject with icmpx port-unreachable
    reject with icmpx host-unreachable
  }
  chain decide { type filter hook prerouting priority -90; policy accept;
    fib daddr oif missing goto refuse
    ct state new ct status dnat fib daddr . iif oif exists meta mark set 0x1
  }
  chain itself { type nat hook postrouting priority srcnat; policy accept;
    meta mark 0x1 ct status dnat snat ip to ct original ip daddr
    meta mark 0x1 ct status dnat snat ip6 to ct original ip6 daddr
  }
)";

std::uint64_t mixed(std::uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
    return value ^ (value >> 31);
}

std::uint64_t worth(std::size_t slot, const Ip& backend) {
    const auto number = backend.number();
    return mixed(mixed(static_cast<std::uint64_t>(number) + 0x9e3779b97f4a7c15ull * (slot + 1)) ^
                 static_cast<std::uint64_t>(number >> 64));
}

const Ip& most_valued(std::size_t slot, const std::vector<Ip>& backends) {
    return *std::max_element(backends.begin(), backends.end(), [&](const Ip& a, const Ip& b) {
        return std::pair(worth(slot, a), a) < std::pair(worth(slot, b), b);
    });
}

char digit(const Ip& ip) { return ip.is_v4() ? '4' : '6'; }

/// "" for a service that has nobody behind it.
std::string chain_of(const Ip& service, const Balance& balance, std::size_t slots) {
    if (slots == 0) { return {}; }
    const auto name = "to_" + replace_all(service.text(), ":", "_");
    return balance.by_client ? name + "_client" : fmt::format("{}_{}", name, slots);
}

std::string rule_of(const Ip& service, const Balance& balance, std::size_t slots) {
    const char* family = service.is_v4() ? "ip" : "ip6";
    // The seed is said, since a table that is made again shall send clients where they were.
    const auto slot = balance.by_client
                          ? fmt::format("jhash {} saddr mod {} seed 0x5b0a", family, client_slots)
                          : fmt::format("numgen inc mod {}", slots);
    return fmt::format("dnat {0} to {0} daddr . {1} map @slots{2}", family, slot, digit(service));
}

/// One transaction in the making, in the order in which its parts have to come.
struct Parts {
    std::string chains;
    std::map<std::string, std::vector<std::string>> deleted, added; ///< elements by map
    std::string dropped;

    std::string text() const {
        return chains + elements("delete", deleted) + elements("add", added) + dropped;
    }
    static std::string elements(std::string_view verb,
                                const std::map<std::string, std::vector<std::string>>& maps) {
        std::string text;
        for (const auto& [map, list] : maps) {
            text += fmt::format("{} element inet {} {} {{ {} }}\n", verb, overlay_table, map,
                                join(list, ", "));
        }
        return text;
    }
};

std::string chain_text(const std::string& chain, const std::string& rule) {
    return fmt::format("add chain inet {0} {1}\nadd rule inet {0} {1} {2}\n", overlay_table, chain,
                       rule);
}

/// A service as it shows in the table.
struct Shape {
    std::vector<Ip> slots;
    std::string chain;
};
Shape shape_of(const Ip& service, const Balance& balance) {
    Shape shape;
    shape.slots = balance_slots(service, balance);
    shape.chain = chain_of(service, balance, shape.slots.size());
    return shape;
}

void change_slots(Parts& parts, const Ip& service, const std::vector<Ip>& from,
                  const std::vector<Ip>& to) {
    const auto map = std::string("slots") + digit(service);
    for (std::size_t i = 0; i < std::max(from.size(), to.size()); ++i) {
        if (i < from.size() && i < to.size() && from[i] == to[i]) { continue; }
        const auto key = fmt::format("{} . {}", service.text(), i);
        if (i < from.size()) { parts.deleted[map].push_back(key); }
        if (i < to.size()) { parts.added[map].push_back(key + " : " + to[i].text()); }
    }
}

void change_verdict(Parts& parts, const Ip& service, const std::string& from,
                    const std::string& to) {
    if (from == to) { return; }
    const auto map = std::string("services") + digit(service);
    if (!from.empty()) { parts.deleted[map].push_back(service.text()); }
    if (!to.empty()) { parts.added[map].push_back(service.text() + " : goto " + to); }
}

/// Chains other than the one in use and the one before go.
void drop_chains(Parts& parts, std::set<std::string>& chains, const std::set<std::string>& kept) {
    for (auto at = chains.begin(); at != chains.end();) {
        if (kept.contains(*at)) {
            ++at;
            continue;
        }
        parts.dropped += fmt::format("delete chain inet {} {}\n", overlay_table, *at);
        at = chains.erase(at);
    }
}

void change_service(Parts& parts, OverlayBalance& table, const Ip& service, const Balance& from,
                    const Balance& to) {
    const auto before = shape_of(service, from);
    const auto after = shape_of(service, to);
    auto& chains = table.chains[service];
    if (!after.chain.empty() && chains.insert(after.chain).second) {
        parts.chains += chain_text(after.chain, rule_of(service, to, after.slots.size()));
    }
    change_slots(parts, service, before.slots, after.slots);
    change_verdict(parts, service, before.chain, after.chain);
    if (chains.size() > 2) { drop_chains(parts, chains, {before.chain, after.chain}); }
    table.services[service] = to;
}

void remove_service(Parts& parts, OverlayBalance& table, const Ip& service) {
    change_service(parts, table, service, Balance(table.services[service]), {});
    drop_chains(parts, table.chains[service], {});
    table.chains.erase(service);
    table.services.erase(service);
}

/// The chain of a service for another number of backends, which its name says.
std::string rule_of_chain(const Ip& service, const std::string& chain) {
    const auto kind = chain.substr(chain.rfind('_') + 1);
    Balance balance;
    balance.by_client = kind == "client";
    return rule_of(service, balance, parse_number<std::size_t>(kind).value_or(1));
}

} // namespace

std::vector<Ip> balance_slots(Ip service, const Balance& balance) {
    std::vector<Ip> backends;
    std::copy_if(balance.backends.begin(), balance.backends.end(), std::back_inserter(backends),
                 [&](const Ip& ip) { return ip.family() == service.family(); });
    if (backends.empty() || !balance.by_client) { return backends; }
    std::vector<Ip> slots;
    for (std::size_t i = 0; i < client_slots; ++i) { slots.push_back(most_valued(i, backends)); }
    return slots;
}

std::string render_overlay_table(const OverlayBalance& balance) {
    std::string text = fmt::format("table inet {0} {{ }}\ndelete table inet {0}\n", overlay_table);
    text += fmt::format("table inet {} {{\n{}", overlay_table, rules);
    for (const auto& [service, chains] : balance.chains) {
        for (const auto& chain : chains) {
            text += fmt::format("  chain {} {{ {}\n  }}\n", chain, rule_of_chain(service, chain));
        }
    }
    text += "}\n";
    OverlayBalance bare;
    bare.chains = balance.chains;
    return text + plan_overlay_rules(bare, balance.services).text;
}

OverlayRulesChange plan_overlay_rules(OverlayBalance present, const std::map<Ip, Balance>& wanted) {
    OverlayRulesChange change;
    change.after = std::move(present);
    Parts parts;
    std::vector<Ip> gone;
    for (const auto& [service, balance] : change.after.services) {
        if (!wanted.contains(service)) { gone.push_back(service); }
    }
    for (const auto& service : gone) { remove_service(parts, change.after, service); }
    for (const auto& [service, balance] : wanted) {
        const auto found = change.after.services.find(service);
        const bool known = found != change.after.services.end();
        if (known && found->second == balance) { continue; }
        change_service(parts, change.after, service, known ? Balance(found->second) : Balance{},
                       balance);
    }
    change.text = parts.text();
    return change;
}

namespace {
/// Each rule and each element of its own, without handles, and with the map it is in.
std::multiset<std::string> entries_of(std::string_view listing) {
    std::multiset<std::string> entries;
    std::string inside;
    for (const auto& raw : split(listing, '\n')) {
        const auto line = trim(std::string_view(raw).substr(0, raw.find(" # handle ")));
        if (line.ends_with("{") && !line.starts_with("elements")) { inside = line; }
        for (const auto& part : split(line, ',')) {
            auto entry = replace_all(replace_all(part, "elements = {", ""), "}", "");
            entry = std::string(trim(entry));
            if (!entry.empty()) { entries.insert(inside + " " + entry); }
        }
    }
    return entries;
}
} // namespace

std::size_t count_listing_differences(std::string_view one, std::string_view other) {
    const auto a = entries_of(one), b = entries_of(other);
    std::vector<std::string> differing;
    std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(),
                                  std::back_inserter(differing));
    return differing.size();
}

} // namespace shoal::network
