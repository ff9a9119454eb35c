#include "swarm/agent/remotes.h"

#include <algorithm>

namespace shoal::swarm {
namespace {
constexpr int weight_max = 256;
}

void Remotes::set(const std::vector<Remote>& all) {
    if (all.empty()) { return; }
    std::map<std::string, int, std::less<>> listed;
    for (const auto& [address, weight] : all) {
        if (address.empty()) { continue; }
        const auto known = weights_.find(address);
        listed[address] = known == weights_.end() ? weight : known->second;
    }
    if (!listed.empty()) { weights_ = std::move(listed); }
}

void Remotes::add(const std::string& address) { weights_.emplace(address, 1); }

void Remotes::observe(const std::string& address, int weight) {
    const auto found = weights_.find(address);
    if (found == weights_.end()) { return; }
    found->second = std::clamp((found->second + weight) / 2, -weight_max, weight_max);
}

std::optional<std::string> Remotes::pick(Random& random, std::string_view but_not) const {
    std::vector<std::pair<std::string_view, int>> choice;
    for (const auto& [address, weight] : weights_) {
        if (address != but_not) { choice.emplace_back(address, weight); }
    }
    if (choice.empty() && weights_.contains(but_not)) { return std::string(but_not); }
    if (choice.empty()) { return std::nullopt; }
    int least = weight_max;
    for (const auto& [address, weight] : choice) { least = std::min(least, weight); }
    std::uint64_t sum = 0;
    for (auto& [address, weight] : choice) {
        weight += 1 - least;
        sum += static_cast<std::uint64_t>(weight);
    }
    auto drawn = random.below(sum);
    for (const auto& [address, weight] : choice) {
        const auto share = static_cast<std::uint64_t>(weight);
        if (drawn < share) { return std::string(address); }
        drawn -= share;
    }
    return std::string(choice.back().first);
}

std::vector<std::string> Remotes::addresses() const {
    std::vector<std::string> all;
    for (const auto& [address, weight] : weights_) { all.push_back(address); }
    return all;
}

} // namespace shoal::swarm
