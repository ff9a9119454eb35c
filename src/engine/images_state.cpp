#include "engine/images_state.h"

#include "engine/events.h"
#include "engine/images_transfer.h"
#include "os/file.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace shoal::engine {

Images::State::State(Env& shared)
    : env(shared), not_collecting(shared.loop), background(shared.loop),
      transfers(std::make_unique<ImageTransfers>(shared.loop, shared.store)) {
    not_collecting.set();
}
Images::State::~State() = default;

// --- reading ---

ImageInfo Images::State::info_of(const image::ImageRecord& record,
                                 const std::vector<oci::Reference>& references) const {
    ImageInfo info;
    info.id = record.id;
    info.parent = record.parent;
    info.config = record.config;
    info.layers = record.layers;
    info.last_tagged = record.last_tagged;
    info.size_bytes = record.size_bytes;
    for (const auto& reference : references) {
        (reference.has_tag() ? info.repo_tags : info.repo_digests).push_back(reference.familiar());
    }
    return info;
}

ImageInfo Images::State::info_of(const image::ImageRecord& record) const {
    return info_of(record, table.references(record.id));
}

const image::ImageRecord* Images::State::known(const ImageId& id) const {
    if (const auto* record = table.find(id)) { return record; }
    const auto ghost = ghosts.find(id);
    return ghost == ghosts.end() ? nullptr : &ghost->second;
}

Result<std::vector<oci::ChainId>> Images::State::chain_of(const ImageId& id) const {
    if (id.empty()) { return std::vector<oci::ChainId>(); }
    const auto* record = known(id);
    if (record == nullptr) { return not_found("image", prefixed(id)); }
    return record->layers;
}

image::UsesOf Images::State::uses() const {
    return [this](const ImageId& id) {
        std::vector<image::ImageUse> all;
        if (holds.contains(id)) { all.push_back({"that is being created", true}); }
        if (users == nullptr) { return all; }
        for (const auto& user : users->image_users(id)) {
            all.push_back({user.container.short_text(), user.running});
        }
        return all;
    };
}

bool Images::State::layer_wanted(const oci::ChainId& id) const {
    if (table.layer_in_use(id)) { return true; }
    return std::any_of(ghosts.begin(), ghosts.end(), [&](const auto& ghost) {
        const auto& layers_of = ghost.second.layers;
        return std::find(layers_of.begin(), layers_of.end(), id) != layers_of.end();
    });
}

// --- changing ---

Result<void> Images::State::put_row(const image::ImageRecord& record, bool removed) {
    const ImageDocument document{record.parent, record.last_tagged, removed, record.intermediate};
    return env.store.put(image_kind, record.id.text(), codec::print(document));
}

Result<void> Images::State::add(const image::LoadedImage& image, const ImageId& parent,
                                bool intermediate) {
    if (table.find(image.id) != nullptr) { return ok(); }
    image::ImageRecord record;
    record.id = image.id;
    record.parent = parent;
    record.config = image.config;
    record.intermediate = intermediate;
    std::vector<std::int64_t> sizes;
    for (const auto& layer : image.layers) {
        record.layers.push_back(layer.id);
        sizes.push_back(layer.size_bytes);
    }
    TRY(put_row(record, false));
    ghosts.erase(image.id); // it is back
    table.add(std::move(record), sizes);
    schedule_sync();
    return ok();
}

Result<void> Images::State::tag(const oci::Reference& reference, const ImageId& id) {
    if (table.tagged(reference) == id) { return ok(); }
    TRY(env.store.put(tag_kind, reference.text(), id.text()));
    table.tag(reference, id, env.clock.now());
    const auto* record = table.find(id);
    TRY(put_row(*record, false));
    publish("tag", *record, reference.familiar());
    return ok();
}

Result<void> Images::State::untag(const oci::Reference& reference, const ImageId& id) {
    TRY(env.store.remove(tag_kind, reference.text()));
    table.untag(reference);
    publish("untag", *table.find(id), prefixed(id));
    return ok();
}

Result<std::vector<oci::ChainId>> Images::State::erase(const ImageId& id) {
    const image::ImageRecord record = *table.find(id);
    const bool in_use = !uses()(id).empty();
    if (in_use) {
        TRY(put_row(record, true));
    } else {
        TRY(env.store.remove(image_kind, id.text()));
    }
    std::vector<oci::ChainId> unused = table.erase(id);
    if (in_use) {
        ghosts.emplace(id, record);
    } else {
        garbage_configs.push_back(id);
    }
    std::erase_if(unused, [this](const oci::ChainId& layer) { return layer_wanted(layer); });
    garbage_layers.insert(garbage_layers.end(), unused.begin(), unused.end());
    publish("delete", record, prefixed(id));
    return unused;
}

Result<std::vector<ImageRemoved>>
Images::State::apply(const std::vector<image::RemoveStep>& steps) {
    std::vector<ImageRemoved> removed;
    for (const auto& step : steps) {
        if (!step.untag.empty()) {
            TRY(untag(step.untag, step.image));
            removed.push_back({step.untag.familiar(), ""});
            continue;
        }
        TRY_LET(gone, erase(step.image));
        removed.push_back({"", prefixed(step.image)});
        for (const auto& layer : gone) { removed.push_back({"", prefixed(layer)}); }
    }
    return removed;
}

void Images::State::publish(const std::string& action, const image::ImageRecord& record,
                            const std::string& name) {
    Event event;
    event.type = "image";
    event.action = action;
    event.id = prefixed(record.id);
    event.attributes = record.config->config.labels;
    event.attributes["name"] = name;
    env.events.publish(std::move(event));
}

// --- files ---

net::Task<void> Images::State::begin_adding() {
    while (collecting) {
        net::Until never;
        co_await not_collecting.wait(never);
    }
    ++adders;
}

net::Task<void> Images::State::begin_needing(const Needs* needs) {
    for (const auto& layer : needs->layers) { ++needed_layers[layer]; }
    ++needed_configs[needs->config];
    if (collecting) { // it may be about things that nobody needed yet
        net::Until never;
        co_await not_collecting.wait(never);
    }
}

namespace {

template <class Id> void drop_need(std::map<Id, int>& needed, const Id& id) {
    if (const auto one = needed.find(id); --one->second == 0) { needed.erase(one); }
}

} // namespace

net::Task<void> Images::State::end_needing(const Needs* needs) {
    for (const auto& layer : needs->layers) { drop_need(needed_layers, layer); }
    drop_need(needed_configs, needs->config);
    if (!garbage_layers.empty() || !garbage_configs.empty() || orphans) { co_await collect(); }
}

net::Task<void> Images::State::end_adding() {
    --adders;
    if (!garbage_layers.empty() || !garbage_configs.empty() || orphans) { co_await collect(); }
}

namespace {

struct Garbage {
    std::vector<oci::ChainId> layers;
    std::vector<oci::Digest> configs;
    std::set<oci::ChainId> wanted; ///< with `orphans`: everything else goes
    bool orphans = false;
};

Result<void> remove_files(const image::LayerStore& layers, const blob::Store& blobs,
                          Garbage garbage) {
    ErrorList errors;
    if (garbage.orphans) {
        if (const auto all = os::list_directory(layers.root())) {
            for (const auto& entry : *all) {
                const auto id = oci::ChainId::parse(entry.name);
                if (id && !garbage.wanted.contains(*id)) { garbage.layers.push_back(*id); }
            }
        }
    }
    for (const auto& layer : garbage.layers) { errors.add(layers.remove(layer)); }
    for (const auto& config : garbage.configs) { errors.add(blobs.remove(config)); }
    if (!errors.empty()) { return errors.joined(); }
    return ok();
}

} // namespace

net::Task<void> Images::State::collect() {
    if (collecting) { co_return; } // who collects now looks again afterwards
    while (adders == 0) {
        Garbage garbage;
        for (const auto& layer : std::exchange(garbage_layers, {})) {
            if (layer_wanted(layer)) { continue; }
            if (needed_layers.contains(layer)) {
                garbage_layers.push_back(layer); // looked at again when nobody needs it
            } else {
                garbage.layers.push_back(layer);
            }
        }
        for (const auto& id : std::exchange(garbage_configs, {})) {
            if (known(id) != nullptr) { continue; }
            if (needed_configs.contains(id)) {
                garbage_configs.push_back(id);
            } else {
                garbage.configs.push_back(oci::Digest::of(id));
            }
        }
        garbage.orphans = std::exchange(orphans, false);
        if (garbage.layers.empty() && garbage.configs.empty() && !garbage.orphans) { break; }
        if (garbage.orphans) {
            for (const auto& [id, needers] : needed_layers) { garbage.wanted.insert(id); }
            for (const auto& [id, record] : table.all()) {
                garbage.wanted.insert(record.layers.begin(), record.layers.end());
            }
            for (const auto& [id, record] : ghosts) {
                garbage.wanted.insert(record.layers.begin(), record.layers.end());
            }
        }
        collecting = true;
        not_collecting.clear();
        auto job = [layers_copy = *layers, blobs_copy = *blobs,
                    garbage = std::move(garbage)]() mutable {
            return remove_files(layers_copy, blobs_copy, std::move(garbage));
        };
        auto removed = co_await env.pool.run(std::move(job));
        if (!removed) {
            spdlog::warn("images: {}, leaving it until the next start", removed.error().message);
        }
        collecting = false;
        not_collecting.set();
    }
}

net::Task<void> Images::State::collect_ghosts() {
    const auto uses_of = uses();
    std::vector<ImageId> gone;
    for (const auto& [id, record] : ghosts) {
        if (uses_of(id).empty()) { gone.push_back(id); }
    }
    for (const auto& id : gone) {
        const auto row = env.store.remove(image_kind, id.text());
        if (!row) { continue; }
        const auto record = ghosts.extract(id);
        for (auto layer = record.mapped().layers.rbegin(); layer != record.mapped().layers.rend();
             ++layer) {
            if (!layer_wanted(*layer)) { garbage_layers.push_back(*layer); }
        }
        garbage_configs.push_back(id);
    }
    if (!gone.empty()) { co_await collect(); }
}

void Images::State::schedule_sync() {
    sync_again = true;
    if (syncing) { return; }
    syncing = true;
    background.spawn(sync_layers());
}

net::Task<void> Images::State::sync_layers() {
    while (sync_again) {
        sync_again = false;
        auto job = [layers_copy = *layers] { return layers_copy.sync(); };
        auto synced = co_await env.pool.run(std::move(job));
        if (!synced) { spdlog::warn("images: {}", synced.error().message); }
    }
    syncing = false;
}

// --- progress ---

std::string ImageReporter::stream_line(const std::string& text) {
    return dump_json(Json{{"stream", text}});
}

void ImageReporter::progress(const image::Progress& progress) {
    if (!fd_ || quiet_) { return; }
    const std::lock_guard guard(mutex_);
    const auto now = std::chrono::steady_clock::now();
    const bool last = progress.total > 0 && progress.current >= progress.total;
    auto& before = last_[progress.id];
    if (before != Steady{} && now - before < std::chrono::milliseconds(100) && !last) { return; }
    before = now;
    pollfd ready{fd_.raw(), POLLOUT, 0};
    if (::poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) { return; }
    // Clients print a line for a step without numbers, also where no terminal is; a total of 0
    // stands for unknown.
    Json line{{"status", progress.status}, {"progressDetail", Json{{"current", progress.current}}}};
    if (progress.total > 0) { line["progressDetail"]["total"] = progress.total; }
    if (!progress.id.empty()) { line["id"] = progress.id; }
    (void)os::write_all(fd_, dump_json(line) + "\r\n");
}

void ImageReporter::say(const std::string& json) {
    if (!fd_) { return; }
    const std::lock_guard guard(mutex_);
    (void)os::write_all(fd_, json + "\r\n"); // a client that went away does not undo what was done
}

Result<oci::Reference> parse_new_tag(std::string_view repo, std::string_view tag) {
    TRY_LET(reference, oci::Reference::parse(repo));
    if (reference.has_digest()) {
        return invalid("refusing to create a tag with a digest reference");
    }
    const std::string name = reference.familiar_name();
    if (name == "sha256" || name == "sha512") {
        return invalid("refusing to create an ambiguous tag using digest algorithm as name");
    }
    if (!tag.empty()) { return reference.with_tag(tag); }
    return reference.with_default_tag();
}

} // namespace shoal::engine
