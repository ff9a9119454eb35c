// GET /_ping, /version, /info: is it there, what is it, how is it.
#include "api/call.h"
#include "api/daemon.h"
#include "api/router.h"
#include "api/swarm_calls.h"
#include "api/swarm_info.h"
#include "api/system_info.h"
#include "engine/engine.h"
#include "engine/registries.h"
#include "net/pool.h"
#include "os/file.h"

namespace shoal::api {

net::Task<Result<void>> get_events(Call& call);     // events.cpp
net::Task<Result<void>> get_disk_usage(Call& call); // disk_usage.cpp

namespace {

net::Task<Result<void>> ping(Call& call) {
    call.set_header("Cache-Control", "no-cache, no-store, must-revalidate");
    call.set_header("Pragma", "no-cache");
    call.set_header("Builder-Version", "2");
    call.set_header("Swarm", swarm_header(standing_of(call)));
    const bool head = call.exchange.request().method == "HEAD";
    return call.text(200, head ? "" : "OK");
}

using Programs = std::map<std::string, ProgramVersion>;

Programs load_programs(const std::string& runtime, const std::string& runtime_path) {
    Programs programs;
    programs[runtime] = load_program_version(runtime_path);
    return programs;
}

/// Asked once: a program's version does not change often enough to pay for it at every info.
net::Task<void> ensure_programs(Daemon& daemon) {
    if (!daemon.programs.empty()) { co_return; }
    const auto runtime = daemon.settings.default_runtime;
    const auto entry = daemon.settings.runtimes.find(runtime);
    const auto path = entry == daemon.settings.runtimes.end() ? runtime : entry->second.path;
    auto job = [runtime, path] { return load_programs(runtime, path); };
    daemon.programs = co_await daemon.engine.env.pool.run(std::move(job));
}

net::Task<Result<void>> version(Call& call) {
    co_await ensure_programs(call.daemon);
    auto document = version_document(call.daemon.facts, call.daemon.programs,
                                     call.daemon.settings.min_api_version);
    co_return co_await call.json(200, std::move(document));
}

int count_open_files() {
    auto entries = os::list_directory("/proc/self/fd");
    return entries ? static_cast<int>(entries->size()) : 0;
}

net::Task<Result<void>> info(Call& call) {
    auto& daemon = call.daemon;
    co_await ensure_programs(daemon);
    daemon.facts.ipv4_forwarding = load_ipv4_forwarding(); // the engine turns it on
    InfoValues values{daemon.settings, daemon.facts};
    values.programs = daemon.programs;
    values.id = daemon.id;
    values.now = daemon.clock.now();
    const auto counts = call.engine.containers.counts();
    values.running = counts.running;
    values.paused = counts.paused;
    values.stopped = counts.stopped;
    values.images = static_cast<int>(call.engine.images.count());
    values.open_files = count_open_files();
    values.event_listeners = daemon.event_listeners;
    values.backing_file_system = daemon.backing_file_system;
    values.proxies = engine::proxies_of(daemon.settings);
    values.warnings = info_warnings(daemon.facts, daemon.insecure_hosts);
    const auto standing = standing_of(call);
    const auto* store = daemon.swarm == nullptr ? nullptr : daemon.swarm->store();
    values.swarm = swarm_info_document(standing, store);
    for (auto& warning : swarm_warnings(standing, store)) {
        values.warnings.push_back(std::move(warning));
    }
    auto document = info_document(values);
    if (call.version < 149) { // older clients print a warning where it differs from ID
        for (const char* name : {"ContainerdCommit", "RuncCommit", "InitCommit"}) {
            document[name]["Expected"] = document[name]["ID"];
        }
    }
    co_return co_await call.json(200, std::move(document));
}

} // namespace

void add_system_routes(Router& router) {
    router.add("GET", "/_ping", Right::Ping, ping);
    router.add("HEAD", "/_ping", Right::Ping, ping);
    router.add("GET", "/version", Right::Ping, version);
    router.add("GET", "/info", Right::Read, info);
    router.add("GET", "/events", Right::Stream, get_events);
    router.add("GET", "/system/df", Right::Read, get_disk_usage);
}

} // namespace shoal::api
