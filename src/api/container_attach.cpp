// Attaching to containers: by a hijacked connection or a WebSocket.
#include "api/container_handlers.h"
#include "api/stream_pump.h"
#include "engine/engine.h"
#include "net/websocket.h"

namespace shoal::api {

namespace {

struct AttachWish {
    bool logs = false;
    bool stream = false;
    engine::AttachOptions streams;
    std::string detach_keys;
};

Result<AttachWish> attach_wish(const Call& call, bool terminal) {
    AttachWish wish;
    wish.logs = call.query_bool("logs");
    wish.stream = call.query_bool("stream");
    wish.streams.input = call.query_bool("stdin");
    wish.streams.output = call.query_bool("stdout");
    wish.streams.error = call.query_bool("stderr");
    const std::string keys = call.has_query("detachKeys") ? call.query_text("detachKeys")
                                                          : std::string(detach_keys_default);
    TRY_LET(bytes, detach_key_bytes(keys));
    if (terminal) { wish.detach_keys = bytes; }
    return wish;
}

/// Everything that can fail with a status is done before the connection changes its nature.
struct Prepared {
    engine::ContainerPtr container;
    AttachWish wish;
    engine::LogsPtr logs;
    engine::AttachmentPtr attachment;
};

net::Task<Result<Prepared>> prepare(Call& call) {
    Prepared prepared;
    CO_TRY_LET(container, named_container(call));
    prepared.container = container;
    CO_TRY_LET(wish, attach_wish(call, container->config.tty));
    prepared.wish = wish;
    // Attached first and read second: a line may come twice, but none is lost between.
    if (wish.stream) {
        CO_TRY_LET(attachment, co_await call.engine.containers.attach(container->id, wish.streams));
        prepared.attachment = std::move(attachment);
    }
    if (wish.logs) {
        engine::LogRequest request;
        request.out = wish.streams.output;
        request.err = wish.streams.error;
        CO_TRY_LET(logs, co_await call.engine.containers.logs(container->id, request));
        prepared.logs = std::move(logs);
    }
    co_return std::move(prepared);
}

net::Task<Result<void>> replay(engine::Logs* logs, net::Stream* client, bool framed) {
    const net::Until until;
    for (;;) {
        CO_TRY_LET(lines, co_await logs->read(until));
        if (lines.empty()) { co_return ok(); }
        std::string bytes;
        for (const auto& line : lines) {
            const auto kind = line.is_stderr ? StreamKind::Stderr : StreamKind::Stdout;
            bytes += framed ? frame(kind, line.text) : line.text;
        }
        CO_TRY(co_await client->write_all(bytes, until));
    }
}

net::Task<Result<void>> serve(Call& call, Prepared prepared, net::StreamPtr client, bool framed) {
    publish_container_event(call, *prepared.container, "attach");
    if (prepared.logs) { CO_TRY(co_await replay(prepared.logs.get(), client.get(), framed)); }
    if (!prepared.attachment) { co_return ok(); }
    StreamPump::Options options;
    options.framed = framed;
    options.input = prepared.wish.streams.input;
    options.detach_keys = prepared.wish.detach_keys;
    StreamPump pump(call.engine.env.loop, *client, *prepared.attachment, std::move(options));
    const auto ended = co_await pump.run();
    if (ended == StreamPump::Ended::Detached) {
        publish_container_event(call, *prepared.container, "detach");
    }
    client->close();
    co_return ok();
}

} // namespace

net::Task<Result<void>> attach_container(Call& call) {
    CO_TRY_LET(prepared, co_await prepare(call));
    const bool terminal = prepared.container->config.tty;
    CO_TRY_LET(client, co_await call.hijack(terminal));
    co_return co_await serve(call, std::move(prepared), std::move(client), !terminal);
}

net::Task<Result<void>> attach_container_websocket(Call& call) {
    if (!net::wants_websocket(call.exchange.request())) {
        co_return invalid("this operation needs a WebSocket");
    }
    CO_TRY_LET(prepared, co_await prepare(call));
    CO_TRY_LET(client, co_await net::accept_websocket(call.exchange));
    co_return co_await serve(call, std::move(prepared), std::move(client), false);
}

} // namespace shoal::api
