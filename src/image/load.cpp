#include "image/load.h"

#include "base/codec.h"
#include "base/text.h"
#include "image/spool.h"

#include <fcntl.h>

#include <mutex>
#include <thread>

namespace shoal::image {
namespace {

constexpr const char* image_name_annotation = "io.containerd.image.name";
constexpr const char* reference_annotation = "org.opencontainers.image.ref.name";

/// One entry of manifest.json.
struct ArchivedImage {
    std::string config;
    std::vector<std::string> repo_tags;
    std::vector<std::string> layers;
};
template <class V> void describe(V& v, ArchivedImage& image) {
    v("Config", image.config);
    v("RepoTags", image.repo_tags);
    v("Layers", image.layers);
}

/// A layer's file in the archive, and what is promised about it.
struct LayerFile {
    std::string member;
    std::optional<oci::Digest> digest; ///< of the file as it is (OCI)
};

/// An image as the archive describes it, in either format.
struct Described {
    std::string config_text;
    std::shared_ptr<const oci::ImageConfig> config;
    std::vector<LayerFile> layers;
    std::vector<oci::Reference> tags;
};

struct UnpackJob {
    oci::ChainId id;
    oci::ChainId parent;
    oci::Digest diff_id;
    LayerFile file;
};

class Loader {
  public:
    Loader(const LayerStore& layers, const blob::Store& blobs, const Spool& spool,
           const LoadOptions& options)
        : layers_(layers), blobs_(blobs), spool_(spool), options_(options) {}

    Result<std::vector<LoadedImage>> run() {
        if (spool_.has("manifest.json")) {
            TRY(describe_archive());
        } else if (spool_.has("index.json")) {
            TRY(describe_layout());
        } else {
            return invalid(
                "archive holds no images: neither manifest.json nor index.json is there");
        }
        TRY(unpack_all());
        return finish();
    }

  private:
    std::size_t document_max() const { return options_.limits.document_bytes_max; }

    // --- what docker save writes ---

    Result<void> describe_archive() {
        TRY_LET(text, spool_.read("manifest.json", document_max()));
        TRY_LET(images, codec::parse<std::vector<ArchivedImage>>(text, codec::Unknown::Ignore)
                            .with("manifest.json"));
        if (images.size() > options_.limits.images_max) {
            return invalid("manifest.json: too many images");
        }
        for (const auto& image : images) { TRY(describe_one(image)); }
        return ok();
    }

    Result<void> describe_one(const ArchivedImage& image) {
        TRY_LET(text, spool_.read(image.config, document_max()));
        std::vector<LayerFile> files;
        for (const auto& layer : image.layers) { files.push_back({layer, std::nullopt}); }
        std::vector<oci::Reference> tags;
        for (const auto& tag : image.repo_tags) {
            TRY_LET(reference, oci::Reference::parse(tag).with("manifest.json: RepoTags"));
            if (!reference.has_tag() || reference.has_digest()) {
                return invalid("manifest.json: RepoTags: invalid tag " + go_quote(tag));
            }
            tags.push_back(std::move(reference));
        }
        return add(std::move(text), std::move(files), std::move(tags));
    }

    // --- OCI image layout ---

    static std::string blob_member(const oci::Digest& digest) {
        return "blobs/" + std::string(oci::name_of(digest.kind())) + "/" + digest.hex();
    }

    Result<std::string> read_blob(const oci::Descriptor& descriptor) {
        TRY_LET(text, spool_.read(blob_member(descriptor.digest), document_max()));
        if (static_cast<std::int64_t>(text.size()) != descriptor.size) {
            return invalid("blob " + descriptor.digest.text() + ": expected " +
                           std::to_string(descriptor.size) + " bytes, got " +
                           std::to_string(text.size()));
        }
        const auto got = blob::hash(text, descriptor.digest.kind());
        if (got != descriptor.digest) {
            return invalid("blob " + descriptor.digest.text() + ": has digest " + got.text());
        }
        return std::move(text);
    }

    Result<void> describe_layout() {
        TRY_LET(text, spool_.read("index.json", document_max()));
        TRY_LET(index, oci::parse_index(text).with("index.json"));
        for (const auto& descriptor : index.manifests) {
            TRY(describe_target(descriptor, descriptor, 0));
        }
        if (described_.empty()) { return invalid("index.json: no image for this platform"); }
        return ok();
    }

    /// `named` carries the annotations with the name; `descriptor` is the manifest or index itself.
    Result<void> describe_target(const oci::Descriptor& named, const oci::Descriptor& descriptor,
                                 int depth) {
        if (depth > 4) { return invalid("index.json: indexes nested too deep"); }
        if (described_.size() >= options_.limits.images_max) {
            return invalid("index.json: too many images");
        }
        if (oci::media::is_index(descriptor.media_type)) {
            TRY_LET(text, read_blob(descriptor));
            TRY_LET(index, oci::parse_index(text));
            for (const auto& inner : index.manifests) {
                if (inner.platform && !oci::satisfies(*inner.platform, wanted_platform())) {
                    continue;
                }
                if (!spool_.has(blob_member(inner.digest))) {
                    continue;
                } // other platforms may be left out
                TRY(describe_target(named, inner, depth + 1));
            }
            return ok();
        }
        if (!oci::media::is_manifest(descriptor.media_type)) { return ok(); }
        TRY_LET(text, read_blob(descriptor));
        TRY_LET(manifest, oci::parse_manifest(text));
        if (!oci::media::is_config(manifest.config.media_type)) {
            return ok();
        } // an artifact, not an image
        TRY_LET(config, read_blob(manifest.config));
        std::vector<LayerFile> files;
        for (const auto& layer : manifest.layers) {
            const std::string member = blob_member(layer.digest);
            TRY_LET(found, spool_.find(member));
            if (found.size != layer.size) {
                return invalid("blob " + layer.digest.text() + ": expected " +
                               std::to_string(layer.size) + " bytes, got " +
                               std::to_string(found.size));
            }
            files.push_back({member, layer.digest});
        }
        return add(std::move(config), std::move(files), names_of(named));
    }

    oci::Platform wanted_platform() const {
        oci::Platform wanted = options_.platform;
        if (wanted.os.empty()) { wanted.os = "linux"; }
        if (wanted.architecture.empty()) { wanted.architecture = oci::host_architecture(); }
        return wanted;
    }

    /// A layout names images in annotations: the whole name, or (as the specification has it) often
    /// only the tag, which is no name of an image; such an image stays unnamed.
    static std::vector<oci::Reference> names_of(const oci::Descriptor& descriptor) {
        for (const char* key : {image_name_annotation, reference_annotation}) {
            const auto found = descriptor.annotations.find(key);
            if (found == descriptor.annotations.end()) { continue; }
            const bool whole = key == image_name_annotation ||
                               found->second.find_first_of(":/") != std::string::npos;
            const auto reference = oci::Reference::parse(found->second);
            if (whole && reference && !reference->has_digest()) {
                return {reference->with_default_tag()};
            }
        }
        return {};
    }

    // --- both ---

    Result<void> add(std::string config_text, std::vector<LayerFile> files,
                     std::vector<oci::Reference> tags) {
        TRY_LET(config, oci::parse_image_config(config_text));
        if (config.rootfs.diff_ids.size() != files.size()) {
            return invalid("image config: " + std::to_string(config.rootfs.diff_ids.size()) +
                           " layers, but the archive lists " + std::to_string(files.size()));
        }
        if (!config.os.empty() && config.os != "linux") {
            return invalid("image is for " + config.os + ", not for linux");
        }
        const auto chain = blob::chain_ids(config.rootfs.diff_ids);
        for (std::size_t i = 0; i < files.size(); ++i) {
            if (layers_.has(chain[i]) || planned_.contains(chain[i])) { continue; }
            TRY(spool_.find(files[i].member));
            planned_.insert(chain[i]);
            jobs_.push_back({chain[i], i == 0 ? oci::ChainId{} : chain[i - 1],
                             config.rootfs.diff_ids[i], files[i]});
        }
        described_.push_back({std::move(config_text),
                              std::make_shared<const oci::ImageConfig>(std::move(config)),
                              std::move(files), std::move(tags)});
        return ok();
    }

    Result<void> unpack(const UnpackJob& job) {
        TRY_LET(member, spool_.find(job.file.member));
        TRY_LET(fd, os::open_file(member.path, O_RDONLY));
        TRY_LET(fd_again, os::open_file(member.path, O_RDONLY));
        const archive::Source plain = archive::source_of(fd);
        std::optional<blob::Hasher> hasher;
        if (job.file.digest) { hasher.emplace(job.file.digest->kind()); }
        std::int64_t done = 0;
        const std::string shown = job.diff_id.hex().substr(0, 12);
        const archive::Source source = [&](std::span<char> into) -> Result<std::size_t> {
            TRY_LET(got, plain(into));
            if (hasher) { hasher->update(std::string_view(into.data(), got)); }
            done += static_cast<std::int64_t>(got);
            if (options_.report) { options_.report({shown, "Loading layer", done, member.size}); }
            return got;
        };
        UnpackOptions how;
        how.limits = options_.limits.tar;
        how.cancelled = options_.cancelled;
        how.again = [&]() -> Result<archive::Source> { return archive::source_of(fd_again); };
        TRY_LET(layer, layers_.unpack(source, how).with("layer " + job.diff_id.text()));
        if (layer.diff_id() != job.diff_id) {
            return invalid("layer " + job.diff_id.text() + ": content has digest " +
                           layer.diff_id().text());
        }
        if (hasher) {
            // Bytes behind the end of a compressed stream count too.
            std::string rest(64 * 1024, '\0');
            while (true) {
                TRY_LET(got, source(std::span(rest.data(), rest.size())));
                if (got == 0) { break; }
            }
            const auto digest = hasher->finish();
            if (digest != *job.file.digest) {
                return invalid("blob " + job.file.digest->text() + ": has digest " + digest.text());
            }
        }
        TRY(layers_.place(std::move(layer), job.parent));
        return ok();
    }

    /// A few layers at a time, the largest first. The first failure stops what has not begun.
    Result<void> unpack_all() {
        const auto size = [this](const UnpackJob& job) {
            return spool_.find(job.file.member)->size;
        };
        std::stable_sort(jobs_.begin(), jobs_.end(),
                         [&](const auto& a, const auto& b) { return size(a) > size(b); });
        std::mutex mutex;
        std::size_t next = 0;
        std::optional<Error> failure;
        const auto work = [&] {
            while (true) {
                const UnpackJob* job = nullptr;
                {
                    const std::lock_guard guard(mutex);
                    if (failure || next >= jobs_.size()) { return; }
                    job = &jobs_[next++];
                }
                auto done = unpack(*job);
                if (done) { continue; }
                const std::lock_guard guard(mutex);
                if (!failure) { failure = std::move(done).error(); }
            }
        };
        const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
        const auto threads =
            std::min<std::size_t>({jobs_.size(), cores, options_.limits.threads_max});
        {
            std::vector<std::jthread> helpers;
            for (std::size_t i = 1; i < threads; ++i) { helpers.emplace_back(work); }
            work();
        }
        if (failure) { return std::move(*failure); }
        return ok();
    }

    Result<std::vector<LoadedImage>> finish() {
        std::vector<LoadedImage> images;
        for (auto& described : described_) {
            LoadedImage image;
            TRY_LET(stored, blobs_.put(described.config_text));
            TRY_LET(id, oci::image_id_of(stored.digest));
            image.id = id;
            image.config = described.config;
            for (const auto& layer : blob::chain_ids(described.config->rootfs.diff_ids)) {
                TRY_LET(info, layers_.info(layer));
                image.layers.push_back(std::move(info));
            }
            image.tags = std::move(described.tags);
            images.push_back(std::move(image));
        }
        return images;
    }

    const LayerStore& layers_;
    const blob::Store& blobs_;
    const Spool& spool_;
    const LoadOptions& options_;
    std::vector<Described> described_;
    std::vector<UnpackJob> jobs_;
    std::set<oci::ChainId> planned_;
};

} // namespace

Result<std::vector<LoadedImage>> load_images(const LayerStore& layers, const blob::Store& blobs,
                                             archive::Source input, const LoadOptions& options) {
    TRY_LET(spool, Spool::fill(layers.tmp(), std::move(input), options.limits, options.cancelled));
    return Loader(layers, blobs, spool, options).run();
}

} // namespace shoal::image
