// Face: what the Engine API sees of this machine's place in a cluster. It is an interface, so that
// the API can be tested with a few lines of state, and so that a machine outside a swarm is simply
// one without any of this. Who implements it owns the node, the store and the leader; who calls it
// decides what a request means.
#pragma once

#include "swarm/manager/control/cluster.h"
#include "swarm/store/writer.h"

#include "net/http.h"
#include "swarm/proto/logbroker.pb.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::swarm {

enum class LocalState { Inactive, Pending, Active, Error, Locked };
std::string_view name_of(LocalState state); ///< "active"

/// What this machine is in its cluster, at the moment.
struct Standing {
    LocalState state = LocalState::Inactive;
    bool manager = false;              ///< the control of the cluster is possible here
    bool certificates_expired = false; ///< why the state is Error
    std::string error;                 ///< for people
    std::string trouble; ///< why this manager cannot change anything at present, for people
    std::string node_id;
    std::string node_addr;          ///< without a port
    std::vector<pb::Peer> managers; ///< all that are known, this one among them
    pb::NodeTLSInfo tls;            ///< of the cluster's root, as this node trusts it
};

/// What a new cluster is begun with. Addresses are "host:port", "interface:port" or without a port.
struct InitRequest {
    std::string listen_addr;    ///< "" for the default
    std::string advertise_addr; ///< "" to find out
    std::string data_path_addr;
    std::uint32_t data_path_port = 0; ///< 0 for the default
    bool force_new_cluster = false;
    pb::ClusterSpec spec; ///< complete and checked
    pb::NodeSpec::Availability availability = pb::NodeSpec::ACTIVE;
    std::vector<std::string> address_pools; ///< empty for the default
    std::uint32_t subnet_size = 0;          ///< 0 for the default
};

struct JoinRequest {
    std::string listen_addr;
    std::string advertise_addr;
    std::string data_path_addr;
    std::vector<std::string> remote_addrs; ///< at least one
    std::string join_token;
    pb::NodeSpec::Availability availability = pb::NodeSpec::ACTIVE;
};

/// Addresses as of InitRequest.
struct RestoreRequest {
    std::string backup; ///< the bytes of the file
    std::string passphrase;
    std::string listen_addr;
    std::string advertise_addr;
    std::string data_path_addr;
};

/// Lines of tasks as they arrive. An empty list is the end.
class LogSource {
  public:
    virtual ~LogSource() = default;
    /// Fails: Cancelled when `until` ends it; anything else is said to the client inside the
    /// stream.
    virtual net::Task<Result<std::vector<pb::LogMessage>>> read(net::Until until) = 0;
};

/// A request of the Engine API that this manager passes on to the one that leads.
struct ForwardedRequest {
    std::string method;
    std::string target; ///< path and query, as the client sent them
    net::Headers headers;
    std::string body;
};
class ForwardedAnswer {
  public:
    virtual ~ForwardedAnswer() = default;
    int status = 0;
    net::Headers headers;
    /// The next piece of the body, "" at its end.
    virtual net::Task<Result<std::string>> read(net::Until until) = 0;
};

class Face {
  public:
    virtual ~Face() = default;

    virtual Standing standing() const = 0;
    /// The committed state; null unless this machine is a manager that has it.
    virtual const Store* store() const = 0;
    virtual bool leads() const = 0;
    /// Where leads() is true: see Writer.
    virtual net::Task<Result<std::int64_t>> submit(Mutation mutation, net::Until until) = 0;
    /// How tokens, keys and roots are made, for update_cluster; where leads() is true.
    virtual const ClusterActions& cluster_actions() = 0;
    /// When the certificate of a node ends; nothing when that cannot be said.
    virtual std::optional<Instant> certificate_ends(const pb::Node& node) const = 0;

    /// The id of this node. The caller has checked that it is in no swarm (or forces a new one).
    virtual net::Task<Result<std::string>> init(InitRequest request, net::Until until) = 0;
    /// Fails: Unavailable "Timeout was reached before node joined...": it goes on in the
    /// background.
    virtual net::Task<Result<void>> join(JoinRequest request, net::Until until) = 0;
    /// Fails: Invalid, naming what is at stake when this is a manager and `force` is not given.
    virtual net::Task<Result<void>> leave(bool force, net::Until until) = 0;
    /// Fails: Unauthorized for a wrong key.
    virtual net::Task<Result<void>> unlock(std::string key, net::Until until) = 0;
    /// In the form that people keep, "SWMKEY-1-..."; "" when managers are not locked.
    virtual net::Task<Result<std::string>> unlock_key(net::Until until) = 0;

    /// Everything the managers know at this moment, under a passphrase: a file's bytes; on every
    /// manager. Fails: Invalid for a short passphrase; Unavailable without a quorum.
    virtual net::Task<Result<std::string>> backup(std::string passphrase, net::Until until) = 0;
    /// Begins the cluster of a back-up again; the id of this node in it. The caller has checked
    /// that it is in no swarm. Fails: Unauthorized for a wrong passphrase; Invalid for a damaged
    /// file.
    virtual net::Task<Result<std::string>> restore(RestoreRequest request, net::Until until) = 0;

    /// For a node without the state: the attachable network that `ref` means, as the managers have
    /// it. Fails: NotFound.
    virtual net::Task<Result<pb::Network>> find_network(std::string ref, net::Until until) = 0;

    /// Returns with the head of the answer. When the request has written something, this manager's
    /// store shows it by then.
    virtual net::Task<Result<std::unique_ptr<ForwardedAnswer>>> forward(ForwardedRequest request,
                                                                        net::Until until) = 0;
    /// Where leads() is true.
    virtual net::Task<Result<std::unique_ptr<LogSource>>>
    open_logs(pb::LogSelector selector, pb::LogSubscriptionOptions options, net::Until until) = 0;
};

} // namespace shoal::swarm
