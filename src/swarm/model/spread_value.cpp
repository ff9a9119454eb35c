#include "swarm/model/spread_value.h"

#include "base/text.h"

namespace shoal::swarm {

std::string spread_value(std::string_view descriptor, const pb::Node& node) {
    constexpr std::string_view of_node = "node.labels.";
    constexpr std::string_view of_engine = "engine.labels.";
    const auto value = [](const auto& labels, std::string_view key) {
        const auto found = labels.find(std::string(key));
        return found == labels.end() ? std::string() : found->second;
    };
    if (equals_ignore_case(descriptor.substr(0, of_node.size()), of_node)) {
        return value(node.spec().annotations().labels(), descriptor.substr(of_node.size()));
    }
    if (equals_ignore_case(descriptor.substr(0, of_engine.size()), of_engine)) {
        return value(node.description().engine().labels(), descriptor.substr(of_engine.size()));
    }
    return {};
}

} // namespace shoal::swarm
