#include "machine/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::machine {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

Machine machine_named(const std::string& name, std::uint32_t number) {
    Machine machine;
    machine.name = name;
    machine.number = number;
    machine.address = "198.18.0." + std::to_string(number);
    machine.daemon = "/opt/shoal/bin/shoald";
    machine.first = os::ProcessIdentity{4711, 1};
    return machine;
}

TEST(MachinePlan, the_environment_inside_speaks_of_the_machines_own_daemon) {
    const std::vector<std::string> outside{
        "PATH=/x",       "DOCKER_HOST=unix:///other", "SHOAL_MACHINE_ROOT=/r", "LANG=C.UTF-8",
        "HOME=/home/me", "http_proxy=http://p"};
    const auto inside = environment_inside(machine_named("a", 1), outside);
    EXPECT_THAT(inside, Contains("LANG=C.UTF-8"));
    EXPECT_THAT(inside, Contains("http_proxy=http://p"));
    EXPECT_THAT(inside, Contains("HOME=/root"));
    EXPECT_THAT(inside, Contains("DOCKER_HOST=unix:///run/machine/api.sock"));
    EXPECT_THAT(inside, Contains(testing::StartsWith("PATH=/opt/shoal/bin:")));
    EXPECT_THAT(inside, Not(Contains("PATH=/x")));
    EXPECT_THAT(inside, Not(Contains(HasSubstr("SHOAL_MACHINE_ROOT"))));
    EXPECT_THAT(inside, Not(Contains("DOCKER_HOST=unix:///other")));
}

TEST(MachinePlan, the_words_of_ssh_are_one_line_of_a_shell) {
    const std::vector<std::string> words{"echo", "a  b", "|", "wc"};
    const auto command = enter_command(machine_named("a", 1), words, {});
    EXPECT_EQ(command[0], "nsenter");
    EXPECT_EQ(command[2], "4711");
    EXPECT_EQ(command.back(), "echo a  b | wc");
    EXPECT_EQ(command[command.size() - 2], "-c");
}

TEST(MachinePlan, hosts_are_in_order_of_their_numbers) {
    const std::vector<Machine> machines{machine_named("b", 2), machine_named("a", 1)};
    EXPECT_THAT(hosts_text(machines), HasSubstr("198.18.0.1\ta\n198.18.0.2\tb\n"));
    EXPECT_THAT(hosts_text(machines), HasSubstr("127.0.0.1\tlocalhost\n"));
}

TEST(MachinePlan, a_partition_is_a_set_of_pairs_of_ports) {
    const std::vector<Cut> cuts{{"a", "b"}, {"b", "a"}, {"a", "gone"}};
    const std::string text = partition_rules(cuts, {{"a", 1}, {"b", 2}});
    EXPECT_THAT(text, HasSubstr("elements = { \"port1\" . \"port2\", \"port2\" . \"port1\" }"));
    EXPECT_THAT(text, HasSubstr("iifname . oifname @cuts drop"));
    EXPECT_THAT(text, Not(HasSubstr("gone")));
}

TEST(MachinePlan, no_cut_is_no_table) {
    EXPECT_EQ(partition_rules({}, {{"a", 1}}),
              "table bridge machines\ndelete table bridge machines\n");
}

TEST(MachinePlan, cuts_come_and_go_in_pairs_and_one_way) {
    const auto both = with_cut({}, {"a", "b"}, Way::Both);
    EXPECT_EQ(both, (std::vector<Cut>{{"a", "b"}, {"b", "a"}}));
    EXPECT_EQ(with_cut(both, {"b", "a"}, Way::Both), both);
    EXPECT_EQ(with_cut({}, {"a", "b"}, Way::One), (std::vector<Cut>{{"a", "b"}}));
    EXPECT_EQ(without_cut(with_cut(both, {"a", "c"}, Way::One), {"b", "a"}),
              (std::vector<Cut>{{"a", "c"}}));
    EXPECT_EQ(without_machine({{"a", "b"}, {"c", "d"}, {"d", "a"}}, "a"),
              (std::vector<Cut>{{"c", "d"}}));
}

TEST(MachinePlan, env_is_quoted_for_shells) {
    EXPECT_THAT(env_text("a", "/x/it's/api.sock", "shoal"),
                HasSubstr("export DOCKER_HOST='unix:///x/it'\\''s/api.sock'\n"));
}

} // namespace
} // namespace shoal::machine
