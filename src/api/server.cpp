#include "api/server.h"

#include "api/cluster_events.h"
#include "api/daemon.h"
#include "api/dispatch.h"
#include "api/listen.h"
#include "api/log.h"
#include "api/meters.h"
#include "base/text.h"
#include "base/time.h"
#include "build/builder.h"
#include "buildkit/session.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/store.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/systemd.h"
#include "net/unix_signals.h"
#include "node/node.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/lock_file.h"
#include "os/process.h"

#include <csignal>
#include <filesystem>
#include <iostream>
#include <malloc.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::api {
namespace {

using engine::Settings;

constexpr std::size_t pool_threads_max = 16;
constexpr std::size_t storage_threads_max = 32;

Result<std::string> read_config(const std::string& path) { return os::read_file(path, 1 << 20); }

/// Small and steady: few malloc arenas, since the loop does nearly all of the work; all descriptors
/// we may have.
void tune_process() {
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 256 * 1024);
    std::signal(SIGPIPE, SIG_IGN);
    umask(0022);
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

Result<void> adjust_oom_score(int score) {
    if (score == 0) { return ok(); }
    return os::write_kernel_file("/proc/self/oom_score_adj", std::to_string(score))
        .with("oom-score-adjust");
}

/// The installation's own id, a UUID, made at the first start.
Result<std::string> ensure_daemon_id(const std::string& data_root, Random& random) {
    const auto path = data_root + "/engine-id";
    auto text = os::read_file(path, 128);
    if (text && !trim(*text).empty()) { return std::string(trim(*text)); }
    auto hex = random.hex(16);
    hex[12] = '4'; // RFC 4122: random
    hex[16] = "89ab"[static_cast<unsigned char>(hex[16]) % 4];
    const auto id = hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
                    hex.substr(16, 4) + "-" + hex.substr(20);
    TRY(os::write_file_atomic(path, id + "\n", {.mode = 0600, .sync = os::Sync::Yes}));
    return id;
}

struct Places {
    os::LockFile lock;
    os::PidFile pid_file;
};
Result<Places> take_places(const Settings& settings) {
    Places places;
    TRY(os::ensure_directory(settings.data_root, 0710));
    TRY(os::ensure_directory(settings.exec_root, 0711));
    TRY_LET(lock, os::LockFile::acquire(settings.data_root + "/lock")
                      .with("another daemon uses this data-root"));
    places.lock = std::move(lock);
    if (!settings.pidfile.empty()) {
        TRY_LET(pid_file, os::PidFile::create(settings.pidfile));
        places.pid_file = std::move(pid_file);
    }
    return places;
}

void add_routes(Router& router) {
    add_system_routes(router);
    add_absent_routes(router);
    add_volume_routes(router);
    add_image_routes(router);
    add_registry_routes(router);
    add_build_routes(router);
    add_build_session_routes(router);
    add_buildkit_routes(router);
    add_container_routes(router);
    add_exec_routes(router);
    add_network_routes(router);
    add_swarm_routes(router);
}

/// Everything of one running daemon, in the order in which it is made.
class Running {
  public:
    Running(net::Loop& loop, Settings& settings, engine::Store& store,
            std::vector<std::string> args)
        : loop_(loop), settings_(settings), args_(std::move(args)), pool_(loop, pool_threads_max),
          storage_pool_(loop, storage_threads_max, net::Pool::AtEnd::Leave),
          events_(loop, clock_), env_{loop,   pool_,   storage_pool_, settings,
                                      clock_, random_, store,         events_},
          engine_(env_), builder_(engine_),
          sessions_(loop, pool_), daemon_{engine_, builder_, sessions_, settings, clock_, meters_},
          dispatcher_(daemon_, router_), signals_(loop, {SIGTERM, SIGINT, SIGHUP, SIGUSR1}),
          scope_(loop) {
        add_routes(router_);
    }

    net::Task<int> run() {
        auto begun = co_await begin();
        if (!begun) {
            spdlog::critical("failed to start daemon: {}", begun.error().message);
            co_return 1;
        }
        co_await serve_signals();
        co_await end();
        co_return 0;
    }

  private:
    net::Task<Result<void>> begin() {
        CO_TRY_LET(endpoints,
                   open_endpoints(loop_, settings_)); // clients wait in the backlog from here on
        CO_TRY(prepare_daemon(endpoints));
        CO_TRY(
            make_node()); // containers that start with the engine may need the cluster's networks
        CO_TRY(co_await engine_.start());
        CO_TRY(co_await builder_.start());
        co_await node_->start();
        tls_ = endpoints.tls;
        for (auto& endpoint : endpoints.all) {
            server_.serve(std::move(endpoint.listener), endpoint.tls);
        }
        CO_TRY(serve_metrics());
        scope_.spawn(count_events());
        malloc_trim(0);
        spdlog::info("Daemon has completed initialization");
        (void)net::notify_systemd("READY=1\nSTATUS=serving\nMAINPID=" + std::to_string(getpid()));
        co_return ok();
    }

    Result<void> prepare_daemon(Endpoints& endpoints) {
        TRY_LET(id, ensure_daemon_id(settings_.data_root, random_));
        daemon_.id = id;
        daemon_.facts = load_host_facts();
        daemon_.started = clock_.now();
        daemon_.insecure_hosts = endpoints.insecure_hosts;
        const auto file_system = os::stat_file_system(settings_.data_root);
        if (file_system) { daemon_.backing_file_system = file_system->name; }
        meters_.describe_daemon(daemon_.facts, daemon_.id);
        return ok();
    }

    Result<void> make_node() {
        node::NodeSettings settings;
        settings.directory = settings_.data_root + "/swarm";
        TRY_LET(node, node::Node::create(engine_, std::move(settings)));
        node_ = std::move(node);
        node_->on_changes([this](const std::vector<swarm::Change>& changes) {
            for (const swarm::Change& change : changes) {
                auto event = cluster_event(change);
                if (event) { events_.publish(std::move(*event)); }
            }
        });
        node_->on_tunnel(
            [this](net::StreamPtr stream) { server_.serve_stream(std::move(stream)); });
        daemon_.swarm = node_.get();
        return ok();
    }

    Result<void> serve_metrics() {
        if (settings_.metrics_addr.empty()) { return ok(); }
        TRY_LET(host, engine::parse_host("tcp://" + settings_.metrics_addr));
        TRY_LET(listener,
                net::Listener::listen_tcp(loop_, host.host, host.port).with("metrics-addr"));
        spdlog::info("metrics listen on {}", listener->text());
        metrics_server_.serve(std::move(listener));
        return ok();
    }

    net::Task<void> answer_metrics(net::Exchange& exchange) {
        const auto counts = engine_.containers.counts();
        meters_.set_containers(counts.running, counts.paused, counts.stopped);
        meters_.set_network_repairs(engine_.networks.repairs());
        net::Response response;
        const bool known =
            exchange.request().path == "/metrics" && exchange.request().method == "GET";
        response.status = known ? 200 : 404;
        response.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
        response.body = known ? meters_.text() : "page not found\n";
        auto sent = co_await exchange.respond(std::move(response));
        (void)sent;
    }

    net::Task<void> count_events() {
        engine::Events::Subscription subscription(events_);
        net::Until until(scope_.cancel());
        while (true) {
            auto event = co_await subscription.next(until);
            if (!event) { co_return; }
            meters_.count_event();
        }
    }

    net::Task<void> serve_signals() {
        while (true) {
            auto signal = co_await signals_.next({});
            if (!signal) { co_return; }
            if (*signal == SIGHUP) {
                reload();
            } else if (*signal == SIGUSR1) {
                log_state();
            } else {
                spdlog::info("Processing signal '{}'",
                             *signal == SIGTERM ? "terminated" : "interrupt");
                co_return;
            }
        }
    }

    void reload() {
        const auto monotonic =
            std::chrono::steady_clock::now().time_since_epoch() / std::chrono::microseconds(1);
        (void)net::notify_systemd("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic));
        auto done = try_reload();
        if (!done) {
            spdlog::error("reload: {}; the settings stay as they were", done.error().message);
        }
        (void)net::notify_systemd("READY=1");
    }

    Result<void> try_reload() {
        TRY_LET(line, engine::parse_command_line(args_, read_config));
        if (tls_) { TRY(tls_->reload(tls_files(line.settings))); }
        const auto changed = engine::apply_reload(settings_, line.settings);
        set_log_level(settings_);
        daemon_.programs.clear();
        spdlog::info("Reloaded configuration: {}",
                     changed.empty() ? "nothing changed" : join(changed, ", "));
        auto attributes = engine::reload_attributes(settings_);
        attributes["name"] = daemon_.facts.host_name;
        events_.publish({.type = "daemon",
                         .action = "reload",
                         .id = daemon_.id,
                         .attributes = std::move(attributes)});
        return ok();
    }

    void log_state() {
        spdlog::info(
            "state: {} connections, pool {} running {} queued, storage {} running {} queued, {} listeners",
            server_.connections(), pool_.running(), pool_.queued(), storage_pool_.running(),
            storage_pool_.queued(), daemon_.event_listeners);
    }

    /// A second signal does not wait any longer.
    net::Task<void> hurry() {
        auto signal = co_await signals_.next(scope_.cancel());
        if (!signal) { co_return; }
        spdlog::warn("Forcing shutdown");
        _exit(1);
    }

    net::Task<void> end() {
        (void)net::notify_systemd("STOPPING=1");
        scope_.spawn(hurry());
        const bool for_ever = settings_.shutdown_timeout.count() < 0;
        const Deadline deadline =
            for_ever ? Deadline::never() : Deadline::in(settings_.shutdown_timeout);
        // Long streams (attach, events, logs) end now; changes that are under way get a moment to
        // be whole.
        co_await server_.stop(Deadline::in(std::chrono::milliseconds(250)),
                              std::chrono::seconds(5));
        co_await metrics_server_.stop(Deadline::in(std::chrono::milliseconds(0)));
        co_await builder_.stop();
        if (node_) { co_await node_->stop(); }
        co_await engine_.stop(deadline);
        co_await scope_.close();
        spdlog::info("Daemon shutdown complete");
    }

    static void on_server_error(std::string what) { spdlog::error("http: {}", what); }

    net::Loop& loop_;
    Settings& settings_;
    std::vector<std::string> args_;
    os::SystemClock clock_;
    os::SystemRandom random_;
    net::Pool pool_;
    net::Pool storage_pool_;
    engine::Events events_;
    engine::Env env_;
    engine::Engine engine_;
    build::Builder builder_;
    buildkit::Sessions sessions_;
    Meters meters_;
    std::unique_ptr<node::Node> node_;
    Router router_;
    Daemon daemon_;
    Dispatcher dispatcher_;
    net::UnixSignals signals_;
    std::shared_ptr<net::TlsServer> tls_;
    net::TaskScope scope_;
    net::HttpServer server_{
        loop_,
        [this](net::Exchange& exchange) { return dispatcher_.answer(exchange); },
        {},
        on_server_error};
    net::HttpServer metrics_server_{
        loop_,
        [this](net::Exchange& exchange) { return answer_metrics(exchange); },
        {},
        on_server_error};
};

int fail(const Error& problem) {
    std::cerr << "shoald: " << problem.message << "\n";
    return 1;
}

/// The monitor is looked for beside the daemon's own program, then in PATH. A missing one is said
/// at the first start.
std::string default_shim_path() {
    constexpr std::string_view name = "shoal-shim";
    std::error_code ignored;
    const auto beside =
        std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / name;
    if (os::exists(beside.string())) { return beside.string(); }
    return os::find_program(std::string(name)).value_or(beside.string());
}

Result<int> run_with(Settings settings, const std::vector<std::string>& args) {
    TRY(adjust_oom_score(settings.oom_score_adjust));
    if (settings.shim_path.empty()) { settings.shim_path = default_shim_path(); }
    if (settings.init_path.empty()) {
        settings.init_path = settings.shim_path;
    } // one static program, several names
    TRY_LET(places, take_places(settings));
    (void)places;
    TRY_LET(store, engine::Store::open(settings.data_root + "/state.db"));
    net::Loop loop;
    Running running(loop, settings, store, args);
    return net::run_task(loop, running.run());
}

} // namespace

int run_daemon(const std::vector<std::string>& args) {
    tune_process();
    auto line = engine::parse_command_line(args, read_config);
    if (!line) { return fail(line.error()); }
    if (line->help) { return std::cout << engine::command_line_help(), 0; }
    if (line->version) {
        return std::cout << "Shoal version " SHOAL_VERSION ", build " SHOAL_COMMIT "\n", 0;
    }
    if (line->validate) { return std::cout << "configuration OK\n", 0; }
    set_up_log(line->settings);
    spdlog::info("Starting up shoald " SHOAL_VERSION ", build " SHOAL_COMMIT);
    auto status = run_with(std::move(line->settings), args);
    if (!status) { return fail(status.error()); }
    return *status;
}

} // namespace shoal::api
