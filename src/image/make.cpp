#include "image/make.h"

#include "archive/pack.h"
#include "os/file.h"

#include <fcntl.h>
#include <unistd.h>

namespace shoal::image {
namespace {

constexpr const char* made_by = "shoal " SHOAL_VERSION;

Result<LoadedImage> store_config(const LayerStore& layers, const blob::Store& blobs,
                                 oci::ImageConfig config) {
    LoadedImage image;
    for (const auto& id : blob::chain_ids(config.rootfs.diff_ids)) {
        TRY_LET(info, layers.info(id));
        image.layers.push_back(std::move(info));
    }
    TRY_LET(stored, blobs.put(oci::print_image_config(config)));
    TRY_LET(id, oci::image_id_of(stored.digest));
    image.id = id;
    image.config = std::make_shared<const oci::ImageConfig>(std::move(config));
    return image;
}

/// A file without a name on the layers' disk: gone with its descriptor.
Result<os::Fd> unnamed_file(const std::string& directory) {
    std::string path = directory + "/pack-XXXXXX";
    os::Fd fd(::mkostemp(path.data(), O_CLOEXEC));
    if (!fd) { return os_error("create " + path, errno); }
    TRY(os::remove_file(path));
    return fd;
}

/// A descriptor read from its start, whatever others read of it.
archive::Source from_start(const os::Fd& fd) {
    return [&fd, at = off_t{0}](std::span<char> into) mutable -> Result<std::size_t> {
        const auto got = ::pread(fd.raw(), into.data(), into.size(), at);
        if (got < 0) { return os_error("read", errno); }
        at += got;
        return static_cast<std::size_t>(got);
    };
}

} // namespace

Result<LoadedImage> import_image(const LayerStore& layers, const blob::Store& blobs,
                                 archive::Source tar, const ImportOptions& options) {
    UnpackOptions how;
    how.cancelled = options.cancelled;
    how.progress = options.progress;
    auto unpacked = layers.unpack(std::move(tar), how);
    // The maker's own words say more than a tar that ends too early.
    if (options.confirm) { TRY(options.confirm()); }
    TRY_LET(layer, std::move(unpacked));
    TRY_LET(placed, layers.place(std::move(layer), {}));
    oci::ImageConfig config;
    config.architecture = options.platform.architecture.empty()
                              ? std::string(oci::host_architecture())
                              : options.platform.architecture;
    config.os = options.platform.os.empty() ? "linux" : options.platform.os;
    config.variant = options.platform.variant;
    config.created = options.now;
    config.config = options.config;
    config.comment = options.message;
    config.docker_version = made_by;
    config.rootfs.diff_ids = {placed.diff_id};
    oci::History history;
    history.created = options.now;
    history.comment = options.message;
    config.history.push_back(std::move(history));
    return store_config(layers, blobs, std::move(config));
}

namespace {

/// The empty image that FROM scratch stands for.
oci::ImageConfig empty_config(const oci::Platform& platform) {
    oci::ImageConfig config;
    config.architecture = platform.architecture.empty() ? std::string(oci::host_architecture())
                                                        : platform.architecture;
    config.os = platform.os.empty() ? "linux" : platform.os;
    config.variant = platform.variant;
    return config;
}

/// The layer that an upper directory is, without touching it; nothing when it is empty.
Result<std::optional<UnplacedLayer>> copy_upper(const LayerStore& layers, const std::string& path) {
    TRY_LET(upper, os::open_directory(path));
    TRY_LET(file, unnamed_file(layers.tmp()));
    archive::PackOptions pack;
    pack.overlay_upper = true;
    TRY_LET(packed, archive::pack(upper, pack, archive::sink_into(file)));
    if (packed.entries == 0) { return std::optional<UnplacedLayer>(); }
    UnpackOptions how;
    how.again = [&]() -> Result<archive::Source> { return from_start(file); };
    TRY_LET(layer, layers.unpack(from_start(file), how));
    return std::optional<UnplacedLayer>(std::move(layer));
}

/// The same, moving it.
Result<std::optional<UnplacedLayer>> take_upper(const LayerStore& layers,
                                                const StepOptions& options) {
    TRY_LET(layer, layers.adopt(options.upper, options.newest, options.cancelled));
    if (layer.tar_bytes() == 0) { return std::optional<UnplacedLayer>(); }
    return std::optional<UnplacedLayer>(std::move(layer));
}

oci::ChainId last_of(const std::vector<oci::ChainId>& layers) {
    return layers.empty() ? oci::ChainId{} : layers.back();
}

Result<void> check_layer_count(const oci::ImageConfig& config) {
    if (config.rootfs.diff_ids.size() < oci::layers_max) { return ok(); }
    return invalid("an image cannot have more than " + std::to_string(oci::layers_max) + " layers");
}

} // namespace

Result<LoadedImage> step_image(const LayerStore& layers, const blob::Store& blobs,
                               const StepOptions& options) {
    oci::ImageConfig config = options.parent ? *options.parent : empty_config(options.platform);
    config.config = options.config;
    config.created = options.history.created;
    config.docker_version = made_by;
    if (!options.author.empty()) { config.author = options.author; }
    oci::History history = options.history;
    history.empty_layer = true;
    if (!options.upper.empty()) {
        TRY(check_layer_count(config));
        auto layer =
            options.keep_upper ? copy_upper(layers, options.upper) : take_upper(layers, options);
        if (!layer) { return std::move(layer).error(); }
        if (*layer) {
            TRY_LET(placed, layers.place(std::move(**layer), last_of(options.parent_layers)));
            config.rootfs.diff_ids.push_back(placed.diff_id);
            history.empty_layer = false;
        }
    } else if (!options.existing_layer.empty()) {
        config.rootfs.diff_ids.push_back(options.existing_layer);
        history.empty_layer = false;
    }
    config.history.push_back(std::move(history));
    return store_config(layers, blobs, std::move(config));
}

Result<LoadedImage> squash_image(const LayerStore& layers, const blob::Store& blobs,
                                 const SquashOptions& options) {
    oci::ImageConfig config = *options.image;
    const auto chain = blob::chain_ids(config.rootfs.diff_ids);
    TRY_LET(layer, squash_layers(layers, chain, options.kept, options.cancelled));
    config.rootfs.diff_ids.resize(options.kept);
    oci::History history;
    history.created = options.now;
    history.comment = options.comment;
    history.empty_layer = layer.tar_bytes() == 0;
    if (!history.empty_layer) {
        TRY_LET(placed, layers.place(std::move(layer),
                                     options.kept == 0 ? oci::ChainId{} : chain[options.kept - 1]));
        config.rootfs.diff_ids.push_back(placed.diff_id);
    }
    std::size_t layers_seen = 0;
    for (auto& line : config.history) {
        if (line.empty_layer) { continue; }
        if (layers_seen++ >= options.kept) { line.empty_layer = true; }
    }
    config.history.push_back(std::move(history));
    config.created = options.now;
    return store_config(layers, blobs, std::move(config));
}

Result<LoadedImage> commit_image(const LayerStore& layers, const blob::Store& blobs,
                                 const CommitOptions& options) {
    oci::ImageConfig config;
    if (options.parent) { config = *options.parent; }
    TRY(check_layer_count(config));
    TRY_LET(layer, copy_upper(layers, options.upper));
    oci::History history;
    history.created = options.now;
    history.author = options.author;
    history.comment = options.comment;
    history.created_by = options.created_by;
    history.empty_layer = !layer.has_value();
    if (layer) {
        TRY_LET(placed, layers.place(std::move(*layer), last_of(options.parent_layers)));
        config.rootfs.diff_ids.push_back(placed.diff_id);
    }
    if (config.architecture.empty()) { config.architecture = oci::host_architecture(); }
    if (config.os.empty()) { config.os = "linux"; }
    config.created = options.now;
    config.author = options.author;
    config.comment = options.comment;
    config.config = options.config;
    config.docker_version = made_by;
    config.history.push_back(std::move(history));
    return store_config(layers, blobs, std::move(config));
}

} // namespace shoal::image
