// Push: an image into a registry. Layers that the registry has are not sent; the others are
// compressed by a thread while they are sent.
#include "engine/images_transfer.h"
#include "engine/registries.h"
#include "engine/settings.h"
#include "image/transfer.h"
#include "net/sleep.h"
#include "os/file.h"
#include "os/pipe.h"

#include <set>

namespace shoal::engine {
namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;
constexpr std::size_t config_bytes_max = 8 * 1024 * 1024;
constexpr std::chrono::milliseconds progress_pause{100};
constexpr std::chrono::seconds retry_pause{1};
constexpr int mounts_max = 3; ///< repositories that are asked for one layer

class PushJob {
  public:
    PushJob(Env& env, Images::State& state, ImageTransfers& transfers,
            registry::Repository& repository, oci::Reference name, Lines& lines, net::Until until)
        : env_(env), state_(state), transfers_(transfers), repository_(repository),
          name_(std::move(name)), lines_(lines), until_(until), scope_(env.loop) {
        if (until.cancel != nullptr) { scope_.cancel().follow(*until.cancel); }
    }

    /// Layers, config and manifest; gives the manifest's digest and size.
    net::Task<Result<oci::Descriptor>> push(std::shared_ptr<const oci::ImageConfig> config,
                                            oci::ImageId id, std::string tag) {
        const auto& diff_ids = config->rootfs.diff_ids;
        const auto chain = blob::chain_ids(diff_ids);
        for (std::size_t n = 0; n < chain.size(); ++n) {
            auto layer = std::make_unique<Layer>(env_.loop);
            layer->diff_id = diff_ids[n];
            layer->chain = chain[n];
            layers_.push_back(std::move(layer));
        }
        for (auto layer = layers_.rbegin(); layer != layers_.rend(); ++layer) {
            lines_.say(status_line(short_digest((*layer)->diff_id), "Preparing"));
        }
        for (auto& layer : layers_) {
            if (layer->first = first_of(layer->diff_id); layer->first == layer.get()) {
                scope_.spawn(run(layer.get()));
            }
        }
        net::Until never;
        co_await scope_.drain(never);
        if (failure_) { co_return std::move(*failure_); }
        co_return co_await put_image(id, std::move(tag));
    }

  private:
    struct Layer {
        explicit Layer(net::Loop&) {}
        oci::Digest diff_id;
        oci::ChainId chain;
        Layer* first = nullptr; ///< the same content may lie twice in an image: it is sent once
        oci::Descriptor blob;
    };

    Layer* first_of(const oci::Digest& diff_id) {
        for (auto& layer : layers_) {
            if (layer->diff_id == diff_id) { return layer.get(); }
        }
        return nullptr;
    }

    net::Until until() { return {until_.deadline, scope_.cancel()}; }

    net::Task<void> run(Layer* layer) {
        auto done = co_await send(layer);
        if (done) { co_return; }
        if (!failure_) { failure_ = std::move(done).error(); }
        scope_.cancel().cancel();
    }

    net::Task<Result<void>> send(Layer* layer) {
        const std::string id = short_digest(layer->diff_id);
        const int slots = env_.settings.max_concurrent_uploads;
        if (transfers_.uploads.full(slots)) { lines_.say(status_line(id, "Waiting")); }
        auto slot = co_await transfers_.uploads.take(slots, until());
        if (!slot) { co_return std::move(slot).error(); }
        const std::vector<KnownBlob> known = transfers_.known.of(layer->diff_id);
        for (const auto& form : known) {
            const net::Until until = this->until();
            CO_TRY_LET(size, co_await repository_.head_blob(form.digest, until));
            if (!size || *size != form.size) { continue; }
            take(layer, form);
            lines_.say(status_line(id, "Layer already exists"));
            co_return ok();
        }
        CO_TRY_LET(mounted, co_await mount(layer, &known, &id));
        if (mounted) { co_return ok(); }
        co_return co_await upload(layer, &id);
    }

    void take(Layer* layer, const KnownBlob& form) {
        layer->blob.digest = form.digest;
        layer->blob.size = form.size;
        layer->blob.media_type = form.media_type;
        transfers_.known.remember(layer->diff_id, form, name_.name());
    }

    net::Task<Result<bool>> mount(Layer* layer, const std::vector<KnownBlob>* known,
                                  const std::string* id) {
        const std::string here = name_.domain() + "/";
        int asked = 0;
        for (const auto& form : *known) {
            for (auto place = form.repositories.rbegin(); place != form.repositories.rend();
                 ++place) {
                if (!place->starts_with(here) || *place == name_.name() || asked++ >= mounts_max) {
                    continue;
                }
                const std::string from = place->substr(here.size());
                const net::Until until = this->until();
                auto mounted = co_await repository_.mount(form.digest, from, until);
                if (until.cancelled()) {
                    co_return Error{Errc::Cancelled, "the push was cancelled"};
                }
                if (!mounted) { continue; } // a shortcut only: the upload says what is wrong
                if (!*mounted) {
                    transfers_.known.forget(layer->diff_id, form.digest, *place);
                    continue;
                }
                take(layer, form);
                lines_.say(status_line(*id, "Mounted from " + from));
                co_return true;
            }
        }
        co_return false;
    }

    // --- uploads ---

    net::Task<Result<void>> upload(Layer* layer, const std::string* id) {
        std::unique_ptr<registry::BlobUpload> upload;
        for (int attempt = 1;; ++attempt) {
            const net::Until until = this->until();
            auto sent = co_await try_upload(layer, id, &upload);
            if (sent) { co_return ok(); }
            const bool last = attempt >= env_.settings.max_download_attempts;
            if (last || until.cancelled() || !registry::is_worth_retrying(sent.error())) {
                co_return sent;
            }
            lines_.say(status_line(*id, "Retrying"));
            const net::Until pause = until.no_later_than(Deadline::in(retry_pause * attempt));
            co_await net::sleep(env_.loop, pause);
        }
    }

    /// Begins, or goes on from what the server says it has.
    net::Task<Result<void>> try_upload(Layer* layer, const std::string* id,
                                       std::unique_ptr<registry::BlobUpload>* upload) {
        const net::Until until = this->until();
        std::uint64_t offset = 0;
        if (*upload) {
            auto taken = co_await (*upload)->resume(until);
            if (taken) {
                offset = *taken;
            } else if (registry::is_worth_retrying(taken.error())) {
                co_return std::move(taken).error();
            } else {
                upload->reset(); // the server does not know it any more
            }
        }
        if (!*upload) {
            CO_TRY_LET(begun, co_await repository_.upload(until));
            *upload = std::move(begun);
        }
        co_return co_await send_from(layer, id, upload->get(), offset);
    }

    using Made = Result<image::CompressedLayer>;

    net::Task<Result<void>> send_from(Layer* layer, const std::string* id,
                                      registry::BlobUpload* upload, std::uint64_t offset) {
        CO_TRY_LET(pipe, os::make_pipe());
        auto in = net::adopt_stream(env_.loop, std::move(pipe.read_end));
        auto cancelled = std::make_shared<std::atomic<bool>>(false);
        auto plain = std::make_shared<std::atomic<std::int64_t>>(0);
        auto work = [layers = *state_.layers, out = std::move(pipe.write_end), chain = layer->chain,
                     offset, cancelled, plain]() -> Made {
            std::uint64_t skip = offset; // what the server has is made, hashed and not sent
            const archive::Sink sink = [&](std::string_view bytes) -> Result<void> {
                const auto passed = std::min<std::uint64_t>(skip, bytes.size());
                skip -= passed;
                bytes.remove_prefix(passed);
                return bytes.empty() ? ok() : os::write_all(out, bytes);
            };
            const auto progress = [&](std::int64_t done) { *plain = done; };
            return image::compress_layer(layers, chain, archive::Compression::Gzip, sink,
                                         cancelled.get(), progress);
        };
        Made made = internal("not compressed");
        net::TaskScope working(env_.loop);
        working.spawn(keep(env_.storage_pool.run(std::move(work)), &made));
        auto sent = co_await pass_on(in.get(), upload, layer, id, plain.get());
        *cancelled = !sent;
        in.reset();
        net::Until never;
        co_await working.drain(never);
        CO_TRY(std::move(sent));
        if (!made) { co_return std::move(made).error(); }
        const net::Until until = this->until();
        CO_TRY(co_await upload->finish(made->digest, until));
        const KnownBlob form{
            made->digest, made->size, std::string(oci::media::docker_layer_gzip), {}};
        take(layer, form);
        lines_.say(status_line(*id, "Pushed"));
        co_return ok();
    }

    static net::Task<void> keep(net::Task<Made> task, Made* into) {
        *into = co_await std::move(task);
    }

    net::Task<Result<void>> pass_on(net::Stream* in, registry::BlobUpload* upload, Layer* layer,
                                    const std::string* id, const std::atomic<std::int64_t>* plain) {
        std::vector<char> buffer(buffer_bytes);
        const std::int64_t total = tar_bytes_of(layer->chain);
        Steady told{};
        while (true) {
            const net::Until until = this->until();
            CO_TRY_LET(got, co_await in->read_some(buffer, until));
            if (got == 0) { break; }
            const std::string_view bytes(buffer.data(), got);
            CO_TRY(co_await upload->write(bytes, until));
            if (env_.loop.now() - told < progress_pause) { continue; }
            told = env_.loop.now();
            lines_.say(Json{{"status", "Pushing"},
                            {"progressDetail", {{"current", plain->load()}, {"total", total}}},
                            {"id", *id}});
        }
        co_return ok();
    }

    std::int64_t tar_bytes_of(const oci::ChainId& chain) const {
        const auto info = state_.layers->info(chain);
        return info ? info->tar_bytes : 0;
    }

    // --- config and manifest ---

    net::Task<Result<oci::Descriptor>> put_image(oci::ImageId id, std::string tag) {
        auto read = [blobs = *state_.blobs, digest = oci::Digest::of(id)] {
            return blobs.read(digest, config_bytes_max);
        };
        CO_TRY_LET(config, co_await env_.pool.run(std::move(read)));
        const auto config_digest = oci::Digest::of(id);
        CO_TRY_LET(there, co_await repository_.head_blob(config_digest, until_));
        if (!there) {
            CO_TRY_LET(upload, co_await repository_.upload(until_));
            CO_TRY(co_await upload->write(config, until_));
            CO_TRY(co_await upload->finish(config_digest, until_));
        }
        oci::Manifest manifest;
        bool docker = true;
        for (auto& layer : layers_) {
            manifest.layers.push_back(layer->first->blob);
            docker = docker && layer->first->blob.media_type == oci::media::docker_layer_gzip;
        }
        manifest.media_type = docker ? oci::media::docker_manifest : oci::media::oci_manifest;
        manifest.config.media_type = docker ? oci::media::docker_config : oci::media::oci_config;
        manifest.config.digest = config_digest;
        manifest.config.size = static_cast<std::int64_t>(config.size());
        for (auto& layer : manifest.layers) {
            if (!docker && layer.media_type == oci::media::docker_layer_gzip) {
                layer.media_type = oci::media::oci_layer_gzip;
            }
        }
        std::string text = oci::print_manifest(manifest);
        oci::Descriptor made;
        made.media_type = manifest.media_type;
        made.size = static_cast<std::int64_t>(text.size());
        CO_TRY_LET(digest, co_await repository_.put_manifest(tag, manifest.media_type,
                                                             std::move(text), until_));
        made.digest = digest;
        co_return made;
    }

    Env& env_;
    Images::State& state_;
    ImageTransfers& transfers_;
    registry::Repository& repository_;
    oci::Reference name_;
    Lines& lines_;
    net::Until until_;
    std::vector<std::unique_ptr<Layer>> layers_;
    std::optional<Error> failure_;
    net::TaskScope scope_;
};

} // namespace

net::Task<Result<void>> Images::State::push_one(registry::Repository* repository,
                                                oci::Reference reference, Lines* lines,
                                                net::Until until) {
    const ImageId id = table.tagged(reference);
    const image::ImageRecord* record = table.find(id);
    if (record == nullptr) {
        co_return Error{Errc::NotFound, "An image does not exist locally with the tag: " +
                                            reference.familiar_name()};
    }
    const auto config = record->config;
    PushJob job(env, *this, *transfers, *repository, reference, *lines, until);
    CO_TRY_LET(pushed, co_await job.push(config, id, reference.tag()));
    if (table.find(id) != nullptr) { CO_TRY(tag(reference.with_digest(pushed.digest), id)); }
    lines->say(Json{{"status", reference.tag() + ": digest: " + pushed.digest.text() +
                                   " size: " + std::to_string(pushed.size)}});
    lines->say(Json{
        {"progressDetail", Json::object()},
        {"aux",
         {{"Tag", reference.tag()}, {"Digest", pushed.digest.text()}, {"Size", pushed.size}}}});
    if (const auto* now = table.find(id)) { publish("push", *now, reference.familiar()); }
    co_return ok();
}

Result<std::vector<oci::Reference>> Images::check_push(const oci::Reference& reference) const {
    if (reference.has_digest()) { return invalid("cannot push a digest reference"); }
    std::vector<oci::Reference> all;
    for (const auto& one : state_->table.references_of_name(reference.without_tag_and_digest())) {
        const bool wanted = !reference.has_tag() || one.tag() == reference.tag();
        if (one.has_tag() && !one.has_digest() && wanted) { all.push_back(one); }
    }
    if (all.empty()) {
        return Error{Errc::NotFound,
                     "An image does not exist locally with the tag: " + reference.familiar_name()};
    }
    return all;
}

net::Task<Result<void>> Images::push(ImagePushRequest request, Lines& lines, net::Until until) {
    State& state = *state_;
    lines.say(Json{{"status", "The push refers to repository [" + request.reference.name() + "]"}});
    CO_TRY_LET(references, check_push(request.reference));
    std::vector<Hold> holds;
    for (const auto& reference : references) {
        holds.push_back(hold(state.table.tagged(reference)));
    }
    const auto options = client_options(state.env.settings);
    const oci::Reference wanted = request.reference;
    CO_TRY_LET(registry, registry::Registry::create(state.env.loop, options, wanted.domain(),
                                                    request.auth, registry::Purpose::Push));
    registry::Repository repository(registry, wanted.path(), registry::Purpose::Push);
    for (const auto& reference : references) {
        CO_TRY(co_await state.push_one(&repository, reference, &lines, until));
    }
    co_return ok();
}

} // namespace shoal::engine
