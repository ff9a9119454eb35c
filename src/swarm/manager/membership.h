// Membership: how a manager gets and loses its member in the log, from the leader's side. It comes
// as a learner, catches up, and is promoted when it asks for that; a learner that was given up is
// removed when the next one comes, since the log has one at a time.
#pragma once

#include "swarm/proto/manager.pb.h"
#include "swarm/rpc/transport.h"
#include "swarm/store/log.h"
#include "swarm/store/writer.h"

#include "net/lock.h"

namespace shoal::swarm {

namespace mpb = shoal::swarm::v1;

/// What a new member is given beside its place.
class MemberGifts {
  public:
    virtual ~MemberGifts() = default;
    /// For the store's own traffic: a certificate for this request and host.
    virtual Result<std::string> sign(const std::string& csr, const std::string& node_id,
                                     const std::string& host) = 0;
    virtual std::vector<mpb::DataKey> data_keys() const = 0;
};

class Membership {
  public:
    Membership(net::Loop& loop, const Store& store, Log& log, Writer& writer, MemberGifts& gifts);

    /// Only for nodes whose role is manager.
    net::Task<Result<mpb::JoinStoreResponse>> join(mpb::JoinStoreRequest asked, Caller caller,
                                                   net::Until until);
    /// Unavailable: not caught up yet, ask again.
    net::Task<Result<mpb::MemberResponse>> promote(mpb::MemberRequest asked, Caller caller,
                                                   net::Until until);

  private:
    Result<NodePtr> manager_node(const std::string& node_id) const;
    net::Task<Result<LogMember>> add(std::string peer_url, NodePtr node, net::Until until);
    net::Task<Result<void>> remove_given_up(std::string peer_url, net::Until until);

    net::Loop& loop_;
    const Store& store_;
    Log& log_;
    Writer& writer_;
    MemberGifts& gifts_;
    net::Lock one_at_a_time_;
    std::map<std::string, Steady> learners_; ///< by member id: until when they may take
};

/// "10.0.0.1:2378": `given` with the host of `caller` when it has none ("", "0.0.0.0", "[::]").
std::string with_host(const std::string& given, const std::string& caller);
std::string host_of(const std::string& address);

} // namespace shoal::swarm
