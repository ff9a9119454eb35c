#include "swarm/model/network_map.h"

#include "swarm/model/object.h"

namespace shoal::swarm {
namespace {

std::uint64_t add_to_hash(std::uint64_t hash, std::string_view text) {
    constexpr std::uint64_t prime = 0x100000001b3;
    for (const char c : text) { hash = (hash ^ static_cast<std::uint8_t>(c)) * prime; }
    return hash;
}

} // namespace

std::string node_key(std::string_view node_id) { return "node/" + std::string(node_id); }

std::uint64_t hash_of(std::string_view key, const mpb::MapItem& item) {
    constexpr std::uint64_t basis = 0xcbf29ce484222325;
    const auto with_key = add_to_hash(add_to_hash(basis, key), std::string_view("", 1));
    return add_to_hash(with_key, stable_bytes(item));
}

bool NetworkMap::change(const mpb::MapChange& change) {
    const auto found = items_.find(change.key());
    const auto before = found == items_.end() ? 0 : hash_of(change.key(), found->second);
    if (!change.has_item()) {
        if (found == items_.end()) { return false; }
        items_.erase(found);
        digest_ -= before;
        return true;
    }
    const auto after = hash_of(change.key(), change.item());
    if (found != items_.end() && before == after) { return false; }
    items_[change.key()] = change.item();
    digest_ += after - before;
    return true;
}

void NetworkMap::clear() {
    items_.clear();
    digest_ = 0;
}

} // namespace shoal::swarm
