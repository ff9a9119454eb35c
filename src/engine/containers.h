// Containers: the life of containers on this node, from create to remove, and of the programs run
// inside them. It puts image, volumes, networks and runtime together; it is the only service that
// knows the other three. Operations that change a container's structure take turns per container;
// every half-done operation is undone.
#pragma once

#include "base/filters.h"
#include "container/log_reader.h"
#include "container/stats.h"
#include "container/top.h"
#include "engine/container.h"
#include "engine/images.h"
#include "engine/networks.h"
#include "engine/volumes.h"
#include "net/task.h"
#include "net/until.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace shoal::engine {

struct Env;

struct Created {
    ContainerId id;
    std::vector<std::string> warnings;
};

struct RemoveOptions {
    bool force = false;
    bool volumes = false; ///< its anonymous volumes too
    bool link = false;    ///< only the legacy link named
};

enum class WaitCondition { NotRunning, NextExit, Removed };
struct WaitResult {
    int exit_code = 0;
    std::string error;
};
/// What begin_wait() remembers: which exits had happened before.
struct WaitTicket {
    std::shared_ptr<struct Entry> entry;
    WaitCondition condition = WaitCondition::NotRunning;
    std::uint64_t exits = 0;
};

enum class OutputKind : std::uint8_t { Stdin = 0, Stdout = 1, Stderr = 2, SystemError = 3 };
struct Output {
    OutputKind kind = OutputKind::Stdout;
    std::string data; ///< empty: the end
};

struct AttachOptions {
    bool input = false;
    bool output = false;
    bool error = false;
};

/// The streams of a container or exec that a client is attached to. Destroying it detaches.
class Attachment {
  public:
    virtual ~Attachment() = default;
    /// The next piece of output; empty data when the program has ended. Waits for the start of a
    /// created container.
    virtual net::Task<Result<Output>> read(net::Until until) = 0;
    /// Fails: Unavailable when the program has ended.
    virtual net::Task<Result<void>> write(std::string data, net::Until until) = 0;
    /// The client has closed its side.
    virtual net::Task<Result<void>> close_input() = 0;
};
using AttachmentPtr = std::unique_ptr<Attachment>;

struct LogRequest {
    bool out = false;
    bool err = false;
    bool follow = false;
    Instant since{};
    Instant until{};                       ///< never
    std::optional<std::int64_t> tail = {}; ///< lines; nothing is all
};
/// A reading of a container's log. With `follow` it goes on until the container has stopped and all
/// is read.
class Logs {
  public:
    virtual ~Logs() = default;
    /// The next lines, at least one; an empty list is the end.
    virtual net::Task<Result<std::vector<container::LogLine>>> read(net::Until until) = 0;
};
using LogsPtr = std::unique_ptr<Logs>;

struct ContainersPruned {
    std::vector<ContainerId> ids;
    std::int64_t reclaimed_bytes = 0;
};

/// POST /commit; what is left empty is the container's.
struct CommitRequest {
    std::string reference; ///< "repo[:tag]", "" for none
    std::string author;
    std::string comment;
    std::vector<std::string> changes; ///< Dockerfile instructions
    bool pause = true;
    std::optional<oci::RunConfig> config; ///< replaces the container's settings
};

struct Sizes {
    std::int64_t rw_bytes = 0;
    std::int64_t root_bytes = 0;
};

/// One exec, as GET /exec/{id}/json shows it.
struct Exec {
    ExecId id;
    ContainerId container;
    container::ExecConfig config;
    bool running = false;
    bool started = false;
    std::optional<int> exit_code;
    int pid = 0;
};
using ExecPtr = std::shared_ptr<const Exec>;

/// The container's file system from the daemon's side, mounted while this lives; for cp, export and
/// commit.
class RootHold {
  public:
    virtual ~RootHold() = default;
    virtual const std::string& root() const = 0; ///< the merged directory; volumes are not in it
    /// Where `path_in_container` really lies: (root directory, path beneath it), so that volumes
    /// and binds are seen.
    virtual std::pair<std::string, std::string>
    locate(std::string_view path_in_container) const = 0;
    /// False when writing there is refused: read-only root or mount.
    virtual bool writable(std::string_view path_in_container) const = 0;
};
using RootHoldPtr = std::unique_ptr<RootHold>;

class Containers final : public ImageUsers, public VolumeUsers, public NetworkUsers {
  public:
    Containers(Env& env, Images& images, Volumes& volumes, Networks& networks);
    ~Containers() override;
    Containers(const Containers&) = delete;
    Containers& operator=(const Containers&) = delete;

    /// Reads all records and makes them agree with the kernel: adopts what runs, buries what died,
    /// sweeps what is half-made. Then restart policies are applied in the background. Called once.
    net::Task<Result<void>> load();
    /// Ends the daemon's side. `stop_containers`: stops every container first, as without
    /// live-restore.
    net::Task<void> shut_down(bool stop_containers, net::Until until);

    // Looking.
    /// By full id, name (with or without slash) or unique id prefix, in that order. Fails: NotFound
    /// "No such container: x"; Invalid when a prefix is ambiguous.
    Result<ContainerPtr> find(std::string_view text) const;
    std::vector<ContainerPtr> all() const; ///< newest first
    struct Counts {
        int running = 0, paused = 0, stopped = 0;
    };
    Counts counts() const;
    net::Task<Result<Sizes>> sizes(ContainerId id);

    // Life. Names are resolved by the caller through find(), so that each call acts on one
    // container for sure.
    net::Task<Result<Created>> create(container::CreateRequest request, std::string name,
                                      std::string platform);
    /// Could such a container be? Nothing is made. Fails as create() would, as far as the request
    /// alone says it.
    Result<void> check(const container::CreateRequest& request) const;
    /// For one step of a build: what the image says of volumes, ports, health and labels does not
    /// count, and the next start of the daemon removes it, unless it was kept. `secret_env` is for
    /// the program alone: no record has it.
    net::Task<Result<Created>> create_step(container::CreateRequest request,
                                           std::vector<std::string> secret_env);
    /// The directory of what a step's stopped container changed, no longer mounted; the caller may
    /// move it away, and must remove the container then.
    net::Task<Result<std::string>> take_changes(ContainerId id);
    /// From now on it is an ordinary container, for the user to look at.
    Result<void> keep_step(const ContainerId& id);
    net::Task<Result<void>> start(ContainerId id);
    /// `signal` "" is the container's own; `grace` nothing is the container's own, less
    /// than 0 waits for ever.
    net::Task<Result<void>> stop(ContainerId id, std::string signal,
                                 std::optional<std::chrono::milliseconds> grace);
    net::Task<Result<void>> restart(ContainerId id, std::string signal,
                                    std::optional<std::chrono::milliseconds> grace);
    net::Task<Result<void>> kill(ContainerId id, std::string signal);
    net::Task<Result<void>> pause(ContainerId id);
    net::Task<Result<void>> unpause(ContainerId id);
    net::Task<Result<void>> rename(ContainerId id, std::string name);
    net::Task<Result<std::vector<std::string>>> update(ContainerId id,
                                                       container::UpdateRequest request);
    net::Task<Result<void>> remove(ContainerId id, RemoveOptions options);
    net::Task<Result<ContainersPruned>> prune(Filters filters);
    /// Registers at once, so that no exit between this call and wait() is missed.
    Result<WaitTicket> begin_wait(const ContainerId& id, WaitCondition condition);
    net::Task<Result<WaitResult>> wait(WaitTicket ticket, net::Until until);

    // Streams and sights.
    net::Task<Result<AttachmentPtr>> attach(ContainerId id, AttachOptions options);
    net::Task<Result<void>> resize(ContainerId id, int height, int width);
    net::Task<Result<LogsPtr>> logs(ContainerId id, LogRequest request);
    /// What it uses now; a sample that was never read when it does not run. Two samples make
    /// Docker's document (container::make_stats).
    net::Task<Result<container::StatsSample>> sample(ContainerId id);
    container::StatsSubject stats_subject(const Container& container) const;
    net::Task<Result<container::ProcessTable>> top(ContainerId id, std::string ps_args);
    net::Task<Result<RootHoldPtr>> hold_root(ContainerId id);
    net::Task<Result<std::vector<archive::Change>>> changes(ContainerId id);
    net::Task<Result<oci::ImageId>> commit(ContainerId id, CommitRequest request);

    // Programs inside.
    net::Task<Result<ExecId>> exec_create(ContainerId id, container::ExecConfig config);
    /// Starts it; attached as `config` asked, or detached (then the attachment is null).
    net::Task<Result<AttachmentPtr>> exec_start(ExecId id, bool detach, bool tty,
                                                std::vector<std::uint32_t> console_size);
    net::Task<Result<void>> exec_resize(ExecId id, int height, int width);
    Result<ExecPtr> find_exec(std::string_view id) const;

    // What the other services ask.
    std::vector<ImageUser> image_users(const ImageId& id) const override;
    std::vector<ContainerId> volume_users(const std::string& volume) const override;
    net::Task<Result<void>> network_connect(std::string container, std::string network,
                                            network::EndpointWish wish) override;
    net::Task<Result<void>> network_disconnect(std::string container, std::string network,
                                               bool force) override;

  private:
    net::Task<void> stop_at_end(ContainerPtr record);
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace shoal::engine
