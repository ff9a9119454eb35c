#include "build/builder.h"

#include "build/job.h"
#include "engine/events.h"
#include "engine/settings.h"
#include "os/file.h"
#include "os/mount.h"

#include <spdlog/spdlog.h>

namespace shoal::build {

Builder::Impl::Impl(engine::Engine& shared)
    : engine(shared),
      cache(shared.env.store,
            [this](const oci::ImageId& id) { return engine.images.find(id).has_value(); }),
      places(shared.env), background(shared.env.loop) {}

Builder::Builder(engine::Engine& engine) : impl_(std::make_unique<Impl>(engine)) {}
Builder::~Builder() = default;

namespace {

/// Secrets and sockets of builds that ended with the daemon that ran them.
Result<void> sweep_private(const std::string& exec_root) {
    TRY_LET(entries, os::list_directory(exec_root));
    ErrorList errors;
    for (const auto& entry : entries) {
        if (!entry.name.starts_with("build-")) { continue; }
        const std::string path = exec_root + "/" + entry.name;
        errors.add(os::unmount_tree(path));
        errors.add(os::remove_tree(path));
    }
    if (!errors.empty()) { return errors.joined(); }
    return ok();
}

} // namespace

net::Task<Result<void>> Builder::start() {
    CO_TRY(co_await impl_->places.load());
    CO_TRY(impl_->cache.load());
    const std::string& exec_root = impl_->engine.env.settings.exec_root;
    auto job = [exec_root] { return sweep_private(exec_root); };
    co_return co_await impl_->engine.env.pool.run(std::move(job));
}

net::Task<void> Builder::stop() { co_await impl_->background.close(); }

net::Task<Result<Built>> Builder::build(Request request, Listener& listener, Failure* failure,
                                        net::Until until) {
    Job job(*impl_, std::move(request), listener, failure, until);
    ++impl_->builds;
    auto built = co_await job.run();
    co_await job.clean_up();
    if (--impl_->builds == 0) { impl_->background.spawn(impl_->collect()); }
    co_return built;
}

// --- the cache from outside ---

std::vector<CacheRecord> Builder::Impl::list() const {
    std::map<oci::ImageId, std::string> key_of;
    for (const auto& [key, step] : cache.all()) { key_of[step.image] = key; }
    std::vector<CacheRecord> all;
    for (const auto& [key, step] : cache.all()) {
        const auto info = engine.images.find(step.image);
        if (!info) { continue; }
        CacheRecord record;
        record.id = key;
        if (const auto parent = key_of.find(step.parent); parent != key_of.end()) {
            record.parent = parent->second;
        }
        record.type = "regular";
        record.description = step.description;
        record.size_bytes = step.size_bytes;
        record.created = step.created;
        record.last_used = step.last_used;
        record.usage_count = step.usage_count;
        record.in_use = engine.images.is_held(step.image);
        // The layer belongs to an image as well: dropping the record frees nothing.
        record.shared = engine.images.is_needed(step.image);
        all.push_back(std::move(record));
    }
    for (const auto& [id, place] : places.all()) {
        CacheRecord record;
        record.id = id;
        record.type = place.type;
        record.description = place.description;
        record.size_bytes = place.size_bytes;
        record.created = place.created;
        record.last_used = place.last_used;
        record.usage_count = place.usage_count;
        record.in_use = place.users > 0;
        all.push_back(std::move(record));
    }
    return all;
}

std::vector<CacheRecord> Builder::cache() const { return impl_->list(); }

net::Task<Result<std::int64_t>> Builder::Impl::drop(const CacheRecord& record) {
    if (record.type != "regular") {
        CO_TRY(co_await places.remove(record.id));
        co_return record.size_bytes;
    }
    const auto found = cache.all().find(record.id);
    if (found == cache.all().end()) { co_return std::int64_t{0}; }
    const oci::ImageId image = found->second.image;
    CO_TRY(cache.remove(record.id));
    const auto twin = std::any_of(cache.all().begin(), cache.all().end(),
                                  [&](const auto& other) { return other.second.image == image; });
    if (twin) { co_return std::int64_t{0}; }
    CO_TRY_LET(dropped, co_await engine.images.drop_step(image));
    co_return dropped ? record.size_bytes : std::int64_t{0};
}

net::Task<Result<Pruned>> Builder::Impl::prune(PruneRequest request) {
    const Instant now = engine.env.clock.now();
    std::map<std::string, CacheRecord> records;
    std::vector<std::string> passing;
    const auto all = list();
    for (const auto& record : all) {
        CO_TRY_LET(wanted, passes(record, request.filters, now));
        if (wanted) { passing.push_back(record.id); }
        records[record.id] = record;
    }
    Pruned pruned;
    std::vector<std::string> ids = plan_cache_prune(all, request, passing);
    // A step goes before the step that it stands on: again and again until nothing more goes.
    for (bool again = true; again && !ids.empty();) {
        again = false;
        std::vector<std::string> left;
        for (const auto& id : ids) {
            const bool is_parent = std::any_of(ids.begin(), ids.end(), [&](const auto& other) {
                return records[other].parent == id;
            });
            if (is_parent) {
                left.push_back(id);
                continue;
            }
            CO_TRY_LET(bytes, co_await drop(records[id]));
            pruned.ids.push_back(id);
            pruned.reclaimed_bytes += bytes;
            again = true;
        }
        ids = std::move(left);
    }
    engine::Event event{.type = "builder", .action = "prune"};
    event.attributes["reclaimed"] = std::to_string(pruned.reclaimed_bytes);
    engine.env.events.publish(std::move(event));
    co_return pruned;
}

/// Containers of steps that could not be removed at their end (a full disk) are removed now.
net::Task<void> Builder::Impl::remove_left_steps() {
    if (builds > 0) { co_return; }
    const engine::RemoveOptions removal{.force = true, .volumes = true, .link = false};
    for (const auto& container : engine.containers.all()) {
        if (!container->build_step) { continue; }
        auto removed = co_await engine.containers.remove(container->id, removal);
        if (!removed) { spdlog::warn("build step: {}, going on", removed.error().message); }
    }
}

net::Task<Result<Pruned>> Builder::prune(PruneRequest request) {
    auto pruned = co_await impl_->prune(std::move(request));
    co_await impl_->remove_left_steps();
    co_return pruned;
}

net::Task<void> Builder::Impl::collect() {
    for (const auto& key : cache.stale()) { (void)cache.remove(key); }
    const std::int64_t limit = engine.env.settings.build_cache_bytes_max;
    std::int64_t total = 0;
    for (const auto& record : list()) { total += record.shared ? 0 : record.size_bytes; }
    if (limit <= 0 || total <= limit) { co_return; }
    PruneRequest request;
    request.keep_bytes = limit;
    auto pruned = co_await prune(request);
    if (!pruned) { spdlog::warn("build cache: {}, going on", pruned.error().message); }
}

} // namespace shoal::build
