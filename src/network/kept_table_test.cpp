#include "network/kept_table.h"

#include "network/vxlan_guard.h"
#include "os/netns.h"
#include "os/nft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace shoal::network {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// In a namespace of its own.
struct KeptTableTest : ::testing::Test {
    void in(const std::function<Result<void>(os::Nft&)>& job) {
        const auto done = os::run_in_netns(netns, [&]() -> Result<void> {
            TRY_LET(nft, os::Nft::open());
            return job(nft);
        });
        EXPECT_TRUE(done) << done.error().message;
    }
    std::string listing() {
        std::string text;
        in([&](os::Nft& nft) -> Result<void> {
            text = nft.query("list ruleset", os::Nft::Form::Text).value_or("failed");
            return ok();
        });
        return text;
    }
    os::Fd netns = std::move(*os::create_anonymous_netns());
    KeptTable table{"t"};
    const std::string body = render_vxlan_guard(
        {4790, {*Ip::parse("10.0.0.2"), *Ip::parse("10.0.0.3"), *Ip::parse("fd00::3")}});
};

TEST_F(KeptTableTest, drops_vxlan_of_all_but_the_senders_and_goes_without_a_body) {
    in([&](os::Nft&) { return table.write(body); });
    EXPECT_THAT(listing(), HasSubstr("10.0.0.2, 10.0.0.3"));
    EXPECT_THAT(listing(), HasSubstr("udp dport 4790 ip saddr != @senders4 drop"));
    EXPECT_THAT(listing(), HasSubstr("udp dport 4790 ip6 saddr != @senders6 drop"));
    in([&](os::Nft&) { return table.write(""); });
    EXPECT_THAT(listing(), Not(HasSubstr("table inet t")));
}

TEST_F(KeptTableTest, is_written_again_when_others_took_something_or_all_of_it) {
    in([&](os::Nft& nft) -> Result<void> {
        TRY(table.write(body));
        EXPECT_EQ(*table.repair(), 0u);
        for (const char* harm : {"flush ruleset", "flush chain inet t input",
                                 "delete element inet t senders4 { 10.0.0.2 }",
                                 "add element inet t senders4 { 10.0.0.66 }", "delete table inet t",
                                 "insert rule inet t input accept"}) {
            TRY(nft.apply(harm));
            EXPECT_EQ(*table.repair(), 1u) << harm;
            EXPECT_EQ(*table.repair(), 0u) << harm;
        }
        return ok();
    });
    EXPECT_THAT(listing(), HasSubstr("10.0.0.2, 10.0.0.3 }"));
}

TEST_F(KeptTableTest, one_of_a_life_before_may_stay) {
    in([&](os::Nft&) -> Result<void> {
        TRY(table.write(body));
        KeptTable next("t"), other("u");
        TRY(next.write_if_absent(render_vxlan_guard({})));
        TRY(other.write_if_absent(render_vxlan_guard({})));
        EXPECT_EQ(*table.repair(), 0u) << "it was left alone";
        return ok();
    });
    EXPECT_THAT(listing(), HasSubstr("table inet u"));
}

} // namespace
} // namespace shoal::network
