// What must be true of a cluster at all times (safety), and some time after everything has been
// mended (liveness). It only looks; what happens is the scenario's business.
#pragma once

#include "world.h"

#include "swarm/dispatcher/cluster_map.h"

namespace shoal::sim {

/// FNV-1a, to compare transcripts.
class Digest {
  public:
    void add(std::string_view text);
    std::uint64_t value() const { return value_; }

  private:
    std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

class Checks final : public Observer {
  public:
    explicit Checks(World& world) : world_(world) {}

    void changed(Machine& machine, const std::vector<Change>& changes) override;
    void controller_made(Machine& machine, const pb::Task& task,
                         const Dependencies& dependencies) override;
    void container_made(Machine& machine, const pb::Task& task) override;

    /// What does not show in single changes: the log's fence, addresses and ports of the leader's
    /// store. To be called now and then, and before the log is compacted.
    void look();
    /// When all is settled: every manager has the same objects, byte for byte.
    void look_at_all_managers();
    /// What is not yet as it should be when all is well; "" when it is.
    std::string unsettled();

    const std::vector<std::string>& failures() const { return failures_; }
    std::uint64_t digest() const { return digest_.value(); }
    std::uint64_t changes_seen() const { return changes_seen_; }
    /// Lines of the transcript, kept when asked for.
    bool keeps_lines = false;
    /// Their machines need not be part of the cluster any more.
    std::set<std::string> removed_nodes;

  private:
    struct TaskPast {
        std::uint64_t version = 0;
        pb::TaskState observed = pb::NEW;
        pb::TaskState desired = pb::NEW;
        std::string node_id;
        bool gone = false;
    };
    void fail(std::string what);
    void note(Machine& machine, const Change& change);
    void check_task(const pb::Task& task);
    void check_same(const Change& change);
    void check_fence();
    void check_unique(const Store& store);
    std::string unsettled_machine(Machine& machine, const Store& store);
    std::string unsettled_containers(Machine& machine, const Store& store);
    std::string unsettled_networks(Machine& machine, const ClusterMap& wanted);
    std::string unsettled_networks(const Store& store);
    std::string unsettled_service(const Store& store, const pb::Service& service);

    World& world_;
    std::vector<std::string> failures_;
    Digest digest_;
    std::uint64_t changes_seen_ = 0;
    std::map<std::string, TaskPast> tasks_;
    /// Of an object's versions the bytes, as the first manager saw them.
    std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> seen_;
    const FakeHistory* history_ = nullptr;
    std::int64_t looked_through_ = 0;
    std::string fence_node_;
};

} // namespace shoal::sim
