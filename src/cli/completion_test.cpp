#include "cli/completion_words.h"

#include "cli/app.h"
#include "cli/tree.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace shoal::cli {
namespace {

Completion plan(std::vector<std::string> words) {
    return plan_completion(root_group(), all_global_flags(), words);
}
bool offers(const Completion& plan, std::string_view word) {
    return std::any_of(plan.candidates.begin(), plan.candidates.end(),
                       [&](const auto& candidate) { return candidate.first == word; });
}

TEST(Completion, offers_commands_and_hides_hidden_ones) {
    EXPECT_TRUE(offers(plan({""}), "run"));
    EXPECT_TRUE(offers(plan({""}), "volume"));
    EXPECT_FALSE(offers(plan({""}), "__complete"));
    EXPECT_TRUE(offers(plan({"volume", ""}), "prune"));
    EXPECT_TRUE(offers(plan({"-H", "unix:///x", "image", "l"}), "ls"));
    EXPECT_TRUE(plan({"nonsense", ""}).candidates.empty());
}

TEST(Completion, offers_flags_of_the_command) {
    EXPECT_TRUE(offers(plan({"stop", "-"}), "--timeout"));
    EXPECT_FALSE(offers(plan({"stop", "-"}), "--time")); // hidden
    EXPECT_TRUE(offers(plan({"--"}), "--context"));
    EXPECT_TRUE(plan({"stop", "--", "-"}).candidates.empty());
    EXPECT_EQ(plan({"run", "busybox", "-"}).candidates.size(), 0u) << "flags end with the image";
}

TEST(Completion, knows_what_objects_an_argument_names) {
    using enum Names;
    EXPECT_EQ(plan({"stop", ""}).names, std::vector<Names>{Running});
    EXPECT_EQ(plan({"container", "stop", "a", ""}).names, std::vector<Names>{Running});
    EXPECT_EQ(plan({"container", "stop", "a", ""}).taken, std::vector<std::string>{"a"});
    EXPECT_EQ(plan({"run", "-it", "b"}).names, std::vector<Names>{Images});
    EXPECT_EQ(plan({"run", "busybox", ""}).names, std::vector<Names>{});
    EXPECT_EQ(plan({"network", "connect", "n", ""}).names, std::vector<Names>{Containers});
    EXPECT_EQ(plan({"network", "connect", "n", "c", ""}).names, std::vector<Names>{});
    EXPECT_EQ(plan({"volume", "remove", ""}).names, std::vector<Names>{Volumes});
}

TEST(Completion, knows_values_of_flags) {
    EXPECT_EQ(plan({"run", "--network", ""}).names, std::vector<Names>{Names::Networks});
    EXPECT_TRUE(offers(plan({"run", "--network", ""}), "host"));
    EXPECT_TRUE(offers(plan({"run", "--restart", "un"}), "unless-stopped"));
    EXPECT_EQ(plan({"run", "-itv", ""}).names, (std::vector<Names>{Names::Volumes, Names::Files}));
    EXPECT_EQ(plan({"run", "-d", ""}).names, std::vector<Names>{Names::Images});
    const auto joined = plan({"run", "--network=ho"});
    EXPECT_EQ(joined.prefix, "--network=");
    EXPECT_EQ(joined.typed, "ho");
    EXPECT_TRUE(offers(joined, "host"));
    EXPECT_EQ(plan({"-c", ""}).names, std::vector<Names>{Names::Contexts});
}

TEST(Completion, takes_a_line_apart_as_a_shell_does) {
    using Words = std::vector<std::string>;
    EXPECT_EQ(split_line("shoal rm a:1"), (Words{"shoal", "rm", "a:1"}));
    EXPECT_EQ(split_line("shoal rm "), (Words{"shoal", "rm", ""}));
    EXPECT_EQ(split_line("shoal 'a b' \"c\\\"d\" e\\ f 'un"),
              (Words{"shoal", "a b", "c\"d", "e f", "un"}));
    EXPECT_EQ(split_line(""), Words{""});
}

} // namespace
} // namespace shoal::cli
