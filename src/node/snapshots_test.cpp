#include "node/snapshots.h"

#include "os/clock.h"
#include "os/file.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

namespace shoal::node {
namespace {

using std::chrono::minutes;

const Instant noon{std::chrono::hours(24 * 365 * 50)};

TEST(Snapshots, are_due_at_first_and_then_every_hour) {
    EXPECT_TRUE(is_snapshot_due({}, noon));
    EXPECT_TRUE(is_snapshot_due({"somebody's file"}, noon));
    const std::vector<std::string> one{swarm::backup_file_name(noon, 7)};
    EXPECT_FALSE(is_snapshot_due(one, noon + minutes(59)));
    EXPECT_TRUE(is_snapshot_due(one, noon + minutes(60)));
    EXPECT_TRUE(is_snapshot_due(one, noon - minutes(5))) << "the clock was wrong then";
}

TEST(Snapshots, of_a_day_are_kept_and_open_with_the_key_alone) {
    const auto parent = os::TempDir::create();
    ASSERT_TRUE(parent);
    const std::string folder = parent->path() + "/snapshots";
    const auto disk = os::stat_file_system(parent->path());
    if (disk && disk->free_bytes < 2 * snapshot_free_bytes_min) { GTEST_SKIP() << "a full disk"; }
    os::SystemRandom random;
    const auto key = swarm::SecretKey::make(random);
    for (int hour = 0; hour < 30; ++hour) {
        swarm::Backup backup;
        backup.info.created = noon + std::chrono::hours(hour);
        backup.info.revision = hour;
        backup.entries.push_back({"/shoal/v1/o/secret/x", "readable", 1});
        ASSERT_TRUE(write_snapshot(folder, std::move(backup), key));
    }
    const auto names = snapshot_names(folder);
    ASSERT_TRUE(names);
    EXPECT_EQ(names->size(), snapshots_kept);
    for (const auto& name : *names) {
        EXPECT_GE(*swarm::backup_time_of(name), noon + std::chrono::hours(6));
    }
    const std::string path =
        folder + "/" + swarm::backup_file_name(noon + std::chrono::hours(29), 29);
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    const auto bytes = os::read_file(path);
    ASSERT_TRUE(bytes);
    EXPECT_EQ(bytes->find("readable"), std::string::npos);
    EXPECT_FALSE(swarm::read_backup(*bytes, swarm::BackupLock(swarm::SecretKey::make(random))));
    const auto back = swarm::read_backup(*bytes, swarm::BackupLock(key));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->entries.at(0).value, "readable");
}

TEST(Snapshots, are_none_where_nothing_was_written) {
    const auto names = snapshot_names("/nonexistent/shoal/snapshots");
    ASSERT_TRUE(names);
    EXPECT_TRUE(names->empty());
}

} // namespace
} // namespace shoal::node
