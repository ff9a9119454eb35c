#include "os/conntrack.h"

#include "os/netlink.h"
#include "os/netns.h"
#include "os/nft.h"

#include <gtest/gtest.h>

#include <optional>

#include <arpa/inet.h>
#include <sys/socket.h>

namespace shoal::os {
namespace {

std::string bytes(const char* text) {
    std::string raw(16, '\0');
    if (::inet_pton(AF_INET, text, raw.data()) == 1) { return raw.substr(0, 4); }
    ::inet_pton(AF_INET6, text, raw.data());
    return raw;
}

/// One packet to `where`, which makes an entry.
Result<std::uint16_t> send_udp(const std::string& where, std::uint16_t port) {
    const bool v6 = where.size() == 16;
    const Fd socket(::socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in four{};
    sockaddr_in6 six{};
    four.sin_family = AF_INET;
    six.sin6_family = AF_INET6;
    four.sin_port = six.sin6_port = htons(port);
    std::memcpy(v6 ? static_cast<void*>(&six.sin6_addr) : &four.sin_addr, where.data(),
                where.size());
    auto* address = v6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
    socklen_t size = v6 ? sizeof six : sizeof four;
    if (::connect(socket.raw(), address, size) != 0 || ::send(socket.raw(), "x", 1, 0) != 1) {
        return os_error("send a packet", errno);
    }
    if (::getsockname(socket.raw(), address, &size) != 0) { return os_error("own port", errno); }
    return ntohs(v6 ? six.sin6_port : four.sin_port);
}

/// A namespace in which 127.0.0.100 and fd00::100 are translated to 127.0.0.1 and fd00::1.
struct Tracked : ::testing::Test {
    void SetUp() override {
        auto made = create_anonymous_netns();
        ASSERT_TRUE(made) << made.error().message;
        netns = std::move(*made);
        const auto done = run_in_netns(netns, []() -> Result<void> {
            TRY_LET(netlink, Netlink::open());
            TRY(netlink.set_up(1, true));
            for (const char* address : {"fd00::1", "fd00::2"}) {
                TRY(netlink.add_address({bytes(address), 128, 1}));
            }
            TRY(netlink.replace_route({bytes("fd00::"), 64, "", 1, true}));
            TRY_LET(nft, Nft::open());
            return nft.apply(R"(table inet t { chain out { type nat hook output priority -100;
                ip daddr 127.0.0.100 dnat ip to 127.0.0.1
                ip6 daddr fd00::100 dnat ip6 to fd00::1
            }
            })");
        });
        ASSERT_TRUE(done) << done.error().message;
        auto opened = Conntrack::open_in(netns);
        ASSERT_TRUE(opened) << opened.error().message;
        conntrack.emplace(std::move(*opened));
    }
    std::uint16_t send(const char* where, std::uint16_t port) {
        std::uint16_t own = 0;
        const auto done = run_in_netns(netns, [&]() -> Result<void> {
            TRY_LET(bound, send_udp(bytes(where), port));
            own = bound;
            return ok();
        });
        EXPECT_TRUE(done) << where << ": " << done.error().message;
        return own;
    }
    std::size_t count(const char* address) {
        const auto all = conntrack->answered_by(bytes(address));
        EXPECT_TRUE(all);
        return all ? all->size() : 0;
    }
    Fd netns;
    std::optional<Conntrack> conntrack;
};

TEST_F(Tracked, a_connection_is_found_by_who_answers_and_says_what_the_client_asked_for) {
    const auto own = send("127.0.0.100", 7001);
    const auto all = conntrack->answered_by(bytes("127.0.0.1"));
    ASSERT_TRUE(all) << all.error().message;
    ASSERT_EQ(all->size(), 1u);
    const TrackedConnection wanted{IPPROTO_UDP, bytes("127.0.0.1"), bytes("127.0.0.100"), own,
                                   7001,        bytes("127.0.0.1")};
    EXPECT_EQ(all->front(), wanted);
    EXPECT_EQ(count("127.0.0.100"), 0u);
}

sockaddr_in socket_address(const char* address, std::uint16_t port) {
    sockaddr_in made{};
    made.sin_family = AF_INET;
    made.sin_port = htons(port);
    std::memcpy(&made.sin_addr, bytes(address).data(), 4);
    return made;
}

TEST_F(Tracked, a_connection_has_ended_when_both_sides_have_closed_it) {
    const auto ended = [this] {
        const auto all = conntrack->answered_by(bytes("127.0.0.1"));
        EXPECT_TRUE(all && all->size() == 1);
        return all && !all->empty() && all->front().ended;
    };
    const auto done = run_in_netns(netns, [&]() -> Result<void> {
        const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const auto own = socket_address("127.0.0.1", 7001);
        const auto translated = socket_address("127.0.0.100", 7001);
        const auto* where = reinterpret_cast<const sockaddr*>(&translated);
        if (::bind(listener.raw(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 ||
            ::listen(listener.raw(), 1) != 0 ||
            ::connect(client.raw(), where, sizeof translated) != 0) {
            return os_error("connect", errno);
        }
        Fd server(::accept(listener.raw(), nullptr, nullptr));
        EXPECT_FALSE(ended());
        server.reset();
        EXPECT_FALSE(ended()) << "one side only";
        client.reset();
        return ok();
    });
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_TRUE(ended());
}

TEST_F(Tracked, those_answered_by_one_address_are_forgotten_and_no_others) {
    const std::array<std::array<const char*, 3>, 2> families = {
        std::array{"127.0.0.100", "127.0.0.1", "127.0.0.2"},
        std::array{"fd00::100", "fd00::1", "fd00::2"}};
    for (const auto& [service, backend, other] : families) {
        for (const bool filtered : {true, false}) {
            for (std::uint16_t port = 7001; port < 7004; ++port) { send(service, port); }
            send(other, 7001);
            ASSERT_EQ(count(backend), 3u) << service;
            const auto done = filtered ? conntrack->forget_answered_by(bytes(backend))
                                       : conntrack->forget_one_by_one(bytes(backend));
            EXPECT_TRUE(done) << done.error().message;
            EXPECT_EQ(count(backend), 0u) << service << filtered;
            EXPECT_GE(count(other), 1u) << service << filtered;
        }
    }
    EXPECT_TRUE(conntrack->forget_answered_by(bytes("127.0.0.1"))) << "none is success";
}

} // namespace
} // namespace shoal::os
