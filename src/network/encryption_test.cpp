#include "network/encryption.h"

#include "base/text.h"
#include "os/netns.h"

#include <gtest/gtest.h>

namespace shoal::network {
namespace {

EncryptionState state_of(std::vector<std::uint64_t> numbers) {
    EncryptionState state;
    state.self = *Ip::parse("10.0.0.1");
    state.nodes = {*Ip::parse("10.0.0.2"), *Ip::parse("10.0.0.3")};
    state.vnis = {4097, 4100};
    for (const auto number : numbers) { state.keys.push_back({number, "sixteen bytes ok"}); }
    return state;
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++found;
    }
    return found;
}

TEST(Encryption, has_an_association_for_each_direction_node_and_key_and_a_policy_for_each_node) {
    const auto lines = render_xfrm({}, state_of({7, 6}));
    EXPECT_EQ(count(lines, "xfrm state add "), 2u * 2 * 2);
    EXPECT_EQ(count(lines, "xfrm policy update "), 2u);
    EXPECT_EQ(count(lines, "delete"), 0u);
    EXPECT_LT(lines.rfind("xfrm state add"), lines.find("xfrm policy"));
    EXPECT_NE(
        lines.find("src 10.0.0.1/32 dst 10.0.0.2/32 proto udp dport 4789 dir out mark 0xd00000 "
                   "mask 0xf00000 tmpl src 10.0.0.1 dst 10.0.0.2 proto esp"),
        std::string::npos);
}

TEST(Encryption, both_ends_make_the_same_key_and_every_direction_another) {
    auto here = state_of({7}), there = state_of({7});
    here.nodes = {*Ip::parse("10.0.0.2")};
    there.self = *Ip::parse("10.0.0.2");
    there.nodes = {*Ip::parse("10.0.0.1")};
    std::set<std::string> mine, theirs, keys;
    for (const auto& [text, into] :
         {std::pair(render_xfrm({}, here), &mine), std::pair(render_xfrm({}, there), &theirs)}) {
        for (const auto& line : split(text, '\n')) {
            if (line.starts_with("xfrm state")) { into->insert(line); }
        }
    }
    EXPECT_EQ(mine, theirs);
    for (const auto& line : mine) { keys.insert(line.substr(line.find("aead"))); }
    EXPECT_EQ(keys.size(), mine.size());
}

TEST(Encryption, a_rotation_adds_before_it_removes_and_the_policy_follows_the_first_key) {
    const auto before = state_of({7, 6}), after = state_of({8, 7});
    const auto lines = render_xfrm(before, after);
    EXPECT_EQ(count(lines, "xfrm state add "), 4u);
    EXPECT_EQ(count(lines, "xfrm state delete "), 4u);
    EXPECT_EQ(count(lines, "xfrm policy update "), 2u);
    EXPECT_EQ(count(lines, "xfrm policy delete "), 0u);
    EXPECT_LT(lines.find("state add"), lines.find("policy update"));
    EXPECT_LT(lines.rfind("policy update"), lines.find("state delete"));
    EXPECT_EQ(render_xfrm(after, after), "");
}

TEST(Encryption, nothing_is_left_without_networks) {
    auto none = state_of({7});
    none.vnis.clear();
    const auto lines = render_xfrm(state_of({7}), none);
    EXPECT_EQ(count(lines, "xfrm state delete "), 4u);
    EXPECT_EQ(count(lines, "xfrm policy delete "), 2u);
    EXPECT_EQ(count(lines, " add "), 0u);
    EXPECT_EQ(render_encryption(none), "");
}

TEST(Encryption, drops_what_would_go_or_come_clear) {
    const auto text = render_encryption(state_of({7}));
    EXPECT_NE(text.find("udp dport 4789 @th,96,24 { 4097, 4100 } jump encrypt"), std::string::npos);
    EXPECT_NE(text.find("udp dport 4789 @th,96,24 { 4097, 4100 } meta secpath missing drop"),
              std::string::npos);
    EXPECT_NE(text.find("set nodes4 { type ipv4_addr; elements = { 10.0.0.2, 10.0.0.3 }; }"),
              std::string::npos);
}

TEST(Encryption, the_kernel_takes_the_table) {
    const auto netns = os::create_anonymous_netns();
    ASSERT_TRUE(netns);
    const auto applied = os::run_in_netns(*netns, []() -> Result<void> {
        KeptTable table("t");
        TRY(table.write(render_encryption(state_of({7}))));
        return table.write(render_encryption({}));
    });
    EXPECT_TRUE(applied) << applied.error().message;
}

TEST(Encryption, a_kernel_without_it_says_so) {
    const auto able = check_esp();
    if (!able) {
        EXPECT_EQ(able.error().code, Errc::Unsupported);
        EXPECT_NE(able.error().message.find("ESP"), std::string::npos);
    }
}

} // namespace
} // namespace shoal::network
