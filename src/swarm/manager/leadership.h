// Leadership: keeps an eye on who leads the log, and leads the cluster whenever this manager's own
// member does. It holds the office only by the writer's fence: two managers that both believe they
// lead cannot both write.
#pragma once

#include "swarm/store/leader_writer.h"

#include "net/scope.h"

namespace shoal::swarm {

/// What a leader does beside writing.
class LeaderDuties {
  public:
    virtual ~LeaderDuties() = default;
    virtual std::vector<Reconciler*> reconcilers() = 0;
    virtual void began() = 0;            ///< the store is up to date, the writer writes
    virtual net::Task<void> ended() = 0; ///< nothing may be promised any more
    virtual void leader_changed() = 0;   ///< another member leads the log, or none does
};

class Leadership {
  public:
    Leadership(net::Loop& loop, Log& log, LeaderWriter& writer, LeaderDuties& duties,
               std::string node_id);

    /// Until cancelled.
    net::Task<Result<void>> run(net::Until until);
    bool leads() const { return writer_.leads(); }
    /// The last that was heard of the log; nothing while it does not answer.
    const std::optional<LogStatus>& status() const { return status_; }
    /// Looks at once instead of at the next beat.
    void look() { look_.raise(); }

  private:
    net::Task<void> lead(net::Cancel* cancel);
    void take(Result<LogStatus> status);

    net::Loop& loop_;
    Log& log_;
    LeaderWriter& writer_;
    LeaderDuties& duties_;
    std::string node_id_;
    std::optional<LogStatus> status_;
    net::Signal look_;
    bool leading_ = false; ///< lead() runs
};

} // namespace shoal::swarm
