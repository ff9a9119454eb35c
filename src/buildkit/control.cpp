#include "buildkit/control.h"

#include "buildkit/message.h"
#include "buildkit/timestamp.h"
#include "control.pb.h"
#include "gateway.pb.h"
#include "net/grpc.h"

namespace shoal::buildkit {

namespace v1 = moby::buildkit::v1;
namespace gateway = moby::buildkit::v1::frontend;

namespace {

/// What clients may count on beside the first version of the protocol.
constexpr const char* gateway_capabilities[] = {
    "solve.base",
    "return",
    "returnmap",
    "proto.refarray",
    "frontend.inputs",
    "frontend.caps",
    "gateway.solve.metadata",
    "gateway.evaluate",
    "gateway.solve.evaluate",
    "importcaches",
};
constexpr const char* build_capabilities[] = {
    "source.image",
    "source.local",
    "source.local.sessionid",
    "source.local.followpaths",
    "source.local.excludepatterns",
    "exec.mount.ssh",
    "exec.mount.secret",
    "frontend.contexts",
    "exec.meta.ulimit",
    "exec.meta.cgroup.parent",
};

template <class Map> Attributes attributes_of(const Map& map) {
    return Attributes(map.begin(), map.end());
}
template <class List> std::vector<Typed> typed_of(const List& list) {
    std::vector<Typed> all;
    for (const auto& one : list) { all.push_back({one.type(), attributes_of(one.attrs())}); }
    return all;
}
template <class List> std::vector<std::string> texts_of(const List& list) {
    return std::vector<std::string>(list.begin(), list.end());
}

void add_deprecated(const v1::CacheOptions& cache, SolveRequest& request) {
    for (const auto& ref : cache.importrefsdeprecated()) {
        request.cache_imports.push_back({"registry", {{"ref", ref}}});
    }
    if (cache.exportrefdeprecated().empty()) { return; }
    auto attributes = attributes_of(cache.exportattrsdeprecated());
    attributes["ref"] = cache.exportrefdeprecated();
    request.cache_exports.push_back({"registry", std::move(attributes)});
}

void fill(v1::types::WorkerRecord& record, const Worker& worker) {
    record.set_id(worker.id);
    for (const auto& [name, value] : worker.labels) { (*record.mutable_labels())[name] = value; }
    pb::Platform& platform = *record.add_platforms();
    platform.set_os(worker.os);
    platform.set_architecture(worker.architecture);
    platform.set_variant(worker.variant);
    record.mutable_buildkitversion()->set_package("shoal");
    record.mutable_buildkitversion()->set_version(worker.version);
}

void fill(v1::UsageRecord& to, const UsageRecord& from) {
    to.set_id(from.id);
    if (!from.parent.empty()) {
        to.set_parent(from.parent);
        to.add_parents(from.parent);
    }
    to.set_inuse(from.in_use);
    to.set_shared(from.shared);
    to.set_size(from.size);
    to.set_description(from.description);
    to.set_recordtype(from.type);
    to.set_usagecount(from.usage_count);
    set_time(*to.mutable_createdat(), from.created);
    if (from.last_used) { set_time(*to.mutable_lastusedat(), *from.last_used); }
}

std::string ref_of(const gateway::Result& result) {
    switch (result.result_case()) {
    case gateway::Result::kRef:
        return result.ref().id();
    case gateway::Result::kRefDeprecated:
        return result.refdeprecated();
    case gateway::Result::kRefs: // one platform is built, under whatever name
        return result.refs().refs().empty() ? "" : result.refs().refs().begin()->second.id();
    case gateway::Result::kRefsDeprecated: {
        const auto& refs = result.refsdeprecated().refs();
        return refs.empty() ? "" : refs.begin()->second;
    }
    case gateway::Result::RESULT_NOT_SET:
        return "";
    }
    return "";
}

template <class List, class Names> void add_capabilities(List* list, const Names& names) {
    for (const char* name : names) {
        auto& capability = *list->Add();
        capability.set_id(name);
        capability.set_enabled(true);
    }
}

} // namespace

Result<SolveRequest> parse_solve_request(const std::string& bytes) {
    TRY_LET(message, parse_message<v1::SolveRequest>(bytes, "solve request"));
    SolveRequest request;
    request.ref = message.ref();
    request.session = message.session();
    request.frontend = message.frontend();
    request.attributes = attributes_of(message.frontendattrs());
    request.exporters = typed_of(message.exporters());
    if (request.exporters.empty() && !message.exporterdeprecated().empty()) {
        request.exporters.push_back(
            {message.exporterdeprecated(), attributes_of(message.exporterattrsdeprecated())});
    }
    request.cache_exports = typed_of(message.cache().exports());
    request.cache_imports = typed_of(message.cache().imports());
    add_deprecated(message.cache(), request);
    request.entitlements = texts_of(message.entitlements());
    request.has_definition = message.definition().def_size() > 0;
    request.has_inputs = message.frontendinputs_size() > 0;
    request.has_policy = !message.sourcepolicy().empty() || !message.sourcepolicysession().empty();
    return request;
}

std::string print_solve_response(const Attributes& exporter_response) {
    v1::SolveResponse response;
    for (const auto& [name, value] : exporter_response) {
        (*response.mutable_exporterresponse())[name] = value;
    }
    return print_message(response);
}

Result<std::string> parse_status_request(const std::string& bytes) {
    TRY_LET(message, parse_message<v1::StatusRequest>(bytes, "status request"));
    return message.ref();
}

std::string print_workers_response(const Worker& worker) {
    v1::ListWorkersResponse response;
    fill(*response.add_record(), worker);
    return print_message(response);
}

std::string print_info_response(const Worker& worker) {
    v1::InfoResponse response;
    response.mutable_buildkitversion()->set_package("shoal");
    response.mutable_buildkitversion()->set_version(worker.version);
    return print_message(response);
}

Result<std::vector<std::string>> parse_disk_usage_request(const std::string& bytes) {
    TRY_LET(message, parse_message<v1::DiskUsageRequest>(bytes, "disk usage request"));
    return texts_of(message.filter());
}

std::string print_disk_usage_response(const std::vector<UsageRecord>& records) {
    v1::DiskUsageResponse response;
    for (const auto& record : records) { fill(*response.add_record(), record); }
    return print_message(response);
}

std::string print_usage_record(const UsageRecord& record) {
    v1::UsageRecord message;
    fill(message, record);
    return print_message(message);
}

Result<PruneWish> parse_prune_request(const std::string& bytes) {
    TRY_LET(message, parse_message<v1::PruneRequest>(bytes, "prune request"));
    PruneWish wish;
    wish.filters = texts_of(message.filter());
    wish.all = message.all();
    wish.keep_duration = nanoseconds(message.keepduration());
    wish.reserved_bytes = message.reservedspace();
    wish.used_bytes_max = message.maxusedspace();
    wish.free_bytes_min = message.minfreespace();
    return wish;
}

Result<HistoryWish> parse_history_request(const std::string& bytes) {
    TRY_LET(message, parse_message<v1::BuildHistoryRequest>(bytes, "history request"));
    return HistoryWish{message.activeonly(), message.earlyexit()};
}

Result<GatewaySolve> parse_gateway_solve(const std::string& bytes) {
    TRY_LET(message, parse_message<gateway::SolveRequest>(bytes, "solve request"));
    GatewaySolve asked;
    asked.frontend = message.frontend();
    asked.attributes = attributes_of(message.frontendopt());
    asked.cache_imports = typed_of(message.cacheimports());
    asked.has_definition = message.definition().def_size() > 0;
    asked.has_inputs = message.frontendinputs_size() > 0;
    asked.has_policy = message.sourcepolicies_size() > 0;
    asked.result_return = message.allowresultreturn();
    asked.result_array = message.allowresultarrayref();
    return asked;
}

std::string print_gateway_solve(const GatewaySolve& asked, const std::string& ref) {
    gateway::SolveResponse response;
    if (!asked.result_return) {
        response.set_ref(ref);
    } else if (!asked.result_array) {
        response.mutable_result()->set_refdeprecated(ref);
    } else {
        response.mutable_result()->mutable_ref()->set_id(ref);
    }
    return print_message(response);
}

std::string print_pong(const Worker& worker) {
    gateway::PongResponse response;
    add_capabilities(response.mutable_frontendapicaps(), gateway_capabilities);
    add_capabilities(response.mutable_llbcaps(), build_capabilities);
    fill(*response.add_workers(), worker);
    return print_message(response);
}

Result<Returned> parse_return_request(const std::string& bytes) {
    TRY_LET(message, parse_message<gateway::ReturnRequest>(bytes, "return request"));
    Returned returned;
    returned.ref = ref_of(message.result());
    if (message.error().code() != 0) {
        const auto code = static_cast<net::GrpcCode>(message.error().code());
        returned.error = Error{net::errc_of(code), message.error().message()};
    }
    return returned;
}

} // namespace shoal::buildkit
