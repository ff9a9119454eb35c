// The operations on execs: programs run inside a container that is already there.
#include "api/container_handlers.h"
#include "api/create_shaping.h"
#include "api/router.h"
#include "api/stream_pump.h"
#include "container/config_codec.h"
#include "engine/engine.h"

namespace shoal::api {

namespace {

struct ExecStart {
    bool detach = false;
    bool tty = false;
    std::vector<std::uint32_t> console_size; ///< {} or {height, width}
};
template <class V> void describe(V& v, ExecStart& start) {
    v("Detach", start.detach);
    v("Tty", start.tty);
    v("ConsoleSize", start.console_size);
}

net::Task<Result<void>> create_exec(Call& call) {
    CO_TRY_LET(config, co_await call.body<container::ExecConfig>());
    if (config.cmd.empty()) { co_return invalid("No exec command specified"); }
    if (!config.detach_keys.empty()) { CO_TRY(detach_key_bytes(config.detach_keys)); }
    shape_exec(config, call.version);
    CO_TRY_LET(container, named_container(call));
    CO_TRY_LET(id, co_await call.engine.containers.exec_create(container->id, std::move(config)));
    call.note(id.text());
    Json document{{"Id", id.text()}};
    co_return co_await call.json(201, std::move(document));
}

/// What would make the start fail is said while there can still be a status.
Result<void> check_startable(Call& call, const engine::Exec& exec) {
    TRY_LET(container, call.engine.containers.find(exec.container.text()));
    if (exec.exit_code) { return conflict("exec process has already run"); }
    if (exec.started) { return conflict("exec command " + exec.id.text() + " is already running"); }
    if (container->state.status == engine::Status::Paused) {
        return conflict("container " + container->id.text() +
                        " is paused, unpause the container before exec");
    }
    if (container->state.status != engine::Status::Running) {
        return conflict("container " + container->id.text() + " is not running");
    }
    return ok();
}

net::Task<Result<void>> serve_exec(Call& call, engine::ExecPtr exec, ExecStart start) {
    const std::string keys_text = exec->config.detach_keys.empty()
                                      ? std::string(detach_keys_default)
                                      : exec->config.detach_keys;
    CO_TRY_LET(keys, detach_key_bytes(keys_text));
    const ContainerId container_id = exec->container;
    CO_TRY_LET(container, call.engine.containers.find(container_id.text()));
    CO_TRY_LET(client, co_await call.hijack(start.tty));
    auto attachment =
        co_await call.engine.containers.exec_start(exec->id, false, start.tty, start.console_size);
    if (!attachment) {
        // Docker says it where the program would have spoken; the exit code of the exec tells
        // programs.
        std::string text = attachment.error().message + "\r\n";
        if (!start.tty) { text = frame(StreamKind::Stdout, text); }
        const net::Until until;
        CO_TRY(co_await client->write_all(text, until));
        CO_TRY(co_await client->shutdown_write(until));
        co_return ok();
    }
    StreamPump::Options options;
    options.framed = !start.tty;
    options.input = exec->config.attach_stdin;
    if (start.tty) { options.detach_keys = keys; }
    StreamPump pump(call.engine.env.loop, *client, **attachment, std::move(options));
    const auto ended = co_await pump.run();
    if (ended == StreamPump::Ended::Detached) {
        publish_container_event(call, *container, "exec_detach",
                                Labels{{"execID", exec->id.text()}});
    }
    client->close();
    co_return ok();
}

net::Task<Result<void>> start_exec(Call& call) {
    CO_TRY_LET(start, co_await call.body_or_default<ExecStart>());
    if (call.version < 142) { start.console_size.clear(); }
    if (!start.console_size.empty() && start.console_size.size() != 2) {
        co_return invalid("ConsoleSize: expected height and width");
    }
    CO_TRY_LET(exec, call.engine.containers.find_exec(call.param("id")));
    CO_TRY(check_startable(call, *exec));
    if (!start.detach) { co_return co_await serve_exec(call, exec, start); }
    CO_TRY_LET(none, co_await call.engine.containers.exec_start(exec->id, true, start.tty,
                                                                start.console_size));
    (void)none;
    co_return co_await call.empty(200);
}

net::Task<Result<void>> resize_exec(Call& call) {
    CO_TRY_LET(exec, call.engine.containers.find_exec(call.param("id")));
    CO_TRY_LET(size, window_size(call));
    CO_TRY(co_await call.engine.containers.exec_resize(exec->id, size.height, size.width));
    co_return co_await call.empty(200);
}

Json process_config(const container::ExecConfig& config) {
    Json row;
    row["tty"] = config.tty;
    row["entrypoint"] = config.cmd.empty() ? "" : config.cmd.front();
    row["arguments"] =
        config.cmd.empty()
            ? Json::array()
            : Json(std::vector<std::string>(config.cmd.begin() + 1, config.cmd.end()));
    row["privileged"] = config.privileged;
    if (!config.user.empty()) { row["user"] = config.user; }
    return row;
}

net::Task<Result<void>> inspect_exec(Call& call) {
    CO_TRY_LET(exec, call.engine.containers.find_exec(call.param("id")));
    Json row;
    row["ID"] = exec->id.text();
    row["Running"] = exec->running;
    row["ExitCode"] = exec->exit_code ? Json(*exec->exit_code) : Json(nullptr);
    row["ProcessConfig"] = process_config(exec->config);
    row["OpenStdin"] = exec->config.attach_stdin;
    row["OpenStderr"] = exec->config.attach_stderr;
    row["OpenStdout"] = exec->config.attach_stdout;
    row["CanRemove"] = false; // Docker's collector sets it just before it forgets the exec
    row["ContainerID"] = exec->container.text();
    row["DetachKeys"] = base64(*parse_detach_keys(exec->config.detach_keys));
    row["Pid"] = exec->pid;
    co_return co_await call.json(200, std::move(row));
}

} // namespace

void add_exec_routes(Router& router) {
    router.add("POST", "/containers/{name:.*}/exec", Right::Exec, create_exec);
    router.add("POST", "/exec/{id}/start", Right::Exec, start_exec);
    router.add("POST", "/exec/{id}/resize", Right::Exec, resize_exec);
    router.add("GET", "/exec/{id}/json", Right::Read, inspect_exec);
}

} // namespace shoal::api
