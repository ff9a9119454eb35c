#include "node/cluster_places.h"

#include "node/task_config.h"
#include "node/task_networks.h"
#include "swarm/manager/control/find.h"
#include "swarm/manager/control/networks.h"
#include "swarm/manager/methods.h"
#include "swarm/proto/manager.pb.h"

#include <algorithm>

namespace shoal::node {

bool ClusterPlaces::in_cluster() const {
    return member_ != nullptr && member_->state() != swarm::MemberState::Inactive;
}

/// A manager has the list; a worker has to ask.
bool ClusterPlaces::may_have(std::string_view network) const {
    if (!in_cluster()) { return false; }
    const auto* const manager = member_->manager();
    if (manager == nullptr || member_->state() != swarm::MemberState::Active) { return true; }
    const auto found = swarm::find<pb::Network>(manager->store(), network);
    return found && !swarm::is_predefined(**found);
}

net::Task<Result<std::string>> ClusterPlaces::attach(pb::AttachNetworkRequest request,
                                                     net::Until until) {
    if (!in_cluster()) { co_return Error{Errc::NotFound, "this node is in no swarm"}; }
    auto bytes = swarm::print_message(request);
    CO_TRY_LET(said, co_await member_->ask_a_manager(swarm::method_attach_network, std::move(bytes),
                                                     until));
    CO_TRY_LET(answer,
               swarm::parse_message<pb::AttachNetworkResponse>(said, swarm::method_attach_network));
    co_return answer.attachment_id();
}

net::Task<Result<pb::Network>> ClusterPlaces::find(std::string ref, net::Until until) {
    if (!in_cluster()) { co_return Error{Errc::NotFound, "network " + ref + " not found"}; }
    swarm::mpb::FindNetworkRequest request;
    request.set_network(ref);
    auto bytes = swarm::print_message(request);
    CO_TRY_LET(
        said, co_await member_->ask_a_manager(swarm::method_find_network, std::move(bytes), until));
    CO_TRY_LET(answer, swarm::parse_message<swarm::mpb::FindNetworkResponse>(
                           said, swarm::method_find_network));
    co_return std::move(*answer.mutable_network());
}

net::Task<Result<void>> ClusterPlaces::detach(std::string attachment_id, net::Until until) {
    if (!in_cluster()) { co_return ok(); }
    pb::DetachNetworkRequest request;
    request.set_attachment_id(attachment_id);
    auto bytes = swarm::print_message(request);
    CO_TRY_LET(said, co_await member_->ask_a_manager(swarm::method_detach_network, std::move(bytes),
                                                     until));
    (void)said;
    co_return ok();
}

bool ClusterPlaces::is_task(const ContainerId& container) const {
    const auto found = engine_.containers.find(container.text());
    return found && !task_of((*found)->config.labels, (*found)->name).empty();
}

bool ClusterPlaces::is_on(const ContainerId& container, const NetworkId& network) const {
    const auto* const sandbox = engine_.networks.sandbox(container);
    return sandbox != nullptr &&
           std::any_of(sandbox->endpoints.begin(), sandbox->endpoints.end(),
                       [&network](const auto& endpoint) { return endpoint.network == network; });
}

std::vector<engine::PlaceWish> ClusterPlaces::on_networks() const {
    std::vector<engine::PlaceWish> all;
    for (const auto& container : engine_.containers.all()) {
        const auto* const sandbox = engine_.networks.sandbox(container->id);
        if (sandbox == nullptr || is_task(container->id)) { continue; }
        for (const auto& endpoint : sandbox->endpoints) {
            if (endpoint.driver != "overlay") { continue; }
            auto& place = all.emplace_back(
                engine::PlaceWish{container->id, endpoint.network.text(), {}, endpoint.dns_names});
            for (const auto& address : {endpoint.ipv4, endpoint.ipv6}) {
                if (!address.empty()) { place.addresses.push_back(address); }
            }
        }
    }
    return all;
}

net::Task<Result<void>> ClusterPlaces::put_off(ContainerId container, NetworkId network) {
    return engine_.networks.disconnect(network.text(), container.text(), true);
}

net::Task<Result<void>> ClusterPlaces::ensure_network(pb::NetworkAttachment attachment,
                                                      net::Until) {
    CO_TRY_LET(definition, overlay_definition(attachment.network()));
    auto granted = addresses_of(attachment);
    co_return co_await engine_.networks.ensure_overlay(std::move(definition), std::move(granted));
}

} // namespace shoal::node
