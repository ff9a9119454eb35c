#include "os/lock_file.h"

#include "os/file.h"

#include <future>
#include <gtest/gtest.h>
#include <unistd.h>

namespace shoal::os {
namespace {

TEST(LockFile, is_held_by_one_at_a_time) {
    auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const auto path = folder->path() + "/lock";
    {
        auto first = LockFile::acquire(path);
        ASSERT_TRUE(first);
        auto second = LockFile::acquire(path);
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().code, Errc::Conflict);
    }
    EXPECT_TRUE(LockFile::acquire(path));
}

TEST(LockFile, is_waited_for) {
    auto folder = TempDir::create();
    const auto path = folder->path() + "/lock";
    auto first = std::make_unique<Result<LockFile>>(LockFile::acquire(path));
    ASSERT_TRUE(*first);
    auto second =
        std::async(std::launch::async, [&] { return LockFile::wait_for(path).has_value(); });
    first.reset();
    EXPECT_TRUE(second.get());
}

TEST(PidFile, names_this_process_and_goes_with_it) {
    auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const auto path = folder->path() + "/pid";
    {
        auto file = PidFile::create(path);
        ASSERT_TRUE(file);
        EXPECT_EQ(*read_file(path), std::to_string(getpid()) + "\n");
    }
    EXPECT_FALSE(exists(path));
}

TEST(PidFile, replaces_the_one_of_a_process_that_is_gone_or_another_program) {
    auto folder = TempDir::create();
    ASSERT_TRUE(folder);
    const auto path = folder->path() + "/pid";
    ASSERT_TRUE(write_file_atomic(path, "1\n"));
    EXPECT_TRUE(PidFile::create(path));
    ASSERT_TRUE(write_file_atomic(path, "4194304999\n"));
    EXPECT_TRUE(PidFile::create(path));
}

} // namespace
} // namespace shoal::os
