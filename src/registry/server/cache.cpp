#include "registry/server/cache.h"

#include "base/text.h"
#include "blob/hash.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "os/file.h"
#include "registry/client/repository.h"
#include "registry/server/cache_files.h"

#include <algorithm>
#include <fcntl.h>
#include <map>
#include <spdlog/spdlog.h>

namespace shoal::registry {
namespace {

constexpr std::size_t piece_bytes = 256 * 1024;
constexpr std::chrono::seconds manifest_patience{60};

bool is_digest(const std::string& reference) { return reference.find(':') != std::string::npos; }

StoredManifest stored(ManifestAnswer answer) {
    return {answer.digest, std::move(answer.media_type), std::move(answer.bytes)};
}

/// What a piece of work on the pool goes on with.
struct Sink {
    os::Fd file;
    blob::Hasher hasher;
};

class PullThrough final : public Cache {
  public:
    PullThrough(net::Loop& loop, net::Pool& pool, const Clock& clock, CacheOptions options)
        : loop_(loop), pool_(pool), clock_(clock), options_(std::move(options)), scope_(loop) {}
    void start() override { scope_.spawn(sweep_now_and_then()); }
    net::Task<void> close() override { co_await scope_.close(); }
    bool covers(std::string_view name) const override {
        return find_upstream(options_.upstreams, name) != nullptr;
    }
    net::Task<Result<Manifest>> manifest(std::string name, std::string reference) override;
    net::Task<Result<OpenBlob>> blob(std::string name, oci::Digest digest) override;
    net::Task<Result<std::int64_t>> blob_size(std::string name, oci::Digest digest) override;
    net::Task<Result<std::vector<std::string>>> tags(std::string name) override;
    Result<void> sweep(Instant now) const override;

  private:
    struct Remote {
        std::shared_ptr<Registry> registry;
        Steady not_before{};
    };
    struct Flight {
        explicit Flight(net::Loop& loop) : done(loop) {}
        net::Flag done;
        Result<void> result = ok();
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
                                       oci::Digest digest);
    net::Task<Result<void>> copy_blob(std::unique_ptr<BlobReader> reader, std::string temporary,
                                      oci::Digest digest);
    net::Task<void> sweep_now_and_then();

    net::Loop& loop_;
    net::Pool& pool_;
    const Clock& clock_;
    CacheOptions options_;
    std::map<std::string, Remote> remotes_; ///< by prefix
    std::map<std::string, std::shared_ptr<Flight>> flights_;
    std::uint64_t fetches_ = 0;
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
        if (kept) { co_return Manifest{std::move(*kept), false}; }
    }
    auto fresh = co_await revalidate(upstream, name, tag, digest);
    if (fresh) {
        const cache_files::KnownTag now{fresh->digest, clock_.now()};
        const auto save = [root, name, tag, now] {
            return cache_files::save_tag(root, name, tag, now);
        };
        CO_TRY(co_await pool_.run(save));
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
    if (kept) { co_return Manifest{std::move(*kept), false}; }
    CO_TRY_LET(fresh, co_await fetch_manifest(upstream, name, reference));
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

net::Task<Result<OpenBlob>> PullThrough::blob(std::string name, oci::Digest digest) {
    const Upstream* upstream = find_upstream(options_.upstreams, name);
    ASSERT(upstream != nullptr);
    const auto open = [root = options_.root, name, digest] {
        return cache_files::open_blob(root, name, digest);
    };
    auto kept = co_await pool_.run(open);
    if (kept) { co_return std::move(*kept); }
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
    const net::Wake wake = co_await flight->done.wait(until);
    if (wake != net::Wake::Raised) { co_return Error{Errc::Unavailable, "the registry is ending"}; }
    CO_TRY(Result<void>(flight->result));
    co_return co_await pool_.run(open);
}

net::Task<void> PullThrough::fly(const Upstream* upstream, std::string name, oci::Digest digest,
                                 std::shared_ptr<Flight> flight) {
    flight->result = co_await fetch_blob(upstream, name, digest);
    flights_.erase(name + "@" + digest.text());
    flight->done.set();
}

net::Task<Result<void>> PullThrough::fetch_blob(const Upstream* upstream, std::string name,
                                                oci::Digest digest) {
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
    auto copied = co_await copy_blob(std::move(*reader), temporary, digest);
    const auto end = [root, name, digest, temporary, good = copied.has_value()]() -> Result<void> {
        if (good) { return cache_files::keep_blob(root, name, digest, temporary); }
        return os::remove_file(temporary);
    };
    auto ended = co_await pool_.run(end);
    if (!copied) { co_return failed(*upstream, std::move(copied).error()); }
    co_return ended;
}

net::Task<Result<void>> PullThrough::copy_blob(std::unique_ptr<BlobReader> reader,
                                               std::string temporary, oci::Digest digest) {
    CO_TRY_LET(file, os::open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
    auto sink = std::make_shared<Sink>(Sink{std::move(file), blob::Hasher(digest.kind())});
    auto buffer = std::make_shared<std::vector<char>>(piece_bytes);
    const net::Until until({}, scope_.cancel());
    while (true) {
        CO_TRY_LET(got, co_await reader->read_some(*buffer, until));
        if (got == 0) { break; }
        const auto write = [sink, buffer, got = got] {
            const std::string_view piece(buffer->data(), got);
            sink->hasher.update(piece);
            return os::write_all(sink->file, piece);
        };
        CO_TRY(co_await pool_.run(write));
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

Result<void> PullThrough::sweep(Instant now) const {
    for (const auto& upstream : options_.upstreams) {
        TRY(cache_files::remove_unread(options_.root, upstream.prefix, now - upstream.keep));
    }
    return cache_files::remove_unnamed(options_.root);
}

net::Task<void> PullThrough::sweep_now_and_then() {
    while (!scope_.cancel().cancelled()) {
        const auto job = [this, now = clock_.now()] { return sweep(now); };
        auto done = co_await pool_.run(job);
        if (!done) { spdlog::error("cache: {}", done.error().message); }
        const net::Until pause(Deadline::in(options_.sweep_every), scope_.cancel());
        const net::Wake wake = co_await net::sleep(loop_, pause);
        (void)wake;
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
