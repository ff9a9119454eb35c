#include "cli/build_tree.h"

#include "base/time.h"
#include "cli/screen_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

using testing::ElementsAre;
using Lines = std::vector<std::string>;

constexpr std::int64_t second = 1'000'000'000;

Instant at(double seconds) { return from_unix_nanos(static_cast<std::int64_t>(seconds * second)); }

Json event(const char* kind, int step, double when, Json more = Json::object()) {
    more["Event"] = kind;
    more["Step"] = step;
    more["At"] = static_cast<std::int64_t>(when * second);
    return {{"id", "shoal.build"}, {"aux", more}};
}

class Build {
  public:
    Build() : tree(at(0)) {}
    Build& announce(int step, const char* name) {
        tree.take(event("announced", step, 0, {{"Name", name}}), at(0));
        return *this;
    }
    Build& on(const char* kind, int step, double when, Json more = Json::object()) {
        tree.take(event(kind, step, when, std::move(more)), at(when + skew));
        return *this;
    }
    Build& output(int step, const char* text) { return on("output", step, 0, {{"Text", text}}); }
    BuildTree tree;
    double skew = 0; ///< of the daemon's clock
};

Lines trimmed(const Lines& lines) {
    Lines out;
    for (auto line : lines) {
        std::string text;
        for (const char c : line) {
            if (c == ' ' && text.ends_with("  ")) { continue; }
            text += c;
        }
        out.push_back(text);
    }
    return out;
}

constexpr ScreenSize screen{24, 60};

TEST(BuildTree, shows_a_line_for_each_step_that_has_begun) {
    Build build;
    build.announce(0, "[internal] load build definition").announce(1, "[1/3] FROM busybox");
    build.announce(2, "[2/3] RUN make").announce(3, "[3/3] COPY . /src");
    build.on("started", 0, 0).on("done", 0, 0.1).on("cached", 1, 0.2).on("done", 1, 0.2);
    build.on("started", 2, 0.5);
    EXPECT_THAT(trimmed(build.tree.live(at(2.74), screen)),
                ElementsAre("[+] Building 2.7s (2/4)", " => [internal] load build definition  0.1s",
                            " => CACHED [1/3] FROM busybox  0.0s", " => [2/3] RUN make  2.2s"));
}

TEST(BuildTree, times_end_in_one_column) {
    Build build;
    build.announce(0, "a").announce(1, "b").on("started", 0, 0).on("started", 1, 0);
    build.on("done", 0, 100.5);
    const auto lines = build.tree.live(at(101), screen);
    EXPECT_EQ(lines[1].size(), 59u);
    EXPECT_EQ(lines[2].size(), 59u);
    EXPECT_TRUE(lines[1].ends_with(" 100.5s"));
    EXPECT_TRUE(lines[2].ends_with(" 101.0s"));
}

TEST(BuildTree, the_last_lines_of_running_steps_are_beneath_them) {
    Build build;
    build.announce(0, "RUN a").announce(1, "RUN b").on("started", 0, 0).on("started", 1, 0);
    build.output(0, "one\ntwo\nthr").output(0, "ee").output(1, "other\n");
    EXPECT_THAT(trimmed(build.tree.live(at(1), screen)),
                ElementsAre("[+] Building 1.0s (0/2)", " => RUN a  1.0s", " => => # one",
                            " => => # two", " => => # three", " => RUN b  1.0s", " => => # other"));
    build.on("done", 0, 1);
    EXPECT_THAT(trimmed(build.tree.live(at(1), screen)),
                ElementsAre("[+] Building 1.0s (1/2)", " => RUN a  1.0s", " => RUN b  1.0s",
                            " => => # other"));
}

TEST(BuildTree, output_cannot_drive_the_terminal) {
    Build build;
    build.announce(0, "RUN \x1b[2Jx\ny").on("started", 0, 0);
    build.output(0, "\x1b[31mred\x1b[0m\x1b[10;10H\n10%\r20%\r").output(0, "30%\r\n\a50%");
    EXPECT_THAT(trimmed(build.tree.live(at(1), screen)),
                ElementsAre("[+] Building 1.0s (0/1)", " => RUN x y  1.0s", " => => # red",
                            " => => # 30%", " => => # 50%"));
}

TEST(BuildTree, lines_are_cut_by_columns) {
    Build build;
    build
        .announce(0, "RUN \xE6\xBC\xA2\xE5\xAD\x97\xE6\xBC\xA2\xE5\xAD\x97\xE6\xBC\xA2\xE5\xAD\x97")
        .on("started", 0, 0);
    build.output(0, "0123456789012345678901234567890123456789");
    for (const auto& line : build.tree.live(at(1), {24, 20})) { EXPECT_LE(columns_of(line), 19u); }
    for (const auto& line : build.tree.live(at(1), {24, 1})) { EXPECT_LE(columns_of(line), 1u); }
    for (const auto& line : build.tree.whole(at(1), 20)) { EXPECT_LE(columns_of(line), 19u); }
}

TEST(BuildTree, fits_the_height_logs_give_way_first) {
    Build build;
    for (int i = 0; i < 10; ++i) {
        build.announce(i, ("RUN " + std::to_string(i)).c_str()).on("started", i, 0);
        if (i != 1 && i != 9) { build.on("done", i, 1); }
    }
    for (const int step : {1, 9}) { build.output(step, "1\n2\n3\n4\n5\n6\n7\n8\n"); }
    const auto tall = build.tree.live(at(2), {40, 60});
    EXPECT_EQ(tall.size(), 1u + 10 + 2 * 6);
    const auto small = trimmed(build.tree.live(at(2), {9, 60}));
    EXPECT_THAT(small, ElementsAre("[+] Building 2.0s (8/10)", " => RUN 1  2.0s", " => => # 7",
                                   " => => # 8", " => RUN 8  1.0s", " => RUN 9  2.0s", " => => # 7",
                                   " => => # 8"));
    for (std::size_t rows = 1; rows < 40; ++rows) {
        EXPECT_LE(build.tree.live(at(2), {rows, 60}).size(), std::max<std::size_t>(rows - 1, 2));
    }
}

TEST(BuildTree, what_is_transferred_is_shown_with_its_amount) {
    Build build;
    build.announce(0, "[internal] load build context").on("started", 0, 0);
    build.on("progress", 0, 1,
             {{"Text", "transferring context"}, {"Current", 1500}, {"Bytes", 3000}});
    EXPECT_EQ(build.tree.live(at(1), screen)[2], " => => transferring context: 1.5kB / 3kB");
    build.on("done", 0, 1);
    EXPECT_EQ(build.tree.live(at(1), screen)[2], " => => transferring context: 1.5kB");
}

TEST(BuildTree, the_end_shows_everything_and_how_it_ended) {
    Build build;
    build.announce(0, "RUN a").announce(1, "RUN b").announce(2, "RUN c");
    build.on("started", 0, 0).on("done", 0, 1).on("started", 1, 1).output(1, "x\n");
    build.on("failed", 1, 2, {{"Text", "no"}}).on("started", 2, 1);
    build.tree.end(at(3), BuildEnd::Failed);
    EXPECT_THAT(trimmed(build.tree.whole(at(9), 60)),
                ElementsAre("[+] Building 3.0s (1/3) FAILED", " => RUN a  1.0s",
                            " => ERROR RUN b  1.0s", " => CANCELED RUN c  2.0s"));
    EXPECT_THAT(build.tree.afterwards(), ElementsAre("------", " > RUN b:", "x", "------"));
}

TEST(BuildTree, the_log_of_a_failure_is_whole) {
    Build build;
    build.announce(0, "RUN a").on("started", 0, 0);
    for (int i = 0; i < 1000; ++i) { build.output(0, (std::to_string(i) + "\n").c_str()); }
    build.on("failed", 0, 1);
    EXPECT_EQ(build.tree.afterwards().size(), 1000u + 3);
}

TEST(BuildTree, warnings_and_notices_are_told) {
    Build build;
    build.announce(0, "RUN a").on("started", 0, 0).on("notice", 0, 0, {{"Text", "1 trigger"}});
    build.tree.take({{"id", "shoal.build"},
                     {"aux",
                      {{"Event", "warning"},
                       {"Rule", "StageNameCasing"},
                       {"Text", "Stage name 'A' should be lowercase"},
                       {"Line", 3}}}},
                    at(0));
    EXPECT_EQ(build.tree.live(at(1), screen)[2], " => => 1 trigger");
    EXPECT_THAT(build.tree.afterwards(),
                ElementsAre("", " 1 warning:",
                            " - StageNameCasing: Stage name 'A' should be lowercase (line 3)"));
}

TEST(BuildTree, a_step_that_waits_for_others_has_not_begun) {
    Build build;
    build.announce(0, "RUN a").announce(1, "RUN b");
    build.tree.take(event("announced", 2, 0, {{"Name", "COPY"}, {"Needs", {0, 1}}}), at(0));
    build.on("started", 0, 0).on("started", 1, 0).on("started", 2, 0).on("done", 0, 1);
    EXPECT_THAT(trimmed(build.tree.live(at(2), screen)),
                ElementsAre("[+] Building 2.0s (1/3)", " => RUN a  1.0s", " => RUN b  2.0s"));
    build.on("done", 1, 3);
    EXPECT_EQ(trimmed(build.tree.live(at(5), screen))[3], " => COPY  2.0s");
}

TEST(BuildTree, the_only_step_that_runs_is_the_one_that_failed) {
    Build build;
    build.announce(0, "load").on("started", 0, 0);
    build.tree.end(at(1), BuildEnd::Failed);
    EXPECT_THAT(trimmed(build.tree.whole(at(1), 60)),
                ElementsAre("[+] Building 1.0s (0/1) FAILED", " => ERROR load  1.0s"));
    EXPECT_TRUE(build.tree.afterwards().empty());
}

TEST(BuildTree, a_build_that_was_given_up_has_not_failed) {
    Build build;
    build.announce(0, "RUN a").on("started", 0, 0).output(0, "x\n");
    build.tree.end(at(1), BuildEnd::Canceled);
    EXPECT_THAT(trimmed(build.tree.whole(at(1), 60)),
                ElementsAre("[+] Building 1.0s (0/1) CANCELED", " => CANCELED RUN a  1.0s"));
    EXPECT_TRUE(build.tree.afterwards().empty());
}

TEST(BuildTree, the_daemons_clock_may_be_wrong) {
    Build build;
    build.skew = -5000;
    build.announce(0, "RUN a").on("started", 0, 5001);
    EXPECT_THAT(trimmed(build.tree.live(at(3), screen)),
                ElementsAre("[+] Building 3.0s (0/1)", " => RUN a  2.0s"));
    build.on("done", 0, 5003);
    EXPECT_THAT(trimmed(build.tree.live(at(9), screen)),
                ElementsAre("[+] Building 9.0s (1/1)", " => RUN a  2.0s"));
}

TEST(BuildTree, strange_messages_change_nothing) {
    Build build;
    build.tree.take({{"stream", "x"}}, at(0));
    build.tree.take({{"id", "shoal.build"}, {"aux", {{"Event", "started"}}}}, at(0));
    build.tree.take({{"id", "shoal.build"}, {"aux", "text"}}, at(0));
    build.tree.take({{"id", "shoal.build"}, {"aux", {{"Event", 5}, {"Step", "x"}}}}, at(0));
    EXPECT_EQ(build.tree.live(at(1), screen).size(), 1u);
}

TEST(StepLog, forgets_the_beginning_of_what_is_too_long) {
    StepLog log;
    const std::string line(1000, 'x');
    for (int i = 0; i < 5000; ++i) { log.add(line + "\n"); }
    const auto all = log.all();
    EXPECT_EQ(all.front(), "...");
    EXPECT_LE(all.size() * 1000, step_log_bytes_max + 2000);
}

} // namespace
} // namespace shoal::cli
