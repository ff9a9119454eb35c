#include "volume/name.h"

#include "os/clock.h"

#include <gtest/gtest.h>

namespace shoal::volume {
namespace {

TEST(VolumeName, takes_letters_digits_and_three_signs) {
    for (const auto* name : {"web", "a1", "A.b_c-d", "0x"}) {
        EXPECT_TRUE(check_name(name)) << name;
    }
}

TEST(VolumeName, refuses_the_rest_in_the_words_that_clients_know) {
    EXPECT_EQ(
        check_name("a/b").error().message,
        "\"a/b\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. "
        "If you intended to pass a host directory, use absolute path");
    for (const auto* name : {"", ".", "..", "-a", "_a", ".hidden", "a b", "a\nb", "ä1", "../x"}) {
        EXPECT_FALSE(check_name(name)) << name;
    }
    EXPECT_FALSE(check_name("a"));
    EXPECT_FALSE(check_name(std::string(256, 'a')));
    EXPECT_FALSE(check_name(std::string_view("a\0b", 3)));
}

TEST(VolumeName, anonymous_ones_are_64_hexadecimal_digits) {
    os::SystemRandom random;
    const auto name = make_anonymous_name(random);
    EXPECT_EQ(name.size(), 64u);
    EXPECT_TRUE(check_name(name));
    EXPECT_NE(name, make_anonymous_name(random));
}

} // namespace
} // namespace shoal::volume
