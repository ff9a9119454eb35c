// The way out of containers that are on networks which span nodes: the local bridge network
// docker_gwbridge, to which they are attached by themselves. It also leads to them what the mesh
// publishes.
#include "engine/networks_impl.h"
#include "net/pool.h"
#include "os/netns.h"

#include <algorithm>
#include <limits>

namespace shoal::engine {

using namespace shoal::network;

namespace {

constexpr const char* gateway_name = "docker_gwbridge";

/// Another daemon of the machine, ours or Docker's, may have the link of that name.
std::string gateway_link(const network::Settings& settings, bool taken) {
    return settings.instance == "0" && !taken ? gateway_name
                                              : "shoalgw" + settings.instance.substr(0, 6);
}

const EndpointState* automatic_endpoint(const Networks::Impl::Attached& attached) {
    for (const auto& endpoint : attached.info.endpoints) {
        if (endpoint.automatic) { return &endpoint; }
    }
    return nullptr;
}

} // namespace

Networks::Impl::NetworkPtr Networks::Impl::gateway_bridge() const {
    for (const auto& [id, network] : networks) {
        if (network->definition.name == gateway_name && network->is_bridge()) { return network; }
    }
    return nullptr;
}

net::Task<Result<Networks::Impl::NetworkPtr>> Networks::Impl::ensure_gateway_bridge() {
    if (auto known = gateway_bridge()) { co_return known; }
    auto probe = [] { return link_exists(gateway_name); };
    CO_TRY_LET(taken, co_await env.pool.run(std::move(probe)));
    Definition wish;
    wish.name = gateway_name;
    wish.enable_ipv6 = facts.ipv6;
    wish.options = {{"com.docker.network.bridge.enable_icc", "false"},
                    {"com.docker.network.bridge.enable_ip_masquerade", "true"},
                    {"com.docker.network.bridge.name", gateway_link(settings, taken)}};
    auto made = co_await create(std::move(wish));
    if (auto known = gateway_bridge()) { co_return known; } // or somebody else was faster
    co_return std::move(made).error().with(gateway_name);
}

/// Containers with ports of the mesh always have it, since replies must leave by it; others when no
/// network of theirs leads out.
bool Networks::Impl::needs_gateway(const Attached& attached) const {
    bool outward = false, spans = false;
    for (const auto& endpoint : attached.info.endpoints) {
        if (endpoint.automatic) { continue; }
        const auto& definition = networks.at(endpoint.network)->definition;
        if (definition.ingress) { return true; }
        spans |= endpoint.driver == "overlay" && !definition.internal;
        outward |= !endpoint.gateway.empty() || !endpoint.gateway6.empty();
    }
    return spans && !outward;
}

Result<void> Networks::Impl::allocate_gateway(Attached& attached, const NetworkPtr& gateway) {
    EndpointWish wish;
    const auto on_ingress = [&](const EndpointState& endpoint) {
        return networks.at(endpoint.network)->definition.ingress;
    };
    const auto& all = attached.info.endpoints;
    if (std::any_of(all.begin(), all.end(), on_ingress)) {
        wish.gw_priority = std::numeric_limits<std::int64_t>::max();
    }
    TRY(allocate(attached, Wanted{gateway, wish}));
    auto& made = attached.info.endpoints.back();
    made.automatic = true;
    made.dns_names.clear();
    return ok();
}

net::Task<Result<void>> Networks::Impl::add_gateway(AttachedPtr attached) {
    CO_TRY_LET(gateway, co_await ensure_gateway_bridge());
    CO_TRY(allocate_gateway(*attached, gateway));
    auto setup = base_setup(*attached);
    setup.interfaces.push_back(interface_plan(*attached, attached->info.endpoints.back()));
    auto job = [setup = std::move(setup)]() mutable { return run_setup(std::move(setup)); };
    auto done = co_await env.pool.run(std::move(job));
    if (done) { co_return ok(); }
    const auto failed = attached->info.endpoints.back();
    attached->info.endpoints.pop_back();
    release(*attached, failed);
    co_return std::move(done).error();
}

net::Task<Result<void>> Networks::Impl::drop_gateway(AttachedPtr attached) {
    auto& all = attached->info.endpoints;
    const auto found =
        std::find_if(all.begin(), all.end(), [](const EndpointState& e) { return e.automatic; });
    const auto endpoint = *found;
    all.erase(found);
    release(*attached, endpoint);
    auto job = [path = attached->info.netns_path, name = endpoint.interface,
                routes = default_routes(*attached)]() -> Result<void> {
        TRY_LET(netns, os::open_netns(path));
        TRY(remove_interface(netns, name));
        return set_default_routes(netns, routes);
    };
    co_return co_await env.pool.run(std::move(job));
}

/// After a running container was put on a network, or taken off one.
net::Task<Result<void>> Networks::Impl::align_gateway(AttachedPtr attached) {
    const bool has = automatic_endpoint(*attached) != nullptr;
    const bool needs = needs_gateway(*attached);
    if (has == needs) { co_return ok(); }
    if (needs) { co_return co_await add_gateway(attached); }
    co_return co_await drop_gateway(attached);
}

} // namespace shoal::engine
