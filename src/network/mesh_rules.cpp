#include "network/mesh_rules.h"

#include "base/json.h"
#include "base/text.h"
#include "network/overlay_reset.h"
#include "network/overlay_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace shoal::network {
namespace {

struct Container {
    std::string family; ///< of the table
    std::string name;
    std::string kind; ///< set or map
    std::string type;
};

const std::vector<Container>& containers() {
    static const std::vector<Container> all = {
        {"inet", "zones", "map", "typeof ether saddr : ct zone;"},
        {"inet", "marks", "map", "type ether_addr : mark;"},
        // One for each protocol: nft 1.0.6 makes no rule for a map of "th dport" that is there.
        {"inet", "tcp4", "map", "typeof tcp dport . numgen inc mod 64 : ip daddr . tcp dport;"},
        {"inet", "tcp6", "map", "typeof tcp dport . numgen inc mod 64 : ip6 daddr . tcp dport;"},
        {"inet", "udp4", "map", "typeof udp dport . numgen inc mod 64 : ip daddr . udp dport;"},
        {"inet", "udp6", "map", "typeof udp dport . numgen inc mod 64 : ip6 daddr . udp dport;"},
        {"inet", "sctp4", "map", "typeof sctp dport . numgen inc mod 64 : ip daddr . sctp dport;"},
        {"inet", "sctp6", "map", "typeof sctp dport . numgen inc mod 64 : ip6 daddr . sctp dport;"},
        {"inet", "ports", "map", "typeof meta l4proto . th dport : verdict;"},
        {"inet", "refused", "set", "typeof meta l4proto . th dport;"},
        {"inet", "tasks4", "map", "typeof ip daddr . meta l4proto . th dport : ip daddr;"},
        {"inet", "tasks6", "map", "typeof ip6 daddr . meta l4proto . th dport : ip6 daddr;"},
        {"inet", "back4", "set", "typeof ip saddr . ip daddr;"},
        {"inet", "back6", "set", "typeof ip6 saddr . ip6 daddr;"},
        {"netdev", "macs", "map", "type mark : ether_addr;"},
    };
    return all;
}

/// By the set or map they belong to: key and value, which is "" in sets.
using Elements = std::map<std::string, std::map<std::string, std::string>>;

std::string hex(std::uint32_t number) { return fmt::format("0x{:08x}", number); }

std::string key_of(const MeshPort& port) {
    return fmt::format("{} . {}", to_text(port.protocol), port.published);
}

std::string name_of(const MeshChain& chain) {
    const auto spread = chain.tasks == 0 ? std::string("client") : std::to_string(chain.tasks);
    return fmt::format("{}_{}_{}", to_text(chain.port.protocol), chain.port.published, spread);
}

/// A task that nobody has told us where it is gets nothing.
std::vector<Ip> tasks_of(const MeshState& state, const MeshBalance& balance) {
    std::vector<Ip> known;
    std::copy_if(
        balance.tasks.begin(), balance.tasks.end(), std::back_inserter(known),
        [&](const Ip& task) { return state.local.contains(task) || state.remote.contains(task); });
    return known;
}

MeshChain chain_of(const MeshPort& port, const MeshBalance& balance, std::size_t tasks) {
    return {port, balance.by_client ? 0 : tasks};
}

/// Where connections to a task go from here: straight to it, or to its node.
Ip target_of(const MeshPlan& plan, const MeshState& state, const Ip& task, Family family) {
    const auto local = state.local.find(task);
    if (local != state.local.end()) {
        return family == Family::V4 ? local->second.v4 : local->second.v6;
    }
    return family == Family::V4 ? task : mesh_address6(plan, task);
}

std::string slots_map(Protocol protocol, Family family) {
    return to_text(protocol) + (family == Family::V4 ? "4" : "6");
}

void add_slots(Elements& out, const MeshPlan& plan, const MeshState& state, const MeshPort& port,
               const MeshBalance& balance) {
    const auto tasks = tasks_of(state, balance);
    if (tasks.empty()) {
        out["refused"][key_of(port)];
        return;
    }
    out["ports"][key_of(port)] = "goto " + name_of(chain_of(port, balance, tasks.size()));
    // The same on every node: a client meets the same task wherever it enters.
    const auto slots = balance_slots(tasks.front(), {tasks, balance.by_client});
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
        const auto& task = slots[slot];
        for (const auto family : {Family::V4, Family::V6}) {
            const auto target = target_of(plan, state, task, family);
            if (!target) { continue; }
            out[slots_map(port.protocol, family)][fmt::format("{} . {}", port.published, slot)] =
                fmt::format("{} . {}", target.text(), balance.target);
        }
    }
}

void add_task(Elements& out, const MeshPlan& plan, const Ip& task, const MeshTask& local) {
    const auto task6 = mesh_address6(plan, task);
    for (const auto& [protocol, port] : local.ports) {
        const auto rest = fmt::format("{} . {}", to_text(protocol), port);
        out["tasks4"][task.text() + " . " + rest] = local.v4.text();
        if (task6 && local.v6) { out["tasks6"][task6.text() + " . " + rest] = local.v6.text(); }
    }
}

void add_node(Elements& out, NodeIndex index, MeshReplies replies) {
    const auto mac = overlay_mac(index);
    const auto mark = hex(mesh_mark(index));
    out["zones"][mac] = std::to_string(index);
    out["marks"][mac] = mark;
    if (replies == MeshReplies::Rewrite) { out["macs"][mark] = mac; }
}

/// A node that is sent on to a task of its own would see its own address come in.
void add_way_back(Elements& out, const MeshPlan& plan, const Ip& task, const MeshNode& node) {
    auto addresses = node.addresses;
    addresses.push_back(node.address);
    const auto task6 = mesh_address6(plan, task);
    for (const auto& address : addresses) {
        if (address.is_v4()) { out["back4"][address.text() + " . " + task.text()]; }
        if (address.is_v6() && task6) { out["back6"][address.text() + " . " + task6.text()]; }
    }
}

Elements elements_of(const MeshPlan& plan, const MeshState& state, MeshReplies replies) {
    Elements all;
    for (const auto& [index, node] : state.nodes) { add_node(all, index, replies); }
    for (const auto& [task, local] : state.local) { add_task(all, plan, task, local); }
    for (const auto& [task, index] : state.remote) {
        const auto node = state.nodes.find(index);
        if (node != state.nodes.end()) { add_way_back(all, plan, task, node->second); }
    }
    for (const auto& [port, balance] : state.ports) { add_slots(all, plan, state, port, balance); }
    return all;
}

std::string text_of(const std::string& key, const std::string& value) {
    return value.empty() ? key : key + " : " + value;
}

std::string render_containers(const std::string& family, Elements elements) {
    std::string text;
    for (const auto& container : containers()) {
        if (container.family != family) { continue; }
        text += fmt::format("  {} {} {{ {}", container.kind, container.name, container.type);
        std::vector<std::string> list;
        for (const auto& [key, value] : elements[container.name]) {
            list.push_back(text_of(key, value));
        }
        if (!list.empty()) { text += fmt::format(" elements = {{ {} }};", join(list, ", ")); }
        text += " }\n";
    }
    return text;
}

struct Counted {
    std::string name;
    std::vector<std::string> rules;
};

/// The seed is the same on every node, so that a client meets the same task everywhere.
Counted balancing(const MeshChain& chain) {
    const auto pick = [&](Family family) {
        const std::string ip = family == Family::V4 ? "ip" : "ip6";
        const auto by = chain.tasks == 0
                            ? fmt::format("jhash {} saddr mod {} seed 0x5b", ip, client_slots)
                            : fmt::format("numgen inc mod {}", chain.tasks);
        return fmt::format("dnat {} to {} dport . {} map @{}", ip, to_text(chain.port.protocol), by,
                           slots_map(chain.port.protocol, family));
    };
    return {name_of(chain), {pick(Family::V4), pick(Family::V6)}};
}

std::string list_of(const std::vector<Ip>& addresses, Family family) {
    std::vector<std::string> texts;
    for (const auto& ip : addresses) {
        if (ip.family() == family) { texts.push_back(ip.text()); }
    }
    return texts.empty() ? "" : "{ " + join(texts, ", ") + " }";
}

std::string subnets_of(const MeshPlan& plan, Family family) {
    std::vector<std::string> texts;
    for (const auto& subnet : plan.gateway_subnets) {
        if (subnet.family() == family) { texts.push_back(subnet.text()); }
    }
    return join(texts, ", ");
}

/// Conditions that a packet is for a published address of this node; one of them has to hold.
std::vector<std::string> entrances(const MeshPlan& plan) {
    if (plan.published_on.empty()) { return {"fib daddr type local"}; }
    std::vector<std::string> all;
    const auto v4 = list_of(plan.published_on, Family::V4);
    const auto v6 = list_of(plan.published_on, Family::V6);
    if (!v4.empty()) { all.push_back("ip daddr " + v4); }
    if (!v6.empty()) { all.push_back("ip6 daddr " + v6); }
    return all;
}

Counted publish(const MeshPlan& plan) {
    // [::1] is served by relays (network/mesh_relays.h): no translation leads away from it.
    Counted chain{"publish", {"ip6 daddr ::1 return"}};
    for (const auto& entrance : entrances(plan)) {
        chain.rules.push_back(entrance + " meta l4proto . th dport vmap @ports");
    }
    return chain;
}

Counted raw_in(const MeshPlan& plan) {
    const auto ip = plan.local.is_v4() ? "ip" : "ip6";
    return {
        "raw_in",
        {
            fmt::format("iifname {{ \"{}\", \"{}\" }} ip daddr 127.0.0.0/8 drop", plan.link,
                        plan.gateway),
            // What carries the mesh is nobody's connection, and must not move counters.
            fmt::format("{} daddr {} udp dport {} notrack", ip, plan.local.text(), plan.port),
            fmt::format("iifname \"{}\" ct original zone set ether saddr map @zones", plan.link),
        }};
}

Counted raw_out(const MeshPlan& plan) {
    const auto ip = plan.local.is_v4() ? "ip" : "ip6";
    return {"raw_out",
            {fmt::format("{} saddr {} udp dport {} notrack", ip, plan.local.text(), plan.port),
             fmt::format("{} notrack", match_misplaced)}};
}

/// A frame of a node that we do not know has no way back: it is dropped.
Counted mark_in(const MeshPlan& plan) {
    const auto tagged =
        fmt::format("ct mark & {} == {}", hex(mesh_mark_tag_mask), hex(mesh_mark_tag));
    const auto from_mesh = fmt::format("iifname \"{}\" ct direction original", plan.link);
    return {"mark_in",
            {
                from_mesh + " ct state new ct mark set ether saddr map @marks",
                // Checks of sources (rp_filter with src_valid_mark, firewalld's rules) ask for the
                // way back by the mark and find the mesh, whatever route there is to the client.
                fmt::format("{} {} meta mark set {} accept", from_mesh, tagged, hex(mesh_in_mark)),
                from_mesh + " drop",
                fmt::format("iifname \"{}\" ct direction reply {} meta mark set ct mark",
                            plan.gateway, tagged),
            }};
}

Counted dnat_in(const MeshPlan& plan) {
    const auto from_mesh = [&](const std::string& ip, int version) {
        return fmt::format(
            "iifname \"{}\" dnat {} to {} daddr . meta l4proto . th dport map @tasks{}", plan.link,
            ip, ip, version);
    };
    return {"dnat_in",
            {from_mesh("ip", 4), from_mesh("ip6", 6),
             fmt::format("iifname \"{}\" accept", plan.link),
             "meta l4proto { tcp, udp, sctp } jump publish"}};
}

Counted input(const MeshPlan& plan) {
    Counted chain{"input",
                  {
                      fmt::format("iifname \"{}\" ct state established,related accept", plan.link),
                      fmt::format("iifname \"{}\" drop", plan.link),
                  }};
    for (const auto& entrance : entrances(plan)) {
        chain.rules.push_back(entrance +
                              " meta l4proto . th dport @refused ct state new goto refuse");
    }
    return chain;
}

Counted refuse() {
    return {"refuse",
            {"meta l4proto tcp reject with tcp reset", "reject with icmpx port-unreachable"}};
}

Counted forward(const MeshPlan& plan) {
    return {"forward",
            {fmt::format("iifname \"{}\" ct status dnat accept", plan.link),
             fmt::format("iifname \"{}\" drop", plan.link)}};
}

/// What leaves by the mesh was translated by us or is a reply to that. Segments are made to fit
/// once for each direction: where the SYN leaves.
Counted leave(const MeshPlan& plan, MeshReplies replies) {
    const auto fit = [&](const std::string& family, int headers) {
        return fmt::format("meta nfproto {} tcp flags & syn == syn tcp option maxseg size set {}",
                           family, plan.mtu - headers);
    };
    Counted chain{"leave", {"ct state invalid,untracked drop", "ct status & dnat == 0 drop"}};
    if (replies == MeshReplies::RulePerNode) {
        chain.rules.push_back("meta mark set 0"); // the packet around it is routed by it
    }
    chain.rules.push_back(fit("ipv4", 40));
    chain.rules.push_back(fit("ipv6", 60));
    return chain;
}

Counted post(const MeshPlan& plan) {
    return {"post", {fmt::format("oifname \"{}\" jump leave", plan.link)}};
}

/// The main table hides container addresses of other networks, by the mesh's address of this node.
void hide_family(std::vector<std::string>& rules, const MeshPlan& plan, Family family) {
    const auto hop = overlay_hop(plan.self);
    const auto self = family == Family::V4 ? hop : mesh_address6(plan, hop);
    if (!self) { return; }
    const std::string ip = family == Family::V4 ? "ip" : "ip6";
    const int version = family == Family::V4 ? 4 : 6;
    const auto subnets = subnets_of(plan, family);
    const auto to_self = fmt::format("snat {} to {}", ip, self.text());
    if (!subnets.empty()) {
        rules.push_back(
            fmt::format("oifname \"{}\" {} saddr {{ {} }} {}", plan.link, ip, subnets, to_self));
        // By addresses: where bridges are filtered, such a packet has no input interface.
        rules.push_back(fmt::format("{0} saddr {{ {1} }} {0} daddr {{ {1} }} ct status dnat "
                                    "masquerade",
                                    ip, subnets));
    }
    rules.push_back(fmt::format("oifname \"{}\" {} saddr . {} daddr @back{} {}", plan.link, ip, ip,
                                version, to_self));
}

Counted snat(const MeshPlan& plan) {
    Counted chain{"hide",
                  {fmt::format("oifname \"{}\" ip saddr 127.0.0.0/8 snat ip to {}", plan.link,
                               overlay_hop(plan.self).text()),
                   fmt::format("oifname \"{}\" ip saddr 127.0.0.0/8 masquerade", plan.gateway)}};
    hide_family(chain.rules, plan, Family::V4);
    hide_family(chain.rules, plan, Family::V6);
    return chain;
}

struct Hooked {
    Counted chain;
    std::string hook; ///< "" for a chain that is jumped to
};

std::vector<Hooked> chains_of(const MeshPlan& plan, MeshReplies replies) {
    return {
        {publish(plan), ""},
        {refuse(), ""},
        {leave(plan, replies), ""},
        {raw_in(plan), "type filter hook prerouting priority raw; policy accept;"},
        {raw_out(plan), "type filter hook output priority raw; policy accept;"},
        {mark_in(plan), "type filter hook prerouting priority mangle; policy accept;"},
        {dnat_in(plan), "type nat hook prerouting priority dstnat; policy accept;"},
        {{"dnat_out", {"meta l4proto { tcp, udp, sctp } jump publish"}},
         "type nat hook output priority -100; policy accept;"},
        {input(plan), "type filter hook input priority -10; policy accept;"},
        {forward(plan), "type filter hook forward priority -11; policy accept;"},
        {post(plan), "type filter hook postrouting priority mangle; policy accept;"},
        {snat(plan), "type nat hook postrouting priority srcnat - 1; policy accept;"},
    };
}

/// In the netdev table. Marks end here: the packet around would be routed by them.
Hooked write_address(const MeshPlan& plan) {
    return {
        {"write",
         {fmt::format("ether daddr {} ether daddr set meta mark & {} map @macs",
                      overlay_mac(mesh_anywhere), hex(mesh_mark_mask)),
          "meta mark set 0"}},
        fmt::format("type filter hook egress device \"{}\" priority 0; policy accept;", plan.link)};
}

std::string render_chain(const Hooked& hooked) {
    auto text = fmt::format("  chain {} {{ {}\n", hooked.chain.name, hooked.hook);
    for (const auto& rule : hooked.chain.rules) { text += "    " + rule + "\n"; }
    return text + "  }\n";
}

/// Commands instead of a block, so that a chain may be made in the transaction that uses it.
std::string render_add_chain(const MeshPlan& plan, const MeshChain& chain) {
    const auto made = balancing(chain);
    auto text = fmt::format("add chain inet {} {}\n", plan.table, made.name);
    for (const auto& rule : made.rules) {
        text += fmt::format("add rule inet {} {} {}\n", plan.table, made.name, rule);
    }
    return text;
}

std::string render_elements(const MeshPlan& plan, const std::string& verb,
                            const Elements& elements) {
    std::string text;
    for (const auto& container : containers()) {
        const auto found = elements.find(container.name);
        if (found == elements.end()) { continue; }
        std::vector<std::string> list;
        for (const auto& [key, value] : found->second) {
            list.push_back(text_of(key, verb == "delete" ? "" : value));
        }
        text += fmt::format("{} element {} {} {} {{ {} }}\n", verb, container.family, plan.table,
                            container.name, join(list, ", "));
    }
    return text;
}

/// What is in `a` and not, or not with this value, in `b`.
Elements difference(const Elements& a, const Elements& b) {
    Elements out;
    for (const auto& [name, list] : a) {
        const auto other = b.find(name);
        for (const auto& [key, value] : list) {
            if (other != b.end()) {
                const auto same = other->second.find(key);
                if (same != other->second.end() && same->second == value) { continue; }
            }
            out[name][key] = value;
        }
    }
    return out;
}

/// A port keeps the chains of the numbers that it had, up to a few: a rolling update goes to and
/// fro between them.
constexpr std::size_t kept_chains_max = 4;

MeshChains outdated(const MeshChains& present, const MeshChains& needed, const MeshState& state) {
    std::map<MeshPort, std::size_t> count;
    for (const auto& chain : present) { ++count[chain.port]; }
    MeshChains gone;
    for (const auto& chain : present) {
        const bool spare = count[chain.port] > kept_chains_max || !state.ports.contains(chain.port);
        if (needed.contains(chain) || !spare) { continue; }
        gone.insert(chain);
        --count[chain.port];
    }
    return gone;
}

} // namespace

std::uint32_t mesh_mark(NodeIndex node) { return mesh_mark_tag | node; }

Ip mesh_address6(const MeshPlan& plan, const Ip& v4) {
    if (plan.task_prefix6.empty()) { return {}; }
    return Ip::from_number(Family::V6, plan.task_prefix6.base().number() | v4.number());
}

MeshChains mesh_chains(const MeshState& state) {
    MeshChains all;
    for (const auto& [port, balance] : state.ports) {
        const auto tasks = tasks_of(state, balance).size();
        if (tasks > 0) { all.insert(chain_of(port, balance, tasks)); }
    }
    return all;
}

std::string render_delete_mesh(const MeshPlan& plan) {
    return fmt::format("table inet {0} {{ }}\ndelete table inet {0}\n"
                       "table netdev {0} {{ }}\ndelete table netdev {0}\n",
                       plan.table);
}

std::string render_mesh(const MeshPlan& plan, const MeshState& state, MeshReplies replies) {
    const auto elements = elements_of(plan, state, replies);
    auto text = render_delete_mesh(plan) + fmt::format("table inet {} {{\n", plan.table) +
                render_containers("inet", elements);
    for (const auto& chain : mesh_chains(state)) { text += render_chain({balancing(chain), ""}); }
    for (const auto& chain : chains_of(plan, replies)) { text += render_chain(chain); }
    text += "}\n";
    if (replies != MeshReplies::Rewrite) { return text; }
    return text + fmt::format("table netdev {} {{\n", plan.table) +
           render_containers("netdev", elements) + render_chain(write_address(plan)) + "}\n";
}

std::string render_mesh_change(const MeshPlan& plan, MeshChange change, MeshReplies replies,
                               MeshChains& chains) {
    const auto before = elements_of(plan, change.from, replies);
    const auto after = elements_of(plan, change.to, replies);
    const auto needed = mesh_chains(change.to);
    std::string text;
    for (const auto& chain : needed) {
        if (!chains.contains(chain)) { text += render_add_chain(plan, chain); }
    }
    text += render_elements(plan, "delete", difference(before, after));
    text += render_elements(plan, "add", difference(after, before));
    chains.insert(needed.begin(), needed.end());
    for (const auto& chain : outdated(chains, needed, change.to)) {
        text += fmt::format("delete chain inet {} {}\n", plan.table, name_of(chain));
        chains.erase(chain);
    }
    return text;
}

namespace {

std::string element_fact(const std::string& container, const std::string& text) {
    return "element " + container + " " + text;
}

std::string chain_fact(const std::string& name, std::size_t rules) {
    return fmt::format("chain {} of {} rules", name, rules);
}

} // namespace

std::set<std::string> mesh_facts(const MeshPlan& plan, const MeshState& state, MeshReplies replies,
                                 const MeshChains& chains) {
    std::set<std::string> facts;
    for (const auto& [container, list] : elements_of(plan, state, replies)) {
        for (const auto& [key, value] : list) {
            facts.insert(element_fact(container, text_of(key, value)));
        }
    }
    const auto count = [&](const Counted& chain) {
        facts.insert(chain_fact(chain.name, chain.rules.size()));
    };
    for (const auto& chain : chains) { count(balancing(chain)); }
    for (const auto& hooked : chains_of(plan, replies)) { count(hooked.chain); }
    if (replies == MeshReplies::Rewrite) { count(write_address(plan).chain); }
    return facts;
}

std::vector<std::string> mesh_families(MeshReplies replies) {
    if (replies != MeshReplies::Rewrite) { return {"inet"}; }
    return {"inet", "netdev"};
}

namespace {

/// nft prints marks as numbers here.
std::string number_text(const std::string& container, bool value, std::uint64_t number) {
    const bool mark = value ? container == "marks" : container == "macs";
    return mark ? hex(static_cast<std::uint32_t>(number)) : std::to_string(number);
}

std::string value_text(const std::string& container, bool value, const Json& json) {
    if (json.is_string()) { return json.get<std::string>(); }
    if (json.is_number_unsigned()) {
        return number_text(container, value, json.get<std::uint64_t>());
    }
    if (!json.is_object()) { return json.dump(); }
    if (json.contains("goto")) { return "goto " + json["goto"].value("target", ""); }
    if (!json.contains("concat")) { return json.dump(); }
    std::vector<std::string> parts;
    for (const auto& part : json["concat"]) { parts.push_back(value_text(container, value, part)); }
    return join(parts, " . ");
}

void read_elements(const Json& container, bool map, std::set<std::string>& facts) {
    if (!container.contains("elem")) { return; }
    const auto name = container.value("name", "");
    for (const auto& element : container["elem"]) {
        if (map && element.is_array() && element.size() == 2) {
            facts.insert(element_fact(name, text_of(value_text(name, false, element[0]),
                                                    value_text(name, true, element[1]))));
        } else {
            facts.insert(element_fact(name, value_text(name, false, element)));
        }
    }
}

} // namespace

Result<std::set<std::string>> parse_mesh_facts(std::string_view json) {
    JsonLimits limits;
    limits.bytes_max = 256 * 1024 * 1024;
    TRY_LET(document, parse_json(json, limits));
    if (!document.is_object() || !document.contains("nftables")) {
        return invalid("unexpected answer of nftables");
    }
    std::set<std::string> facts;
    std::map<std::string, std::size_t> rules;
    for (const auto& entry : document["nftables"]) {
        if (entry.contains("map")) { read_elements(entry["map"], true, facts); }
        if (entry.contains("set")) { read_elements(entry["set"], false, facts); }
        if (entry.contains("chain")) { rules[entry["chain"].value("name", "")]; }
        if (entry.contains("rule")) { ++rules[entry["rule"].value("chain", "")]; }
    }
    for (const auto& [chain, count] : rules) { facts.insert(chain_fact(chain, count)); }
    return facts;
}

} // namespace shoal::network
