// Volumes: the named places where containers keep data. It owns their documents (name, driver,
// options, labels) and mounts and unmounts them for containers. Work on storage that may hang runs
// in a helper process with a deadline, so that a dead file server costs one request an error and
// never the daemon. It does not know containers: who uses a volume is asked through VolumeUsers.
#pragma once

#include "base/clock.h"
#include "base/filters.h"
#include "base/id.h"
#include "base/result.h"
#include "net/task.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::engine {

struct Env;

struct VolumeRequest {
    std::string name; ///< "": anonymous, a name of 64 hexadecimal digits is made
    std::string driver = "local";
    std::map<std::string, std::string> options;
    Labels labels;
};

struct VolumeUsage {
    std::int64_t size_bytes = -1; ///< -1: not known
    std::int64_t users = -1;
};

/// One volume as the API shows it.
struct VolumeInfo {
    std::string name;
    std::string driver;
    std::string mountpoint;
    Instant created;
    std::map<std::string, std::string> options;
    Labels labels;
    bool anonymous = false;
    std::optional<VolumeUsage> usage; ///< only of sized()
};

/// Implemented by Containers: the containers, running or not, whose mounts name the volume.
class VolumeUsers {
  public:
    virtual ~VolumeUsers() = default;
    virtual std::vector<ContainerId> volume_users(const std::string& volume) const = 0;
};

struct VolumeMountRequest {
    std::string name;
    ContainerId user;
    std::string subpath; ///< "" for the whole volume
    bool nocopy = false;
    bool read_only = false; ///< for the event alone
    /// First-use copy: when the volume (or subpath) is empty, it is filled from `copy_path` inside
    /// `copy_root`, a mounted root file system that cannot be left by links. "" for no copy.
    std::string copy_root;
    std::string copy_path;
};

struct VolumePruned {
    std::vector<std::string> names;
    std::int64_t reclaimed_bytes = 0;
};

enum class PathKind { Missing, Directory, File, Other };

class Volumes {
  public:
    explicit Volumes(Env& env);
    ~Volumes();
    Volumes(const Volumes&) = delete;
    Volumes& operator=(const Volumes&) = delete;

    void set_users(const VolumeUsers& users);

    /// Reads the documents and what is mounted from before; called once, before anything else.
    net::Task<Result<void>> load();

    /// POST /volumes/create and the volumes that a container's mounts name: makes it, or gives the
    /// existing one when driver, options and labels do not contradict. Fails: Invalid name or
    /// option, Conflict with another driver.
    net::Task<Result<VolumeInfo>> create(VolumeRequest request);
    /// Same as create, but an existing volume of the name is always taken as it is (container
    /// create).
    net::Task<Result<VolumeInfo>> ensure(VolumeRequest request);

    /// Mounts on first use, copies on first use, and gives the path to use as the source of a bind
    /// mount. The path stays valid until unmount() for the same user. Calling twice for one user
    /// and subpath is harmless.
    net::Task<Result<std::string>> mount(VolumeMountRequest request);
    /// Gives back everything that `user` has mounted of the volume; harmless when there is nothing.
    net::Task<Result<void>> unmount(std::string name, ContainerId user);
    /// After a restart of the daemon: `user` is running and holds the volume (no work is done).
    void adopt(const std::string& name, const ContainerId& user);

    std::vector<VolumeInfo>
    list(const Filters& filters) const; ///< keys: dangling driver label name
    Result<VolumeInfo> inspect(const std::string& name) const;
    bool exists(const std::string& name) const;
    /// With sizes and reference counts, for system df.
    net::Task<Result<std::vector<VolumeInfo>>> sized();

    /// Fails: Conflict "remove web: volume is in use - [id, ...]"; `force` forgives a missing
    /// volume only.
    net::Task<Result<void>> remove(std::string name, bool force);
    /// Keys: label, label!, all (bool; `all_by_default` is for API < 1.42).
    net::Task<Result<VolumePruned>> prune(Filters filters, bool all_by_default);

    /// What is at `path` on user storage; Timeout after a deadline when the storage hangs. Links
    /// are followed.
    net::Task<Result<PathKind>> probe_path(std::string path);
    /// Makes a missing directory and its parents (source of `-v /host/path:/x`).
    net::Task<Result<void>> ensure_directory(std::string path);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace shoal::engine
