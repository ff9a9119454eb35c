// What every instruction goes through: variables are put in, the key is made, the cache is asked,
// and only then something is done. RUN, and COPY and ADD, have their own files.
#include "base/text.h"
#include "build/job.h"
#include "engine/settings.h"
#include "os/file.h"

#include <spdlog/spdlog.h>

namespace shoal::build {
namespace {

using dockerfile::Kind;

constexpr const char* nop = "#(nop) ";

/// Does the instruction change the image's settings? The others touch files, arguments or the
/// author.
bool changes_settings(Kind kind) {
    switch (kind) {
    case Kind::Run:
    case Kind::Copy:
    case Kind::Add:
    case Kind::Arg:
    case Kind::Maintainer:
        return false;
    default:
        return true;
    }
}

/// The settings as the step leaves them.
Result<oci::RunConfig> settings_after(const Prepared& work) {
    oci::RunConfig config = work.stage.config;
    bool cmd_set = work.stage.cmd_set;
    if (changes_settings(work.command.kind)) {
        TRY(dockerfile::apply(config, work.command, &cmd_set));
    }
    return config;
}

/// The text alone does not tell `A="1 B=2"` from `A=1 B=2`.
void add_values(KeyMaker& key, const dockerfile::Command& command) {
    if (const auto* pairs = std::get_if<dockerfile::PairsCommand>(&command.what)) {
        for (const auto& [name, value] : pairs->pairs) { key.add(name).add(value); }
    }
    if (const auto* words = std::get_if<dockerfile::WordsCommand>(&command.what)) {
        key.add(words->shell ? "shell" : "exec");
        for (const auto& word : words->words) { key.add(word); }
    }
}

} // namespace

std::vector<std::string> shell_of(const oci::RunConfig& config) {
    return config.shell.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : config.shell;
}

KeyMaker Job::base_key(const StageRun& stage, std::string_view kind) const {
    KeyMaker key;
    key.add("shoal build 1").add(kind).add(stage.image.text());
    key.add(stage.plan.platform.empty() ? request_.platform : stage.plan.platform);
    key.add(epoch_ ? std::to_string(epoch_->time_since_epoch().count()) : "");
    return key;
}

net::Task<Result<void>> Job::run_instruction(StageRun* stage, const dockerfile::Instruction& what,
                                             const Step* step) {
    const bool trigger = step == stage->steps.front();
    if (!trigger) { co_await emit(Event::Kind::Started, step); }
    Result<void> done = ok();
    dockerfile::Scope scope;
    scope.config = &stage->config;
    scope.args = &stage->args;
    scope.escape = file_.directives.escape;
    scope.given = &request_.args;
    scope.globals = &plan_.globals;
    scope.declared = &stage->declared;
    scope.directives = &file_.directives;
    const auto command = dockerfile::interpret(what, scope);
    if (!command) {
        done = command.error();
    } else {
        for (const auto& warning : command->warnings) {
            Event event;
            event.kind = Event::Kind::Warning;
            event.warning = warning;
            co_await emit(std::move(event));
        }
        done = co_await run_command(stage, *command, step);
    }
    if (done) {
        if (!trigger) { co_await emit(Event::Kind::Done, step, oci::prefixed(stage->image)); }
        co_return ok();
    }
    if (done.error().code != Errc::Cancelled) {
        std::string text = done.error().message;
        if (what.lines.first > 0) {
            text += "\n" + request_.dockerfile + ":" + std::to_string(what.lines.first) + "\n" +
                    dockerfile::excerpt(file_, what.lines);
        }
        co_await emit(Event::Kind::Failed, step, text);
    }
    co_return done;
}

net::Task<Result<void>> Job::run_command(StageRun* stage, const dockerfile::Command& command,
                                         const Step* step) {
    Prepared work{*stage, step, command, "", "", "", {}, "", true};
    CO_TRY(co_await prepare(&work));
    if (command.kind == Kind::Maintainer) {
        stage->author = join(std::get<dockerfile::WordsCommand>(command.what).words, " ");
    }
    if (command.kind == Kind::Arg) {
        take_args(*stage, std::get<dockerfile::ArgCommand>(command.what));
    }
    const bool cmd_before = stage->cmd_set;
    CO_TRY_LET(image, co_await carry_out(&work));
    // What was found in the cache was not applied here: the memory of CMD is.
    stage->cmd_set = cmd_before || command.kind == Kind::Cmd;
    const std::string author = stage->author;
    CO_TRY(advance(*stage, image));
    if (!author.empty()) { stage->author = author; }
    co_return ok();
}

void Job::take_args(StageRun& stage, const dockerfile::ArgCommand& command) {
    for (const auto& arg : command.args) {
        const auto value = dockerfile::arg_value(arg, request_.args, plan_.globals);
        std::erase_if(stage.args, [&](const auto& known) { return known.first == arg.name; });
        stage.declared.insert(arg.name);
        if (value) { stage.args.emplace_back(arg.name, *value); }
    }
}

/// The key, and the line of the history.
net::Task<Result<void>> Job::prepare(Prepared* work) {
    const auto& command = work->command;
    switch (command.kind) {
    case Kind::Run:
        co_return co_await prepare_run(work);
    case Kind::Copy:
    case Kind::Add:
        co_return co_await prepare_copy(work);
    default:
        break;
    }
    KeyMaker key = base_key(work->stage, dockerfile::name_of(command.kind));
    key.add(command.text);
    add_values(key, command);
    // Whether CMD is this stage's own decides what ENTRYPOINT makes of it.
    if (command.kind == Kind::Entrypoint) { key.add(work->stage.cmd_set ? "own CMD" : ""); }
    if (command.kind == Kind::Arg) {
        for (const auto& arg : std::get<dockerfile::ArgCommand>(command.what).args) {
            const auto value = dockerfile::arg_value(arg, request_.args, plan_.globals);
            key.add(arg.name).add(value ? "=" + *value : "");
        }
    }
    work->key = key.finish();
    work->created_by = join(shell_of(work->stage.config), " ") + " " + nop + " " + command.text;
    co_return ok();
}

// --- the cache ---

std::optional<oci::ImageId> Job::cached(const Prepared& work) {
    if (work.stage.no_cache) { return std::nullopt; }
    return builder_.cache.find(work.key, env_.clock.now());
}

void Job::remember(const Prepared& work, const oci::ImageId& image) {
    StepRecord record;
    record.key = work.key;
    record.image = image;
    record.parent = work.stage.image;
    // An address may carry a password; the history's form has none.
    record.description = work.command.kind == Kind::Add ? work.created_by : work.command.text;
    record.created = record.last_used = env_.clock.now();
    record.usage_count = 1;
    record.size_bytes =
        engine_.images.image_size(image) - engine_.images.image_size(work.stage.image);
    auto saved = builder_.cache.put(std::move(record));
    if (!saved) { spdlog::warn("build cache: {}, going on", saved.error().message); }
    if (work.shortcut.empty()) { return; }
    if (builder_.shortcuts.size() >= Builder::Impl::shortcuts_max) { builder_.shortcuts.clear(); }
    builder_.shortcuts[work.shortcut] = work.key;
}

/// An image that the client named with --cache-from has the same past and the same next step: its
/// layer is taken, its settings are not. What an image says of itself counts only for who named it.
std::optional<engine::ImageStepRequest> Job::from_named_cache(const Prepared& work) const {
    if (work.stage.no_cache || !work.cacheable) { return std::nullopt; }
    std::vector<oci::History> past;
    std::vector<oci::Digest> layers;
    if (!work.stage.image.empty()) {
        const auto info = engine_.images.find(work.stage.image);
        if (!info) { return std::nullopt; }
        past = info->config->history;
        layers = info->config->rootfs.diff_ids;
    }
    for (const auto& name : request_.cache_from) {
        const auto candidate = engine_.images.resolve(name);
        if (!candidate) { continue; }
        const auto& config = *candidate->config;
        const bool longer =
            config.history.size() > past.size() && config.rootfs.diff_ids.size() >= layers.size();
        if (!longer || !std::equal(past.begin(), past.end(), config.history.begin()) ||
            !std::equal(layers.begin(), layers.end(), config.rootfs.diff_ids.begin())) {
            continue;
        }
        const auto& next = config.history[past.size()];
        if (next.created_by != work.created_by) { continue; }
        engine::ImageStepRequest step;
        step.history = next;
        if (!next.empty_layer) {
            if (config.rootfs.diff_ids.size() == layers.size()) { continue; }
            step.existing_layer = config.rootfs.diff_ids[layers.size()];
        }
        return step;
    }
    return std::nullopt;
}

net::Task<Result<oci::ImageId>> Job::carry_out(Prepared* work) {
    // Somebody else is at the very same step: its result is ours too.
    while (!work->stage.no_cache) {
        const auto running = builder_.running.find(work->key);
        if (running == builder_.running.end()) { break; }
        const auto flag = running->second;
        const net::Wake wake = co_await flag->wait(until());
        CO_TRY(net::to_result(wake, "wait for the same step of another build"));
    }
    if (const auto found = cached(*work)) {
        co_await emit(Event::Kind::Cached, work->step);
        co_return *found;
    }
    auto flag = std::make_shared<net::Flag>(env_.loop);
    const bool first = builder_.running.emplace(work->key, flag).second;
    auto image = co_await execute(work);
    if (image && !work->borrowed) { remember(*work, *image); }
    if (first) { builder_.running.erase(work->key); }
    flag->set();
    co_return image;
}

net::Task<Result<oci::ImageId>> Job::execute(Prepared* work) {
    if (auto step = from_named_cache(*work)) {
        work->borrowed = true;
        step->parent = work->stage.image;
        step->author = work->stage.author;
        CO_TRY_LET(config, settings_after(*work));
        step->config = std::move(config);
        co_await emit(Event::Kind::Cached, work->step);
        co_return co_await engine_.images.make_step(std::move(*step));
    }
    switch (work->command.kind) {
    case Kind::Run:
        co_return co_await run_program(work);
    case Kind::Copy:
    case Kind::Add:
        co_return co_await copy(work);
    case Kind::Workdir:
        co_return co_await make_directory(work);
    default:
        co_return co_await change_settings(work);
    }
}

// --- doing it ---

net::Task<Result<oci::ImageId>> Job::make_image(Prepared* work, oci::RunConfig config,
                                                std::string upper, bool keep_upper) {
    engine::ImageStepRequest step;
    step.parent = work->stage.image;
    if (step.parent.empty()) {
        const std::string& own = work->stage.plan.platform;
        CO_TRY_LET(platform, oci::parse_platform(own.empty() ? request_.platform : own));
        step.platform = platform;
    }
    step.config = std::move(config);
    step.upper = std::move(upper);
    step.keep_upper = keep_upper;
    step.history.created = created_now();
    step.history.created_by = work->created_by;
    step.history.author = work->stage.author;
    step.author = work->stage.author;
    step.newest = epoch_;
    step.cancelled = cancelled_;
    co_return co_await engine_.images.make_step(std::move(step));
}

net::Task<Result<oci::ImageId>> Job::change_settings(Prepared* work) {
    CO_TRY_LET(config, settings_after(*work));
    co_return co_await make_image(work, std::move(config), "", false);
}

/// WORKDIR: the directory comes to be, as a layer when it was not there.
net::Task<Result<oci::ImageId>> Job::make_directory(Prepared* work) {
    CO_TRY_LET(config, settings_after(*work));
    CO_TRY_LET(directory, co_await work_dir("step"));
    CO_TRY_LET(root, co_await engine_.images.mount_rootfs(work->stage.image, directory));
    auto job = [merged = root.merged, path = config.working_dir]() -> Result<void> {
        TRY_LET(fd, os::open_directory(merged));
        TRY(ensure_path(fd, path, Owner{}));
        return ok();
    };
    auto made = co_await env_.pool.run(std::move(job));
    auto unmounted = co_await engine_.images.unmount_rootfs(directory);
    if (!made) { co_return std::move(made).error(); }
    CO_TRY(std::move(unmounted));
    co_return co_await make_image(work, std::move(config), root.upper, false);
}

} // namespace shoal::build
