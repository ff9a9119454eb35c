// Secrets and configs of a task as files: which files there are, with which content, and putting
// them on a file system in memory that goes away with the task. Nothing of it is written to a disk;
// the container gets each file as a read-only bind mount.
#pragma once

#include "node/templates.h"
#include "swarm/agent/executor.h"

#include <set>
#include <string>
#include <vector>

namespace shoal::node {

struct TaskFile {
    std::string name;   ///< in the task's directory
    std::string target; ///< absolute, in the container
    std::string bytes;
    std::uint32_t uid = 0, gid = 0;
    std::uint32_t mode = 0;
};

/// All files of the task, with templates expanded. `spec` is already expanded. Fails: NotFound for
/// what the managers did not send, Unsupported, Invalid.
Result<std::vector<TaskFile>> plan_task_files(const pb::Task& task, const pb::ContainerSpec& spec,
                                              const swarm::Dependencies& dependencies,
                                              const Json& data);

/// "/run/shoal/tasks"
std::string task_files_root(const std::string& exec_root);

/// Makes `directory` a file system in memory with these files; those that are there already are
/// made anew in place. Blocking.
Result<void> place_task_files(const std::string& directory, const std::vector<TaskFile>& files);
/// Success when there is nothing. Blocking.
Result<void> remove_task_files(const std::string& directory);
/// Names of directories beneath `root`: tasks of which files may be left.
std::vector<std::string> tasks_with_files(const std::string& root);

} // namespace shoal::node
