// EngineExecutor: the engine as a node of a cluster: describes this machine and runs tasks as
// containers. One container per task, found again by its labels after a restart of the daemon; the
// engine itself never restarts it. It decides nothing about tasks (swarm/agent/task_runner.h) and
// reports to nobody.
#pragma once

#include "engine/engine.h"
#include "net/scope.h"
#include "node/attachments.h"
#include "swarm/agent/executor.h"

#include <memory>

namespace shoal::node {

struct ExecutorSettings {
    /// DOCKER_SERVICE_PREFER_OFFLINE_IMAGE=1: an image that is here is not pulled.
    bool prefer_offline_image = false;
    std::string map_file; ///< where the last network map is kept; "": nowhere
    /// Whose the tasks without a program are; null: there are none.
    Attachments* attachments = nullptr;
};

class EngineExecutor final : public swarm::Executor {
  public:
    EngineExecutor(engine::Engine& engine, ExecutorSettings settings);
    ~EngineExecutor() override;

    /// Takes away what tasks of a life before have left in memory: files of tasks that have no
    /// container any more. Once, before the agent begins.
    net::Task<Result<void>> sweep();
    /// The cluster's networks as they were when the daemon ended, until managers say more.
    net::Task<Result<void>> restore_networks();
    /// The node is in no cluster any more.
    net::Task<Result<void>> leave_networks();
    /// What has been begun ends first; nothing else begins. Controllers may outlive it.
    net::Task<void> close();

    net::Task<Result<swarm::pb::NodeDescription>> describe(net::Until until) override;
    void configure(const swarm::pb::Node& node) override;
    std::unique_ptr<swarm::Controller> make_controller(swarm::TaskPtr task,
                                                       swarm::Dependencies dependencies) override;
    std::vector<std::string> known_tasks() const override;
    net::Task<Result<void>> apply_network_map(const swarm::NetworkMap& map,
                                              std::vector<std::string> changed, bool whole,
                                              net::Until until) override;

    struct Shared; ///< what controllers and their work need; executor.cpp

  private:
    std::shared_ptr<Shared> shared_;
};

} // namespace shoal::node
