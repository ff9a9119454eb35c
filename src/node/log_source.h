// The lines of a cluster's tasks as a source that is read: a subscription at the log broker, with a
// short queue between.
#pragma once

#include "swarm/manager/control/face.h"
#include "swarm/manager/manager.h"

namespace shoal::node {

std::unique_ptr<swarm::LogSource> make_log_source(net::Loop& loop, swarm::Manager& manager,
                                                  swarm::pb::LogSelector selector,
                                                  swarm::pb::LogSubscriptionOptions options);

} // namespace shoal::node
