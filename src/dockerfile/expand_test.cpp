#include "dockerfile/expand.h"

#include "dockerfile/substitute.h"

#include <gtest/gtest.h>

#include <map>

namespace shoal::dockerfile {
namespace {

using Words = std::vector<std::string>;
using Env = std::map<std::string, std::string>;

const Env some{
    {"A", "1"}, {"EMPTY", ""}, {"LONG", "x=y"}, {"TWO", "a  b"}, {"PATHS", "/a/b/c.tar.gz"}};

Expansion from(const Env& env) {
    Expansion how;
    how.lookup = [&env](std::string_view name) -> std::optional<std::string> {
        const auto found = env.find(std::string(name));
        return found == env.end() ? std::nullopt : std::optional(found->second);
    };
    return how;
}

std::string text(const std::string& word, const Env& env = some) {
    auto expanded = expand(word, from(env));
    return expanded ? *expanded : "error: " + expanded.error().message;
}

Words words(const std::string& line, const Env& env = some) {
    auto expanded = expand_words(line, from(env));
    return expanded ? *expanded : Words{"error: " + expanded.error().message};
}

std::string failed(const std::string& word, const std::string& why) {
    return "error: failed to process \"" + word + "\": " + why;
}

} // namespace

TEST(Expansion, puts_variables_in) {
    EXPECT_EQ(text("$A ${A}b $LONG"), "1 1b x=y");
    EXPECT_EQ(text("a$NONE.b a$ $1 $$ ${NONE}"), "a.b a$   ");
    EXPECT_EQ(text("$A_B$A-B"), "1-B");
    EXPECT_EQ(text("\"$A\" '$A' \\$A"), "1 $A $A");
    EXPECT_EQ(text("pre${EMPTY}post"), "prepost");
}

TEST(Expansion, takes_quotes_and_escapes_away) {
    EXPECT_EQ(text(R"('a b' "c d" e\ f)"), "a b c d e f");
    EXPECT_EQ(text(R"("a\"b\\c\d")"), R"(a"b\c\d)");
    EXPECT_EQ(text(R"('\n')"), R"(\n)");
    EXPECT_EQ(text(R"(\n\\)"), R"(n\)");
    EXPECT_EQ(text("x\\"), "x");
    EXPECT_EQ(text("'a"),
              failed("'a", "unexpected end of statement while looking for matching single-quote"));
    EXPECT_EQ(
        text("\"a"),
        failed("\\\"a", "unexpected end of statement while looking for matching double-quote"));
}

TEST(Expansion, obeys_another_escape) {
    auto how = from(some);
    how.escape = '`';
    EXPECT_EQ(*expand(R"(C:\dir`$A\$A)", how), R"(C:\dir$A\1)");
}

TEST(Expansion, has_defaults_and_alternatives) {
    EXPECT_EQ(text("${NONE:-d} ${EMPTY:-d} ${A:-d}"), "d d 1");
    EXPECT_EQ(text("${NONE-d} x${EMPTY-d} ${A-d}"), "d x 1");
    EXPECT_EQ(text("x${NONE:+d} x${EMPTY:+d} x${A:+d}"), "x x xd");
    EXPECT_EQ(text("x${NONE+d} x${EMPTY+d} x${A+d}"), "x xd xd");
    EXPECT_EQ(text("${NONE:-${EMPTY:-${A}}} ${NONE:-'a }'} ${NONE:-\\}}"), "1 a } }");
    EXPECT_EQ(text("${NONE:-$LONG}"), "x=y");
}

TEST(Expansion, insists_on_a_value) {
    EXPECT_EQ(text("${A:?}${A?}"), "11");
    EXPECT_EQ(text("${NONE?}"), failed("${NONE?}", "NONE: is not allowed to be unset"));
    EXPECT_EQ(text("${EMPTY?}"), "");
    EXPECT_EQ(text("${EMPTY:?}"), failed("${EMPTY:?}", "EMPTY: is not allowed to be empty"));
    EXPECT_EQ(text("${NONE:?give it}"), failed("${NONE:?give it}", "NONE: give it"));
}

TEST(Expansion, cuts_prefixes_and_suffixes) {
    EXPECT_EQ(text("${PATHS#*/}"), "a/b/c.tar.gz");
    EXPECT_EQ(text("${PATHS##*/}"), "c.tar.gz");
    EXPECT_EQ(text("${PATHS%.*}"), "/a/b/c.tar");
    EXPECT_EQ(text("${PATHS%%.*}"), "/a/b/c");
    EXPECT_EQ(text("${PATHS%no}"), "/a/b/c.tar.gz");
    EXPECT_EQ(text("${PATHS#/?/}"), "b/c.tar.gz");
    EXPECT_EQ(text("${NONE#x}"), "");
}

TEST(Expansion, replaces) {
    EXPECT_EQ(text("${PATHS/a/x}"), "/x/b/c.tar.gz");
    EXPECT_EQ(text("${PATHS//a/x}"), "/x/b/c.txr.gz");
    EXPECT_EQ(text("${PATHS/t*./}"), "/a/b/c.gz");
    EXPECT_EQ(text("${PATHS//\\//-}"), "-a-b-c.tar.gz");
    EXPECT_EQ(text("${PATHS/zz/x}"), "/a/b/c.tar.gz");
    EXPECT_EQ(text("${PATHS/a}"), failed("${PATHS/a}", "syntax error: missing '/' in ${}"));
}

TEST(Expansion, refuses_what_it_does_not_know) {
    EXPECT_EQ(text("${A"), failed("${A", "syntax error: missing '}'"));
    EXPECT_EQ(text("${"), failed("${", "syntax error: missing '}'"));
    EXPECT_EQ(text("${}"), failed("${}", "syntax error: bad substitution"));
    EXPECT_EQ(text("${:-a}"), failed("${:-a}", "syntax error: bad substitution"));
    EXPECT_EQ(text("${{A}"), failed("${{A}", "syntax error: bad substitution"));
    EXPECT_EQ(text("${A:x}"), failed("${A:x}", "unsupported modifier (:x) in substitution"));
    EXPECT_EQ(text("${A:#x}"), failed("${A:#x}", "unsupported modifier (:#) in substitution"));
    EXPECT_EQ(text("${A^}"), failed("${A^}", "unsupported modifier (^) in substitution"));
    EXPECT_EQ(text("${A#\\x}"),
              failed("${A#\\\\x}", "invalid pattern (\\x) in substitution: invalid escape '\\x'"));
}

TEST(Expansion, splits_words_after_the_variables_are_in) {
    EXPECT_EQ(words("  a\tb  c "), (Words{"a", "b", "c"}));
    EXPECT_EQ(words(R"('a b' "c d" e\ f)"), (Words{"a b", "c d", "e f"}));
    EXPECT_EQ(words("$TWO \"$TWO\""), (Words{"a", "b", "a  b"}));
    EXPECT_EQ(words("x'y'\"z\""), Words{"xyz"});
    EXPECT_TRUE(words("$EMPTY ''").empty());
    EXPECT_EQ(words("cat << EOF >x"), (Words{"cat", "<< EOF", ">x"}));
}

TEST(Expansion, keeps_what_it_is_told_to_keep) {
    auto how = from(some);
    how.keep_quotes = how.keep_escapes = how.keep_unset = true;
    EXPECT_EQ(*expand(R"('a' "b\"" \$A $A ${NONE:-x}$NONE)", how),
              R"('a' "b\"" \$A 1 ${NONE:-x}$NONE)");
    Expansion text = from(some);
    text.plain_quotes = true;
    EXPECT_EQ(*expand("it's \"$A\"", text), "it's \"1\"");
}

TEST(Expansion, tells_which_variables_are_missing) {
    std::vector<std::string> missing;
    auto how = from(some);
    how.undefined = [&](std::string_view name) { missing.emplace_back(name); };
    ASSERT_TRUE(expand("$A $B ${C} ${D:-x} ${E:+x} ${F#x} '$G'", how));
    EXPECT_EQ(missing, (Words{"B", "C", "F"}));
    EXPECT_EQ(variables_of("$A ${B:-$C} '$D'"), (std::set<std::string>{"A", "B", "C"}));
}

TEST(Expansion, has_limits) {
    std::string deep;
    for (int i = 0; i <= expansion_depth_max; ++i) { deep += "${N:-"; }
    deep += std::string(static_cast<std::size_t>(expansion_depth_max) + 1, '}');
    EXPECT_NE(text(deep).find("variables are nested deeper than 50 times"), std::string::npos);
    const Env big{{"BIG", std::string(1 << 20, 'x')}};
    std::string many;
    for (int i = 0; i < 9; ++i) { many += "$BIG"; }
    EXPECT_NE(text(many, big).find("more than 8388608 bytes"), std::string::npos);
}

TEST(Substitution, counts_characters_and_keeps_stray_bytes) {
    EXPECT_EQ(*without_prefix("\xC3\xA4x", "?", Longest::No), "x");
    EXPECT_EQ(*without_prefix("\xFFx", "?", Longest::No), "x");
    EXPECT_EQ(*without_suffix("x\xE2\x82\xAC\xFF", "\xFF", Longest::No), "x\xE2\x82\xAC");
    EXPECT_EQ(*with_replaced("a\xC3\xA4", "a", "\xC3\xA4", Replace::All), "\xC3\xA4\xC3\xA4");
}

TEST(Substitution, takes_the_shortest_or_the_longest) {
    EXPECT_EQ(*without_prefix("aXbXc", "*X", Longest::No), "bXc");
    EXPECT_EQ(*without_prefix("aXbXc", "*X", Longest::Yes), "c");
    EXPECT_EQ(*without_suffix("aXbXc", "X*", Longest::No), "aXb");
    EXPECT_EQ(*without_suffix("aXbXc", "X*", Longest::Yes), "a");
    EXPECT_EQ(*without_prefix("abc", "*", Longest::No), "abc");
    EXPECT_EQ(*without_prefix("abc", "*", Longest::Yes), "");
    EXPECT_EQ(*without_prefix("a*c", "a\\*", Longest::No), "c");
    EXPECT_EQ(*with_replaced("abcabc", "b*b", "-", Replace::All), "a-c");
    EXPECT_EQ(*with_replaced("abcabc", "*", "-", Replace::All), "-");
    EXPECT_EQ(*with_replaced("abc", "", "-", Replace::All), "-a-b-c-");
    EXPECT_EQ(*with_replaced("aaa", "a", "b", Replace::First), "baa");
}

TEST(Substitution, takes_time_that_grows_with_the_text_only) {
    const std::string value(substitute_value_max, 'a');
    std::string pattern;
    for (int i = 0; i < 100; ++i) { pattern += "a*"; }
    EXPECT_EQ(*without_prefix(value, pattern + "b", Longest::Yes), value);
    EXPECT_EQ(*with_replaced(value, pattern + "b", "", Replace::All), value);
    EXPECT_FALSE(without_prefix(value + "a", "a", Longest::No));
    EXPECT_FALSE(without_prefix("a", std::string(substitute_pattern_max + 1, 'a'), Longest::No));
}

} // namespace shoal::dockerfile
