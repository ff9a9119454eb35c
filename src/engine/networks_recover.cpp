#include "base/text.h"
#include "engine/networks_impl.h"
#include "engine/networks_overlays.h"
#include "net/pool.h"
#include "os/file.h"
#include "os/netns.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

namespace {

constexpr int default_mtu = 1500;

std::string guard_marker(const network::Settings& settings) {
    return settings.exec_root + "/forwarding-was-off";
}

/// The default bridge of a daemon that is not the machine's first has a name of its own.
std::string default_link(const network::Settings& settings) {
    const bool chosen = settings.bridge != network::Settings{}.bridge;
    return chosen || settings.instance == "0" ? settings.bridge
                                              : "shoal" + settings.instance.substr(0, 6);
}

std::string text_of(bool value) { return value ? "true" : "false"; }

/// bip or the addresses of a bridge that somebody made: subnet and gateway.
Result<Pool> pool_of(const std::string& cidr, const std::string& range,
                     const std::string& gateway) {
    const auto subnet = Subnet::parse(cidr);
    if (!subnet) { return invalid("invalid bridge address " + go_quote(cidr)); }
    Pool pool;
    pool.subnet = subnet->text();
    const auto own = cut(cidr, '/').first;
    if (Ip::parse(own) != subnet->base()) { pool.gateway = own; }
    if (!gateway.empty()) {
        if (!pool.gateway.empty() && gateway != pool.gateway) {
            pool.aux["DefaultGatewayIPv4"] = pool.gateway;
        }
        pool.gateway = gateway;
    }
    if (!range.empty()) { pool.ip_range = range; }
    return pool;
}

} // namespace

Result<Definition>
Networks::Impl::default_bridge_definition(const HostFacts& host,
                                          const std::vector<std::pair<Ip, int>>& present) const {
    Definition definition;
    const auto stored = find("bridge");
    definition.id = stored ? (*stored)->definition.id : NetworkId::fresh(env.random);
    definition.created = stored ? (*stored)->definition.created : env.clock.now();
    definition.link_made = stored ? (*stored)->definition.link_made : present.empty();
    definition.name = "bridge";
    definition.enable_ipv6 = settings.ipv6;
    const auto link = default_link(settings);
    definition.options = {
        {"com.docker.network.bridge.default_bridge", "true"},
        {"com.docker.network.bridge.enable_icc", text_of(settings.icc)},
        {"com.docker.network.bridge.enable_ip_masquerade", text_of(settings.ip_masq)},
        {"com.docker.network.bridge.host_binding_ipv4", settings.ip},
        {"com.docker.network.bridge.name", link},
        {"com.docker.network.driver.mtu",
         std::to_string(settings.mtu > 0 ? settings.mtu : default_mtu)},
    };
    std::string v4 = settings.bip, v6 = settings.bip6;
    for (const auto& [ip, bits] : present) {
        auto& text = ip.is_v4() ? v4 : v6;
        if (text.empty()) { text = cidr_text(ip, bits); }
    }
    if (v4.empty()) { v4 = settings.fixed_cidr; }
    if (v6.empty()) { v6 = settings.fixed_cidr_v6; }
    std::vector<Pool> pools;
    if (!v4.empty()) {
        TRY_LET(pool, pool_of(v4, settings.fixed_cidr, settings.default_gateway));
        pools.push_back(pool);
    }
    if (settings.ipv6 && !v6.empty()) {
        TRY_LET(pool, pool_of(v6, settings.fixed_cidr_v6, settings.default_gateway_v6));
        pools.push_back(pool);
    }
    if (stored && v4.empty()) {
        pools = (*stored)->definition.pools;
    } // the same subnet at every start
    TRY_LET(planned, plan_pools(std::move(pools), definition, address_plan(host, definition.id)));
    definition.pools = planned;
    return definition;
}

net::Task<Result<void>> Networks::Impl::ensure_default_bridge() {
    const auto stored = find("bridge");
    if (settings.bridge == "none") {
        if (stored) { networks.erase((*stored)->definition.id); }
        co_return ok();
    }
    auto look = [link = default_link(settings)] { return link_addresses(link); };
    CO_TRY_LET(present, co_await env.pool.run(std::move(look)));
    auto host = facts;
    for (const auto& [ip, bits] : present) { std::erase(host.routes, Subnet(ip, bits)); }
    CO_TRY_LET(definition, default_bridge_definition(host, present));
    CO_TRY_LET(network, make_network(std::move(definition)));
    dns.names().add_network(network->definition.id, "bridge");
    networks[network->definition.id] = network;
    co_return save(*network);
}

net::Task<Result<void>> Networks::Impl::ensure_predefined() {
    for (const auto& [name, driver] : {std::pair("host", "host"), std::pair("none", "null")}) {
        if (find(name)) { continue; }
        auto network = std::make_shared<Network>();
        network->definition.id = NetworkId::fresh(env.random);
        network->definition.name = name;
        network->definition.driver = driver;
        network->definition.created = env.clock.now();
        networks[network->definition.id] = network;
        CO_TRY(save(*network));
    }
    co_return co_await ensure_default_bridge();
}

net::Task<Result<void>> Networks::Impl::recover(std::vector<RunningSandbox> running) {
    auto look = [] { return load_host_facts(); };
    CO_TRY_LET(host, co_await env.pool.run(std::move(look)));
    facts = host;
    CO_TRY(load_definitions());
    CO_TRY(co_await ensure_predefined());
    guard_forward = os::exists(guard_marker(settings));
    CO_TRY(co_await forward(Family::V4));
    if (guard_forward) { CO_TRY(os::write_file_atomic(guard_marker(settings), "")); }
    std::vector<NetworkPtr> all;
    for (const auto& [id, network] : networks) { all.push_back(network); }
    for (const auto& network : all) {
        if (network->definition.enable_ipv6 && network->is_bridge()) {
            CO_TRY(co_await forward(Family::V6));
        }
        auto linked = co_await ensure_links(network);
        if (!linked && network->is_predefined()) {
            co_return std::move(linked).error().with("network " + network->definition.name);
        }
        if (!linked) {
            spdlog::error("network {}: {}", network->definition.name, linked.error().message);
        }
    }
    for (auto& sandbox : running) {
        const auto name = sandbox.name;
        auto adopted = co_await adopt(std::move(sandbox));
        if (!adopted) {
            spdlog::error("network of container {}: {}", name, adopted.error().message);
        }
    }
    co_await sweep();
    co_await overlays->sweep();
    CO_TRY(co_await open_firewall());
    scope.spawn(overlays->tend(net::Until(scope.cancel())));
    co_return ok();
}

/// Takes over what the container has: nothing it sees changes.
net::Task<Result<void>> Networks::Impl::adopt(RunningSandbox running) {
    auto attached = std::make_shared<Attached>(env.loop);
    attached->id = running.container;
    attached->info = std::move(running.info);
    attached->info.name = running.name;
    sandboxes[attached->id] = attached;
    auto& info = attached->info;
    if (info.netns_path != netns_path(attached->id)) {
        co_return ok();
    } // host, or another container's
    std::erase_if(info.endpoints, [&](const EndpointState& endpoint) {
        return !networks.contains(endpoint.network);
    });
    for (auto& endpoint : info.endpoints) {
        auto& network = *networks.at(endpoint.network);
        for (const auto& text : {endpoint.ipv4, endpoint.ipv6}) {
            if (const auto ip = Ip::parse(text)) { (void)network.addresses.reserve(*ip); }
        }
        if (is_overlay_interface(endpoint)) { overlays->adopt(endpoint); }
        network.users.insert(attached->id);
        name_endpoint(*attached, endpoint);
    }
    auto request = port_request(*attached);
    request.fixed = info.ports;
    SandboxPlan plan;
    plan.path = info.netns_path;
    plan.dns = info.dns_port != 0;
    plan.dns_port = info.dns_port;
    auto job = [plan, request = std::move(request), taken = taken_ports()]() -> Result<SetupDone> {
        SetupDone done;
        TRY_LET(sandbox, adopt_sandbox(plan));
        done.sandbox = std::move(sandbox);
        TRY_LET(held, hold_ports(request, {}));
        done.held = std::move(held);
        return done;
    };
    CO_TRY_LET(done, co_await env.pool.run(std::move(job)));
    attached->netns = std::move(done.sandbox.netns);
    attached->rules = rule_ports(*attached, done.held);
    take_ports(*attached, std::move(done.held));
    if (done.sandbox.dns.udp) { co_return start_dns(*attached, std::move(done.sandbox.dns)); }
    co_return ok();
}

/// Namespaces that no running container owns.
net::Task<void> Networks::Impl::sweep() {
    std::set<std::string> wanted;
    for (const auto& [id, attached] : sandboxes) { wanted.insert(id.text()); }
    auto job = [directory = settings.exec_root + "/netns", wanted] {
        const auto entries = os::list_directory(directory);
        if (!entries) { return; }
        for (const auto& entry : *entries) {
            if (!wanted.contains(entry.name)) {
                (void)os::remove_netns(directory + "/" + entry.name);
            }
        }
    };
    co_await env.pool.run(std::move(job));
}

net::Task<void> Networks::Impl::stop(bool keep_containers) {
    co_await scope.close();
    const bool keep_table = keep_containers && !sandboxes.empty();
    co_await overlays->stop(keep_table);
    co_await close_firewall(keep_table);
    if (!keep_table) { (void)os::remove_file(guard_marker(settings)); }
    for (auto& [id, attached] : sandboxes) {
        dns.remove(id.text());
        attached->relays.reset();
    }
}

} // namespace shoal::engine
