#include "swarm/ca/rotation.h"

#include "os/clock.h"
#include "swarm/ca/authority.h"
#include "swarm/ca/token.h"

#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using State = pb::IssuanceStatus;

constexpr Instant noon{std::chrono::seconds(1'800'000'000)};

struct RotationTest : testing::Test {
    Store store;
    os::SystemRandom random;
    Instant now = noon;
    CertificateSigner signer;
    RootRotation rotation;
    std::map<std::string, std::string> shown; ///< certificates that nodes use

    RotationTest() {
        NewCluster wanted;
        wanted.id = "c1";
        Tx tx(store, now, random);
        tx.put(*make_cluster(wanted, noon, random));
        rotation.rebuild(store);
        signer.rebuild(store);
    }
    /// As the leader does: mutation, then the reconcilers until nothing changes.
    template <class F> std::optional<Instant> change(F act) {
        Tx tx(store, now, random);
        act(tx);
        std::size_t seen = 0;
        std::optional<Instant> next;
        for (int i = 0; i < 10; ++i) {
            for (; seen < tx.changes().size(); ++seen) {
                const Change one = tx.changes()[seen];
                signer.observe(store, one);
                rotation.observe(store, one);
            }
            signer.run(tx);
            next = rotation.run(tx);
            if (seen == tx.changes().size()) { break; }
        }
        return next;
    }
    std::optional<Instant> pass(nanoseconds span) {
        now += span;
        return change([](Tx&) {});
    }
    ClusterPtr cluster() { return store.cluster(); }
    const pb::RootCA& root() { return cluster()->root_ca(); }
    std::vector<std::string> in_state(State::State state) {
        std::vector<std::string> ids;
        for (const auto& [id, node] : store.all<pb::Node>()) {
            if (node->certificate().status().state() == state) { ids.push_back(id); }
        }
        return ids;
    }
    void ask_for(const std::string& id) {
        pb::IssueNodeCertificateRequest asked;
        asked.set_csr(make_request()->request);
        change([&](Tx& tx) {
            ASSERT_TRUE(issue_node_certificate(tx, asked, {id, Role::Worker, "c1", ""}));
        });
    }
    /// The node uses the certificate it was given, and says so.
    void show(const std::string& id) {
        change([&](Tx& tx) {
            auto node = *store.get<pb::Node>(id);
            shown[id] = node.certificate().certificate();
            const auto info = tls_info_of(shown[id], trusted_roots(*cluster()), now);
            ASSERT_TRUE(info) << info.error().message;
            *node.mutable_description()->mutable_tls_info() = *info;
            tx.put(node);
        });
    }
    std::string add_node(bool shows = true) {
        pb::IssueNodeCertificateRequest asked;
        asked.set_csr(make_request()->request);
        asked.set_token(root().join_tokens().worker());
        std::string id;
        change([&](Tx& tx) { id = issue_node_certificate(tx, asked, {})->node_id(); });
        if (shows) { show(id); }
        return id;
    }
    Result<void> begin(const pb::CAConfig& wish) {
        Result<void> outcome = ok();
        change([&](Tx& tx) {
            auto after = *cluster();
            *after.mutable_spec()->mutable_ca_config() = wish;
            outcome = begin_rotation(*cluster(), after, now);
            if (outcome) { tx.put(after); }
        });
        return outcome;
    }
    Result<void> force() {
        auto wish = cluster()->spec().ca_config();
        wish.set_force_rotate(wish.force_rotate() + 1);
        return begin(wish);
    }
};

TEST_F(RotationTest, goes_through_all_nodes_and_ends_with_new_tokens) {
    const auto a = add_node();
    const auto b = add_node();
    const auto old = root();
    ASSERT_TRUE(force());
    ASSERT_TRUE(is_rotating(*cluster()));
    EXPECT_EQ(root().ca_cert(), old.ca_cert()); // trusted as before, so tokens go on
    EXPECT_EQ(root().join_tokens().worker(), old.join_tokens().worker());
    EXPECT_EQ(in_state(State::ROTATE).size(), 2u);
    ask_for(a);
    show(a);
    EXPECT_TRUE(is_rotating(*cluster()));
    // Good under both roots.
    const auto next = root().root_rotation().ca_cert();
    EXPECT_TRUE(tls_info_of(shown[a], old.ca_cert(), now));
    EXPECT_TRUE(tls_info_of(shown[a], next, now));
    ask_for(b);
    EXPECT_TRUE(is_rotating(*cluster())); // given, and not yet shown
    show(b);
    EXPECT_FALSE(is_rotating(*cluster()));
    EXPECT_EQ(root().ca_cert(), next);
    EXPECT_EQ(root().ca_cert_hash(), "sha256:" + root_digest_hex(next));
    EXPECT_NE(root().join_tokens().worker(), old.join_tokens().worker());
    EXPECT_NE(root().join_tokens().manager(), old.join_tokens().manager());
    EXPECT_TRUE(check_root_digest(*parse_join_token(root().join_tokens().worker()), next));
    // The key belongs to it: what is signed now is good.
    const auto c = add_node();
    EXPECT_TRUE(tls_info_of(shown[c], next, now));
    EXPECT_FALSE(tls_info_of(shown[c], old.ca_cert(), now));
    EXPECT_TRUE(in_state(State::ROTATE).empty());
}

TEST_F(RotationTest, asks_thirty_at_a_time) {
    for (int i = 0; i < 70; ++i) { add_node(); }
    ASSERT_TRUE(force());
    EXPECT_EQ(in_state(State::ROTATE).size(), 30u);
    EXPECT_EQ(pass(std::chrono::seconds(1)), noon + rotation_pause);
    EXPECT_EQ(in_state(State::ROTATE).size(), 30u);
    pass(std::chrono::seconds(2));
    EXPECT_EQ(in_state(State::ROTATE).size(), 60u);
    pass(rotation_pause);
    EXPECT_EQ(in_state(State::ROTATE).size(), 70u);
}

TEST_F(RotationTest, goes_on_under_a_new_leader) {
    const auto a = add_node();
    const auto b = add_node();
    ASSERT_TRUE(force());
    ask_for(a);
    show(a);
    rotation = RootRotation();
    rotation.rebuild(store);
    pass({});
    EXPECT_TRUE(is_rotating(*cluster()));
    ask_for(b);
    show(b);
    EXPECT_FALSE(is_rotating(*cluster()));
}

TEST_F(RotationTest, a_node_that_does_not_show_what_it_was_given_is_asked_again) {
    const auto a = add_node();
    ASSERT_TRUE(force());
    ask_for(a);
    EXPECT_TRUE(in_state(State::ROTATE).empty());
    pass(rotation_pause);
    EXPECT_TRUE(in_state(State::ROTATE).empty());
    for (int i = 0; i < 11; ++i) { pass(rotation_pause); }
    EXPECT_EQ(in_state(State::ROTATE).size(), 1u);
}

TEST_F(RotationTest, waits_for_removed_nodes_no_more_and_for_those_that_never_came_not_at_all) {
    const auto gone = add_node();
    ASSERT_TRUE(force());
    const auto joining = add_node(false); // gets its certificate from the new root
    ASSERT_TRUE(is_rotating(*cluster()));
    change([&](Tx& tx) { tx.erase<pb::Node>(gone); });
    EXPECT_FALSE(is_rotating(*cluster()));
    (void)joining;
}

TEST_F(RotationTest, names_the_nodes_that_it_waits_for_and_that_do_not_answer) {
    const auto here = add_node();
    const auto lost = add_node();
    const auto nameless = add_node();
    const auto hear = [&](const std::string& id, pb::NodeStatus::State state,
                          const std::string& name) {
        change([&](Tx& tx) {
            auto node = *store.get<pb::Node>(id);
            node.mutable_status()->set_state(state);
            node.mutable_description()->set_hostname(name);
            tx.put(node);
        });
    };
    hear(here, pb::NodeStatus::READY, "here");
    hear(lost, pb::NodeStatus::DOWN, "lost");
    hear(nameless, pb::NodeStatus::DISCONNECTED, "");
    EXPECT_TRUE(silent_in_rotation(store).empty()) << "none goes on";
    ASSERT_TRUE(force());
    EXPECT_EQ(silent_in_rotation(store).size(), 2u);
    ask_for(nameless);
    show(nameless);
    EXPECT_EQ(silent_in_rotation(store), std::vector<std::string>{"lost"});
    change([&](Tx& tx) { tx.erase<pb::Node>(lost); });
    EXPECT_TRUE(silent_in_rotation(store).empty());
}

TEST_F(RotationTest, without_nodes_it_is_over_at_once) {
    const auto before = root().ca_cert();
    ASSERT_TRUE(force());
    EXPECT_FALSE(is_rotating(*cluster()));
    EXPECT_NE(root().ca_cert(), before);
    EXPECT_EQ(root().last_forced_rotation(), 1u);
}

TEST_F(RotationTest, a_users_root_is_taken_with_its_key_only) {
    add_node();
    const auto own = *make_root(noon, "our own root");
    auto wish = cluster()->spec().ca_config();
    wish.set_signing_ca_cert(own.certificate);
    EXPECT_FALSE(begin(wish));
    wish.set_signing_ca_key(make_root(noon)->key);
    EXPECT_FALSE(begin(wish));
    EXPECT_FALSE(is_rotating(*cluster()));
    wish.set_signing_ca_key(own.key);
    ASSERT_TRUE(begin(wish));
    EXPECT_EQ(root().root_rotation().ca_cert(), own.certificate);
    const auto id = in_state(State::ROTATE).at(0);
    ask_for(id);
    show(id);
    EXPECT_EQ(root().ca_cert(), own.certificate);
}

TEST_F(RotationTest, the_present_root_takes_a_rotation_back) {
    add_node();
    auto wish = cluster()->spec().ca_config();
    ASSERT_TRUE(force());
    const auto first = root().root_rotation().ca_cert();
    ASSERT_TRUE(force()); // another root instead
    EXPECT_NE(root().root_rotation().ca_cert(), first);
    wish = cluster()->spec().ca_config();
    wish.set_signing_ca_cert(root().ca_cert());
    wish.set_signing_ca_key(root().ca_key());
    ASSERT_TRUE(begin(wish));
    EXPECT_FALSE(is_rotating(*cluster()));
}

TEST_F(RotationTest, external_authorities_are_refused_by_name) {
    auto wish = cluster()->spec().ca_config();
    wish.add_external_cas()->set_url("https://ca.example");
    const auto refused = begin(wish);
    EXPECT_EQ(refused.error().code, Errc::Unsupported);
    EXPECT_NE(refused.error().message.find("https://ca.example"), std::string::npos);
}

} // namespace
} // namespace shoal::swarm
