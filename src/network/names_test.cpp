#include "network/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::network {
namespace {

const NetworkId front = *NetworkId::parse(std::string(64, 'a'));
const NetworkId back = *NetworkId::parse(std::string(64, 'b'));

NameTable table() {
    NameTable names;
    names.add_network(front, "Front");
    names.add_network(back, "back");
    names.add(front,
              {"e1", {"web", "www"}, "web", {*Ip::parse("10.0.0.2"), *Ip::parse("fd00::2")}});
    names.add(front, {"e2", {"web2", "www"}, "web2", {*Ip::parse("10.0.0.3")}});
    names.add(back, {"e3", {"db"}, "db", {*Ip::parse("10.1.0.2")}});
    return names;
}

std::vector<std::string> texts(const NameAnswer& answer) {
    std::vector<std::string> all;
    for (const auto& ip : answer.addresses) { all.push_back(ip.text()); }
    return all;
}

TEST(NameTable, finds_names_of_the_containers_own_networks_only_in_any_case) {
    const auto names = table();
    const DnsView view{.networks = {front}};
    EXPECT_THAT(texts(names.find(view, "WEB.")), ::testing::ElementsAre("10.0.0.2", "fd00::2"));
    EXPECT_THAT(texts(names.find(view, "www")),
                ::testing::ElementsAre("10.0.0.2", "fd00::2", "10.0.0.3"));
    EXPECT_THAT(texts(names.find(view, "web2.front")), ::testing::ElementsAre("10.0.0.3"));
    EXPECT_EQ(names.find(view, "db").kind, NameAnswer::Kind::Unknown);
    EXPECT_EQ(names.find(view, "web.back").kind, NameAnswer::Kind::Unknown);
}

TEST(NameTable, a_name_without_addresses_is_known_all_the_same) {
    auto names = table();
    names.add(front, {"s1", {"api"}, "", {}});
    const auto found = names.find({.networks = {front}}, "api");
    EXPECT_EQ(found.kind, NameAnswer::Kind::Addresses) << "or somebody outside would be asked";
    EXPECT_TRUE(found.addresses.empty());
}

TEST(NameTable, says_an_address_once_and_has_no_reverse_for_what_only_points_there) {
    auto names = table();
    names.add(front, {"s1", {"web", "tasks.web"}, "", {*Ip::parse("10.0.0.2")}});
    const DnsView view{.networks = {front}};
    EXPECT_THAT(texts(names.find(view, "web")), ::testing::ElementsAre("10.0.0.2", "fd00::2"));
    EXPECT_EQ(names.find_reverse(view, "2.0.0.10.in-addr.arpa").name, "web.front");
}

TEST(NameTable, follows_links_before_names) {
    const auto names = table();
    const DnsView view{.networks = {front, back}, .links = {{back, "web", "db"}}};
    EXPECT_THAT(texts(names.find(view, "web")), ::testing::ElementsAre("10.1.0.2"));
}

TEST(NameTable, answers_reverse_lookups_and_forgets_what_is_removed) {
    auto names = table();
    const DnsView view{.networks = {front}};
    EXPECT_EQ(names.find_reverse(view, "3.0.0.10.in-addr.arpa").name, "web2.front");
    EXPECT_EQ(names.find_reverse(view, "2.0.1.10.in-addr.arpa").kind, NameAnswer::Kind::Unknown);
    names.remove(front, "e1");
    EXPECT_THAT(texts(names.find(view, "www")), ::testing::ElementsAre("10.0.0.3"));
    EXPECT_EQ(names.find_reverse(view, "2.0.0.10.in-addr.arpa").kind, NameAnswer::Kind::Unknown);
}

} // namespace
} // namespace shoal::network
