// attach: our terminal on the main process of a container that runs.
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/support.h"
#include "cli/wait.h"

namespace shoal::cli {
namespace {

using client::part;

constexpr Flag attach_flags[] = {
    {"detach-keys", 0, Kind::Text, "Keys that leave the container without ending it"},
    {"no-stdin", 0, Kind::Bool, "Do not attach STDIN"},
    {"sig-proxy", 0, Kind::Bool, "Hand the signals that arrive on to the process", "true"},
};

Result<void> check_state(const Json& container) {
    const Json& state = container["State"];
    if (!state.value("Running", false)) {
        return invalid("You cannot attach to a stopped container, start it first");
    }
    if (state.value("Paused", false)) {
        return invalid("You cannot attach to a paused container, unpause it first");
    }
    if (state.value("Restarting", false)) {
        return invalid("You cannot attach to a restarting container, wait until it is running");
    }
    return ok();
}

net::Task<Result<int>> run_attached(App* app, client::Client* client, SessionOptions options,
                                    std::string name, DetachChoice keys) {
    net::Until never;
    const std::string path = "/containers/" + part(name);
    net::Query query = {{"stream", "1"}, {"stdout", "1"}, {"stderr", "1"}};
    if (options.input) { query.emplace_back("stdin", "1"); }
    if (!keys.text.empty()) { query.emplace_back("detachKeys", keys.text); }
    ExitWait exit(*client, name, WaitFor::Stopped);
    CO_TRY(co_await exit.begin());
    Session session(*app, *client, options);
    session.follow_signals(path + "/kill");
    CO_TRY_LET(connection,
               co_await client->hijack_async(client::post(path + "/attach", query), never));
    // It may have ended meanwhile: then nothing would ever come.
    CO_TRY_LET(container, co_await client->json_async(client::get(path + "/json"), never));
    CO_TRY(check_state(container));
    session.begin(std::move(connection));
    session.redraw_window(path + "/resize");
    CO_TRY_LET(end, co_await session.end());
    if (end == SessionEnd::Detached) { co_return invalid("read escape sequence"); }
    co_return co_await exit.code();
}

Result<int> attach(App& app, const Parsed& parsed) {
    const std::string& name = parsed.words[0];
    TRY_LET(client, app.client());
    TRY_LET(container, client->json(client::get("/containers/" + part(name) + "/json")));
    TRY(check_state(container));
    const Json& config = container["Config"];
    SessionOptions options;
    options.tty = config.value("Tty", false);
    const bool wants_input = !parsed.on("no-stdin");
    TRY(check_input_terminal(wants_input, options.tty));
    options.input = wants_input && config.value("OpenStdin", false);
    options.proxy_signals = parsed.on("sig-proxy", true) && !options.tty;
    TRY_LET(keys, detach_keys_of(app, parsed));
    options.detach_keys = keys.bytes;
    return net::run_task(app.loop(), run_attached(&app, client, options, name, keys));
}

} // namespace

const Command attach_command{
    "[OPTIONS] CONTAINER",
    "Attach local standard input, output, and error streams to a running container",
    attach_flags,
    attach,
    {1, 1},
    "container attach, attach"};

} // namespace shoal::cli
