#include "build/tree.h"

#include "build/copy.h"
#include "os/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace shoal::build {
namespace {

using testing::ElementsAre;

class Trees : public testing::Test {
  protected:
    void SetUp() override {
        auto made = os::TempDir::create();
        ASSERT_TRUE(made.has_value());
        directory_ = std::move(*made);
        for (const char* name : {"/from", "/to"}) {
            ASSERT_TRUE(os::ensure_directory(directory_.path() + name).has_value());
        }
        from_ = std::move(*os::open_directory(directory_.path() + "/from"));
        to_ = std::move(*os::open_directory(directory_.path() + "/to"));
    }
    std::string path(const std::string& name) const { return directory_.path() + "/from/" + name; }
    void write(const std::string& name, std::string_view text) {
        const auto slash = name.rfind('/');
        if (slash != std::string::npos) {
            ASSERT_TRUE(os::ensure_directory(path(name.substr(0, slash))).has_value());
        }
        ASSERT_TRUE(os::write_file_atomic(path(name), text).has_value());
    }
    void link(const std::string& target, const std::string& name) {
        ASSERT_EQ(::symlink(target.c_str(), path(name).c_str()), 0);
    }
    Result<Selection> select(std::vector<std::string> sources, bool parents = false,
                             const dockerfile::PatternList* exclude = nullptr) {
        SelectRequest request;
        request.root = &from_;
        request.sources = std::move(sources);
        request.parents = parents;
        request.exclude = exclude;
        request.cache = &cache_;
        return select_files(request);
    }
    std::vector<std::string> names(std::vector<std::string> sources, bool parents = false) {
        auto selection = select(std::move(sources), parents);
        EXPECT_TRUE(selection.has_value());
        std::vector<std::string> all;
        if (!selection) { return all; }
        for (const auto& item : selection->items) { all.push_back(item.name); }
        return all;
    }
    std::string digest(std::vector<std::string> sources) {
        auto selection = select(std::move(sources));
        EXPECT_TRUE(selection.has_value());
        return selection ? selection->digest.hex() : "";
    }
    Result<std::vector<Deferred>> copy(std::vector<std::string> sources, const std::string& target,
                                       CopyRules rules = {}) {
        auto selection = select(std::move(sources), rules.parents, rules.exclude);
        if (!selection) { return std::move(selection).error(); }
        return copy_selected(from_, selection->items, {&to_, target}, rules);
    }
    std::string copied(const std::string& name) {
        auto text = os::read_file(directory_.path() + "/to/" + name);
        return text ? *text : "(none)";
    }
    struct stat copied_stat(const std::string& name) {
        struct stat status {};
        EXPECT_EQ(::lstat((directory_.path() + "/to/" + name).c_str(), &status), 0) << name;
        return status;
    }
    os::TempDir directory_;
    os::Fd from_, to_;
    HashCache cache_;
};

TEST_F(Trees, a_source_may_be_a_file_a_directory_or_a_pattern) {
    write("a.c", "1");
    write("b.c", "2");
    write("d/e.h", "3");
    EXPECT_THAT(names({"a.c"}), ElementsAre("a.c"));
    EXPECT_THAT(names({"*.c"}), ElementsAre("a.c", "b.c"));
    EXPECT_THAT(names({"d/*.h"}), ElementsAre("e.h"));
    EXPECT_THAT(names({"/d/../a.c"}), ElementsAre("a.c"));
    EXPECT_THAT(names({"*/e.h"}), ElementsAre("e.h"));
}

TEST_F(Trees, sources_with_their_parents_keep_the_way_from_the_mark) {
    write("x/y/z.txt", "1");
    EXPECT_THAT(names({"x/y/z.txt"}, true), ElementsAre("x/y/z.txt"));
    EXPECT_THAT(names({"x/./y/z.txt"}, true), ElementsAre("y/z.txt"));
    EXPECT_THAT(names({"**/*.txt"}, true), ElementsAre("x/y/z.txt"));
}

TEST_F(Trees, what_is_not_there_is_said_with_its_name) {
    EXPECT_EQ(select({"absent"}).error().message, "stat absent: file does not exist");
    EXPECT_EQ(select({"*.none"}).error().message, "no source files were specified");
    EXPECT_EQ(select({"absent"}).error().code, Errc::NotFound);
}

TEST_F(Trees, links_lead_nowhere_out_of_the_tree) {
    link("/etc/passwd", "host");
    link("../../../../etc/passwd", "up");
    EXPECT_FALSE(select({"host"}).has_value());
    EXPECT_FALSE(select({"up"}).has_value());
    write("etc/passwd", "mine");
    ASSERT_TRUE(copy({"host"}, "/out").has_value());
    EXPECT_EQ(copied("out"), "mine");
}

TEST_F(Trees, the_digest_follows_content_mode_and_names_but_not_time) {
    write("d/f", "one");
    const std::string before = digest({"d"});
    const timespec times[2] = {{1, 0}, {1, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path("d/f").c_str(), times, 0), 0);
    EXPECT_EQ(digest({"d"}), before);
    ASSERT_EQ(::chmod(path("d/f").c_str(), 0755), 0);
    const std::string executable = digest({"d"});
    EXPECT_NE(executable, before);
    write("d/f", "two");
    EXPECT_NE(digest({"d"}), executable);
    const std::string one_file = digest({"d"});
    write("d/g", "");
    EXPECT_NE(digest({"d"}), one_file);
}

TEST_F(Trees, a_digest_is_not_mistaken_when_a_file_is_replaced_by_one_of_the_same_size_and_time) {
    const timespec times[2] = {{1, 0}, {1, 0}};
    write("f", "aaaa");
    ASSERT_EQ(::utimensat(AT_FDCWD, path("f").c_str(), times, 0), 0);
    const std::string before = digest({"f"});
    write("f", "bbbb");
    ASSERT_EQ(::utimensat(AT_FDCWD, path("f").c_str(), times, 0), 0);
    EXPECT_NE(digest({"f"}), before);
}

TEST_F(Trees, a_link_to_a_file_does_not_make_it_another) {
    write("f", "text");
    (void)digest({"f"});
    const std::string before = digest({"f"});
    ASSERT_EQ(::link(path("f").c_str(), (directory_.path() + "/to/f").c_str()), 0);
    EXPECT_EQ(digest({"f"}), before);
}

TEST_F(Trees, excluded_files_are_neither_digested_nor_copied) {
    write("d/keep", "1");
    write("d/drop.md", "2");
    const auto exclude = dockerfile::PatternList::create({"*.md"});
    ASSERT_TRUE(exclude.has_value());
    auto first = select({"d"}, false, &*exclude);
    write("d/drop.md", "3");
    auto second = select({"d"}, false, &*exclude);
    EXPECT_EQ(first->digest, second->digest);
    CopyRules rules;
    rules.exclude = &*exclude;
    ASSERT_TRUE(copy({"d"}, "/t", rules).has_value());
    EXPECT_EQ(copied("t/keep"), "1");
    EXPECT_EQ(copied("t/drop.md"), "(none)");
}

TEST_F(Trees, a_directory_gives_its_content_and_a_file_goes_where_the_slash_says) {
    write("d/f", "1");
    ASSERT_TRUE(copy({"d"}, "/x").has_value());
    EXPECT_EQ(copied("x/f"), "1");
    ASSERT_TRUE(copy({"d/f"}, "/y/").has_value());
    EXPECT_EQ(copied("y/f"), "1");
    ASSERT_TRUE(copy({"d/f"}, "/z").has_value());
    EXPECT_EQ(copied("z"), "1");
    ASSERT_TRUE(copy({"d/f"}, "/x").has_value()); // x is a directory
    EXPECT_EQ(copied("x/f"), "1");
}

TEST_F(Trees, copies_have_the_owner_mode_and_time_that_are_asked_for) {
    write("f", "1");
    const timespec times[2] = {{5, 0}, {5, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path("f").c_str(), times, 0), 0);
    CopyRules rules;
    rules.owner = Owner{7, 8};
    rules.mode = *ModeChange::parse("u=rx,go=");
    ASSERT_TRUE(copy({"f"}, "/new/f", rules).has_value());
    const auto status = copied_stat("new/f");
    EXPECT_EQ(status.st_uid, 7u);
    EXPECT_EQ(status.st_gid, 8u);
    EXPECT_EQ(status.st_mode & 07777, 0500u);
    EXPECT_EQ(status.st_mtim.tv_sec, 5);
    EXPECT_EQ(copied_stat("new").st_uid, 7u);
}

TEST_F(Trees, a_destination_through_a_link_stays_in_the_root) {
    write("f", "1");
    ASSERT_EQ(::symlink("/usr/lib", (directory_.path() + "/to/lib").c_str()), 0);
    ASSERT_TRUE(os::ensure_directory(directory_.path() + "/to/usr/lib").has_value());
    ASSERT_TRUE(copy({"f"}, "/lib/").has_value());
    EXPECT_EQ(copied("usr/lib/f"), "1");
    ASSERT_EQ(::symlink("../../../../../tmp", (directory_.path() + "/to/out").c_str()), 0);
    ASSERT_TRUE(os::ensure_directory(directory_.path() + "/to/tmp").has_value());
    ASSERT_TRUE(copy({"f"}, "/out/").has_value());
    EXPECT_EQ(copied("tmp/f"), "1");
}

TEST_F(Trees, a_file_does_not_replace_a_directory) {
    write("d/x", "1");
    ASSERT_TRUE(os::ensure_directory(directory_.path() + "/to/t/x").has_value());
    const auto done = copy({"d"}, "/t");
    ASSERT_FALSE(done.has_value());
    EXPECT_NE(done.error().message.find("/t/x is a directory"), std::string::npos);
}

TEST_F(Trees, device_nodes_of_a_context_are_refused) {
    if (::mknod(path("dev").c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) { GTEST_SKIP(); }
    EXPECT_FALSE(copy({"dev"}, "/").has_value());
    CopyRules rules;
    rules.devices = true;
    EXPECT_TRUE(copy({"dev"}, "/", rules).has_value());
}

TEST_F(Trees, large_files_become_links_and_keep_their_content_when_the_source_is_replaced) {
    const std::string text(100'000, 'x');
    write("big", text);
    write("small", "s");
    CopyRules rules;
    rules.defer_from_bytes = 64 * 1024;
    const auto deferred = copy({"big", "small"}, "/t/", rules);
    ASSERT_TRUE(deferred.has_value());
    ASSERT_EQ(deferred->size(), 1u);
    ASSERT_TRUE(link_deferred(from_, to_, *deferred).has_value());
    EXPECT_EQ(copied("t/big"), text);
    EXPECT_EQ(copied_stat("t/big").st_nlink, 2u);
    write("big", "other");
    EXPECT_EQ(copied("t/big"), text);
}

TEST_F(Trees, a_later_source_of_the_same_name_wins_over_a_link_that_was_to_come) {
    write("base/x", std::string(100'000, 'b'));
    write("over/x", "small");
    CopyRules rules;
    rules.defer_from_bytes = 64 * 1024;
    const auto deferred = copy({"base", "over"}, "/t/", rules);
    ASSERT_TRUE(deferred.has_value());
    ASSERT_TRUE(link_deferred(from_, to_, *deferred).has_value());
    EXPECT_EQ(copied("t/x"), "small");
    const std::vector<Deferred> stale{{"base/x", "t/x"}}; // as when another source wrote over it
    ASSERT_TRUE(link_deferred(from_, to_, stale).has_value());
    EXPECT_EQ(copied("t/x"), "small");
}

TEST_F(Trees, nested_beyond_the_limit_are_refused_and_do_not_end_the_program) {
    std::string deep = "d";
    for (int i = 0; i < 200; ++i) { deep += "/d"; }
    ASSERT_TRUE(os::ensure_directory(path(deep)).has_value());
    const auto done = select({"d"});
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code, Errc::Exhausted);
}

TEST_F(Trees, what_is_ignored_goes_and_what_comes_back_stays) {
    write("a/x", "1");
    write("a/y", "2");
    write("b/z", "3");
    write("c", "4");
    const auto ignored = dockerfile::PatternList::create({"a", "!a/y", "c"});
    ASSERT_TRUE(ignored.has_value());
    ASSERT_TRUE(remove_ignored(from_, *ignored).has_value());
    EXPECT_FALSE(os::exists(path("a/x")));
    EXPECT_TRUE(os::exists(path("a/y")));
    EXPECT_TRUE(os::exists(path("b/z")));
    EXPECT_FALSE(os::exists(path("c")));
}

} // namespace
} // namespace shoal::build
