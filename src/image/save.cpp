#include "image/save.h"

#include "archive/tar_writer.h"
#include "base/json.h"
#include "oci/manifest.h"

#include <set>

namespace shoal::image {
namespace {

constexpr std::size_t config_bytes_max = 8 * 1024 * 1024;

std::string blob_name(const oci::Digest& digest) {
    return "blobs/" + std::string(oci::name_of(digest.kind())) + "/" + digest.hex();
}

class Saver {
  public:
    Saver(const LayerStore& layers, const blob::Store& blobs, const archive::Sink& sink)
        : layers_(layers), blobs_(blobs), tar_(sink) {}

    Result<void> run(const std::vector<SavedImage>& images) {
        TRY(directory("blobs/"));
        TRY(directory("blobs/sha256/"));
        for (const auto& image : images) { TRY(add(image)); }
        oci::Index index;
        index.media_type = oci::media::oci_index;
        index.manifests = std::move(descriptors_);
        TRY(document("index.json", oci::print_index(index), {}));
        TRY(document("manifest.json", dump_json(manifest_), {}));
        TRY(document("oci-layout", R"({"imageLayoutVersion":"1.0.0"})", {}));
        if (!repositories_.empty()) {
            TRY(document("repositories", dump_json(repositories_) + "\n", {}));
        }
        return tar_.finish();
    }

  private:
    Result<void> directory(const std::string& name) {
        archive::Entry entry;
        entry.name = name;
        entry.type = archive::EntryType::Directory;
        entry.mode = 0755;
        entry.mtime = Instant{};
        return tar_.begin(entry);
    }

    Result<void> document(const std::string& name, const std::string& text, Instant at) {
        if (!written_.insert(name).second) { return ok(); }
        archive::Entry entry;
        entry.name = name;
        entry.size = text.size();
        entry.mtime = at;
        return tar_.file(entry, text);
    }

    Result<void> layer(const LayerInfo& info, Instant at) {
        archive::Entry entry;
        entry.name = blob_name(info.diff_id);
        if (!written_.insert(entry.name).second) { return ok(); }
        entry.size = static_cast<std::uint64_t>(info.tar_bytes);
        entry.mtime = at;
        TRY(tar_.begin(entry));
        return layers_.write_tar(info.id,
                                 [this](std::string_view bytes) { return tar_.data(bytes); });
    }

    Result<void> add(const SavedImage& image) {
        const Instant at = image.config->created;
        const auto config_digest = oci::Digest::of(image.id);
        TRY_LET(config, blobs_.read(config_digest, config_bytes_max));
        TRY(document(blob_name(config_digest), config, at));
        oci::Manifest manifest;
        manifest.media_type = oci::media::oci_manifest;
        manifest.config = {std::string(oci::media::oci_config),
                           config_digest,
                           static_cast<std::int64_t>(config.size()),
                           {},
                           {}};
        Json paths = Json::array();
        Json sources = Json::object();
        for (const auto& id : image.layers) {
            TRY_LET(info, layers_.info(id));
            TRY(layer(info, at));
            paths.push_back(blob_name(info.diff_id));
            manifest.layers.push_back(
                {std::string(oci::media::oci_layer), info.diff_id, info.tar_bytes, {}, {}});
            sources[info.diff_id.text()] = Json{{"mediaType", oci::media::oci_layer},
                                                {"size", info.tar_bytes},
                                                {"digest", info.diff_id.text()}};
        }
        const std::string text = oci::print_manifest(manifest);
        const auto digest = blob::hash(text);
        TRY(document(blob_name(digest), text, at));
        describe(image,
                 {manifest.media_type, digest, static_cast<std::int64_t>(text.size()), {}, {}});
        Json tags = Json::array();
        for (const auto& tag : image.tags) { tags.push_back(tag.familiar()); }
        manifest_.push_back(Json{{"Config", blob_name(config_digest)},
                                 {"RepoTags", image.tags.empty() ? Json(nullptr) : std::move(tags)},
                                 {"Layers", std::move(paths)},
                                 {"LayerSources", std::move(sources)}});
        return ok();
    }

    void describe(const SavedImage& image, const oci::Descriptor& descriptor) {
        if (image.tags.empty()) { descriptors_.push_back(descriptor); }
        for (const auto& tag : image.tags) {
            oci::Descriptor named = descriptor;
            named.annotations = {{"io.containerd.image.name", tag.text()},
                                 {"org.opencontainers.image.ref.name", tag.tag()}};
            descriptors_.push_back(std::move(named));
            if (image.layers.empty()) { continue; }
            repositories_[tag.familiar_name()][tag.tag()] = image.layers.back().text();
        }
    }

    const LayerStore& layers_;
    const blob::Store& blobs_;
    archive::TarWriter tar_;
    std::set<std::string> written_;
    std::vector<oci::Descriptor> descriptors_;
    Json manifest_ = Json::array();
    Json repositories_ = Json::object();
};

} // namespace

Result<void> save_images(const LayerStore& layers, const blob::Store& blobs,
                         const std::vector<SavedImage>& images, const archive::Sink& sink) {
    return Saver(layers, blobs, sink).run(images);
}

} // namespace shoal::image
