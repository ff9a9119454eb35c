#include "swarm/ca/network_keys.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

constexpr std::size_t key_bytes = 16;
constexpr int keys_each = 3;
constexpr std::string_view subsystems[] = {"networking:gossip", "networking:ipsec"};

using Keys = google::protobuf::RepeatedPtrField<pb::EncryptionKey>;

int count_of(const Keys& keys, std::string_view subsystem) {
    return static_cast<int>(std::count_if(
        keys.begin(), keys.end(), [&](const auto& key) { return key.subsystem() == subsystem; }));
}

void drop_oldest(Keys& keys, std::string_view subsystem) {
    auto oldest = keys.end();
    for (auto key = keys.begin(); key != keys.end(); ++key) {
        if (key->subsystem() != subsystem) { continue; }
        if (oldest == keys.end() || key->lamport_time() < oldest->lamport_time()) { oldest = key; }
    }
    if (oldest != keys.end()) { keys.erase(oldest); }
}

void add_key(pb::Cluster& cluster, std::string_view subsystem, Random& random) {
    std::string bytes(key_bytes, '\0');
    random.fill({reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size()});
    const auto time = cluster.encryption_key_lamport_clock() + 1;
    cluster.set_encryption_key_lamport_clock(time);
    auto& key = *cluster.add_network_bootstrap_keys();
    key.set_subsystem(std::string(subsystem));
    key.set_algorithm(pb::EncryptionKey::AES_128_GCM);
    key.set_key(std::move(bytes));
    key.set_lamport_time(time);
}

/// Clusters from before it was noted have the keys that they were made with.
Instant changed_at(const pb::Cluster& cluster) {
    return from_timestamp(cluster.has_network_keys_changed_at() ? cluster.network_keys_changed_at()
                                                                : cluster.meta().created_at());
}

} // namespace

void renew_network_keys(pb::Cluster& cluster, Random& random, Instant now) {
    auto& keys = *cluster.mutable_network_bootstrap_keys();
    for (const auto subsystem : subsystems) {
        while (count_of(keys, subsystem) >= keys_each) { drop_oldest(keys, subsystem); }
    }
    // Of both in turn, so that their times are distinct and grow.
    while (count_of(keys, subsystems[1]) < keys_each) {
        for (const auto subsystem : subsystems) {
            if (count_of(keys, subsystem) < keys_each) { add_key(cluster, subsystem, random); }
        }
    }
    *cluster.mutable_network_keys_changed_at() = to_timestamp(now);
}

std::optional<Instant> NetworkKeyRotation::run(Tx& tx) {
    const auto cluster = tx.store().cluster();
    if (!cluster) { return std::nullopt; }
    const auto now = tx.now();
    const auto changed = changed_at(*cluster);
    if (changed <= now && now < changed + network_key_life) { return changed + network_key_life; }
    pb::Cluster next = *cluster;
    if (changed > now) { // the clock was set back
        *next.mutable_network_keys_changed_at() = to_timestamp(now);
    } else {
        renew_network_keys(next, tx.random(), now);
    }
    tx.put(std::move(next));
    return now + network_key_life;
}

} // namespace shoal::swarm
