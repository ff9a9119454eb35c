// What Containers is made of: the living part of each container (Entry) and the steps of its life,
// one file each: container_create, _start, _stop, _exit, _remove, _exec, _health, _streams, _root,
// _recover. Private to engine/.
#pragma once

#include "container/binds.h"
#include "container/health.h"
#include "container/restart.h"
#include "container/runtime.h"
#include "container/spec.h"
#include "container/validate.h"
#include "engine/containers.h"
#include "engine/env.h"
#include "engine/events.h"
#include "engine/settings.h"
#include "engine/shim_attachment.h"
#include "engine/shim_channel.h"
#include "engine/store.h"
#include "net/lock.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "net/wait_queue.h"
#include "os/cgroup.h"
#include "os/process.h"

#include <map>
#include <unordered_map>

namespace shoal::engine {

using EntryPtr = std::shared_ptr<Entry>;

/// The living part of a container. `lock` is held while its structure changes (start, exit, remove,
/// rename, ...).
struct Entry {
    Entry(net::Loop& loop, Container value)
        : record(std::make_shared<Container>(std::move(value))), lock(loop), changed(loop),
          pending(std::make_shared<PendingAttachments>()) {}

    std::shared_ptr<Container> record;
    net::Lock lock;
    net::WaitQueue changed; ///< woken at every start, exit and at removal
    std::uint64_t exits = 0;
    WaitResult last_exit;
    bool removed = false;
    std::shared_ptr<ShimChannel> shim; ///< null when it does not run
    os::ProcessIdentity init;
    std::unique_ptr<net::Cancel> run; ///< fires when the present run has ended: health checks
    std::unique_ptr<net::Cancel> restart_wait; ///< set while a restart is waiting for its time
    container::RestartState restart;
    int root_holds = 0;    ///< who looks at the root file system of the stopped container
    bool kept = false;     ///< being restarted: AutoRemove does not take it at this exit
    bool stopping = false; ///< a stop or kill was asked for: no restart after this exit
    std::shared_ptr<PendingAttachments> pending;
    std::vector<std::string> secret_env; ///< "NAME=value" for the program alone: on no record

    const ContainerId& id() const { return record->id; }
};

struct ExecEntry {
    std::shared_ptr<Exec> record;
    EntryPtr container;
    std::shared_ptr<ShimChannel> shim;
    std::string directory;
};
using ExecEntryPtr = std::shared_ptr<ExecEntry>;

inline constexpr auto create_limit = std::chrono::seconds(60);
inline constexpr auto command_limit = std::chrono::seconds(30);
inline constexpr auto kill_limit = std::chrono::seconds(10);
inline constexpr int stop_timeout_default_s = 10;
inline constexpr std::size_t finished_execs_max = 512;
inline constexpr int name_attempts_max = 32;

struct Containers::Impl {
    Impl(Containers& self, Env& env, Images& images, Volumes& volumes, Networks& networks);

    // Looking (containers.cpp).
    Result<EntryPtr> entry(const ContainerId& id) const;
    Result<EntryPtr> find(std::string_view text) const;
    /// Saves the record and bumps its generation. Failure of the store is reported, not fatal to
    /// the caller's work.
    Result<void> save(Entry& entry);
    void publish(const Container& container, std::string action, Labels extra = {});
    std::string data_dir(const ContainerId& id) const;
    std::string bundle_dir(const ContainerId& id) const;
    os::Cgroup cgroup(const Container& container) const;
    container::Runtime runtime(const Container& container) const;
    container::Runtime default_runtime() const;

    // container_create.cpp
    Result<std::vector<std::string>> validate(const container::CreateRequest& request) const;
    enum class Purpose { User, BuildStep };
    net::Task<Result<Created>> create(container::CreateRequest request, std::string name,
                                      Purpose purpose);
    Result<void> resolve_modes(container::HostConfig& host) const;
    Result<std::string> reserve_name(std::string name, const ContainerId& id);
    net::Task<Result<void>> ensure_volumes(Container* container);
    Result<std::vector<container::MountPoint>> plan_all_mounts(const Container& container) const;
    Result<AttachRequest> attach_request(const Container& container) const;

    // container_start.cpp
    net::Task<Result<void>> start(EntryPtr entry);
    net::Task<Result<void>> start_locked(EntryPtr entry);
    net::Task<Result<void>> launch(EntryPtr entry);
    net::Task<Result<void>> begin_run(EntryPtr entry);
    net::Task<Result<std::vector<container::ResolvedMount>>> prepare_mounts(EntryPtr entry);
    net::Task<Result<container::ResolvedMount>>
    prepare_mount(EntryPtr entry, container::MountPoint mount, std::size_t index);
    Result<container::Namespaces> namespaces(const Container& container) const;
    Result<std::string> shm_source(const Container& container) const;
    container::ShimConfig shim_config(const Container& container) const;
    Result<void> write_network_files(const Container& container) const;
    net::Task<void> attach_pending(EntryPtr entry);
    void give_up_pending(Entry& entry);

    // container_exit.cpp
    net::Task<void> watch(EntryPtr entry, std::shared_ptr<ShimChannel> shim);
    net::Task<void> bury(EntryPtr entry, container::ShimExit exit);
    /// Gives back everything a run had: network, runtime state, volumes, root file system.
    /// Idempotent.
    net::Task<void> release(EntryPtr entry);
    net::Task<void> release_network(EntryPtr entry);
    net::Task<void> after_exit(EntryPtr entry, container::RestartEnd end);
    net::Task<void> restart_later(EntryPtr entry, nanoseconds delay);
    container::ShimExit exit_of_lost_monitor(const Entry& entry) const;

    // container_stop.cpp
    net::Task<Result<void>> stop(EntryPtr entry, std::string signal,
                                 std::optional<std::chrono::milliseconds> grace);
    net::Task<Result<void>> restart(EntryPtr entry, std::string signal,
                                    std::optional<std::chrono::milliseconds> grace);
    net::Task<Result<void>> kill(EntryPtr entry, std::string signal);
    net::Task<Result<void>> pause(EntryPtr entry, bool frozen);
    Result<void> send_signal(Entry& entry, int signal);
    /// Waits for the exit after `exits`; false when the deadline came first.
    net::Task<bool> wait_exit(EntryPtr entry, std::uint64_t exits, net::Until until);
    net::Task<Result<void>> kill_hard(EntryPtr entry);
    void cancel_restart(Entry& entry);

    // container_remove.cpp
    net::Task<Result<void>> remove(EntryPtr entry, RemoveOptions options);
    net::Task<Result<void>> remove_locked(EntryPtr entry, bool volumes);
    net::Task<Result<ContainersPruned>> prune(Filters filters);
    net::Task<Result<void>> rename(EntryPtr entry, std::string name);
    net::Task<Result<std::vector<std::string>>> update(EntryPtr entry,
                                                       container::UpdateRequest request);

    // container_exec.cpp
    net::Task<Result<ExecId>> exec_create(EntryPtr entry, container::ExecConfig config);
    net::Task<Result<AttachmentPtr>> exec_start(ExecEntryPtr exec, bool detach);
    net::Task<Result<AttachmentPtr>> exec_launch(ExecEntryPtr exec, bool detach);
    net::Task<void> exec_watch(ExecEntryPtr exec);
    void exec_ended(ExecEntryPtr exec, int exit_code);
    void forget_old_execs();

    // container_health.cpp
    /// Watches the program and its health from now on, until the run has ended.
    void watch_run(const EntryPtr& entry);
    net::Task<void> watch_health(EntryPtr entry, std::unique_ptr<net::Cancel> ended);
    net::Task<container::HealthResult> probe(EntryPtr entry, container::HealthPlan plan,
                                             net::Cancel* cancel);

    // container_recover.cpp
    net::Task<Result<void>> load();
    bool adopt(EntryPtr entry);
    net::Task<void> settle(std::vector<EntryPtr> dead, std::vector<EntryPtr> build_steps);
    net::Task<void> sweep();
    net::Task<void> remove_build_steps(std::vector<EntryPtr> steps);
    net::Task<void> start_at_boot(std::vector<EntryPtr> entries);
    net::Task<void> start_one_at_boot(EntryPtr entry);

    // container_root.cpp, container_streams.cpp are members of Containers alone.

    Containers& self;
    Env& env;
    Images& images;
    Volumes& volumes;
    Networks& networks;
    os::CgroupLayout cgroups;
    container::HostFacts facts;
    std::map<ContainerId, EntryPtr> entries;
    std::unordered_map<std::string, ContainerId> names;
    std::map<std::string, ExecEntryPtr> execs;
    std::deque<std::string> finished_execs;
    bool shutting_down = false;
    net::TaskScope scope;
};

/// What `docker events` shows of a container: image, name and its labels.
Labels event_attributes(const Container& container);

} // namespace shoal::engine
