#include "swarm/dispatcher/node_map.h"

namespace shoal::swarm {

std::optional<mpb::MapMessage> NodeMap::next(const ClusterMap& map) {
    if (pieces_.empty() && !compose(map)) { return std::nullopt; }
    return next_piece();
}

void NodeMap::confirm(std::uint64_t generation) {
    const auto after = under_way_.upper_bound(generation);
    if (after == under_way_.begin()) { return; }
    known_ = std::max(known_, std::prev(after)->second);
    under_way_.erase(under_way_.begin(), after);
}

/// What has gone is not remembered for ever.
bool NodeMap::has_missed(const ClusterMap& map) const {
    for (const auto& [id, told] : told_) {
        const auto* const scope = map.scope(id);
        if (!scope || scope->forgotten > told) { return true; }
    }
    return false;
}

/// True: there is something to send.
bool NodeMap::compose(const ClusterMap& map) {
    whole_ = whole_due_ || has_missed(map);
    if (whole_) { told_.clear(); }
    whole_due_ = false;
    const auto wanted = map.scopes_of(node_id_);
    for (auto told = told_.begin(); told != told_.end();) {
        if (wanted.contains(told->first)) {
            ++told;
            continue;
        }
        add_removal(*map.scope(told->first), told->second);
        told = told_.erase(told);
    }
    count_ = digest_ = 0;
    sequence_ = map.sequence();
    for (const auto& id : wanted) {
        const auto* const scope = map.scope(id);
        if (!scope) { continue; }
        add_news(*scope, id);
        count_ += scope->count;
        digest_ += scope->digest;
    }
    return whole_ || !pieces_.empty();
}

void NodeMap::add_news(const ClusterMap::Scope& scope, const std::string& id) {
    const auto told = told_.find(id);
    const bool fresh = told == told_.end();
    auto entry = scope.in_order.upper_bound(fresh ? 0 : told->second);
    for (; entry != scope.in_order.end(); ++entry) {
        if (fresh && !entry->second->is_there()) { continue; }
        pieces_.push_back(entry->second->change);
    }
    told_[id] = sequence_;
}

void NodeMap::add_removal(const ClusterMap::Scope& scope, std::uint64_t told) {
    for (const auto& [key, entry] : scope.entries) {
        if (!entry.is_there() && entry.sequence <= told) { continue; }
        auto gone = std::make_shared<mpb::MapChange>();
        gone->set_key(key);
        pieces_.push_back(std::move(gone));
    }
}

mpb::MapMessage NodeMap::next_piece() {
    mpb::MapMessage message;
    message.set_base(whole_ ? 0 : generation_);
    whole_ = false;
    message.set_generation(++generation_);
    std::size_t bytes = 0;
    while (!pieces_.empty() && message.changes_size() < limits_.changes_max &&
           bytes < limits_.message_bytes) {
        *message.add_changes() = *pieces_.front();
        bytes += pieces_.front()->ByteSizeLong();
        pieces_.pop_front();
    }
    message.set_more(!pieces_.empty());
    if (message.more()) { return message; }
    message.set_count(count_);
    message.set_digest(digest_);
    under_way_[generation_] = sequence_;
    return message;
}

} // namespace shoal::swarm
