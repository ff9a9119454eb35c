#include "image/recipe.h"

#include "archive/tar_writer.h"
#include "os/file.h"

#include <gtest/gtest.h>

namespace shoal::image {
namespace {

struct Recipe : testing::Test {
    os::TempDir dir = std::move(*os::TempDir::create());
    std::string tar;
    archive::TarWriter writer{archive::sink_into(tar)};

    void file(const std::string& name, const std::string& content) {
        archive::Entry entry;
        entry.name = name;
        entry.size = content.size();
        ASSERT_TRUE(writer.file(entry, content));
        const auto slash = name.rfind('/');
        if (slash != std::string::npos) {
            ASSERT_TRUE(os::ensure_directory(dir.path() + "/" + name.substr(0, slash)));
        }
        ASSERT_TRUE(os::write_file_atomic(dir.path() + "/" + name, content));
    }
    static std::string recipe_of(const std::string& tar, std::size_t piece) {
        std::string recipe;
        RecipeWriter writer(archive::sink_into(recipe));
        for (std::size_t at = 0; at < tar.size(); at += piece) {
            EXPECT_TRUE(writer.feed(std::string_view(tar).substr(at, piece)));
        }
        EXPECT_TRUE(writer.finish());
        EXPECT_EQ(writer.tar_bytes(), static_cast<std::int64_t>(tar.size()));
        return recipe;
    }
    Result<std::string> play(const std::string& recipe) const {
        TRY_LET(root, os::open_directory(dir.path()));
        std::string out;
        TRY(write_from_recipe(archive::source_of(recipe), root, archive::sink_into(out)));
        return out;
    }
};

} // namespace

TEST_F(Recipe, makes_the_same_tar_again_whatever_the_pieces) {
    file("a", "x");
    file("d/" + std::string(200, 'n'), std::string(5000, 'y'));
    file("d/block", std::string(512, 'z'));
    file("empty", "");
    archive::Entry link;
    link.name = "link";
    link.type = archive::EntryType::Symlink;
    link.link = std::string(150, 't');
    ASSERT_TRUE(writer.begin(link));
    ASSERT_TRUE(writer.finish());
    for (const std::size_t piece : {1u, 7u, 512u, 1000u, 1u << 20}) {
        const auto played = play(recipe_of(tar, piece));
        ASSERT_TRUE(played) << played.error().message;
        EXPECT_TRUE(*played == tar) << piece;
    }
}

TEST_F(Recipe, does_not_hold_the_content_of_files) {
    file("big", std::string(1 << 20, 'q'));
    ASSERT_TRUE(writer.finish());
    EXPECT_LT(recipe_of(tar, 4096).size(), 16u * 1024);
}

TEST_F(Recipe, keeps_what_is_no_tar) {
    const std::string junk(3000, 'j');
    EXPECT_EQ(*play(recipe_of(junk, 100)), junk);
    EXPECT_EQ(*play(recipe_of("", 1)), "");
    EXPECT_EQ(*play(recipe_of("short", 2)), "short");
}

TEST_F(Recipe, refuses_a_file_that_has_changed_its_size) {
    file("a", "hello");
    ASSERT_TRUE(writer.finish());
    const auto recipe = recipe_of(tar, 4096);
    ASSERT_TRUE(os::write_file_atomic(dir.path() + "/a", "hello!"));
    EXPECT_FALSE(play(recipe));
    ASSERT_TRUE(os::remove_file(dir.path() + "/a"));
    EXPECT_FALSE(play(recipe));
}

TEST_F(Recipe, refuses_a_damaged_recipe) {
    file("a", "hello");
    ASSERT_TRUE(writer.finish());
    const auto recipe = recipe_of(tar, 4096);
    EXPECT_FALSE(play("X" + recipe));
    EXPECT_FALSE(play(recipe.substr(0, recipe.size() - 1)));
    EXPECT_FALSE(play("F" + std::string(16, '\xff')));
}

} // namespace shoal::image
