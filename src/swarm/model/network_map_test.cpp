#include "swarm/model/network_map.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

mpb::MapChange node(const std::string& id, std::uint32_t index) {
    mpb::MapChange change;
    change.set_key("node/" + id);
    change.mutable_item()->mutable_node()->set_id(id);
    change.mutable_item()->mutable_node()->set_index(index);
    return change;
}
mpb::MapChange removal(const std::string& key) {
    mpb::MapChange change;
    change.set_key(key);
    return change;
}

TEST(NetworkMap, says_whether_something_is_different) {
    NetworkMap map;
    EXPECT_TRUE(map.change(node("a", 1)));
    EXPECT_FALSE(map.change(node("a", 1)));
    EXPECT_TRUE(map.change(node("a", 2)));
    EXPECT_EQ(map.items().at("node/a").node().index(), 2u);
    EXPECT_FALSE(map.change(removal("node/b")));
    EXPECT_TRUE(map.change(removal("node/a")));
    EXPECT_EQ(map.count(), 0u);
}

TEST(NetworkMap, the_digest_tells_contents_apart_and_not_the_ways_to_them) {
    NetworkMap one;
    one.change(node("a", 1));
    one.change(node("b", 2));
    NetworkMap other;
    other.change(node("c", 3));
    other.change(node("b", 7));
    other.change(node("b", 2));
    EXPECT_NE(one.digest(), other.digest());
    other.change(node("a", 1));
    other.change(removal("node/c"));
    EXPECT_EQ(one.digest(), other.digest());
    EXPECT_EQ(one.count(), other.count());
    other.change(node("a", 2));
    EXPECT_NE(one.digest(), other.digest());
    one.clear();
    EXPECT_EQ(one.digest(), NetworkMap().digest());
}

TEST(NetworkMap, the_digest_is_the_same_for_every_version_of_the_program) {
    const auto change = node("a", 1);
    EXPECT_EQ(hash_of(change.key(), change.item()), 0xf47d4bdcee4308e5u);
    mpb::MapItem item = change.item();
    EXPECT_NE(hash_of("node/b", item), hash_of("node/a", item));
}

} // namespace
} // namespace shoal::swarm
