// What goes on by itself: the regular check of the kernel, restoring what others took away, and
// ending what no container needs any more.
#include "engine/networks_overlays.h"

#include "net/pool.h"
#include "net/sleep.h"
#include "os/file.h"

#include <spdlog/spdlog.h>

namespace shoal::engine {

using namespace shoal::network;

namespace {
constexpr std::chrono::seconds look_pause{2};
constexpr std::uint64_t check_spread_ms = 6000;
} // namespace

void OverlayKeeper::count_repairs(const std::string& what, std::size_t count) {
    if (count == 0) { return; }
    repairs_ += count;
    spdlog::warn("{}: {} entries in the kernel were not as they should be and are repaired", what,
                 count);
}

net::Task<Result<void>> OverlayKeeper::repair(NetworkId id) {
    auto held = co_await hold(id);
    CO_TRY(co_await open_if_joined(id, held.router)); // when it failed before
    if (!held.router->overlay) { co_return ok(); }
    CO_TRY(co_await sync_kernel(id, held.router));
    auto job = [overlay = held.router->overlay] { return overlay->repair(); };
    CO_TRY_LET(count, co_await networks_.env.pool.run(std::move(job)));
    const auto known = networks_.networks.find(id);
    const bool named = known != networks_.networks.end();
    count_repairs("network " + (named ? known->second->definition.name : id.text()), count);
    co_return ok();
}

net::Task<void> OverlayKeeper::repair_all() {
    std::vector<NetworkId> all;
    for (const auto& [id, router] : routers_) { all.push_back(id); }
    for (const auto& id : all) {
        auto repaired = co_await repair(id);
        if (!repaired) { spdlog::warn("network {}: {}", id.text(), repaired.error().message); }
    }
    co_await restore_rules();
}

/// What keeps strangers out comes first.
net::Task<void> OverlayKeeper::restore_rules() {
    auto guarded = co_await guard_.repair();
    note_repair("guard of VXLAN", std::move(guarded));
    auto encrypted = co_await encryption_.repair();
    note_repair("encryption", std::move(encrypted));
    auto meshed = co_await mesh_.repair();
    note_repair("mesh", std::move(meshed));
}

void OverlayKeeper::note_repair(const std::string& what, const Result<std::size_t>& repaired) {
    if (repaired) {
        count_repairs(what, *repaired);
    } else {
        spdlog::error("{}: {}", what, repaired.error().message);
    }
}

net::Task<Result<void>> OverlayKeeper::remove_router(NetworkId id, Removal which) {
    auto held = co_await hold(id);
    if (which == Removal::Idle && !held.router->wanted->local.empty()) { co_return ok(); }
    const auto vni = held.router->overlay ? held.router->overlay->plan().vni : 0;
    held.router->overlay.reset();
    auto job = [path = path(id)] { return Overlay::remove(path); };
    auto removed = co_await networks_.env.pool.run(std::move(job));
    if (removed && self_ && vni != 0) { removed = co_await encryption_.remove(*self_, vni); }
    routers_.erase(id);
    if (removed && self_) { removed = co_await sync_guard(); }
    co_return removed;
}

net::Task<void> OverlayKeeper::drop_idle() {
    const auto now = networks_.env.loop.now();
    const auto is_idle = [&](const Router& router) {
        return router.wanted->local.empty() &&
               now - router.idle_since >= networks_.settings.overlay_linger;
    };
    std::vector<NetworkId> idle;
    for (const auto& [id, router] : routers_) {
        if (is_idle(*router) && !router->turn.held()) { idle.push_back(id); }
    }
    for (const auto& id : idle) {
        const auto known = routers_.find(id);
        if (known == routers_.end() || !is_idle(*known->second)) { continue; }
        auto removed = co_await remove_router(id, Removal::Idle);
        if (!removed) { spdlog::warn("network {}: {}", id.text(), removed.error().message); }
    }
}

net::Task<void> OverlayKeeper::tend(net::Until until) {
    const auto& settings = networks_.settings;
    const auto next_check = [&] {
        const std::chrono::milliseconds spread(networks_.env.random.below(check_spread_ms));
        return networks_.env.loop.now() + settings.overlay_check + spread;
    };
    auto check_at = next_check();
    while (!until.cancelled()) {
        const auto pause = std::min<std::chrono::nanoseconds>(look_pause, settings.overlay_linger);
        (void)co_await net::sleep(networks_.env.loop,
                                  until.no_later_than(networks_.env.loop.in(pause)));
        if (until.cancelled()) { co_return; }
        co_await drop_idle();
        co_await networks_.drop_unused_overlays();
        if (networks_.env.loop.now() < check_at) { continue; }
        co_await repair_all();
        co_await look_at_paths();
        check_at = next_check();
    }
}

net::Task<void> OverlayKeeper::sweep() {
    std::set<std::string> wanted;
    for (const auto& [id, router] : routers_) { wanted.insert(id.text()); }
    auto job = [directory = directory(), wanted] {
        const auto entries = os::list_directory(directory);
        if (!entries) { return; }
        for (const auto& entry : *entries) {
            if (!wanted.contains(entry.name)) {
                (void)Overlay::remove(directory + "/" + entry.name);
            }
        }
    };
    co_await networks_.env.pool.run(std::move(job));
}

net::Task<void> OverlayKeeper::stop(bool keep_kernel) {
    if (keep_kernel) { co_return; }
    auto left = co_await leave();
    if (!left) { spdlog::warn("networks of the swarm: {}", left.error().message); }
}

} // namespace shoal::engine
