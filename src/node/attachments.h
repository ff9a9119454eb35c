// Attachments: places of this machine's own containers on networks of the cluster. A place is a
// task that runs nothing: the managers make it when they are asked, give it addresses and assign it
// to this node like every other; here it is waited for. What no container uses any more, whatever
// the reason and the daemon's life, is given back; what the managers have forgotten is asked for
// again, a container whose addresses are others' by now is taken off, and they are told when its
// names are others. It neither reaches
// managers nor containers by itself (AttachmentWorld), and moves no packet.
#pragma once

#include "engine/network_attacher.h"
#include "swarm/agent/executor.h"
#include "swarm/proto/resource.pb.h"

#include "net/signal.h"
#include "net/wait_queue.h"

#include <map>
#include <set>

namespace shoal::node {

namespace pb = swarm::pb;

/// What attachments need of cluster and engine.
class AttachmentWorld {
  public:
    virtual ~AttachmentWorld() = default;
    /// False: there is certainly no such network in the cluster, or no cluster.
    virtual bool may_have(std::string_view network) const = 0;
    /// The calls of ResourceAllocator, on whichever manager can be reached.
    virtual net::Task<Result<std::string>> attach(pb::AttachNetworkRequest request,
                                                  net::Until until) = 0;
    virtual net::Task<Result<void>> detach(std::string attachment_id, net::Until until) = 0;
    /// Its places come with the task.
    virtual bool is_task(const ContainerId& container) const = 0;
    virtual bool is_on(const ContainerId& container, const NetworkId& network) const = 0;
    /// All containers that are no tasks and are on networks of the cluster, with what they have
    /// there.
    virtual std::vector<engine::PlaceWish> on_networks() const = 0;
    /// Takes the container off the network.
    virtual net::Task<Result<void>> put_off(ContainerId container, NetworkId network) = 0;
    /// The engine has the network, and lets a container have these addresses on it.
    virtual net::Task<Result<void>> ensure_network(pb::NetworkAttachment attachment,
                                                   net::Until until) = 0;
};

class Attachments final : public engine::NetworkAttacher {
  public:
    static constexpr std::chrono::seconds patience{20};
    static constexpr std::chrono::seconds look_pause{5};

    Attachments(net::Loop& loop, AttachmentWorld& world);

    /// The node knows now whether it is in a cluster; whoever asked before waits for this.
    void open() { open_.set(); }
    /// Gives back what is not used. Until cancelled.
    net::Task<void> tend(net::Until until);
    /// Who waits for a place gives up.
    void close() { closing_.cancel(); }

    /// For a task with an attachment, which has to end before this.
    std::unique_ptr<swarm::Controller> make_controller(swarm::TaskPtr task);

    // NetworkAttacher.
    bool may_have(std::string_view network) const override;
    net::Task<Result<std::optional<engine::Place>>> attach(engine::PlaceWish wish) override;
    void settled(const ContainerId& container) override;

  private:
    class Controller;
    struct Held {
        swarm::TaskPtr task;
        const Controller* by = nullptr;
        bool given_back = false; ///< the managers know
    };
    net::Task<Result<std::string>> ask(engine::PlaceWish wish, net::Until until);
    net::Task<Result<pb::NetworkAttachment>> wait_for(std::string id, net::Until until);
    net::Task<Result<engine::Place>> take_place(std::string id, net::Until until);
    net::Task<void> give_back(std::string id, net::Until until);
    net::Task<void> claim_again(net::Until until);
    const pb::Task* task_of(const engine::PlaceWish& place) const;
    std::vector<std::string> unused() const;
    bool is_unused(const std::string& id) const;
    bool is_used(const pb::Task& task) const;

    net::Loop& loop_;
    AttachmentWorld& world_;
    net::Flag open_;
    net::Cancel closing_;
    net::Signal look_;
    net::WaitQueue changed_;                       ///< of what is below
    std::map<std::string, Held> held_;             ///< by id of the task
    std::map<std::string, ContainerId> abandoned_; ///< asked for, and not waited for any longer
    std::set<ContainerId> busy_;                   ///< being attached
    std::string leaving_;                          ///< id of what is being given back
};

} // namespace shoal::node
