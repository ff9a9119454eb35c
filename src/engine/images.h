// Images: what containers are made of. It owns the table of images and tags, and unpacks, lists,
// tags, removes, loads, saves, imports and commits them; it mounts root file systems of containers.
// Files are handled by image/, on the pool. It does not know containers: who uses an image is asked
// through ImageUsers. Pull and push go through registry/client.
#pragma once

#include "archive/changes.h"
#include "base/clock.h"
#include "base/filters.h"
#include "base/id.h"
#include "image/rootfs.h"
#include "net/task.h"
#include "net/until.h"
#include "oci/image_config.h"
#include "oci/manifest.h"
#include "oci/reference.h"
#include "os/fd.h"
#include "registry/protocol/auth_config.h"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::engine {

struct Env;
class Lines; ///< registries.h
using image::RootFs;
using oci::ImageId;

/// One image, whole, as resolve() gives it.
struct ImageInfo {
    ImageId id;
    ImageId parent; ///< empty unless made here by commit or build
    std::shared_ptr<const oci::ImageConfig> config;
    std::vector<oci::ChainId> layers;      ///< lowest first
    std::vector<std::string> repo_tags;    ///< short form, sorted
    std::vector<std::string> repo_digests; ///< short form, sorted
    Instant last_tagged;
    std::int64_t size_bytes = 0; ///< of all layers
};

/// Implemented by Containers: the containers, running or not, that were made from the image.
struct ImageUser {
    ContainerId container;
    bool running = false;
};
class ImageUsers {
  public:
    virtual ~ImageUsers() = default;
    virtual std::vector<ImageUser> image_users(const ImageId& id) const = 0;
};

struct ImageListRequest {
    bool all = false; ///< with the images that others were made from and that have no name
    Filters filters;  ///< keys: dangling label label! before since reference until
    bool shared_size = false;
    bool containers = false; ///< count users (system df)
};
struct ImageSummary {
    ImageInfo info;
    std::int64_t shared_size_bytes = -1; ///< -1: not asked for
    std::int64_t containers = -1;        ///< -1: not asked for
};

/// One line of an image's past, newest first.
struct ImageHistoryItem {
    std::string id; ///< "sha256:..." of the image, or "<missing>"
    Instant created;
    std::string created_by;
    std::vector<std::string> tags;
    std::int64_t size_bytes = 0;
    std::string comment;
};

struct ImageRemoveRequest {
    std::string name;
    bool force = false;
    bool prune_parents = true;
};
/// Exactly one of the two is set, as in the API.
struct ImageRemoved {
    std::string untagged;
    std::string deleted;
};
struct ImagesPruned {
    std::vector<ImageRemoved> removed;
    std::int64_t reclaimed_bytes = 0;
};

/// Work on a stream: bytes go through pipes, since the work is done by a thread that blocks.
struct ImageStreamJob {
    os::Fd input;       ///< read end of what comes in (load, import); empty otherwise
    os::Fd output;      ///< write end of what goes out (save); empty otherwise
    os::Fd progress;    ///< write end for JSON progress messages; empty for none
    bool quiet = false; ///< only results are told
    std::shared_ptr<std::atomic<bool>> cancelled; ///< set by the caller to give up; may be null
};

struct ImageImportRequest {
    std::string reference;            ///< "" for an image without name
    std::vector<std::string> changes; ///< Dockerfile instructions
    std::string message;
    oci::Platform platform;   ///< empty members: this machine's
    std::string source = "-"; ///< for the history
};

struct ImageCommitRequest {
    std::string upper;     ///< the container's upper directory
    ImageId parent;        ///< the image it was made from; empty for none
    oci::RunConfig config; ///< of the container, over which `changes` are applied
    std::vector<std::string> changes;
    std::string reference; ///< "repo[:tag]"; "" for an image without name
    std::string author;
    std::string comment;
    std::string created_by; ///< for the history: the container's command
    ContainerId container;
};

/// One step of a build, see image::StepOptions.
struct ImageStepRequest {
    ImageId parent;         ///< empty: the empty image; else held by the caller
    oci::Platform platform; ///< of the empty image
    oci::RunConfig config;
    std::string upper;          ///< "" when no file was touched
    bool keep_upper = false;    ///< copied instead of taken
    oci::Digest existing_layer; ///< instead of `upper`
    oci::History history;
    std::string author;
    std::optional<Instant> newest;
    std::shared_ptr<std::atomic<bool>> cancelled;
};
struct ImageSquashRequest {
    ImageId image; ///< held by the caller
    ImageId base;  ///< whose layers stay; empty: one layer in all
    std::string comment;
    Instant created;
};

struct ImageBootstrapRequest {
    std::string reference; ///< "debian:bookworm"; the suite is the tag
    std::string variant = "minbase";
    std::vector<std::string> include; ///< further packages
};

struct ImagePullRequest {
    oci::Reference reference; ///< without tag and digest: every tag of the repository
    oci::Platform platform;   ///< empty members: this machine's
    registry::AuthConfig auth;
    bool keep_tag = false; ///< the tag stays what it is: the image is known by its own digest
};
struct ImagePushRequest {
    oci::Reference reference; ///< without tag: every tag that is here
    registry::AuthConfig auth;
};

struct ImagesUsage {
    std::vector<ImageSummary> images;
    std::int64_t layers_bytes = 0; ///< each layer once
    std::int64_t reclaimable_bytes = 0;
    std::int64_t active = 0; ///< images with containers
};

class Images {
  public:
    explicit Images(Env& env);
    ~Images();
    Images(const Images&) = delete;
    Images& operator=(const Images&) = delete;

    void set_users(const ImageUsers& users);
    /// Reads the table, sweeps half-made things; called once, before anything else.
    net::Task<Result<void>> load_state();
    /// Waits for background work (writing layers to disk).
    net::Task<void> close();

    // --- for containers ---

    /// By name, id or unique id prefix. Fails: NotFound "No such image: x:latest"; Invalid for an
    /// impossible name.
    Result<ImageInfo> resolve(std::string_view name_or_id) const;
    Result<ImageInfo> find(const ImageId& id) const;
    std::size_t count() const;
    /// Mounts a container's root file system in `directory` (its own, existing directory). Called
    /// again after a restart it finds the mount. The image must be held, or in use according to
    /// ImageUsers. An empty id stands for the empty image.
    net::Task<Result<RootFs>> mount_rootfs(ImageId id, std::string directory);
    /// The same without hopping to the pool: well below a millisecond.
    Result<RootFs> mount_rootfs_now(const ImageId& id, const std::string& directory);
    net::Task<Result<void>> unmount_rootfs(std::string directory);
    net::Task<Result<void>> remove_rootfs(std::string directory);
    net::Task<Result<std::vector<archive::Change>>> changes(ImageId id, std::string directory);
    net::Task<Result<std::int64_t>> upper_size(std::string directory); ///< SizeRw
    std::int64_t
    image_size(const ImageId& id) const; ///< SizeRootFs without the upper directory; 0 when gone
    /// For HostConfig.Mounts of type image.
    net::Task<Result<void>> mount_image(ImageId id, std::string target,
                                        image::Below below = image::Below::Base);

    /// While a Hold lives, the image cannot be deleted (between resolve and the container's own
    /// entry).
    class Hold {
      public:
        Hold() = default;
        Hold(Images& images, ImageId id);
        Hold(Hold&& other) noexcept;
        Hold& operator=(Hold&& other) noexcept;
        ~Hold();

      private:
        Images* images_ = nullptr;
        ImageId id_;
    };
    Hold hold(const ImageId& id) { return Hold(*this, id); }

    // --- the API's operations ---

    Result<std::vector<ImageSummary>> list(const ImageListRequest& request) const;
    ImagesUsage usage() const;
    Result<std::vector<ImageHistoryItem>> history(std::string_view name) const;
    /// `repo` without tag, `tag` may be "". Fails: NotFound, Invalid.
    Result<void> tag(std::string_view name, std::string_view repo, std::string_view tag);
    net::Task<Result<std::vector<ImageRemoved>>> remove(ImageRemoveRequest request);
    net::Task<Result<ImagesPruned>> prune(Filters filters); ///< keys: dangling until label label!
    /// Fails before anything is written to job.output when a name is unknown.
    Result<void> check_names(const std::vector<std::string>& names) const;
    net::Task<Result<void>> save(std::vector<std::string> names, ImageStreamJob job);
    net::Task<Result<void>> load(ImageStreamJob job, oci::Platform platform);
    net::Task<Result<ImageId>> import(ImageImportRequest request, ImageStreamJob job);
    net::Task<Result<ImageId>> commit(ImageCommitRequest request);
    /// The image after one step of a build. It is the builder's until mark_result().
    net::Task<Result<ImageId>> make_step(ImageStepRequest request);
    net::Task<Result<ImageId>> squash(ImageSquashRequest request);
    /// It is what somebody wanted, not only a step on the way.
    Result<void> mark_result(const ImageId& id);
    /// Somebody beside the build cache needs its layers: it has a name, a container, or an image
    /// above it that is needed.
    bool is_needed(const ImageId& id) const;
    bool is_held(const ImageId& id) const; ///< in use at this moment
    /// Removes a step's image that has no name and that no image or container needs; false when it
    /// stays.
    net::Task<Result<bool>> drop_step(ImageId id);
    /// Tells how it gets on in Docker's words; gives the (last) image. Fails in the words of Docker
    /// and of the registry.
    net::Task<Result<ImageId>> pull(ImagePullRequest request, Lines& lines, net::Until until);
    net::Task<Result<void>> push(ImagePushRequest request, Lines& lines, net::Until until);
    /// The names that a push of `reference` sends. Fails: NotFound "An image does not exist locally
    /// with the tag: x"; Invalid for a digest.
    Result<std::vector<oci::Reference>> check_push(const oci::Reference& reference) const;
    net::Task<Result<ImageId>> bootstrap(ImageBootstrapRequest request, ImageStreamJob job);
    /// Where a layer's tree lies, for the GraphDriver member of inspect.
    std::string layer_path(const oci::ChainId& id) const;

    struct State;

  private:
    friend class Hold;
    std::unique_ptr<State> state_;
};

} // namespace shoal::engine
