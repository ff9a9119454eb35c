#include "swarm/manager/control/services.h"

#include "swarm/manager/control/service_checks.h"
#include "swarm/manager/control/service_references.h"
#include "swarm/manager/control/version.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

Result<ServicePtr> held(const Tx& tx, const std::string& id) {
    auto service = tx.store().get<pb::Service>(id);
    if (!service) { return Error{Errc::NotFound, "service " + id + " not found"}; }
    return service;
}

/// Every check of a specification in the state of the cluster as it is; `own` is the id of the
/// service it is for, "" for a new one.
Result<void> check_all(const Tx& tx, const pb::ServiceSpec& spec, const std::string& own) {
    TRY(check_service_spec(spec));
    TRY(check_room(spec, tx.store().all<pb::Node>().size()));
    const auto cluster = tx.store().cluster();
    TRY(check_policy(spec, cluster ? cluster->spec().policy() : pb::ClusterPolicy()));
    TRY(check_references(tx.store(), spec));
    return check_port_conflicts(tx.store(), spec, own);
}

void begin_job(pb::Service& service, Instant now, std::uint64_t iteration) {
    auto& job = *service.mutable_job_status();
    job.mutable_job_iteration()->set_index(iteration);
    *job.mutable_last_execution() = to_timestamp(now);
}

/// A job runs again with every update, even one that changes nothing.
void continue_job(pb::Service& service, Instant now) {
    if (!is_job(service.spec())) { return; }
    begin_job(service, now, service.job_status().job_iteration().index() + 1);
}

Result<void> check_update(const pb::ServiceSpec& old, const pb::ServiceSpec& spec) {
    if (old.annotations().name() != spec.annotations().name()) {
        return unsupported("renaming services is not supported");
    }
    if (old.mode_case() != spec.mode_case()) {
        return unsupported("service mode change is not allowed");
    }
    return ok();
}

Result<void> set_auth(const pb::Service& old, UpdateService::Auth auth, pb::ServiceSpec& spec) {
    if (auth == UpdateService::Auth::Given || !spec.task().has_container()) { return ok(); }
    if (auth == UpdateService::Auth::Previous && !old.has_previous_spec()) {
        return invalid("service " + old.spec().annotations().name() +
                       " does not have a previous spec");
    }
    const auto& from = auth == UpdateService::Auth::Previous ? old.previous_spec() : old.spec();
    auto& container = *spec.mutable_task()->mutable_container();
    if (from.task().container().has_pull_options()) {
        *container.mutable_pull_options() = from.task().container().pull_options();
    } else {
        container.clear_pull_options();
    }
    return ok();
}

} // namespace

bool is_job(const pb::ServiceSpec& spec) {
    return spec.has_replicated_job() || spec.has_global_job();
}

std::uint64_t next_spec_version(const Store& store, const pb::Service& service) {
    auto last = std::max(service.spec_version().index(), service.previous_spec_version().index());
    for (const auto& [id, task] : store.tasks_of_service(service.id())) {
        last = std::max(last, task->spec_version().index());
    }
    return last + 1;
}

Result<ServicePtr> create_service(Tx& tx, pb::ServiceSpec spec) {
    TRY(resolve_networks(tx.store(), spec));
    TRY(check_all(tx, spec, ""));
    const auto& name = spec.annotations().name();
    if (tx.store().by_name<pb::Service>(name)) {
        return conflict("name conflicts with an existing object: service " + name +
                        " already exists");
    }
    pb::Service service;
    service.set_id(tx.make_id());
    *service.mutable_spec() = std::move(spec);
    service.mutable_spec_version()->set_index(1);
    if (is_job(service.spec())) { begin_job(service, tx.now(), 0); }
    return tx.put(std::move(service));
}

Result<ServicePtr> update_service(Tx& tx, const std::string& id, std::uint64_t version,
                                  pb::ServiceSpec spec, UpdateService options) {
    TRY_LET(old, held(tx, id));
    TRY(check_version(*old, version));
    TRY(check_update(old->spec(), spec));
    TRY(set_auth(*old, options.auth, spec));
    TRY(resolve_networks(tx.store(), spec));
    TRY(check_all(tx, spec, id));
    auto changed = *old;
    *changed.mutable_previous_spec() = old->spec();
    *changed.mutable_previous_spec_version() = old->spec_version();
    *changed.mutable_spec() = std::move(spec);
    changed.mutable_spec_version()->set_index(next_spec_version(tx.store(), *old));
    changed.clear_update_status();
    continue_job(changed, tx.now());
    return tx.put(std::move(changed));
}

Result<ServicePtr> roll_back_service(Tx& tx, const std::string& id, std::uint64_t version) {
    TRY_LET(old, held(tx, id));
    TRY(check_version(*old, version));
    if (!old->has_previous_spec()) {
        return invalid("service " + old->spec().annotations().name() +
                       " does not have a previous spec");
    }
    // What it refers to may have gone since, and the policy may have changed.
    TRY(check_all(tx, old->previous_spec(), id));
    auto changed = *old;
    changed.mutable_spec()->Swap(changed.mutable_previous_spec());
    // A version is never given twice: dead tasks of the old one do not count for this one.
    *changed.mutable_previous_spec_version() = old->spec_version();
    changed.mutable_spec_version()->set_index(next_spec_version(tx.store(), *old));
    changed.clear_update_status();
    if (!is_job(changed.spec())) { // jobs begin anew, and have no updates
        auto& status = *changed.mutable_update_status();
        status.set_state(pb::UpdateStatus::ROLLBACK_STARTED);
        status.set_message("manually requested rollback");
        *status.mutable_started_at() = to_timestamp(tx.now());
    }
    continue_job(changed, tx.now());
    return tx.put(std::move(changed));
}

Result<void> remove_service(Tx& tx, const std::string& id) {
    TRY(held(tx, id));
    tx.erase<pb::Service>(id);
    return ok();
}

} // namespace shoal::swarm
