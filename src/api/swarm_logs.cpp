#include "api/swarm_logs.h"

#include "api/framing.h"
#include "api/swarm_calls.h"
#include "base/text.h"
#include "base/time.h"
#include "swarm/manager/control/find.h"

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

Result<void> set_since(const Call& call, Instant now, pb::LogSubscriptionOptions& options) {
    const auto text = call.query_text("since");
    if (text.empty() || text == "0") { return ok(); }
    TRY_LET(since, parse_timestamp(text, now).with("invalid value for \"since\""));
    *options.mutable_since() = swarm::to_timestamp(since);
    return ok();
}

/// A failure after the answer has begun is a frame of its own, which clients print and end with.
net::Task<Result<void>> say_error(Call& call, Error problem, bool framed) {
    const std::string text = "Error grabbing logs: " + problem.message + "\n";
    std::string bytes = framed ? frame(StreamKind::SystemError, text) : text;
    CO_TRY(co_await call.write(std::move(bytes)));
    co_return co_await call.end();
}

net::Task<Result<void>> send_logs(Call& call, pb::LogSelector selector, bool terminal) {
    CO_TRY_LET(request, swarm_log_request(call, call.daemon.clock.now()));
    const net::Until until(call.gone());
    auto* face = call.daemon.swarm;
    CO_TRY_LET(source, co_await face->open_logs(std::move(selector), request.options, until));
    CO_TRY(co_await call.begin(200, std::string(stream_content_type(call.version, terminal))));
    for (;;) {
        auto lines = co_await source->read(until);
        if (!lines && lines.error().code == Errc::Cancelled) { break; } // the client has gone
        if (!lines) { co_return co_await say_error(call, std::move(lines).error(), !terminal); }
        if (lines->empty()) { break; }
        CO_TRY(co_await call.write(swarm_log_bytes(*lines, request.format, !terminal)));
    }
    co_return co_await call.end();
}

bool has_terminal(const pb::TaskSpec& task) { return task.container().tty(); }

} // namespace

Result<std::int64_t> swarm_log_tail(std::string_view text) {
    if (text.empty() || text == "all") { return 0; }
    const auto count = parse_number<std::int32_t>(text);
    if (!count) { return invalid("tail value must be a positive integer or \"all\""); }
    if (*count < 0) { return invalid("negative tail values not supported"); }
    return -(std::int64_t{*count} + 1);
}

Result<SwarmLogRequest> swarm_log_request(const Call& call, Instant now) {
    SwarmLogRequest request;
    auto& options = request.options;
    if (call.query_bool("stdout")) { options.add_streams(pb::LOG_STREAM_STDOUT); }
    if (call.query_bool("stderr")) { options.add_streams(pb::LOG_STREAM_STDERR); }
    if (options.streams().empty()) {
        return invalid("Bad parameters: you must choose at least one stream");
    }
    options.set_follow(call.query_bool("follow"));
    TRY_LET(tail, swarm_log_tail(call.query_text("tail")));
    options.set_tail(tail);
    TRY(set_since(call, now, options));
    request.format.timestamps = call.query_bool("timestamps");
    request.format.details = call.query_bool("details");
    return request;
}

std::string swarm_log_text(const pb::LogMessage& message, container::LogFormat format) {
    container::LogLine line;
    line.at = swarm::from_timestamp(message.timestamp());
    line.text = message.data();
    if (!line.text.ends_with('\n')) { line.text += '\n'; }
    for (const auto& attribute : message.attrs()) {
        line.attributes[attribute.key()] = attribute.value();
    }
    line.attributes["com.docker.swarm.node.id"] = message.context().node_id();
    line.attributes["com.docker.swarm.service.id"] = message.context().service_id();
    line.attributes["com.docker.swarm.task.id"] = message.context().task_id();
    return format_log_line(line, format);
}

std::string swarm_log_bytes(const std::vector<pb::LogMessage>& lines, container::LogFormat format,
                            bool framed) {
    std::string bytes;
    for (const auto& line : lines) {
        const auto text = swarm_log_text(line, format);
        const bool error = line.stream() == pb::LOG_STREAM_STDERR;
        bytes += framed ? frame(error ? StreamKind::Stderr : StreamKind::Stdout, text) : text;
    }
    return bytes;
}

net::Task<Result<void>> service_logs(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(service, swarm::find<pb::Service>(*store, call.param("id")));
    pb::LogSelector selector;
    selector.add_service_ids(service->id());
    const bool terminal = has_terminal(service->spec().task());
    service.reset();
    co_return co_await send_logs(call, std::move(selector), terminal);
}

net::Task<Result<void>> task_logs(Call& call) {
    CO_TRY_LET(store, cluster_store(call));
    CO_TRY_LET(task, swarm::find<pb::Task>(*store, call.param("id")));
    pb::LogSelector selector;
    selector.add_task_ids(task->id());
    const bool terminal = has_terminal(task->spec());
    task.reset();
    co_return co_await send_logs(call, std::move(selector), terminal);
}

} // namespace shoal::api
