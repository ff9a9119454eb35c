// Images in and out: load, save, import, commit, bootstrap. The work on bytes is done on a pool's
// thread; the table changes afterwards, on the loop, row last.
#include "engine/images_state.h"

#include "dockerfile/command.h"
#include "image/bootstrap.h"
#include "image/make.h"
#include "image/save.h"

namespace shoal::engine {
namespace {

const std::atomic<bool>* flag_of(const ImageStreamJob& job) { return job.cancelled.get(); }

/// Says lines on a pool's thread, because the pipe may be full.
net::Task<void> say(Env& env, std::shared_ptr<ImageStreamJob> job, std::vector<std::string> lines) {
    auto work = [job, lines = std::move(lines)] {
        ImageReporter reporter(job->progress, job->quiet);
        for (const auto& line : lines) { reporter.say(line); }
    };
    co_await env.storage_pool.run(std::move(work));
}

} // namespace

namespace {

/// Of an index the reader has chosen; an archive of one image is what was asked for, or it is
/// refused.
Result<void> check_platforms(const std::vector<image::LoadedImage>& images,
                             const oci::Platform& wanted) {
    for (const auto& image : images) {
        const oci::Platform have{
            image.config->architecture, image.config->os, "", {}, image.config->variant};
        if (oci::satisfies(have, wanted)) { continue; }
        const std::string name =
            image.tags.empty() ? prefixed(image.id) : image.tags.front().familiar();
        return Error{Errc::NotFound, "image " + name + " of the archive is for " +
                                         oci::platform_text(have) + ", not for " +
                                         oci::platform_text(wanted)};
    }
    return ok();
}

} // namespace

net::Task<Result<void>> Images::load(ImageStreamJob job, oci::Platform platform) {
    State& state = *state_;
    auto shared = std::make_shared<ImageStreamJob>(std::move(job));
    co_await state.begin_adding();
    auto work = [shared, platform, layers = *state.layers, blobs = *state.blobs] {
        ImageReporter reporter(shared->progress, shared->quiet);
        image::LoadOptions options;
        options.report = [&](const image::Progress& progress) { reporter.progress(progress); };
        options.cancelled = flag_of(*shared);
        options.platform = platform;
        return image::load_images(layers, blobs, archive::source_of(shared->input), options);
    };
    auto loaded = co_await state.env.storage_pool.run(std::move(work));
    std::vector<std::string> lines;
    Result<void> outcome =
        loaded ? check_platforms(*loaded, platform) : Result<void>(loaded.error());
    if (outcome) {
        for (const auto& image : *loaded) {
            outcome = state.add(image, {});
            if (!outcome) { break; }
            for (const auto& reference : image.tags) {
                const ImageId before = state.table.tagged(reference);
                if (!before.empty() && before != image.id) {
                    lines.push_back(ImageReporter::stream_line(
                        "The image " + reference.familiar() +
                        " already exists, renaming the old one with ID " + prefixed(before) +
                        " to empty string\n"));
                }
                outcome = state.tag(reference, image.id);
                if (!outcome) { break; }
                lines.push_back(
                    ImageReporter::stream_line("Loaded image: " + reference.familiar() + "\n"));
            }
            if (!outcome) { break; }
            if (image.tags.empty()) {
                lines.push_back(
                    ImageReporter::stream_line("Loaded image ID: " + prefixed(image.id) + "\n"));
            }
            state.publish("load", *state.table.find(image.id), prefixed(image.id));
        }
    }
    if (!outcome) { state.orphans = true; }
    co_await state.end_adding();
    co_await say(state.env, shared, std::move(lines));
    co_return outcome;
}

namespace {

struct Choice {
    std::vector<image::SavedImage> images;
};

/// One entry per image, with the names that were asked for. A repository without a tag stands for
/// all its tags.
Result<Choice> choose(const image::ImageTable& table, const std::vector<std::string>& names) {
    Choice choice;
    std::map<ImageId, std::size_t> place;
    const auto add = [&](const image::ImageRecord& record, const oci::Reference* reference) {
        const auto [found, fresh] = place.emplace(record.id, choice.images.size());
        if (fresh) { choice.images.push_back({record.id, record.config, record.layers, {}}); }
        auto& tags = choice.images[found->second].tags;
        if (reference == nullptr || !reference->has_tag()) { return; }
        if (std::find(tags.begin(), tags.end(), *reference) == tags.end()) {
            tags.push_back(*reference);
        }
    };
    for (const auto& name : names) {
        const auto reference = oci::Reference::parse(name);
        if (reference && !reference->has_tag() && !reference->has_digest()) {
            const auto all = table.references_of_name(*reference);
            for (const auto& one : all) { add(*table.find(table.tagged(one)), &one); }
            if (!all.empty()) { continue; }
        }
        TRY_LET(record, table.resolve(name));
        const bool by_name =
            reference && reference->has_tag() && table.tagged(*reference) == record->id;
        add(*record, by_name ? &*reference : nullptr);
    }
    return choice;
}

} // namespace

Result<void> Images::check_names(const std::vector<std::string>& names) const {
    TRY(choose(state_->table, names));
    return ok();
}

net::Task<Result<void>> Images::save(std::vector<std::string> names, ImageStreamJob job) {
    State& state = *state_;
    auto shared = std::make_shared<ImageStreamJob>(std::move(job));
    CO_TRY_LET(choice, choose(state.table, names));
    std::vector<Hold> held; // the images cannot be deleted while they are read
    for (const auto& image : choice.images) { held.push_back(hold(image.id)); }
    auto work = [shared, images = choice.images, layers = *state.layers, blobs = *state.blobs] {
        const auto* cancelled = flag_of(*shared);
        const archive::Sink out = archive::sink_into(shared->output);
        const archive::Sink sink = [&](std::string_view bytes) -> Result<void> {
            if (cancelled != nullptr && *cancelled) {
                return Error{Errc::Cancelled, "save: cancelled"};
            }
            return out(bytes);
        };
        auto saved = image::save_images(layers, blobs, images, sink);
        shared->output.reset();
        return saved;
    };
    auto saved = co_await state.env.storage_pool.run(std::move(work));
    if (!saved) { co_return saved; }
    for (const auto& image : choice.images) {
        if (const auto* record = state.table.find(image.id)) {
            state.publish("save", *record, prefixed(image.id));
        }
    }
    co_return ok();
}

net::Task<Result<ImageId>> Images::import(ImageImportRequest request, ImageStreamJob job) {
    State& state = *state_;
    std::optional<oci::Reference> reference;
    if (!request.reference.empty()) {
        CO_TRY_LET(parsed, parse_new_tag(request.reference, ""));
        reference = parsed;
    }
    image::ImportOptions options;
    CO_TRY(dockerfile::apply_changes(options.config, request.changes));
    options.message = request.message.empty() ? "Imported from " + request.source : request.message;
    options.source = request.source;
    options.platform = request.platform;
    options.now = state.env.clock.now();
    auto shared = std::make_shared<ImageStreamJob>(std::move(job));
    co_await state.begin_adding();
    auto work = [shared, options, layers = *state.layers, blobs = *state.blobs]() mutable {
        ImageReporter reporter(shared->progress, shared->quiet);
        options.cancelled = flag_of(*shared);
        // Of a local archive nothing is said but the image's id: scripts take the output for it.
        if (options.source != "-") {
            options.progress = [&](std::uint64_t bytes) {
                reporter.progress({"", "Importing", static_cast<std::int64_t>(bytes), 0});
            };
        }
        return image::import_image(layers, blobs, archive::source_of(shared->input), options);
    };
    auto made = co_await state.env.storage_pool.run(std::move(work));
    auto entered = state.enter(made, {}, reference, "import");
    co_await state.end_adding();
    if (!entered) { co_return entered; }
    std::vector<std::string> lines{dump_json(Json{{"status", prefixed(*entered)}})};
    co_await say(state.env, shared, std::move(lines));
    co_return entered;
}

Result<ImageId> Images::State::enter(const Result<image::LoadedImage>& made, const ImageId& parent,
                                     const std::optional<oci::Reference>& reference,
                                     const std::string& event) {
    if (!made) {
        orphans = true;
        return made.error();
    }
    auto added = add(*made, parent);
    if (!added) {
        orphans = true;
        return std::move(added).error();
    }
    if (!event.empty()) { publish(event, *table.find(made->id), prefixed(made->id)); }
    if (reference) { TRY(tag(*reference, made->id)); }
    return made->id;
}

net::Task<Result<ImageId>> Images::commit(ImageCommitRequest request) {
    State& state = *state_;
    std::optional<oci::Reference> reference;
    if (!request.reference.empty()) {
        CO_TRY_LET(parsed, parse_new_tag(request.reference, ""));
        reference = parsed;
    }
    image::CommitOptions options;
    options.config = std::move(request.config);
    CO_TRY(dockerfile::apply_changes(options.config, request.changes));
    options.upper = request.upper;
    options.author = request.author;
    options.comment = request.comment;
    options.created_by = request.created_by;
    options.now = state.env.clock.now();
    Hold held;
    ImageId parent;
    if (!request.parent.empty()) {
        const auto* record = state.known(request.parent);
        if (record == nullptr) { co_return not_found("image", prefixed(request.parent)); }
        options.parent = record->config;
        options.parent_layers = record->layers;
        if (state.table.find(request.parent) != nullptr) { parent = request.parent; }
        held = hold(request.parent);
    }
    co_await state.begin_adding();
    auto work = [options, layers = *state.layers, blobs = *state.blobs] {
        return image::commit_image(layers, blobs, options);
    };
    auto made = co_await state.env.pool.run(std::move(work));
    auto entered = state.enter(made, parent, reference, "");
    co_await state.end_adding();
    co_return entered;
}

net::Task<Result<ImageId>> Images::make_step(ImageStepRequest request) {
    State& state = *state_;
    image::StepOptions options;
    options.platform = request.platform;
    options.config = std::move(request.config);
    options.upper = request.upper;
    options.keep_upper = request.keep_upper;
    options.existing_layer = request.existing_layer;
    options.history = std::move(request.history);
    options.author = request.author;
    options.newest = request.newest;
    if (!request.parent.empty()) {
        const auto* record = state.known(request.parent);
        if (record == nullptr) { co_return not_found("image", prefixed(request.parent)); }
        options.parent = record->config;
        options.parent_layers = record->layers;
    }
    co_await state.begin_adding();
    auto work = [options, cancelled = request.cancelled, layers = *state.layers,
                 blobs = *state.blobs]() mutable {
        options.cancelled = cancelled.get();
        return image::step_image(layers, blobs, options);
    };
    auto made = co_await state.env.pool.run(std::move(work));
    Result<void> added = made ? state.add(*made, request.parent, true) : made.error();
    if (!added) { state.orphans = true; }
    co_await state.end_adding();
    if (!added) { co_return std::move(added).error(); }
    co_return made->id;
}

net::Task<Result<ImageId>> Images::squash(ImageSquashRequest request) {
    State& state = *state_;
    const auto* record = state.known(request.image);
    if (record == nullptr) { co_return not_found("image", prefixed(request.image)); }
    image::SquashOptions options;
    options.image = record->config;
    options.layers = record->layers;
    options.now = request.created;
    options.comment = request.comment;
    if (const auto* base = state.known(request.base)) { options.kept = base->layers.size(); }
    co_await state.begin_adding();
    auto work = [options, layers = *state.layers, blobs = *state.blobs] {
        return image::squash_image(layers, blobs, options);
    };
    auto made = co_await state.env.pool.run(std::move(work));
    auto entered = state.enter(made, {}, {}, "");
    co_await state.end_adding();
    co_return entered;
}

Result<void> Images::mark_result(const ImageId& id) {
    State& state = *state_;
    const auto* record = state.table.find(id);
    if (record == nullptr) { return not_found("image", prefixed(id)); }
    if (!record->intermediate) { return ok(); }
    state.table.set_intermediate(id, false);
    return state.put_row(*record, false);
}

bool Images::is_needed(const ImageId& id) const {
    const State& state = *state_;
    const auto* record = state.table.find(id);
    if (record == nullptr) { return false; }
    if (!record->intermediate || !state.table.references(id).empty()) { return true; }
    if (state.users != nullptr && !state.users->image_users(id).empty()) { return true; }
    const auto children = state.table.children(id);
    return std::any_of(children.begin(), children.end(),
                       [this](const ImageId& child) { return is_needed(child); });
}

bool Images::is_held(const ImageId& id) const { return state_->holds.contains(id); }

net::Task<Result<bool>> Images::drop_step(ImageId id) {
    State& state = *state_;
    const auto* record = state.table.find(id);
    if (record == nullptr || !record->intermediate || !state.table.references(id).empty() ||
        !state.table.children(id).empty() || !state.uses()(id).empty()) {
        co_return false;
    }
    CO_TRY(state.erase(id));
    co_await state.collect();
    co_return true;
}

net::Task<Result<ImageId>> Images::bootstrap(ImageBootstrapRequest request, ImageStreamJob job) {
    State& state = *state_;
    CO_TRY_LET(reference, parse_new_tag(request.reference, ""));
    image::BootstrapOptions options;
    options.suite = reference.tag() == "latest" ? "" : reference.tag();
    options.variant = request.variant;
    options.include = request.include;
    options.now = state.env.clock.now();
    auto shared = std::make_shared<ImageStreamJob>(std::move(job));
    co_await state.begin_adding();
    auto work = [shared, options, layers = *state.layers, blobs = *state.blobs]() mutable {
        ImageReporter reporter(shared->progress, shared->quiet);
        options.cancelled = flag_of(*shared);
        options.log = [&](const std::string& line) {
            reporter.say(dump_json(Json{{"status", line}}));
        };
        return image::bootstrap_image(layers, blobs, options);
    };
    auto made = co_await state.env.storage_pool.run(std::move(work));
    const std::optional<oci::Reference> name = reference;
    auto entered = state.enter(made, {}, name, "import");
    co_await state.end_adding();
    if (!entered) { co_return entered; }
    std::vector<std::string> lines{
        ImageReporter::stream_line("Loaded image: " + reference.familiar() + "\n")};
    co_await say(state.env, shared, std::move(lines));
    co_return entered;
}

} // namespace shoal::engine
