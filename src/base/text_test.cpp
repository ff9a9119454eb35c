#include "base/text.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

TEST(Text, splits_and_joins) {
    EXPECT_EQ(split("a,b,,c", ','), (std::vector<std::string>{"a", "b", "", "c"}));
    EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
    EXPECT_EQ(split_n("a:b:c", ':', 2), (std::vector<std::string>{"a", "b:c"}));
    EXPECT_EQ(cut("a=b=c", '='), (std::pair<std::string, std::string>{"a", "b=c"}));
    EXPECT_EQ(cut("a", '='), (std::pair<std::string, std::string>{"a", ""}));
    EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
    EXPECT_EQ(trim(" \ta b\n"), "a b");
    EXPECT_EQ(replace_all("aXbX", "X", "--"), "a--b--");
}

TEST(Text, reads_whole_numbers_only) {
    EXPECT_EQ(parse_number<int>("42"), 42);
    EXPECT_EQ(parse_number<int>("42x"), std::nullopt);
    EXPECT_EQ(parse_number<unsigned>("-1"), std::nullopt);
    EXPECT_EQ(parse_number<std::uint16_t>("70000"), std::nullopt);
    EXPECT_EQ(parse_number<int>(""), std::nullopt);
}

TEST(Text, writes_and_reads_base64_in_both_alphabets) {
    EXPECT_EQ(base64("hello"), "aGVsbG8=");
    EXPECT_EQ(base64(""), "");
    EXPECT_EQ(base64url("\xff\xfe"), "__4=");
    EXPECT_EQ(*decode_base64("aGVsbG8="), "hello");
    EXPECT_EQ(*decode_base64("aGVsbG8"), "hello");
    EXPECT_EQ(*decode_base64("__4"), "\xff\xfe");
    EXPECT_FALSE(decode_base64("a!"));
    EXPECT_FALSE(decode_base64("a"));
}

TEST(Text, decodes_percent_escapes) {
    EXPECT_EQ(*decode_percent("a%2Fb+c", true), "a/b c");
    EXPECT_EQ(*decode_percent("a+b", false), "a+b");
    EXPECT_FALSE(decode_percent("%2", false));
    EXPECT_FALSE(decode_percent("%zz", false));
    EXPECT_EQ(encode_percent("a/b c"), "a%2Fb%20c");
}

TEST(Text, quotes_for_shell_and_go) {
    EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
    EXPECT_EQ(go_quote("a\"b\n\x01"), "\"a\\\"b\\n\\x01\"");
}

TEST(Text, reads_sizes_as_docker_does) {
    EXPECT_EQ(*parse_bytes("32"), 32);
    EXPECT_EQ(*parse_bytes("32kb"), 32 * 1024);
    EXPECT_EQ(*parse_bytes("1.5G"), 1610612736);
    EXPECT_EQ(*parse_bytes("6 MiB"), 6 * 1024 * 1024);
    for (const auto* bad : {"", "m", "-1", "1x", "1kx", "1 2", "9e99"}) {
        EXPECT_FALSE(parse_bytes(bad)) << bad;
    }
}

TEST(Text, prints_sizes_as_docker_does) {
    EXPECT_EQ(human_size(0), "0B");
    EXPECT_EQ(human_size(1234), "1.234kB");
    EXPECT_EQ(human_size(77'800'000), "77.8MB");
    EXPECT_EQ(human_size_binary(1536), "1.5KiB");
    EXPECT_EQ(human_size_binary(7.5 * 1024 * 1024), "7.5MiB");
}

} // namespace
} // namespace shoal
