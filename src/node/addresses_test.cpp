#include "node/addresses.h"

#include <gtest/gtest.h>

namespace shoal::node {
namespace {

const std::vector<LocalAddress> one_card{{"lo", "127.0.0.1", false}, {"eth0", "10.0.0.5", true}};
const std::vector<LocalAddress> two_cards{{"eth0", "10.0.0.5", true}, {"eth1", "10.1.0.5", true}};

std::string advertised(const std::string& listen, const std::string& advertise,
                       const std::vector<LocalAddress>& here) {
    const auto places = plan_addresses(listen, advertise, "", here);
    return places ? places->advertise : "error: " + places.error().message;
}

TEST(Addresses, the_only_address_is_advertised) {
    const auto places = plan_addresses("", "", "", one_card);
    ASSERT_TRUE(places);
    EXPECT_EQ(places->listen, "0.0.0.0:2377");
    EXPECT_EQ(places->advertise, "10.0.0.5:2377");
    EXPECT_EQ(places->data_path, "10.0.0.5");
}

TEST(Addresses, among_several_the_user_has_to_choose) {
    EXPECT_TRUE(advertised("", "", two_cards).find("specify one with --advertise-addr") !=
                std::string::npos);
    EXPECT_EQ(advertised("", "eth1", two_cards), "10.1.0.5:2377");
    EXPECT_EQ(advertised("", "10.1.0.5:9999", two_cards), "10.1.0.5:9999");
    EXPECT_EQ(advertised("10.0.0.5:4000", "", two_cards), "10.0.0.5:4000");
}

TEST(Addresses, what_is_no_address_is_refused) {
    EXPECT_TRUE(advertised("", "0.0.0.0", one_card).starts_with("error: advertise address"));
    EXPECT_TRUE(advertised("", "nowhere", one_card).starts_with("error: must specify"));
    EXPECT_TRUE(advertised("10.0.0.5:99999", "", one_card).starts_with("error: invalid port"));
}

TEST(Addresses, remotes_get_the_usual_port) {
    const auto all = with_default_port({"10.0.0.1", "10.0.0.2:4000", "fd00::1", "[fd00::2]:5"});
    ASSERT_TRUE(all);
    EXPECT_EQ(*all, (std::vector<std::string>{"10.0.0.1:2377", "10.0.0.2:4000", "[fd00::1]:2377",
                                              "[fd00::2]:5"}));
    EXPECT_FALSE(with_default_port({}));
}

} // namespace
} // namespace shoal::node
