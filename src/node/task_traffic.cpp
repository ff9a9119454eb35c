#include "node/task_traffic.h"

#include "base/text.h"
#include "engine/overlays.h"
#include "net/sleep.h"
#include "node/task_networks.h"

#include <algorithm>

namespace shoal::node {
namespace {

constexpr std::chrono::seconds quiet_patience{2};
constexpr std::chrono::milliseconds quiet_pause{10};
/// A packet that was sent on its way before all nodes had changed theirs may still be under way.
constexpr std::chrono::milliseconds quiet_span{20};
/// A service that says which ports it publishes means them; an image may expose what is never used.
constexpr std::chrono::seconds published_patience{5};
constexpr std::chrono::seconds exposed_patience{1};
constexpr std::chrono::milliseconds listen_pause{10};

bool is_met(const AwaitedPorts& awaited, const std::set<std::uint16_t>& open) {
    const auto is_open = [&open](std::uint16_t port) { return open.contains(port); };
    const auto& ports = awaited.ports;
    return awaited.which == AwaitedPorts::Which::All
               ? std::all_of(ports.begin(), ports.end(), is_open)
               : std::any_of(ports.begin(), ports.end(), is_open);
}

std::set<std::uint16_t> exposed_tcp(const container::Config& config) {
    std::set<std::uint16_t> ports;
    for (const auto& [text, nothing] : config.exposed_ports) {
        network::PortKey key;
        if (network::from_text(text, key) && key.protocol == network::Protocol::Tcp) {
            ports.insert(key.port);
        }
    }
    return ports;
}

} // namespace

AwaitedPorts awaited_ports(const pb::Task& task, const container::Config& config) {
    AwaitedPorts awaited;
    awaited.patience = published_patience;
    for (const auto& port : task.endpoint().ports()) {
        const bool meshed = port.publish_mode() == pb::PortConfig::INGRESS;
        if (meshed && port.protocol() == pb::PortConfig::TCP) {
            awaited.ports.insert(static_cast<std::uint16_t>(port.target_port()));
        }
    }
    if (!awaited.ports.empty() || overlay_attachments(task).empty()) { return awaited; }
    return {exposed_tcp(config), AwaitedPorts::Which::Any, exposed_patience};
}

net::Task<void> wait_for_listeners(engine::Engine& engine, engine::ContainerPtr container,
                                   swarm::TaskPtr task, net::Until until) {
    if (container->health.status != container::HealthStatus::None) { co_return; }
    const auto awaited = awaited_ports(*task, container->config);
    if (awaited.ports.empty()) { co_return; }
    auto& loop = engine.env.loop;
    const net::Until limit = until.no_later_than(loop.in(awaited.patience));
    while (container->state.running()) {
        const auto open = co_await engine.networks.overlays().listening_ports(container->id);
        if (!open || is_met(awaited, *open)) { co_return; }
        (void)co_await net::sleep(loop, limit.no_later_than(loop.in(listen_pause)));
        if (limit.cancelled() || loop.now() >= limit.deadline.at()) { co_return; }
    }
}

net::Task<void> wait_for_quiet(engine::Engine& engine, engine::ContainerPtr container,
                               swarm::TaskPtr task, net::Until until) {
    if (!container->state.running() || overlay_attachments(*task).empty()) { co_return; }
    auto& loop = engine.env.loop;
    const net::Until limit = until.no_later_than(loop.in(quiet_patience));
    auto last_seen = loop.now();
    for (;;) {
        const auto open = co_await engine.networks.overlays().open_connections(container->id);
        if (!open) { co_return; }
        if (*open > 0) { last_seen = loop.now(); }
        if (loop.now() - last_seen >= quiet_span) { co_return; }
        (void)co_await net::sleep(loop, limit.no_later_than(loop.in(quiet_pause)));
        if (limit.cancelled() || loop.now() >= limit.deadline.at()) { co_return; }
    }
}

} // namespace shoal::node
