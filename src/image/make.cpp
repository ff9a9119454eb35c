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

Result<LoadedImage> commit_image(const LayerStore& layers, const blob::Store& blobs,
                                 const CommitOptions& options) {
    oci::ImageConfig config;
    if (options.parent) { config = *options.parent; }
    if (config.rootfs.diff_ids.size() >= oci::layers_max) {
        return invalid("commit: an image cannot have more than " + std::to_string(oci::layers_max) +
                       " layers");
    }
    TRY_LET(upper, os::open_directory(options.upper));
    TRY_LET(file, unnamed_file(layers.tmp()));
    archive::PackOptions pack;
    pack.overlay_upper = true;
    TRY_LET(packed, archive::pack(upper, pack, archive::sink_into(file)));
    oci::History history;
    history.created = options.now;
    history.author = options.author;
    history.comment = options.comment;
    history.created_by = options.created_by;
    history.empty_layer = packed.entries == 0;
    if (!history.empty_layer) {
        UnpackOptions how;
        how.again = [&]() -> Result<archive::Source> { return from_start(file); };
        TRY_LET(layer, layers.unpack(from_start(file), how));
        const oci::ChainId parent =
            options.parent_layers.empty() ? oci::ChainId{} : options.parent_layers.back();
        TRY_LET(placed, layers.place(std::move(layer), parent));
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
