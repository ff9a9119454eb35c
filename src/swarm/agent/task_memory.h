// TaskMemory: which tasks this node has and how far they are, kept over restarts, so that it can
// take up its work and tell its managers what ended meanwhile. What a task needs beside itself
// (secrets, configs, credentials for its image) is never in it: its managers send that again.
#pragma once

#include "swarm/model/object.h"

#include "os/database.h"

#include <map>
#include <optional>
#include <vector>

namespace shoal::swarm {

class TaskMemory {
  public:
    virtual ~TaskMemory() = default;
    /// The task with its last status; it is there when this returns, whatever happens to the
    /// process. Credentials in it are left out.
    virtual Result<void> put(const pb::Task& task) = 0;
    /// Harmless when there is none.
    virtual Result<void> remove(const std::string& task_id) = 0;
    virtual Result<std::vector<pb::Task>> load() = 0;
};

/// The task as it may be written to a disk.
pb::Task without_credentials(pb::Task task);

/// For tests and the simulator.
class MapTaskMemory final : public TaskMemory {
  public:
    Result<void> put(const pb::Task& task) override;
    Result<void> remove(const std::string& task_id) override;
    Result<std::vector<pb::Task>> load() override;
    std::map<std::string, std::string> tasks; ///< id -> message
    bool full = false;                        ///< every put() fails
};

/// A database of its own, which is made, with its directory, when it is first used: a machine
/// outside a swarm has none. Its rows are one message each; one that cannot be read is an error of
/// load().
class DatabaseTaskMemory final : public TaskMemory {
  public:
    explicit DatabaseTaskMemory(std::string path) : path_(std::move(path)) {}
    Result<void> put(const pb::Task& task) override;
    Result<void> remove(const std::string& task_id) override;
    Result<std::vector<pb::Task>> load() override;

  private:
    Result<os::Database*> database();

    std::string path_;
    std::optional<os::Database> database_;
};

} // namespace shoal::swarm
