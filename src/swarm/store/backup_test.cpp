#include "swarm/store/backup.h"

#include "swarm/store/fake_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct SeededRandom final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) {
            state += 0x9e3779b97f4a7c15;
            const auto mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
            byte = static_cast<std::uint8_t>(mixed ^ (mixed >> 27));
        }
    }
    std::uint64_t state = 7;
};

constexpr ScryptCost cheap{4, 8, 1};

struct BackupTest : testing::Test {
    SeededRandom random;
    Backup backup;
    const BackupLock lock = std::string("correct horse");

    BackupTest() {
        backup.info = {"id1", "cluster1", "shoal 1", Instant(std::chrono::seconds(1'700'000'000)),
                       42};
        backup.secrets = std::string("data\0keys", 9);
        for (int i = 0; i < 50; ++i) {
            backup.entries.push_back({"/shoal/v1/o/task/" + std::to_string(100 + i),
                                      std::string(20'000, static_cast<char>('a' + i % 20)), i + 1});
        }
    }
    std::string written(const BackupLock& with) {
        std::string bytes;
        const auto done = write_backup(
            backup, with, random,
            [&bytes](std::string_view piece) {
                bytes += piece;
                return ok();
            },
            cheap);
        EXPECT_TRUE(done);
        return bytes;
    }
    std::string written() { return written(lock); }
};

TEST_F(BackupTest, gives_back_everything) {
    const auto bytes = written();
    EXPECT_GT(bytes.size(), 3 * (256U << 10));
    EXPECT_EQ(bytes.find("data"), std::string::npos);
    EXPECT_EQ(bytes.find("/shoal"), std::string::npos);
    const auto read = read_backup(bytes, lock);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->info.id, "id1");
    EXPECT_EQ(read->info.cluster_id, "cluster1");
    EXPECT_EQ(read->info.made_by, "shoal 1");
    EXPECT_EQ(read->info.created, backup.info.created);
    EXPECT_EQ(read->info.revision, 42);
    EXPECT_EQ(read->secrets, backup.secrets);
    ASSERT_EQ(read->entries.size(), 50U);
    EXPECT_EQ(read->entries[49].key, backup.entries[49].key);
    EXPECT_EQ(read->entries[49].value, backup.entries[49].value);
    EXPECT_EQ(read->entries[49].revision, 50);
}

TEST_F(BackupTest, one_of_nothing_is_one) {
    backup.entries.clear();
    backup.secrets.clear();
    const auto read = read_backup(written(), lock);
    ASSERT_TRUE(read);
    EXPECT_TRUE(read->entries.empty());
}

TEST_F(BackupTest, a_chunk_that_ends_with_the_content_is_the_last) {
    // The sizes around a whole number of chunks.
    for (std::size_t size = (256 << 10) - 120; size < (256 << 10) + 20; ++size) {
        backup.entries.clear();
        backup.secrets = std::string(size, 's');
        const auto read = read_backup(written(), lock);
        ASSERT_TRUE(read) << size;
        ASSERT_EQ(read->secrets.size(), size);
    }
}

TEST_F(BackupTest, names_a_wrong_passphrase) {
    const auto read = read_backup(written(), std::string("incorrect horse"));
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::Unauthorized);
    EXPECT_THAT(read.error().message, HasSubstr("wrong passphrase"));
}

TEST_F(BackupTest, a_key_serves_as_well_and_is_not_mistaken_for_a_passphrase) {
    const auto key = SecretKey::make(random);
    const auto bytes = written(key);
    EXPECT_TRUE(read_backup(bytes, key));
    EXPECT_EQ(read_backup(bytes, SecretKey::make(random)).error().code, Errc::Unauthorized);
    EXPECT_THAT(read_backup(bytes, lock).error().message, HasSubstr("made with a key"));
    EXPECT_THAT(read_backup(written(), key).error().message, HasSubstr("made with a passphrase"));
}

TEST_F(BackupTest, refuses_short_passphrases) {
    const auto done =
        write_backup(backup, std::string("1234567"), random, [](std::string_view) { return ok(); });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::Invalid);
}

TEST_F(BackupTest, every_cut_is_noticed) {
    backup.entries.resize(2);
    const auto bytes = written();
    for (std::size_t size = 0; size < bytes.size(); size += size < 100 ? 1 : 997) {
        const auto read = read_backup(std::string_view(bytes).substr(0, size), lock);
        ASSERT_FALSE(read) << size;
        EXPECT_EQ(read.error().code, Errc::Invalid) << size;
        EXPECT_THAT(read.error().message, HasSubstr(size == 0 ? "not a back-up" : "cut off"));
    }
}

TEST_F(BackupTest, a_cut_between_two_chunks_is_noticed_too) {
    const auto bytes = written();
    const std::size_t head = 46;
    const std::size_t chunk = 5 + (256 << 10) + 16;
    const auto read = read_backup(std::string_view(bytes).substr(0, head + 2 * chunk), lock);
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message, HasSubstr("cut off"));
    auto joined = bytes.substr(0, head + chunk) + bytes.substr(head + 2 * chunk);
    EXPECT_THAT(read_backup(joined, lock).error().message, HasSubstr("damaged (in piece 2)"));
    auto more = bytes + "x";
    EXPECT_THAT(read_backup(more, lock).error().message, HasSubstr("follows its end"));
}

TEST_F(BackupTest, every_changed_byte_is_noticed) {
    backup.entries.resize(1);
    const auto bytes = written();
    for (std::size_t i = 0; i < bytes.size(); i += i < 200 ? 1 : 499) {
        auto changed = bytes;
        changed[i] = static_cast<char>(changed[i] ^ 4);
        EXPECT_FALSE(read_backup(changed, lock)) << i;
    }
}

TEST_F(BackupTest, says_when_it_was_made_by_a_newer_version) {
    auto bytes = written();
    bytes[9] = 2;
    const auto read = read_backup(bytes, lock);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::Unsupported);
    EXPECT_THAT(read.error().message, HasSubstr("newer version"));
}

TEST_F(BackupTest, a_strangers_file_cannot_ask_for_much_memory) {
    auto bytes = written();
    bytes[11] = 30;
    EXPECT_THAT(read_backup(bytes, lock).error().message, HasSubstr("too much memory"));
}

TEST_F(BackupTest, the_failure_of_whoever_takes_it_ends_it) {
    int pieces = 0;
    const auto done = write_backup(
        backup, lock, random,
        [&pieces](std::string_view) -> Result<void> {
            if (++pieces == 2) { return Error{Errc::Exhausted, "disk full"}; }
            return ok();
        },
        cheap);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().message, "disk full");
    EXPECT_EQ(pieces, 2);
}

// --- restoring ---

struct Restoring : BackupTest {
    net::Loop loop{net::Loop::Time::Virtual};
    FakeCluster cluster{loop, random};
    std::unique_ptr<Log> log = cluster.log(cluster.bootstrap("m0", "http://m0:1"));

    net::Until soon() { return loop.in(std::chrono::seconds(30)); }
    Result<std::int64_t> restore(RestoreOptions options = {}) {
        return net::run_task(loop, restore_backup(*log, backup, std::move(options), soon()));
    }
    std::vector<LogEntry> held() {
        auto listing = net::run_task(loop, log->list("", soon()));
        EXPECT_TRUE(listing);
        return listing->entries;
    }
    void put(const std::string& key) {
        LogTxn txn;
        txn.writes.push_back({key, "x"});
        EXPECT_TRUE(net::run_task(loop, log->commit(std::move(txn), soon())));
    }
};

TEST_F(Restoring, writes_everything_into_an_empty_log) {
    for (int i = 0; i < 3000; ++i) {
        backup.entries.push_back({"/shoal/v1/o/x/" + std::to_string(i), "v", 7});
    }
    backup.entries.push_back({"/shoal/v1/epoch", "somebody", 8});
    RestoreOptions options;
    options.leave_out = {"/shoal/v1/epoch"};
    const auto done = restore(options);
    ASSERT_TRUE(done) << done.error().message;
    const auto all = held();
    EXPECT_EQ(all.size(), 3050U);
    EXPECT_EQ(all[0].value, backup.entries[0].value);
    EXPECT_EQ(*done, cluster.history().revision());
}

TEST_F(Restoring, refuses_a_log_with_something_in_it) {
    put("/shoal/v1/o/task/other");
    const auto done = restore();
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, Errc::Conflict);
    EXPECT_EQ(held().size(), 1U);
}

TEST_F(Restoring, goes_on_after_an_interruption_but_not_with_another_back_up) {
    // As after the loss of an answer halfway.
    LogTxn half;
    half.writes.push_back({"/shoal/restoring", "id1"});
    half.writes.push_back({backup.entries[0].key, backup.entries[0].value});
    ASSERT_TRUE(net::run_task(loop, log->commit(std::move(half), soon())));
    auto right = backup.info.id;
    backup.info.id = "other";
    EXPECT_EQ(restore().error().code, Errc::Conflict);
    backup.info.id = right;
    ASSERT_TRUE(restore());
    EXPECT_EQ(held().size(), 50U);
}

TEST_F(Restoring, survives_lost_answers_when_it_is_tried_again) {
    cluster.faults().lose_reply = 0.3;
    bool restored = false;
    for (int tries = 0; tries < 50 && !restored; ++tries) {
        const auto done = restore();
        const bool finished = !done && done.error().code == Errc::Conflict; // by an unheard answer
        restored = done.has_value() || finished;
    }
    EXPECT_TRUE(restored);
    EXPECT_EQ(held().size(), 50U);
}

// --- files ---

TEST(BackupFiles, names_carry_time_and_revision) {
    const Instant at(std::chrono::seconds(1'795'712'340));
    const auto name = backup_file_name(at + std::chrono::milliseconds(7), 1234);
    EXPECT_EQ(name, "swarm-2026-11-26T16-59-00Z-r1234.backup");
    EXPECT_EQ(backup_time_of(name), at);
    for (const auto* other :
         {"", "swarm-.backup", "swarm-2026-11-26T16-59-00Z-r.backup", "notes",
          "swarm-2026-13-26T16-59-00Z-r1.backup", "swarm-2026-11-26T16-59-00Z-r1.backup.tmp"}) {
        EXPECT_FALSE(backup_time_of(other)) << other;
    }
}

TEST(BackupFiles, the_newest_stay_and_others_files_are_left_alone) {
    const std::vector<std::string> all{"swarm-2026-11-26T16-00-00Z-r30.backup",
                                       "swarm-2026-11-24T16-00-00Z-r10.backup", "precious",
                                       "swarm-2026-11-25T16-00-00Z-r20.backup"};
    EXPECT_THAT(plan_backup_removal(all, 3), IsEmpty());
    EXPECT_THAT(plan_backup_removal(all, 1), ElementsAre("swarm-2026-11-24T16-00-00Z-r10.backup",
                                                         "swarm-2026-11-25T16-00-00Z-r20.backup"));
}

} // namespace
} // namespace shoal::swarm
