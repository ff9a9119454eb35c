#include "container/log_reader.h"

#include "base/time.h"
#include "container/log_file.h"
#include "container/log_format.h"
#include "os/file.h"

#include <gtest/gtest.h>

namespace shoal::container {
namespace {

Instant second(int n) { return from_unix_nanos(1'000'000'000LL * (1'700'000'000 + n)); }

/// A log as the monitor writes it.
class Log {
  public:
    explicit Log(std::string driver, RotationSettings rotation = {})
        : directory_(*os::TempDir::create()), driver_(std::move(driver)),
          path_(directory_.path() + "/log"), file_(path_, rotation) {}

    void write(int n, std::string_view text, bool is_stderr = false, bool partial = false) {
        std::string bytes;
        const LogRecord record{second(n), is_stderr, partial, text};
        if (driver_ == "local") {
            append_local_record(bytes, record);
        } else {
            append_json_line(bytes, record, "");
        }
        EXPECT_TRUE(file_.append(bytes));
    }
    LogQuery query() const {
        LogQuery query;
        query.driver = driver_;
        query.path = path_;
        return query;
    }
    const std::string& path() const { return path_; }

  private:
    os::TempDir directory_;
    std::string driver_;
    std::string path_;
    LogFile file_;
};

std::string rest(LogCursor& cursor) {
    std::string all;
    for (auto lines = cursor.read(3); lines && !lines->empty(); lines = cursor.read(3)) {
        for (const auto& line : *lines) { all += line.text; }
    }
    return all;
}
std::string read_all(const LogQuery& query) {
    auto cursor = LogCursor::open(query);
    EXPECT_TRUE(cursor);
    return cursor ? rest(*cursor) : "";
}

class LogDrivers : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, LogDrivers, testing::Values("json-file", "local"));

TEST_P(LogDrivers, give_back_what_was_written) {
    Log log(GetParam());
    log.write(1, "out");
    log.write(2, "err", true);
    EXPECT_EQ(read_all(log.query()), "out\nerr\n");
    auto query = log.query();
    query.out = false;
    EXPECT_EQ(read_all(query), "err\n");
}

TEST_P(LogDrivers, keep_to_since_and_until) {
    Log log(GetParam());
    for (int n = 0; n < 5; ++n) { log.write(n, std::to_string(n)); }
    auto query = log.query();
    query.since = second(1);
    query.until = second(3);
    EXPECT_EQ(read_all(query), "1\n2\n3\n");
}

TEST_P(LogDrivers, count_a_line_in_pieces_as_one) {
    Log log(GetParam());
    log.write(1, "first");
    log.write(2, "lo", false, true);
    log.write(2, "other", true);
    log.write(2, "ng", false, true);
    log.write(2, "er");
    log.write(3, "last");
    auto query = log.query();
    query.tail = 2;
    EXPECT_EQ(read_all(query), "other\nlast\n");
    query.tail = 3;
    EXPECT_EQ(read_all(query), "loother\nnger\nlast\n");
    query.tail = 0;
    EXPECT_EQ(read_all(query), "");
    query.tail = 100;
    EXPECT_EQ(read_all(query), "first\nloother\nnger\nlast\n");
}

TEST_P(LogDrivers, read_across_rotated_files) {
    const bool local = std::string(GetParam()) == "local"; // whose records are shorter
    Log log(GetParam(), {.bytes_max = local ? 100 : 300, .files_max = 3, .compress = local});
    for (int n = 10; n < 40; ++n) { log.write(n, std::to_string(n)); }
    const std::string all = read_all(log.query());
    EXPECT_TRUE(all.ends_with("37\n38\n39\n"));
    EXPECT_FALSE(all.starts_with("10\n"));
    int expected = std::stoi(all);
    for (std::size_t position = 0; position < all.size(); position += 3) {
        EXPECT_EQ(std::stoi(all.substr(position)), expected++);
    }
    EXPECT_EQ(log_files(log.path()).size(), 3u);
    EXPECT_TRUE(remove_logs(log.path()));
    EXPECT_TRUE(log_files(log.path()).empty());
}

TEST_P(LogDrivers, follow_over_a_rotation) {
    Log log(GetParam(), {.bytes_max = 300, .files_max = 5, .compress = false});
    auto query = log.query();
    query.follow = true;
    auto cursor = LogCursor::open(query);
    ASSERT_TRUE(cursor);
    EXPECT_EQ(rest(*cursor), ""); // there is no file yet
    std::string seen;
    std::string expected;
    for (int n = 10; n < 40; ++n) {
        log.write(n, std::to_string(n));
        expected += std::to_string(n) + "\n";
        if (n % 4 == 0) { seen += rest(*cursor); }
    }
    seen += rest(*cursor);
    EXPECT_EQ(seen, expected);
    EXPECT_FALSE(cursor->done());
}

TEST(LogReader, skips_damage) {
    Log log("json-file");
    log.write(1, "before");
    ASSERT_TRUE(os::write_file_atomic(
        log.path(), *os::read_file(log.path()) + "{\"log\":\"torn\n\xff\xfe nonsense\n", {}));
    Log after("json-file");
    after.write(2, "after");
    ASSERT_TRUE(os::write_file_atomic(
        log.path(), *os::read_file(log.path()) + *os::read_file(after.path()), {}));
    EXPECT_EQ(read_all(log.query()), "before\nafter\n");
}

TEST(LogReader, refuses_drivers_that_keep_nothing) {
    LogQuery query;
    query.driver = "syslog";
    EXPECT_EQ(LogCursor::open(query).error().message,
              "configured logging driver does not support reading");
}

TEST(LogReader, of_an_absent_log_is_empty) {
    LogQuery query;
    query.path = "/absent/log";
    EXPECT_EQ(read_all(query), "");
}

TEST(Rotation, has_the_drivers_defaults_and_limits) {
    const auto json = parse_rotation("json-file", "", "", "");
    EXPECT_EQ(json->bytes_max, 10 << 20);
    EXPECT_EQ(json->files_max, 3);
    EXPECT_FALSE(json->compress);
    EXPECT_EQ(parse_rotation("local", "", "", "")->bytes_max, 20 << 20);
    EXPECT_EQ(parse_rotation("json-file", "-1", "", "")->bytes_max, -1);
    EXPECT_FALSE(parse_rotation("json-file", "nonsense", "", ""));
    EXPECT_FALSE(parse_rotation("json-file", "0", "", ""));
    EXPECT_FALSE(parse_rotation("json-file", "1m", "0", ""));
    EXPECT_FALSE(parse_rotation("json-file", "1m", "1", "true"));
}

TEST(LogFile, loses_a_record_and_nothing_else_when_it_cannot_write) {
    LogFile file("/absent/log", {});
    EXPECT_FALSE(file.append("x"));
    EXPECT_FALSE(file.open());
}

} // namespace
} // namespace shoal::container
