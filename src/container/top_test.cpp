#include "container/top.h"

#include <gtest/gtest.h>

namespace shoal::container {
namespace {

TEST(Top, keeps_the_containers_lines_and_the_command_whole) {
    const auto table = parse_ps_output("UID   PID  PPID CMD\n"
                                       "root    1     0 /sbin/init --x y\n"
                                       "web    42     1 sleep  1 2\n"
                                       "web    43     1 sh\n",
                                       {42, 43});
    ASSERT_TRUE(table);
    EXPECT_EQ(table->titles, (std::vector<std::string>{"UID", "PID", "PPID", "CMD"}));
    ASSERT_EQ(table->processes.size(), 2u);
    EXPECT_EQ(table->processes[0], (std::vector<std::string>{"web", "42", "1", "sleep  1 2"}));
}

TEST(Top, needs_the_pid_column) {
    EXPECT_EQ(parse_ps_output("CMD\nx\n", {1}).error().message,
              "Couldn't find PID field in ps output");
}

TEST(Top, refuses_to_rename_the_pid) {
    EXPECT_FALSE(parse_ps_args("-o pid=x,cmd"));
    EXPECT_EQ(*parse_ps_args(""), (std::vector<std::string>{"-ef"}));
    EXPECT_EQ(*parse_ps_args("-o  pid,cmd"), (std::vector<std::string>{"-o", "pid,cmd"}));
}

} // namespace
} // namespace shoal::container
