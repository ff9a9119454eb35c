#include "engine/engine.h"

#include "base/text.h"
#include "engine/settings.h"
#include "network/settings.h"
#include "os/file.h"

#include <functional>

namespace shoal::engine {
namespace {

/// Eight letters that tell the daemons of one machine apart: a hash of the data root, stable over
/// restarts.
std::string instance_of(const std::string& data_root) {
    if (data_root == Settings{}.data_root) { return "0"; }
    std::uint64_t hash = 14695981039346656037ULL; // FNV-1a
    for (const char c : data_root) {
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 1099511628211ULL;
    }
    const std::uint8_t bytes[] = {
        static_cast<std::uint8_t>(hash), static_cast<std::uint8_t>(hash >> 8),
        static_cast<std::uint8_t>(hash >> 16), static_cast<std::uint8_t>(hash >> 24)};
    return to_hex(bytes);
}

network::Settings network_settings(const Settings& from) {
    network::Settings settings;
    settings.instance = instance_of(from.data_root);
    settings.exec_root = from.exec_root;
    if (!from.bridge.empty()) { settings.bridge = from.bridge; }
    settings.bip = from.bip;
    settings.bip6 = from.bip6;
    settings.fixed_cidr = from.fixed_cidr;
    settings.fixed_cidr_v6 = from.fixed_cidr_v6;
    settings.default_gateway = from.default_gateway;
    settings.default_gateway_v6 = from.default_gateway_v6;
    settings.ipv6 = from.ipv6;
    settings.mtu = from.mtu;
    settings.icc = from.icc;
    settings.ip = from.ip;
    settings.ip_forward = from.ip_forward;
    settings.ip_masq = from.ip_masq;
    settings.firewall = from.firewall;
    for (const auto& pool : from.default_address_pools) {
        if (const auto base = network::Subnet::parse(pool.base)) {
            settings.pools.push_back({*base, pool.size});
        }
    }
    settings.dns = from.dns;
    settings.dns_search = from.dns_search;
    settings.dns_options = from.dns_opts;
    for (const auto& address : from.ingress_addresses) {
        settings.ingress_addresses.push_back(network::Ip::parse(address).value_or(network::Ip()));
    }
    for (const auto& address : split(from.host_gateway_ip, ',')) {
        if (!address.empty()) { settings.host_gateway.push_back(address); }
    }
    return settings;
}

} // namespace

Engine::Engine(Env& shared)
    : env(shared), images(shared), volumes(shared),
      networks(shared, network_settings(shared.settings)),
      containers(shared, images, volumes, networks) {}

net::Task<Result<void>> Engine::start() {
    CO_TRY(os::ensure_directory(env.settings.data_root, 0710));
    CO_TRY(os::ensure_directory(env.settings.exec_root, 0711));
    CO_TRY(co_await images.load_state());
    CO_TRY(co_await volumes.load());
    co_return co_await containers.load();
}

net::Task<void> Engine::stop(net::Until until) {
    const bool keep = env.settings.live_restore;
    co_await containers.shut_down(!keep, until);
    co_await networks.stop(keep);
    co_await images.close();
}

} // namespace shoal::engine
