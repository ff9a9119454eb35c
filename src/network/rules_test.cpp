#include "network/rules.h"

#include "os/netns.h"
#include "os/nft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::network {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RuleState sample() {
    RuleState state;
    state.bridges = {
        {.link = "shoal0",
         .masquerade = {*Subnet::parse("172.17.0.0/16"), *Subnet::parse("fd00:1::/64")}},
        {.link = "br-quiet", .icc = false, .internal = true}};
    state.ports = {
        {Protocol::Tcp, {}, 8080, *Ip::parse("172.17.0.2"), 80, false},
        {Protocol::Udp, *Ip::parse("10.99.0.1"), 53, *Ip::parse("172.17.0.3"), 5353, false},
        {Protocol::Sctp, {}, 9000, *Ip::parse("fd00:1::2"), 90, false},
        {Protocol::Tcp, {}, 0, *Ip::parse("172.17.0.4"), 443, true},
    };
    return state;
}

/// Tries a text on the kernel, in a namespace that is thrown away.
Result<std::string> load(const std::string& text, const std::string& then = "") {
    TRY_LET(netns, os::create_anonymous_netns());
    std::string listing;
    TRY(os::run_in_netns(netns, [&]() -> Result<void> {
        TRY_LET(nft, os::Nft::open());
        TRY(nft.apply(text));
        if (!then.empty()) { TRY(nft.apply(then)); }
        TRY_LET(out, nft.query("list ruleset", os::Nft::Form::Text));
        listing = std::move(out);
        return ok();
    }));
    return listing;
}

TEST(Rules, put_each_port_into_the_map_of_its_kind) {
    const auto text = render_table("shoal_0", sample(), "");
    EXPECT_THAT(
        text,
        HasSubstr(
            "map pub_any { typeof meta l4proto . th dport : ip daddr . th dport; elements = { tcp . 8080 : 172.17.0.2 . 80 }; }"));
    EXPECT_THAT(text, HasSubstr("elements = { 10.99.0.1 . udp . 53 : 172.17.0.3 . 5353 }; }"));
    EXPECT_THAT(text, HasSubstr("elements = { sctp . 9000 : fd00:1::2 . 90 }; }"));
    EXPECT_THAT(
        text,
        HasSubstr(
            "set open4 { typeof ip daddr . meta l4proto . th dport; elements = { 172.17.0.4 . tcp . 443 }; }"));
    EXPECT_THAT(
        text,
        HasSubstr("set icc { type ifname . ifname; elements = { \"shoal0\" . \"shoal0\" }; }"));
    EXPECT_THAT(
        text,
        HasSubstr(
            "set self4 { typeof ip saddr . ip daddr; elements = { 172.17.0.2 . 172.17.0.2, 172.17.0.3 . 172.17.0.3 }; }"));
    EXPECT_THAT(text, HasSubstr("set internal { type ifname; elements = { \"br-quiet\" }; }"));
    EXPECT_THAT(text, Not(HasSubstr("chain guard")));
}

TEST(Rules, are_accepted_by_the_kernel_again_and_again) {
    auto state = sample();
    state.guard_forward = true;
    const auto text = render_table("shoal_0", state, "ip saddr 10.99.0.50 drop\n");
    const auto listing = load(text, text);
    ASSERT_TRUE(listing) << listing.error().message;
    EXPECT_THAT(*listing, HasSubstr("ip saddr 10.99.0.50 drop"));
    EXPECT_EQ(listing->find("table inet shoal_0"), listing->rfind("table inet shoal_0"));
}

TEST(Rules, change_by_elements_and_come_back_to_where_they_were) {
    const RuleBridge bridge{.link = "br-new", .masquerade = {*Subnet::parse("10.7.0.0/24")}};
    const std::vector<RulePort> ports = {
        {Protocol::Tcp, {}, 81, *Ip::parse("10.7.0.2"), 80, false},
        {Protocol::Tcp, *Ip::parse("127.0.0.1"), 82, *Ip::parse("10.7.0.2"), 80, false}};
    const auto base = render_table("t", sample(), "");
    const auto added = render_add_bridge("t", bridge) + render_add_ports("t", ports);
    const auto with = load(base, added);
    ASSERT_TRUE(with) << with.error().message;
    EXPECT_THAT(*with, HasSubstr("tcp . 81 : 10.7.0.2 . 80"));
    const auto back =
        load(base, added + render_remove_ports("t", ports) + render_remove_bridge("t", bridge));
    ASSERT_TRUE(back) << back.error().message;
    const auto before = load(base);
    EXPECT_EQ(*back, *before);
    EXPECT_EQ(render_add_ports("t", {}), "");
}

TEST(Rules, find_dropping_forward_chains_of_others_and_open_them_for_marked_packets_once) {
    const std::string foreign =
        "table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop;\n}\n}\n"
        "table inet fw { chain f { type filter hook forward priority 0; policy accept;\n}\n}\n";
    const auto netns = os::create_anonymous_netns();
    ASSERT_TRUE(netns);
    const auto outcome = os::run_in_netns(*netns, [&]() -> Result<void> {
        TRY_LET(nft, os::Nft::open());
        TRY(nft.apply(foreign + render_table("shoal_0", {}, "")));
        TRY_LET(json, nft.query("list chains", os::Nft::Form::Json));
        TRY_LET(chains, parse_foreign_chains(json, "shoal_0"));
        EXPECT_EQ(chains.size(), 2u);
        const auto commands = render_foreign_accept(chains, "shoal_0");
        EXPECT_EQ(
            commands,
            "insert rule ip filter FORWARD meta mark & 0x10000000 == 0x10000000 accept comment \"shoal_0 accepted\"\n");
        TRY(nft.apply(commands));
        TRY_LET(again, nft.query("list chain ip filter FORWARD", os::Nft::Form::Json));
        TRY_LET(seen, parse_foreign_chains(again, "shoal_0"));
        EXPECT_EQ(render_foreign_accept(seen, "shoal_0"), "");
        return nft.apply(render_foreign_remove(seen));
    });
    EXPECT_TRUE(outcome) << outcome.error().message;
}

TEST(Rules, keep_the_operators_rules_from_a_listing) {
    EXPECT_EQ(
        parse_user_rules(
            "table inet t {\n\tchain user { # handle 3\n\t\tip saddr 1.2.3.4 drop # handle 9\n\t\ttcp dport 22 accept # handle 10\n\t}\n}\n"),
        "ip saddr 1.2.3.4 drop\ntcp dport 22 accept\n");
    EXPECT_EQ(parse_user_rules(""), "");
}

TEST(Rules, redirect_dns_in_a_container) { EXPECT_TRUE(load(render_dns_redirect(40000))); }

} // namespace
} // namespace shoal::network
