#include "swarm/ca/authority.h"

#include "net/sleep.h"
#include "os/clock.h"
#include "swarm/ca/token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

constexpr Instant noon{std::chrono::seconds(1'800'000'000)};

struct AuthorityTest : testing::Test {
    Store store;
    os::SystemRandom random;
    Instant now = noon;
    CertificateSigner signer;

    AuthorityTest() {
        NewCluster wanted;
        wanted.id = "c1";
        change([&](Tx& tx) { tx.put(*make_cluster(wanted, noon, random)); });
        signer.rebuild(store);
    }
    template <class F> void change(F act) {
        Tx tx(store, now, random);
        act(tx);
        for (const auto& one : tx.merged()) { signer.observe(store, one); }
    }
    std::string token(pb::NodeRole role = pb::WORKER) {
        const auto& tokens = store.cluster()->root_ca().join_tokens();
        return role == pb::MANAGER ? tokens.manager() : tokens.worker();
    }
    static pb::IssueNodeCertificateRequest request(std::string token) {
        pb::IssueNodeCertificateRequest asked;
        asked.set_csr(make_request()->request);
        asked.set_token(std::move(token));
        return asked;
    }
    Result<pb::IssueNodeCertificateResponse> ask(const pb::IssueNodeCertificateRequest& asked,
                                                 const Caller& caller = {}) {
        Result<pb::IssueNodeCertificateResponse> answer = internal("");
        change([&](Tx& tx) { answer = issue_node_certificate(tx, asked, caller); });
        return answer;
    }
    std::string join(pb::NodeRole role = pb::WORKER) {
        return ask(request(token(role)))->node_id();
    }
    NodePtr node(const std::string& id) { return store.get<pb::Node>(id); }
    pb::IssuanceStatus::State state(const std::string& id) {
        return node(id)->certificate().status().state();
    }
    std::optional<Instant> sign() {
        std::optional<Instant> next;
        change([&](Tx& tx) { next = signer.run(tx); });
        return next;
    }
    static Caller as(const std::string& id, Role role = Role::Worker) {
        return {id, role, "c1", "10.0.0.2:9"};
    }
};

TEST_F(AuthorityTest, a_token_makes_a_node_in_its_role) {
    auto asked = request(token(pb::WORKER));
    asked.set_role(pb::MANAGER); // what it asks for is not what it gets
    asked.set_availability(pb::NodeSpec::DRAIN);
    const auto answer = ask(asked);
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->node_membership(), pb::NodeSpec::ACCEPTED);
    const auto made = node(answer->node_id());
    EXPECT_TRUE(is_id(made->id()));
    EXPECT_EQ(made->role(), pb::WORKER);
    EXPECT_EQ(made->spec().desired_role(), pb::WORKER);
    EXPECT_EQ(made->spec().membership(), pb::NodeSpec::ACCEPTED);
    EXPECT_EQ(made->spec().availability(), pb::NodeSpec::DRAIN);
    EXPECT_EQ(made->certificate().status().state(), pb::IssuanceStatus::PENDING);
    EXPECT_EQ(made->certificate().csr(), asked.csr());
    EXPECT_EQ(made->certificate().cn(), made->id());
    EXPECT_EQ(node(join(pb::MANAGER))->role(), pb::MANAGER);
}

TEST_F(AuthorityTest, without_a_valid_token_nobody_joins) {
    auto foreign = token();
    foreign.back() = foreign.back() == '0' ? '1' : '0';
    for (const auto& text : {std::string(), std::string("SWMTKN-1-x"), foreign}) {
        const auto answer = ask(request(text));
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code, Errc::Invalid);
        EXPECT_EQ(answer.error().message, "A valid join token is necessary to join this cluster");
    }
    EXPECT_TRUE(store.all<pb::Node>().empty());
    change([&](Tx& tx) {
        auto cluster = *store.cluster();
        cluster.mutable_root_ca()->clear_join_tokens();
        tx.put(cluster);
    });
    EXPECT_FALSE(ask(request("")));
}

TEST_F(AuthorityTest, a_rotated_token_is_worth_nothing) {
    const auto old = token();
    change([&](Tx& tx) {
        auto cluster = *store.cluster();
        renew_tokens(cluster, random);
        tx.put(cluster);
    });
    EXPECT_FALSE(ask(request(old)));
    EXPECT_TRUE(ask(request(token())));
}

TEST_F(AuthorityTest, nonsense_is_refused_before_it_is_written) {
    auto asked = request(token());
    asked.set_csr("nonsense");
    EXPECT_EQ(ask(asked).error().code, Errc::Invalid);
    asked.clear_csr();
    EXPECT_FALSE(ask(asked));
    EXPECT_TRUE(store.all<pb::Node>().empty());
}

TEST_F(AuthorityTest, the_same_request_again_is_the_same_node) {
    const auto asked = request(token());
    const auto first = ask(asked);
    EXPECT_EQ(ask(asked)->node_id(), first->node_id());
    EXPECT_EQ(store.all<pb::Node>().size(), 1u);
    auto as_manager = asked;
    as_manager.set_token(token(pb::MANAGER));
    EXPECT_NE(ask(as_manager)->node_id(), first->node_id());
    // Another node meanwhile, or an unwanted one: then it is a new one.
    sign();
    ASSERT_TRUE(ask(request(""), as(first->node_id())));
    const auto second = ask(asked);
    EXPECT_NE(second->node_id(), first->node_id());
    change([&](Tx& tx) {
        tx.erase<pb::Node>(first->node_id());
        auto cluster = *store.cluster();
        (*cluster.mutable_blacklisted_certificates())[first->node_id()];
        tx.put(cluster);
    });
    EXPECT_NE(ask(asked)->node_id(), first->node_id());
}

TEST_F(AuthorityTest, the_same_request_after_a_failure_is_tried_again) {
    const auto asked = request(token());
    const auto id = ask(asked)->node_id();
    const auto key = store.cluster()->root_ca().ca_key();
    const auto set_key = [&](const std::string& text) {
        change([&](Tx& tx) {
            auto cluster = *store.cluster();
            cluster.mutable_root_ca()->set_ca_key(text);
            tx.put(cluster);
        });
    };
    set_key("");
    sign();
    EXPECT_EQ(state(id), pb::IssuanceStatus::FAILED);
    set_key(key);
    EXPECT_EQ(ask(asked)->node_id(), id);
    sign();
    EXPECT_EQ(state(id), pb::IssuanceStatus::ISSUED);
    EXPECT_EQ(node(id)->certificate().status().err(), "");
}

TEST_F(AuthorityTest, signing_gives_a_certificate_for_role_and_cluster) {
    const auto id = join(pb::MANAGER);
    EXPECT_FALSE(is_settled(node(id)->certificate()));
    EXPECT_EQ(sign(), std::nullopt);
    EXPECT_EQ(state(id), pb::IssuanceStatus::ISSUED);
    EXPECT_TRUE(is_settled(node(id)->certificate()));
    const auto& pem = node(id)->certificate().certificate();
    const auto identity = parse_identity(pem);
    EXPECT_EQ(identity->node_id, id);
    EXPECT_EQ(identity->cluster_id, "c1");
    EXPECT_EQ(identity->role, Role::Manager);
    EXPECT_EQ(identity->not_after, noon + node_life_default);
    EXPECT_TRUE(tls_info_of(pem, trusted_roots(*store.cluster()), noon));
    EXPECT_EQ(certificate_end(*node(id)), identity->not_after);
}

TEST_F(AuthorityTest, what_is_not_accepted_is_not_signed) {
    const auto id = join();
    change([&](Tx& tx) {
        auto held = *node(id);
        held.mutable_spec()->set_membership(pb::NodeSpec::PENDING);
        tx.put(held);
    });
    sign();
    EXPECT_EQ(state(id), pb::IssuanceStatus::PENDING);
    change([&](Tx& tx) {
        auto held = *node(id);
        held.mutable_spec()->set_membership(pb::NodeSpec::ACCEPTED);
        tx.put(held);
    });
    sign();
    EXPECT_EQ(state(id), pb::IssuanceStatus::ISSUED);
}

TEST_F(AuthorityTest, what_cannot_be_signed_fails_with_the_reason) {
    const auto id = join();
    change([&](Tx& tx) {
        auto held = *node(id);
        held.mutable_certificate()->set_csr("broken");
        tx.put(held);
    });
    sign();
    EXPECT_EQ(state(id), pb::IssuanceStatus::FAILED);
    EXPECT_NE(node(id)->certificate().status().err(), "");
    EXPECT_TRUE(is_settled(node(id)->certificate()));
    EXPECT_EQ(sign(), std::nullopt);
}

TEST_F(AuthorityTest, a_new_leader_signs_what_the_old_one_left) {
    const auto id = join();
    CertificateSigner other;
    other.rebuild(store);
    Tx tx(store, now, random);
    other.run(tx);
    EXPECT_EQ(state(id), pb::IssuanceStatus::ISSUED);
}

TEST_F(AuthorityTest, signs_so_many_per_turn) {
    const auto asked = request(token());
    change([&](Tx& tx) {
        for (std::size_t i = 0; i < signed_per_turn_max + 5; ++i) {
            pb::Node one;
            one.set_id(tx.make_id());
            one.mutable_spec()->set_membership(pb::NodeSpec::ACCEPTED);
            one.mutable_certificate()->set_csr(asked.csr());
            one.mutable_certificate()->mutable_status()->set_state(pb::IssuanceStatus::PENDING);
            tx.put(one);
        }
    });
    EXPECT_EQ(sign(), now);
    EXPECT_EQ(sign(), std::nullopt);
    for (const auto& [id, one] : store.all<pb::Node>()) {
        EXPECT_EQ(state(id), pb::IssuanceStatus::ISSUED);
    }
}

TEST_F(AuthorityTest, a_certificate_renews_itself_in_the_role_of_now) {
    const auto id = join();
    sign();
    change([&](Tx& tx) {
        auto held = *node(id);
        held.set_role(pb::MANAGER);
        tx.put(held);
    });
    auto asked = request(token(pb::WORKER)); // the certificate wins over the token
    const auto answer = ask(asked, as(id));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->node_id(), id);
    EXPECT_EQ(state(id), pb::IssuanceStatus::RENEW);
    EXPECT_FALSE(is_settled(node(id)->certificate()));
    sign();
    EXPECT_EQ(state(id), pb::IssuanceStatus::ISSUED);
    EXPECT_EQ(node(id)->certificate().csr(), asked.csr());
    EXPECT_EQ(node(id)->certificate().role(), pb::MANAGER);
    EXPECT_EQ(parse_identity(node(id)->certificate().certificate())->role, Role::Manager);
    EXPECT_EQ(store.all<pb::Node>().size(), 1u);
}

TEST_F(AuthorityTest, an_expired_certificate_renews_itself_too) {
    const auto id = join();
    sign();
    auto late = as(id);
    late.expired = true;
    EXPECT_TRUE(ask(request(""), late));
}

TEST_F(AuthorityTest, a_removed_node_gets_nothing) {
    const auto id = join();
    sign();
    change([&](Tx& tx) { tx.erase<pb::Node>(id); });
    EXPECT_EQ(ask(request(token()), as(id)).error().code, Errc::NotFound);
    change([&](Tx& tx) {
        auto cluster = *store.cluster();
        (*cluster.mutable_blacklisted_certificates())[id];
        tx.put(cluster);
    });
    auto late = as(id);
    late.expired = true;
    EXPECT_EQ(ask(request(token()), late).error().code, Errc::Forbidden);
    auto foreign = as(id);
    foreign.cluster_id = "c2";
    EXPECT_EQ(ask(request(token()), foreign).error().code, Errc::Forbidden);
}

TEST_F(AuthorityTest, a_cluster_has_a_largest_size) {
    change([&](Tx& tx) {
        for (std::size_t i = 0; i < nodes_max; ++i) {
            pb::Node one;
            one.set_id(std::to_string(i));
            tx.put(one);
        }
    });
    EXPECT_EQ(ask(request(token())).error().code, Errc::Exhausted);
}

/// Writes at once, or not at all for a while.
struct TestWriter final : Writer {
    explicit TestWriter(net::Loop& on, Store& into) : loop(on), store(into) {}
    net::Task<Result<std::int64_t>> submit(Mutation mutation, net::Until) override {
        ++under_way;
        most = std::max(most, under_way);
        co_await net::sleep(loop, loop.in(std::chrono::milliseconds(10)));
        --under_way;
        Tx tx(store, noon, random);
        auto outcome = mutation(tx);
        if (!outcome) { co_return std::move(outcome).error(); }
        co_return 1;
    }
    net::Loop& loop;
    Store& store;
    os::SystemRandom random;
    std::size_t under_way = 0;
    std::size_t most = 0;
};

struct ServiceTest : AuthorityTest {
    net::Loop loop{net::Loop::Time::Virtual};
    TestWriter writer{loop, store};
    AuthorityLimits limits{8, 40};
    Authority authority{loop, store, writer, limits};

    net::Task<void> join_one(pb::IssueNodeCertificateRequest asked, int* joined, int* refused) {
        const auto answer = co_await authority.issue(std::move(asked), Caller(), net::Until());
        ++*(answer ? joined : refused);
    }
    net::Task<void> sign_soon(std::string id) {
        co_await net::sleep(loop, loop.in(std::chrono::seconds(2)));
        change([&](Tx& tx) { sign_pending(tx, id); });
        Change told;
        told.kind = Kind::Node;
        authority.observe(told);
    }
    net::Task<Result<pb::NodeCertificateStatusResponse>> wait_for(std::string id) {
        net::TaskScope scope(loop);
        scope.spawn(sign_soon(id));
        pb::NodeCertificateStatusRequest asked;
        asked.set_node_id(id);
        auto answer = co_await authority.status(asked, net::Until());
        co_await scope.drain(net::Until());
        co_return answer;
    }
    net::Task<void> join_many(int count, int* joined, int* refused) {
        net::TaskScope scope(loop);
        auto asked = request(token());
        for (int i = 0; i < count; ++i) { scope.spawn(join_one(asked, joined, refused)); }
        co_await scope.drain(net::Until());
    }
};

TEST_F(ServiceTest, who_asks_for_a_status_waits_until_it_is_settled) {
    const auto id = join();
    const auto answer = net::run_task(loop, wait_for(id));
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->status().state(), pb::IssuanceStatus::ISSUED);
    EXPECT_EQ(answer->certificate().csr(), node(id)->certificate().csr());
    EXPECT_NE(answer->certificate().certificate(), "");
    pb::NodeCertificateStatusRequest unknown;
    unknown.set_node_id("nobody");
    const auto none = net::run_task(loop, authority.status(unknown, net::Until()));
    EXPECT_EQ(none.error().code, Errc::NotFound);
}

TEST_F(ServiceTest, a_request_without_proof_is_not_written) {
    auto asked = request(token());
    asked.set_csr("nonsense");
    const auto refused = net::run_task(loop, authority.issue(asked, {}, {}));
    EXPECT_EQ(refused.error().code, Errc::Invalid);
    EXPECT_EQ(writer.most, 0u);
}

TEST_F(ServiceTest, nobody_waits_for_ever) {
    pb::NodeCertificateStatusRequest asked;
    asked.set_node_id(join());
    const auto answer = net::run_task(loop, authority.status(asked, net::Until()));
    EXPECT_EQ(answer.error().code, Errc::Timeout);
}

TEST_F(ServiceTest, many_who_join_at_once_take_turns_and_too_many_are_refused) {
    int joined = 0;
    int refused = 0;
    const int many = static_cast<int>(limits.written_max + limits.waiting_max) + 7;
    net::run_task(loop, join_many(many, &joined, &refused));
    EXPECT_EQ(writer.most, limits.written_max);
    EXPECT_EQ(refused, 7);
    EXPECT_EQ(joined, many - 7);
}

} // namespace
} // namespace shoal::swarm
