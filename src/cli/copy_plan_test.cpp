#include "cli/copy_plan.h"

#include "archive/tar_reader.h"
#include "archive/tar_writer.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

TEST(CopyPlan, a_container_is_in_front_of_a_colon) {
    EXPECT_EQ(parse_copy_argument("web:/x:y").container, "web");
    EXPECT_EQ(parse_copy_argument("web:/x:y").path, "/x:y");
    for (const char* here : {"./a:b", "/a:b", "../a:b", "plain", ":x", "-"}) {
        EXPECT_EQ(parse_copy_argument(here).container, "") << here;
    }
}

TEST(CopyPlan, paths_are_cleaned_as_text) {
    EXPECT_EQ(clean_path("/a//b/./../c/"), "/a/c");
    EXPECT_EQ(clean_path("../x"), "../x");
    EXPECT_EQ(clean_path("/.."), "/");
    EXPECT_EQ(clean_path("a/.."), ".");
}

TEST(CopyPlan, paths_of_this_machine_are_made_absolute) {
    EXPECT_EQ(absolute_path("d/..", "/w"), "/w");
    EXPECT_EQ(absolute_path("d/", "/w"), "/w/d/");
    EXPECT_EQ(absolute_path(".", "/w"), "/w/.");
    EXPECT_EQ(absolute_path("/x/.", "/w"), "/x/.");
    EXPECT_EQ(absolute_path("/", "/w"), "/");
}

TEST(CopyPlan, paths_are_taken_apart) {
    const auto shown = [](std::string_view path) {
        const auto parts = split_path(path);
        return parts.directory + " " + parts.base;
    };
    EXPECT_EQ(shown("/a/b"), "/a b");
    EXPECT_EQ(shown("/a/b/"), "/a b");
    EXPECT_EQ(shown("/a/b/."), "/a/b .");
    EXPECT_EQ(shown("/a"), "/ a");
    EXPECT_EQ(shown("a"), ". a");
    EXPECT_EQ(shown("/"), "/ /");
    EXPECT_EQ(shown("."), ". .");
}

std::string plan(const CopySource& source, const CopyTarget& target) {
    auto made = plan_copy(source, target);
    return made ? made->directory + ": " + made->from + " -> " + made->to
                : "error: " + made.error().message;
}

TEST(CopyPlan, into_a_directory_that_exists_under_its_own_name) {
    EXPECT_EQ(plan({"/s/f"}, {"/t", true, true}), "/t: f -> f");
    EXPECT_EQ(plan({"/s/d", true}, {"/t/", true, true}), "/t: d -> d");
    EXPECT_EQ(plan({"/s/d/.", true}, {"/t", true, true}), "/t: . -> .");
    EXPECT_EQ(plan({"/s/target", false, "link"}, {"/t", true, true}), "/t: target -> link");
}

TEST(CopyPlan, onto_a_file_or_a_new_name_it_is_renamed) {
    EXPECT_EQ(plan({"/s/f"}, {"/t/g", true, false}), "/t: f -> g");
    EXPECT_EQ(plan({"/s/f"}, {"/t/new"}), "/t: f -> new");
    EXPECT_EQ(plan({"/s/d", true}, {"/t/new"}), "/t: d -> new");
    EXPECT_EQ(plan({"/s/d/.", true}, {"/t/new/"}), "/t: . -> new");
}

TEST(CopyPlan, what_cannot_be_is_refused) {
    EXPECT_EQ(plan({"/s/d", true}, {"/t/g", true, false}), "error: cannot copy directory");
    EXPECT_EQ(plan({"/s/f"}, {"/t/new/"}), "error: no such directory");
    EXPECT_EQ(plan({"/s/f"}, {""}), "error: no such directory");
    EXPECT_EQ(plan({"/s/f"}, {"/t/g/", true, false}), "error: not a directory");
}

TEST(CopyPlan, entries_are_renamed_at_the_top_alone) {
    EXPECT_EQ(renamed_entry("x/x/a", "x", "y"), "y/x/a");
    EXPECT_EQ(renamed_entry("x", "x", "y"), "y");
    EXPECT_EQ(renamed_entry("x/", "x", "y"), "y/");
    EXPECT_EQ(renamed_entry("xx/a", "x", "y"), "xx/a");
    EXPECT_EQ(renamed_entry("./a", ".", "y"), "y/a");
    EXPECT_EQ(renamed_entry("./", ".", "y"), "y/");
    EXPECT_EQ(renamed_entry("/bin/sh", "/", "root"), "root/bin/sh");
}

TEST(CopyPlan, an_archive_is_renamed_as_it_passes) {
    std::string tar;
    archive::TarWriter writer(archive::sink_into(tar));
    archive::Entry folder{.name = "x/", .type = archive::EntryType::Directory, .mode = 0755};
    ASSERT_TRUE(writer.begin(folder));
    ASSERT_TRUE(writer.file({.name = "x/big"}, std::string(300'000, 'b')));
    ASSERT_TRUE(
        writer.begin({.name = "x/hard", .type = archive::EntryType::HardLink, .link = "x/big"}));
    ASSERT_TRUE(
        writer.begin({.name = "x/soft", .type = archive::EntryType::Symlink, .link = "x/big"}));
    ASSERT_TRUE(writer.finish());

    auto reader = archive::TarReader::open(
        renamed_archive(archive::source_of(std::string_view(tar)), "x", "y"));
    ASSERT_TRUE(reader) << reader.error().message;
    std::string seen;
    while (true) {
        auto entry = reader->next();
        ASSERT_TRUE(entry) << entry.error().message;
        if (!*entry) { break; }
        std::string data;
        if ((*entry)->type == archive::EntryType::File) {
            ASSERT_TRUE(archive::copy(reader->data(), archive::sink_into(data)));
        }
        seen += (*entry)->name + "(" + (*entry)->link + ")" + std::to_string(data.size()) + " ";
    }
    EXPECT_EQ(seen, "y/()0 y/big()300000 y/hard(y/big)0 y/soft(x/big)0 ");
}

} // namespace
} // namespace shoal::cli
