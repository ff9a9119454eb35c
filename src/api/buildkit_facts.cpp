// What the Control service tells and does beside builds: who we are, the cache, the history.
#include "api/buildkit_control.h"
#include "api/buildkit_request.h"
#include "api/daemon.h"
#include "base/time.h"
#include "build/builder.h"
#include "buildkit/words.h"

#include <algorithm>

namespace shoal::api {

namespace {

buildkit::UsageRecord usage_of(const build::CacheRecord& record) {
    buildkit::UsageRecord usage;
    usage.id = record.id;
    usage.parent = record.parent;
    usage.type = record.type;
    usage.description = record.description;
    usage.in_use = record.in_use;
    usage.shared = record.shared;
    usage.size = record.size_bytes;
    usage.created = record.created;
    usage.last_used = record.last_used;
    usage.usage_count = record.usage_count;
    return usage;
}

} // namespace

buildkit::Worker Control::worker() const {
    buildkit::Worker worker;
    worker.id = daemon_.id;
    worker.labels = {{"org.mobyproject.buildkit.worker.executor", "shoal"},
                     {"org.mobyproject.buildkit.worker.hostname", daemon_.facts.host_name}};
    worker.os = "linux";
    worker.architecture = daemon_.facts.go_architecture;
    worker.version = SHOAL_VERSION;
    return worker;
}

net::Task<Result<void>> Control::workers(net::GrpcCall& call, net::Until until) {
    CO_TRY(co_await call.read_only_message(until));
    auto bytes = buildkit::print_workers_response(worker());
    co_return co_await call.write(std::move(bytes), until);
}

net::Task<Result<void>> Control::info(net::GrpcCall& call, net::Until until) {
    CO_TRY(co_await call.read_only_message(until));
    auto bytes = buildkit::print_info_response(worker());
    co_return co_await call.write(std::move(bytes), until);
}

net::Task<Result<void>> Control::health(net::GrpcCall& call, net::Until until) {
    CO_TRY(co_await call.read_only_message(until));
    auto bytes = buildkit::print_serving();
    co_return co_await call.write(std::move(bytes), until);
}

net::Task<Result<void>> Control::disk_usage(net::GrpcCall& call, net::Until until) {
    CO_TRY_LET(message, co_await call.read_only_message(until));
    CO_TRY_LET(texts, buildkit::parse_disk_usage_request(message));
    CO_TRY_LET(filters, filters_of(texts));
    CO_TRY(filters.allow_only({"id", "type"}));
    std::vector<buildkit::UsageRecord> records;
    for (const auto& record : daemon_.builder.cache()) {
        if (!filters.prefix("id", record.id) || !filters.exact("type", record.type)) { continue; }
        records.push_back(usage_of(record));
    }
    auto bytes = buildkit::print_disk_usage_response(records);
    co_return co_await call.write(std::move(bytes), until);
}

net::Task<Result<void>> Control::prune(net::GrpcCall& call, net::Until until) {
    CO_TRY_LET(message, co_await call.read_only_message(until));
    CO_TRY_LET(wish, buildkit::parse_prune_request(message));
    if (wish.free_bytes_min > 0) { co_return unsupported("min-free-space is not supported"); }
    CO_TRY_LET(filters, filters_of(wish.filters));
    build::PruneRequest request;
    request.all = wish.all;
    request.filters = std::move(filters);
    if (wish.keep_duration.count() > 0) {
        request.filters.add("unused-for", format_duration(wish.keep_duration));
    }
    request.keep_bytes = wish.used_bytes_max;
    request.keep_min_bytes = wish.reserved_bytes;
    const auto before = daemon_.builder.cache();
    CO_TRY_LET(pruned, co_await daemon_.builder.prune(std::move(request)));
    for (const auto& record : before) {
        if (std::find(pruned.ids.begin(), pruned.ids.end(), record.id) == pruned.ids.end()) {
            continue;
        }
        auto bytes = buildkit::print_usage_record(usage_of(record));
        CO_TRY(co_await call.write(std::move(bytes), until));
    }
    co_return ok();
}

/// No history is kept: there is nothing to tell now, and those who want to hear of later builds
/// wait for ever.
net::Task<Result<void>> Control::listen_history(net::GrpcCall& call, net::Until until) {
    CO_TRY_LET(message, co_await call.read_only_message(until));
    CO_TRY_LET(wish, buildkit::parse_history_request(message));
    if (wish.early_exit) { co_return ok(); }
    net::Flag never(loop_);
    const net::Wake wake = co_await never.wait(until);
    co_return net::to_result(wake, "history");
}

net::Task<Result<void>> Control::update_history(net::GrpcCall& call, net::Until until) {
    CO_TRY(co_await call.read_only_message(until));
    co_return Error{Errc::NotFound, "no history of builds is kept"};
}

} // namespace shoal::api
