#include "volume/copy_up.h"

#include "os/file.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace shoal::volume {
namespace {

class CopyUpTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto made = os::TempDir::create();
        ASSERT_TRUE(made);
        folder = std::move(*made);
        ASSERT_TRUE(os::ensure_directory(at("root/data")));
        ASSERT_TRUE(os::ensure_directory(at("volume")));
    }
    std::string at(const std::string& path) const { return folder.path() + "/" + path; }
    Result<bool> copy(const std::string& path = "/data") {
        return copy_up({at("root"), path, at("volume")});
    }
    struct stat look(const std::string& path) const {
        struct stat info {};
        EXPECT_EQ(lstat(at(path).c_str(), &info), 0) << path;
        return info;
    }
    os::TempDir folder;
};

TEST_F(CopyUpTest, keeps_content_owner_mode_and_times) {
    ASSERT_TRUE(os::write_file_atomic(at("root/data/f"), "hello"));
    ASSERT_EQ(chown(at("root/data/f").c_str(), 1234, 4321), 0);
    ASSERT_EQ(chmod(at("root/data/f").c_str(), 04750), 0);
    const timespec times[2] = {{1000000000, 5}, {1000000001, 7}};
    ASSERT_EQ(utimensat(AT_FDCWD, at("root/data/f").c_str(), times, 0), 0);
    ASSERT_EQ(chown(at("root/data").c_str(), 33, 34), 0);
    ASSERT_EQ(chmod(at("root/data").c_str(), 01770), 0);
    ASSERT_TRUE(*copy());
    const auto file = look("volume/f");
    EXPECT_EQ(*os::read_file(at("volume/f")), "hello");
    EXPECT_EQ(file.st_uid, 1234u);
    EXPECT_EQ(file.st_gid, 4321u);
    EXPECT_EQ(file.st_mode & 07777, 04750u);
    EXPECT_EQ(file.st_mtim.tv_sec, 1000000001);
    EXPECT_EQ(file.st_mtim.tv_nsec, 7);
    const auto top = look("volume");
    EXPECT_EQ(top.st_uid, 33u);
    EXPECT_EQ(top.st_gid, 34u);
    EXPECT_EQ(top.st_mode & 07777, 01770u);
}

TEST_F(CopyUpTest, keeps_links_devices_pipes_and_hard_links) {
    ASSERT_TRUE(os::ensure_directory(at("root/data/d")));
    ASSERT_TRUE(os::write_file_atomic(at("root/data/one"), "same"));
    ASSERT_EQ(link(at("root/data/one").c_str(), at("root/data/d/two").c_str()), 0);
    ASSERT_EQ(symlink("/etc/shadow", at("root/data/link").c_str()), 0);
    ASSERT_EQ(lchown(at("root/data/link").c_str(), 7, 8), 0);
    ASSERT_EQ(mkfifo(at("root/data/pipe").c_str(), 0640), 0);
    ASSERT_EQ(mknod(at("root/data/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    ASSERT_TRUE(*copy());
    EXPECT_EQ(look("volume/one").st_ino, look("volume/d/two").st_ino);
    EXPECT_TRUE(S_ISLNK(look("volume/link").st_mode));
    EXPECT_EQ(look("volume/link").st_uid, 7u);
    EXPECT_TRUE(S_ISFIFO(look("volume/pipe").st_mode));
    EXPECT_EQ(look("volume/pipe").st_mode & 07777, 0640u);
    EXPECT_TRUE(S_ISCHR(look("volume/null").st_mode));
    EXPECT_EQ(look("volume/null").st_rdev, makedev(1, 3));
}

TEST_F(CopyUpTest, keeps_extended_attributes) {
    ASSERT_TRUE(os::write_file_atomic(at("root/data/f"), "x"));
    if (setxattr(at("root/data/f").c_str(), "user.colour", "blue", 4, 0) != 0) {
        GTEST_SKIP() << "no user attributes here";
    }
    ASSERT_TRUE(*copy());
    char value[8] = {};
    EXPECT_EQ(getxattr(at("volume/f").c_str(), "user.colour", value, sizeof value), 4);
    EXPECT_STREQ(value, "blue");
}

TEST_F(CopyUpTest, keeps_holes) {
    auto file = os::open_file(at("root/data/sparse"), O_CREAT | O_WRONLY, 0644);
    ASSERT_TRUE(file);
    ASSERT_EQ(ftruncate(file->raw(), 64 << 20), 0);
    ASSERT_EQ(pwrite(file->raw(), "end", 3, (64 << 20) - 3), 3);
    ASSERT_TRUE(*copy());
    const auto copied = look("volume/sparse");
    EXPECT_EQ(copied.st_size, 64 << 20);
    EXPECT_LT(copied.st_blocks * 512, 4 << 20);
    auto text = os::open_file(at("volume/sparse"), O_RDONLY);
    char end[4] = {};
    ASSERT_EQ(pread(text->raw(), end, 3, (64 << 20) - 3), 3);
    EXPECT_STREQ(end, "end");
}

TEST_F(CopyUpTest, a_missing_source_or_a_file_is_nothing_to_copy) {
    EXPECT_FALSE(*copy("/nowhere"));
    ASSERT_TRUE(os::write_file_atomic(at("root/file"), "x"));
    EXPECT_FALSE(*copy("/file"));
    EXPECT_FALSE(*copy("/file/below"));
    EXPECT_TRUE(*is_empty_directory(at("volume")));
}

TEST_F(CopyUpTest, links_of_the_image_stay_in_the_image) {
    ASSERT_TRUE(os::ensure_directory(at("root/real")));
    ASSERT_TRUE(os::write_file_atomic(at("root/real/f"), "inside"));
    ASSERT_EQ(symlink("/real", at("root/link").c_str()), 0);
    ASSERT_TRUE(*copy("/link"));
    EXPECT_EQ(*os::read_file(at("volume/f")), "inside");
}

TEST_F(CopyUpTest, a_link_out_of_the_image_ends_at_its_root) {
    ASSERT_TRUE(os::ensure_directory(at("outside")));
    ASSERT_TRUE(os::write_file_atomic(at("outside/secret"), "x"));
    ASSERT_EQ(symlink("../../outside", at("root/data/out").c_str()), 0);
    ASSERT_EQ(symlink(at("outside").c_str(), at("root/abs").c_str()), 0);
    EXPECT_FALSE(*copy("/data/out"));
    EXPECT_FALSE(*copy("/abs"));
    EXPECT_FALSE(os::exists(at("volume/secret")));
}

} // namespace
} // namespace shoal::volume
