// Replica: the log's content as a Store in memory, kept up to date by watching. Every manager has
// one; what it shows is committed. The leader's writer puts its own commits in as soon as they are
// answered, so that the watch brings it nothing new.
#pragma once

#include "swarm/store/keys.h"
#include "swarm/store/log.h"
#include "swarm/store/sealer.h"
#include "swarm/store/store.h"

#include "net/loop.h"
#include "net/signal.h"

#include <functional>

namespace shoal::swarm {

class Replica {
  public:
    /// `told` hears of changes after they are in the store, those of one revision together; at the
    /// first load of every object.
    using Told = std::function<void(const std::vector<Change>&)>;
    Replica(net::Loop& loop, Log& log, const Sealer& sealer, Told told);

    const Store& store() const { return store_; }
    bool loaded() const { return loaded_.is_set(); }
    net::Flag& when_loaded() { return loaded_; }

    /// Follows the log until cancelled. What goes wrong with the log is waited out; a value that
    /// cannot be opened ends it with the error.
    net::Task<Result<void>> run(net::Until until);
    /// Until the store shows this revision.
    net::Task<Result<void>> wait_for(std::int64_t revision, net::Until until);
    /// The writer's: the objects carry `revision` as their version already.
    void apply(const std::vector<Change>& changes, std::int64_t revision);

  private:
    net::Task<Result<void>> follow(net::Until until);
    Result<void> take_listing(const Log::Listing& listing);
    Result<void> take_events(const LogEvents& batch);
    Result<ObjectPtr> open(const ObjectName& name, const std::string& key, const std::string& value,
                           std::int64_t revision) const;
    void finish(std::vector<Change> changes, std::int64_t revision);

    net::Loop& loop_;
    Log& log_;
    const Sealer& sealer_;
    Told told_;
    Store store_;
    net::Flag loaded_;
    net::WaitQueue waiting_;
};

} // namespace shoal::swarm
