// Places on networks that are not this machine's alone: asked for before a container is attached to
// one, given back when it is not (any more). See network_attacher.h.
#include "engine/network_attacher.h"
#include "engine/networks_impl.h"

#include <algorithm>
#include <set>

namespace shoal::engine {
namespace {

/// Networks that the request names, whatever they are.
std::set<std::string> named_networks(const AttachRequest& request) {
    std::set<std::string> names;
    for (const auto& [name, wish] : request.endpoints) { names.insert(name); }
    const auto& mode = request.mode;
    const bool shared = mode == "host" || mode.starts_with("container:");
    if (!mode.empty() && mode != "none" && mode != "default" && !shared) { names.insert(mode); }
    names.erase("default");
    return shared ? std::set<std::string>() : names;
}

} // namespace

/// It is not here, or here as a part of something larger.
bool Networks::Impl::may_be_elsewhere(std::string_view ref) const {
    if (attacher == nullptr) { return false; }
    const auto local = find(ref);
    if (local) { return (*local)->definition.scope == "swarm"; }
    return local.error().code == Errc::NotFound && attacher->may_have(ref);
}

namespace {

PlaceWish place_wish(const Networks::Impl::Named& who, const std::string& ref,
                     const network::EndpointWish& wish) {
    PlaceWish asked{who.container, ref, {}, who.names};
    asked.names.insert(asked.names.end(), wish.aliases.begin(), wish.aliases.end());
    for (const auto& address : {wish.ipv4, wish.ipv6}) {
        if (!address.empty()) { asked.addresses.push_back(address); }
    }
    return asked;
}

void take(network::EndpointWish& wish, const Place& place) {
    wish.ipv4 = place.ipv4;
    wish.ipv6 = place.ipv6;
}

} // namespace

net::Task<Result<AttachRequest>> Networks::Impl::with_places(AttachRequest request) {
    if (attacher == nullptr) { co_return request; }
    const Named who = named(request.container, request.name, request.hostname);
    for (const auto& ref : named_networks(request)) {
        if (!may_be_elsewhere(ref)) { continue; }
        const auto known = request.endpoints.find(ref);
        auto wish = known == request.endpoints.end() ? network::EndpointWish() : known->second;
        CO_TRY_LET(place, co_await attacher->attach(place_wish(who, ref, wish)));
        if (!place) { continue; }
        // By its id from here on: one that was removed just now may have had the same name.
        take(wish, *place);
        const auto id = place->network.text();
        request.endpoints.erase(ref);
        request.endpoints[id] = std::move(wish);
        if (request.mode == ref) { request.mode = id; }
    }
    co_return request;
}

Networks::Impl::Named Networks::Impl::named(const ContainerId& container, const std::string& name,
                                            const std::string& hostname) {
    Named who{container, {name, container.short_text()}};
    if (!hostname.empty() && hostname != container.short_text() && hostname != name) {
        who.names.push_back(hostname);
    }
    return who;
}

void Networks::Impl::settled(const ContainerId& container) const {
    if (attacher != nullptr) { attacher->settled(container); }
}

// --- the public face ---

void Networks::set_attacher(NetworkAttacher* attacher) { impl_->attacher = attacher; }

bool Networks::may_be_elsewhere(std::string_view ref) const { return impl_->may_be_elsewhere(ref); }

bool Networks::any_elsewhere(const AttachRequest& request) const {
    const auto names = named_networks(request);
    return std::any_of(names.begin(), names.end(),
                       [this](const std::string& name) { return may_be_elsewhere(name); });
}

net::Task<Result<SandboxInfo>> Networks::attach(AttachRequest request) {
    const ContainerId container = request.container;
    auto placed = co_await impl_->with_places(std::move(request));
    auto made = Result<SandboxInfo>(SandboxInfo());
    if (placed) {
        made = co_await impl_->attach(std::move(*placed));
    } else {
        made = std::move(placed).error();
    }
    impl_->settled(container);
    co_return made;
}

net::Task<Result<void>> Networks::detach(ContainerId container) {
    auto done = co_await impl_->detach(container);
    impl_->settled(container);
    co_return done;
}

net::Task<Result<SandboxInfo>> Networks::join(ContainerId container, std::string ref,
                                              network::EndpointWish wish) {
    auto joined = co_await impl_->join_at_place(container, std::move(ref), std::move(wish));
    impl_->settled(container);
    co_return joined;
}

net::Task<Result<SandboxInfo>> Networks::Impl::join_at_place(ContainerId container, std::string ref,
                                                             network::EndpointWish wish) {
    const auto running = attached(container);
    if (!running) { co_return conflict("container " + container.text() + " is not running"); }
    const Named who = named(container, running->info.name, running->info.hostname);
    if (may_be_elsewhere(ref)) {
        CO_TRY_LET(place, co_await attacher->attach(place_wish(who, ref, wish)));
        if (place) { take(wish, *place); }
        if (place) { ref = place->network.text(); }
    }
    CO_TRY_LET(network, find(ref));
    co_return co_await join(container, network, std::move(wish));
}

net::Task<Result<SandboxInfo>> Networks::leave(ContainerId container, NetworkId network) {
    CO_TRY_LET(found, impl_->find(network.text()));
    auto left = co_await impl_->leave(container, found);
    impl_->settled(container);
    co_return left;
}

} // namespace shoal::engine
