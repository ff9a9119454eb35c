// Pull: an image out of a registry. Layers come side by side, each unpacked while it comes; the
// table changes at the end, on the loop.
#include "engine/images_transfer.h"
#include "engine/registries.h"
#include "engine/settings.h"
#include "image/transfer.h"
#include "os/pipe.h"

namespace shoal::engine {
namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;
constexpr std::size_t config_bytes_max = 8 * 1024 * 1024;
constexpr std::chrono::milliseconds progress_pause{100};

Json progress_line(const std::string& id, const std::string& status, std::int64_t current,
                   std::int64_t total) {
    return Json{{"status", status},
                {"progressDetail", {{"current", current}, {"total", total}}},
                {"id", id}};
}

std::string message_of_platforms(const oci::Index& index) {
    std::string all;
    for (const auto& entry : index.manifests) {
        if (entry.platform) { all += (all.empty() ? "" : ", ") + platform_text(*entry.platform); }
    }
    return all;
}

/// What a manifest of a stranger must look like before anything is fetched for it.
Result<void> check_manifest(const oci::Manifest& manifest) {
    if (!oci::media::is_config(manifest.config.media_type)) {
        return unsupported("unsupported media type " + manifest.config.media_type +
                           ": this is an artifact, not an image");
    }
    if (manifest.config.size > static_cast<std::int64_t>(config_bytes_max)) {
        return invalid("the image's config is larger than 8 MiB");
    }
    if (manifest.layers.size() > oci::layers_max) {
        return invalid("the image has too many layers");
    }
    for (const auto& layer : manifest.layers) {
        if (layer.media_type.find("foreign") != std::string::npos ||
            layer.media_type.find("nondistributable") != std::string::npos) {
            return unsupported("layer " + layer.digest.text() +
                               " is a foreign layer, which is not in the registry");
        }
        if (layer.media_type.find("tar") == std::string::npos) {
            return unsupported("layer " + layer.digest.text() + " has the media type " +
                               layer.media_type);
        }
    }
    return ok();
}

/// One image on its way.
class PullJob {
  public:
    PullJob(Env& env, Images::State& state, ImageTransfers& transfers,
            registry::Repository& repository, Lines& lines, net::Until until)
        : env_(env), state_(state), transfers_(transfers), repository_(repository), lines_(lines),
          until_(until), scope_(env.loop) {
        if (until.cancel != nullptr) { scope_.cancel().follow(*until.cancel); }
    }

    struct Found {
        oci::Digest digest; ///< of the manifest or index that the name stands for
        oci::Digest own;    ///< of the manifest
        oci::Manifest manifest;
        std::string config_text;
        std::shared_ptr<const oci::ImageConfig> config;
    };

    net::Task<Result<Found>> find(oci::Reference reference, oci::Platform platform) {
        const std::string name =
            reference.has_digest() ? reference.digest().text() : reference.tag();
        CO_TRY_LET(answer, co_await repository_.manifest(name, until_));
        Found found;
        found.digest = answer.digest;
        if (oci::media::is_index(answer.media_type)) {
            CO_TRY_LET(index, oci::parse_index(answer.bytes));
            const oci::Descriptor* chosen = choose_platform(index, platform);
            if (chosen == nullptr) {
                if (platform.os.empty()) { platform.os = "linux"; }
                if (platform.architecture.empty()) {
                    platform.architecture = oci::host_architecture();
                }
                co_return Error{
                    Errc::NotFound,
                    "no matching manifest for " + platform_text(platform) +
                        " in the manifest list entries: " + message_of_platforms(index)};
            }
            const std::string by_digest = chosen->digest.text();
            CO_TRY_LET(inner, co_await repository_.manifest(by_digest, until_));
            answer = std::move(inner);
            platform.variant.clear(); // the choice has been made, perhaps of an older variant
        }
        if (!oci::media::is_manifest(answer.media_type)) {
            co_return unsupported("the manifest of " + reference.familiar() +
                                  " has the media type " + answer.media_type +
                                  ", which is not supported");
        }
        CO_TRY_LET(manifest, oci::parse_manifest(answer.bytes));
        found.own = answer.digest;
        found.manifest = std::move(manifest);
        CO_TRY(check_manifest(found.manifest));
        CO_TRY(co_await read_config(&found));
        CO_TRY(check_config(found, reference, platform));
        co_return found;
    }

    static Needs needs_of(const Found& found, const oci::ImageId& id) {
        return {blob::chain_ids(found.config->rootfs.diff_ids), id};
    }

    /// Fetches the layers that are not here. The caller keeps what it needs (begin_needing).
    net::Task<Result<image::LoadedImage>> fetch(const Found* found) {
        const auto& diff_ids = found->config->rootfs.diff_ids;
        const auto chain = blob::chain_ids(diff_ids);
        for (std::size_t n = 0; n < chain.size(); ++n) {
            auto layer = std::make_unique<Layer>(env_.loop);
            layer->blob = found->manifest.layers[n];
            layer->diff_id = diff_ids[n];
            layer->chain = chain[n];
            layer->parent = n == 0 ? nullptr : layers_.back().get();
            layers_.push_back(std::move(layer));
        }
        for (auto& layer : layers_) { scope_.spawn(run(layer.get())); }
        net::Until never;
        co_await scope_.drain(never);
        if (failure_) { co_return std::move(*failure_); }
        auto put = [blobs = *state_.blobs, text = found->config_text,
                    digest = found->manifest.config.digest] {
            return blobs.put(text, blob::Expect{digest, {}});
        };
        CO_TRY(co_await env_.pool.run(std::move(put)));
        image::LoadedImage image;
        CO_TRY_LET(id, oci::image_id_of(found->manifest.config.digest));
        image.id = id;
        image.config = found->config;
        for (const auto& layer : layers_) { image.layers.push_back(layer->info); }
        co_return image;
    }

    /// Which blobs hold which layers. Of a layer that was here already, a manifest only claims it:
    /// a claim that was never seen true would let a stranger choose what a later push mounts.
    void remember_blobs(const std::string& repository) {
        for (const auto& layer : layers_) {
            const auto& forms = transfers_.known.of(layer->diff_id);
            const bool known = std::any_of(forms.begin(), forms.end(), [&](const auto& form) {
                return form.digest == layer->blob.digest;
            });
            if (!layer->fetched && !known) { continue; }
            const KnownBlob blob{layer->blob.digest, layer->blob.size, layer->blob.media_type, {}};
            transfers_.known.remember(layer->diff_id, blob, repository);
        }
    }

  private:
    struct Layer {
        explicit Layer(net::Loop& loop) : placed(loop) {}
        oci::Descriptor blob;
        oci::Digest diff_id;
        oci::ChainId chain;
        Layer* parent = nullptr;
        image::LayerInfo info;
        net::Flag placed;
        bool fetched = false; ///< by this pull: blob and content are known to belong together
    };

    net::Task<Result<void>> read_config(Found* found) {
        const oci::Descriptor config = found->manifest.config;
        auto look = [blobs = *state_.blobs, digest = config.digest] {
            return blobs.read(digest, config_bytes_max);
        };
        auto here = co_await env_.pool.run(std::move(look));
        if (here) {
            found->config_text = std::move(*here);
        } else {
            CO_TRY_LET(text, co_await repository_.read_blob(config, config_bytes_max, until_));
            found->config_text = std::move(text);
        }
        CO_TRY_LET(parsed, oci::parse_image_config(found->config_text));
        found->config = std::make_shared<const oci::ImageConfig>(std::move(parsed));
        co_return ok();
    }

    static Result<void> check_config(const Found& found, const oci::Reference& reference,
                                     const oci::Platform& wanted) {
        if (found.config->rootfs.diff_ids.size() != found.manifest.layers.size()) {
            return invalid("the image's config names " +
                           std::to_string(found.config->rootfs.diff_ids.size()) +
                           " layers, its manifest " + std::to_string(found.manifest.layers.size()));
        }
        const oci::Platform have{
            found.config->architecture, found.config->os, "", {}, found.config->variant};
        if (!have.os.empty() && have.os != "linux") {
            return unsupported("image operating system \"" + have.os +
                               "\" cannot be used on this platform");
        }
        if (!oci::satisfies(have, wanted)) {
            return Error{Errc::NotFound,
                         "image with reference " + reference.familiar() +
                             " was found but does not match the specified platform: "
                             "wanted " +
                             platform_text(wanted) + ", actual: " + platform_text(have)};
        }
        return ok();
    }

    // --- layers ---

    net::Task<void> run(Layer* layer) {
        auto done = co_await get(layer);
        if (done) {
            layer->placed.set();
            co_return;
        }
        if (!failure_) { failure_ = std::move(done).error(); }
        scope_.cancel().cancel(); // the others have no use any more
    }

    net::Task<Result<bool>> take_present(Layer* layer) {
        auto look = [layers = *state_.layers, id = layer->chain]() -> Result<image::LayerInfo> {
            if (!layers.has(id)) { return not_found("layer", id.text()); }
            return layers.info(id);
        };
        auto here = co_await env_.pool.run(std::move(look));
        if (here) { layer->info = std::move(*here); }
        co_return here.has_value();
    }

    net::Until until() { return {until_.deadline, scope_.cancel()}; }

    net::Task<Result<void>> get(Layer* layer) {
        const std::string id = short_digest(layer->blob.digest);
        CO_TRY_LET(here, co_await take_present(layer));
        if (here) {
            lines_.say(status_line(id, "Already exists"));
            co_return ok();
        }
        lines_.say(status_line(id, "Pulling fs layer"));
        auto lock = lock_of(layer->chain);
        auto guard = co_await lock->acquire(until());
        if (guard) {
            auto got = co_await get_locked(layer, &id);
            guard->release();
            drop_lock(layer->chain, lock);
            co_return got;
        }
        drop_lock(layer->chain, lock);
        co_return std::move(guard).error();
    }

    std::shared_ptr<net::Lock> lock_of(const oci::ChainId& chain) {
        auto& lock = transfers_.layers[chain];
        if (!lock) { lock = std::make_shared<net::Lock>(env_.loop); }
        return lock;
    }
    void drop_lock(const oci::ChainId& chain, std::shared_ptr<net::Lock>& lock) {
        lock.reset();
        const auto found = transfers_.layers.find(chain);
        if (found != transfers_.layers.end() && found->second.use_count() == 1) {
            transfers_.layers.erase(found);
        }
    }

    net::Task<Result<void>> get_locked(Layer* layer, const std::string* id) {
        CO_TRY_LET(here, co_await take_present(layer)); // another pull has brought it meanwhile
        if (here) {
            lines_.say(status_line(*id, "Pull complete"));
            co_return ok();
        }
        CO_TRY_LET(unplaced, co_await download(layer, id));
        if (layer->parent != nullptr) {
            const net::Wake wake = co_await layer->parent->placed.wait(until());
            if (wake != net::Wake::Raised) {
                co_await discard(std::move(unplaced));
                co_return net::to_result(wake, "wait for the layer below");
            }
        }
        lines_.say(progress_line(*id, "Extracting", layer->blob.size, layer->blob.size));
        auto place = [layers = *state_.layers, made = std::move(unplaced),
                      parent = layer->parent ? layer->parent->chain : oci::ChainId()]() mutable {
            return layers.place(std::move(made), parent);
        };
        CO_TRY_LET(info, co_await env_.pool.run(std::move(place)));
        layer->info = std::move(info);
        layer->fetched = true;
        lines_.say(status_line(*id, "Pull complete"));
        co_return ok();
    }

    /// Its files are many, perhaps: the loop does not wait for their removal.
    net::Task<void> discard(image::UnplacedLayer layer) {
        auto job = [gone = std::move(layer)] {}; // destroyed on the worker
        co_await env_.pool.run(std::move(job));
    }

    net::Task<Result<image::UnplacedLayer>> download(Layer* layer, const std::string* id) {
        const int slots = env_.settings.max_concurrent_downloads;
        if (transfers_.downloads.full(slots)) { lines_.say(status_line(*id, "Waiting")); }
        auto slot = co_await transfers_.downloads.take(slots, until());
        if (!slot) { co_return std::move(slot).error(); }
        for (const bool spool : {false, true}) {
            CO_TRY_LET(made, co_await transfer(layer, id, spool));
            if (!made) { continue; }
            lines_.say(status_line(*id, "Verifying Checksum"));
            lines_.say(status_line(*id, "Download complete"));
            co_return std::move(*made);
        }
        co_return invalid("layer " + layer->blob.digest.text() +
                          " does not hold what the config says");
    }

    using Made = Result<std::optional<image::UnplacedLayer>>;

    /// Once more, from the next endpoint, when a mirror gave other bytes than it should.
    net::Task<Made> transfer(Layer* layer, const std::string* id, bool spool) {
        while (true) {
            CO_TRY_LET(reader, co_await repository_.blob(layer->blob, until()));
            auto made = co_await transfer_from(reader.get(), layer, id, spool);
            const bool wrong = !made && made.error().code == Errc::Invalid;
            if (!wrong || !reader->blame_mirror()) { co_return made; }
            lines_.say(status_line(*id, "Retrying"));
        }
    }

    /// The bytes go through a pipe to a thread that unpacks them.
    net::Task<Made> transfer_from(registry::BlobReader* reader, Layer* layer, const std::string* id,
                                  bool spool) {
        CO_TRY_LET(pipe, os::make_pipe());
        auto out = net::adopt_stream(env_.loop, std::move(pipe.write_end));
        auto cancelled = std::make_shared<std::atomic<bool>>(false);
        auto work = [layers = *state_.layers, in = std::move(pipe.read_end), blob = layer->blob,
                     diff_id = layer->diff_id, spool, cancelled]() -> Made {
            image::FetchLayer wanted;
            wanted.blob = blob;
            wanted.diff_id = diff_id;
            wanted.spool = spool;
            wanted.cancelled = cancelled.get();
            return image::fetch_layer(layers, archive::source_of(in), wanted);
        };
        Made made = internal("not fetched");
        net::TaskScope working(env_.loop);
        working.spawn(keep(env_.storage_pool.run(std::move(work)), &made));
        auto fed = co_await feed(reader, out.get(), layer, id);
        if (!fed) { *cancelled = true; }
        out->close();
        net::Until never;
        co_await working.drain(never);
        if (!made && made.error().code != Errc::Cancelled) { co_return made; }
        if (fed) { co_return made; }
        if (made && *made) { co_await discard(std::move(**made)); }
        co_return std::move(fed).error();
    }

    static net::Task<void> keep(net::Task<Made> task, Made* into) {
        *into = co_await std::move(task);
    }

    net::Task<Result<void>> feed(registry::BlobReader* reader, net::Stream* out, Layer* layer,
                                 const std::string* id) {
        std::vector<char> buffer(buffer_bytes);
        std::int64_t done = 0;
        Steady told{};
        while (true) {
            const net::Until until = this->until();
            CO_TRY_LET(got, co_await reader->read_some(buffer, until));
            if (got == 0) { break; }
            done += static_cast<std::int64_t>(got);
            const std::string_view bytes(buffer.data(), got);
            auto written = co_await out->write_all(bytes, until);
            if (until.cancelled()) { co_return Error{Errc::Cancelled, "the pull was cancelled"}; }
            if (!written) { co_return ok(); } // the worker has its reasons
            if (env_.loop.now() - told < progress_pause && done < layer->blob.size) { continue; }
            told = env_.loop.now();
            lines_.say(progress_line(*id, "Downloading", done, layer->blob.size));
        }
        co_return ok();
    }

    Env& env_;
    Images::State& state_;
    ImageTransfers& transfers_;
    registry::Repository& repository_;
    Lines& lines_;
    net::Until until_;
    std::vector<std::unique_ptr<Layer>> layers_;
    std::optional<Error> failure_;
    net::TaskScope scope_;
};

} // namespace

net::Task<Result<ImageId>> Images::State::pull_one(registry::Repository* repository,
                                                   oci::Reference reference,
                                                   const ImagePullRequest* request, Lines* lines,
                                                   net::Until until) {
    const std::string name = reference.has_digest() ? reference.digest().text() : reference.tag();
    PullJob job(env, *this, *transfers, *repository, *lines, until);
    CO_TRY_LET(found, co_await job.find(reference, request->platform));
    lines->say(Json{{"status", "Pulling from " + reference.path()}, {"id", name}});
    CO_TRY_LET(id, oci::image_id_of(found.manifest.config.digest));
    const bool keep_tag = request->keep_tag;
    const bool same = table.find(id) != nullptr && (keep_tag || table.tagged(reference) == id);
    // An index stands for the images of all platforms, and belongs to that of the tag.
    const auto by_digest = reference.with_digest(keep_tag ? found.own : found.digest);
    if (!same) {
        const Needs needs = PullJob::needs_of(found, id);
        co_await begin_needing(&needs);
        auto image = co_await job.fetch(&found);
        Result<void> outcome = image ? add(*image, {}) : Result<void>(image.error());
        if (outcome) { job.remember_blobs(reference.name()); }
        if (outcome && reference.has_tag() && !keep_tag) { outcome = tag(reference, id); }
        if (outcome) { outcome = tag(by_digest, id); }
        // What a failed pull has brought stays for the next one, until a later pull is through; or
        // goes at once when the disk is full.
        if (outcome ? leftovers : outcome.error().code == Errc::Exhausted) { orphans = true; }
        leftovers = !outcome;
        co_await end_needing(&needs);
        CO_TRY(std::move(outcome));
    } else if (auto kept = tag(by_digest, id); !kept) {
        co_return std::move(kept).error();
    }
    // Somebody may have removed it while end_needing() waited.
    if (const auto* now = table.find(id)) { publish("pull", *now, reference.familiar()); }
    lines->say(Json{{"status", "Digest: " + found.digest.text()}});
    lines->say(Json{{"status", (same ? "Status: Image is up to date for "
                                     : "Status: Downloaded newer image for ") +
                                   reference.familiar()}});
    co_return id;
}

net::Task<Result<ImageId>> Images::pull(ImagePullRequest request, Lines& lines, net::Until until) {
    State& state = *state_;
    const auto options = client_options(state.env.settings);
    oci::Reference wanted = request.reference;
    // A name with tag and digest means the digest; the tag stays what it is.
    if (wanted.has_digest()) { wanted = wanted.with_digest(wanted.digest()); }
    CO_TRY_LET(registry, registry::Registry::create(state.env.loop, options, wanted.domain(),
                                                    request.auth, registry::Purpose::Pull));
    registry::Repository repository(registry, wanted.path(), registry::Purpose::Pull);
    if (wanted.has_tag() || wanted.has_digest()) {
        co_return co_await state.pull_one(&repository, wanted, &request, &lines, until);
    }
    CO_TRY_LET(tags, co_await repository.tags(until));
    if (tags.empty()) {
        co_return Error{Errc::NotFound, "no tags found for " + wanted.familiar_name()};
    }
    ImageId last;
    for (const auto& tag : tags) {
        CO_TRY_LET(reference, wanted.with_tag(tag));
        CO_TRY_LET(id, co_await state.pull_one(&repository, reference, &request, &lines, until));
        last = id;
    }
    co_return last;
}

} // namespace shoal::engine
