// MapFollower: a node's part in the cluster's networks during one session: it follows what the
// manager tells of them, sees to it that the executor makes it true, and tells the manager when it
// is. What does not fit together, or could not be made true, is done again from the whole.
#pragma once

#include "swarm/agent/executor.h"
#include "swarm/rpc/channel.h"

#include "net/signal.h"

#include <deque>
#include <optional>
#include <set>

namespace shoal::swarm {

class MapFollower {
  public:
    struct Parts {
        net::Loop& loop;
        Executor& executor;
        Channel& channel;
    };
    struct Settings {
        std::chrono::nanoseconds answer_timeout = std::chrono::seconds(5);
        std::chrono::nanoseconds retry_min = std::chrono::milliseconds(500);
        std::chrono::nanoseconds retry_max = std::chrono::seconds(30);
    };
    MapFollower(Parts parts, std::string session_id, Settings settings);

    /// Until cancelled, or the manager ends it. Managers that know nothing of it are left alone.
    net::Task<Result<void>> run(net::Until until);

  private:
    net::Task<Result<void>> read_streams(net::Until until);
    net::Task<Result<void>> read_one_stream(net::Until until);
    net::Task<void> part(net::Task<Result<void>> what);
    net::Task<Result<void>> apply_messages(net::Until until);
    net::Task<Result<void>> apply_one(net::Until until);
    net::Task<Result<void>> tell(std::uint64_t generation, std::string problem, net::Until until);
    net::Task<void> pause(net::Until until);
    void take_all();
    bool has_group() const;
    bool take_group();
    void lose_track();

    Parts parts_;
    std::string session_id_;
    Settings settings_;
    std::deque<mpb::MapMessage> received_;
    net::Signal news_;              ///< something was received
    net::Signal room_;              ///< something was taken, or the stream is to be begun anew
    net::Cancel* stream_ = nullptr; ///< the one that is read
    NetworkMap map_;
    std::uint64_t generation_ = 0; ///< of the map; 0: none
    std::set<std::string> changed_;
    bool whole_ = true; ///< what is made true next
    bool due_ = false;
    std::chrono::nanoseconds backoff_;
    std::optional<Result<void>> outcome_;
    net::Flag ended_;
};

} // namespace shoal::swarm
