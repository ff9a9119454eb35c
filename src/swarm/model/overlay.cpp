#include "swarm/model/overlay.h"

#include <algorithm>

namespace shoal::swarm {

bool has_endpoints(const pb::Task& task) {
    return std::any_of(task.networks().begin(), task.networks().end(), is_endpoint);
}

} // namespace shoal::swarm
