#include "swarm/ca/certificate.h"

#include "swarm/rpc/x509.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::swarm {
namespace {

using std::chrono::hours;

constexpr Instant noon{std::chrono::seconds(1'800'000'000)};

Signer root() { return *make_root(noon); }
std::string request() { return make_request()->request; }

Result<Verified> verify(std::string_view pem, std::string_view roots, Instant at,
                        nanoseconds grace = {}, std::string_view name = "") {
    auto chain = parse_chain(pem);
    if (!chain) { return std::move(chain).error(); }
    Verification how;
    how.roots = roots;
    how.at = at;
    how.grace = grace;
    how.server_name = name;
    return verify_chain(*chain, how);
}

std::string node(const Signer& signer, Role role = Role::Worker, nanoseconds life = hours(10)) {
    return *sign_node_certificate(signer, request(), {"node1", "cluster1", role}, {noon, life});
}

TEST(Certificate, names_its_node_and_is_verified) {
    const auto signer = root();
    const auto seen = verify(node(signer, Role::Manager), signer.certificate, noon);
    ASSERT_TRUE(seen) << seen.error().message;
    EXPECT_EQ(seen->identity.node_id, "node1");
    EXPECT_EQ(seen->identity.cluster_id, "cluster1");
    EXPECT_EQ(seen->identity.role, Role::Manager);
    EXPECT_EQ(seen->identity.not_before, noon - backdate);
    EXPECT_EQ(seen->identity.not_after, noon + hours(10));
    EXPECT_FALSE(seen->expired);
}

TEST(Certificate, only_managers_are_the_ca_and_the_manager_by_name) {
    const auto signer = root();
    const auto manager = node(signer, Role::Manager);
    const auto worker = node(signer, Role::Worker);
    EXPECT_TRUE(verify(manager, signer.certificate, noon, {}, "swarm-manager"));
    EXPECT_TRUE(verify(manager, signer.certificate, noon, {}, "swarm-ca"));
    EXPECT_TRUE(verify(worker, signer.certificate, noon, {}, "swarm-worker"));
    EXPECT_TRUE(verify(worker, signer.certificate, noon, {}, "node1"));
    EXPECT_FALSE(verify(worker, signer.certificate, noon, {}, "swarm-manager"));
    EXPECT_FALSE(verify(worker, signer.certificate, noon, {}, "swarm-ca"));
    EXPECT_FALSE(verify(manager, signer.certificate, noon, {}, "swarm-worker"));
}

TEST(Certificate, is_worth_nothing_under_another_root) {
    const auto pem = node(root());
    EXPECT_EQ(verify(pem, root().certificate, noon).error().code, Errc::Unauthorized);
    EXPECT_FALSE(verify(pem, "", noon));
}

TEST(Certificate, runs_out_and_has_a_grace) {
    const auto signer = root();
    const auto pem = node(signer);
    EXPECT_FALSE(verify(pem, signer.certificate, noon - hours(2)));
    EXPECT_FALSE(verify(pem, signer.certificate, noon + hours(11)));
    const auto late = verify(pem, signer.certificate, noon + hours(11), hours(2));
    ASSERT_TRUE(late) << late.error().message;
    EXPECT_TRUE(late->expired);
    EXPECT_FALSE(verify(pem, signer.certificate, noon + hours(13), hours(2)));
    EXPECT_FALSE(verify(pem, root().certificate, noon + hours(11), hours(2)));
}

TEST(Certificate, of_a_root_that_ran_out_has_no_grace) {
    const auto signer = root();
    const auto pem = node(signer);
    EXPECT_FALSE(verify(pem, signer.certificate, noon + root_life + hours(1), root_life * 2));
}

TEST(Certificate, shorter_than_an_hour_has_the_usual_life) {
    const auto signer = root();
    const auto pem = node(signer, Role::Worker, std::chrono::minutes(5));
    EXPECT_EQ(parse_identity(pem)->not_after, noon + node_life_default);
}

TEST(Certificate, takes_nothing_but_the_key_of_a_request) {
    const auto made = make_request();
    const auto signer = root();
    const auto pem =
        *sign_node_certificate(signer, made->request, {"n", "c", Role::Worker}, {noon});
    EXPECT_TRUE(check_pair(pem, made->key));
    EXPECT_FALSE(check_pair(pem, make_request()->key));
    EXPECT_EQ(parse_identity(pem)->node_id, "n"); // and not the request's own name
    EXPECT_FALSE(sign_node_certificate(signer, "nonsense", {"n", "c", Role::Worker}, {noon}));
}

TEST(Certificate, is_refused_to_a_weak_key_and_to_a_false_proof) {
    const x509::Key weak(EVP_RSA_gen(1024));
    const x509::Request asked(X509_REQ_new());
    X509_REQ_set_pubkey(asked.get(), weak.get());
    X509_REQ_sign(asked.get(), weak.get(), EVP_sha256());
    const auto signer = root();
    const Subject subject{"n", "c", Role::Worker};
    EXPECT_FALSE(sign_node_certificate(signer, x509::print_pem(asked.get()), subject, {noon}));
    const x509::Key one(EVP_EC_gen("P-256"));
    const x509::Key other(EVP_EC_gen("P-256"));
    X509_REQ_set_pubkey(asked.get(), one.get());
    X509_REQ_sign(asked.get(), other.get(), EVP_sha256());
    const auto refused =
        sign_node_certificate(signer, x509::print_pem(asked.get()), subject, {noon});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("signature"));
    X509_REQ_sign(asked.get(), one.get(), EVP_sha1());
    EXPECT_FALSE(sign_node_certificate(signer, x509::print_pem(asked.get()), subject, {noon}));
    X509_REQ_sign(asked.get(), one.get(), EVP_sha384());
    EXPECT_TRUE(sign_node_certificate(signer, x509::print_pem(asked.get()), subject, {noon}));
}

TEST(CrossSigning, lets_both_roots_stand_behind_a_certificate) {
    const auto old = root();
    auto next = root();
    next.intermediates = *cross_sign(old, next.certificate);
    const auto pem = node(next);
    EXPECT_TRUE(verify(pem, old.certificate, noon));
    EXPECT_TRUE(verify(pem, next.certificate, noon));
    EXPECT_TRUE(verify(pem, old.certificate + next.certificate, noon));
    EXPECT_TRUE(verify(pem, next.certificate + old.certificate, noon));
    EXPECT_FALSE(verify(pem, root().certificate, noon));
    next.intermediates.clear();
    EXPECT_FALSE(verify(node(next), old.certificate, noon));
    EXPECT_TRUE(verify(node(next), old.certificate + next.certificate, noon));
}

TEST(TlsInfo, is_the_new_roots_once_it_has_signed) {
    const auto old = root();
    auto next = root();
    next.intermediates = *cross_sign(old, next.certificate);
    const auto wanted = *tls_info_of_root(next.certificate);
    const auto before = tls_info_of(node(old), old.certificate, noon);
    const auto after = tls_info_of(node(next), old.certificate, noon);
    ASSERT_TRUE(before);
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_FALSE(same_issuer(*before, wanted));
    EXPECT_TRUE(same_issuer(*after, wanted));
    EXPECT_EQ(after->trust_root(), old.certificate);
    EXPECT_FALSE(tls_info_of(node(old), next.certificate, noon));
}

TEST(Root, of_a_user_is_looked_at) {
    const auto signer = root();
    const auto taken = check_root(signer.certificate, signer.key, noon);
    ASSERT_TRUE(taken) << taken.error().message;
    EXPECT_EQ(taken->certificate, signer.certificate);
    EXPECT_FALSE(check_root(signer.certificate, root().key, noon));
    EXPECT_FALSE(check_root(signer.certificate + root().certificate, signer.key, noon));
    EXPECT_FALSE(check_root(signer.certificate, signer.key, noon + root_life));
    EXPECT_FALSE(check_root(signer.certificate, signer.key, noon - hours(2)));
    const auto made = make_request();
    const auto leaf =
        *sign_node_certificate(signer, made->request, {"n", "c", Role::Worker}, {noon});
    EXPECT_FALSE(check_root(leaf, made->key, noon));
    EXPECT_FALSE(check_root("", "", noon));
}

/// As a company's own tools would make it.
Signer foreign_root(const x509::Key& key, const EVP_MD* digest, const char* constraints) {
    const x509::Cert cert(X509_new());
    X509_set_version(cert.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
    ASN1_TIME_set(X509_getm_notBefore(cert.get()), 1'800'000'000 - 7200);
    ASN1_TIME_set(X509_getm_notAfter(cert.get()), 1'800'000'000 + 360'000);
    X509_set_pubkey(cert.get(), key.get());
    const auto* name = reinterpret_cast<const unsigned char*>("Our company");
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_UTF8, name, -1, -1,
                               0);
    X509_set_issuer_name(cert.get(), X509_get_subject_name(cert.get()));
    const x509::Extension is_ca(
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, constraints));
    X509_add_ext(cert.get(), is_ca.get(), -1);
    EXPECT_GT(X509_sign(cert.get(), key.get(), digest), 0);
    return {x509::print_pem(cert.get()), x509::print_pem(key.get()), ""};
}

TEST(Root, of_other_kinds_signs_too_and_weak_ones_are_refused) {
    const auto* yes = "critical,CA:TRUE";
    const x509::Key rsa(EVP_RSA_gen(2048));
    const x509::Key p384(EVP_EC_gen("P-384"));
    const auto old = root();
    for (const auto& made :
         {foreign_root(rsa, EVP_sha256(), yes), foreign_root(p384, EVP_sha384(), yes)}) {
        auto taken = check_root(made.certificate, made.key, noon);
        ASSERT_TRUE(taken) << taken.error().message;
        taken->intermediates = *cross_sign(old, taken->certificate);
        // They have no key identifier; still both roots stand behind it, and its life ends with
        // theirs.
        const auto pem = node(*taken, Role::Manager, hours(1000));
        EXPECT_TRUE(verify(pem, taken->certificate, noon));
        EXPECT_TRUE(verify(pem, old.certificate, noon));
        EXPECT_EQ(parse_identity(pem)->not_after, noon + hours(100));
    }
    const x509::Key weak(EVP_RSA_gen(1024));
    const x509::Key other(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    for (const auto& made : {foreign_root(weak, EVP_sha256(), yes),
                             foreign_root(rsa, EVP_sha1(), yes), foreign_root(other, nullptr, yes),
                             foreign_root(rsa, EVP_sha256(), "critical,CA:FALSE")}) {
        EXPECT_FALSE(check_root(made.certificate, made.key, noon));
    }
}

TEST(StoreCertificate, is_for_its_hosts_and_no_node) {
    const auto signer = *make_root(noon, "store-ca");
    const auto made = make_request();
    const auto pem = issue_store_certificate(signer, made->request, "node1",
                                             {"10.0.0.7", "fd00::7", "localhost"}, noon);
    ASSERT_TRUE(pem) << pem.error().message;
    const auto cert = x509::read_certificate(*pem, "");
    EXPECT_EQ(X509_check_ip_asc(cert->get(), "10.0.0.7", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(cert->get(), "fd00::7", 0), 1);
    EXPECT_EQ(X509_check_host(cert->get(), "localhost", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_ip_asc(cert->get(), "10.0.0.8", 0), 0);
    EXPECT_FALSE(verify(*pem, signer.certificate, noon)); // no role, no cluster
    EXPECT_FALSE(issue_store_certificate(signer, made->request, "n", {"a,DNS:b"}, noon));
}

} // namespace
} // namespace shoal::swarm
