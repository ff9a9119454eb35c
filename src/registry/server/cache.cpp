#include "registry/server/cache.h"

#include "base/text.h"
#include "blob/hash.h"
#include "metrics/metrics.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "os/file.h"
#include "registry/client/repository.h"
#include "registry/server/cache_files.h"
#include "registry/server/cache_upkeep.h"

#include <algorithm>
#include <fcntl.h>
#include <map>
#include <spdlog/spdlog.h>

namespace shoal::registry {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;
constexpr std::int64_t served_growing_min = 1 << 20; ///< smaller ones fail with words
constexpr std::chrono::seconds manifest_patience{60};
constexpr std::chrono::milliseconds full_pause{500}; ///< fetches come in groups

bool is_digest(const std::string& reference) { return reference.find(':') != std::string::npos; }

StoredManifest stored(ManifestAnswer answer) {
    return {answer.digest, std::move(answer.media_type), std::move(answer.bytes)};
}

/// One fetch of a blob, and all who wait for it.
class Flight final : public Growth {
  public:
    explicit Flight(net::Loop& loop) : changed_(loop) {}
    net::Task<Result<std::uint64_t>> beyond(std::uint64_t offset, net::Until until) override;

    void begin(std::shared_ptr<os::Fd> file, std::int64_t size) {
        file_ = std::move(file);
        size_ = size;
        changed_.raise();
    }
    void add(std::size_t bytes) {
        written_ += bytes;
        changed_.raise();
    }
    void end(Result<void> result) {
        result_ = std::move(result);
        changed_.raise();
    }
    /// It is over, or there is something to serve.
    net::Task<net::Wake> wait(net::Until until);
    bool is_over() const { return result_.has_value(); }
    const Result<void>& result() const { return *result_; }
    /// Nothing when the blob was here under another name.
    const os::Fd* file() const { return file_.get(); }
    std::int64_t size() const { return size_; }

  private:
    net::Signal changed_;
    std::shared_ptr<os::Fd> file_;
    std::int64_t size_ = 0;
    std::uint64_t written_ = 0;
    std::optional<Result<void>> result_;
};

net::Task<net::Wake> Flight::wait(net::Until until) {
    while (!is_over() && !(file_ && size_ >= served_growing_min)) {
        const net::Wake wake = co_await changed_.wait(until);
        if (wake != net::Wake::Raised) { co_return wake; }
    }
    co_return net::Wake::Raised;
}

net::Task<Result<std::uint64_t>> Flight::beyond(std::uint64_t offset, net::Until until) {
    const auto size = static_cast<std::uint64_t>(size_);
    while (true) {
        if (is_over() && !result()) { co_return result().error(); }
        const std::uint64_t readable = is_over() ? size : std::min(written_, size - 1);
        if (readable > offset) { co_return readable; }
        if (is_over()) { co_return internal("a blob is asked for beyond its end"); }
        const net::Wake wake = co_await changed_.wait(until);
        if (wake != net::Wake::Raised) {
            co_return Error{Errc::Cancelled, "nobody waits for the blob any more"};
        }
    }
}

/// What a piece of work on the pool goes on with.
struct Sink {
    std::shared_ptr<os::Fd> file;
    blob::Hasher hasher;
};

struct CacheMeters {
    explicit CacheMeters(metrics::Metrics& all)
        : manifest_hits(reads(all, "manifest", "hit")),
          manifest_misses(reads(all, "manifest", "miss")),
          manifest_stale(reads(all, "manifest", "stale")), blob_hits(reads(all, "blob", "hit")),
          blob_misses(reads(all, "blob", "miss")),
          fetched_bytes(all.counter("shoal_registry_cache_fetched_bytes_total",
                                    "Bytes of blobs that the cache fetched of upstreams")),
          removed_bytes(all.counter("shoal_registry_cache_removed_bytes_total",
                                    "Bytes that the cache has given up")),
          bytes(all.gauge("shoal_registry_cache_bytes", "Bytes that the cache holds")) {}
    static metrics::Counter reads(metrics::Metrics& all, const char* kind, const char* result) {
        return all.counter(
            "shoal_registry_cache_reads_total",
            "Reads of the cache: hit, miss (the upstream was asked), stale (it is away)",
            {{"kind", kind}, {"result", result}});
    }
    metrics::Counter manifest_hits, manifest_misses, manifest_stale, blob_hits, blob_misses;
    metrics::Counter fetched_bytes, removed_bytes;
    metrics::Gauge bytes;
};

class PullThrough final : public Cache {
  public:
    PullThrough(net::Loop& loop, net::Pool& pool, const Clock& clock, CacheOptions options)
        : loop_(loop), pool_(pool), clock_(clock), options_(std::move(options)),
          meters_(*options_.metrics), full_(loop), scope_(loop) {}
    void set_bytes_max(std::int64_t bytes_max) override {
        options_.bytes_max = bytes_max;
        look_again_at_ = 0;
        count_kept(0);
    }
    void start() override { scope_.spawn(tidy_now_and_then()); }
    net::Task<void> close() override { co_await scope_.close(); }
    bool covers(std::string_view name) const override {
        return find_upstream(options_.upstreams, name) != nullptr;
    }
    net::Task<Result<Manifest>> manifest(std::string name, std::string reference) override;
    net::Task<Result<Blob>> blob(std::string name, oci::Digest digest) override;
    net::Task<Result<std::int64_t>> blob_size(std::string name, oci::Digest digest) override;
    net::Task<Result<std::vector<std::string>>> tags(std::string name) override;

  private:
    struct Remote {
        std::shared_ptr<Registry> registry;
        Steady not_before{};
    };

    Result<Repository> repository(const Upstream& upstream, const std::string& name);
    Error failed(const Upstream& upstream, Error error);
    Result<void> check_reachable(const Upstream& upstream);
    net::Until patience();
    net::Task<Result<StoredManifest>> fetch_manifest(const Upstream* upstream, std::string name,
                                                     std::string reference);
    net::Task<Result<StoredManifest>> revalidate(const Upstream* upstream, std::string name,
                                                 std::string tag, oci::Digest known);
    net::Task<Result<Manifest>> manifest_of_tag(const Upstream* upstream, std::string name,
                                                std::string tag);
    net::Task<Result<std::int64_t>> remote_size(const Upstream* upstream, std::string name,
                                                oci::Digest digest);
    net::Task<void> fly(const Upstream* upstream, std::string name, oci::Digest digest,
                        std::shared_ptr<Flight> flight);
    net::Task<Result<void>> fetch_blob(const Upstream* upstream, std::string name,
                                       oci::Digest digest, std::shared_ptr<Flight> flight);
    net::Task<Result<void>> copy_blob(std::unique_ptr<BlobReader> reader, std::string temporary,
                                      oci::Digest digest, std::shared_ptr<Flight> flight);
    std::shared_ptr<const void> lease(const oci::Digest& digest);
    std::set<std::string> leased();
    void count_kept(std::int64_t bytes);
    net::Task<void> tidy();
    net::Task<void> tidy_now_and_then();

    net::Loop& loop_;
    net::Pool& pool_;
    const Clock& clock_;
    CacheOptions options_;
    std::map<std::string, Remote> remotes_; ///< by prefix
    std::map<std::string, std::shared_ptr<Flight>> flights_;
    std::map<std::string, std::weak_ptr<const void>> leases_; ///< by the blob's item
    std::uint64_t fetches_ = 0;
    CacheMeters meters_;
    std::int64_t kept_bytes_ = 0;    ///< as counted at the last tidying, and what came since
    std::int64_t look_again_at_ = 0; ///< bytes, after a tidying that did not reach its goal
    net::Signal full_;
    net::TaskScope scope_;
};

net::Until PullThrough::patience() { return {Deadline::in(manifest_patience), scope_.cancel()}; }

Result<Repository> PullThrough::repository(const Upstream& upstream, const std::string& name) {
    Remote& remote = remotes_[upstream.prefix];
    if (!remote.registry) {
        AuthConfig auth;
        auth.username = upstream.username;
        if (!upstream.password_file.empty()) {
            TRY_LET(text, os::read_file(upstream.password_file, 4096));
            auth.password = std::string(trim(text));
        }
        ClientOptions client;
        client.hosts = options_.hosts;
        client.user_agent = "shoal-registry";
        const std::string text = upstream.url.text();
        std::string domain = text.substr(text.find("://") + 3);
        domain = domain.substr(0, domain.find('/'));
        if (upstream.insecure) { client.hosts.insecure_registries.push_back(domain); }
        TRY_LET(made, Registry::create(loop_, client, domain, std::move(auth), Purpose::Push));
        remote.registry = std::move(made);
    }
    return Repository(remote.registry, remote_path(upstream, name), registry::Purpose::Pull);
}

/// What is not a clear "there is none" makes a new connection and keeps the upstream in peace.
Error PullThrough::failed(const Upstream& upstream, Error error) {
    if (error.code == Errc::NotFound || error.code == Errc::Exhausted) { return error; }
    Remote& remote = remotes_[upstream.prefix];
    remote.registry.reset();
    if (error.code == Errc::Unavailable || error.code == Errc::Timeout) {
        remote.not_before = clock_.steady() + options_.away_pause;
    }
    error.code = Errc::Unavailable;
    return std::move(error).with("upstream of " + upstream.prefix);
}

Result<void> PullThrough::check_reachable(const Upstream& upstream) {
    if (clock_.steady() < remotes_[upstream.prefix].not_before) {
        return Error{Errc::Unavailable, "upstream of " + upstream.prefix + " is away"};
    }
    return ok();
}

net::Task<Result<StoredManifest>>
PullThrough::fetch_manifest(const Upstream* upstream, std::string name, std::string reference) {
    CO_TRY(check_reachable(*upstream));
    CO_TRY_LET(remote, repository(*upstream, name));
    auto answer = co_await remote.manifest(reference, patience());
    if (!answer) { co_return failed(*upstream, std::move(answer).error()); }
    StoredManifest manifest = stored(std::move(*answer));
    const auto save = [root = options_.root, name, manifest] {
        return cache_files::save_manifest(root, name, manifest);
    };
    CO_TRY(co_await pool_.run(save));
    count_kept(static_cast<std::int64_t>(manifest.bytes.size()));
    co_return manifest;
}

net::Task<Result<StoredManifest>> PullThrough::revalidate(const Upstream* upstream,
                                                          std::string name, std::string tag,
                                                          oci::Digest known) {
    CO_TRY(check_reachable(*upstream));
    if (!known.empty()) {
        CO_TRY_LET(remote, repository(*upstream, name));
        auto head = co_await remote.head_manifest(tag, patience());
        if (!head) { co_return failed(*upstream, std::move(head).error()); }
        const auto load = [root = options_.root, name, known] {
            return cache_files::load_manifest(root, name, known);
        };
        if (head->digest == known) {
            auto kept = co_await pool_.run(load);
            if (kept) { co_return std::move(*kept); }
        }
    }
    co_return co_await fetch_manifest(upstream, name, tag);
}

net::Task<Result<Cache::Manifest>> PullThrough::manifest_of_tag(const Upstream* upstream,
                                                                std::string name, std::string tag) {
    const std::string root = options_.root;
    const auto look = [root, name, tag] { return cache_files::load_tag(root, name, tag); };
    auto known = co_await pool_.run(look);
    const oci::Digest digest = known ? known->digest : oci::Digest();
    const auto load = [root, name, digest] {
        return cache_files::load_manifest(root, name, digest);
    };
    if (known && clock_.now() < known->checked + upstream->ttl) {
        auto kept = co_await pool_.run(load);
        if (kept) {
            meters_.manifest_hits.add();
            co_return Manifest{std::move(*kept), false};
        }
    }
    auto fresh = co_await revalidate(upstream, name, tag, digest);
    if (fresh) {
        const cache_files::KnownTag now{fresh->digest, clock_.now()};
        const auto save = [root, name, tag, now] {
            return cache_files::save_tag(root, name, tag, now);
        };
        CO_TRY(co_await pool_.run(save));
        meters_.manifest_misses.add();
        co_return Manifest{std::move(*fresh), false};
    }
    if (fresh.error().code == Errc::NotFound) {
        const auto forget = [root, name, tag] { return cache_files::forget_tag(root, name, tag); };
        CO_TRY(co_await pool_.run(forget));
        co_return std::move(fresh).error();
    }
    if (!known) { co_return std::move(fresh).error(); }
    auto kept = co_await pool_.run(load);
    if (!kept) { co_return std::move(fresh).error(); }
    meters_.manifest_stale.add();
    co_return Manifest{std::move(*kept), true};
}

net::Task<Result<Cache::Manifest>> PullThrough::manifest(std::string name, std::string reference) {
    const Upstream* upstream = find_upstream(options_.upstreams, name);
    ASSERT(upstream != nullptr);
    if (!is_digest(reference)) { co_return co_await manifest_of_tag(upstream, name, reference); }
    CO_TRY_LET(digest, oci::Digest::parse(reference));
    const auto load = [root = options_.root, name, digest] {
        return cache_files::load_manifest(root, name, digest);
    };
    auto kept = co_await pool_.run(load);
    if (kept) {
        meters_.manifest_hits.add();
        co_return Manifest{std::move(*kept), false};
    }
    CO_TRY_LET(fresh, co_await fetch_manifest(upstream, name, reference));
    meters_.manifest_misses.add();
    co_return Manifest{std::move(fresh), false};
}

net::Task<Result<std::int64_t>> PullThrough::remote_size(const Upstream* upstream, std::string name,
                                                         oci::Digest digest) {
    CO_TRY(check_reachable(*upstream));
    CO_TRY_LET(remote, repository(*upstream, name));
    auto size = co_await remote.head_blob(digest, patience());
    if (!size) { co_return failed(*upstream, std::move(size).error()); }
    if (!*size) { co_return Error{Errc::NotFound, "blob unknown to registry: " + digest.text()}; }
    co_return **size;
}

net::Task<Result<std::int64_t>> PullThrough::blob_size(std::string name, oci::Digest digest) {
    const Upstream* upstream = find_upstream(options_.upstreams, name);
    ASSERT(upstream != nullptr);
    const auto open = [root = options_.root, name, digest] {
        return cache_files::open_blob(root, name, digest);
    };
    auto kept = co_await pool_.run(open);
    if (kept) { co_return kept->size; }
    co_return co_await remote_size(upstream, name, digest);
}

net::Task<Result<Cache::Blob>> PullThrough::blob(std::string name, oci::Digest digest) {
    const Upstream* upstream = find_upstream(options_.upstreams, name);
    ASSERT(upstream != nullptr);
    const auto open = [root = options_.root, name, digest] {
        return cache_files::open_blob(root, name, digest);
    };
    const auto held = lease(digest);
    auto kept = co_await pool_.run(open);
    if (kept) {
        meters_.blob_hits.add();
        co_return Blob{std::move(*kept), nullptr, held};
    }
    meters_.blob_misses.add();
    std::shared_ptr<Flight> flight = flights_[name + "@" + digest.text()];
    if (!flight) {
        if (flights_.size() > options_.fetches_max) {
            flights_.erase(name + "@" + digest.text());
            co_return Error{Errc::Unavailable, "too many blobs are being fetched"};
        }
        flight = std::make_shared<Flight>(loop_);
        flights_[name + "@" + digest.text()] = flight;
        scope_.spawn(fly(upstream, name, digest, flight));
    }
    const net::Until until({}, scope_.cancel());
    const net::Wake wake = co_await flight->wait(until);
    if (wake != net::Wake::Raised) { co_return Error{Errc::Unavailable, "the registry is ending"}; }
    if (flight->is_over()) { CO_TRY(Result<void>(flight->result())); }
    if (flight->file() == nullptr) {
        CO_TRY_LET(opened, co_await pool_.run(open));
        co_return Blob{std::move(opened), nullptr, held};
    }
    CO_TRY_LET(file, flight->file()->duplicate());
    OpenBlob growing{std::move(file), flight->size(), "application/octet-stream"};
    co_return Blob{std::move(growing), flight, held};
}

net::Task<void> PullThrough::fly(const Upstream* upstream, std::string name, oci::Digest digest,
                                 std::shared_ptr<Flight> flight) {
    auto result = co_await fetch_blob(upstream, name, digest, flight);
    // Who has been given a part sees no more than a connection that breaks off.
    if (!result && flight->file() != nullptr) {
        spdlog::warn("cache: {}@{}: {}", name, digest.text(), result.error().message);
    }
    flights_.erase(name + "@" + digest.text());
    flight->end(std::move(result));
}

net::Task<Result<void>> PullThrough::fetch_blob(const Upstream* upstream, std::string name,
                                                oci::Digest digest,
                                                std::shared_ptr<Flight> flight) {
    const std::string root = options_.root;
    CO_TRY_LET(size, co_await remote_size(upstream, name, digest));
    const auto link = [root, name, digest] { return cache_files::link_blob(root, name, digest); };
    auto linked = co_await pool_.run(link);
    if (linked) { co_return ok(); }
    CO_TRY_LET(remote, repository(*upstream, name));
    oci::Descriptor descriptor;
    descriptor.digest = digest;
    descriptor.size = size;
    const net::Until until({}, scope_.cancel());
    auto reader = co_await remote.blob(std::move(descriptor), until);
    if (!reader) { co_return failed(*upstream, std::move(reader).error()); }
    const std::string temporary = cache_files::temporary(root, ++fetches_);
    auto copied = co_await copy_blob(std::move(*reader), temporary, digest, flight);
    const auto end = [root, name, digest, temporary, good = copied.has_value()]() -> Result<void> {
        if (good) { return cache_files::keep_blob(root, name, digest, temporary); }
        return os::remove_file(temporary);
    };
    auto ended = co_await pool_.run(end);
    if (!copied) { co_return failed(*upstream, std::move(copied).error()); }
    if (ended) {
        meters_.fetched_bytes.add(static_cast<double>(size));
        count_kept(size);
    }
    co_return ended;
}

net::Task<Result<void>> PullThrough::copy_blob(std::unique_ptr<BlobReader> reader,
                                               std::string temporary, oci::Digest digest,
                                               std::shared_ptr<Flight> flight) {
    CO_TRY_LET(opened, os::open_file(temporary, O_RDWR | O_CREAT | O_EXCL, 0600));
    auto file = std::make_shared<os::Fd>(std::move(opened));
    flight->begin(file, reader->size());
    auto sink = std::make_shared<Sink>(Sink{file, blob::Hasher(digest.kind())});
    auto buffer = std::make_shared<std::vector<char>>(piece_bytes);
    const net::Until until({}, scope_.cancel());
    while (true) {
        CO_TRY_LET(got, co_await reader->read_some(*buffer, until));
        if (got == 0) { break; }
        const auto write = [sink, buffer, got = got] {
            const std::string_view piece(buffer->data(), got);
            sink->hasher.update(piece);
            return os::write_all(*sink->file, piece);
        };
        CO_TRY(co_await pool_.run(write));
        flight->add(got);
    }
    if (sink->hasher.finish() != digest) {
        co_return invalid("what came for " + digest.text() + " has another digest");
    }
    co_return ok();
}

net::Task<Result<std::vector<std::string>>> PullThrough::tags(std::string name) {
    const Upstream* upstream = find_upstream(options_.upstreams, name);
    ASSERT(upstream != nullptr);
    const auto look = [root = options_.root, name] { return cache_files::tags(root, name); };
    auto reachable = check_reachable(*upstream);
    if (reachable) {
        CO_TRY_LET(remote, repository(*upstream, name));
        auto all = co_await remote.tags(patience());
        if (all) {
            std::sort(all->begin(), all->end());
            co_return all;
        }
        reachable = failed(*upstream, std::move(all).error());
    }
    if (reachable.error().code == Errc::NotFound) { co_return std::move(reachable).error(); }
    auto kept = co_await pool_.run(look);
    if (kept.empty()) { co_return std::move(reachable).error(); }
    co_return kept;
}

/// One for all who read the blob at one time.
std::shared_ptr<const void> PullThrough::lease(const oci::Digest& digest) {
    auto& known = leases_[cache_files::item_of(digest)];
    std::shared_ptr<const void> held = known.lock();
    if (!held) {
        held = std::make_shared<char>();
        known = held;
    }
    return held;
}

std::set<std::string> PullThrough::leased() {
    std::erase_if(leases_, [](const auto& entry) { return entry.second.expired(); });
    std::set<std::string> items;
    for (const auto& [item, held] : leases_) { items.insert(item); }
    return items;
}

void PullThrough::count_kept(std::int64_t bytes) {
    kept_bytes_ += bytes;
    meters_.bytes.set(static_cast<double>(kept_bytes_));
    if (options_.bytes_max > 0 && kept_bytes_ > std::max(options_.bytes_max, look_again_at_)) {
        full_.raise();
    }
}

net::Task<void> PullThrough::tidy() {
    cache_upkeep::Rules rules = cache_upkeep::rules_of(options_.upstreams, clock_.now());
    rules.bytes_max = options_.bytes_max;
    rules.in_use = leased();
    const std::int64_t before = kept_bytes_;
    const auto job = [root = options_.root, rules = std::move(rules)] {
        return cache_upkeep::tidy(root, rules, cache_upkeep::Act::Remove);
    };
    auto done = co_await pool_.run(job);
    if (!done) {
        spdlog::error("cache: {}", done.error().message);
        co_return;
    }
    // What came while it looked is counted twice at worst, until it looks again.
    kept_bytes_ = done->kept_bytes + (kept_bytes_ - before);
    // What has to stay may be more than the limit: then looking at each fetch would be in vain.
    look_again_at_ = done->kept_bytes + options_.bytes_max / 10;
    for (const auto& failure : done->failures) { spdlog::error("cache: {}", failure); }
    meters_.bytes.set(static_cast<double>(kept_bytes_));
    meters_.removed_bytes.add(static_cast<double>(done->removed_bytes));
    if (done->removed > 0) {
        spdlog::info("cache: {} files removed, {} freed, {} stay", done->removed,
                     human_size(static_cast<double>(done->removed_bytes)),
                     human_size(static_cast<double>(done->kept_bytes)));
    }
}

net::Task<void> PullThrough::tidy_now_and_then() {
    while (!scope_.cancel().cancelled()) {
        co_await tidy();
        const net::Until pause(Deadline::in(options_.sweep_every), scope_.cancel());
        const net::Wake wake = co_await full_.wait(pause);
        if (wake != net::Wake::Raised) { continue; }
        // Those who wait for the blob that made it too much open it first.
        const net::Until moment(Deadline::in(full_pause), scope_.cancel());
        const net::Wake slept = co_await net::sleep(loop_, moment);
        (void)slept;
    }
}

} // namespace

Result<std::unique_ptr<Cache>> Cache::create(net::Loop& loop, net::Pool& pool, const Clock& clock,
                                             CacheOptions options) {
    TRY(cache_files::prepare(options.root).with("cache"));
    return std::unique_ptr<Cache>(
        std::make_unique<PullThrough>(loop, pool, clock, std::move(options)));
}

} // namespace shoal::registry
