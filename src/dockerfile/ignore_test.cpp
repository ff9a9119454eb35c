#include "dockerfile/ignore.h"

#include <gtest/gtest.h>

namespace shoal::dockerfile {
namespace {

using Words = std::vector<std::string>;

bool ignored(const Words& patterns, const std::string& path) {
    const auto list = PatternList::create(patterns);
    EXPECT_TRUE(list) << list.error().message;
    return list && list->matches(path);
}

bool glob(const std::string& pattern, const std::string& path) {
    const auto matched = match_path(pattern, path);
    EXPECT_TRUE(matched) << matched.error().message;
    return matched && *matched;
}

} // namespace

TEST(IgnoreFile, is_read_line_by_line) {
    EXPECT_EQ(
        *parse_ignore_file("\xEF\xBB\xBF# all\n\n  a/  \r\n/b//c/./d\n!/e\n! f\n #not\n/\n..//x"),
        (Words{"a", "b/c/d", "!e", "!f", "#not", "/", "../x"}));
    EXPECT_TRUE(parse_ignore_file("")->empty());
    std::string many;
    for (std::size_t i = 0; i <= ignore_patterns_max; ++i) { many += "a\n"; }
    EXPECT_EQ(parse_ignore_file(many).error().message, "more than 10000 patterns in .dockerignore");
}

TEST(PathMatch, is_that_of_Go) {
    EXPECT_TRUE(glob("*.c", "a.c"));
    EXPECT_FALSE(glob("*.c", "d/a.c"));
    EXPECT_TRUE(glob("a?c", "abc"));
    EXPECT_FALSE(glob("a?c", "a/c"));
    EXPECT_TRUE(glob("a?c", "a\xC3\xA4"
                            "c"));
    EXPECT_TRUE(glob("[a-c]x", "bx"));
    EXPECT_FALSE(glob("[^a-c]x", "bx"));
    EXPECT_TRUE(glob("[\\-x]", "-"));
    EXPECT_TRUE(glob("\\*", "*"));
    EXPECT_FALSE(glob("\\*", "a"));
    EXPECT_TRUE(glob("**", "a"));
    EXPECT_FALSE(glob("**", "a/b"));
    EXPECT_TRUE(glob("a*b*c", "axxbyyc"));
    EXPECT_TRUE(glob("", ""));
    EXPECT_TRUE(glob("*", ""));
}

TEST(PathMatch, refuses_bad_patterns) {
    for (const char* bad :
         {"[", "[a", "[]a]", "[^", "[a-", "[a-]", "[-a]", "a\\", "[\\", "x[a-z"}) {
        const auto matched = match_path(bad, "x");
        ASSERT_FALSE(matched) << bad;
        EXPECT_EQ(matched.error().code, Errc::Invalid);
        EXPECT_TRUE(matched.error().message.starts_with("syntax error in pattern ")) << bad;
    }
}

TEST(PatternList, matches_paths_and_what_lies_beneath_them) {
    EXPECT_TRUE(ignored({"a"}, "a"));
    EXPECT_TRUE(ignored({"a"}, "a/b/c"));
    EXPECT_FALSE(ignored({"a"}, "ab"));
    EXPECT_FALSE(ignored({"a"}, "b/a"));
    EXPECT_TRUE(ignored({"*.log"}, "x.log"));
    EXPECT_FALSE(ignored({"*.log"}, "d/x.log"));
    EXPECT_TRUE(ignored({"*"}, "d/x.log"));
    EXPECT_TRUE(ignored({"/a/b/"}, "a/b/c"));
    EXPECT_TRUE(ignored({"a/*/c"}, "a/b/c/d"));
    EXPECT_FALSE(ignored({"."}, "a"));
    EXPECT_FALSE(ignored({"*"}, "."));
    EXPECT_FALSE(ignored({}, "a"));
}

TEST(PatternList, lets_double_stars_cross_directories) {
    EXPECT_TRUE(ignored({"**"}, "a/b"));
    EXPECT_TRUE(ignored({"**/x"}, "x"));
    EXPECT_TRUE(ignored({"**/x"}, "a/b/x"));
    EXPECT_FALSE(ignored({"**/x"}, "a/bx"));
    EXPECT_TRUE(ignored({"**/*.go"}, "a/b/c.go"));
    EXPECT_TRUE(ignored({"**/*.go"}, "c.go"));
    EXPECT_TRUE(ignored({"a/**/z"}, "a/z"));
    EXPECT_TRUE(ignored({"a/**/z"}, "a/b/c/z"));
    EXPECT_FALSE(ignored({"a/**/z"}, "ab/z"));
    EXPECT_TRUE(ignored({"a/**"}, "a/b"));
    EXPECT_FALSE(ignored({"a/**"}, "a"));
    EXPECT_TRUE(ignored({"**/node_modules"}, "web/node_modules/x/y.js"));
    EXPECT_TRUE(ignored({"**x"}, "a/bx"));
    EXPECT_FALSE(ignored({"**[x]"}, "a/bx"));
    EXPECT_TRUE(ignored({"a**/b"}, "ac/d/b") == ignored({"a**b"}, "ac/d/b"));
}

TEST(PatternList, lets_the_last_match_decide) {
    const Words readme{"*.md", "!README.md"};
    EXPECT_TRUE(ignored(readme, "x.md"));
    EXPECT_FALSE(ignored(readme, "README.md"));
    EXPECT_TRUE(ignored({"!README.md", "*.md"}, "README.md"));
    EXPECT_FALSE(ignored({"*", "!src"}, "src/a/b.c"));
    EXPECT_TRUE(ignored({"*", "!src", "src/a"}, "src/a/b.c"));
    EXPECT_FALSE(ignored({"*", "!**/keep"}, "a/b/keep"));
    EXPECT_TRUE(ignored({"*", "!**/keep"}, "a/b/kept"));
}

TEST(PatternList, knows_where_it_has_to_look_again) {
    const auto reenters = [](const Words& patterns, const std::string& directory) {
        return PatternList::create(patterns)->may_reenter(directory);
    };
    EXPECT_TRUE(reenters({"*", "!a/b/c"}, "a"));
    EXPECT_TRUE(reenters({"*", "!a/b/c"}, "a/b"));
    EXPECT_FALSE(reenters({"*", "!a/b/c"}, "a/x"));
    EXPECT_FALSE(reenters({"*", "!a/b/c"}, "ab"));
    EXPECT_TRUE(reenters({"*", "!**/keep"}, "x/y"));
    EXPECT_TRUE(reenters({"*", "!a/*.c"}, "a"));
    EXPECT_FALSE(reenters({"*", "!*.c"}, "a"));
    EXPECT_FALSE(reenters({"*"}, "a"));
}

TEST(PatternList, refuses_bad_patterns_by_name) {
    EXPECT_EQ(PatternList::create({"a", "[b"}).error().message, "syntax error in pattern \"[b\"");
    EXPECT_EQ(PatternList::create({"!"}).error().message, "illegal exclusion pattern: \"!\"");
    EXPECT_TRUE(PatternList::create({"", "  "})->empty());
}

TEST(PatternList, cannot_be_made_slow) {
    std::string pattern;
    for (int i = 0; i < 200; ++i) { pattern += "a*"; }
    const std::string path(4000, 'a');
    EXPECT_FALSE(glob(pattern + "b", path));
    std::string deep;
    for (int i = 0; i < 200; ++i) { deep += "**/a*"; }
    EXPECT_FALSE(ignored({deep + "/b"}, path));
}

} // namespace shoal::dockerfile
