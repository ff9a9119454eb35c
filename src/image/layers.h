// The store of unpacked layers, data-root/layers/<chain id>/: `diff` (the tree, an overlayfs lower
// directory), `recipe` (how to make the layer's tar again, bit for bit, see recipe.h) and
// `layer.json`. A layer is unpacked under tmp/ and appears by one rename, so it is whole or absent.
// Blocking; safe for several threads as long as nobody removes a layer that another uses: the image
// table decides that.
#pragma once

#include "archive/extract.h"
#include "base/clock.h"
#include "base/result.h"
#include "oci/digest.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace shoal::image {

struct LayerInfo {
    oci::ChainId id;
    oci::ChainId parent; ///< empty for the lowest
    oci::Digest diff_id;
    std::int64_t size_bytes = 0; ///< of its files
    std::int64_t tar_bytes = 0;  ///< of its tar
};

/// A layer that is unpacked under tmp/ and has no place yet. Dropped without place() it is removed.
class UnplacedLayer {
  public:
    UnplacedLayer(UnplacedLayer&& other) noexcept;
    UnplacedLayer& operator=(UnplacedLayer&& other) noexcept;
    ~UnplacedLayer();
    const oci::Digest& diff_id() const { return diff_id_; }
    std::int64_t size_bytes() const { return size_bytes_; }
    std::int64_t tar_bytes() const { return tar_bytes_; }

  private:
    friend class LayerStore;
    UnplacedLayer() = default;
    std::string path_;
    oci::Digest diff_id_;
    std::int64_t size_bytes_ = 0;
    std::int64_t tar_bytes_ = 0;
};

struct UnpackOptions {
    archive::ExtractMode mode = archive::ExtractMode::Layer;
    archive::Limits limits{};
    std::function<void(std::uint64_t)> progress; ///< bytes read of the source; on another thread
    /// Opens the same bytes once more, for a tar that no recipe can make again (the same name
    /// twice, for example): it is kept whole. Without this such a tar is replaced by one of the
    /// unpacked tree, with another diff id.
    std::function<Result<archive::Source>()> again;
    const std::atomic<bool>* cancelled = nullptr;
};

class LayerStore {
  public:
    /// Makes the directories under `data_root` when missing. `tmp/` is swept by sweep_tmp().
    static Result<LayerStore> create(const std::string& data_root);

    /// Unpacks a layer's tar, plain or compressed. Fails: Invalid, Exhausted, Cancelled as
    /// archive::extract.
    Result<UnplacedLayer> unpack(archive::Source tar, const UnpackOptions& options) const;
    /// Takes the upper directory of an unmounted overlay (on the same file system) as the layer it
    /// is: moved, not copied. No changes at all give a layer whose tar_bytes() is 0, with nothing
    /// to place. With `newest`, later times of change become that one.
    Result<UnplacedLayer> adopt(const std::string& upper, std::optional<Instant> newest,
                                const std::atomic<bool>* cancelled = nullptr) const;
    /// Gives it its name above `parent`. When that layer is there already, the new copy is dropped.
    Result<LayerInfo> place(UnplacedLayer layer, const oci::ChainId& parent) const;

    bool has(const oci::ChainId& id) const;
    Result<LayerInfo> info(const oci::ChainId& id) const;
    Result<std::vector<LayerInfo>> list() const;
    /// Writes the layer's tar as it came in, and fails (Internal, "is damaged") when the bytes no
    /// longer have its diff id.
    Result<void> write_tar(const oci::ChainId& id, const archive::Sink& sink) const;
    Result<void> remove(const oci::ChainId& id) const;

    std::string diff_path(const oci::ChainId& id) const;
    /// The lowest layer of every container: mount points and files that the engine fills (see
    /// rootfs.h).
    std::string base_path() const { return root_ + "/base/diff"; }
    /// Two directories without files.
    std::string empty_path(int which) const {
        return root_ + "/base/empty-" + std::to_string(which);
    }
    const std::string& root() const { return root_; }
    const std::string& tmp() const { return tmp_; }

    /// Writes what was unpacked to the disk and takes the marks of unwritten layers away. Takes as
    /// long as the disk needs: off the path of requests.
    Result<void> sync() const;
    /// Layers that were not yet on disk when the machine (not the daemon) went down, and whose
    /// content is damaged. They are removed. Called once at start.
    Result<std::vector<oci::ChainId>> remove_damaged() const;
    /// Empties tmp/. Called once at start, before anything is unpacked.
    Result<void> sweep_tmp() const;

  private:
    LayerStore(std::string root, std::string tmp) : root_(std::move(root)), tmp_(std::move(tmp)) {}
    std::string path_of(const oci::ChainId& id) const { return root_ + "/" + id.text(); }
    Result<void> ensure_base() const;
    std::string root_;
    std::string tmp_;
};

} // namespace shoal::image
