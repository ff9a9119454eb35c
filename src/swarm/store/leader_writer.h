// LeaderWriter: the writer of the manager that leads, and the round in which reconcilers have their
// say. Mutations that wait are applied to a store of its own (with what is not committed yet), the
// reconcilers run over the same Tx, and all of it goes to the log together. Every transaction
// compares the revision of one key, the fence, and writes it anew: so a leader that was deposed
// cannot write, a transaction that was thought lost cannot come late, and after a lost answer a
// look at the fence tells whether it was written.
#pragma once

#include "swarm/store/reconciler.h"
#include "swarm/store/replica.h"
#include "swarm/store/writer.h"

#include "net/signal.h"

#include <deque>

namespace shoal::swarm {

class LeaderWriter final : public Writer {
  public:
    LeaderWriter(net::Loop& loop, Log& log, Sealer& sealer, Replica& replica, const Clock& clock,
                 Random& random);

    net::Task<Result<std::int64_t>> submit(Mutation mutation, net::Until until) override;
    bool leads() const { return leads_; }

    /// Takes office, works until `until` or until somebody else writes, and gives the office up.
    /// `began` is called when this manager may act as leader: the store is up to date and the fence
    /// is its own. Success: `until`; Conflict: deposed; anything else: the log's trouble.
    net::Task<Result<void>> lead(std::string node_id, std::vector<Reconciler*> reconcilers,
                                 std::function<void()> began, net::Until until);
    /// Why writes do not get through at present; "" when they do.
    const std::string& trouble() const { return trouble_; }

  private:
    struct Waiting {
        Mutation mutation;
        net::Flag done;
        bool abandoned = false; ///< nobody waits for it any more
        std::optional<Result<std::int64_t>> outcome;
        Waiting(net::Loop& loop, Mutation what) : mutation(std::move(what)), done(loop) {}
        void finish(Result<std::int64_t> with) {
            outcome.emplace(std::move(with));
            done.set();
        }
    };
    using WaitingPtr = std::shared_ptr<Waiting>;

    net::Task<Result<void>> take_office(net::Until until);
    net::Task<Result<void>> work(std::vector<Reconciler*> reconcilers, net::Until until);
    net::Task<Result<void>> round(const std::vector<Reconciler*>& reconcilers, net::Until until);
    std::optional<Instant> reconcile(Tx& tx, const std::vector<Reconciler*>& reconcilers);
    net::Task<Result<void>> commit(std::vector<Change> changes, net::Until until);
    net::Task<Result<void>> commit_part(std::vector<Change> part, net::Until until);
    net::Task<Result<std::int64_t>> write(LogTxn txn, std::string fence, net::Until until);
    void fail_waiting(const Error& error);
    LogWrite encode(const Change& change);

    net::Loop& loop_;
    Log& log_;
    Sealer& sealer_;
    Replica& replica_;
    const Clock& clock_;
    Random& random_;
    Store working_;
    std::string node_id_;
    std::int64_t fence_revision_ = 0;
    bool leads_ = false;
    bool deposed_ = false;
    std::deque<WaitingPtr> waiting_;
    net::Signal work_;
    std::optional<Instant> due_;
    std::string trouble_;
};

} // namespace shoal::swarm
