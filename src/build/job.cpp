#include "build/job.h"

#include "base/text.h"
#include "dockerfile/plan.h"
#include "engine/settings.h"
#include "os/file.h"
#include "os/mount.h"

#include <spdlog/spdlog.h>

namespace shoal::build {
namespace {

constexpr const char* default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string host_platform() { return "linux/" + std::string(oci::host_architecture()); }

/// "[build 2/5] RUN make"; the last stage of a file with one stage goes without name.
std::string step_name(const std::string& stage, std::size_t index, std::size_t count,
                      const std::string& text) {
    const std::string where = stage.empty() ? "" : stage + " ";
    return "[" + where + std::to_string(index + 1) + "/" + std::to_string(count) + "] " + text;
}

/// In single quotes nothing is put in and nothing escapes.
std::string quoted(const std::string& text) {
    return "'" + replace_all(text, "'", "'\"'\"'") + "'";
}

/// One instruction per label, as Docker's classic builder adds them.
std::vector<dockerfile::Instruction> label_instructions(const container::Labels& labels) {
    std::vector<dockerfile::Instruction> all;
    for (const auto& [name, value] : labels) {
        dockerfile::Instruction label;
        label.kind = dockerfile::Kind::Label;
        label.rest = quoted(name) + "=" + quoted(value);
        label.text = "LABEL " + name + "=" + value;
        all.push_back(std::move(label));
    }
    return all;
}

/// "ENV PATH=$PATH:/x" needs something to add to, also above images that say nothing of it.
void set_default_path(oci::RunConfig& config) {
    const bool set = std::any_of(config.env.begin(), config.env.end(),
                                 [](const auto& entry) { return entry.starts_with("PATH="); });
    if (!set) { config.env.push_back(std::string("PATH=") + default_path); }
}

} // namespace

Job::Job(Builder::Impl& builder, Request request, Listener& listener, Failure* failure,
         net::Until until)
    : builder_(builder), engine_(builder.engine), env_(builder.engine.env),
      request_(std::move(request)), listener_(listener), failure_(failure),
      deadline_(until.deadline), cancelled_(std::make_shared<std::atomic<bool>>(false)),
      events_(env_.loop), trees_lock_(env_.loop), pulls_lock_(env_.loop),
      background_(env_.loop, cancel_) {
    if (until.cancel != nullptr) { cancel_.follow(*until.cancel); }
    on_cancel_.set(cancel_, [flag = cancelled_] { *flag = true; });
}

Job::~Job() = default;

// --- telling ---

net::Task<void> Job::emit(Event event) {
    auto turn = co_await events_.acquire();
    event.at = env_.clock.now();
    co_await listener_.on(std::move(event));
}

net::Task<void> Job::emit(Event::Kind kind, const Step* step, std::string text) {
    Event event;
    event.kind = kind;
    event.step = step;
    event.text = std::move(text);
    co_await emit(std::move(event));
}

void Job::fail(Error error) {
    // What was cancelled because of the first failure is no news.
    if (!failed_) { first_error_ = std::move(error); }
    failed_ = true;
    cancel_.cancel();
}

const Step* Job::add_step(Step step) {
    step.id = static_cast<int>(steps_.size());
    steps_.push_back(std::move(step));
    return &steps_.back();
}

Instant Job::created_now() const { return epoch_.value_or(env_.clock.now()); }

// --- the plan ---

net::Task<Result<void>> Job::plan() {
    // Limits that no container can have are refused before anything is done, needed or not.
    container::CreateRequest limits;
    limits.config.cmd = {"true"};
    limits.host_config = host_config();
    CO_TRY(engine_.containers.check(limits));
    const Step load{.stage = -1,
                    .stage_name = {},
                    .number = 0,
                    .total = 0,
                    .text = {},
                    .name = "[internal] load build definition from " + request_.dockerfile,
                    .needs = {}};
    const Step* step = add_step(load);
    co_await emit(Event::Kind::Announced, step);
    co_await emit(Event::Kind::Started, step);
    auto loaded = co_await load_dockerfile();
    if (!loaded) {
        co_await emit(Event::Kind::Failed, step, loaded.error().message);
        co_return loaded;
    }
    co_await emit(Event::Kind::Done, step);
    dockerfile::PlanRequest wish;
    wish.target = request_.target;
    wish.args = request_.args;
    wish.platforms = {host_platform(),
                      request_.platform.empty() ? host_platform() : request_.platform};
    for (const auto& [name, source] : request_.contexts) { wish.contexts.push_back(name); }
    CO_TRY_LET(plan, dockerfile::make_plan(file_, wish));
    plan_ = std::move(plan);
    add_labels();
    if (const auto epoch = request_.args.find("SOURCE_DATE_EPOCH");
        epoch != request_.args.end() && epoch->second && !epoch->second->empty()) {
        const auto seconds = parse_number<std::int64_t>(*epoch->second);
        if (!seconds) { co_return invalid("invalid SOURCE_DATE_EPOCH: " + *epoch->second); }
        epoch_ = from_unix_nanos(*seconds * 1'000'000'000);
    }
    co_return ok();
}

/// The request's labels are steps at the target's end.
void Job::add_labels() {
    const auto target = static_cast<std::size_t>(plan_.stages.back().index);
    for (auto& label : label_instructions(request_.labels)) {
        file_.stages[target].instructions.push_back(std::move(label));
        ++plan_.steps;
    }
}

void Job::announce_steps() {
    int number = 0;
    const int total = plan_.steps + static_cast<int>(file_.global_args.size());
    for (const auto& arg : file_.global_args) {
        Step step;
        step.stage = 0;
        step.number = ++number;
        step.total = total;
        step.text = arg.text;
        step.name = "[global] " + arg.text;
        global_steps_.push_back(add_step(std::move(step)));
    }
    for (const auto& planned : plan_.stages) {
        const auto& stage = file_.stages[static_cast<std::size_t>(planned.index)];
        auto& run = stages_.emplace_back(env_.loop, stage, planned);
        const bool unnamed = stage.name.empty();
        const std::string shown = unnamed && file_.stages.size() > 1
                                      ? "stage-" + std::to_string(planned.index)
                                      : stage.name;
        const auto& skipped = request_.no_cache_stages;
        run.no_cache = request_.no_cache ||
                       std::any_of(skipped.begin(), skipped.end(), [&](const std::string& name) {
                           return equals_ignore_case(name, stage.name);
                       });
        const std::size_t count = stage.instructions.size() + 1;
        for (std::size_t i = 0; i < count; ++i) {
            Step step;
            step.stage = static_cast<int>(stages_.size()) - 1;
            step.stage_name = shown;
            step.number = ++number;
            step.total = total;
            step.text = i == 0 ? stage.from.text : stage.instructions[i - 1].text;
            step.name = step_name(shown, i, count, step.text);
            if (i > 0) {
                step.needs.push_back(run.steps.back()->id);
                const StageRun* other = copied_stage(planned.index, stage.instructions[i - 1]);
                if (other != nullptr) { step.needs.push_back(other->steps.back()->id); }
            } else if (planned.base.kind == dockerfile::Origin::Kind::Stage) {
                const StageRun* base = stage_of(planned.base.stage);
                if (base != nullptr) { step.needs.push_back(base->steps.back()->id); }
            }
            run.steps.push_back(add_step(std::move(step)));
        }
    }
}

/// The earlier stage whose files the instruction takes, as far as its text says it.
const StageRun* Job::copied_stage(int stage, const dockerfile::Instruction& instruction) {
    for (const auto& flag : instruction.flags) {
        if (flag.name != "from") { continue; }
        const auto origin = dockerfile::resolve_from(file_, stage, flag.value, {});
        if (origin && origin->kind == dockerfile::Origin::Kind::Stage) {
            return stage_of(origin->stage);
        }
    }
    return nullptr;
}

StageRun* Job::stage_of(int index) {
    for (auto& stage : stages_) {
        if (stage.plan.index == index) { return &stage; }
    }
    return nullptr;
}

// --- the run ---

net::Task<Result<Built>> Job::run() {
    CO_TRY(co_await plan());
    announce_steps();
    for (std::size_t i = 1; i < steps_.size(); ++i) {
        co_await emit(Event::Kind::Announced, &steps_[i]);
    }
    for (const auto* warnings : {&file_.warnings, &plan_.warnings}) {
        for (const auto& warning : *warnings) {
            Event event;
            event.kind = Event::Kind::Warning;
            event.warning = warning;
            co_await emit(std::move(event));
        }
    }
    for (const Step* arg : global_steps_) {
        co_await emit(Event::Kind::Started, arg);
        co_await emit(Event::Kind::Done, arg);
    }
    net::TaskScope running(env_.loop);
    for (auto& stage : stages_) { running.spawn(stage_task(&stage)); }
    net::Until never;
    co_await running.drain(never);
    if (failed_) { co_return first_error_; }
    co_return co_await finish();
}

net::Task<void> Job::stage_task(StageRun* stage) {
    auto result = co_await run_stage(stage);
    stage->ok = result.has_value();
    if (!result) { fail(std::move(result).error()); }
    stage->done.set();
}

net::Task<Result<void>> Job::wait_for_stage(int index) {
    StageRun* other = stage_of(index);
    if (other == nullptr) {
        co_return internal("stage " + std::to_string(index) + " is not planned");
    }
    const net::Wake wake = co_await other->done.wait(until());
    CO_TRY(net::to_result(wake, "wait for stage " + std::to_string(index)));
    if (!other->ok) { co_return Error{Errc::Cancelled, "another stage failed"}; }
    co_return ok();
}

Result<void> Job::advance(StageRun& stage, const oci::ImageId& image) {
    TRY_LET(info, engine_.images.find(image));
    stage.image = image;
    stage.held.push_back(engine_.images.hold(image));
    stage.config = info.config->config;
    stage.author = info.config->author;
    return ok();
}

net::Task<Result<void>> Job::run_stage(StageRun* stage) {
    const Step* from = stage->steps.front();
    co_await emit(Event::Kind::Started, from);
    auto started = co_await start_from(stage);
    if (!started) {
        co_await emit(Event::Kind::Failed, from, started.error().message);
        co_return started;
    }
    const auto triggers = std::exchange(stage->config.on_build, {});
    if (!triggers.empty()) {
        const std::string count = std::to_string(triggers.size());
        co_await emit(Event::Kind::Notice, from,
                      "# Executing " + count + " build trigger" +
                          (triggers.size() == 1 ? "" : "s"));
    }
    co_await emit(Event::Kind::Done, from, oci::prefixed(stage->image));
    set_default_path(stage->config);
    CO_TRY(co_await run_triggers(stage, triggers));
    const auto& instructions = stage->stage.instructions;
    for (std::size_t i = 0; i < instructions.size(); ++i) {
        CO_TRY(co_await run_instruction(stage, instructions[i], stage->steps[i + 1]));
    }
    co_return ok();
}

net::Task<Result<void>> Job::start_from(StageRun* stage) {
    const auto& base = stage->plan.base;
    switch (base.kind) {
    case dockerfile::Origin::Kind::Scratch:
        co_return ok();
    case dockerfile::Origin::Kind::Stage: {
        CO_TRY(co_await wait_for_stage(base.stage));
        const StageRun* other = stage_of(base.stage);
        stage->base = other->image;
        stage->config = other->config;
        stage->author = other->author;
        if (other->image.empty()) { co_return ok(); }
        co_return advance(*stage, other->image);
    }
    case dockerfile::Origin::Kind::Image:
        co_return co_await start_from_image(stage, base.name);
    case dockerfile::Origin::Kind::Context: {
        const auto found = request_.contexts.find(base.name);
        if (found == request_.contexts.end() || found->second.kind != ContextSource::Kind::Image) {
            co_return invalid("the build context " + base.name + " is no image to start from");
        }
        co_return co_await start_from_image(stage, found->second.name);
    }
    }
    co_return ok();
}

net::Task<Result<void>> Job::start_from_image(StageRun* stage, std::string name) {
    const std::string wanted =
        stage->plan.platform.empty() ? request_.platform : stage->plan.platform;
    CO_TRY_LET(found, co_await find_image(name, wanted, stage->steps.front()));
    stage->base = found.id;
    co_return advance(*stage, found.id);
}

net::Task<Result<void>> Job::run_triggers(StageRun* stage, std::vector<std::string> triggers) {
    for (const auto& text : triggers) {
        CO_TRY_LET(instruction, dockerfile::parse_instruction(text));
        if (instruction.kind == dockerfile::Kind::From ||
            instruction.kind == dockerfile::Kind::Onbuild ||
            instruction.kind == dockerfile::Kind::Maintainer) {
            co_return invalid(std::string(dockerfile::name_of(instruction.kind)) +
                              " isn't allowed as an ONBUILD trigger");
        }
        CO_TRY(co_await run_instruction(stage, instruction, stage->steps.front()));
    }
    co_return ok();
}

// --- the end ---

net::Task<Result<Built>> Job::finish() {
    StageRun& target = stages_.back();
    Built built;
    built.id = target.image;
    if (built.id.empty()) {
        co_return invalid("No image was generated. Is your Dockerfile empty?");
    }
    if (request_.squash) {
        engine::ImageSquashRequest squash;
        squash.image = built.id;
        squash.base = target.base;
        squash.created = created_now();
        squash.comment = "merge " + oci::prefixed(built.id) + " to " + oci::prefixed(target.base);
        CO_TRY_LET(squashed, co_await engine_.images.squash(squash));
        built.id = squashed;
    }
    CO_TRY(engine_.images.mark_result(built.id));
    for (const auto& tag : request_.tags) {
        CO_TRY(engine_.images.tag(oci::prefixed(built.id), tag, ""));
    }
    built.unused_args = dockerfile::unused_args(file_, plan_, request_.args);
    co_return built;
}

net::Task<void> Job::clean_up() {
    on_cancel_.reset();
    cancel_.cancel();
    for (auto& listener : agent_listeners_) { listener->close(); }
    co_await background_.close();
    auto job = [work = work_, secrets = private_]() {
        ErrorList errors;
        for (const auto& path : {work, secrets}) {
            if (path.empty()) { continue; }
            errors.add(os::unmount_tree(path));
            errors.add(os::remove_tree(path));
        }
        return errors.empty() ? Result<void>() : Result<void>(errors.joined());
    };
    if (!work_.empty() || !private_.empty()) {
        auto removed = co_await env_.pool.run(std::move(job));
        if (!removed) { spdlog::warn("build: {}, going on", removed.error().message); }
    }
    leases_.clear();
    tree_holds_.clear();
    for (auto& stage : stages_) { stage.held.clear(); }
}

} // namespace shoal::build
