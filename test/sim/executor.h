// A node's executor for simulations: containers are rows in a table. Steps take virtual time, fail
// and hang as the weather says; the table outlives a crash of the daemon and not a power cut.
#pragma once

#include "swarm/agent/executor.h"

#include "net/loop.h"
#include "net/signal.h"

#include <functional>

namespace shoal::sim {

using namespace swarm;

struct ExecutorWeather {
    std::chrono::milliseconds step_max{50}; ///< of prepare, start, stop
    std::uint32_t prepare_fails = 0;        ///< of 1000
    std::uint32_t start_fails = 0;
    std::uint32_t dies_soon = 0; ///< of 1000 started programs
    std::uint32_t hangs = 0;     ///< of 1000 steps
    std::uint32_t apply_fails = 0;
};

/// What runs on a machine.
struct Container {
    TaskPtr task;
    bool running = false;
    bool ended = false;
    int exit_code = 0;
};

class SimExecutor final : public Executor {
  public:
    SimExecutor(net::Loop& loop, Random& random, std::string hostname);

    net::Task<Result<pb::NodeDescription>> describe(net::Until until) override;
    void configure(const pb::Node&) override {}
    std::unique_ptr<Controller> make_controller(TaskPtr task, Dependencies dependencies) override;
    std::vector<std::string> known_tasks() const override;
    net::Task<Result<void>> apply_network_map(const NetworkMap& map,
                                              std::vector<std::string> changed, bool whole,
                                              net::Until until) override;

    /// The machine loses power: nothing runs any more, what was made is still there.
    void power_cut();
    /// The program of this task ends by itself.
    void end_program(const std::string& task_id, int exit_code);
    const std::map<std::string, Container>& containers() const { return containers_; }
    std::size_t running() const;
    /// The last map of the cluster's networks that was made true.
    const NetworkMap& network_map() const { return network_map_; }

    ExecutorWeather weather;
    std::int64_t nano_cpus = 8'000'000'000;
    std::int64_t memory_bytes = 16LL << 30;
    std::function<void(const pb::Task&, const Dependencies&)> on_controller;
    std::function<void(const pb::Task&)> on_container;
    std::function<void(const pb::Task&)> on_stop; ///< its program is about to be stopped
    std::function<void()> on_network_map;         ///< after a change of it

  private:
    friend class SimController;
    net::Loop& loop_;
    Random& random_;
    std::string hostname_;
    std::map<std::string, Container> containers_;
    NetworkMap network_map_;
    net::WaitQueue changed_;
};

} // namespace shoal::sim
