#include "swarm/ca/token.h"

#include "base/text.h"
#include "swarm/ca/certificate.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

struct Counting final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = next++; }
    }
    std::uint8_t next = 0;
};

std::string bytes_of(std::string_view hex) {
    std::string out;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    }
    return out;
}

// Digest and token of a swarm that Docker 20.10 has made.
constexpr auto docker_digest = "24b6f60b5a6fcea36e0b3d7441b1ceb47f830f7a123dc5d48ab8e2b63ef942ed";
constexpr auto docker_token =
    "SWMTKN-1-0wxxp4zo4ywe2befzbat8on7k6rhei0qjgftz05akkntokyrcd-4shdfcec7yjhzuujzalx6fne0";

TEST(JoinToken, has_dockers_form) {
    const auto token = parse_join_token(docker_token);
    ASSERT_TRUE(token);
    EXPECT_EQ(token->digest, bytes_of(docker_digest));
    EXPECT_EQ(to_base36(token->digest, 50), "0wxxp4zo4ywe2befzbat8on7k6rhei0qjgftz05akkntokyrcd");
    Counting random;
    const auto made = make_join_token(token->digest, random);
    EXPECT_EQ(made.size(), std::string_view(docker_token).size());
    EXPECT_TRUE(parse_join_token(made));
    EXPECT_NE(made, make_join_token(token->digest, random));
}

TEST(JoinToken, refuses_other_forms_without_repeating_them) {
    for (
        const std::string text :
        {"", "SWMTKN-1-", "SWMTKN-1-abc-def",
         "SWMTKN-2-1-0wxxp4zo4ywe2befzbat8on7k6rhei0qjgftz05akkntokyrcd-4shdfcec7yjhzuujzalx6fne0",
         "SWMTKN-1-0wxxp4zo4ywe2befzbat8on7k6rhei0qjgftz05akkntokyrcD-4shdfcec7yjhzuujzalx6fne0",
         "SWMTKN-1-0wxxp4zo4ywe2befzbat8on7k6rhei0qjgftz05akkntokyrcd-4shdfcec7yjhzuujzalx6fne",
         "SWMTKN-1-0wxxp4zo4ywe2befzbat8on7k6rhei0qjgftz05akkntokyrcd-zzzzzzzzzzzzzzzzzzzzzzzzz"}) {
        const auto token = parse_join_token(text);
        ASSERT_FALSE(token) << text;
        EXPECT_EQ(token.error().message, "invalid join token");
    }
}

TEST(JoinToken, pins_the_bytes_of_the_root) {
    Counting random;
    const auto token = parse_join_token(make_join_token(root_digest("root bytes\n"), random));
    ASSERT_TRUE(token);
    EXPECT_TRUE(check_root_digest(*token, "root bytes\n"));
    EXPECT_EQ(check_root_digest(*token, "root bytes").error().code, Errc::Unauthorized);
}

TEST(UnlockKey, has_dockers_form) {
    const auto key = parse_unlock_key("SWMKEY-1-X70qZ209rmLtmHfV0XEamCWfI0LxftlvvX3UetsIfWo");
    ASSERT_TRUE(key);
    EXPECT_EQ(print_unlock_key(*key), "SWMKEY-1-X70qZ209rmLtmHfV0XEamCWfI0LxftlvvX3UetsIfWo");
    EXPECT_FALSE(parse_unlock_key("SWMKEY-1-X70qZ209"));
    EXPECT_FALSE(parse_unlock_key("X70qZ209rmLtmHfV0XEamCWfI0LxftlvvX3UetsIfWo"));
    EXPECT_FALSE(parse_unlock_key(""));
}

TEST(Base36, is_the_number_of_the_bytes) {
    EXPECT_EQ(to_base36(std::string("\0\x24", 2), 3), "010");
    EXPECT_EQ(from_base36("010", 2), std::string("\0\x24", 2));
    EXPECT_EQ(from_base36("73", 1), "\xff");
    EXPECT_FALSE(from_base36("74", 1));
    EXPECT_FALSE(from_base36("A", 1));
}

TEST(Secret, is_the_same_only_in_full) {
    EXPECT_TRUE(same_secret("abc", "abc"));
    EXPECT_FALSE(same_secret("abc", "abd"));
    EXPECT_FALSE(same_secret("abc", "ab"));
    EXPECT_TRUE(same_secret("", ""));
}

} // namespace
} // namespace shoal::swarm
