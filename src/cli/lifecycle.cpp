// Commands that change the state of containers that exist.
#include "cli/commands.h"
#include "cli/support.h"

#include "base/text.h"
#include "cli/run_options.h"

#include <fmt/format.h>

namespace shoal::cli {
namespace {

using client::part;

/// POST or DELETE on one container; gives the name back, which is what Docker prints.
net::Task<Result<std::string>> do_one(client::Client* client, client::Request request,
                                      std::string name) {
    net::Until never;
    CO_TRY_LET(done, co_await client->call_async(std::move(request), never));
    (void)done;
    co_return name;
}

Result<int> post_each(App& app, const Parsed& parsed, std::string action, net::Query query) {
    TRY_LET(client, app.connected());
    client::Client* api = client;
    return for_each_name(app, parsed.words, [=](std::string name) {
        return do_one(api, client::post("/containers/" + part(name) + "/" + action, query), name);
    });
}

// --- stop, restart, kill, pause, unpause ---

constexpr Flag stop_flags[] = {
    {"signal", 's', Kind::Text, "Signal to send first", "", "", nullptr, false, 142},
    {"timeout", 't', Kind::Int, "Seconds to wait before the container is killed"},
    {"time", 0, Kind::Int, "Seconds to wait before the container is killed", "", "", nullptr, true},
};

Result<net::Query> stop_query(App& app, const Parsed& parsed) {
    net::Query query;
    auto timeout = parsed.number("timeout");
    if (const auto old = parsed.number("time")) {
        app.line("Flag --time has been deprecated, use --timeout instead");
        if (timeout) {
            return invalid("conflicting options: cannot specify both --timeout and --time");
        }
        timeout = old;
    }
    if (timeout) { query.emplace_back("t", std::to_string(*timeout)); }
    if (parsed.given("signal")) { query.emplace_back("signal", parsed.text("signal")); }
    return query;
}

Result<int> stop(App& app, const Parsed& parsed) {
    TRY_LET(query, stop_query(app, parsed));
    return post_each(app, parsed, "stop", query);
}
Result<int> restart(App& app, const Parsed& parsed) {
    TRY_LET(query, stop_query(app, parsed));
    return post_each(app, parsed, "restart", query);
}

constexpr Flag kill_flags[] = {{"signal", 's', Kind::Text, "Signal to send"}};
Result<int> kill(App& app, const Parsed& parsed) {
    net::Query query;
    if (parsed.given("signal")) { query.emplace_back("signal", parsed.text("signal")); }
    return post_each(app, parsed, "kill", query);
}
Result<int> pause(App& app, const Parsed& parsed) { return post_each(app, parsed, "pause", {}); }
Result<int> unpause(App& app, const Parsed& parsed) {
    return post_each(app, parsed, "unpause", {});
}

// --- rm ---

constexpr Flag rm_flags[] = {
    {"force", 'f', Kind::Bool, "Remove also a running container (it is killed with SIGKILL)"},
    {"link", 'l', Kind::Bool, "Remove the link of this name"},
    {"volumes", 'v', Kind::Bool, "Remove the container's anonymous volumes, too"},
};

net::Task<Result<std::string>> remove_one(client::Client* client, net::Query query,
                                          std::string name) {
    std::string clean = name;
    while (clean.starts_with('/')) { clean.erase(0, 1); }
    if (clean.empty()) { co_return invalid("container name cannot be empty"); }
    net::Until never;
    CO_TRY_LET(done, co_await client->call_async(
                         client::remove("/containers/" + part(clean), query), never));
    (void)done;
    co_return name;
}

Result<int> rm(App& app, const Parsed& parsed) {
    net::Query query;
    if (parsed.on("force")) { query.emplace_back("force", "1"); }
    if (parsed.on("link")) { query.emplace_back("link", "1"); }
    if (parsed.on("volumes")) { query.emplace_back("v", "1"); }
    TRY_LET(client, app.connected());
    client::Client* api = client;
    const bool force = parsed.on("force");
    auto code = for_each_name(app, parsed.words, [=](std::string name) {
        return remove_one(api, query, std::move(name));
    });
    if (!code || !force || *code == 0) { return code; }
    // With --force a container that is not there is no failure: look whether one of them is left.
    for (const auto& name : parsed.words) {
        auto left = api->json(client::get("/containers/" + part(name) + "/json"));
        if (left || left.error().code != Errc::NotFound) { return App::failed; }
    }
    return 0;
}

// --- rename, wait ---

Result<int> rename(App& app, const Parsed& parsed) {
    const std::string& from = parsed.words[0];
    const std::string& to = parsed.words[1];
    if (from.empty() || to.empty()) {
        return invalid("Error: Neither old nor new names may be empty");
    }
    TRY_LET(client, app.client());
    auto done = client->call(client::post("/containers/" + part(from) + "/rename", {{"name", to}}));
    if (done) { return 0; }
    if (client::is_unreachable(done.error())) { return std::move(done).error(); }
    app.error_line(done.error().message);
    return invalid("Error: failed to rename container named " + from);
}

Result<int> wait(App& app, const Parsed& parsed) {
    TRY_LET(client, app.client());
    int code = 0;
    for (const auto& name : parsed.words) {
        auto ended = client->json(client::post("/containers/" + part(name) + "/wait"));
        if (!ended) {
            if (client::is_unreachable(ended.error())) { return std::move(ended).error(); }
            app.error_line(ended.error().message);
            code = App::failed;
            continue;
        }
        app.line(std::to_string(number_of(*ended, "StatusCode")));
        app.flush();
    }
    return code;
}

// --- update ---

constexpr Flag update_flags[] = {
    {"blkio-weight", 0, Kind::Uint16, "Share of block IO, 10 to 1000, or 0 for the default"},
    {"cpu-period", 0, Kind::Int, "Length of a CPU period, microseconds"},
    {"cpu-quota", 0, Kind::Int, "CPU time in a period, microseconds"},
    {"cpu-rt-period", 0, Kind::Int, "Length of a real-time CPU period, microseconds"},
    {"cpu-rt-runtime", 0, Kind::Int, "Real-time CPU time in a period, microseconds"},
    {"cpu-shares", 'c', Kind::Int, "Share of CPU time (relative weight)"},
    {"cpus", 0, Kind::Decimal, "Number of CPUs", "", "", check_cpus},
    {"cpuset-cpus", 0, Kind::Text, "CPUs that may be used (0-3, 0,1)"},
    {"cpuset-mems", 0, Kind::Text, "Memory nodes that may be used (0-3, 0,1)"},
    {"kernel-memory", 0, Kind::Bytes, "Limit of kernel memory (deprecated)", "", "", nullptr, true},
    {"memory", 'm', Kind::Bytes, "Limit of memory"},
    {"memory-reservation", 0, Kind::Bytes, "Soft limit of memory"},
    {"memory-swap", 0, Kind::MemorySwap,
     "Limit of memory and swap together; -1 for unlimited swap"},
    {"pids-limit", 0, Kind::Int, "Limit of processes (-1 for unlimited)"},
    {"restart", 0, Kind::Text, "What to do when the container exits"},
};

Result<Json> update_body(const Parsed& parsed) {
    Json body = Json::object();
    const auto number = [&](std::string_view flag, const char* member) {
        if (const auto value = parsed.number(flag)) { body[member] = *value; }
    };
    const auto size = [&](std::string_view flag, const char* member) {
        if (parsed.given(flag)) { body[member] = parsed.bytes(flag); }
    };
    number("blkio-weight", "BlkioWeight");
    number("cpu-period", "CpuPeriod");
    number("cpu-quota", "CpuQuota");
    number("cpu-rt-period", "CpuRealtimePeriod");
    number("cpu-rt-runtime", "CpuRealtimeRuntime");
    number("cpu-shares", "CpuShares");
    number("pids-limit", "PidsLimit");
    if (parsed.given("cpus")) { body["NanoCpus"] = nano_cpus(parsed.text("cpus")); }
    if (parsed.given("cpuset-cpus")) { body["CpusetCpus"] = parsed.text("cpuset-cpus"); }
    if (parsed.given("cpuset-mems")) { body["CpusetMems"] = parsed.text("cpuset-mems"); }
    size("kernel-memory", "KernelMemory");
    size("memory", "Memory");
    size("memory-reservation", "MemoryReservation");
    size("memory-swap", "MemorySwap");
    if (parsed.given("restart")) {
        TRY_LET(policy, parse_restart(parsed.text("restart")));
        body["RestartPolicy"] = policy;
    }
    return body;
}

net::Task<Result<std::string>> update_one(App* app, client::Client* client, Json body,
                                          std::string name) {
    net::Until never;
    CO_TRY_LET(answer, co_await client->json_async(
                           client::post("/containers/" + part(name) + "/update", {}, body), never));
    for (const Json& warning : list_of(answer, "Warnings")) {
        app->error_line(warning.get<std::string>());
    }
    co_return name;
}

Result<int> update(App& app, const Parsed& parsed) {
    if (parsed.values.empty()) {
        return invalid("you must provide one or more flags when using this command");
    }
    TRY_LET(body, update_body(parsed));
    TRY_LET(client, app.connected());
    client::Client* api = client;
    App* self = &app;
    const Json document = body;
    return for_each_name(app, parsed.words, [=](std::string name) {
        return update_one(self, api, document, std::move(name));
    });
}

} // namespace

const Command stop_command{"[OPTIONS] CONTAINER [CONTAINER...]",
                           "Stop one or more running containers",
                           stop_flags,
                           stop,
                           {1},
                           "container stop, stop"};
const Command restart_command{"[OPTIONS] CONTAINER [CONTAINER...]",
                              "Restart one or more containers",
                              stop_flags,
                              restart,
                              {1},
                              "container restart, restart"};
const Command kill_command{"[OPTIONS] CONTAINER [CONTAINER...]",
                           "Kill one or more running containers",
                           kill_flags,
                           kill,
                           {1},
                           "container kill, kill"};
const Command pause_command{
    "CONTAINER [CONTAINER...]", "Pause all processes within one or more containers", {}, pause, {1},
    "container pause, pause"};
const Command unpause_command{"CONTAINER [CONTAINER...]",
                              "Unpause all processes within one or more containers",
                              {},
                              unpause,
                              {1},
                              "container unpause, unpause"};
const Command rm_command{
    "[OPTIONS] CONTAINER [CONTAINER...]", "Remove one or more containers", rm_flags, rm, {1},
    "container rm, container remove, rm"};
const Command rename_command{"CONTAINER NEW_NAME",      "Rename a container", {}, rename, {2, 2},
                             "container rename, rename"};
const Command wait_command{"CONTAINER [CONTAINER...]",
                           "Wait until one or more containers stop, then print their exit codes",
                           {},
                           wait,
                           {1},
                           "container wait, wait"};
const Command update_command{"[OPTIONS] CONTAINER [CONTAINER...]",
                             "Update the configuration of one or more containers",
                             update_flags,
                             update,
                             {1},
                             "container update, update"};

} // namespace shoal::cli
