#include "api/buildkit_control.h"

#include "api/buildkit_request.h"
#include "api/call.h"
#include "api/daemon.h"
#include "api/router.h"
#include "base/text.h"
#include "build/builder.h"
#include "buildkit/session.h"
#include "buildkit/words.h"
#include "engine/engine.h"
#include "net/grpc_stream.h"

namespace shoal::api {

namespace {

constexpr auto session_limit = std::chrono::seconds(10); ///< for a session that is on its way
constexpr auto image_name_prefix = "naming to ";

using buildkit::Attributes;

/// The job leaves the list however its solve ends.
struct Finishing {
    BuildJobs& jobs;
    BuildJobPtr job;
    ~Finishing() { jobs.finish(job); }
};

/// "/id" of "http://buildkit-session/id": the client has the context as a tar. It leaves the
/// attributes.
std::string take_upload(Attributes& attributes) {
    constexpr std::string_view host = "http://buildkit-session";
    const auto context = attributes.find("context");
    if (context == attributes.end() || !context->second.starts_with(host)) { return ""; }
    std::string path = context->second.substr(host.size());
    attributes.erase(context);
    return path;
}

std::string work_name(build::Output::Kind kind) {
    switch (kind) {
    case build::Output::Kind::Image:
        return "exporting to image";
    case build::Output::Kind::Local:
        return "exporting to client directory";
    case build::Output::Kind::Tar:
        return "exporting to client tarball";
    case build::Output::Kind::Archive:
        return "exporting to image archive";
    }
    return "exporting";
}

} // namespace

Error plain_error(Error error) {
    if (error.code != Errc::Cancelled) { error.code = Errc::Internal; }
    return error;
}

Control::Control(Daemon& daemon, net::Loop& loop) : daemon_(daemon), loop_(loop), server_(loop) {
    add(buildkit::method_solve, &Control::solve);
    add(buildkit::method_status, &Control::status);
    add(buildkit::method_session, &Control::session);
    add(buildkit::method_workers, &Control::workers);
    add(buildkit::method_info, &Control::info);
    add(buildkit::method_disk_usage, &Control::disk_usage);
    add(buildkit::method_prune, &Control::prune);
    add(buildkit::method_listen_history, &Control::listen_history);
    add(buildkit::method_update_history, &Control::update_history);
    add(buildkit::method_health, &Control::health);
    add(buildkit::method_gateway_ping, &Control::ping);
    add(buildkit::method_gateway_solve, &Control::gateway_solve);
    add(buildkit::method_gateway_evaluate, &Control::evaluate);
    add(buildkit::method_gateway_inputs, &Control::inputs);
    add(buildkit::method_gateway_return, &Control::take_return);
}

net::Task<Result<void>> Control::solve(net::GrpcCall& call, net::Until until) {
    CO_TRY_LET(message, co_await call.read_only_message(until));
    CO_TRY_LET(request, buildkit::parse_solve_request(message));
    CO_TRY(check_solve(request));
    auto made = std::make_shared<BuildJob>(loop_, daemon_.clock, std::move(request));
    CO_TRY_LET(job, daemon_.build_jobs->add(std::move(made)));
    const Finishing finishing{*daemon_.build_jobs, job};
    auto response = co_await run(job, until);
    if (!response) { co_return std::move(response).error(); }
    auto bytes = buildkit::print_solve_response(*response);
    co_return co_await call.write(std::move(bytes), until);
}

net::Task<Result<Attributes>> Control::run(BuildJobPtr job, net::Until until) {
    Result<std::string> ref = std::string();
    if (job->request.frontend.empty()) {
        ref = co_await wait_returned(job, until);
    } else {
        auto cache_from = cache_images_of(job->request.cache_imports);
        if (!cache_from) { co_return std::move(cache_from).error(); }
        ref = co_await build(job, job->request.attributes, std::move(*cache_from), until);
    }
    if (!ref) { co_return std::move(ref).error(); }
    const auto result = job->results.find(*ref);
    if (result == job->results.end()) {
        if (job->request.exporters.empty()) { co_return Attributes(); }
        co_return invalid("the build has no result that could be exported");
    }
    const oci::ImageId image = result->second.image;
    CO_TRY(co_await export_all(job, image, until));
    Attributes response{{"containerimage.config.digest", oci::prefixed(image)},
                        {"containerimage.digest", oci::prefixed(image)}};
    CO_TRY_LET(outputs, outputs_of(job->request));
    for (const auto& output : outputs) {
        if (!output.names.empty()) { response["image.name"] = join(output.names, ","); }
    }
    co_return response;
}

net::Task<Result<std::string>> Control::wait_returned(BuildJobPtr job, net::Until until) {
    const net::Wake wake = co_await job->returned.wait(until);
    CO_TRY(net::to_result(wake, "wait for the client's result"));
    if (job->outcome.error) { co_return *job->outcome.error; }
    co_return job->outcome.ref;
}

net::Task<Result<std::string>> Control::build(BuildJobPtr job, Attributes attributes,
                                              std::vector<std::string> cache_from,
                                              net::Until until) {
    const std::string upload = take_upload(attributes);
    CO_TRY_LET(request, request_of_attributes(attributes, job->request.session));
    CO_TRY_LET(outputs, outputs_of(job->request));
    for (const auto& output : outputs) {
        request.tags.insert(request.tags.end(), output.names.begin(), output.names.end());
    }
    request.cache_from.insert(request.cache_from.end(), cache_from.begin(), cache_from.end());
    if (!job->request.session.empty()) {
        const auto limit = until.no_later_than(Deadline::in(session_limit));
        CO_TRY_LET(session, co_await daemon_.sessions.find(job->request.session, limit));
        request.session = session;
    }
    job->dockerfile = request.dockerfile;
    if (upload.empty()) { co_return co_await run_builder(job, std::move(request), until); }
    if (!request.session) { co_return invalid("an uploaded context needs a session"); }
    UploadContext context(daemon_.engine);
    auto done = co_await build_upload(job, std::move(request), context, upload, until);
    co_await context.remove();
    co_return done;
}

net::Task<Result<std::string>> Control::build_upload(BuildJobPtr job, build::Request request,
                                                     UploadContext& context, std::string path,
                                                     net::Until until) {
    CO_TRY_LET(stream, co_await request.session->pull_upload(path, until));
    CO_TRY_LET(directory, co_await context.receive(std::move(stream), until));
    request.context = {build::ContextSource::Kind::Directory, directory, ""};
    co_return co_await run_builder(job, std::move(request), until);
}

net::Task<Result<std::string>> Control::run_builder(BuildJobPtr job, build::Request request,
                                                    net::Until until) {
    auto built = co_await daemon_.builder.build(std::move(request), *job, nullptr, until);
    if (!built) { co_return plain_error(std::move(built).error()); }
    const std::string ref = daemon_.engine.env.random.hex(16);
    job->results.emplace(ref, BuildJob::Held{built->id, daemon_.engine.images.hold(built->id)});
    co_return ref;
}

net::Task<Result<void>> Control::export_all(BuildJobPtr job, oci::ImageId image, net::Until until) {
    CO_TRY_LET(outputs, outputs_of(job->request));
    for (auto& output : outputs) { CO_TRY(co_await export_one(job, image, output, until)); }
    co_return ok();
}

net::Task<Result<void>> Control::export_one(BuildJobPtr job, oci::ImageId image,
                                            build::Output output, net::Until until) {
    const std::string name = work_name(output.kind);
    job->begin_work(name);
    std::shared_ptr<buildkit::Session> session;
    Result<void> done = ok();
    if (output.kind != build::Output::Kind::Image) {
        const auto limit = until.no_later_than(Deadline::in(session_limit));
        auto found = co_await daemon_.sessions.find(job->request.session, limit);
        if (found) { session = *found; }
    }
    for (const auto& tag : output.names) { // given by the builder; the words are for who watches
        job->begin_work(image_name_prefix + tag);
        job->end_work(image_name_prefix + tag, "");
    }
    done = co_await build::export_image(daemon_.engine, image, std::move(output), session.get(),
                                        until);
    job->end_work(name, done ? "" : done.error().message);
    co_return done;
}

net::Task<Result<void>> Control::status(net::GrpcCall& call, net::Until until) {
    CO_TRY_LET(message, co_await call.read_only_message(until));
    CO_TRY_LET(ref, buildkit::parse_status_request(message));
    CO_TRY_LET(job, co_await daemon_.build_jobs->find(ref, until));
    if (job->being_read()) { co_return conflict("the status of " + ref + " is being read"); }
    struct Reading {
        BuildJobPtr job;
        explicit Reading(BuildJobPtr of) : job(std::move(of)) { job->count_reader(1); }
        ~Reading() { job->count_reader(-1); }
    };
    const Reading reading(job);
    for (;;) {
        CO_TRY_LET(bytes, co_await job->next_status(until));
        if (!bytes) { co_return ok(); }
        CO_TRY(co_await call.write(std::move(*bytes), until));
    }
}

/// The same as POST /session, for clients that have no other connection.
net::Task<Result<void>> Control::session(net::GrpcCall& call, net::Until until) {
    buildkit::Sessions::Offer offer;
    offer.id = std::string(call.value("x-docker-expose-session-uuid"));
    offer.name = std::string(call.value("x-docker-expose-session-name"));
    offer.shared_key = std::string(call.value("x-docker-expose-session-sharedkey"));
    offer.methods = call.values("x-docker-expose-session-grpc-method");
    CO_TRY(daemon_.sessions.check(offer));
    // The stream must not own the call, which the server keeps until this has ended.
    const std::shared_ptr<net::GrpcCall> borrowed(std::shared_ptr<void>(), &call);
    auto stream = net::make_bytes_stream(loop_, borrowed, "session " + offer.id);
    co_return co_await daemon_.sessions.run(std::move(stream), std::move(offer), until);
}

namespace {

net::Task<Result<void>> serve_control(Call& call) {
    CO_TRY_LET(stream, co_await call.upgrade("h2c"));
    net::Loop& loop = call.engine.env.loop;
    if (!call.daemon.build_jobs) { call.daemon.build_jobs = std::make_shared<BuildJobs>(loop); }
    Control control(call.daemon, loop);
    const net::Until until(call.gone());
    co_return co_await control.serve(std::move(stream), until);
}

} // namespace

void add_buildkit_routes(Router& router) {
    router.add("POST", "/grpc", Right::Build, serve_control);
}

} // namespace shoal::api
