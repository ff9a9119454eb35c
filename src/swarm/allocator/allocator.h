// Allocator: gives networks their subnets, services their ports and virtual addresses, tasks their
// addresses, nodes their numbers, and moves a task from NEW to PENDING when it has everything. What
// it keeps is read from the store's objects and can be read again; what it cannot give stands in
// the status of the tasks that wait for it. It does not make anything exist on a node.
#pragma once

#include "swarm/allocator/network_book.h"
#include "swarm/allocator/node_numbers.h"
#include "swarm/allocator/ports.h"
#include "swarm/store/reconciler.h"

#include <unordered_map>

namespace shoal::swarm {

class Allocator final : public Reconciler {
  public:
    Allocator() = default;
    void rebuild(const Store& store) override;
    void observe(const Store& store, const Change& change) override;
    std::optional<Instant> run(Tx& tx) override;

  private:
    void see_network(const std::string& id, const NetworkPtr& network);
    void see_node(const std::string& id, const NodePtr& node);
    void see_service(const std::string& id, const ServicePtr& service);
    void see_task(const std::string& id, const TaskPtr& task);
    void remember_last(const Store& store);

    void allocate_network(Tx& tx, const std::string& id);
    void allocate_node(Tx& tx, const std::string& id);
    void allocate_service(Tx& tx, const std::string& id);
    void allocate_task(Tx& tx, const std::string& id);

    using VirtualIps = std::vector<pb::Endpoint::VirtualIP>;
    Result<VirtualIps> virtual_ips(const Store& store, const pb::Service& service,
                                   bool with_ingress);
    using Attachments = std::vector<pb::NetworkAttachment>;
    Result<Attachments> attachments(const Store& store, const pb::Task& task,
                                    const ServicePtr& service);
    Result<void> attach(Attachments& to, const NetworkPtr& network,
                        const pb::NetworkAttachmentConfig& config, const std::string& holder);
    Result<NetworkPtr> find_network(const Store& store, const std::string& target) const;
    Result<NetworkPtr> find_ingress(const Store& store) const;

    using Addresses = std::set<HeldAddress>;
    /// What `holder` holds from now on.
    void set_held(const std::string& holder, Addresses addresses);
    /// Takes back what `holder` has got beyond what it held before.
    void give_back(const std::string& holder, const Attachments& taken);

    NetworkBook book_;
    PortSpace ports_;
    NodeNumbers numbers_;
    std::unordered_map<std::string, Addresses> held_; ///< by holder; only looked up
    std::set<std::string> ingress_ids_;

    std::set<std::string> dirty_networks_, dirty_nodes_, dirty_services_, dirty_tasks_;
    std::map<std::string, std::string> failed_networks_, failed_services_; ///< id -> why
    std::set<std::string> failed_tasks_;
    bool more_room_ = false; ///< something became free, or a network was added: try all again
    bool networks_changed_ = false;
};

/// Would the network get what it asks for? For an answer to the user before it is created.
Result<void> check_network(const Store& store, const pb::NetworkSpec& spec);

} // namespace shoal::swarm
