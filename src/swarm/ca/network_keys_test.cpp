#include "swarm/ca/network_keys.h"

#include <gtest/gtest.h>
#include <set>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;

struct CountingRandom final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = ++last; }
    }
    std::uint8_t last = 0;
};

struct NetworkKeysTest : testing::Test {
    Store store;
    CountingRandom random;
    Instant now{100h};
    NetworkKeyRotation rotation;

    NetworkKeysTest() {
        pb::Cluster cluster;
        cluster.set_id("c");
        renew_network_keys(cluster, random, now);
        Tx tx(store, now, random);
        tx.put(cluster);
    }
    std::size_t run() {
        Tx tx(store, now, random);
        next = rotation.run(tx);
        return tx.changes().size();
    }
    std::vector<std::pair<std::uint64_t, std::string>> keys(const std::string& subsystem) {
        std::vector<std::pair<std::uint64_t, std::string>> all;
        for (const auto& key : store.cluster()->network_bootstrap_keys()) {
            if (key.subsystem() == subsystem) { all.emplace_back(key.lamport_time(), key.key()); }
        }
        std::sort(all.begin(), all.end());
        return all;
    }
    std::optional<Instant> next;
};

TEST_F(NetworkKeysTest, every_twelve_hours_the_next_key_takes_the_place_of_the_one_in_use) {
    for (const auto* subsystem : {"networking:gossip", "networking:ipsec"}) {
        const auto before = keys(subsystem);
        ASSERT_EQ(before.size(), 3u);
        EXPECT_EQ(run(), 0u);
        ASSERT_TRUE(next);
        now = *next - 1s;
        EXPECT_EQ(run(), 0u);
        now = *next;
        EXPECT_EQ(run(), 1u);
        const auto after = keys(subsystem);
        ASSERT_EQ(after.size(), 3u);
        EXPECT_EQ(after[0], before[1]);
        EXPECT_EQ(after[1], before[2]);
        EXPECT_GT(after[2].first, before[2].first);
        EXPECT_NE(after[2].second, before[2].second);
        EXPECT_EQ(run(), 0u);
    }
}

TEST_F(NetworkKeysTest, times_are_distinct_and_the_clock_shows_the_last) {
    now += 12h;
    run();
    std::set<std::uint64_t> times;
    for (const auto& key : store.cluster()->network_bootstrap_keys()) {
        times.insert(key.lamport_time());
    }
    EXPECT_EQ(times.size(), 6u);
    EXPECT_EQ(store.cluster()->encryption_key_lamport_clock(), *times.rbegin());
}

TEST_F(NetworkKeysTest, a_clock_that_was_set_back_does_not_stretch_the_life_of_a_key) {
    now -= 50h;
    EXPECT_EQ(run(), 1u);
    EXPECT_EQ(next, now + 12h);
    EXPECT_EQ(run(), 0u);
    const auto before = keys("networking:ipsec");
    now += 12h;
    run();
    EXPECT_NE(keys("networking:ipsec"), before);
}

TEST_F(NetworkKeysTest, a_cluster_that_has_not_noted_it_has_the_keys_it_was_made_with) {
    Tx tx(store, now, random);
    pb::Cluster cluster = *store.cluster();
    cluster.clear_network_keys_changed_at();
    tx.put(cluster);
    EXPECT_EQ(run(), 0u);
    now += 13h;
    EXPECT_EQ(run(), 1u);
}

} // namespace
} // namespace shoal::swarm
