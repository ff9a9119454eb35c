// Joining and renewing over real connections on loopback, against the service that managers have.
#include "swarm/ca/join.h"

#include "net/listener.h"
#include "net/sleep.h"
#include "os/clock.h"
#include "swarm/ca/authority.h"
#include "swarm/ca/rotation.h"
#include "swarm/ca/token.h"
#include "swarm/rpc/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr Instant noon{std::chrono::seconds(1'800'000'000)};

struct SetClock final : Clock {
    Instant now() const override { return at; }
    Steady steady() const override { return {}; }
    Instant at = noon;
};

/// A manager that leads, reduced to its certificates.
struct Manager final : LeaderRoute, Writer {
    explicit Manager(net::Loop& on, SetClock& at)
        : loop(on), clock(at), authority(on, store, *this), server(on, *this), scope(on) {
        NewCluster wanted;
        wanted.id = "c1";
        change([&](Tx& tx) {
            const auto cluster = *make_cluster(wanted, noon, random);
            const auto first = *make_first_manager(cluster, "m1", {"127.0.0.1"}, noon);
            tx.put(cluster);
            tx.put(first.node);
            credentials = *Credentials::create(first.credentials);
        });
        TlsTransportSettings settings;
        transport = std::make_unique<TlsTransport>(loop, clock, credentials, settings);
        EXPECT_TRUE(transport->listen("127.0.0.1:0"));
        authority.add_to(server);
        scope.spawn(serve());
    }
    /// As the leader does, with reconcilers until nothing changes.
    void change(std::function<void(Tx&)> act) {
        const auto outcome = try_to([&](Tx& tx) { return act(tx), ok(); });
        EXPECT_TRUE(outcome);
    }
    Result<void> try_to(const Mutation& act) {
        Tx tx(store, clock.now(), random);
        auto outcome = act(tx);
        for (int i = 0; i < 3; ++i) {
            const auto changes = tx.merged();
            for (const auto& one : changes) {
                signer.observe(store, one);
                rotation.observe(store, one);
                authority.observe(one);
            }
            if (signs) { signer.run(tx); }
            rotation.run(tx);
        }
        for (const auto& one : tx.merged()) { authority.observe(one); }
        return outcome;
    }
    net::Task<Result<std::int64_t>> submit(Mutation mutation, net::Until) override {
        co_await net::sleep(loop, loop.in(milliseconds(1)));
        CO_TRY(try_to(mutation));
        co_return 1;
    }
    net::Task<void> serve() {
        const auto outcome = co_await server.serve(*transport, scope.cancel());
        (void)outcome;
    }
    net::Task<void> sign_later() {
        co_await net::sleep(loop, loop.in(milliseconds(20)));
        signs = true;
        change([](Tx&) {});
    }
    /// Signs another request for the same node, and the node's own a little later.
    net::Task<void> answer_another_first() {
        while (store.all<pb::Node>().size() < 2) {
            co_await net::sleep(loop, loop.in(milliseconds(5)));
        }
        const auto all = store.all<pb::Node>();
        signs = true;
        for (const auto& [id, node] : all) {
            if (id != "m1") { sign_for(id, make_request()->request); }
        }
        co_await net::sleep(loop, loop.in(milliseconds(300)));
        for (const auto& [id, node] : all) {
            if (id != "m1") { sign_for(id, node->certificate().csr()); }
        }
    }
    void sign_for(const std::string& id, const std::string& request) {
        change([&](Tx& tx) {
            auto node = *store.get<pb::Node>(id);
            node.mutable_certificate()->set_csr(request);
            node.mutable_certificate()->mutable_status()->set_state(pb::IssuanceStatus::PENDING);
            tx.put(node);
        });
    }
    bool leads() const override { return true; }
    net::Task<Result<std::shared_ptr<Channel>>> leader(net::Until) override {
        co_return internal("it leads");
    }
    bool is_removed(const std::string& id) const override {
        return store.cluster()->blacklisted_certificates().contains(id);
    }
    Role present_role(const std::string& id) const override {
        const auto node = store.get<pb::Node>(id);
        if (!node) { return Role::None; }
        return node->role() == pb::MANAGER ? Role::Manager : Role::Worker;
    }
    std::string cluster_id() const override { return "c1"; }
    std::string address() const { return "127.0.0.1:" + std::to_string(transport->port()); }
    std::string token(pb::NodeRole role = pb::WORKER) const {
        const auto& tokens = store.cluster()->root_ca().join_tokens();
        return role == pb::MANAGER ? tokens.manager() : tokens.worker();
    }
    /// Its own certificate, as the leader renews it.
    void renew_own() {
        const auto own = make_request();
        change([&](Tx& tx) {
            auto node = *store.get<pb::Node>("m1");
            node.mutable_certificate()->set_csr(own->request);
            node.mutable_certificate()->mutable_status()->set_state(pb::IssuanceStatus::RENEW);
            tx.put(node);
        });
        EXPECT_TRUE(credentials->replace({store.get<pb::Node>("m1")->certificate().certificate(),
                                          own->key, trusted_roots(*store.cluster())}));
    }

    net::Loop& loop;
    SetClock& clock;
    os::SystemRandom random;
    Store store;
    CertificateSigner signer;
    RootRotation rotation;
    bool signs = true;
    CredentialsPtr credentials;
    std::unique_ptr<TlsTransport> transport;
    Authority authority;
    RpcServer server;
    net::TaskScope scope;
};

struct JoinTest : testing::Test {
    net::Loop loop;
    SetClock clock;
    os::SystemRandom random;
    Manager manager{loop, clock};
    CredentialsPtr held = *Credentials::create({});
    TlsTransport transport{loop, clock, held, {}};

    ~JoinTest() override { net::run_task(loop, manager.scope.close()); }
    net::Until late() const { return loop.in(std::chrono::seconds(20)); }
    JoinSeams seams() { return {loop, clock, transport, *held}; }
    Result<Admitted> join(std::string token, std::vector<std::string> addresses) {
        return net::run_task(
            loop, join_cluster(seams(), {std::move(addresses), std::move(token)}, late()));
    }
    Result<Admitted> join(pb::NodeRole role = pb::WORKER) {
        return join(manager.token(role), {manager.address()});
    }
    Admitted joined(pb::NodeRole role = pb::WORKER) {
        auto admitted = join(role);
        EXPECT_TRUE(admitted) << admitted.error().message;
        EXPECT_TRUE(held->replace(admitted->credentials));
        return std::move(*admitted);
    }
    Result<NodeCredentials> renew() {
        return net::run_task(loop, renew_certificate(seams(), {manager.address()}, late()));
    }
    /// A call that only nodes may make succeeds as far as it is allowed.
    net::Task<Result<std::string>> ask(std::string method) {
        CO_TRY_LET(channel, co_await Channel::connect(loop, transport, manager.address(),
                                                      Trust::Managers, late()));
        co_return co_await channel->call_raw(method, "", late());
    }
    Result<std::string> call(const std::string& method) { return net::run_task(loop, ask(method)); }
};

TEST_F(JoinTest, a_token_gets_a_certificate_that_is_good_for_calls) {
    const auto admitted = joined();
    EXPECT_EQ(admitted.identity.role, Role::Worker);
    EXPECT_EQ(admitted.identity.cluster_id, "c1");
    EXPECT_EQ(admitted.address, manager.address());
    EXPECT_EQ(admitted.credentials.roots, trusted_roots(*manager.store.cluster()));
    EXPECT_TRUE(manager.store.get<pb::Node>(admitted.identity.node_id));
    EXPECT_TRUE(call("/docker.swarmkit.v1.CA/GetRootCACertificate"));
    // And not for what is a manager's.
    EXPECT_EQ(call("/docker.swarmkit.v1.CA/GetUnlockKey").error().code, Errc::Forbidden);
}

TEST_F(JoinTest, a_managers_token_makes_a_manager) {
    EXPECT_EQ(joined(pb::MANAGER).identity.role, Role::Manager);
    EXPECT_TRUE(call("/docker.swarmkit.v1.CA/GetUnlockKey"));
}

TEST_F(JoinTest, waits_until_the_certificate_is_signed) {
    manager.signs = false;
    net::TaskScope scope(loop);
    scope.spawn(manager.sign_later());
    EXPECT_TRUE(join());
    net::run_task(loop, scope.close());
}

TEST_F(JoinTest, an_answer_to_another_request_is_not_ours) {
    manager.signs = false;
    net::TaskScope scope(loop);
    scope.spawn(manager.answer_another_first());
    const auto admitted = join();
    ASSERT_TRUE(admitted) << admitted.error().message;
    EXPECT_TRUE(check_pair(admitted->credentials.certificate, admitted->credentials.key));
    net::run_task(loop, scope.close());
}

TEST_F(JoinTest, a_wrong_secret_and_a_wrong_root_are_told_apart) {
    auto wrong = manager.token();
    wrong.back() = wrong.back() == '0' ? '1' : '0';
    const auto secret = join(wrong, {manager.address()});
    EXPECT_EQ(secret.error().code, Errc::Invalid);
    EXPECT_THAT(secret.error().message, testing::HasSubstr("A valid join token is necessary"));
    const auto elsewhere = make_join_token(root_digest("another root"), random);
    const auto root = join(elsewhere, {manager.address()});
    EXPECT_EQ(root.error().code, Errc::Unauthorized);
    EXPECT_THAT(root.error().message, testing::HasSubstr("does not match fingerprint"));
    EXPECT_EQ(join("nonsense", {manager.address()}).error().code, Errc::Invalid);
    EXPECT_EQ(join(manager.token(), {}).error().code, Errc::Invalid);
    EXPECT_EQ(manager.store.all<pb::Node>().size(), 1u);
}

TEST_F(JoinTest, asks_the_next_manager_when_one_does_not_answer) {
    auto unused = net::Listener::listen_tcp(loop, "127.0.0.1", 0);
    const auto dead = "127.0.0.1:" + std::to_string((*unused)->port());
    (*unused)->close();
    const auto admitted = join(manager.token(), {dead, manager.address()});
    ASSERT_TRUE(admitted) << admitted.error().message;
    EXPECT_EQ(admitted->address, manager.address());
}

TEST_F(JoinTest, a_refused_certificate_ends_it_with_the_reason) {
    // The root's key is gone.
    manager.change([&](Tx& tx) {
        auto cluster = *manager.store.cluster();
        cluster.mutable_root_ca()->set_ca_key("");
        tx.put(cluster);
    });
    const auto outcome = join();
    EXPECT_EQ(outcome.error().code, Errc::Forbidden);
    EXPECT_THAT(outcome.error().message, testing::HasSubstr("the certificate was refused"));
}

TEST_F(JoinTest, renews_in_the_role_of_now) {
    const auto before = joined();
    manager.change([&](Tx& tx) {
        auto node = *manager.store.get<pb::Node>(before.identity.node_id);
        node.set_role(pb::MANAGER);
        tx.put(node);
    });
    const auto next = renew();
    ASSERT_TRUE(next) << next.error().message;
    EXPECT_NE(next->key, before.credentials.key);
    const auto identity = parse_identity(next->certificate);
    EXPECT_EQ(identity->node_id, before.identity.node_id);
    EXPECT_EQ(identity->role, Role::Manager);
    ASSERT_TRUE(held->replace(*next));
    EXPECT_TRUE(call("/docker.swarmkit.v1.CA/GetUnlockKey"));
}

TEST_F(JoinTest, comes_back_after_its_certificate_ran_out) {
    joined(pb::MANAGER);
    clock.at = noon + node_life_default + hours(24);
    manager.renew_own();
    EXPECT_EQ(call("/docker.swarmkit.v1.CA/GetUnlockKey").error().code, Errc::Forbidden);
    const auto next = renew();
    ASSERT_TRUE(next) << next.error().message;
    ASSERT_TRUE(held->replace(*next));
    EXPECT_TRUE(call("/docker.swarmkit.v1.CA/GetUnlockKey"));
}

TEST_F(JoinTest, does_not_come_back_when_it_was_removed_or_after_too_long) {
    const auto before = joined();
    clock.at = noon + node_life_default + hours(24 * 31);
    manager.renew_own();
    EXPECT_FALSE(renew());
    clock.at = noon + node_life_default + hours(24);
    manager.renew_own();
    manager.change([&](Tx& tx) { tx.erase<pb::Node>(before.identity.node_id); });
    EXPECT_EQ(renew().error().code, Errc::NotFound);
    manager.change([&](Tx& tx) {
        auto cluster = *manager.store.cluster();
        (*cluster.mutable_blacklisted_certificates())[before.identity.node_id];
        tx.put(cluster);
    });
    EXPECT_EQ(renew().error().code, Errc::Forbidden);
}

TEST_F(JoinTest, a_worker_that_missed_the_end_of_a_rotation_follows) {
    const auto node = joined();
    const auto rotate = [&](Tx& tx) {
        auto cluster = *manager.store.cluster();
        const auto before = cluster;
        auto& ca = *cluster.mutable_spec()->mutable_ca_config();
        ca.set_force_rotate(ca.force_rotate() + 1);
        EXPECT_TRUE(begin_rotation(before, cluster, noon));
        tx.put(cluster);
    };
    manager.change(rotate);
    ASSERT_TRUE(is_rotating(*manager.store.cluster()));
    const auto renewed = renew();
    ASSERT_TRUE(renewed) << renewed.error().message;
    ASSERT_TRUE(held->replace(*renewed));
    manager.renew_own();
    const auto both = trusted_roots(*manager.store.cluster());
    // Everybody shows the new root: it takes over. The worker still knows the old one only, and
    // the manager's next certificate is from the new one alone.
    manager.change([&](Tx& tx) {
        for (const auto& [id, one] : manager.store.all<pb::Node>()) {
            auto shown = *one;
            *shown.mutable_description()->mutable_tls_info() =
                *tls_info_of(one->certificate().certificate(), both, clock.now());
            tx.put(shown);
        }
    });
    ASSERT_FALSE(is_rotating(*manager.store.cluster()));
    manager.renew_own();
    EXPECT_EQ(call("/docker.swarmkit.v1.CA/GetRootCACertificate").error().code, Errc::Unauthorized);
    const auto followed = renew();
    ASSERT_TRUE(followed) << followed.error().message;
    EXPECT_EQ(followed->roots, trusted_roots(*manager.store.cluster()));
    EXPECT_NE(followed->roots, node.credentials.roots);
}

TEST_F(JoinTest, nobody_talks_a_node_out_of_its_cluster) {
    const auto node = joined();
    EXPECT_TRUE(check_new_roots(node.credentials, node.credentials.roots, noon));
    const auto other = *make_root(noon);
    const auto refused = check_new_roots(node.credentials, other.certificate, noon);
    EXPECT_EQ(refused.error().code, Errc::Unauthorized);
    EXPECT_FALSE(check_new_roots(node.credentials, "", noon));
}

TEST(PlanRenewal, lies_between_half_and_four_fifths_of_the_life) {
    os::SystemRandom random;
    Identity identity;
    identity.not_before = noon;
    identity.not_after = noon + hours(100);
    Instant first = noon + hours(100);
    Instant last = noon;
    for (int i = 0; i < 200; ++i) {
        const Instant at = plan_renewal(identity, noon, random);
        EXPECT_GE(at, noon + hours(50));
        EXPECT_LE(at, noon + hours(80));
        first = std::min(first, at);
        last = std::max(last, at);
    }
    EXPECT_GT(last - first, hours(10)); // not all at once
    EXPECT_EQ(plan_renewal(identity, noon + hours(90), random), noon + hours(90));
    EXPECT_EQ(plan_renewal(identity, noon + hours(101), random), noon + hours(101));
}

} // namespace
} // namespace shoal::swarm
