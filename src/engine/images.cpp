#include "engine/images.h"

#include "engine/events.h"
#include "engine/images_state.h"
#include "engine/images_transfer.h"
#include "engine/settings.h"
#include "net/sleep.h"
#include "os/file.h"

#include <spdlog/spdlog.h>

namespace shoal::engine {

Images::Images(Env& env) : state_(std::make_unique<State>(env)) {}
Images::~Images() = default;

void Images::set_users(const ImageUsers& users) { state_->users = &users; }

// --- start and end ---

namespace {

constexpr std::size_t config_bytes_max = 8 * 1024 * 1024;

/// One row made whole from its files, or why that cannot be.
struct Row {
    ImageId id;
    ImageDocument document;
    Result<image::LoadedImage> image = internal("not read");
};

struct Opened {
    image::LayerStore layers;
    blob::Store blobs;
    std::vector<oci::ChainId> damaged;
};

Result<Opened> open_stores(const std::string& data_root) {
    TRY_LET(layers, image::LayerStore::create(data_root));
    TRY_LET(blobs, blob::Store::create(data_root + "/blobs", data_root + "/tmp"));
    TRY(layers.sweep_tmp());
    TRY_LET(damaged, layers.remove_damaged());
    return Opened{std::move(layers), std::move(blobs), std::move(damaged)};
}

Result<image::LoadedImage> read_image(const Opened& opened, const ImageId& id) {
    image::LoadedImage image;
    image.id = id;
    TRY_LET(text, opened.blobs.read(oci::Digest::of(id), config_bytes_max));
    TRY_LET(config, oci::parse_image_config(text));
    for (const auto& layer : blob::chain_ids(config.rootfs.diff_ids)) {
        TRY_LET(info, opened.layers.info(layer));
        image.layers.push_back(std::move(info));
    }
    image.config = std::make_shared<const oci::ImageConfig>(std::move(config));
    return image;
}

Result<Row> parse_row(const std::string& id, const std::string& text) {
    Row row;
    TRY_LET(parsed, ImageId::parse(id));
    row.id = parsed;
    TRY_LET(document, codec::parse<ImageDocument>(text, codec::Unknown::Ignore));
    row.document = document;
    return row;
}

} // namespace

net::Task<Result<void>> Images::load_state() {
    State& state = *state_;
    CO_TRY(state.transfers->known.load());
    CO_TRY_LET(documents, state.env.store.load_all(image_kind));
    std::vector<Row> rows;
    for (const auto& [id, text] : documents) {
        auto row = parse_row(id, text);
        if (row) {
            rows.push_back(std::move(*row));
        } else {
            spdlog::error("images: row {}: {}, passing over it", id, row.error().message);
        }
    }
    auto job = [root = state.env.settings.data_root, rows = std::move(rows)]() mutable {
        auto opened = open_stores(root);
        if (opened) {
            for (auto& row : rows) { row.image = read_image(*opened, row.id); }
        }
        return std::make_pair(std::move(opened), std::move(rows));
    };
    auto read = co_await state.env.pool.run(std::move(job));
    if (!read.first) { co_return std::move(read.first).error(); }
    state.layers = std::move(read.first->layers);
    state.blobs = std::move(read.first->blobs);
    for (auto& row : read.second) {
        if (!row.image) {
            spdlog::error("images: {} is not whole: {}, dropping it", prefixed(row.id),
                          row.image.error().message);
            CO_TRY(state.env.store.remove(image_kind, row.id.text()));
            continue;
        }
        image::ImageRecord record;
        record.id = row.id;
        record.parent = row.document.parent;
        record.config = row.image->config;
        record.last_tagged = row.document.last_tagged;
        record.intermediate = row.document.intermediate;
        std::vector<std::int64_t> sizes;
        for (const auto& layer : row.image->layers) {
            record.layers.push_back(layer.id);
            sizes.push_back(layer.size_bytes);
            record.size_bytes += layer.size_bytes;
        }
        if (row.document.removed) {
            state.ghosts.emplace(row.id, std::move(record));
        } else {
            state.table.add(std::move(record), sizes);
        }
    }
    CO_TRY_LET(tags, state.env.store.load_all(tag_kind));
    for (const auto& [name, text] : tags) {
        const auto reference = oci::Reference::parse(name);
        const auto id = ImageId::parse(text);
        const auto* record = id ? state.table.find(*id) : nullptr;
        if (!reference || record == nullptr) {
            CO_TRY(state.env.store.remove(tag_kind, name));
            continue;
        }
        const Instant tagged_at = record->last_tagged;
        state.table.tag(*reference, *id, tagged_at);
    }
    // Left by a crash between a layer and its image.
    state.orphans = true;
    co_await state.collect();
    if (!state.ghosts.empty()) { state.background.spawn(state.collect_ghosts_later()); }
    co_return ok();
}

net::Task<void> Images::State::collect_ghosts_later() {
    ghosts_scheduled = true;
    net::Until soon(Deadline::in(std::chrono::seconds(2)), background.cancel());
    co_await net::sleep(env.loop, soon);
    ghosts_scheduled = false;
    co_await collect_ghosts();
}

net::Task<void> Images::close() { co_await state_->background.close(); }

// --- for containers ---

Result<ImageInfo> Images::resolve(std::string_view name_or_id) const {
    TRY_LET(record, state_->table.resolve(name_or_id));
    return state_->info_of(*record);
}

Result<ImageInfo> Images::find(const ImageId& id) const {
    const auto* record = state_->table.find(id);
    if (record == nullptr) { return not_found("image", prefixed(id)); }
    return state_->info_of(*record);
}

std::size_t Images::count() const { return state_->table.size(); }

Result<RootFs> Images::mount_rootfs_now(const ImageId& id, const std::string& directory) {
    TRY_LET(chain, state_->chain_of(id));
    return image::mount_rootfs(*state_->layers, chain, directory);
}

net::Task<Result<RootFs>> Images::mount_rootfs(ImageId id, std::string directory) {
    CO_TRY_LET(chain, state_->chain_of(id));
    auto job = [layers = *state_->layers, chain, directory] {
        return image::mount_rootfs(layers, chain, directory);
    };
    co_return co_await state_->env.pool.run(std::move(job));
}

net::Task<Result<void>> Images::unmount_rootfs(std::string directory) {
    auto job = [directory] { return image::unmount_rootfs(directory); };
    co_return co_await state_->env.pool.run(std::move(job));
}

net::Task<Result<void>> Images::remove_rootfs(std::string directory) {
    auto job = [directory] { return image::remove_rootfs(directory); };
    auto removed = co_await state_->env.pool.run(std::move(job));
    if (!state_->ghosts.empty() && !state_->ghosts_scheduled) {
        state_->background.spawn(state_->collect_ghosts_later());
    }
    co_return removed;
}

net::Task<Result<std::vector<archive::Change>>> Images::changes(ImageId id, std::string directory) {
    const auto* record = state_->known(id);
    if (record == nullptr) { co_return not_found("image", prefixed(id)); }
    auto job = [layers = *state_->layers, chain = record->layers,
                directory]() -> Result<std::vector<archive::Change>> {
        // A container that never ran has no upper directory, and no changes.
        if (!os::exists(image::rootfs_in(directory).upper)) {
            return std::vector<archive::Change>{};
        }
        return image::list_changes(layers, chain, directory);
    };
    co_return co_await state_->env.pool.run(std::move(job));
}

net::Task<Result<std::int64_t>> Images::upper_size(std::string directory) {
    auto job = [directory]() -> Result<std::int64_t> {
        if (!os::exists(image::rootfs_in(directory).upper)) { return std::int64_t{0}; }
        return image::upper_size(directory);
    };
    co_return co_await state_->env.pool.run(std::move(job));
}

std::int64_t Images::image_size(const ImageId& id) const {
    const auto* record = state_->known(id);
    return record == nullptr ? 0 : record->size_bytes;
}

net::Task<Result<void>> Images::mount_image(ImageId id, std::string target, image::Below below) {
    CO_TRY_LET(chain, state_->chain_of(id));
    auto job = [layers = *state_->layers, chain, target, below] {
        return image::mount_image(layers, chain, target, below);
    };
    co_return co_await state_->env.pool.run(std::move(job));
}

Images::Hold::Hold(Images& images, ImageId id) : images_(&images), id_(std::move(id)) {
    ++images_->state_->holds[id_];
}
Images::Hold::Hold(Hold&& other) noexcept
    : images_(std::exchange(other.images_, nullptr)), id_(std::move(other.id_)) {}
Images::Hold& Images::Hold::operator=(Hold&& other) noexcept {
    std::swap(images_, other.images_);
    std::swap(id_, other.id_);
    return *this;
}
Images::Hold::~Hold() {
    if (images_ == nullptr) { return; }
    auto& holds = images_->state_->holds;
    const auto found = holds.find(id_);
    if (--found->second == 0) { holds.erase(found); }
}

// --- looking ---

Result<std::vector<ImageSummary>> Images::list(const ImageListRequest& request) const {
    const State& state = *state_;
    TRY_LET(listed,
            image::list_images(state.table, {request.all, request.filters}, state.env.clock.now()));
    const auto uses = state.uses();
    std::vector<ImageSummary> all;
    for (const auto& item : listed) {
        ImageSummary summary;
        summary.info = state.info_of(*item.image, item.references);
        if (request.shared_size) {
            summary.shared_size_bytes = state.table.shared_size(*item.image);
        }
        if (request.containers) {
            summary.containers = static_cast<std::int64_t>(uses(item.image->id).size());
        }
        all.push_back(std::move(summary));
    }
    return all;
}

ImagesUsage Images::usage() const {
    ImageListRequest request;
    request.shared_size = true;
    request.containers = true;
    ImagesUsage usage;
    auto listed = list(request);
    if (listed) { usage.images = std::move(*listed); }
    usage.layers_bytes = state_->table.layers_size();
    std::int64_t used = 0;
    std::set<oci::ChainId> layers_used;
    for (const auto& image : usage.images) {
        if (image.containers <= 0) { continue; }
        ++usage.active;
        for (const auto& layer : image.info.layers) {
            if (layers_used.insert(layer).second) { used += state_->table.layer_size(layer); }
        }
    }
    usage.reclaimable_bytes = usage.layers_bytes - used;
    return usage;
}

Result<std::vector<ImageHistoryItem>> Images::history(std::string_view name) const {
    TRY_LET(record, state_->table.resolve(name));
    std::vector<ImageHistoryItem> items;
    for (const auto& line : image::history_of(state_->table, *record)) {
        ImageHistoryItem item;
        item.id = line.image.empty() ? "<missing>" : prefixed(line.image);
        if (line.entry != nullptr) {
            item.created = line.entry->created;
            item.created_by = line.entry->created_by;
            item.comment = line.entry->comment;
        }
        for (const auto& tag : line.tags) {
            if (tag.has_tag()) { item.tags.push_back(tag.familiar()); }
        }
        item.size_bytes = line.size_bytes;
        items.push_back(std::move(item));
    }
    return items;
}

std::string Images::layer_path(const oci::ChainId& id) const {
    return state_->layers->diff_path(id);
}

// --- names and removal ---

Result<void> Images::tag(std::string_view name, std::string_view repo, std::string_view tag) {
    TRY_LET(reference, parse_new_tag(repo, tag));
    TRY_LET(record, state_->table.resolve(name));
    return state_->tag(reference, record->id);
}

net::Task<Result<std::vector<ImageRemoved>>> Images::remove(ImageRemoveRequest request) {
    State& state = *state_;
    co_await state.collect_ghosts();
    image::RemoveOptions options;
    options.name = request.name;
    options.force = request.force;
    options.prune_parents = request.prune_parents;
    CO_TRY_LET(steps, image::plan_remove(state.table, options, state.uses()));
    auto removed = state.apply(steps);
    co_await state.collect();
    co_return removed;
}

net::Task<Result<ImagesPruned>> Images::prune(Filters filters) {
    State& state = *state_;
    co_await state.collect_ghosts();
    CO_TRY_LET(names, image::plan_prune(state.table, filters, state.env.clock.now(), state.uses()));
    ImagesPruned pruned;
    const std::int64_t before = state.table.layers_size();
    for (const auto& name : names) {
        image::RemoveOptions options;
        options.name = name;
        const auto steps = image::plan_remove(state.table, options, state.uses());
        if (!steps) { continue; } // taken into use, or gone with another one
        CO_TRY_LET(removed, state.apply(*steps));
        pruned.removed.insert(pruned.removed.end(), removed.begin(), removed.end());
    }
    pruned.reclaimed_bytes = before - state.table.layers_size();
    if (std::exchange(state.leftovers, false)) { state.orphans = true; }
    co_await state.collect();
    Event event{.type = "image", .action = "prune"};
    event.attributes["reclaimed"] = std::to_string(pruned.reclaimed_bytes);
    state.env.events.publish(std::move(event));
    co_return pruned;
}

} // namespace shoal::engine
