#include "registry/server/server.h"

#include "base/text.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "net/systemd.h"
#include "net/unix_signals.h"
#include "os/clock.h"
#include "os/file.h"
#include "registry/server/access_log.h"
#include "registry/server/cache.h"
#include "registry/server/commands.h"
#include "registry/server/http.h"
#include "registry/server/meters.h"
#include "registry/server/page_lists.h"
#include "registry/server/serve_tls.h"
#include "registry/server/users_command.h"

#include "net/pool.h"

#include <csignal>
#include <iostream>
#include <malloc.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::registry {
namespace {

constexpr std::size_t pool_threads_max = 16;
constexpr std::size_t page_threads_max = 2;
constexpr auto look_interval = std::chrono::seconds(10); ///< at certificate files and the disk
constexpr auto first_collection_after = std::chrono::minutes(10);

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

void set_up_log() {
    auto logger = std::make_shared<spdlog::logger>(
        "registry", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%f%z %l %v");
    spdlog::set_default_logger(std::move(logger));
}

std::string shown_name(const ServeSettings& settings) {
    if (settings.names.empty()) { return settings.address; }
    return settings.names.front() + settings.address.substr(settings.address.rfind(':'));
}

/// Everything of one running registry, in the order in which it is made.
class Running {
  public:
    Running(net::Loop& loop, ServeSettings settings, std::vector<std::string> args,
            ProxySettings proxy)
        : loop_(loop), settings_(std::move(settings)), args_(std::move(args)),
          proxy_(std::move(proxy)), pool_(loop, pool_threads_max),
          page_pool_(loop, page_threads_max), service_{.loop = loop,
                                                       .pool = pool_,
                                                       .page_pool = page_pool_,
                                                       .meters = meters_,
                                                       .clock = clock_,
                                                       .random = random_},
          signals_(loop, {SIGTERM, SIGINT, SIGHUP}), scope_(loop) {}

    net::Task<int> run() {
        auto begun = co_await begin();
        if (!begun) {
            spdlog::critical("failed to start the registry: {}", begun.error().message);
            if (cache_) { co_await cache_->close(); }
            co_await scope_.close();
            co_return 1;
        }
        co_await serve_signals();
        co_await end();
        co_return 0;
    }

  private:
    net::Task<Result<void>> begin() {
        CO_TRY_LET(place, parse_host_port(settings_.address));
        CO_TRY_LET(listener, net::Listener::listen_tcp(loop_, place.host, place.port));
        CO_TRY(prepare_storage());
        CO_TRY(prepare_cache());
        CO_TRY(prepare_access());
        CO_TRY(prepare_tls());
        CO_TRY(open_access_log());
        fill_service(listener->port());
        CO_TRY(serve_metrics());
        const std::string text = listener->text();
        server_.emplace(
            loop_, [this](net::Exchange& exchange) { return answer_request(service_, exchange); },
            settings_.server, on_server_error);
        server_->serve(std::move(listener), tls_);
        scope_.spawn(look_now_and_then());
        scope_.spawn(collect_now_and_then());
        malloc_trim(0);
        spdlog::info("registry listens on {}{}{}", text, tls_ ? " with TLS" : " without TLS",
                     settings_.open ? ", open to everybody on this machine" : "");
        (void)net::notify_systemd("READY=1\nMAINPID=" + std::to_string(getpid()));
        co_return ok();
    }

    Result<void> prepare_storage() {
        TRY(os::ensure_directory(settings_.root));
        TRY(os::ensure_directory(settings_.private_directory(), 0700));
        TRY_LET(store,
                Store::open({settings_.root, settings_.store, settings_.quotas}, clock_, random_));
        service_.store = store;
        service_.page_lists = std::make_shared<PageLists>(store, clock_);
        return ok();
    }

    Result<void> prepare_cache() {
        TRY_LET(upstreams, parse_upstreams(settings_.upstreams));
        if (upstreams.empty()) { return ok(); }
        CacheOptions options;
        options.root = settings_.cache_directory();
        options.upstreams = std::move(upstreams);
        options.hosts.certificate_directories = {"/etc/shoal/certs.d", "/etc/docker/certs.d"};
        options.hosts.proxy = proxy_;
        options.bytes_max = settings_.cache_bytes_max;
        options.metrics = &meters_.metrics();
        TRY_LET(cache, Cache::create(loop_, pool_, clock_, std::move(options)));
        cache_ = std::move(cache);
        service_.cache = cache_.get();
        cache_->start();
        return ok();
    }

    Result<void> prepare_access() {
        if (!settings_.open && !settings_.access.ldap) {
            const std::string name(first_admin);
            TRY_LET(password, ensure_first_admin(settings_.access.htpasswd_file, name, random_));
            if (!password.empty()) {
                std::cerr << "\nThere was no user yet. The first one is " << name
                          << " with the password\n\n    " << password
                          << "\n\nIt is shown only now; `shoald registry user passwd " << name
                          << "` changes it.\n\n";
            }
        }
        TRY_LET(access, Access::create(settings_.access, loop_, pool_, clock_, random_));
        service_.access = access;
        return ok();
    }

    Result<void> prepare_tls() {
        if (transport_of(settings_) == Transport::Plain) { return ok(); }
        TRY_LET(made, prepare_certificate(settings_, clock_.now(), Moment::Start).with("TLS"));
        log_made(made);
        if (!made.instructions.empty()) { std::cerr << "\n" << made.instructions << "\n"; }
        if (!made.warning.empty()) { spdlog::warn("TLS: {}", made.warning); }
        TRY_LET(tls, net::TlsServer::create(made.files, net::ClientCertificates::Ignore));
        tls_ = tls;
        tls_files_ = made.files;
        tls_stamp_ = stamp_of(made.files);
        return ok();
    }

    Result<void> open_access_log() {
        if (settings_.access_log == "off") { return ok(); }
        TRY_LET(log, AccessLog::open(loop_, clock_, settings_.access_log));
        access_log_ = std::move(log);
        return ok();
    }

    void fill_service(std::uint16_t port) {
        service_.http = settings_.http;
        service_.http.tls = tls_ != nullptr;
        service_.access_log = access_log_.get();
        service_.name = shown_name(settings_);
        service_.names = settings_.names;
        if (service_.name.ends_with(":0")) {
            service_.name.resize(service_.name.size() - 1);
            service_.name += std::to_string(port);
        }
    }

    Result<void> serve_metrics() {
        if (settings_.metrics_addr.empty()) { return ok(); }
        TRY_LET(place, parse_host_port(settings_.metrics_addr));
        TRY_LET(listener,
                net::Listener::listen_tcp(loop_, place.host, place.port).with("metrics-addr"));
        spdlog::info("metrics listen on {}", listener->text());
        metrics_server_.emplace(
            loop_,
            [this](net::Exchange& exchange) { return answer_metrics_request(service_, exchange); },
            settings_.server, on_server_error);
        metrics_server_->serve(std::move(listener));
        return ok();
    }

    net::Task<void> serve_signals() {
        while (true) {
            auto signal = co_await signals_.next({});
            if (!signal) { co_return; }
            if (*signal != SIGHUP) {
                spdlog::info("shutting down: uploads under way have {} seconds",
                             settings_.shutdown_timeout.count());
                co_return;
            }
            reload();
        }
    }

    void reload() {
        const auto monotonic =
            std::chrono::steady_clock::now().time_since_epoch() / std::chrono::microseconds(1);
        (void)net::notify_systemd("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic));
        const auto done = try_reload();
        if (done) {
            spdlog::info("settings were read again");
        } else {
            spdlog::error("reload: {}; the settings stay as they were", done.error().message);
        }
        (void)net::notify_systemd("READY=1");
    }

    /// What a running server can change; where it listens and what it keeps stay.
    Result<void> try_reload() {
        TRY_LET(line, parse_serve_line(args_, Rest::Refuse));
        ServeSettings& fresh = line.settings;
        const bool other_place =
            fresh.root != settings_.root || fresh.address != settings_.address ||
            fresh.open != settings_.open || transport_of(fresh) != transport_of(settings_);
        if (other_place) {
            return invalid("root, address, open and whether there is TLS need a restart");
        }
        if (fresh.upstreams != settings_.upstreams) { return invalid("upstreams need a restart"); }
        // What can fail comes first: either all of it is new afterwards, or nothing.
        net::TlsFiles files;
        if (tls_) {
            TRY_LET(made, prepare_certificate(fresh, clock_.now(), Moment::Running).with("TLS"));
            log_made(made);
            files = made.files;
            TRY(net::TlsServer::create(files, net::ClientCertificates::Ignore));
        }
        TRY(service_.access->reload(fresh.access));
        if (tls_) { (void)take_certificate(files); } // that it can was tried above
        if (access_log_) {
            const auto opened = access_log_->reopen();
            if (!opened) { spdlog::error("the access log: {}", opened.error().message); }
        }
        service_.store->set_quotas(fresh.quotas);
        if (cache_) { cache_->set_bytes_max(fresh.cache_bytes_max); }
        settings_.quotas = fresh.quotas;
        settings_.gc = fresh.gc;
        settings_.cache_bytes_max = fresh.cache_bytes_max;
        settings_.http.public_url = fresh.http.public_url;
        settings_.http.trust_forwarded = fresh.http.trust_forwarded;
        settings_.http.challenge = fresh.http.challenge;
        settings_.names = fresh.names;
        settings_.tls_cert = fresh.tls_cert;
        settings_.tls_key = fresh.tls_key;
        settings_.shutdown_timeout = fresh.shutdown_timeout;
        service_.http = settings_.http;
        service_.http.tls = tls_ != nullptr;
        service_.names = settings_.names;
        settings_.log_level = fresh.log_level;
        spdlog::set_level(spdlog::level::from_str(settings_.log_level));
        return ok();
    }

    net::Task<void> look_now_and_then() {
        while (!scope_.cancel().cancelled()) {
            meters_.set_connections(server_->connections());
            const std::string root = settings_.root;
            const auto measure = [root] { return os::stat_file_system(root); };
            auto disk = co_await pool_.run(measure);
            if (disk) { meters_.set_disk(disk->bytes, disk->free_bytes); }
            co_await look_at_certificate();
            const net::Until pause(Deadline::in(look_interval), scope_.cancel());
            const net::Wake wake = co_await net::sleep(loop_, pause);
            (void)wake;
        }
    }

    static void log_made(const ServerFiles& files) {
        if (!files.made.empty()) { spdlog::info("TLS: {} was made", files.made); }
    }

    /// Files that somebody replaced are taken; ours are made anew before they end.
    net::Task<void> look_at_certificate() {
        if (!tls_) { co_return; }
        if (transport_of(settings_) == Transport::OwnCertificate) {
            const auto prepare = [settings = settings_, now = clock_.now()] {
                return prepare_certificate(settings, now, Moment::Running);
            };
            auto made = co_await pool_.run(prepare);
            if (made) { log_made(*made); }
            std::string trouble = made ? "" : made.error().message;
            if (!trouble.empty() && trouble != tls_trouble_) { spdlog::error("TLS: {}", trouble); }
            tls_trouble_ = std::move(trouble);
        }
        take_other_certificate();
    }

    void take_other_certificate() {
        const std::string stamp = stamp_of(tls_files_);
        if (stamp.empty() || stamp == tls_stamp_) { return; }
        if (take_certificate(tls_files_)) { spdlog::info("the certificate was read again"); }
    }

    bool take_certificate(net::TlsFiles files) {
        tls_files_ = std::move(files);
        tls_stamp_ = stamp_of(tls_files_);
        const auto done = tls_->reload(tls_files_);
        if (!done) {
            spdlog::error("TLS: {}; the certificate stays as it was", done.error().message);
        }
        return done.has_value();
    }

    net::Task<void> collect_now_and_then() {
        auto after = std::min<std::chrono::seconds>(settings_.gc.every, first_collection_after);
        while (!scope_.cancel().cancelled()) {
            const bool scheduled = settings_.gc.every.count() > 0;
            const net::Until pause(Deadline::in(scheduled ? after : look_interval),
                                   scope_.cancel());
            const net::Wake wake = co_await net::sleep(loop_, pause);
            if (wake == net::Wake::Cancelled) { co_return; }
            if (!scheduled) { continue; }
            after = settings_.gc.every;
            co_await collect();
        }
    }

    net::Task<void> collect() {
        const auto job = [store = service_.store, options = settings_.gc.options] {
            return collect_garbage(*store, options);
        };
        auto report = co_await pool_.run(job);
        if (!report) {
            meters_.count_failed_collection();
            spdlog::error("collection: {}", report.error().message);
            co_return;
        }
        meters_.count_collection(report->freed_bytes, report->removed_blobs.size());
        spdlog::info("collection: {} tags, {} manifests, {} blobs, {} uploads removed, {} freed",
                     report->removed_tags.size(), report->removed_manifests.size(),
                     report->removed_blobs.size(), report->removed_uploads,
                     human_size(static_cast<double>(report->freed_bytes)));
    }

    /// A second signal does not wait any longer.
    net::Task<void> hurry() {
        auto signal = co_await signals_.next(scope_.cancel());
        if (!signal) { co_return; }
        spdlog::warn("ended at once");
        _exit(1);
    }

    net::Task<void> end() {
        (void)net::notify_systemd("STOPPING=1");
        scope_.spawn(hurry());
        co_await server_->stop(Deadline::in(settings_.shutdown_timeout));
        if (metrics_server_) {
            co_await metrics_server_->stop(Deadline::in(std::chrono::milliseconds(0)));
        }
        if (cache_) { co_await cache_->close(); }
        co_await scope_.close();
        if (access_log_) { co_await access_log_->close(); }
        spdlog::info("the registry has ended");
    }

    static void on_server_error(std::string what) { spdlog::error("http: {}", what); }

    net::Loop& loop_;
    ServeSettings settings_;
    std::vector<std::string> args_;
    ProxySettings proxy_;
    os::SystemClock clock_;
    os::SystemRandom random_;
    net::Pool pool_;
    net::Pool page_pool_;
    Meters meters_;
    std::unique_ptr<AccessLog> access_log_;
    std::unique_ptr<Cache> cache_;
    Service service_;
    net::UnixSignals signals_;
    std::shared_ptr<net::TlsServer> tls_;
    net::TlsFiles tls_files_;
    std::string tls_stamp_;
    std::string tls_trouble_; ///< that the log has already
    net::TaskScope scope_;
    std::optional<net::HttpServer> server_;
    std::optional<net::HttpServer> metrics_server_;
};

int run_serve(const std::vector<std::string>& args, const ProxySettings& proxy) {
    tune_process();
    auto line = parse_serve_line(args, Rest::Refuse);
    if (!line) {
        std::cerr << "shoald registry serve: " << line.error().message << "\n";
        return 1;
    }
    if (line->help) {
        std::cout << "Usage: shoald registry serve [options]\n\n" << serve_flags_help();
        return 0;
    }
    set_up_log();
    spdlog::set_level(spdlog::level::from_str(line->settings.log_level));
    net::Loop loop;
    Running running(loop, std::move(line->settings), args, proxy);
    return net::run_task(loop, running.run());
}

constexpr std::string_view help_text =
    "Usage: shoald registry COMMAND\n\n"
    "  serve    serve images to push and pull\n"
    "  gc       remove what no tag needs, and what retention rules give up\n"
    "  du       what each repository holds\n"
    "  verify   read everything and compare it with its digest\n"
    "  user     accounts: add, rm, passwd, ls\n"
    "  robot    accounts of machines, with an end: add, rm, ls\n\n"
    "`shoald registry COMMAND --help` tells the options of a command.\n";

} // namespace

int run_registry(const std::vector<std::string>& args, const ProxySettings& proxy) {
    const std::string command = args.empty() ? "--help" : args.front();
    const std::vector<std::string> rest(args.begin() + (args.empty() ? 0 : 1), args.end());
    if (command == "serve") { return run_serve(rest, proxy); }
    using Command = int (*)(const std::vector<std::string>&);
    constexpr std::pair<std::string_view, Command> commands[] = {{"gc", run_gc},
                                                                 {"du", run_du},
                                                                 {"verify", run_verify},
                                                                 {"user", run_user},
                                                                 {"robot", run_robot}};
    for (const auto& [name, run] : commands) {
        if (name == command) { return run(rest); }
    }
    if (command == "--help" || command == "-h" || command == "help") {
        std::cout << help_text;
        return 0;
    }
    std::cerr << "shoald registry: unknown command: " << command << "\n\n" << help_text;
    return 1;
}

} // namespace shoal::registry
