#include "swarm/ca/authority.h"

#include "swarm/ca/token.h"

#include <openssl/hmac.h>

namespace shoal::swarm {
namespace {

using State = pb::IssuanceStatus;

constexpr auto method_root = "/docker.swarmkit.v1.CA/GetRootCACertificate";
constexpr auto method_unlock_key = "/docker.swarmkit.v1.CA/GetUnlockKey";
constexpr auto method_issue = "/docker.swarmkit.v1.NodeCA/IssueNodeCertificate";
constexpr auto method_status = "/docker.swarmkit.v1.NodeCA/NodeCertificateStatus";
/// A caller without a deadline of its own does not wait for ever.
constexpr std::chrono::seconds settling_max(60);

Result<ClusterPtr> cluster_of(const Store& store) {
    auto cluster = store.cluster();
    if (!cluster) { return Error{Errc::Unavailable, "the cluster is not there yet"}; }
    return cluster;
}

pb::IssueNodeCertificateResponse answer_for(const pb::Node& node) {
    pb::IssueNodeCertificateResponse answer;
    answer.set_node_id(node.id());
    answer.set_node_membership(node.spec().membership());
    return answer;
}

Result<NodePtr> known_node(const Store& store, const Caller& caller) {
    TRY_LET(cluster, cluster_of(store));
    if (caller.cluster_id != cluster->id()) {
        return Error{Errc::Forbidden, "permission denied: the certificate is of another cluster"};
    }
    if (cluster->blacklisted_certificates().contains(caller.node_id)) {
        return Error{Errc::Forbidden,
                     "permission denied: node " + caller.node_id + " was removed from the swarm"};
    }
    auto node = store.get<pb::Node>(caller.node_id);
    if (!node) {
        return Error{Errc::NotFound, "node " + caller.node_id +
                                         " not found when attempting to renew its certificate"};
    }
    return node;
}

/// What can be said without writing: most of what is refused is refused here.
Result<void> may_ask(const Store& store, const pb::IssueNodeCertificateRequest& asked,
                     const Caller& caller) {
    if (caller.role != Role::None) {
        TRY(known_node(store, caller));
    } else {
        TRY_LET(cluster, cluster_of(store));
        TRY(role_of_token(*cluster, asked.token()));
    }
    return ok();
}

Result<pb::IssueNodeCertificateResponse> renew(Tx& tx, const pb::IssueNodeCertificateRequest& asked,
                                               const Caller& caller) {
    TRY_LET(held, known_node(tx.store(), caller));
    const auto& before = held->certificate();
    const bool again = before.status().state() == State::RENEW && before.csr() == asked.csr();
    if (again) { return answer_for(*held); }
    pb::Node node = *held;
    auto& certificate = *node.mutable_certificate();
    certificate.set_role(node.role());
    certificate.set_csr(asked.csr());
    certificate.set_cn(node.id());
    certificate.mutable_status()->Clear();
    certificate.mutable_status()->set_state(State::RENEW);
    return answer_for(*tx.put(std::move(node)));
}

/// The same for the same request, so that one whose answer was lost makes no second node; nobody
/// outside can choose it.
std::string id_for(const pb::Cluster& cluster, const std::string& csr, pb::NodeRole role) {
    constexpr std::size_t id_bytes = 16;
    constexpr std::size_t id_digits = 25;
    const std::string& key = cluster.root_ca().store_ca_key();
    const std::string text = (role == pb::MANAGER ? "manager\n" : "worker\n") + csr;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
    return to_base36({reinterpret_cast<const char*>(mac), id_bytes}, id_digits);
}

pb::Node new_node(std::string id, pb::NodeRole role, const pb::IssueNodeCertificateRequest& asked) {
    pb::Node node;
    node.set_id(std::move(id));
    node.set_role(role);
    node.mutable_spec()->set_desired_role(role);
    node.mutable_spec()->set_membership(pb::NodeSpec::ACCEPTED);
    node.mutable_spec()->set_availability(asked.availability());
    node.mutable_status()->set_state(pb::NodeStatus::UNKNOWN);
    auto& certificate = *node.mutable_certificate();
    certificate.set_role(role);
    certificate.set_csr(asked.csr());
    certificate.set_cn(node.id());
    certificate.mutable_status()->set_state(State::PENDING);
    return node;
}

/// The answer to an earlier call was lost, or signing failed.
pb::IssueNodeCertificateResponse ask_again(Tx& tx, const NodePtr& held) {
    if (held->certificate().status().state() != State::FAILED) { return answer_for(*held); }
    pb::Node node = *held;
    node.mutable_certificate()->mutable_status()->Clear();
    node.mutable_certificate()->mutable_status()->set_state(State::PENDING);
    return answer_for(*tx.put(std::move(node)));
}

Result<pb::IssueNodeCertificateResponse> admit(Tx& tx,
                                               const pb::IssueNodeCertificateRequest& asked) {
    TRY_LET(cluster, cluster_of(tx.store()));
    TRY_LET(role, role_of_token(*cluster, asked.token()));
    std::string id = id_for(*cluster, asked.csr(), role);
    const auto same = tx.store().get<pb::Node>(id);
    if (same && same->certificate().csr() == asked.csr()) { return ask_again(tx, same); }
    const bool taken = same || cluster->blacklisted_certificates().contains(id);
    if (taken) { id = tx.make_id(); }
    if (tx.store().all<pb::Node>().size() >= nodes_max) {
        return Error{Errc::Exhausted,
                     "the swarm has " + std::to_string(nodes_max) + " nodes, and takes no more"};
    }
    return answer_for(*tx.put(new_node(std::move(id), role, asked)));
}

Result<std::string> sign(const pb::Cluster& cluster, const pb::Node& node, Instant now) {
    const Role role = node.role() == pb::MANAGER ? Role::Manager : Role::Worker;
    const auto life = from_duration(cluster.spec().ca_config().node_cert_expiry());
    return sign_node_certificate(signer_of(cluster), node.certificate().csr(),
                                 {node.id(), cluster.id(), role}, {now, life});
}

} // namespace

Result<pb::NodeRole> role_of_token(const pb::Cluster& cluster, std::string_view token) {
    const auto& tokens = cluster.root_ca().join_tokens();
    // Both are compared, whichever it is.
    const bool manager = same_secret(token, tokens.manager());
    const bool worker = same_secret(token, tokens.worker());
    if (!token.empty() && manager) { return pb::MANAGER; }
    if (!token.empty() && worker) { return pb::WORKER; }
    return invalid("A valid join token is necessary to join this cluster");
}

Result<pb::IssueNodeCertificateResponse>
issue_node_certificate(Tx& tx, const pb::IssueNodeCertificateRequest& asked, const Caller& caller,
                       Proof proof) {
    TRY(may_ask(tx.store(), asked, caller));
    if (proof == Proof::Check) { TRY(check_request(asked.csr())); }
    return caller.role == Role::None ? admit(tx, asked) : renew(tx, asked, caller);
}

bool is_settled(const pb::Certificate& certificate) {
    switch (certificate.status().state()) {
    case State::ISSUED:
    case State::ROTATE:
        return !certificate.certificate().empty();
    case State::FAILED:
        return true;
    default:
        return false;
    }
}

bool awaits_signing(const pb::Node& node) {
    const auto state = node.certificate().status().state();
    const bool accepted = node.spec().membership() == pb::NodeSpec::ACCEPTED;
    return state == State::RENEW || (state == State::PENDING && accepted);
}

void sign_pending(Tx& tx, const std::string& node_id) {
    const auto cluster = tx.store().cluster();
    const auto held = tx.store().get<pb::Node>(node_id);
    if (!cluster || !held || !awaits_signing(*held)) { return; }
    pb::Node node = *held;
    auto& certificate = *node.mutable_certificate();
    auto signed_ = sign(*cluster, node, tx.now());
    if (signed_) {
        certificate.set_role(node.role()); // it may have changed since it asked
        certificate.set_certificate(std::move(*signed_));
        certificate.mutable_status()->set_state(State::ISSUED);
    } else {
        certificate.mutable_status()->set_state(State::FAILED);
        certificate.mutable_status()->set_err(signed_.error().message);
    }
    tx.put(std::move(node));
}

std::optional<Instant> certificate_end(const pb::Node& node) {
    const auto identity = parse_identity(node.certificate().certificate());
    if (!identity) { return std::nullopt; }
    return identity->not_after;
}

void CertificateSigner::rebuild(const Store& store) {
    waiting_.clear();
    for (const auto& [id, node] : store.all<pb::Node>()) {
        if (awaits_signing(*node)) { waiting_.insert(id); }
    }
}

void CertificateSigner::observe(const Store&, const Change& change) {
    const auto node = change.new_as<pb::Node>();
    if (node && awaits_signing(*node)) { waiting_.insert(change.id); }
}

std::optional<Instant> CertificateSigner::run(Tx& tx) {
    for (std::size_t count = 0; count < signed_per_turn_max && !waiting_.empty(); ++count) {
        const std::string id = *waiting_.begin();
        waiting_.erase(waiting_.begin());
        sign_pending(tx, id);
    }
    if (waiting_.empty()) { return std::nullopt; }
    return tx.now();
}

Authority::Authority(net::Loop& loop, const Store& store, Writer& writer, AuthorityLimits limits)
    : loop_(loop), store_(store), writer_(writer), limits_(limits), settled_(loop), turn_(loop) {}

void Authority::observe(const Change& change) {
    if (change.kind == Kind::Node) { settled_.wake_all(); }
}

/// Counts for as long as it lives, also when its task is ended from outside.
struct Authority::Turn {
    explicit Turn(Authority& of, std::size_t Authority::*what) : authority(of), count(what) {
        ++(authority.*count);
    }
    ~Turn() {
        --(authority.*count);
        if (count == &Authority::written_) { authority.turn_.wake_one(); }
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    Authority& authority;
    std::size_t Authority::*count;
};

net::Task<Result<void>> Authority::wait_for_turn(net::Until until) {
    while (written_ >= limits_.written_max) {
        if (waiting_ >= limits_.waiting_max) {
            co_return Error{Errc::Exhausted, "too many nodes ask for certificates, try again"};
        }
        const Turn waiting(*this, &Authority::waiting_);
        const net::Wake wake = co_await turn_.wait(until);
        CO_TRY(net::to_result(wake, "wait for a turn"));
    }
    co_return ok();
}

net::Task<Result<pb::IssueNodeCertificateResponse>>
Authority::issue(pb::IssueNodeCertificateRequest asked, Caller caller, net::Until until) {
    CO_TRY(may_ask(store_, asked, caller));
    CO_TRY(check_request(asked.csr()));
    CO_TRY(co_await wait_for_turn(until));
    const Turn writing(*this, &Authority::written_);
    const auto answer = std::make_shared<pb::IssueNodeCertificateResponse>();
    Mutation mutation = [asked = std::move(asked), caller = std::move(caller),
                         answer](Tx& tx) -> Result<void> {
        TRY_LET(made, issue_node_certificate(tx, asked, caller, Proof::Checked));
        *answer = std::move(made);
        return ok();
    };
    CO_TRY(co_await writer_.submit(std::move(mutation), until));
    co_return *answer;
}

net::Task<Result<pb::NodeCertificateStatusResponse>>
Authority::status(pb::NodeCertificateStatusRequest asked, net::Until until) {
    const net::Until limit = until.no_later_than(loop_.in(settling_max));
    for (;;) {
        const auto node = store_.get<pb::Node>(asked.node_id());
        if (!node) { co_return Error{Errc::NotFound, "node " + asked.node_id() + " not found"}; }
        if (is_settled(node->certificate())) {
            pb::NodeCertificateStatusResponse answer;
            *answer.mutable_status() = node->certificate().status();
            *answer.mutable_certificate() = node->certificate();
            co_return answer;
        }
        const net::Wake wake = co_await settled_.wait(limit);
        CO_TRY(net::to_result(wake, "wait for the certificate of node " + asked.node_id()));
    }
}

net::Task<Result<pb::GetRootCACertificateResponse>> Authority::root() {
    CO_TRY_LET(cluster, cluster_of(store_));
    pb::GetRootCACertificateResponse answer;
    answer.set_certificate(trusted_roots(*cluster));
    co_return answer;
}

net::Task<Result<pb::GetUnlockKeyResponse>> Authority::unlock_key() {
    CO_TRY_LET(cluster, cluster_of(store_));
    pb::GetUnlockKeyResponse answer;
    answer.set_unlock_key(unlock_key_of(*cluster));
    *answer.mutable_version() = cluster->meta().version();
    co_return answer;
}

void Authority::add_to(RpcServer& server) {
    server.add_unary<pb::GetRootCACertificateRequest, pb::GetRootCACertificateResponse>(
        method_root, Allowed::Everybody, Where::Anywhere,
        [this](pb::GetRootCACertificateRequest, Caller, net::Until) { return root(); });
    server.add_unary<pb::GetUnlockKeyRequest, pb::GetUnlockKeyResponse>(
        method_unlock_key, Allowed::Managers, Where::Leader,
        [this](pb::GetUnlockKeyRequest, Caller, net::Until) { return unlock_key(); });
    server.add_unary<pb::IssueNodeCertificateRequest, pb::IssueNodeCertificateResponse>(
        method_issue, Allowed::Everybody, Where::Leader,
        [this](pb::IssueNodeCertificateRequest asked, Caller caller, net::Until until) {
            return issue(std::move(asked), std::move(caller), until);
        });
    server.add_unary<pb::NodeCertificateStatusRequest, pb::NodeCertificateStatusResponse>(
        method_status, Allowed::Everybody, Where::Leader,
        [this](pb::NodeCertificateStatusRequest asked, Caller, net::Until until) {
            return status(std::move(asked), until);
        });
}

} // namespace shoal::swarm
