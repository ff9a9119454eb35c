#include "base/pattern.h"

#include <gtest/gtest.h>

namespace shoal {
namespace {

/// 'y', 'n', or 'e' for a pattern that is none.
char find(std::string_view pattern, std::string_view text) {
    const auto parsed = Pattern::parse(pattern);
    if (!parsed) {
        EXPECT_EQ(parsed.error().code, Errc::Invalid);
        return 'e';
    }
    return parsed->found_in(text) ? 'y' : 'n';
}

std::string each(std::string_view pattern, std::initializer_list<std::string_view> texts) {
    std::string answers;
    for (const auto text : texts) { answers += find(pattern, text); }
    return answers;
}

} // namespace

TEST(Pattern, finds_literals_anywhere) {
    EXPECT_EQ(each("web", {"web", "my-web-1", "we", ""}), "yynn");
    EXPECT_EQ(each("", {"", "x"}), "yy");
}

TEST(Pattern, holds_to_the_edges) {
    EXPECT_EQ(each("^web$", {"web", "web1", "aweb"}), "ynn");
    EXPECT_EQ(each("^$", {"", "x"}), "yn");
    EXPECT_EQ(each(R"(\Aweb\z)", {"web", "webs"}), "yn");
    EXPECT_EQ(each(R"(\bweb\b)", {"web", "a web!", "webs", "my_web"}), "yynn");
    EXPECT_EQ(each(R"(\Beb)", {"web", "eb"}), "yn");
}

TEST(Pattern, repeats) {
    EXPECT_EQ(each("^ab*$", {"a", "abbb", "abc"}), "yyn");
    EXPECT_EQ(each("^ab+$", {"a", "ab", "abb"}), "nyy");
    EXPECT_EQ(each("^ab?$", {"a", "ab", "abb"}), "yyn");
    EXPECT_EQ(each("^a{2}$", {"a", "aa", "aaa"}), "nyn");
    EXPECT_EQ(each("^a{2,}$", {"a", "aa", "aaaa"}), "nyy");
    EXPECT_EQ(each("^(ab){1,2}$", {"", "ab", "abab", "ababab"}), "nyyn");
    EXPECT_EQ(each("^a{0}b$", {"b", "ab"}), "yn");
    EXPECT_EQ(each("^a.*?b$", {"ab", "axxb", "a"}), "yyn");
    EXPECT_EQ(each("a{x}", {"a{x}", "ax"}), "yn") << "a brace that counts nothing is itself";
}

TEST(Pattern, chooses) {
    EXPECT_EQ(each("^(web|db)-[0-9]+$", {"web-1", "db-22", "app-1", "web-"}), "yynn");
    EXPECT_EQ(each("a||b", {"", "x"}), "yy");
    EXPECT_EQ(each("^(?:a|b)(?P<n>c)$", {"ac", "bc", "c"}), "yyn");
}

TEST(Pattern, knows_classes) {
    EXPECT_EQ(each("^[a-c_x]$", {"b", "_", "x", "d"}), "yyyn");
    EXPECT_EQ(each("^[^a-c]$", {"b", "d"}), "ny");
    EXPECT_EQ(each("^[]a-]$", {"]", "a", "-", "b"}), "yyyn");
    EXPECT_EQ(each(R"(^\d\D\w\W\s\S$)", {"1aa- x", "aaa- x"}), "yn");
    EXPECT_EQ(each(R"(^[\d.]+$)", {"1.2", "a"}), "yn");
    EXPECT_EQ(each("^[[:alpha:][:digit:]]+$", {"a1", "a-"}), "yn");
    EXPECT_EQ(each("^.$", {"x", "\n"}), "yn");
}

TEST(Pattern, takes_escapes) {
    EXPECT_EQ(each(R"(^a\.b$)", {"a.b", "axb"}), "yn");
    EXPECT_EQ(each(R"(\x41\t\(\\)", {"A\t(\\", "A"}), "yn");
}

TEST(Pattern, refuses_what_is_none) {
    for (const char* bad :
         {"(", ")", "a)", "[a", "[b-a]", "*", "a**", "+a", "\\", "\\q", "\\x4", "[[:nothing:]]",
          "a{2,1}", "a{1001}", "(?i)a", "(?P<n", "a{1000}{1000}", "((a{100}){100}){100}"}) {
        EXPECT_EQ(find(bad, "a"), 'e') << bad;
    }
    EXPECT_EQ(find(std::string(100'000, '('), "a"), 'e');
    EXPECT_EQ(find(std::string(1'000'000, '|'), "a"), 'e');
    EXPECT_EQ(find(std::string(1'000'000, 'a'), "a"), 'e');
    EXPECT_EQ(Pattern::parse("a(b").error().message,
              "error parsing regexp \"a(b\": missing closing )");
}

TEST(Pattern, takes_no_longer_for_hard_texts) {
    const std::string text(20'000, 'a');
    for (const char* hard : {"(a*)*b", "(a|a)*b", "(a|aa)+$b", "((((a*)*)*)*)*b", "^(a?){50}a{50}b",
                             "(.*)(.*)(.*)(.*)(.*)[^a]"}) {
        EXPECT_EQ(find(hard, text), 'n') << hard;
    }
}

} // namespace shoal
