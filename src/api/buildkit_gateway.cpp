// The gateway: calls of a client that steers its own build.
#include "api/buildkit_control.h"
#include "api/buildkit_request.h"
#include "api/daemon.h"

namespace shoal::api {

net::Task<Result<BuildJobPtr>> Control::job_of(net::GrpcCall& call, net::Until until) {
    std::string ref(call.value(buildkit::key_build_id));
    if (ref.empty()) { co_return invalid("the call does not say which build it belongs to"); }
    co_return co_await daemon_.build_jobs->find(std::move(ref), until);
}

net::Task<Result<void>> Control::ping(net::GrpcCall& call, net::Until until) {
    CO_TRY(co_await call.read_only_message(until));
    CO_TRY(co_await job_of(call, until));
    auto bytes = buildkit::print_pong(worker());
    co_return co_await call.write(std::move(bytes), until);
}

net::Task<Result<void>> Control::gateway_solve(net::GrpcCall& call, net::Until until) {
    CO_TRY_LET(message, co_await call.read_only_message(until));
    CO_TRY_LET(job, co_await job_of(call, until));
    CO_TRY_LET(asked, buildkit::parse_gateway_solve(message));
    if (asked.frontend.empty() && !asked.has_definition) {
        auto nothing = buildkit::print_gateway_solve(asked, "");
        co_return co_await call.write(std::move(nothing), until);
    }
    buildkit::SolveRequest same;
    same.ref = job->request.ref;
    same.frontend = asked.frontend;
    same.has_definition = asked.has_definition;
    same.has_inputs = asked.has_inputs;
    same.has_policy = asked.has_policy;
    same.cache_imports = asked.cache_imports;
    const auto checked = check_solve(same);
    if (!checked) { co_return plain_error(checked.error()); }
    auto imports = asked.cache_imports;
    imports.insert(imports.end(), job->request.cache_imports.begin(),
                   job->request.cache_imports.end());
    CO_TRY_LET(cache_from, cache_images_of(imports));
    const auto ref = co_await build(job, asked.attributes, std::move(cache_from), until);
    if (!ref) { co_return plain_error(ref.error()); }
    auto bytes = buildkit::print_gateway_solve(asked, *ref);
    co_return co_await call.write(std::move(bytes), until);
}

/// What a solve gives has been built already.
net::Task<Result<void>> Control::evaluate(net::GrpcCall& call, net::Until until) {
    CO_TRY(co_await call.read_only_message(until));
    CO_TRY(co_await job_of(call, until));
    co_return co_await call.write("", until);
}

/// Builds from Dockerfiles have no inputs.
net::Task<Result<void>> Control::inputs(net::GrpcCall& call, net::Until until) {
    CO_TRY(co_await call.read_only_message(until));
    CO_TRY(co_await job_of(call, until));
    co_return co_await call.write("", until);
}

net::Task<Result<void>> Control::take_return(net::GrpcCall& call, net::Until until) {
    CO_TRY_LET(message, co_await call.read_only_message(until));
    CO_TRY_LET(job, co_await job_of(call, until));
    CO_TRY_LET(returned, buildkit::parse_return_request(message));
    if (job->returned.is_set()) { co_return conflict("the build has returned before"); }
    job->outcome = std::move(returned);
    job->returned.set();
    co_return co_await call.write("", until);
}

} // namespace shoal::api
