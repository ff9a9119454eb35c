// exec: a further process in a container that runs, with our terminal on it.
#include "cli/commands.h"
#include "cli/run_options.h"
#include "cli/session.h"
#include "cli/support.h"

#include <unistd.h>

namespace shoal::cli {
namespace {

using client::part;

constexpr int daemon_gone = 255;

constexpr Flag exec_flags[] = {
    {"detach", 'd', Kind::Bool, "Run the command in the background"},
    {"detach-keys", 0, Kind::Text, "Keys that leave the command without ending it"},
    {"env", 'e', Kind::List, "Set environment variables", "", "", check_env, false, 125},
    {"env-file", 0, Kind::List, "Read environment variables from a file", "", "", nullptr, false,
     125},
    {"interactive", 'i', Kind::Bool, "Keep STDIN open even if not attached"},
    {"privileged", 0, Kind::Bool, "Give the command all privileges"},
    {"tty", 't', Kind::Bool, "Give the command a terminal"},
    {"user", 'u', Kind::Text, "User name or UID (<name|uid>[:<group|gid>])"},
    {"workdir", 'w', Kind::Text, "Working directory in the container", "", "", nullptr, false, 135},
};

struct Exec {
    App& app;
    client::Client& client;
    std::string id;
    SessionOptions session;
    Json start; ///< body of the start request
};

/// The code of the command, or -1 (255) when the daemon has gone away meanwhile.
net::Task<Result<int>> exit_code(Exec* self) {
    net::Until never;
    auto exec = co_await self->client.json_async(client::get("/exec/" + self->id + "/json"), never);
    if (!exec && client::is_unreachable(exec.error())) { co_return daemon_gone; }
    if (!exec) { co_return std::move(exec).error(); }
    co_return static_cast<int>(number_of(*exec, "ExitCode"));
}

net::Task<Result<int>> run_attached(Exec* self) {
    net::Until never;
    const std::string path = "/exec/" + self->id;
    Session session(self->app, self->client, self->session);
    CO_TRY_LET(connection, co_await self->client.hijack_async(
                               client::post(path + "/start", {}, self->start), never));
    session.begin(std::move(connection));
    session.follow_window(path + "/resize");
    CO_TRY_LET(end, co_await session.end());
    if (end == SessionEnd::Detached) { co_return invalid("read escape sequence"); }
    co_return co_await exit_code(self);
}

Json exec_body(const Parsed& parsed, const std::vector<std::string>& environment,
               const std::string& detach_keys) {
    const bool attached = !parsed.on("detach");
    Json body{{"User", parsed.text("user")},
              {"Privileged", parsed.on("privileged")},
              {"Tty", parsed.on("tty")},
              {"AttachStdin", attached && parsed.on("interactive")},
              {"AttachStderr", attached},
              {"AttachStdout", attached},
              {"DetachKeys", detach_keys},
              {"WorkingDir", parsed.text("workdir")},
              {"Cmd", std::vector<std::string>(parsed.words.begin() + 1, parsed.words.end())}};
    if (!environment.empty()) { body["Env"] = environment; }
    const WindowSize window = window_size(STDOUT_FILENO);
    if (window.rows != 0 && parsed.on("tty")) {
        body["ConsoleSize"] = {window.rows, window.columns};
    }
    return body;
}

Result<int> exec(App& app, const Parsed& parsed) {
    TRY_LET(environment, read_env(parsed.all("env-file"), parsed.all("env")));
    TRY_LET(keys, detach_keys_of(app, parsed));
    TRY_LET(client, app.client());
    const std::string path = "/containers/" + part(parsed.words[0]);
    // Before anything is made: a container that is not there is a better error than a terminal that
    // is not.
    TRY_LET(container, client->json(client::get(path + "/json")));
    (void)container;
    const bool detached = parsed.on("detach");
    const bool tty = parsed.on("tty");
    const bool input = !detached && parsed.on("interactive");
    TRY(check_input_terminal(input, tty));
    Json body = exec_body(parsed, environment, keys.text);
    TRY_LET(made, client->json(client::post(path + "/exec", {}, body)));
    Exec run{app, *client, text_of(made, "Id"), {}, Json{{"Detach", detached}, {"Tty", tty}}};
    if (run.id.empty()) { return internal("exec ID empty"); }
    if (body.contains("ConsoleSize")) { run.start["ConsoleSize"] = body["ConsoleSize"]; }
    if (detached) {
        TRY(client->call(client::post("/exec/" + run.id + "/start", {}, run.start)));
        return 0;
    }
    run.session.input = input;
    run.session.tty = tty;
    run.session.detach_keys = keys.bytes;
    return net::run_task(app.loop(), run_attached(&run));
}

} // namespace

const Command exec_command{"[OPTIONS] CONTAINER COMMAND [ARG...]",
                           "Execute a command in a running container",
                           exec_flags,
                           exec,
                           {2},
                           "container exec, exec",
                           "",
                           true};

} // namespace shoal::cli
