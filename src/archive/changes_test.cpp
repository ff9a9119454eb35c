#include "archive/changes.h"

#include "archive/test_tools.h"

using namespace shoal;
using namespace shoal::archive;
using namespace shoal::archive::test;

namespace {

std::vector<std::string> changes(const Tree& upper, std::initializer_list<const Tree*> lowers) {
    std::vector<os::Fd> fds;
    for (const Tree* lower : lowers) { fds.push_back(*lower->root().duplicate()); }
    const auto list = list_changes(upper.root(), fds);
    EXPECT_TRUE(list);
    std::vector<std::string> lines;
    for (const auto& change : *list) {
        lines.push_back(std::string(1, "CAD"[static_cast<int>(change.kind)]) + " " + change.path);
    }
    return lines;
}

using Lines = std::vector<std::string>;

} // namespace

TEST(Changes, tells_added_modified_and_deleted) {
    Tree lower;
    Tree upper;
    ASSERT_TRUE(
        lower.extract({directory("etc"), file("etc/passwd"), file("etc/old"), directory("tmp")}));
    ASSERT_TRUE(upper.extract(
        {directory("etc"), file("etc/passwd", "x"), file("etc/.wh.old"), file("new/file")}));
    EXPECT_EQ(changes(upper, {&lower}),
              (Lines{"C /etc", "D /etc/old", "C /etc/passwd", "A /new", "A /new/file"}));
}

TEST(Changes, counts_the_directories_on_the_way_as_changed) {
    Tree lower;
    Tree upper;
    ASSERT_TRUE(lower.extract({directory("a"), directory("a/b"), file("a/b/f")}));
    ASSERT_TRUE(upper.extract({directory("a"), directory("a/b"), file("a/b/f", "changed")}));
    EXPECT_EQ(changes(upper, {&lower}), (Lines{"C /a", "C /a/b", "C /a/b/f"}));
    ASSERT_TRUE(upper.extract({file("a/b/g"), directory("a"), directory("a/b")}));
    EXPECT_EQ(changes(upper, {&lower}), (Lines{"C /a", "C /a/b", "C /a/b/f", "A /a/b/g"}));
}

TEST(Changes, sees_through_several_layers) {
    Tree bottom;
    Tree top;
    Tree upper;
    ASSERT_TRUE(bottom.extract({file("x"), file("hidden"), directory("d"), file("d/below")}));
    ASSERT_TRUE(top.extract({file(".wh.hidden"), directory("d"), file("d/.wh..wh..opq")}));
    ASSERT_TRUE(upper.extract({file("x"), file("hidden"), directory("d"), file("d/below")}));
    EXPECT_EQ(changes(upper, {&top, &bottom}), (Lines{"C /d", "A /d/below", "A /hidden", "C /x"}));
}

TEST(Changes, lists_what_a_recreated_directory_has_lost) {
    Tree lower;
    Tree upper;
    ASSERT_TRUE(lower.extract(
        {directory("d"), file("d/kept"), file("d/lost"), directory("d/sub"), file("d/sub/x")}));
    ASSERT_TRUE(upper.extract(
        {directory("d"), file("d/.wh..wh..opq"), file("d/kept", "1"), file("d/new")}));
    EXPECT_EQ(changes(upper, {&lower}),
              (Lines{"C /d", "C /d/kept", "D /d/lost", "A /d/new", "D /d/sub"}));
}

TEST(Changes, is_empty_for_a_fresh_container) {
    Tree lower;
    Tree upper;
    ASSERT_TRUE(lower.extract({file("x")}));
    EXPECT_EQ(changes(upper, {&lower}), Lines{});
}

TEST(TreeSize, counts_hard_links_once) {
    Tree tree;
    ASSERT_TRUE(tree.extract(
        {file("d/a", std::string(1000, 'x')), hard_link("d/b", "d/a"), file("c", "12345")}));
    EXPECT_EQ(*tree_size(tree.root()), 1005u);
}
