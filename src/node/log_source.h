// The lines of a cluster's tasks as a source that is read: a subscription at the log broker, with a
// short queue between.
#pragma once

#include "swarm/dispatcher/log_broker.h"
#include "swarm/manager/control/face.h"

namespace shoal::node {

std::unique_ptr<swarm::LogSource> make_log_source(net::Loop& loop, swarm::LogBroker& broker,
                                                  swarm::pb::LogSelector selector,
                                                  swarm::pb::LogSubscriptionOptions options);

} // namespace shoal::node
