#include "cli/swarm/node_spec.h"
#include "cli/swarm/swarm_options.h"

#include "base/text.h"
#include "cli/swarm/commands.h"

#include <gtest/gtest.h>

namespace shoal::cli::swarm {
namespace {

Parsed parsed(const Command& command, std::string_view line) {
    return *parse_flags(flags_of(command), split(line, ' '), command.flags_first);
}

TEST(NodeSpec, changes_labels_and_role) {
    const Json old = *parse_json(R"({"Labels":{"a":"1"},"Role":"worker","More":1})");
    const auto spec = changed_node_spec(
        old, parsed(node_update_command, "--role manager --label-add b=2 --label-rm a n"));
    EXPECT_EQ(spec->dump(), R"({"Labels":{"b":"2"},"Role":"manager","More":1})");
    const auto wrong = changed_node_spec(old, parsed(node_update_command, "--label-rm x n"));
    EXPECT_EQ(wrong.error().message, "key x doesn't exist in node's labels");
}

TEST(SwarmOptions, say_only_what_was_said) {
    const auto body = init_body(parsed(init_command, "--task-history-limit 3 --listen-addr eth0"));
    EXPECT_EQ((*body)["ListenAddr"], "eth0:2377");
    EXPECT_EQ((*body)["Spec"]["Orchestration"].dump(), R"({"TaskHistoryRetentionLimit":3})");
    EXPECT_EQ((*body)["Spec"]["Dispatcher"].dump(), "{}");
    Json spec = *parse_json(R"({"Raft":{"ElectionTick":10},"CAConfig":{"ForceRotate":2}})");
    ASSERT_TRUE(merge_swarm_spec(
        spec, parsed(update_command, "--autolock --external-ca protocol=cfssl,url=u"), "PEM"));
    EXPECT_EQ(
        spec.dump(),
        R"({"Raft":{"ElectionTick":10},"CAConfig":{"ForceRotate":2,"ExternalCAs":[{"Protocol":"cfssl","URL":"u","CACert":"PEM"}]},"EncryptionConfig":{"AutoLockManagers":true}})");
}

TEST(SwarmOptions, check_addresses) {
    struct Case {
        const char* text;
        bool good;
    };
    for (const auto& [text, good] :
         {Case{"0.0.0.0:1", true}, Case{":1", true}, Case{"eth0", true}, Case{"[::1]:1", true},
          Case{"[::1]", false}, Case{"a:b", false}, Case{"a:1:2", false}, Case{"", false}}) {
        EXPECT_EQ(check_listen_address(text).has_value(), good) << text;
    }
    EXPECT_TRUE(check_pools("10.0.0.0/8,fd00::/64"));
    EXPECT_FALSE(check_pools("10.0.0.0"));
    EXPECT_FALSE(check_pools("10.0.0.0/33"));
    EXPECT_FALSE(check_uint32("4294967296"));
}

} // namespace
} // namespace shoal::cli::swarm
