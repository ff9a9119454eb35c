#include "os/sockets.h"

#include "os/netlink.h"
#include "os/netns.h"

#include <gtest/gtest.h>

#include <cerrno>

#include <netinet/in.h>
#include <sys/socket.h>

namespace shoal::os {
namespace {

sockaddr_in at(std::uint32_t address, std::uint16_t port) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(address);
    where.sin_port = htons(port);
    return where;
}

Result<Fd> listen_at(std::uint32_t address, std::uint16_t port) {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto where = at(address, port);
    if (::bind(socket.raw(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 ||
        ::listen(socket.raw(), 8) != 0) {
        return os_error("listen", errno);
    }
    return socket;
}

Result<Fd> connect_to(std::uint32_t address, std::uint16_t port) {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto where = at(address, port);
    if (::connect(socket.raw(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
        return os_error("connect", errno);
    }
    return socket;
}

Result<void> give_address(const Fd& netns, const std::string& link, std::uint32_t address) {
    TRY_LET(netlink, Netlink::open_in(netns));
    TRY(netlink.set_up(1, true));
    TRY_LET(found, netlink.link(link));
    const auto order = htonl(address);
    const std::string bytes(reinterpret_cast<const char*>(&order), 4);
    TRY(netlink.add_address({bytes, 24, found.index}));
    return netlink.set_up(found.index, true);
}

constexpr std::uint32_t server_address = 0x0a010001, client_address = 0x0a010002;

/// Two namespaces with a link between them.
struct Inbound : ::testing::Test {
    void SetUp() override {
        server = create_anonymous_netns().value_or(Fd());
        client = create_anonymous_netns().value_or(Fd());
        auto netlink = Netlink::open_in(server);
        ASSERT_TRUE(netlink);
        ASSERT_TRUE(netlink->create_veth({"v0", "v1", client.raw(), "", 0, 0}));
        ASSERT_TRUE(give_address(server, "v0", server_address));
        ASSERT_TRUE(give_address(client, "v1", client_address));
    }
    Fd inside(const Fd& netns, const std::function<Result<Fd>()>& make) {
        Fd made;
        const auto done = run_in_netns(netns, [&]() -> Result<void> {
            TRY_LET(socket, make());
            made = std::move(socket);
            return ok();
        });
        EXPECT_TRUE(done) << done.error().message;
        return made;
    }
    std::size_t count() {
        auto counted = count_inbound_connections(server);
        EXPECT_TRUE(counted) << counted.error().message;
        return std::move(counted).value_or(999);
    }
    Fd server, client;
};

TEST_F(Inbound, connections_from_elsewhere_count_while_they_are_open) {
    const auto listening = inside(server, [] { return listen_at(0, 80); });
    EXPECT_EQ(count(), 0u);
    auto one = inside(client, [] { return connect_to(server_address, 80); });
    const auto two = inside(client, [] { return connect_to(server_address, 80); });
    EXPECT_EQ(count(), 2u);
    one = Fd(); // the server has not read the end of it yet, and the connection is half closed
    EXPECT_EQ(count(), 1u);
}

TEST_F(Inbound, what_it_asks_of_others_and_of_itself_does_not_count) {
    const auto listening = inside(server, [] { return listen_at(0, 80); });
    const auto other = inside(client, [] { return listen_at(0, 443); });
    const auto outgoing = inside(server, [] { return connect_to(client_address, 443); });
    const auto health = inside(server, [] { return connect_to(INADDR_LOOPBACK, 80); });
    const auto itself = inside(server, [] { return connect_to(server_address, 80); });
    EXPECT_EQ(count(), 0u);
}

TEST_F(Inbound, ports_on_which_something_listens_are_told) {
    EXPECT_TRUE(listening_ports(server)->empty());
    const auto everywhere = inside(server, [] { return listen_at(0, 80); });
    const auto alone = inside(server, [] { return listen_at(INADDR_LOOPBACK, 81); });
    EXPECT_EQ(*listening_ports(server), (std::set<std::uint16_t>{80, 81}));
    EXPECT_TRUE(listening_ports(client)->empty());
}

} // namespace
} // namespace shoal::os
