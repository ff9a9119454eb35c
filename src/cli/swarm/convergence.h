// How far a service is from what is wanted of it: what to show for one look at the service and its
// tasks, and whether it is over. Pure: the moment of the look is an argument.
#pragma once

#include "base/clock.h"
#include "base/json.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace shoal::cli::swarm {

struct Look {
    std::vector<Json> messages; ///< see watch.h
    bool over = false;
};

class Convergence {
  public:
    /// `service` is the word it was called by, for the last message.
    explicit Convergence(std::string service) : name_(std::move(service)) {}

    /// First with the service alone, which may end it. Fails: the update or rollback has paused.
    Result<Look> begin(const Json& service, Instant now);
    /// Then with its tasks that are up to date, and the nodes that are not down.
    Result<Look> look(const Json& service, const Json& tasks,
                      const std::set<std::string>& active_nodes, Instant now);
    bool converged() const { return converged_; }

  private:
    bool look_at_replicas(const Json& service, const Json& tasks);
    bool look_at_nodes(const Json& tasks);
    bool look_at_job(const Json& service, const Json& tasks);
    bool look_at_node_job(const Json& service, const Json& tasks);
    void show_task(const std::string& id, const Json& task);
    void show_job_task(const std::string& id, const Json& task);
    void show_total(std::int64_t running, std::int64_t all);
    void show_job(std::int64_t completed);
    void say(std::string_view id, std::string_view text);

    std::string name_;
    std::vector<Json> messages_;
    const std::set<std::string>* active_ = nullptr;
    bool started_ = false, done_ = false, rollback_ = false, converged_ = false;
    Instant converged_at_{};
    nanoseconds monitor_ = std::chrono::seconds(5);
    std::optional<Json> last_words_;
    std::map<std::int64_t, std::int64_t> slots_; ///< of tasks, to 1, 2, 3 ...
    std::set<std::string> job_nodes_;
    std::int64_t job_total_ = 0;
};

} // namespace shoal::cli::swarm
