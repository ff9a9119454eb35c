// Rebalancing: moving a replicated service's tasks from nodes that have many of them to nodes that
// have few, one at a time, when somebody asks for it, or when a node returns and the service has
// the label shoal.rebalance=auto. The plan is a pure function; the Rebalancer carries it out and
// gives up, saying so in the service, at the first task that does not come up where it should.
#pragma once

#include "swarm/orchestrator/service_loop.h"

#include <functional>

namespace shoal::swarm {

inline constexpr std::string_view rebalance_label = "shoal.rebalance";
/// A task that no scheduler places on its new node in this time is given up.
inline constexpr nanoseconds rebalance_placing_max = std::chrono::minutes(1);

/// Whether the node could take the task besides all it has; resources, ports and the like, which
/// others know about.
using FitsNode = std::function<bool(const pb::Task&, const pb::Node&)>;

struct Move {
    std::string task_id;
    std::string from;
    std::string to;
    bool operator==(const Move&) const = default;
};
/// The one move that evens out the service's spread best: first over the branches of its placement
/// preferences, then over the nodes of a branch. Nothing when no two differ by more than one, or
/// when none is possible.
std::optional<Move> plan_rebalance(const Store& store, const std::string& service_id,
                                   const FitsNode& fits);

/// All of them, one after the other, were they carried out now and everything went well; each task
/// at most once. Empty: the service is even.
std::vector<Move> plan_whole_rebalance(const Store& store, const std::string& service_id,
                                       const FitsNode& fits);

/// Asks for it, or for the rest of it; harmless while one goes on.
void request_rebalance(Tx& tx, const pb::Service& service);

class Rebalancer final : public Reconciler {
  public:
    explicit Rebalancer(FitsNode fits = {}) : moves_(std::move(fits)) {}

    void rebuild(const Store& store) override;
    void observe(const Store& store, const Change& change) override;
    std::optional<Instant> run(Tx& tx) override;

  private:
    /// Services for which it has been asked.
    class Moves final : public ServiceLoop {
      public:
        explicit Moves(FitsNode fits) : fits_(std::move(fits)) {}
        const FitsNode& fits() const { return fits_; }

      private:
        bool concerns(const pb::Service& service) const override {
            return is_replicated(service) &&
                   service.rebalance().state() == pb::Rebalance::REQUESTED;
        }
        void note_node(const Store& store, const Change& change) override;
        std::optional<Instant> look_at_service(Tx& tx, const pb::Service& service,
                                               const Slots& slots) override;
        SlotLook look_at_slot(Tx&, const pb::Service&, const Slot&) override {
            return {std::nullopt, true};
        }

        FitsNode fits_;
    };

    void ask_for_automatic_ones(Tx& tx);

    Moves moves_;
    bool node_returned_ = false;
};

} // namespace shoal::swarm
