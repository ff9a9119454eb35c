#include "swarm/agent/executor.h"

namespace shoal::swarm {

net::Task<Result<void>> Executor::apply_network_map(const NetworkMap&, std::vector<std::string>,
                                                    bool, net::Until) {
    co_return ok();
}

} // namespace shoal::swarm
