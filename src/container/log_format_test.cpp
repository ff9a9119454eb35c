#include "container/log_format.h"

#include "base/time.h"

#include <gtest/gtest.h>

namespace shoal::container {
namespace {

const Instant at = from_unix_nanos(1'700'000'000'123'456'000);

LogRecord record(std::string_view text, bool is_stderr = false, bool partial = false) {
    return {at, is_stderr, partial, text};
}

struct Piece {
    std::string text;
    bool partial;
    bool operator==(const Piece&) const = default;
};
std::vector<Piece> split_in(std::string_view bytes, std::size_t step) {
    LineSplitter splitter;
    std::vector<Piece> pieces;
    const auto take = [&](std::string_view text, bool partial) {
        pieces.push_back({std::string(text), partial});
    };
    for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) {
        splitter.feed(bytes.substr(0, step), take);
    }
    splitter.finish(take);
    return pieces;
}

TEST(LineSplitter, gives_lines_however_the_bytes_arrive) {
    const std::vector<Piece> expected{{"one", false}, {"", false}, {"two", false}, {"rest", true}};
    for (const std::size_t step : {1, 2, 3, 100}) {
        EXPECT_EQ(split_in("one\n\ntwo\nrest", step), expected) << step;
    }
}

TEST(LineSplitter, cuts_a_long_line_into_pieces) {
    const std::string line(log_line_bytes_max + 10, 'x');
    for (const std::size_t step : {1000, 1'000'000}) {
        const auto pieces = split_in(line + "\n", step);
        ASSERT_EQ(pieces.size(), 2u);
        EXPECT_EQ(pieces[0], (Piece{line.substr(0, log_line_bytes_max), true}));
        EXPECT_EQ(pieces[1], (Piece{std::string(10, 'x'), false}));
    }
}

TEST(JsonLine, is_dockers) {
    std::string out;
    append_json_line(out, record("a \"b\" \\ <c>\t\x01", true), R"({"k":"v"})");
    EXPECT_EQ(
        out,
        "{\"log\":\"a \\\"b\\\" \\\\ \\u003cc\\u003e\\t\\u0001\\n\",\"stream\":\"stderr\",\"attrs\":{\"k\":\"v\"},"
        "\"time\":\"2023-11-14T22:13:20.123456Z\"}\n");
}

TEST(JsonLine, of_a_part_has_no_line_end) {
    std::string out;
    append_json_line(out, record("part", false, true), "");
    EXPECT_TRUE(out.starts_with("{\"log\":\"part\",\"stream\":\"stdout\",\"time\""));
}

TEST(JsonString, replaces_what_is_not_utf8) {
    std::string out;
    append_json_string(out, "\xc3\xa4\xff\xc3|\xed\xa0\x80|\xe2\x80\xa8");
    EXPECT_EQ(out, "\"\xc3\xa4\\ufffd\\ufffd|\\ufffd\\ufffd\\ufffd|\\u2028\"");
}

TEST(LocalRecord, survives_and_tells_its_size) {
    std::string bytes;
    append_local_record(bytes, record("text \n inside", true, true));
    append_local_record(bytes, record(""));
    const auto first = parse_local_record(bytes);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->text, "text \n inside");
    EXPECT_TRUE(first->is_stderr && first->partial);
    EXPECT_EQ(first->at, at);
    const auto second = parse_local_record(std::string_view(bytes).substr(first->size));
    ASSERT_TRUE(second);
    EXPECT_EQ(second->text, "");
    EXPECT_EQ(first->size + second->size, bytes.size());
}

TEST(LocalRecord, cut_off_or_damaged_is_nothing) {
    std::string bytes;
    append_local_record(bytes, record("text"));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(parse_local_record(bytes.substr(0, size))) << size;
    }
    bytes.back() = static_cast<char>(bytes.back() + 1);
    EXPECT_FALSE(parse_local_record(bytes));
}

TEST(Syslog, speaks_every_format) {
    SyslogSettings settings;
    settings.hostname = "host";
    settings.tag = "tag";
    settings.pid = 7;
    using Format = SyslogSettings::Format;
    EXPECT_EQ(make_syslog_message(settings, record("text")), "<30>Nov 14 22:13:20 tag[7]: text");
    settings.format = Format::Rfc3164;
    EXPECT_EQ(make_syslog_message(settings, record("text", true)),
              "<27>Nov 14 22:13:20 host tag[7]: text");
    settings.format = Format::Rfc5424;
    EXPECT_EQ(make_syslog_message(settings, record("text")),
              "<30>1 2023-11-14T22:13:20Z host tag 7 tag - text");
    settings.format = Format::Rfc5424Micro;
    EXPECT_EQ(make_syslog_message(settings, record("text")),
              "<30>1 2023-11-14T22:13:20.123456Z host tag 7 tag - text");
    EXPECT_EQ(parse_syslog_facility("local3"), 19);
    EXPECT_EQ(parse_syslog_facility(""), 3);
    EXPECT_FALSE(parse_syslog_facility("nonsense"));
    EXPECT_FALSE(parse_syslog_facility("24"));
}

TEST(Journal, frames_values_with_line_ends_by_length) {
    const auto message = make_journal_message({{{"CONTAINER_NAME", "web"}}}, record("two\nlines"));
    EXPECT_NE(message.find("CONTAINER_NAME=web\n"), std::string::npos);
    EXPECT_NE(message.find(std::string("MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n", 26)),
              std::string::npos);
    EXPECT_NE(message.find("PRIORITY=6\n"), std::string::npos);
}

TEST(Journal, makes_field_names_of_labels) {
    EXPECT_EQ(journal_field_name("com.example/team-1"), "COM_EXAMPLE_TEAM_1");
    EXPECT_EQ(journal_field_name("_hidden"), "HIDDEN");
    EXPECT_EQ(journal_field_name("._"), "");
}

} // namespace
} // namespace shoal::container
