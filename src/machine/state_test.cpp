#include "machine/state.h"

#include "base/time.h"

#include <gtest/gtest.h>

namespace shoal::machine {
namespace {

TEST(MachineState, is_read_as_it_was_written) {
    Machine machine;
    machine.name = "m1";
    machine.id = "0123456789abcdef0123456789abcdef";
    machine.number = 7;
    machine.address = "198.18.0.7";
    machine.created = from_unix_nanos(1'700'000'000'000'000'001);
    machine.daemon = "/usr/bin/shoald";
    machine.disk_bytes = 1 << 20;
    machine.first = os::ProcessIdentity{12, 345};
    const auto read = machine_of(to_json(machine));
    ASSERT_TRUE(read);
    EXPECT_EQ(to_json(*read), to_json(machine));
    EXPECT_EQ(read->first, machine.first);
    EXPECT_EQ(read->created, machine.created);
}

TEST(MachineState, refuses_a_damaged_file) {
    EXPECT_FALSE(machine_of(Json::array()));
    EXPECT_FALSE(machine_of(Json::object()));
    EXPECT_FALSE(machine_of(Json{{"name", "../x"}, {"id", std::string(32, '0')}}));
    EXPECT_FALSE(machine_of(Json{{"name", "m"}, {"id", "short"}}));
}

TEST(MachineState, remembers_cuts) {
    Switch state;
    state.subnet = *Subnet::parse("10.9.0.0/24");
    state.cuts = {{"a", "b"}};
    const auto read = switch_of(to_json(state));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->subnet, state.subnet);
    EXPECT_EQ(read->cuts, state.cuts);
    EXPECT_FALSE(switch_of(Json{{"subnet", "none"}}));
}

} // namespace
} // namespace shoal::machine
