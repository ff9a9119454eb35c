#include "network/rules.h"

#include "base/json.h"
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

namespace shoal::network {
namespace {

constexpr std::string_view mark_and_accept = "meta mark set meta mark | 0x10000000 accept";

/// Elements by the set or map they belong to, in the order of `names` below.
using Elements = std::map<std::string, std::vector<std::string>>;

struct Container {
    std::string name;
    std::string kind; ///< set or map
    std::string type;
};

const std::vector<Container>& containers() {
    static const std::vector<Container> all = {
        {"bridges", "set", "type ifname;"},
        {"icc", "set", "type ifname . ifname;"},
        {"hairpin", "set", "type ifname . ifname;"},
        {"self4", "set", "typeof ip saddr . ip daddr;"},
        {"self6", "set", "typeof ip6 saddr . ip6 daddr;"},
        {"internal", "set", "type ifname;"},
        {"routed4", "set", "type ifname;"},
        {"routed6", "set", "type ifname;"},
        {"unprotected", "set", "type ifname;"},
        {"masq4", "set", "type ipv4_addr; flags interval;"},
        {"masq6", "set", "type ipv6_addr; flags interval;"},
        {"open4", "set", "typeof ip daddr . meta l4proto . th dport;"},
        {"open6", "set", "typeof ip6 daddr . meta l4proto . th dport;"},
        {"pub_any", "map", "typeof meta l4proto . th dport : ip daddr . th dport;"},
        {"pub_ip", "map", "typeof ip daddr . meta l4proto . th dport : ip daddr . th dport;"},
        {"pub_any6", "map", "typeof meta l4proto . th dport : ip6 daddr . th dport;"},
        {"pub_ip6", "map", "typeof ip6 daddr . meta l4proto . th dport : ip6 daddr . th dport;"},
    };
    return all;
}

void add_bridge(Elements& out, const RuleBridge& bridge) {
    const auto name = '"' + bridge.link + '"';
    out["bridges"].push_back(name);
    out["hairpin"].push_back(name + " . " + name);
    if (bridge.icc) { out["icc"].push_back(name + " . " + name); }
    if (bridge.internal) { out["internal"].push_back(name); }
    if (bridge.routed_v4) { out["routed4"].push_back(name); }
    if (bridge.routed_v6) { out["routed6"].push_back(name); }
    if (bridge.unprotected) { out["unprotected"].push_back(name); }
    for (const auto& subnet : bridge.masquerade) {
        out[subnet.family() == Family::V4 ? "masq4" : "masq6"].push_back(subnet.text());
    }
}

void add_port(Elements& out, const RulePort& port) {
    const bool v4 = port.target.is_v4();
    const auto protocol = to_text(port.protocol);
    if (port.routed) {
        out[v4 ? "open4" : "open6"].push_back(
            fmt::format("{} . {} . {}", port.target.text(), protocol, port.target_port));
        return;
    }
    const auto target = fmt::format("{} . {}", port.target.text(), port.target_port);
    out[v4 ? "self4" : "self6"].push_back(fmt::format("{0} . {0}", port.target.text()));
    if (!port.host) {
        out[v4 ? "pub_any" : "pub_any6"].push_back(
            fmt::format("{} . {} : {}", protocol, port.host_port, target));
    } else {
        out[v4 ? "pub_ip" : "pub_ip6"].push_back(
            fmt::format("{} . {} . {} : {}", port.host.text(), protocol, port.host_port, target));
    }
}

/// Two endpoints of one container may open the same port; an element is there once.
void sort_unique(std::vector<std::string>& list) {
    std::sort(list.begin(), list.end());
    list.erase(std::unique(list.begin(), list.end()), list.end());
}

std::string key_of(const std::string& element) { return element.substr(0, element.find(" : ")); }

std::string render_elements(const std::string& verb, const std::string& table, Elements elements) {
    std::string text;
    for (const auto& container : containers()) {
        auto found = elements.find(container.name);
        if (found == elements.end()) { continue; }
        auto& list = found->second;
        if (verb == "delete") { std::transform(list.begin(), list.end(), list.begin(), key_of); }
        sort_unique(list);
        text += fmt::format("{} element inet {} {} {{ {} }}\n", verb, table, container.name,
                            join(list, ", "));
    }
    return text;
}

std::string render_containers(Elements elements) {
    std::string text;
    for (const auto& container : containers()) {
        auto& list = elements[container.name];
        sort_unique(list);
        text += fmt::format("  {} {} {{ {}", container.kind, container.name, container.type);
        if (!list.empty()) { text += fmt::format(" elements = {{ {} }};", join(list, ", ")); }
        text += " }\n";
    }
    return text;
}

std::string render_chains(const RuleState& state, const std::string& user_rules) {
    std::string user;
    for (const auto& line : split(user_rules, '\n')) {
        if (!trim(line).empty()) { user += "    " + std::string(trim(line)) + "\n"; }
    }
    std::string guard;
    if (state.guard_forward) {
        guard = R"(  chain guard { type filter hook forward priority 10; policy accept;
    meta mark & 0x10000000 != 0 accept
    ct state established,related accept
    ct status dnat accept
    meta iifkind "bridge" accept
    drop
  }
)";
    }
    return fmt::format(R"(  chain publish {{
    meta l4proto {{ tcp, udp, sctp }} dnat ip to ip daddr . meta l4proto . th dport map @pub_ip
    meta l4proto {{ tcp, udp, sctp }} dnat ip6 to ip6 daddr . meta l4proto . th dport map @pub_ip6
    ip6 daddr ::1 return
    fib daddr type local meta l4proto {{ tcp, udp, sctp }} dnat ip to meta l4proto . th dport map @pub_any
    fib daddr type local meta l4proto {{ tcp, udp, sctp }} dnat ip6 to meta l4proto . th dport map @pub_any6
  }}
  chain raw_pre {{ type filter hook prerouting priority raw; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 drop
  }}
  chain dnat_pre {{ type nat hook prerouting priority dstnat; policy accept;
    meta l4proto {{ tcp, udp, sctp }} jump publish
  }}
  chain dnat_out {{ type nat hook output priority -100; policy accept;
    meta l4proto {{ tcp, udp, sctp }} jump publish
  }}
  chain user {{
{1}  }}
  chain forward {{ type filter hook forward priority -10; policy accept;
    ct state established,related {0}
    ct mark & 0x00ff0000 == 0x005b0000 ct status dnat {0}
    jump user
    iifname . oifname @icc {0}
    iifname @internal drop
    oifname @internal drop
    ct status dnat {0}
    ip daddr . meta l4proto . th dport @open4 oifname @bridges {0}
    ip6 daddr . meta l4proto . th dport @open6 oifname @bridges {0}
    oifname @routed4 meta l4proto icmp {0}
    oifname @routed6 meta l4proto ipv6-icmp {0}
    oifname @unprotected iifname != @bridges {0}
    oifname @bridges drop
    iifname @bridges {0}
  }}
{2}  chain masquerade_post {{ type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    iifname . oifname @hairpin ct status dnat masquerade
    ip saddr . ip daddr @self4 ct status dnat masquerade
    ip6 saddr . ip6 daddr @self6 ct status dnat masquerade
    ip saddr @masq4 oifname != @bridges masquerade
    ip6 saddr @masq6 oifname != @bridges masquerade
  }}
)",
                       mark_and_accept, user, guard);
}

} // namespace

std::string table_name(const std::string& instance) { return "shoal_" + instance; }

std::string render_delete_table(const std::string& table) {
    return fmt::format("table inet {0} {{ }}\ndelete table inet {0}\n", table);
}

std::string render_table(const std::string& table, const RuleState& state,
                         const std::string& user_rules) {
    Elements elements;
    for (const auto& bridge : state.bridges) { add_bridge(elements, bridge); }
    for (const auto& port : state.ports) { add_port(elements, port); }
    return render_delete_table(table) + fmt::format("table inet {} {{\n", table) +
           render_containers(std::move(elements)) + render_chains(state, user_rules) + "}\n";
}

std::string render_add_bridge(const std::string& table, const RuleBridge& bridge) {
    Elements elements;
    add_bridge(elements, bridge);
    return render_elements("add", table, std::move(elements));
}
std::string render_remove_bridge(const std::string& table, const RuleBridge& bridge) {
    Elements elements;
    add_bridge(elements, bridge);
    return render_elements("delete", table, std::move(elements));
}
std::string render_add_ports(const std::string& table, const std::vector<RulePort>& ports) {
    Elements elements;
    for (const auto& port : ports) { add_port(elements, port); }
    return render_elements("add", table, std::move(elements));
}
std::string render_remove_ports(const std::string& table, const std::vector<RulePort>& ports) {
    Elements elements;
    for (const auto& port : ports) { add_port(elements, port); }
    return render_elements("delete", table, std::move(elements));
}

namespace {
std::string text_member(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
std::string comment_of_rule(const std::string& table) { return table + " accepted"; }

using ChainKey = std::tuple<std::string, std::string, std::string>;

void read_chain(const Json& chain, const std::string& table,
                std::map<ChainKey, ForeignChain>& out) {
    const auto family = text_member(chain, "family");
    const bool routed = family == "ip" || family == "ip6" || family == "inet";
    if (!routed || text_member(chain, "hook") != "forward" ||
        text_member(chain, "table") == table) {
        return;
    }
    const ChainKey key{family, text_member(chain, "table"), text_member(chain, "name")};
    auto& entry = out[key];
    std::tie(entry.family, entry.table, entry.chain) = key;
    entry.drops = text_member(chain, "policy") == "drop";
}

void read_rule(const Json& rule, const std::string& table, std::map<ChainKey, ForeignChain>& out) {
    if (text_member(rule, "comment") != comment_of_rule(table)) { return; }
    const ChainKey key{text_member(rule, "family"), text_member(rule, "table"),
                       text_member(rule, "chain")};
    auto& entry = out[key];
    std::tie(entry.family, entry.table, entry.chain) = key;
    entry.has_our_rule = true;
    if (rule.contains("handle")) { entry.our_handles.push_back(rule["handle"].dump()); }
}
} // namespace

Result<std::vector<ForeignChain>> parse_foreign_chains(std::string_view json,
                                                       const std::string& table) {
    JsonLimits limits;
    limits.bytes_max = 64 * 1024 * 1024;
    TRY_LET(document, parse_json(json, limits));
    std::map<ChainKey, ForeignChain> found;
    if (!document.is_object() || !document.contains("nftables")) {
        return invalid("unexpected answer of nftables");
    }
    for (const auto& entry : document["nftables"]) {
        if (entry.contains("chain")) { read_chain(entry["chain"], table, found); }
        if (entry.contains("rule")) { read_rule(entry["rule"], table, found); }
    }
    std::vector<ForeignChain> chains;
    for (auto& [key, chain] : found) { chains.push_back(std::move(chain)); }
    return chains;
}

std::string render_list_chain(const ForeignChain& chain) {
    return fmt::format("list chain {} {} {}", chain.family, chain.table, chain.chain);
}

std::string render_foreign_accept(const std::vector<ForeignChain>& chains,
                                  const std::string& table) {
    std::string text;
    for (const auto& chain : chains) {
        if (chain.has_our_rule || !chain.drops) { continue; }
        text += fmt::format(
            "insert rule {} {} {} meta mark & 0x10000000 == 0x10000000 accept comment \"{}\"\n",
            chain.family, chain.table, chain.chain, comment_of_rule(table));
    }
    return text;
}

std::string render_foreign_remove(const std::vector<ForeignChain>& chains) {
    std::string text;
    for (const auto& chain : chains) {
        for (const auto& handle : chain.our_handles) {
            text += fmt::format("delete rule {} {} {} handle {}\n", chain.family, chain.table,
                                chain.chain, handle);
        }
    }
    return text;
}

std::string parse_user_rules(std::string_view listing) {
    std::string rules;
    bool inside = false;
    for (const auto& line : split(listing, '\n')) {
        const auto bare = trim(line);
        if (bare.starts_with("chain user {")) {
            inside = true;
        } else if (inside && bare.starts_with("}")) {
            break;
        } else if (inside && !bare.empty()) {
            const auto handle = bare.rfind(" # handle ");
            rules += std::string(bare.substr(0, handle)) + "\n";
        }
    }
    return rules;
}

std::string render_dns_redirect(std::uint16_t port) {
    return fmt::format(R"(table ip shoal_dns {{
  chain out {{ type nat hook output priority -100;
    ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:{0}
    ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:{0}
  }}
}}
)",
                       port);
}

} // namespace shoal::network
