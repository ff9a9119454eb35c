// The transport between two ends on loopback; here, because it takes certificates to test it.
#include "swarm/rpc/tls_transport.h"

#include "net/listener.h"
#include "net/scope.h"
#include "net/tls.h"
#include "swarm/ca/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace shoal::swarm {
namespace {

using std::chrono::hours;

constexpr Instant noon{std::chrono::seconds(1'800'000'000)};

struct SetClock final : Clock {
    Instant now() const override { return at; }
    Steady steady() const override { return {}; }
    Instant at = noon;
};

struct Made {
    Role role = Role::Worker;
    std::string cluster = "c1";
    std::string id = "n1";
};
NodeCredentials make_node(const Signer& signer, const std::string& roots, Made how) {
    const auto made = make_request();
    const auto pem = sign_node_certificate(signer, made->request, {how.id, how.cluster, how.role},
                                           {noon, hours(10)});
    return {*pem, made->key, roots};
}
NodeCredentials make_node(const Signer& signer, Made how) {
    return make_node(signer, signer.certificate, std::move(how));
}
CredentialsPtr held(NodeCredentials credentials) {
    return *Credentials::create(std::move(credentials));
}

struct Outcome {
    Result<Incoming> incoming = internal("nobody came");
    /// Of the first byte that the server sends to whoever it has accepted.
    Result<std::size_t> client = internal("not connected");
};

struct TlsTransportTest : testing::Test {
    net::Loop loop;
    SetClock clock;
    Signer root = *make_root(noon);
    std::vector<std::string> refusals;
    TlsTransportSettings settings;
    CredentialsPtr server_holds = held(make_node(root, {Role::Manager, "c1", "m1"}));

    TlsTransportTest() {
        settings.on_refused = [this](const std::string&, const Error& why) {
            refusals.push_back(why.message);
        };
    }
    net::Until late() const { return loop.in(std::chrono::seconds(20)); }

    net::Task<void> serve_one(TlsTransport& server, Outcome& out, net::Until until) {
        out.incoming = co_await server.accept(until);
        if (out.incoming) { co_await out.incoming->stream->write_all("!", late()); }
    }
    net::Task<void> meet(TlsTransport& server, TlsTransport& client, Trust trust, Outcome& out) {
        net::TaskScope scope(loop);
        scope.spawn(serve_one(server, out, scope.cancel()));
        const auto address = "127.0.0.1:" + std::to_string(server.port());
        auto stream = co_await client.connect(address, trust, late());
        if (stream) {
            char byte[1];
            out.client = co_await (*stream)->read_some(byte, late());
        } else {
            out.client = std::move(stream).error();
        }
        co_await scope.close();
    }
    Outcome meet(CredentialsPtr client_holds, Trust trust) {
        TlsTransport server(loop, clock, server_holds, settings);
        EXPECT_TRUE(server.listen("127.0.0.1:0"));
        TlsTransport client(loop, clock, std::move(client_holds), settings);
        Outcome out;
        net::run_task(loop, meet(server, client, trust, out));
        if (out.incoming) { out.incoming->stream.reset(); }
        return out;
    }
    Outcome meet(Made client, Trust trust = Trust::Managers) {
        return meet(held(make_node(root, std::move(client))), trust);
    }
};

TEST_F(TlsTransportTest, tells_who_is_calling) {
    const auto out = meet({Role::Worker, "c1", "w7"});
    ASSERT_TRUE(out.client) << out.client.error().message;
    ASSERT_TRUE(out.incoming);
    const Caller& caller = out.incoming->caller;
    EXPECT_EQ(caller.node_id, "w7");
    EXPECT_EQ(caller.role, Role::Worker);
    EXPECT_EQ(caller.cluster_id, "c1");
    EXPECT_THAT(caller.address, testing::StartsWith("127.0.0.1:"));
    EXPECT_FALSE(caller.expired);
    EXPECT_EQ(meet({Role::Manager, "c1", "m2"}).incoming->caller.role, Role::Manager);
}

TEST_F(TlsTransportTest, who_shows_no_certificate_is_nobody) {
    for (const Trust trust : {Trust::Nobody, Trust::Root}) {
        const auto out = meet({Role::Worker, "c1", "w7"}, trust);
        ASSERT_TRUE(out.client) << out.client.error().message;
        EXPECT_EQ(out.incoming->caller.role, Role::None);
        EXPECT_EQ(out.incoming->caller.node_id, "");
    }
    // Before joining a node has nothing, then the root.
    EXPECT_TRUE(meet(held({}), Trust::Nobody).client);
    EXPECT_FALSE(meet(held({}), Trust::Root).client);
    EXPECT_TRUE(meet(held({"", "", root.certificate}), Trust::Root).client);
    EXPECT_FALSE(meet(held({"", "", root.certificate}), Trust::Managers).client);
}

TEST_F(TlsTransportTest, refuses_a_certificate_of_another_root) {
    const auto stranger = *make_root(noon);
    auto credentials = make_node(stranger, root.certificate, {Role::Manager, "c1", "m2"});
    const auto out = meet(held(credentials), Trust::Managers);
    EXPECT_FALSE(out.client);
    EXPECT_FALSE(out.incoming);
    ASSERT_EQ(refusals.size(), 1u);
    EXPECT_THAT(refusals[0], testing::HasSubstr("certificate"));
}

TEST_F(TlsTransportTest, refuses_a_server_of_another_root) {
    const auto stranger = *make_root(noon);
    for (const Trust trust : {Trust::Root, Trust::Managers}) {
        const auto out = meet(held(make_node(stranger, {Role::Worker, "c1", "w1"})), trust);
        EXPECT_EQ(out.client.error().code, Errc::Unauthorized);
    }
    EXPECT_TRUE(meet(held(make_node(stranger, Made{})), Trust::Nobody).client);
}

TEST_F(TlsTransportTest, refuses_a_worker_in_a_managers_place) {
    server_holds = held(make_node(root, {Role::Worker, "c1", "w1"}));
    for (const Trust trust : {Trust::Root, Trust::Managers}) {
        const auto out = meet({Role::Worker, "c1", "w2"}, trust);
        EXPECT_EQ(out.client.error().code, Errc::Unauthorized);
    }
}

TEST_F(TlsTransportTest, refuses_another_swarm_under_the_same_root) {
    const auto out = meet({Role::Manager, "c2", "m2"});
    EXPECT_FALSE(out.client);
    EXPECT_FALSE(out.incoming);
    server_holds = held(make_node(root, {Role::Manager, "c2", "m1"}));
    EXPECT_FALSE(meet({Role::Manager, "c1", "m2"}).client);
}

TEST_F(TlsTransportTest, marks_a_certificate_that_ran_out_and_refuses_it_after_its_grace) {
    const auto old = held(make_node(root, {Role::Worker, "c1", "w1"}));
    clock.at = noon + hours(24 * 20);
    // The server has renewed its own meanwhile.
    const auto made = make_request();
    const auto pem = sign_node_certificate(root, made->request, {"m1", "c1", Role::Manager},
                                           {clock.at, hours(24 * 90)});
    server_holds = held({*pem, made->key, root.certificate});
    auto out = meet(old, Trust::Managers);
    ASSERT_TRUE(out.client) << out.client.error().message;
    EXPECT_TRUE(out.incoming->caller.expired);
    EXPECT_EQ(out.incoming->caller.node_id, "w1");
    clock.at = noon + hours(24 * 31);
    out = meet(old, Trust::Managers);
    EXPECT_FALSE(out.client);
    EXPECT_FALSE(out.incoming);
}

TEST_F(TlsTransportTest, trusts_no_manager_whose_certificate_ran_out) {
    clock.at = noon + hours(11);
    EXPECT_EQ(meet({Role::Worker, "c1", "w1"}).client.error().code, Errc::Unauthorized);
}

TEST_F(TlsTransportTest, takes_both_roots_during_a_rotation) {
    auto next = *make_root(noon);
    next.intermediates = *cross_sign(root, next.certificate);
    server_holds =
        held(make_node(root, root.certificate + next.certificate, {Role::Manager, "c1", "m"}));
    EXPECT_TRUE(meet({Role::Worker, "c1", "w1"}).incoming);
    // It has renewed, and knows the old root only.
    const auto renewed = held(make_node(next, root.certificate, {Role::Worker, "c1", "w2"}));
    const auto out = meet(renewed, Trust::Managers);
    ASSERT_TRUE(out.client) << out.client.error().message;
    EXPECT_EQ(out.incoming->caller.node_id, "w2");
    // The server too; the worker has not.
    ASSERT_TRUE(server_holds->replace(
        make_node(next, root.certificate + next.certificate, {Role::Manager, "c1", "m"})));
    EXPECT_TRUE(meet({Role::Worker, "c1", "w3"}).client);
}

TEST_F(TlsTransportTest, new_credentials_serve_the_next_handshake) {
    TlsTransport server(loop, clock, server_holds, settings);
    ASSERT_TRUE(server.listen("127.0.0.1:0"));
    const auto client_holds = held(make_node(root, {Role::Worker, "c1", "w1"}));
    TlsTransport client(loop, clock, client_holds, settings);
    Outcome out;
    net::run_task(loop, meet(server, client, Trust::Managers, out));
    ASSERT_TRUE(out.client);
    const auto next = *make_root(noon);
    ASSERT_TRUE(server_holds->replace(make_node(next, {Role::Manager, "c1", "m1"})));
    Outcome apart;
    net::run_task(loop, meet(server, client, Trust::Managers, apart));
    EXPECT_FALSE(apart.client);
    ASSERT_TRUE(client_holds->replace(make_node(next, {Role::Manager, "c1", "w1"})));
    Outcome again;
    net::run_task(loop, meet(server, client, Trust::Managers, again));
    ASSERT_TRUE(again.client);
    EXPECT_EQ(again.incoming->caller.role, Role::Manager);
    auto broken = make_node(next, Made{});
    broken.key = make_request()->key;
    EXPECT_FALSE(server_holds->replace(broken));
    EXPECT_EQ(server_holds->identity()->node_id, "m1");
}

TEST_F(TlsTransportTest, silent_callers_make_room_for_others) {
    settings.handshakes_max = 4;
    TlsTransport server(loop, clock, server_holds, settings);
    ASSERT_TRUE(server.listen("127.0.0.1:0"));
    TlsTransport client(loop, clock, held(make_node(root, Made{})), settings);
    std::vector<net::StreamPtr> silent;
    const auto call = [](net::Loop& on, std::uint16_t port, net::Until until) {
        return net::connect_tcp(on, "127.0.0.1", port, until);
    };
    for (int i = 0; i < 40; ++i) {
        auto stream = net::run_task(loop, call(loop, server.port(), late()));
        ASSERT_TRUE(stream);
        silent.push_back(std::move(*stream));
    }
    Outcome out;
    net::run_task(loop, meet(server, client, Trust::Managers, out));
    EXPECT_TRUE(out.client);
    EXPECT_GE(refusals.size(), 36u);
}

TEST_F(TlsTransportTest, a_silent_caller_has_its_time_and_no_more) {
    settings.handshake_time = std::chrono::seconds(0);
    TlsTransport server(loop, clock, server_holds, settings);
    ASSERT_TRUE(server.listen("127.0.0.1:0"));
    auto stream = net::run_task(loop, net::connect_tcp(loop, "127.0.0.1", server.port(), late()));
    ASSERT_TRUE(stream);
    const auto wake = net::run_task(loop, (*stream)->wait_gone(late()));
    EXPECT_EQ(wake, net::Wake::Raised);
    ASSERT_EQ(refusals.size(), 1u);
    EXPECT_THAT(refusals[0], testing::HasSubstr("timed out"));
}

TEST_F(TlsTransportTest, offers_h2_and_finds_dead_peers) {
    TlsTransport server(loop, clock, server_holds, settings);
    ASSERT_TRUE(server.listen("127.0.0.1:0"));
    TlsTransport client(loop, clock, held(make_node(root, Made{})), settings);
    const auto address = "127.0.0.1:" + std::to_string(server.port());
    auto stream = net::run_task(loop, client.connect(address, Trust::Managers, late()));
    ASSERT_TRUE(stream) << stream.error().message;
    EXPECT_EQ(net::selected_protocol(**stream), "h2");
    auto incoming = net::run_task(loop, server.accept(late()));
    ASSERT_TRUE(incoming);
    for (const int raw : {(*stream)->raw(), incoming->stream->raw()}) {
        int value = 0;
        socklen_t size = sizeof value;
        ::getsockopt(raw, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &size);
        EXPECT_EQ(value, 10'000);
        ::getsockopt(raw, SOL_SOCKET, SO_KEEPALIVE, &value, &size);
        EXPECT_EQ(value, 1);
        ::getsockopt(raw, IPPROTO_TCP, TCP_KEEPIDLE, &value, &size);
        EXPECT_EQ(value, 5);
    }
}

TEST_F(TlsTransportTest, ends_its_waits_when_closed) {
    TlsTransport server(loop, clock, server_holds, settings);
    ASSERT_TRUE(server.listen("127.0.0.1:0"));
    server.close();
    EXPECT_EQ(net::run_task(loop, server.accept(late())).error().code, Errc::Cancelled);
}

TEST_F(TlsTransportTest, does_not_listen_without_a_certificate) {
    TlsTransport server(loop, clock, held({"", "", root.certificate}), settings);
    EXPECT_FALSE(server.listen("127.0.0.1:0"));
    EXPECT_FALSE(TlsTransport(loop, clock, server_holds, settings).listen("nowhere:1"));
}

} // namespace
} // namespace shoal::swarm
