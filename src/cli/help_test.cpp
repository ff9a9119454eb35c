#include "cli/command.h"

#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

constexpr Flag table[] = {
    {"format", 0, Kind::Text, "Print with a template:\n'json': as JSON"},
    {"all", 'a', Kind::Bool,
     "Show everything that there is, not only what is running at this very moment"},
    {"last", 'n', Kind::Int, "Show some", "-1"},
    {"tail", 0, Kind::Text, "Lines", "all"},
    {"hidden", 0, Kind::Bool, "Nobody sees this", "", "", nullptr, true},
};

TEST(Help, flags_are_sorted_wrapped_and_show_defaults) {
    const Command command{
        .usage = "[OPTIONS] X", .summary = "Do it", .flags = table, .aliases = "container x, x"};
    EXPECT_EQ(command_help(command, "shoal x", "shoal", 80),
              "Usage:  shoal x [OPTIONS] X\n\n"
              "Do it\n\n"
              "Aliases:\n  shoal container x, shoal x\n\n"
              "Options:\n"
              "  -a, --all             Show everything that there is, not only what is\n"
              "                        running at this very moment\n"
              "      --format string   Print with a template:\n"
              "                        'json': as JSON\n"
              "  -n, --last int        Show some (default -1)\n"
              "      --tail string     Lines (default \"all\")\n");
}

TEST(Help, a_group_lists_its_commands_in_order) {
    static constexpr Command one{.usage = "", .summary = "First"};
    static constexpr Entry entries[] = {
        {"zzz", &one}, {"aaa", &one}, {"secret", &one, nullptr, "", Section::Hidden}};
    const Group group{"Manage things", entries};
    EXPECT_EQ(group_help(group, "shoal thing", 80),
              "Usage:  shoal thing COMMAND\n\nManage things\n\nCommands:\n"
              "  aaa         First\n  zzz         First\n\n"
              "Run 'shoal thing COMMAND --help' for more information on a command.\n");
}

} // namespace
} // namespace shoal::cli
