#include "api/host_facts.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

TEST(HostFacts, reads_the_distribution_from_os_release) {
    const auto [name, version] = parse_os_release(
        "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\n");
    EXPECT_EQ(name, "Debian GNU/Linux 12 (bookworm)");
    EXPECT_EQ(version, "12");
    EXPECT_EQ(parse_os_release("").first, "Linux");
}

TEST(HostFacts, reads_memory_in_bytes) {
    EXPECT_EQ(parse_mem_total("MemTotal:       24689152 kB\nMemFree: 1 kB\n"), 24689152LL * 1024);
    EXPECT_EQ(parse_mem_total(""), 0);
}

TEST(HostFacts, reads_version_and_commit_of_a_runtime) {
    const auto crun = parse_program_version(
        "crun version 1.8.1\ncommit: f8a096be060b22ccd3d5f3ebe44108517fbf6c30\nspec: 1.0.0\n");
    EXPECT_EQ(crun.version, "1.8.1");
    EXPECT_EQ(crun.commit, "f8a096be060b22ccd3d5f3ebe44108517fbf6c30");
}

TEST(HostFacts, knows_this_machine) {
    const auto facts = load_host_facts();
    EXPECT_GT(facts.processors, 0);
    EXPECT_GT(facts.memory_bytes, 0);
    EXPECT_FALSE(facts.kernel.empty());
    EXPECT_FALSE(facts.go_architecture.empty());
}

} // namespace
} // namespace shoal::api
