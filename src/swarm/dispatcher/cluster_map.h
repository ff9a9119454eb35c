// ClusterMap: everything that any node may be told of the cluster's networks, and which node is on
// which of them. It follows the store change by change; each item has the number of the change that
// made it what it is, in one growing order, so that what a node lacks, and whether it knows
// something, is told by one number. What one node is told is node_map.h's business.
#pragma once

#include "swarm/dispatcher/map_items.h"

#include <memory>
#include <utility>

namespace shoal::swarm {

class ClusterMap {
  public:
    ClusterMap() = default;
    ClusterMap(ClusterMap&&) = default; // a scope's order points to its entries
    ClusterMap& operator=(ClusterMap&&) = default;

    /// As nodes are told of it: one message for all of them.
    using ChangePtr = std::shared_ptr<const mpb::MapChange>;
    struct Entry {
        std::uint64_t sequence = 0;
        std::uint64_t hash = 0;
        ChangePtr change; ///< without an item: it is gone
        bool is_there() const { return change && change->has_item(); }
    };
    /// Items that are told together: those of a network; the nodes; the keys.
    struct Scope {
        std::map<std::string, Entry, std::less<>> entries; ///< by key
        std::map<std::uint64_t, const Entry*> in_order;
        std::uint64_t count = 0; ///< of those that are there
        std::uint64_t digest = 0;
        std::uint64_t forgotten = 0; ///< what went before this is not told any more
        std::size_t endpoints = 0;
        bool encrypted = false;
        struct User {
            std::size_t tasks = 0;
            std::uint64_t since = 0; ///< sequence
        };
        std::map<std::string, User> users; ///< by node
        std::map<std::string, std::size_t> endpoints_of_service;
    };
    static constexpr const char* nodes_scope = "nodes";
    static constexpr const char* keys_scope = "keys";

    void rebuild(const Store& store);
    /// After it is in the store. Twice is as good as once.
    void observe(const Store& store, const Change& change);

    std::uint64_t sequence() const { return sequence_; }
    /// Null when there is none.
    const Scope* scope(std::string_view id) const;
    /// What the node is to be told of. Nodes and keys only when it has somebody to talk to.
    std::set<std::string> scopes_of(std::string_view node_id) const;
    /// Null when it is not, or no longer, known.
    const Entry* endpoint(std::string_view network_id, std::string_view task_id) const;
    bool is_ingress(std::string_view network_id) const;

    /// What is different since the last call: for whom there may be something new.
    struct News {
        std::set<std::string> scopes;
        std::set<std::string> nodes;
    };
    News take_news() { return std::exchange(news_, {}); }

  private:
    struct Placed {
        std::string node_id;
        std::set<std::string> networks;
    };
    void observe_task(const Store& store, const TaskPtr& before, const TaskPtr& after);
    void observe_node(const Store& store, const NodePtr& before, const NodePtr& after);
    bool set_network(const std::string& id, const NetworkPtr& network);
    void observe_network(const Store& store, const std::string& id, const NetworkPtr& network);
    void observe_service(const Store& store, const std::string& id, const ServicePtr& service);
    std::set<std::string> place(const std::string& task_id, const TaskPtr& task);
    void set_endpoint(const Store& store, const std::string& network_id, const std::string& task_id,
                      const pb::Task* task);
    void count_endpoint(const Store& store, const std::string& network_id,
                        const std::string& service_id, int change);
    void set_service(const Store& store, const std::string& network_id,
                     const std::string& service_id);
    Scope& scope_to_change(const std::string& id);
    /// True: it has come or gone.
    bool set(const std::string& scope_id, const std::string& key, MaybeItem item);
    void add_user(const std::string& network_id, const std::string& node_id);
    void remove_user(const std::string& network_id, const std::string& node_id);
    void forget_gone(Scope& scope);
    void forget_empty_scopes();

    std::uint64_t sequence_ = 0;
    std::map<std::string, Scope, std::less<>> scopes_;
    std::map<std::string, std::set<std::string>, std::less<>> networks_of_node_;
    std::map<std::string, std::set<std::string>> networks_of_service_; ///< that it asks for
    std::map<std::string, std::set<std::string>> networks_with_tasks_; ///< by service
    std::set<std::string, std::less<>> ingress_;
    std::map<std::string, Placed> placed_; ///< by task
    News news_;
};

} // namespace shoal::swarm
