#include "archive/path_in_root.h"

#include "archive/test_tools.h"
#include "base/text.h"

using namespace shoal;
using namespace shoal::archive;
using namespace shoal::archive::test;

namespace {

class PathInRoot : public testing::TestWithParam<Walk> {
  protected:
    PathInRoot() {
        EXPECT_TRUE(tree.extract(
            {directory("a"), file("a/file", "inside"), soft_link("abs", "/a"),
             soft_link("up", "../../../a/file"), soft_link("out", tree.outside("secret")),
             soft_link("loop", "loop"), soft_link("dangling", "nowhere"), file("secret", "mine")}));
    }
    std::string read(std::string_view path, Follow follow = Follow::All) const {
        auto found = open_in_root(tree.root(), path, follow, GetParam());
        if (!found) { return std::string(shoal::name_of(found.error().code)); }
        struct stat status {};
        (void)::fstat(found->raw(), &status);
        if (S_ISLNK(status.st_mode)) { return "link"; }
        if (S_ISDIR(status.st_mode)) { return "directory"; }
        auto file = reopen(*found, O_RDONLY);
        return file ? os::read_all(*file).value_or("?") : "?";
    }
    Tree tree;
};

std::string missing() { return std::string(shoal::name_of(Errc::NotFound)); }
std::string wrong() { return std::string(shoal::name_of(Errc::Invalid)); }

} // namespace

INSTANTIATE_TEST_SUITE_P(WithAndWithoutOpenat2, PathInRoot,
                         testing::Values(Walk::Kernel, Walk::Steps));

TEST_P(PathInRoot, resolves_as_if_in_a_chroot) {
    EXPECT_EQ(read("a/file"), "inside");
    EXPECT_EQ(read("/a/file"), "inside");
    EXPECT_EQ(read("abs/file"), "inside");
    EXPECT_EQ(read("../../abs/../abs/file"), "inside");
    EXPECT_EQ(read("up"), "inside");
    EXPECT_EQ(read("/"), "directory");
    EXPECT_EQ(read(""), "directory");
    EXPECT_EQ(read("abs", Follow::NotLast), "link");
    EXPECT_EQ(read("abs/", Follow::NotLast), "directory");
}

TEST_P(PathInRoot, never_leaves_the_root) {
    EXPECT_EQ(read("out"), missing());
    EXPECT_EQ(read("../outside/secret"), missing());
    EXPECT_EQ(read("../secret"), "mine");
}

TEST_P(PathInRoot, says_what_is_wrong_with_a_path) {
    EXPECT_EQ(read("loop"), wrong());
    EXPECT_EQ(read("dangling"), missing());
    EXPECT_EQ(read("a/file/x"), wrong());
    EXPECT_EQ(read("a/file/"), wrong());
    EXPECT_EQ(read(std::string("a\0b", 3)), wrong());
}

TEST(ResolveInRoot, gives_the_place_where_a_path_ends_up) {
    Tree tree;
    ASSERT_TRUE(tree.extract({directory("real/deep"), soft_link("a", "/real"),
                              soft_link("b", "a/deep/.."), file("real/f")}));
    EXPECT_EQ(*resolve_in_root(tree.root(), "/b/f"), "/real/f");
    EXPECT_EQ(*resolve_in_root(tree.root(), "a/deep"), "/real/deep");
    EXPECT_EQ(*resolve_in_root(tree.root(), "/"), "/");
    EXPECT_FALSE(resolve_in_root(tree.root(), "/none"));
}

TEST(ReadInRoot, reads_only_regular_files_of_bearable_size) {
    Tree tree;
    ASSERT_TRUE(tree.extract({file("f", "12345"), of_type(EntryType::Fifo, "p")}));
    EXPECT_EQ(*read_in_root(tree.root(), "/f", 5), "12345");
    EXPECT_EQ(read_in_root(tree.root(), "/f", 4).error().code, Errc::Exhausted);
    EXPECT_EQ(read_in_root(tree.root(), "/p", 4).error().code, Errc::Invalid);
}

TEST(GoFileMode, has_gos_bits) {
    EXPECT_EQ(go_file_mode(S_IFREG | 0644), 0644u);
    EXPECT_EQ(go_file_mode(S_IFDIR | 01777), 0x80000000u | 0x100000u | 0777u);
    EXPECT_EQ(go_file_mode(S_IFLNK | 0777), 134218239u);
    EXPECT_EQ(go_file_mode(S_IFCHR | 0666), 0x4000000u | 0x200000u | 0666u);
    EXPECT_EQ(go_file_mode(S_IFREG | 06755), 0x800000u | 0x400000u | 0755u);
    for (const std::uint32_t mode : {S_IFDIR | 0755u, S_IFLNK | 0777u, S_IFIFO | 0600u,
                                     S_IFBLK | 0660u, S_IFSOCK | 0700u, S_IFREG | 07777u}) {
        EXPECT_EQ(posix_file_mode(go_file_mode(mode)), mode);
    }
}

TEST(ArchivePath, splits_off_the_last_component) {
    const auto text = [](std::string_view requested) {
        const auto path = parse_archive_path(requested);
        return path.full + "|" + path.directory + "|" + path.last + "|" + path.name;
    };
    EXPECT_EQ(text("/a/b"), "/a/b|/a|b|b");
    EXPECT_EQ(text("a"), "/a|/|a|a");
    EXPECT_EQ(text("/a/b/"), "/a/b/|/a/b||b");
    EXPECT_EQ(text("/a/b/."), "/a/b/.|/a/b|.|.");
    EXPECT_EQ(text("/"), "/|/||/");
    EXPECT_EQ(text("/."), "/.|/|.|.");
    EXPECT_EQ(text("."), "/.|/|.|.");
    EXPECT_EQ(text("../../a//./b"), "/a/b|/a|b|b");
}

TEST(StatForArchive, describes_links_without_following_them) {
    Tree tree;
    ASSERT_TRUE(tree.extract({directory("d"), file("d/f", "12345", 0640), soft_link("l", "d/f"),
                              soft_link("far", "/no/where"), soft_link("dl", "d")}));
    const auto file_stat = stat_for_archive(tree.root(), "/d/f");
    ASSERT_TRUE(file_stat);
    EXPECT_EQ(file_stat->name, "f");
    EXPECT_EQ(file_stat->size, 5);
    EXPECT_EQ(file_stat->mode, 0640u);
    EXPECT_EQ(file_stat->link_target, "");
    const auto link = stat_for_archive(tree.root(), "/l");
    EXPECT_EQ(link->mode, 134218239u);
    EXPECT_EQ(link->link_target, "/d/f");
    EXPECT_EQ(stat_for_archive(tree.root(), "/far")->link_target, "/no/where");
    EXPECT_EQ(stat_for_archive(tree.root(), "/dl/")->mode, 0x80000000u | 0755u);
    EXPECT_EQ(stat_for_archive(tree.root(), "/dl/.")->name, ".");
    EXPECT_EQ(stat_for_archive(tree.root(), "/none").error().code, Errc::NotFound);
    EXPECT_EQ(stat_for_archive(tree.root(), "/d/f/").error().code, Errc::Invalid);
}

TEST(PathStatHeader, is_base64_of_json) {
    const PathStat stat{"f", 5, 0644, from_unix_nanos(1'000'000'000'000'000'000), ""};
    EXPECT_EQ(*decode_base64(path_stat_header(stat)),
              R"({"name":"f","size":5,"mode":420,"mtime":"2001-09-09T01:46:40Z","linkTarget":""})");
    const auto back = parse_path_stat_header(path_stat_header(stat));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->name, "f");
    EXPECT_EQ(back->mtime, stat.mtime);
    EXPECT_FALSE(parse_path_stat_header("!"));
}
