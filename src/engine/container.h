// Container: the record of one container, as it is kept in the store and shown by the API, and the
// part of it that lives only while the daemon runs. Plain data: Containers (containers.h) is the
// only one that changes it; others look through a shared_ptr<const Container>.
#pragma once

#include "base/clock.h"
#include "base/id.h"
#include "container/binds.h"
#include "container/config.h"
#include "container/health.h"
#include "engine/networks.h"
#include "oci/ids.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::engine {

enum class Status { Created, Running, Paused, Restarting, Removing, Exited, Dead };
std::string to_text(Status status); ///< "running"
bool from_text(std::string_view text, Status& status);

struct State {
    Status status = Status::Created;
    int pid = 0; ///< of the init process, on the host; 0 when not running
    int exit_code = 0;
    bool oom_killed = false;
    std::string error; ///< why the last start failed
    Instant started_at{};
    Instant finished_at{};

    bool running() const { return status == Status::Running || status == Status::Paused; }
};

struct Container {
    ContainerId id;
    std::string name; ///< without the slash
    Instant created{};
    std::string path;              ///< program: entrypoint and command put together
    std::vector<std::string> args; ///< without the program
    container::Config config;      ///< request and image merged
    container::HostConfig host_config;
    std::map<std::string, container::EndpointSettings> endpoints; ///< asked for, by network name
    oci::ImageId image_id;
    /// With the source decided: a volume's name and mount point, a bind's path. Type image: name is
    /// the image's id.
    std::vector<container::MountPoint> mounts;
    std::vector<std::string> anonymous_volumes; ///< they go with `rm -v` and --rm
    State state;
    int restart_count = 0;
    bool build_step = false; ///< runs one step of a build, and does not outlive the daemon's run
    bool left_main_network = false; ///< disconnected from the one that NetworkMode names
    bool manually_stopped = false;  ///< "unless-stopped" does not restart it at boot
    SandboxInfo sandbox;            ///< what the networks gave it; empty when not running
    std::string log_path;           ///< "" unless the driver writes a file

    // Not kept in the store.
    container::Health health;          ///< status None when there is no health check
    std::uint64_t generation = 0;      ///< grows with every change, for caches of the shown form
    std::vector<std::string> exec_ids; ///< execs that run now
};

using ContainerPtr = std::shared_ptr<const Container>;

/// The document in the store.
std::string save_container(const Container& container);
Result<Container> load_container(std::string_view document);

/// The names of a network as the engine's Networks wants them, from what the API asked for.
network::EndpointWish endpoint_wish(const container::EndpointSettings& settings);

} // namespace shoal::engine
