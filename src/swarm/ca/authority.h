// Authority: who gets which certificate of the cluster. Decisions are functions over a transaction
// (a token or a valid certificate lets a node ask; the role is never the asker's to choose);
// signing is a reconciler of the leader; the class is the thin service that nodes call. Making
// certificates is ca/certificate.h, changing the root ca/rotation.h.
#pragma once

#include "swarm/ca/founding.h"
#include "swarm/rpc/server.h"
#include "swarm/store/reconciler.h"
#include "swarm/store/writer.h"

#include "net/signal.h"
#include "swarm/proto/ca.pb.h"

#include <set>

namespace shoal::swarm {

/// A cluster takes no more nodes than this, whoever has its token.
inline constexpr std::size_t nodes_max = 20'000;
/// Requests of nodes that are being written at once; one more waits for its turn.
inline constexpr std::size_t requests_written_max = 256;
/// Requests that wait for their turn; one more is refused (Exhausted).
inline constexpr std::size_t requests_waiting_max = 4096;
/// Certificates signed in one turn of the leader; the rest follows in the next.
inline constexpr std::size_t signed_per_turn_max = 64;

/// The role that this token gives. Invalid, in Docker's words, for a token that is none of this
/// cluster's.
Result<pb::NodeRole> role_of_token(const pb::Cluster& cluster, std::string_view token);

/// With a certificate of this cluster: a new one for the same node, in the role that the node has
/// now; NotFound when the node was removed. Without: a new node, in the role of the token; the same
/// request again gives the same node again. Either way the certificate is signed later.
enum class Proof { Check, Checked }; ///< that who asks has the key (check_request())
Result<pb::IssueNodeCertificateResponse>
issue_node_certificate(Tx& tx, const pb::IssueNodeCertificateRequest& asked, const Caller& caller,
                       Proof proof = Proof::Check);

/// Signing is over, for better or worse, and the node may be told.
bool is_settled(const pb::Certificate& certificate);
bool awaits_signing(const pb::Node& node);
/// ISSUED, or FAILED with the reason.
void sign_pending(Tx& tx, const std::string& node_id);

/// When the last certificate that a node was given ends; nothing when it has none.
std::optional<Instant> certificate_end(const pb::Node& node);

/// Signs what is asked for.
class CertificateSigner final : public Reconciler {
  public:
    void rebuild(const Store& store) override;
    void observe(const Store& store, const Change& change) override;
    std::optional<Instant> run(Tx& tx) override;

  private:
    std::set<std::string> waiting_;
};

struct AuthorityLimits {
    std::size_t written_max = requests_written_max;
    std::size_t waiting_max = requests_waiting_max;
};

/// The services CA and NodeCA.
class Authority {
  public:
    Authority(net::Loop& loop, const Store& store, Writer& writer, AuthorityLimits limits = {});

    void add_to(RpcServer& server);
    /// Of the committed store; wakes those who wait for their certificate.
    void observe(const Change& change);

    /// As the calls; the leader renews its own certificate with these, without a connection.
    net::Task<Result<pb::IssueNodeCertificateResponse>> issue(pb::IssueNodeCertificateRequest asked,
                                                              Caller caller, net::Until until);
    /// Waits until the certificate is settled.
    net::Task<Result<pb::NodeCertificateStatusResponse>>
    status(pb::NodeCertificateStatusRequest asked, net::Until until);

  private:
    struct Turn;
    net::Task<Result<void>> wait_for_turn(net::Until until);
    net::Task<Result<pb::GetRootCACertificateResponse>> root();
    net::Task<Result<pb::GetUnlockKeyResponse>> unlock_key();

    net::Loop& loop_;
    const Store& store_;
    Writer& writer_;
    AuthorityLimits limits_;
    net::WaitQueue settled_;
    net::WaitQueue turn_;
    std::size_t written_ = 0; ///< being written now
    std::size_t waiting_ = 0; ///< for their turn
};

} // namespace shoal::swarm
