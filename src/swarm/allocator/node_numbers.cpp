#include "swarm/allocator/node_numbers.h"

namespace shoal::swarm {

void NodeNumbers::set(const std::string& node_id, std::uint32_t number) {
    const auto held = of_node_.find(node_id);
    if (held != of_node_.end()) {
        if (held->second == number) { return; }
        auto& others = nodes_[held->second];
        others.erase(node_id);
        if (others.empty()) { nodes_.erase(held->second); }
        of_node_.erase(held);
    }
    if (number == 0) { return; }
    of_node_[node_id] = number;
    nodes_[number].insert(node_id);
    last_ = number;
}

bool NodeNumbers::is_shared(std::uint32_t number) const {
    const auto found = nodes_.find(number);
    return found != nodes_.end() && found->second.size() > 1;
}

std::uint32_t NodeNumbers::next() const {
    for (std::uint32_t i = 0; i < node_number_max; ++i) {
        const auto number = (last_ + i) % node_number_max + 1;
        if (!nodes_.contains(number)) { return number; }
    }
    return 0;
}

} // namespace shoal::swarm
