#include "cli/build_context.h"

#include "archive/tar_writer.h"
#include "os/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include <unistd.h>

namespace shoal::cli {
namespace {

using testing::HasSubstr;

class Folder {
  public:
    Folder() : dir_(std::move(*os::TempDir::create())) {
        // Names are told with every link followed.
        char* real = ::realpath(dir_.path().c_str(), nullptr);
        path = real;
        std::free(real);
    }
    std::string put(const std::string& name, std::string_view text = "FROM scratch\n") const {
        const std::string file = path + "/" + name;
        EXPECT_TRUE(os::ensure_directory(file.substr(0, file.rfind('/'))));
        EXPECT_TRUE(os::write_file_atomic(file, text));
        return file;
    }
    std::string path;

  private:
    os::TempDir dir_;
};

std::string failure(const std::string& context, const std::string& file = "") {
    const auto chosen = choose_context(context, file);
    return chosen ? "none" : chosen.error().message;
}

TEST(BuildContext, a_directory_with_its_dockerfile) {
    const Folder folder;
    folder.put("Dockerfile");
    const auto context = choose_context(folder.path + "/./", "");
    ASSERT_TRUE(context) << context.error().message;
    EXPECT_EQ(context->kind, BuildContext::Kind::Directory);
    EXPECT_EQ(context->place, folder.path);
    EXPECT_EQ(context->dockerfile, "Dockerfile");
    EXPECT_FALSE(context->outside);
}

TEST(BuildContext, the_dockerfile_may_be_written_small) {
    const Folder folder;
    folder.put("dockerfile");
    EXPECT_EQ(choose_context(folder.path, "")->dockerfile, "dockerfile");
}

TEST(BuildContext, another_dockerfile_within) {
    const Folder folder;
    const auto file = folder.put("sub/My.file");
    EXPECT_EQ(choose_context(folder.path, file)->dockerfile, "sub/My.file");
    ASSERT_EQ(::symlink("My.file", (folder.path + "/sub/link").c_str()), 0);
    EXPECT_EQ(choose_context(folder.path, folder.path + "/sub/link")->dockerfile, "sub/My.file");
}

TEST(BuildContext, a_dockerfile_outside_is_read) {
    const Folder folder, other;
    const auto file = other.put("D", "FROM x\n");
    const auto context = choose_context(folder.path, file);
    ASSERT_TRUE(context) << context.error().message;
    EXPECT_EQ(context->outside, "FROM x\n");
    EXPECT_EQ(context->outside_path, file);
    EXPECT_EQ(context->dockerfile, "");
    // A brother whose name begins the same is outside, too.
    const Folder both;
    const auto near = both.put("ctx2/D");
    ASSERT_TRUE(os::ensure_directory(both.path + "/ctx"));
    EXPECT_TRUE(choose_context(both.path + "/ctx", near)->outside);
}

TEST(BuildContext, a_usual_dockerfile_may_not_lead_out) {
    const Folder folder, other;
    const auto file = other.put("secret");
    ASSERT_EQ(::symlink(file.c_str(), (folder.path + "/Dockerfile").c_str()), 0);
    EXPECT_THAT(failure(folder.path), HasSubstr("leads out of the context"));
    EXPECT_TRUE(choose_context(folder.path, folder.path + "/Dockerfile")->outside);
}

TEST(BuildContext, says_what_is_not_there) {
    const Folder folder;
    EXPECT_EQ(failure(folder.path + "/no"),
              "unable to prepare context: path \"" + folder.path + "/no\" not found");
    EXPECT_EQ(failure(folder.path),
              "unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat " +
                  folder.path + "/Dockerfile: no such file or directory");
    EXPECT_THAT(failure(folder.path, folder.path + "/a/b"),
                HasSubstr("lstat " + folder.path + "/a: no such file or directory"));
    const auto file = folder.put("file");
    EXPECT_EQ(failure(file), "unable to prepare context: context must be a directory: " + file);
    EXPECT_THAT(failure("-", "-"), HasSubstr("can't use stdin for both"));
}

TEST(BuildContext, addresses_are_the_daemons_business) {
    for (const char* git : {"https://h/x.git", "http://h/x.git#b:d", "git://h/x", "git@h:x",
                            "github.com/a/b", "ssh://git@h/x"}) {
        EXPECT_TRUE(is_git_address(git)) << git;
    }
    for (const char* other : {"https://h/x.tar", "x.git", "./git@h", "http://h/x.gitx"}) {
        EXPECT_FALSE(is_git_address(other)) << other;
    }
    EXPECT_TRUE(is_address("https://h/x.tar"));
    const auto context = choose_context("https://h/x.tar", "sub/D");
    EXPECT_EQ(context->kind, BuildContext::Kind::Remote);
    EXPECT_EQ(context->place, "https://h/x.tar");
    EXPECT_EQ(context->dockerfile, "sub/D");
    EXPECT_FALSE(choose_context("https://h/x.tar", "-"));
}

TEST(BuildContext, standard_input_is_told_by_its_head) {
    std::string tar;
    archive::TarWriter writer(archive::sink_into(tar));
    archive::Entry entry;
    entry.name = "Dockerfile";
    ASSERT_TRUE(writer.file(entry, ""));
    EXPECT_TRUE(is_archive(tar));
    EXPECT_TRUE(is_archive("\x1f\x8b\x08 and more"));
    EXPECT_TRUE(is_archive(std::string_view("\xfd"
                                            "7zXZ\0",
                                            6)));
    EXPECT_FALSE(is_archive("FROM busybox\n"));
    EXPECT_FALSE(is_archive(""));
    EXPECT_FALSE(is_archive(std::string(512, ' ')));
    EXPECT_FALSE(is_archive(std::string(512, '\0')));
}

TEST(BuildContext, the_dockerfiles_own_ignore_file_is_stronger) {
    const Folder folder;
    const auto file = folder.put("D");
    folder.put(".dockerignore", "# comment\nusual\n");
    EXPECT_EQ(*load_ignore_file(*choose_context(folder.path, file)), "# comment\nusual\n");
    folder.put("D.dockerignore", "own\n!x\n");
    EXPECT_EQ(*load_ignore_file(*choose_context(folder.path, file)), "own\n!x\n");
    const Folder empty;
    empty.put("Dockerfile");
    EXPECT_EQ(*load_ignore_file(*choose_context(empty.path, "")), std::nullopt);
}

} // namespace
} // namespace shoal::cli
