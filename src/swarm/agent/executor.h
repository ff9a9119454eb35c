// Executor: a node as the cluster sees it: what it has, and tasks that it can run. The real one is
// the engine (node/executor.h), the simulator has another. It decides nothing: when which step is
// due is the agent's business (agent/task_runner.h).
#pragma once

#include "swarm/model/network_map.h"
#include "swarm/model/object.h"

#include "net/task.h"
#include "net/until.h"
#include "swarm/proto/dispatcher.pb.h"
#include "swarm/proto/logbroker.pb.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace shoal::swarm {

/// What a task needs of the node beside itself. Held in memory only: secrets are never written to a
/// disk.
struct Dependencies {
    std::map<std::string, SecretPtr> secrets; ///< by id
    std::map<std::string, ConfigPtr> configs;
};

/// One task on this node. Its calls come one at a time, but for update() and logs(). An error's
/// code says what follows: Unavailable and Timeout are temporary (tried again), everything else
/// ends the task: REJECTED before its program was started, FAILED afterwards.
class Controller {
  public:
    virtual ~Controller() = default;
    /// Image and container are there afterwards. Again after a restart: finds what is there.
    virtual net::Task<Result<void>> prepare(net::Until until) = 0;
    /// The program runs, and is healthy if there is a way to tell.
    virtual net::Task<Result<void>> start(net::Until until) = 0;
    /// Until the program has ended: success for exit code 0. For others an error, and
    /// status().exit_code tells which.
    virtual net::Task<Result<void>> wait(net::Until until) = 0;
    /// Asks it to stop and waits, with the task's grace period; harmless when it does not run.
    virtual net::Task<Result<void>> shutdown(net::Until until) = 0;
    /// Nothing of it is left on the node.
    virtual net::Task<Result<void>> remove(net::Until until) = 0;
    /// The task's desired state or labels changed; its container did not.
    virtual void update(const pb::Task& task) = 0;

    struct Status {
        pb::ContainerStatus container; ///< id, pid, exit code; empty before prepare()
        pb::PortStatus ports;          ///< of host-mode ports, with their real numbers
    };
    virtual Status status() const = 0;

    /// Lines of its log, oldest first, to `take`; with options.follow() until the task ends.
    virtual net::Task<Result<void>>
    logs(pb::LogSubscriptionOptions options,
         std::function<net::Task<Result<void>>(pb::LogMessage)> take, net::Until until) = 0;
};

class Executor {
  public:
    virtual ~Executor() = default;
    /// tls_info is left to the agent.
    virtual net::Task<Result<pb::NodeDescription>> describe(net::Until until) = 0;
    /// The node object as the managers have it now.
    virtual void configure(const pb::Node& node) = 0;
    /// Never fails: what is wrong with the task shows in prepare().
    virtual std::unique_ptr<Controller> make_controller(TaskPtr task,
                                                        Dependencies dependencies) = 0;
    /// Ids of tasks of which something is on this node, from a life before.
    virtual std::vector<std::string> known_tasks() const = 0;
    /// Makes the cluster's networks on this node as the map says; it does not change meanwhile.
    /// `changed`: keys that are different since the last call; `whole`: perhaps everything is, as
    /// at first and after a failure. One call at a time.
    virtual net::Task<Result<void>> apply_network_map(const NetworkMap& map,
                                                      std::vector<std::string> changed, bool whole,
                                                      net::Until until);
};

} // namespace shoal::swarm
