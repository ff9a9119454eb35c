// Services as the Engine API shows and takes them: requests to create and update, the answer of
// inspect and list, for every version of the API. Pure.
#pragma once

#include "base/json.h"
#include "swarm/model/object.h"
#include "swarm/store/store.h"

namespace shoal::api {

struct ServiceRequest {
    swarm::pb::ServiceSpec spec;
    // Members of ours: clients that do not know them cannot send them back, so an update without
    // them leaves the service's own as they are.
    bool names_devices = false;
    bool names_privileged = false;
};
/// Docker drops what the client's version did not have. Fails: Invalid, naming the member.
Result<ServiceRequest> parse_service_request(const Json& body, int version);
/// What the request did not name stays as the service has it.
void keep_unnamed(const ServiceRequest& request, const swarm::pb::ServiceSpec& old,
                  swarm::pb::ServiceSpec& spec);

/// Takes out of a specification what clients of `version` do not know: both ways.
void shape_service_spec(swarm::pb::ServiceSpec& spec, int version);
void shape_task_spec(swarm::pb::TaskSpec& task, int version);

/// Docker's defaults written out, for `insertDefaults`.
void insert_defaults(swarm::pb::ServiceSpec& spec);

struct ServiceCounts {
    std::uint64_t running = 0;
    std::uint64_t desired = 0;
    std::uint64_t completed = 0;
};
ServiceCounts count_tasks(const swarm::Store& store, const swarm::pb::Service& service);

Json service_spec_document(swarm::pb::ServiceSpec spec, int version);
Json service_document(const swarm::pb::Service& service, int version,
                      const ServiceCounts* counts = nullptr);

} // namespace shoal::api
