// Tasks as the Engine API shows them. Pure.
#pragma once

#include "base/json.h"
#include "swarm/model/object.h"

namespace shoal::api {

Json task_document(const swarm::pb::Task& task, int version);

} // namespace shoal::api
