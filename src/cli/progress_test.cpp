#include "cli/progress.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

Json json(const char* text) { return *parse_json(text); }

std::string all(ProgressText::To to, std::initializer_list<const char*> messages,
                unsigned columns = 80) {
    ProgressText progress(to);
    std::string out;
    for (const char* message : messages) { out += *progress.next(json(message), columns); }
    return out;
}

constexpr auto plain = ProgressText::To::Plain;
constexpr auto terminal = ProgressText::To::Terminal;

TEST(ProgressText, prints_steps_and_no_bars_where_there_is_no_terminal) {
    EXPECT_EQ(
        all(plain,
            {R"({"status":"Pulling from a/b","id":"latest"})",
             R"({"status":"Pulling fs layer","progressDetail":{},"id":"aa"})",
             R"({"status":"Downloading","progressDetail":{"current":1,"total":9},"progress":"[>] 1B/9B","id":"aa"})",
             R"({"status":"Pull complete","progressDetail":{},"id":"aa"})",
             R"({"status":"Digest: sha256:12"})", R"({"stream":"Loaded image: x:1\n"})",
             R"({"aux":{"ID":"1"}})", R"({"status":"Importing","progressDetail":{},"id":""})"}),
        "latest: Pulling from a/b\naa: Pulling fs layer\naa: Pull complete\nDigest: sha256:12\nLoaded image: x:1\n");
}

TEST(ProgressText, draws_over_the_line_of_an_id) {
    EXPECT_EQ(all(terminal,
                  {R"({"status":"Waiting","progressDetail":{},"id":"aa"})",
                   R"({"status":"Waiting","progressDetail":{},"id":"bb"})",
                   R"({"status":"Loading","progressDetail":{"current":5,"total":10},"id":"aa"})"}),
              "\n\x1b[1A\x1b[2K\raa: Waiting\r\x1b[1B"
              "\n\x1b[1A\x1b[2K\rbb: Waiting\r\x1b[1B"
              "\x1b[2A\x1b[2K\raa: Loading [==========>          ]       5B/10B\r\x1b[2B");
}

TEST(ProgressText, lets_a_passing_line_go) {
    EXPECT_EQ(all(terminal, {R"({"status":"Importing","progressDetail":{"current":1500}})",
                             R"({"status":"sha256:1"})", R"({"status":"more"})"}),
              "\x1b[2K\rImporting    1.5kB\r\x1b[2K\rsha256:1\nmore\n");
    EXPECT_EQ(all(plain, {R"({"status":"Importing","progressDetail":{"current":1500}})",
                          R"({"status":"sha256:1"})"}),
              "sha256:1\n");
}

TEST(ProgressText, begins_new_lines_after_other_output) {
    EXPECT_EQ(
        all(terminal, {R"({"status":"x","progressDetail":{},"id":"aa"})", R"({"status":"between"})",
                       R"({"status":"x","progressDetail":{},"id":"aa"})"}),
        "\n\x1b[1A\x1b[2K\raa: x\r\x1b[1Bbetween\n\n\x1b[1A\x1b[2K\raa: x\r\x1b[1B");
}

TEST(ProgressText, gives_the_daemons_error) {
    ProgressText progress(plain);
    EXPECT_EQ(
        progress
            .next(json(R"({"errorDetail":{"code":1,"message":"no such thing"},"error":"no"})"), 80)
            .error()
            .message,
        "no such thing");
    EXPECT_EQ(progress.next(json(R"({"error":"no"})"), 80).error().message, "no");
}

TEST(ProgressText, keeps_control_characters_of_status_texts_away) {
    EXPECT_EQ(all(plain, {R"({"status":"a\u001b[2Jb","id":"i\rd"})"}), "id: a[2Jb\n");
}

TEST(ProgressBar, fits_the_terminal) {
    EXPECT_EQ(progress_bar(0, 0, 80), "");
    EXPECT_EQ(progress_bar(1500, 0, 80), "   1.5kB");
    EXPECT_EQ(progress_bar(1500, 3000, 60), "   1.5kB/3kB");
    EXPECT_EQ(progress_bar(3000, 3000, 200), "[" + std::string(50, '=') + ">]      3kB/3kB");
    EXPECT_EQ(progress_bar(4000, 3000, 60), "     4kB");
}

TEST(ProgressBar, shows_the_numbers_of_a_unit_or_none) {
    EXPECT_EQ(progress_bar(1, 2, 80, {false, ""}), "[==========>          ] ");
    EXPECT_EQ(progress_bar(1, 2, 80, {true, "nodes"}), "[==========>          ]        1/2 nodes");
    EXPECT_EQ(progress_bar(3, 2, 40, {true, "nodes"}), "       3 nodes");
    EXPECT_EQ(
        all(terminal,
            {R"({"id":"1/2","status":"new","progressDetail":{"current":1,"total":2,"hidecounts":true}})"}),
        "\n\x1b[1A\x1b[2K\r1/2: new [==========>          ] \r\x1b[1B");
    EXPECT_EQ(all(plain, {R"({"id":"a","status":"b","progressDetail":{"hidecounts":true}})"}),
              "a: b\n");
}

} // namespace
} // namespace shoal::cli
