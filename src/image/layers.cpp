#include "image/layers.h"

#include "archive/pack.h"
#include "base/codec.h"
#include "blob/hash.h"
#include "image/recipe.h"
#include "image/upper.h"
#include "os/file.h"
#include "os/mount.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::image {
namespace {

constexpr const char* recipe_file = "/recipe";
constexpr const char* info_file = "/layer.json";
constexpr const char* unsynced_file = "/unsynced";

Result<std::string> boot_id() { return os::read_file("/proc/sys/kernel/random/boot_id", 100); }

Result<std::string> make_tmp(const std::string& tmp, const char* kind) {
    std::string path = tmp + "/" + kind + "-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) { return os_error("create " + path, errno); }
    return path;
}

/// The hash and length of what is made from the recipe, or of nothing when it cannot be played.
struct Played {
    oci::Digest digest;
    std::int64_t bytes = 0;
};
Result<Played> play(const std::string& layer, const archive::Sink& also) {
    TRY_LET(fd, os::open_file(layer + recipe_file, O_RDONLY));
    TRY_LET(root, os::open_directory(layer + "/diff"));
    TRY_LET(recipe, archive::decompressed(archive::source_of(fd),
                                          archive::Limits{.ratio_max = UINT64_MAX}));
    blob::Hasher hasher;
    Played played;
    const archive::Sink sink = [&](std::string_view bytes) -> Result<void> {
        hasher.update(bytes);
        played.bytes += static_cast<std::int64_t>(bytes.size());
        return also ? also(bytes) : ok();
    };
    TRY(write_from_recipe(recipe, root, sink));
    played.digest = hasher.finish();
    return played;
}

/// Writes a recipe file from plain tar bytes that `fill` gives.
class RecipeFile {
  public:
    static Result<RecipeFile> create(const std::string& layer) {
        RecipeFile file;
        TRY_LET(fd, os::open_file(layer + recipe_file, O_WRONLY | O_CREAT | O_TRUNC, 0600));
        file.fd_ = std::make_unique<os::Fd>(std::move(fd));
        auto compressor =
            archive::make_compressor(archive::Compression::Zstd, archive::sink_into(*file.fd_));
        if (!compressor) { return std::move(compressor).error(); }
        file.compressor_ = std::move(*compressor);
        archive::Compressor* target = file.compressor_.get();
        file.writer_ = std::make_unique<RecipeWriter>(
            [target](std::string_view bytes) { return target->write(bytes); });
        return file;
    }
    RecipeWriter& writer() { return *writer_; }
    Result<void> finish() {
        TRY(writer_->finish());
        return compressor_->finish();
    }

  private:
    std::unique_ptr<os::Fd> fd_;
    std::unique_ptr<archive::Compressor> compressor_;
    std::unique_ptr<RecipeWriter> writer_;
};

struct Document {
    oci::Digest diff_id;
    std::string parent;
    std::int64_t size = 0;
    std::int64_t tar_size = 0;
};
template <class V> void describe(V& v, Document& d) {
    v("DiffId", d.diff_id);
    v("Parent", d.parent);
    v("Size", d.size);
    v("TarSize", d.tar_size);
}

struct Unpacked {
    oci::Digest diff_id;
    std::int64_t size_bytes = 0;
    std::int64_t tar_bytes = 0;
};

Result<Unpacked> unpack_into(const std::string& layer, archive::Source tar,
                             const UnpackOptions& options) {
    TRY(os::ensure_directory(layer + "/diff", 0755));
    TRY_LET(root, os::open_directory(layer + "/diff"));
    TRY_LET(plain, archive::decompressed(std::move(tar), options.limits));
    TRY_LET(recipe, RecipeFile::create(layer));
    blob::Hasher hasher;
    archive::ExtractOptions how;
    how.mode = options.mode;
    how.limits = options.limits;
    how.progress = options.progress;
    how.cancelled = options.cancelled;
    how.tee = [&](std::string_view bytes) -> Result<void> {
        hasher.update(bytes);
        return recipe.writer().feed(bytes);
    };
    TRY_LET(extracted, archive::extract(plain, root, how));
    TRY(recipe.finish());
    return Unpacked{hasher.finish(), static_cast<std::int64_t>(extracted.bytes_files),
                    recipe.writer().tar_bytes()};
}

/// Keeps the tar whole, where names alone are not enough to make it again.
Result<void> keep_whole(const std::string& layer, const archive::Source& tar,
                        const archive::Limits& limits) {
    TRY_LET(plain, archive::decompressed(tar, limits));
    TRY_LET(recipe, RecipeFile::create(layer));
    recipe.writer().keep_all();
    const archive::Sink sink = [&](std::string_view bytes) { return recipe.writer().feed(bytes); };
    TRY(archive::copy(plain, sink));
    return recipe.finish();
}

/// Takes the unpacked tree as what the layer is: a new tar of it, and the recipe of that.
Result<Unpacked> pack_again(const std::string& layer, const std::atomic<bool>* cancelled) {
    TRY_LET(root, os::open_directory(layer + "/diff"));
    TRY_LET(recipe, RecipeFile::create(layer));
    blob::Hasher hasher;
    archive::PackOptions how;
    how.overlay_upper = true;
    how.cancelled = cancelled;
    const archive::Sink sink = [&](std::string_view bytes) -> Result<void> {
        hasher.update(bytes);
        return recipe.writer().feed(bytes);
    };
    TRY_LET(packed, archive::pack(root, how, sink));
    TRY(recipe.finish());
    const bool empty = packed.entries == 0;
    return Unpacked{hasher.finish(), static_cast<std::int64_t>(packed.bytes_files),
                    empty ? 0 : recipe.writer().tar_bytes()};
}

bool plays_back(const std::string& layer, const oci::Digest& diff_id) {
    const auto played = play(layer, {});
    return played && played->digest == diff_id;
}

/// Renames away first, so that a layer never looks whole while it is being removed.
Result<void> remove_whole(const std::string& path, const std::string& tmp) {
    TRY_LET(grave, make_tmp(tmp, "gone"));
    const auto moved = os::rename_file(path, grave);
    if (!moved && moved.error().code != Errc::NotFound) { return moved.error(); }
    return os::remove_tree(grave);
}

} // namespace

UnplacedLayer::UnplacedLayer(UnplacedLayer&& other) noexcept
    : path_(std::exchange(other.path_, {})), diff_id_(std::move(other.diff_id_)),
      size_bytes_(other.size_bytes_), tar_bytes_(other.tar_bytes_) {}

UnplacedLayer& UnplacedLayer::operator=(UnplacedLayer&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(diff_id_, other.diff_id_);
    std::swap(size_bytes_, other.size_bytes_);
    std::swap(tar_bytes_, other.tar_bytes_);
    return *this;
}

UnplacedLayer::~UnplacedLayer() {
    if (!path_.empty()) { (void)os::remove_tree(path_); }
}

Result<LayerStore> LayerStore::create(const std::string& data_root) {
    LayerStore store(data_root + "/layers", data_root + "/tmp");
    TRY(os::ensure_directory(store.root_, 0710));
    TRY(os::ensure_directory(store.tmp_, 0700));
    TRY(store.ensure_base());
    return store;
}

/// What the runtime and the engine mount on must exist below every image: made once, here, it is no
/// change of the container. An image's own files of these names lie above it.
Result<void> LayerStore::ensure_base() const {
    const std::string base = base_path();
    for (const int which : {0, 1}) { TRY(os::ensure_directory(empty_path(which), 0755)); }
    if (os::exists(root_ + "/base/complete")) { return ok(); }
    for (const char* directory : {"/dev/pts", "/dev/shm", "/dev/mqueue", "/etc", "/proc", "/sys"}) {
        TRY(os::ensure_directory(base + directory, 0755));
    }
    for (const char* file :
         {"/.dockerenv", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/dev/console"}) {
        TRY(os::open_file(base + file, O_WRONLY | O_CREAT, 0755));
        if (::chmod((base + file).c_str(), file == std::string_view("/.dockerenv") ? 0755 : 0644) !=
            0) {
            return os_error("chmod " + base + file, errno);
        }
    }
    if (::symlink("/proc/mounts", (base + "/etc/mtab").c_str()) != 0 && errno != EEXIST) {
        return os_error("create " + base + "/etc/mtab", errno);
    }
    return os::write_file_atomic(root_ + "/base/complete", "");
}

Result<UnplacedLayer> LayerStore::unpack(archive::Source tar, const UnpackOptions& options) const {
    UnplacedLayer layer;
    TRY_LET(path, make_tmp(tmp_, "layer"));
    layer.path_ = path;
    TRY_LET(unpacked, unpack_into(path, std::move(tar), options));
    if (!plays_back(path, unpacked.diff_id)) {
        if (options.again) {
            TRY_LET(source, options.again());
            TRY(keep_whole(path, source, options.limits));
        } else {
            TRY_LET(repacked, pack_again(path, options.cancelled));
            unpacked = repacked;
        }
        if (!plays_back(path, unpacked.diff_id)) {
            return internal("layer " + unpacked.diff_id.text() + ": cannot be made again");
        }
    }
    layer.diff_id_ = unpacked.diff_id;
    layer.size_bytes_ = unpacked.size_bytes;
    layer.tar_bytes_ = unpacked.tar_bytes;
    return layer;
}

Result<UnplacedLayer> LayerStore::adopt(const std::string& upper, std::optional<Instant> newest,
                                        const std::atomic<bool>* cancelled) const {
    UnplacedLayer layer;
    TRY_LET(path, make_tmp(tmp_, "layer"));
    layer.path_ = path;
    TRY(os::rename_file(upper, path + "/diff"));
    TRY(tidy_upper(path + "/diff", newest));
    TRY_LET(packed, pack_again(path, cancelled));
    layer.diff_id_ = packed.diff_id;
    layer.size_bytes_ = packed.size_bytes;
    layer.tar_bytes_ = packed.tar_bytes;
    return layer;
}

Result<LayerInfo> LayerStore::place(UnplacedLayer layer, const oci::ChainId& parent) const {
    const std::string name =
        parent.empty() ? layer.diff_id_.hex()
                       : blob::hash("sha256:" + parent.text() + " " + layer.diff_id_.text()).hex();
    TRY_LET(id, oci::ChainId::parse(name));
    if (has(id)) { return info(id); }
    Document document{layer.diff_id_, parent.text(), layer.size_bytes_, layer.tar_bytes_};
    TRY(os::write_file_atomic(layer.path_ + info_file, codec::print(document)));
    TRY_LET(boot, boot_id());
    TRY(os::write_file_atomic(layer.path_ + unsynced_file, boot));
    // mkdtemp made it private; containers with other users must be able to pass.
    if (::chmod(layer.path_.c_str(), 0711) != 0) { return os_error("chmod " + layer.path_, errno); }
    const auto renamed = os::rename_file(layer.path_, path_of(id));
    if (!renamed) {
        if (!has(id)) { return renamed.error(); }
        return info(id); // somebody placed the same layer meanwhile
    }
    layer.path_.clear();
    return LayerInfo{id, parent, document.diff_id, document.size, document.tar_size};
}

bool LayerStore::has(const oci::ChainId& id) const { return os::exists(path_of(id) + info_file); }

Result<LayerInfo> LayerStore::info(const oci::ChainId& id) const {
    TRY_LET(text, os::read_file(path_of(id) + info_file, 4096).with("layer " + oci::prefixed(id)));
    TRY_LET(
        document,
        codec::parse<Document>(text, codec::Unknown::Ignore).with("layer " + oci::prefixed(id)));
    LayerInfo info{id, {}, document.diff_id, document.size, document.tar_size};
    if (!document.parent.empty()) {
        TRY_LET(parent, oci::ChainId::parse(document.parent));
        info.parent = parent;
    }
    return info;
}

Result<std::vector<LayerInfo>> LayerStore::list() const {
    TRY_LET(entries, os::list_directory(root_));
    std::vector<LayerInfo> all;
    for (const auto& entry : entries) {
        const auto id = oci::ChainId::parse(entry.name);
        if (!id) { continue; }
        auto found = info(*id);
        if (found) { all.push_back(std::move(*found)); }
    }
    return all;
}

Result<void> LayerStore::write_tar(const oci::ChainId& id, const archive::Sink& sink) const {
    TRY_LET(known, info(id));
    TRY_LET(played, play(path_of(id), sink).with("layer " + oci::prefixed(id)));
    if (played.digest != known.diff_id) {
        return internal("layer " + oci::prefixed(id) + " is damaged");
    }
    return ok();
}

Result<void> LayerStore::remove(const oci::ChainId& id) const {
    return remove_whole(path_of(id), tmp_);
}

std::string LayerStore::diff_path(const oci::ChainId& id) const { return path_of(id) + "/diff"; }

Result<void> LayerStore::sync() const {
    // The marks are listed before the sync: one that comes later is for the next.
    TRY_LET(entries, os::list_directory(root_));
    std::vector<std::string> marks;
    for (const auto& entry : entries) {
        std::string mark = root_ + "/" + entry.name + unsynced_file;
        if (os::exists(mark)) { marks.push_back(std::move(mark)); }
    }
    TRY_LET(fd, os::open_directory(root_));
    if (::syncfs(fd.raw()) != 0) { return os_error("sync " + root_, errno); }
    for (const auto& mark : marks) { TRY(os::remove_file(mark)); }
    return ok();
}

Result<std::vector<oci::ChainId>> LayerStore::remove_damaged() const {
    TRY_LET(boot, boot_id());
    TRY_LET(entries, os::list_directory(root_));
    std::vector<oci::ChainId> removed;
    for (const auto& entry : entries) {
        const auto id = oci::ChainId::parse(entry.name);
        if (!id) { continue; }
        const auto mark = os::read_file(path_of(*id) + unsynced_file, 100);
        const bool suspect = mark ? *mark != boot : mark.error().code != Errc::NotFound;
        const auto known = info(*id);
        if (known && (!suspect || plays_back(path_of(*id), known->diff_id))) { continue; }
        TRY(remove(*id));
        removed.push_back(*id);
    }
    return removed;
}

Result<void> LayerStore::sweep_tmp() const {
    TRY(os::unmount_tree(tmp_));
    TRY_LET(entries, os::list_directory(tmp_));
    ErrorList errors;
    for (const auto& entry : entries) { errors.add(os::remove_tree(tmp_ + "/" + entry.name)); }
    if (!errors.empty()) { return errors.joined(); }
    return ok();
}

} // namespace shoal::image
