// The insides of the image service, shared by its source files only: the table in memory, its
// documents in the store, and who may remove what while others add. Everything here runs on the
// loop; files are touched by jobs on the pools that take copies of the two stores.
#pragma once

#include "base/codec.h"
#include "blob/store.h"
#include "engine/env.h"
#include "engine/images.h"
#include "engine/store.h"
#include "image/load.h"
#include "image/table.h"
#include "net/loop.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/signal.h"

#include <mutex>

namespace shoal::registry {
class Repository;
}

namespace shoal::engine {

struct ImageTransfers; ///< images_transfer.h

inline constexpr const char* image_kind = "image";
inline constexpr const char* tag_kind = "tag";

/// One row of kind "image". The config lies in the blob of the same digest.
struct ImageDocument {
    oci::ImageId parent;
    Instant last_tagged;
    bool removed =
        false; ///< deleted by force while containers were using it: kept for them, shown to nobody
    bool intermediate = false; ///< see image::ImageRecord
};
template <class V> void describe(V& v, ImageDocument& d) {
    v("Parent", d.parent);
    v("LastTagged", d.last_tagged);
    v("Removed", d.removed);
    v("Intermediate", d.intermediate);
}

/// What an image on its way consists of.
struct Needs {
    std::vector<oci::ChainId> layers;
    ImageId config;
};

struct Images::State {
    explicit State(Env& shared);
    ~State();

    Env& env;
    std::optional<image::LayerStore> layers;
    std::optional<blob::Store> blobs;
    image::ImageTable table;
    std::map<ImageId, image::ImageRecord> ghosts; ///< see ImageDocument::removed
    const ImageUsers* users = nullptr;
    std::map<ImageId, int> holds;

    // --- reading ---
    ImageInfo info_of(const image::ImageRecord& record) const;
    ImageInfo info_of(const image::ImageRecord& record,
                      const std::vector<oci::Reference>& references) const;
    const image::ImageRecord* known(const ImageId& id) const; ///< ghosts too
    /// Layers of an image or ghost, lowest first; none for the empty id.
    Result<std::vector<oci::ChainId>> chain_of(const ImageId& id) const;
    image::UsesOf uses() const;

    // --- changing: memory, row and event together ---
    Result<void> add(const image::LoadedImage& image, const ImageId& parent,
                     bool intermediate = false);
    Result<void> tag(const oci::Reference& reference, const ImageId& id);
    Result<void> untag(const oci::Reference& reference, const ImageId& id);
    /// Gives the layers that go with it.
    Result<std::vector<oci::ChainId>> erase(const ImageId& id);
    /// Carries a plan out.
    Result<std::vector<ImageRemoved>> apply(const std::vector<image::RemoveStep>& steps);
    /// A newly made image with its name; `event` may be "".
    Result<ImageId> enter(const Result<image::LoadedImage>& made, const ImageId& parent,
                          const std::optional<oci::Reference>& reference, const std::string& event);
    Result<void> put_row(const image::ImageRecord& record, bool removed);
    void publish(const std::string& action, const image::ImageRecord& record,
                 const std::string& name);

    // --- files ---
    /// Between these two, layers and blobs that are on disk stay there, in the table or not.
    net::Task<void> begin_adding();
    net::Task<void> end_adding();
    /// The same for somebody who takes long and knows what he needs: only that stays.
    net::Task<void> begin_needing(const Needs* needs);
    net::Task<void> end_needing(const Needs* needs);
    /// Removes the files of `garbage`, unless somebody is adding: then the last of them does it.
    net::Task<void> collect();
    net::Task<void> collect_ghosts();
    net::Task<void> collect_ghosts_later();
    net::Task<void> sync_layers();
    void schedule_sync();
    bool layer_wanted(const oci::ChainId& id) const;

    std::vector<oci::ChainId> garbage_layers;
    std::vector<ImageId> garbage_configs;
    bool orphans = false; ///< a failed operation may have left layers that no image names
    int adders = 0;
    std::map<oci::ChainId, int> needed_layers; ///< how many need it
    std::map<ImageId, int> needed_configs;
    bool collecting = false;
    net::Flag not_collecting;
    bool syncing = false;
    bool sync_again = false;
    bool ghosts_scheduled = false;
    net::TaskScope background;

    // --- registries (images_pull.cpp, images_push.cpp) ---
    net::Task<Result<ImageId>> pull_one(registry::Repository* repository, oci::Reference reference,
                                        const ImagePullRequest* request, Lines* lines,
                                        net::Until until);
    net::Task<Result<void>> push_one(registry::Repository* repository, oci::Reference reference,
                                     Lines* lines, net::Until until);
    std::unique_ptr<ImageTransfers> transfers;
    bool leftovers = false; ///< a failed pull left layers that no image names
};

/// Writes JSON progress messages to a pipe. What nobody reads in time is dropped, except say().
class ImageReporter {
  public:
    ImageReporter(const os::Fd& fd, bool quiet) : fd_(fd), quiet_(quiet) {}
    /// At most ten times a second for one id, and the last one.
    void progress(const image::Progress& progress);
    /// Blocks until it is written: only from a pool's thread.
    void say(const std::string& json);
    static std::string stream_line(const std::string& text);

  private:
    const os::Fd& fd_;
    bool quiet_;
    std::mutex mutex_;
    std::map<std::string, Steady> last_;
};

/// "repo[:tag]" for a new name, as the API gives it. Fails: Invalid.
Result<oci::Reference> parse_new_tag(std::string_view repo, std::string_view tag);

} // namespace shoal::engine
