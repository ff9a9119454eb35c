#include "swarm/scheduler/spread.h"

#include "swarm/model/spread_value.h"

namespace shoal::swarm {

void Candidates::set_unused(const LoadOrder& all, IsUnused is_unused) {
    all_.emplace(all.begin(), all.end());
    is_unused_ = std::move(is_unused);
}

NodeInfo* Candidates::take(const Fits& fits) {
    while (all_ && all_->first != all_->second) {
        NodeInfo* node = all_->first->second;
        ++all_->first; // its place in the order changes when it gets the task
        if (is_unused_(*node) && fits(*node)) { return node; }
    }
    while (!ranked_.empty()) {
        NodeInfo* node = ranked_.begin()->second;
        ranked_.erase(ranked_.begin());
        if (fits(*node)) { return node; }
    }
    return nullptr;
}

void Branch::add(NodeInfo& node, std::span<const std::string> descriptors, const RankOf& rank,
                 const std::string& service_id) {
    tasks_ += node.active_of(service_id);
    if (descriptors.empty()) { return leaf_.add(node, rank(node)); }
    auto& branch = branches_[spread_value(descriptors[0], *node.node())];
    if (!branch) { branch = std::make_unique<Branch>(); }
    branch->add(node, descriptors.subspan(1), rank, service_id);
}

Branch::Taken Branch::take(const Fits& fits) {
    if (branches_.empty()) { return {leaf_.take(fits), &leaf_}; }
    if (!opened_) {
        for (const auto& [value, branch] : branches_) { open_.emplace(branch->tasks_, value); }
        opened_ = true;
    }
    while (!open_.empty()) {
        const auto [tasks, value] = *open_.begin();
        open_.erase(open_.begin());
        const auto taken = branches_.find(std::string(value))->second->take(fits);
        if (!taken.node) { continue; } // full: the others share what is left
        open_.emplace(tasks + 1, value);
        return taken;
    }
    return {};
}

} // namespace shoal::swarm
