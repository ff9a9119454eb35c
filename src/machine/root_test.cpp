#include "machine/root.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace shoal::machine {
namespace {

using Kind = RootStep::Kind;

RootInput some_input() {
    RootInput input;
    input.directory = "/state/m1";
    input.disk = "/state/m1/disk";
    input.etc = "/state/m1/etc";
    input.common = "/state/.common";
    input.daemon_folder = "/usr/bin";
    input.top = {{"bin", "usr/bin"}, {"usr", ""}, {"home", ""}, {"lost+found", ""},
                 {"proc", ""},       {"etc", ""}, {"opt", ""},  {"tmp", ""}};
    input.cgroups.v1_mounts = {{"cpu", "/sys/fs/cgroup/cpu,cpuacct"},
                               {"cpuacct", "/sys/fs/cgroup/cpu,cpuacct"},
                               {"pids", "/sys/fs/cgroup/pids"},
                               {"systemd", "/sys/fs/cgroup/systemd"}};
    return input;
}

const RootStep* step_at(const std::vector<RootStep>& steps, std::string_view target) {
    const auto found = std::find_if(steps.begin(), steps.end(),
                                    [&](const RootStep& step) { return step.target == target; });
    return found == steps.end() ? nullptr : &*found;
}

TEST(MachineRoot, shows_programs_read_only_and_has_a_disk_of_its_own) {
    const auto steps = plan_root(some_input());
    EXPECT_EQ(*step_at(steps, "usr"), (RootStep{Kind::ReadOnly, "usr", "/usr", "", ""}));
    EXPECT_EQ(*step_at(steps, "opt"), (RootStep{Kind::ReadOnly, "opt", "/opt", "", ""}));
    EXPECT_EQ(*step_at(steps, "bin"), (RootStep{Kind::Link, "bin", "usr/bin", "", ""}));
    EXPECT_EQ(*step_at(steps, "var"), (RootStep{Kind::Bind, "var", "/state/m1/disk/var", "", ""}));
    EXPECT_EQ(*step_at(steps, "home"),
              (RootStep{Kind::Bind, "home", "/state/m1/disk/home", "", ""}));
    EXPECT_EQ(*step_at(steps, "etc"),
              (RootStep{Kind::Overlay, "etc", "/etc", "/state/m1/etc", "/state/m1/etc.work"}));
    EXPECT_EQ(step_at(steps, "lost+found"), nullptr);
}

TEST(MachineRoot, nothing_of_this_computer_can_be_written_but_devices) {
    for (const auto& step : plan_root(some_input())) {
        if (step.kind == Kind::Bind) {
            EXPECT_TRUE(step.source.starts_with("/state/m1")) << step.source;
        }
        if (step.kind == Kind::BindAll) { EXPECT_EQ(step.source, "/dev"); }
    }
}

TEST(MachineRoot, mounts_each_hierarchy_of_version_1_with_its_controllers) {
    const auto steps = plan_root(some_input());
    EXPECT_EQ(step_at(steps, "sys/fs/cgroup/cpu,cpuacct")->data, "cpu,cpuacct");
    EXPECT_EQ(step_at(steps, "sys/fs/cgroup/cpu")->kind, Kind::Link);
    EXPECT_EQ(step_at(steps, "sys/fs/cgroup/pids")->data, "pids");
    EXPECT_EQ(step_at(steps, "sys/fs/cgroup/systemd")->data, "none,name=systemd");
    EXPECT_EQ(step_at(steps, "sys/fs/cgroup/unified"), nullptr);
}

TEST(MachineRoot, mounts_the_one_tree_of_version_2) {
    auto input = some_input();
    input.cgroups = {};
    input.cgroups.version = os::CgroupLayout::Version::V2;
    EXPECT_EQ(step_at(plan_root(input), "sys/fs/cgroup")->type, "cgroup2");
}

TEST(MachineRoot, shows_the_daemon_where_it_would_be_hidden) {
    auto input = some_input();
    input.daemon_folder = "/root/build/bin";
    EXPECT_EQ(*step_at(plan_root(input), "root/build/bin"),
              (RootStep{Kind::ReadOnly, "root/build/bin", "/root/build/bin", "", ""}));
    EXPECT_EQ(step_at(plan_root(some_input()), "usr/bin"), nullptr);
}

} // namespace
} // namespace shoal::machine
