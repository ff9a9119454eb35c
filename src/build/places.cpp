#include "build/places.h"

#include "base/codec.h"
#include "engine/settings.h"
#include "engine/store.h"
#include "net/pool.h"
#include "os/file.h"

#include <spdlog/spdlog.h>

namespace shoal::build {
namespace {

constexpr const char* row_kind = "build_place";

} // namespace

template <class V> void describe(V& v, Place& p) {
    v("Type", p.type);
    v("Description", p.description);
    v("Size", p.size_bytes);
    v("Created", p.created);
    v("LastUsed", p.last_used);
    v("UsageCount", p.usage_count);
}

Places::Places(engine::Env& env) : env_(env) {}

std::string Places::directory(const std::string& id) const {
    return env_.settings.data_root + "/build/" + id;
}

Result<void> Places::save(const Place& place) {
    return env_.store.put(row_kind, place.id, codec::print(place));
}

net::Task<Result<void>> Places::load() {
    const std::string root = env_.settings.data_root + "/build";
    CO_TRY(os::ensure_directory(root, 0710));
    CO_TRY_LET(rows, env_.store.load_all(row_kind));
    for (const auto& [id, text] : rows) {
        auto place = codec::parse<Place>(text, codec::Unknown::Ignore);
        if (!place || !os::exists(directory(id))) {
            CO_TRY(env_.store.remove(row_kind, id));
            continue;
        }
        place->id = id;
        places_[id] = std::move(*place);
    }
    CO_TRY_LET(found, os::list_directory(root));
    for (const auto& entry : found) {
        if (places_.contains(entry.name)) { continue; }
        auto job = [path = root + "/" + entry.name] { return os::remove_tree(path); };
        CO_TRY(co_await env_.pool.run(std::move(job)));
    }
    co_return ok();
}

Result<Places::Lease> Places::take(const Wish& wish) {
    Lease lease;
    lease.id_ = wish.id;
    lease.path_ = directory(wish.id) + "/data";
    const Instant now = env_.clock.now();
    auto found = places_.find(wish.id);
    if (found == places_.end()) {
        Place place{wish.id, wish.type, wish.description, 0, now, now, 0, 0};
        TRY(save(place));
        TRY(os::ensure_directory(directory(wish.id), 0700));
        found = places_.emplace(wish.id, std::move(place)).first;
    }
    lease.fresh_ = !os::exists(lease.path_);
    if (!wish.filled_by_caller) { TRY(os::ensure_directory(lease.path_, 0755)); }
    Place& place = found->second;
    ++place.users;
    ++place.usage_count;
    place.last_used = now;
    lease.places_ = this;
    return lease;
}

bool Places::in_use(const std::string& id) const {
    const auto found = places_.find(id);
    return found != places_.end() && found->second.users > 0;
}

net::Task<void> Places::measure(std::string id) {
    auto job = [path = directory(id)] { return os::measure_tree(path); };
    const auto size = co_await env_.pool.run(std::move(job));
    const auto found = places_.find(id);
    if (found == places_.end()) { co_return; }
    if (size) { found->second.size_bytes = size->bytes; }
    auto saved = save(found->second);
    if (!saved) { spdlog::warn("build: {}", saved.error().message); }
}

net::Task<Result<void>> Places::remove(std::string id) {
    if (in_use(id)) { co_return conflict("build cache " + id.substr(0, 12) + " is in use"); }
    // Renamed away at once: a build that takes the place while its files go finds none of them. On
    // a full disk the row stays until there is room: load() drops rows without a directory.
    const std::string gone = env_.settings.data_root + "/tmp/place-" + env_.random.hex(6);
    CO_TRY(os::rename_file(directory(id), gone));
    places_.erase(id);
    if (auto forgotten = env_.store.remove(row_kind, id); !forgotten) {
        spdlog::warn("build: {}, going on", forgotten.error().message);
    }
    auto job = [gone] { return os::remove_tree(gone); };
    co_return co_await env_.pool.run(std::move(job));
}

Places::Lease::Lease(Lease&& other) noexcept
    : places_(std::exchange(other.places_, nullptr)), id_(std::move(other.id_)),
      path_(std::move(other.path_)), fresh_(other.fresh_) {}

Places::Lease& Places::Lease::operator=(Lease&& other) noexcept {
    std::swap(places_, other.places_);
    std::swap(id_, other.id_);
    std::swap(path_, other.path_);
    std::swap(fresh_, other.fresh_);
    return *this;
}

Places::Lease::~Lease() {
    if (places_ == nullptr) { return; }
    const auto found = places_->places_.find(id_);
    if (found != places_->places_.end()) { --found->second.users; }
}

} // namespace shoal::build
