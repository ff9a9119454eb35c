// What the way to other nodes takes: each is asked once, when it is first heard of, and those that
// did not answer again with the regular check. A path that takes less than the link makes all
// networks of the cluster smaller on this node.
#include "engine/networks_overlays.h"

#include "net/pool.h"
#include "network/path_mtu.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

/// The next to ask; none when all are known.
Ip OverlayKeeper::unknown_path(const std::set<Ip>& asked) const {
    for (const auto& [index, node] : book_.nodes()) {
        const bool other = self_ && index != self_->index && node->address;
        if (other && !paths_.contains(node->address) && !asked.contains(node->address)) {
            return node->address;
        }
    }
    return {};
}

int OverlayKeeper::narrowest() const {
    int least = link_mtu_;
    for (const auto& [index, node] : book_.nodes()) {
        const auto known = paths_.find(node->address);
        if (known != paths_.end()) { least = std::min(least, known->second); }
    }
    return least;
}

net::Task<void> OverlayKeeper::look_at_paths() {
    if (looking_) { co_return; }
    looking_ = true;
    std::set<Ip> asked;
    for (Ip next = unknown_path(asked); next; next = unknown_path(asked)) {
        asked.insert(next);
        auto job = [next, most = link_mtu_] { return probe_path_mtu(next, most); };
        const auto found = co_await networks_.env.pool.run(std::move(job));
        if (found) { paths_[next] = *found; }
    }
    looking_ = false;
    if (!self_ || narrowest() >= underlay_mtu_) { co_return; }
    auto turn = co_await applying_.acquire();
    auto narrowed = co_await use_underlay_mtu(narrowest());
    if (!narrowed) { spdlog::warn("networks of the swarm: {}", narrowed.error().message); }
}

/// What is there is made anew.
net::Task<Result<void>> OverlayKeeper::use_underlay_mtu(int mtu) {
    if (!self_) { co_return ok(); }
    spdlog::info("networks of the swarm: the way to other nodes takes {} bytes, the link {}", mtu,
                 link_mtu_);
    underlay_mtu_ = mtu;
    co_await close_all();
    co_return co_await open_all_and_mesh();
}

} // namespace shoal::engine
