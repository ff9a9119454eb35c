#include "volume/helper.h"

#include "os/file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>

namespace {

/// This test binary is its own storage helper, as shoald is: before the tests begin it looks at its
/// arguments.
__attribute__((constructor)) void be_the_helper() {
    const auto arguments = shoal::os::read_file("/proc/self/cmdline");
    if (!arguments) { return; }
    const std::string wanted =
        std::string(1, '\0') + std::string(shoal::volume::helper_argument) + '\0';
    if (arguments->find(wanted) != std::string::npos) { _exit(shoal::volume::helper_main()); }
}

} // namespace

namespace shoal::volume {
namespace {

Deadline soon() { return Deadline::in(std::chrono::seconds(20)); }

TEST(StorageHelper, tells_what_a_path_is) {
    EXPECT_EQ(*run_in_helper(probe_job("/"), soon()), "directory");
    EXPECT_EQ(*run_in_helper(probe_job("/nowhere/at/all"), soon()), "missing");
    EXPECT_EQ(*run_in_helper(probe_job("/etc/passwd"), soon()), "file");
    EXPECT_EQ(*run_in_helper(probe_job("/dev/null"), soon()), "other");
}

TEST(StorageHelper, brings_errors_back_whole) {
    auto folder = os::TempDir::create();
    ASSERT_TRUE(folder);
    const auto direct = run_job(mount_job(folder->path(), {{"type", "nosuchfs"}, {"device", "x"}}));
    const auto helped =
        run_in_helper(mount_job(folder->path(), {{"type", "nosuchfs"}, {"device", "x"}}), soon());
    ASSERT_FALSE(direct);
    ASSERT_FALSE(helped);
    EXPECT_EQ(helped.error(), direct.error());
    EXPECT_EQ(helped.error().code, Errc::Internal);
}

TEST(StorageHelper, makes_directories) {
    auto folder = os::TempDir::create();
    ASSERT_TRUE(folder);
    ASSERT_TRUE(run_in_helper(mkdir_job(folder->path() + "/a/b"), soon()));
    EXPECT_TRUE(os::is_directory(folder->path() + "/a/b"));
}

TEST(StorageHelper, is_given_up_when_the_storage_does_not_answer) {
    auto folder = os::TempDir::create();
    ASSERT_TRUE(folder);
    // A helper that reads a pipe nobody writes hangs as one does on a dead server.
    const auto script = folder->path() + "/stuck";
    ASSERT_TRUE(os::write_file_atomic(script, "#!/bin/sh\nexec sleep 600\n", {.mode = 0755}));
    const auto begin = std::chrono::steady_clock::now();
    const auto outcome =
        run_in_helper(probe_job("/srv/dead"), Deadline::in(std::chrono::milliseconds(300)), script);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Errc::Timeout);
    EXPECT_EQ(outcome.error().message, "storage at /srv/dead does not answer");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(StorageHelper, refuses_unknown_jobs) {
    Job job;
    job.kind = "format";
    EXPECT_EQ(run_in_helper(job, soon()).error().code, Errc::Invalid);
}

} // namespace
} // namespace shoal::volume
