// Answers that go on for a while: wait, logs, stats.
#include "api/container_handlers.h"
#include "api/daemon.h"
#include "base/text.h"
#include "base/time.h"
#include "container/log_reader.h"
#include "engine/engine.h"
#include "net/sleep.h"

namespace shoal::api {

namespace {

Result<engine::WaitCondition> wait_condition(const Call& call) {
    const std::string text = call.version < 130 ? "" : call.query_text("condition");
    if (text.empty() || text == "not-running") { return engine::WaitCondition::NotRunning; }
    if (text == "next-exit") { return engine::WaitCondition::NextExit; }
    if (text == "removed") { return engine::WaitCondition::Removed; }
    return invalid("invalid condition: " + go_quote(text));
}

Result<Instant> log_time(const Call& call, const char* name, Instant now) {
    const std::string text = call.query_text(name);
    if (text.empty() || text == "0") { return Instant{}; }
    return parse_timestamp(text, now).with("invalid value for \"" + std::string(name) + "\"");
}

Result<engine::LogRequest> log_request(const Call& call) {
    engine::LogRequest request;
    request.out = call.query_bool("stdout");
    request.err = call.query_bool("stderr");
    if (!request.out && !request.err) {
        return invalid("Bad parameters: you must choose at least one stream");
    }
    request.follow = call.query_bool("follow");
    const Instant now = call.daemon.clock.now();
    TRY_LET(since, log_time(call, "since", now));
    TRY_LET(until, log_time(call, "until", now));
    request.since = since;
    request.until = until;
    // Docker takes what is not a number as "all".
    const auto tail = parse_number<std::int64_t>(call.query_text("tail"));
    if (tail && *tail >= 0) { request.tail = *tail; }
    return request;
}

/// A terminal's output is one stream, as it is.
std::string log_bytes(const std::vector<container::LogLine>& lines, container::LogFormat format,
                      bool framed) {
    std::string bytes;
    for (const auto& line : lines) {
        const std::string text = format_log_line(line, format);
        bytes +=
            framed ? frame(line.is_stderr ? StreamKind::Stderr : StreamKind::Stdout, text) : text;
    }
    return bytes;
}

constexpr auto stats_interval = std::chrono::seconds(1);

/// Sleeps to the next sample; false when the client has gone.
net::Task<bool> stats_pause(Call& call) {
    const net::Until until(Deadline::in(stats_interval), call.gone());
    const net::Wake wake = co_await net::sleep(call.engine.env.loop, until);
    co_return wake == net::Wake::Timeout;
}

std::string stats_text(Call& call, const engine::Container& container,
                       const container::StatsSample& before, const container::StatsSample& now) {
    const auto subject = call.engine.containers.stats_subject(container);
    const bool present = now.read != Instant{};
    return dump_json(present ? container::make_stats(subject, before, now)
                             : container::make_empty_stats(subject)) +
           "\n";
}

net::Task<Result<void>> one_stats(Call& call, engine::ContainerPtr container) {
    auto& containers = call.engine.containers;
    container::StatsSample before;
    const bool one_shot = call.version >= 141 && call.query_bool("one-shot");
    CO_TRY_LET(first, co_await containers.sample(container->id));
    if (!one_shot && first.read != Instant{}) {
        before = first;
        const bool here = co_await stats_pause(call);
        if (!here) { co_return ok(); }
        CO_TRY_LET(second, co_await containers.sample(container->id));
        first = second;
    }
    co_return co_await call.json_text(200, stats_text(call, *container, before, first));
}

net::Task<Result<void>> stats_stream(Call& call, engine::ContainerPtr container) {
    auto& containers = call.engine.containers;
    CO_TRY(co_await call.begin(200, "application/json"));
    container::StatsSample before;
    for (bool here = true; here;) {
        auto sample = co_await containers.sample(container->id);
        if (!sample && sample.error().code == Errc::NotFound) { break; } // removed
        const container::StatsSample now = sample ? *sample : container::StatsSample{};
        CO_TRY(co_await call.write(stats_text(call, *container, before, now)));
        before = now;
        here = co_await stats_pause(call);
    }
    co_return co_await call.end();
}

} // namespace

net::Task<Result<void>> wait_container(Call& call) {
    CO_TRY_LET(condition, wait_condition(call));
    CO_TRY_LET(container, named_container(call));
    CO_TRY_LET(ticket, call.engine.containers.begin_wait(container->id, condition));
    container.reset();
    // Clients start the container only when they have seen these headers.
    if (call.version >= 130) { CO_TRY(co_await call.begin(200, "application/json")); }
    const net::Until until(call.gone());
    CO_TRY_LET(result, co_await call.engine.containers.wait(std::move(ticket), until));
    Json document{{"StatusCode", result.exit_code}};
    document["Error"] = result.error.empty() ? Json(nullptr) : Json{{"Message", result.error}};
    if (call.version < 130) { co_return co_await call.json(200, std::move(document)); }
    CO_TRY(co_await call.write(dump_json(document) + "\n"));
    co_return co_await call.end();
}

net::Task<Result<void>> container_logs(Call& call) {
    CO_TRY_LET(container, named_container(call));
    CO_TRY_LET(request, log_request(call));
    container::LogFormat format;
    format.timestamps = call.query_bool("timestamps");
    format.details = call.query_bool("details");
    const bool terminal = container->config.tty;
    CO_TRY_LET(logs, co_await call.engine.containers.logs(container->id, request));
    CO_TRY(co_await call.begin(200, std::string(stream_content_type(call.version, terminal))));
    const net::Until until(call.gone());
    for (;;) {
        auto lines = co_await logs->read(until);
        if (!lines && lines.error().code == Errc::Cancelled) { break; } // the client has gone
        if (!lines) { co_return std::move(lines).error(); }
        if (lines->empty()) { break; }
        CO_TRY(co_await call.write(log_bytes(*lines, format, !terminal)));
    }
    co_return co_await call.end();
}

net::Task<Result<void>> container_stats(Call& call) {
    CO_TRY_LET(container, named_container(call));
    if (call.query_bool("stream", true)) { co_return co_await stats_stream(call, container); }
    co_return co_await one_stats(call, container);
}

} // namespace shoal::api
