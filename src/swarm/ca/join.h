// The node's side of certificates: getting the first one with a token, a new one in time, and
// following the cluster's root. What comes back is checked before it is of any use; keeping it
// (ca/key_file.h) and using it (Credentials::replace) is the caller's. It knows nothing of tasks.
#pragma once

#include "swarm/model/object.h"
#include "swarm/rpc/tls_transport.h"

namespace shoal::swarm {

/// A node asks so often for its first certificate, with a pause in between.
inline constexpr int join_tries = 5;
inline constexpr std::chrono::seconds join_pause{2};

struct JoinSeams {
    net::Loop& loop;
    const Clock& clock;
    Transport& transport;
    /// Those that `transport` uses. Joining puts the root into them, nothing else.
    Credentials& credentials;
};

struct JoinWish {
    std::vector<std::string> addresses; ///< of managers, host:port; one after the other
    std::string token;
    pb::NodeSpec::Availability availability = pb::NodeSpec::ACTIVE;
};
struct Admitted {
    NodeCredentials credentials;
    Identity identity;
    std::string address; ///< of the manager that answered
};
/// Fails at once, Invalid, for a token that is none and one that the managers do not take;
/// Unauthorized when no manager has the root that the token pins; Forbidden with the managers'
/// reason when the certificate was refused.
net::Task<Result<Admitted>> join_cluster(JoinSeams seams, JoinWish wish, net::Until until);

/// A new certificate for the node that the credentials name, in the role that it has now. A worker
/// that knows none of its managers' roots any more asks one of them for the new root, and believes
/// it only if our own certificate stands under it. Fails: NotFound, Forbidden: the node was
/// removed.
net::Task<Result<NodeCredentials>>
renew_certificate(JoinSeams seams, std::vector<std::string> addresses, net::Until until);

/// Between 50 and 80 % of its life; at once when it has run out or the time is past.
Instant plan_renewal(const Identity& identity, Instant now, Random& random);

/// Other roots are taken only if our own certificate stands under them too: nobody may talk a node
/// out of its cluster. Fails: Unauthorized.
Result<void> check_new_roots(const NodeCredentials& held, std::string_view roots, Instant now);

} // namespace shoal::swarm
