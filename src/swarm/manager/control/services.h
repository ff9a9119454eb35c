// What users may do with services: create, change, go back to the previous specification, remove.
// Functions over a transaction: they check everything that can be known without a node
// (service_checks.h) and against the store (service_references.h), and write the service; tasks are
// the orchestrator's business.
#pragma once

#include "swarm/store/store.h"

#include <cstdint>
#include <string>

namespace shoal::swarm {

/// Names of networks in `spec` become ids. Fails: Invalid, Conflict "name conflicts with an
/// existing object", Forbidden for what the cluster's policy keeps, NotFound for a network.
Result<ServicePtr> create_service(Tx& tx, pb::ServiceSpec spec);

struct UpdateService {
    enum class Auth { Keep, Previous, Given };
    /// Where the credentials for the image come from: those of the present specification, of the
    /// previous one, or what `spec` has.
    Auth auth = Auth::Keep;
};
/// `id` is a whole id (find() has it). Fails: Internal "update out of sequence"; Unsupported for
/// another name or mode; and as create_service.
Result<ServicePtr> update_service(Tx& tx, const std::string& id, std::uint64_t version,
                                  pb::ServiceSpec spec, UpdateService options = {});

/// Present and previous specification change places, so that doing it twice changes nothing.
/// Fails: Invalid when there is no previous one.
Result<ServicePtr> roll_back_service(Tx& tx, const std::string& id, std::uint64_t version);

Result<void> remove_service(Tx& tx, const std::string& id);

/// A number that no specification of this service, and no task of it, has had.
std::uint64_t next_spec_version(const Store& store, const pb::Service& service);

bool is_job(const pb::ServiceSpec& spec);

} // namespace shoal::swarm
