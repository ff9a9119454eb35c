#include "network/mesh_relays.h"

#include <algorithm>

namespace shoal::network {
namespace {

const Ip localhost = Ip::v4(0x7f000001);

PortRequest request_for(const MeshPort& port) {
    PortWish wish;
    wish.container = {port.published, port.protocol};
    wish.host_ip = "::1";
    wish.host_first = wish.host_last = port.published;
    PortRequest request;
    request.wishes = {wish};
    request.target = {localhost, {}};
    return request;
}

} // namespace

std::set<MeshPort> MeshRelays::needed(const MeshPlan& plan, const MeshState& state) {
    const auto& on = plan.published_on;
    if (!on.empty() && std::find(on.begin(), on.end(), localhost) == on.end()) { return {}; }
    std::set<MeshPort> all;
    for (const auto& [port, balance] : state.ports) {
        if (port.protocol != Protocol::Sctp && !balance.tasks.empty()) { all.insert(port); }
    }
    return all;
}

std::vector<Error> MeshRelays::serve(const std::set<MeshPort>& wanted) {
    std::erase_if(relays_, [&](const auto& entry) { return !wanted.contains(entry.first); });
    std::vector<Error> failures;
    for (const auto& port : wanted) {
        if (relays_.contains(port)) { continue; }
        auto held = hold_ports(request_for(port), {});
        if (!held) {
            failures.push_back(held.error());
            continue;
        }
        relays_[port] = std::make_unique<Relays>(loop_, std::move(*held));
    }
    return failures;
}

} // namespace shoal::network
