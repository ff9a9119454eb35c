// The table of images: which images are here, which names they have, which layers they share. It
// lives in memory on one thread and decides (what a name means, what a list shows, what a removal
// takes away) without touching a file; the engine keeps it on disk and acts.
#pragma once

#include "base/filters.h"
#include "image/layers.h"
#include "oci/image_config.h"
#include "oci/reference.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace shoal::image {

using oci::ChainId;
using oci::ImageId;
using oci::Reference;

struct ImageRecord {
    ImageId id;
    ImageId parent; ///< the local image it was made from; empty for none or unknown
    std::shared_ptr<const oci::ImageConfig> config;
    std::vector<ChainId> layers; ///< lowest first
    Instant last_tagged;
    std::int64_t size_bytes = 0;
    /// A step of a build on the way to its result: while it has no name it is the builder's, shown
    /// only in full lists and left alone by prune.
    bool intermediate = false;
};

class ImageTable {
  public:
    /// `sizes` are those of the record's layers, in its order; they also fill size_bytes. An image
    /// that is there stays.
    void add(ImageRecord record, const std::vector<std::int64_t>& sizes);
    /// Removes image and names; gives the layers that no image uses any more, topmost first.
    std::vector<ChainId> erase(const ImageId& id);

    const ImageRecord* find(const ImageId& id) const;
    void set_intermediate(const ImageId& id, bool intermediate);
    /// By reference, id or unique id prefix, as Docker. Fails: NotFound "No such image: x:latest";
    /// Invalid.
    Result<const ImageRecord*> resolve(std::string_view text) const;
    std::size_t size() const { return images_.size(); }
    const std::map<ImageId, ImageRecord>& all() const { return images_; }

    /// Gives the name to the image; returns the image that had it before, or an empty id.
    ImageId tag(const Reference& reference, const ImageId& id, Instant now);
    bool untag(const Reference& reference);
    /// The image of exactly this reference (with tag or digest); empty id when there is none.
    ImageId tagged(const Reference& reference) const;
    /// References of an image: tags first, sorted.
    std::vector<Reference> references(const ImageId& id) const;
    std::vector<Reference> references_of_name(const Reference& name) const; ///< of one repository

    std::vector<ImageId> children(const ImageId& id) const;
    bool layer_in_use(const ChainId& id) const { return layers_.contains(id); }
    std::int64_t layer_size(const ChainId& id) const;
    /// Bytes in layers that other images use too.
    std::int64_t shared_size(const ImageRecord& record) const;
    std::int64_t layers_size() const; ///< each once

  private:
    struct LayerUse {
        std::int64_t size_bytes = 0;
        int images = 0;
    };
    std::map<ImageId, ImageRecord> images_;
    std::map<Reference, ImageId> tags_;
    std::map<ImageId, std::set<Reference>> names_;
    std::map<ChainId, LayerUse> layers_;
};

// --- what a list shows ---

struct ListOptions {
    bool all = false;
    Filters filters;
};
struct Listed {
    const ImageRecord* image = nullptr;
    std::vector<Reference> references; ///< those that the filter lets through
};
/// Newest first. Keys: dangling label label! before since reference until. Fails: Invalid, NotFound
/// (before, since).
Result<std::vector<Listed>> list_images(const ImageTable& table, const ListOptions& options,
                                        Instant now);

// --- what a removal takes away ---

struct ImageUse {
    std::string container; ///< short id
    bool running = false;
};
using UsesOf = std::function<std::vector<ImageUse>(const ImageId&)>;

struct RemoveStep {
    Reference untag; ///< empty when this step deletes
    ImageId image;
};
struct RemoveOptions {
    std::string name;
    bool force = false;
    bool prune_parents = true;
};
/// Docker's rules for DELETE /images/{name}: a name is only taken away while others are left; an
/// image goes with its last name, and with it the unnamed parents nobody uses. Fails: Conflict with
/// Docker's sentences, NotFound.
Result<std::vector<RemoveStep>> plan_remove(const ImageTable& table, const RemoveOptions& options,
                                            const UsesOf& uses);

/// The names or ids that POST /images/prune removes one by one. Keys: dangling until label label!.
Result<std::vector<std::string>> plan_prune(const ImageTable& table, const Filters& filters,
                                            Instant now, const UsesOf& uses);

// --- an image's past ---

struct HistoryLine {
    ImageId image;                       ///< empty: not known here ("<missing>")
    const oci::History* entry = nullptr; ///< null: a layer without history
    std::int64_t size_bytes = 0;
    std::vector<Reference> tags;
};
/// Newest first.
std::vector<HistoryLine> history_of(const ImageTable& table, const ImageRecord& record);

} // namespace shoal::image
