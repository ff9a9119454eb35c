#include "volume/subpath.h"

#include "os/file.h"
#include "os/mount.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace shoal::volume {
namespace {

/// Mounts made here are seen by nobody else and go with the process.
class Subpath : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        ASSERT_EQ(unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr), 0);
    }
    void SetUp() override {
        auto made = os::TempDir::create();
        ASSERT_TRUE(made);
        folder = std::move(*made);
        ASSERT_TRUE(os::ensure_directory(volume()));
    }
    std::string volume() const { return folder.path() + "/volume"; }
    std::string target() const { return folder.path() + "/target/x"; }
    Result<void> bind(const std::string& subpath) {
        return bind_subpath({volume(), subpath, target()});
    }
    os::TempDir folder;
};

TEST_F(Subpath, binds_a_directory_and_takes_it_away_again) {
    ASSERT_TRUE(os::ensure_directory(volume() + "/a/b"));
    ASSERT_TRUE(os::write_file_atomic(volume() + "/a/b/f", "hello"));
    ASSERT_TRUE(bind("a/b"));
    EXPECT_EQ(*os::read_file(target() + "/f"), "hello");
    ASSERT_TRUE(unbind_subpath(target()));
    EXPECT_FALSE(os::exists(target()));
    EXPECT_TRUE(os::exists(volume() + "/a/b/f"));
    EXPECT_TRUE(unbind_subpath(target()));
}

TEST_F(Subpath, binds_a_file) {
    ASSERT_TRUE(os::write_file_atomic(volume() + "/f", "hello"));
    ASSERT_TRUE(bind("f"));
    EXPECT_EQ(*os::read_file(target()), "hello");
    ASSERT_TRUE(unbind_subpath(target()));
}

TEST_F(Subpath, does_not_leave_the_volume) {
    ASSERT_TRUE(os::ensure_directory(folder.path() + "/outside"));
    ASSERT_EQ(symlink("../outside", (volume() + "/link").c_str()), 0);
    ASSERT_EQ(symlink("/etc", (volume() + "/absolute").c_str()), 0);
    for (const auto* subpath :
         {"../outside", "/etc", "a/../../outside", "link", "absolute", "absolute/passwd"}) {
        EXPECT_FALSE(bind(subpath)) << subpath;
        EXPECT_FALSE(os::is_mount_point(target())) << subpath;
    }
    EXPECT_EQ(bind("missing").error().code, Errc::NotFound);
}

TEST_F(Subpath, a_link_swapped_in_at_the_last_moment_leads_nowhere_else) {
    ASSERT_TRUE(os::ensure_directory(volume() + "/inside"));
    ASSERT_TRUE(os::ensure_directory(folder.path() + "/outside"));
    ASSERT_TRUE(os::write_file_atomic(folder.path() + "/outside/secret", "x"));
    const auto good = volume() + "/good", bad = volume() + "/bad", name = volume() + "/sub";
    ASSERT_TRUE(os::ensure_directory(good));
    ASSERT_EQ(symlink("../outside", bad.c_str()), 0);
    ASSERT_EQ(rename(good.c_str(), name.c_str()), 0);
    std::atomic<bool> stop{false};
    std::thread swapper([&] {
        while (!stop) { renameat2(AT_FDCWD, name.c_str(), AT_FDCWD, bad.c_str(), RENAME_EXCHANGE); }
    });
    int bound = 0;
    for (int i = 0; i < 500; ++i) {
        if (!bind("sub")) { continue; }
        ++bound;
        EXPECT_FALSE(os::exists(target() + "/secret"));
        EXPECT_TRUE(unbind_subpath(target()));
    }
    stop = true;
    swapper.join();
    EXPECT_GT(bound, 0);
}

} // namespace
} // namespace shoal::volume
