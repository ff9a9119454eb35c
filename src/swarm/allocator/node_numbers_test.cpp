#include "swarm/allocator/node_numbers.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

TEST(NodeNumbers, are_given_in_turn_and_an_old_one_only_after_all_others) {
    NodeNumbers numbers;
    for (std::uint32_t i = 1; i <= 3; ++i) {
        EXPECT_EQ(numbers.next(), i);
        numbers.set("n" + std::to_string(i), i);
    }
    numbers.set("n2", 0);
    EXPECT_EQ(numbers.next(), 4u);
    numbers.set_last(node_number_max);
    EXPECT_EQ(numbers.next(), 2u);
}

TEST(NodeNumbers, run_out_and_come_back) {
    NodeNumbers numbers;
    for (std::uint32_t i = 1; i <= node_number_max; ++i) {
        numbers.set("n" + std::to_string(i), i);
    }
    EXPECT_EQ(numbers.next(), 0u);
    numbers.set("n700", 0);
    EXPECT_EQ(numbers.next(), 700u);
}

TEST(NodeNumbers, two_nodes_with_one_number_are_noticed) {
    NodeNumbers numbers;
    numbers.set("a", 1);
    EXPECT_FALSE(numbers.is_shared(1));
    numbers.set("b", 1);
    EXPECT_TRUE(numbers.is_shared(1));
    numbers.set("a", 0);
    EXPECT_FALSE(numbers.is_shared(1));
    EXPECT_EQ(numbers.next(), 2u);
}

} // namespace
} // namespace shoal::swarm
