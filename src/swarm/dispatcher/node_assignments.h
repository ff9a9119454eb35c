// NodeAssignments: what one node has been told of its tasks and of what they need, and what it has
// to be told next. It notes which objects changed, not what they changed to: however slow a node
// is, no more than the difference to the present state waits for it. It writes to no connection.
#pragma once

#include "swarm/store/store.h"

#include "swarm/proto/dispatcher.pb.h"

#include <deque>
#include <functional>
#include <set>

namespace shoal::swarm {

class NodeAssignments {
  public:
    /// Who reads it: a stock engine takes a complete set in one message only.
    enum class Reader { Shoal, Stock };
    struct Limits {
        std::size_t changes_max = 100;       ///< of an increment
        std::size_t message_bytes = 2 << 20; ///< after which a message is not made larger
        std::size_t waiting_max = 10'000;    ///< then the next message is a complete set
    };
    NodeAssignments(std::string node_id, Reader reader) : NodeAssignments(node_id, reader, {}) {}
    NodeAssignments(std::string node_id, Reader reader, Limits limits)
        : node_id_(std::move(node_id)), reader_(reader), limits_(limits) {}

    /// A task of this node, or any secret or config, has changed.
    void observe(const Change& change);
    /// next() will have something.
    bool pending() const;
    std::size_t waiting() const { return tasks_due_.size() + changed_.size() + unused_.size(); }
    /// Which tasks the node is not to hear yet that they are to stop.
    using Held = std::function<bool(const std::string& task_id)>;
    void hold_back(Held held) { held_back_ = std::move(held); }
    /// This one is held back no longer.
    void let_go(const std::string& task_id);
    /// The next message, from the store as it is now; nothing when the node knows everything.
    std::optional<pb::AssignmentsMessage> next(const Store& store);

    /// For the scale test: what this view holds.
    std::size_t tasks_sent() const { return sent_.size(); }
    std::size_t dependencies_sent() const { return held_.size(); }

  private:
    using Name = std::pair<Kind, std::string>; ///< of a secret or config
    struct Sent {
        TaskPtr task;
        bool needing = false; ///< its dependencies are counted
    };

    void observe_task(const std::string& id, const TaskPtr& task);
    void note(const std::string& id);
    void take_dependencies(const Store& store, const pb::Task& task,
                           pb::AssignmentsMessage& message);
    void count(const pb::Task& task);
    void release(Sent& sent);
    bool add_dependency(const Store& store, const Name& name, pb::AssignmentsMessage& message);
    void settle_dependencies(const Store& store, pb::AssignmentsMessage& message);
    void withdraw(const Name& name, pb::AssignmentsMessage& message);
    TaskPtr as_told(const TaskPtr& task) const;
    void put_task(const Store& store, const TaskPtr& task, pb::AssignmentsMessage& message);
    void remove_task(const std::string& id, pb::AssignmentsMessage& message);
    std::optional<pb::AssignmentsMessage> next_ahead(const Store& store);
    pb::AssignmentsMessage complete_set(const Store& store);
    std::optional<pb::AssignmentsMessage> increment(const Store& store);
    std::set<Name> needed(const Store& store) const;
    bool full(const pb::AssignmentsMessage& message) const;
    pb::AssignmentsMessage begin(pb::AssignmentsMessage::Type type) const;
    void number(pb::AssignmentsMessage& message);

    std::string node_id_;
    Reader reader_;
    Limits limits_;
    Held held_back_;
    std::map<std::string, Sent> sent_;
    std::map<Name, std::size_t> held_; ///< what the node has -> tasks that need it
    std::set<std::string> tasks_due_;
    std::set<Name> changed_; ///< dependencies that the node has in an older form
    std::set<Name> unused_;  ///< dependencies that perhaps no task needs any more
    bool complete_due_ = true;
    bool first_ = true;     ///< there was no complete set yet
    std::size_t bytes_ = 0; ///< of the message that is being made
    std::uint64_t sequence_ = 0;
};

/// Whether they differ in more than what the node itself reports.
bool differs_for_node(const pb::Task& a, const pb::Task& b);

} // namespace shoal::swarm
