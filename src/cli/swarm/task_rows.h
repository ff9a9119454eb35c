// Tasks as rows of `service ps` and `node ps`: the newest of each slot first, those before it under
// it. Pure, but for ages.
#pragma once

#include "base/json.h"

#include <string>
#include <vector>

namespace shoal::cli::swarm {

struct NamedTask {
    const Json* task;
    std::string name; ///< "web.1"
    std::string node;
};
/// "web.1", or "web.<id of node>" for a task without a slot.
std::string task_name(const Json& task, const std::string& service);

struct TaskRowOptions {
    bool truncate = true; ///< ids, images and errors
    bool tree = true;     ///< " \_ " in front of older tasks of a slot
};
std::vector<Json> task_rows(std::vector<NamedTask> tasks, TaskRowOptions options);

} // namespace shoal::cli::swarm
