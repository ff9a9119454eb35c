#include "node/executor.h"

#include "base/text.h"
#include "container/runtime.h"
#include "engine/drivers.h"
#include "engine/events.h"
#include "engine/overlays.h"
#include "engine/registries.h"
#include "engine/settings.h"
#include "net/pool.h"
#include "net/wait_queue.h"
#include "node/network_map.h"
#include "node/task_config.h"
#include "node/task_networks.h"
#include "node/task_secrets.h"
#include "node/task_traffic.h"
#include "os/cgroup.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace shoal::node {

using engine::ContainerPtr;

namespace {

constexpr std::size_t probe_output_max = 256;

std::string task_of(const engine::Container& container) {
    return node::task_of(container.config.labels, container.name);
}

/// The words that images and nodes use for platforms differ: this is uname's.
std::string machine_of(const std::string& architecture) {
    if (architecture == "amd64") { return "x86_64"; }
    return architecture == "arm64" ? "aarch64" : architecture;
}

struct NoLines final : engine::Lines {
    void say(Json) override {}
};

/// Of the end of a program, as users know it.
Result<void> outcome_of(const engine::Container& container) {
    const auto& state = container.state;
    if (state.exit_code == 0) { return ok(); }
    std::string text = "task: non-zero exit (" + std::to_string(state.exit_code) + ")";
    if (state.oom_killed) { text += ": out of memory"; }
    if (!state.error.empty()) { text += ": " + state.error; }
    return internal(std::move(text));
}

Error unhealthy(const engine::Container& container) {
    std::string text = "task: unhealthy container";
    if (!container.health.log.empty()) {
        const auto output = trim(container.health.log.back().output);
        if (!output.empty()) { text += ": " + std::string(output.substr(0, probe_output_max)); }
    }
    return internal(std::move(text));
}

/// What a registry refuses is refused for this task; to try again is for the managers to decide.
Error for_good(Error error) {
    const bool temporary = error.code == Errc::Unavailable || error.code == Errc::Timeout ||
                           error.code == Errc::Cancelled;
    if (temporary) { error.code = Errc::Internal; }
    return error;
}

} // namespace

struct EngineExecutor::Shared {
    Shared(engine::Engine& owner, ExecutorSettings wanted)
        : engine(owner), settings(std::move(wanted)), map(owner, settings.map_file),
          scope(owner.env.loop) {}

    std::string files_directory(const std::string& task_id) const {
        return task_files_root(engine.env.settings.exec_root) + "/" + task_id;
    }

    engine::Engine& engine;
    ExecutorSettings settings;
    std::string node_id;
    MapKeeper map;
    std::optional<container::HostFacts> facts; ///< read once
    net::TaskScope scope;                      ///< what must not be torn apart
};

namespace {

using SharedPtr = std::shared_ptr<EngineExecutor::Shared>;

net::Task<Result<container::HostFacts>> load_facts(SharedPtr shared) {
    if (!shared->facts) {
        auto job = []() -> Result<container::HostFacts> {
            TRY_LET(cgroups, os::detect_cgroups());
            return container::load_host_facts(cgroups);
        };
        CO_TRY_LET(facts, co_await shared->engine.env.pool.run(std::move(job)));
        shared->facts = std::move(facts);
    }
    co_return *shared->facts;
}

/// One task and what is known of it here. Shared with the steps that run, which outlive a
/// controller that is given up.
struct Work {
    Work(SharedPtr owner, swarm::TaskPtr wanted, swarm::Dependencies needs)
        : shared(std::move(owner)), task(std::move(wanted)), dependencies(std::move(needs)),
          ended(shared->engine.env.loop) {}

    SharedPtr shared;
    swarm::TaskPtr task;
    swarm::Dependencies dependencies;
    std::string container_id; ///< "" until it is found
    bool running = false;     ///< a step is
    net::WaitQueue ended;     ///< woken when it has ended

    engine::Containers& containers() const { return shared->engine.containers; }
    std::string files_directory() const { return shared->files_directory(task->id()); }
};
using WorkPtr = std::shared_ptr<Work>;

/// Null when the task has no container (any more).
ContainerPtr find_container(Work& work) {
    if (!work.container_id.empty()) {
        auto found = work.containers().find(work.container_id);
        return found ? *found : nullptr;
    }
    for (const auto& container : work.containers().all()) {
        if (task_of(*container) != work.task->id()) { continue; }
        work.container_id = container->id.text();
        return container;
    }
    return nullptr;
}

Error no_container() { return internal("the task's container is not there"); }

// --- steps that must not be torn apart ---

using Step = net::Task<Result<void>> (*)(WorkPtr work, net::Until until);

struct StepRun {
    explicit StepRun(net::Cancel& parent) : cancel(parent) {}
    net::Cancel cancel;
    std::optional<Result<void>> outcome;
};
using StepRunPtr = std::shared_ptr<StepRun>;

net::Task<void> perform(WorkPtr work, StepRunPtr run, Step step) {
    const net::Until until(run->cancel);
    auto outcome = co_await step(work, until);
    run->outcome = std::move(outcome);
    work->running = false;
    work->ended.wake_all();
}

/// Runs the step in the executor's scope, after the one before. Whoever gives up waiting cancels
/// it, and leaves it to end in its own time.
net::Task<Result<void>> run_step(WorkPtr work, Step step, net::Until until) {
    while (work->running) {
        const auto wake = co_await work->ended.wait(until);
        CO_TRY(net::to_result(wake, "wait for the task's step before"));
    }
    auto& scope = work->shared->scope;
    if (scope.cancel().cancelled()) { co_return Error{Errc::Cancelled, "the node is stopping"}; }
    auto run = std::make_shared<StepRun>(scope.cancel());
    work->running = true;
    scope.spawn(perform(work, run, step));
    while (!run->outcome) {
        const auto wake = co_await work->ended.wait(until);
        if (run->outcome || wake == net::Wake::Raised) { continue; }
        run->cancel.cancel();
        co_return net::to_result(wake, "task");
    }
    co_return *run->outcome;
}

// --- prepare ---

struct Plan {
    pb::ContainerSpec spec; ///< expanded
    std::vector<TaskFile> files;
    container::CreateRequest request;
};

Result<Plan> make_plan(const Work& work, const container::HostFacts& facts) {
    const NodeFacts node{work.shared->node_id, facts.host_name, machine_of(facts.architecture),
                         "linux"};
    const Json data = template_data(*work.task, node);
    Plan plan;
    TRY_LET(spec, expand(work.task->spec().container(), data));
    plan.spec = std::move(spec);
    TRY_LET(files, plan_task_files(*work.task, plan.spec, work.dependencies, data));
    plan.files = std::move(files);
    std::vector<FileBind> binds;
    for (const auto& file : plan.files) {
        binds.push_back({work.files_directory() + "/" + file.name, file.target});
    }
    TRY_LET(request, make_create_request(*work.task, plan.spec, node, binds));
    plan.request = std::move(request);
    return plan;
}

net::Task<Result<void>> place_files(WorkPtr work, std::vector<TaskFile> files) {
    if (files.empty()) { co_return ok(); }
    auto job = [directory = work->files_directory(), files = std::move(files)] {
        return place_task_files(directory, files);
    };
    co_return co_await work->shared->engine.env.pool.run(std::move(job));
}

net::Task<Result<void>> drop_files(WorkPtr work) {
    auto job = [directory = work->files_directory()] { return remove_task_files(directory); };
    co_return co_await work->shared->engine.env.pool.run(std::move(job));
}

/// Always asked for, since a tag may mean another image now; but what is here is good enough when
/// it cannot be had.
net::Task<Result<void>> pull(WorkPtr work, std::string image, net::Until until) {
    auto& images = work->shared->engine.images;
    const bool here = images.resolve(image).has_value();
    auto reference = oci::Reference::parse(image);
    const bool exact = !reference || reference->has_digest();
    if (here && (exact || work->shared->settings.prefer_offline_image)) { co_return ok(); }
    CO_TRY(std::move(reference));
    CO_TRY_LET(auth, registry::parse_auth_header(
                         work->task->spec().container().pull_options().registry_auth()));
    engine::ImagePullRequest request;
    request.reference = oci::Reference::parse(image)->with_default_tag();
    request.auth = std::move(auth);
    NoLines lines;
    auto pulled = co_await images.pull(std::move(request), lines, until);
    if (pulled) { co_return ok(); }
    if (until.cancelled()) { co_return Error{Errc::Cancelled, "pull " + image + ": cancelled"}; }
    if (images.resolve(image)) {
        spdlog::warn("task {}: pull {}: {}; the image that is here is used", work->task->id(),
                     image, pulled.error().message);
        co_return ok();
    }
    co_return for_good(std::move(pulled).error().with("pull " + image));
}

/// Networks of the cluster, as the managers have made them.
net::Task<Result<void>> ensure_overlays(WorkPtr work) {
    const auto wanted = overlay_attachments(*work->task);
    for (const auto& attachment : wanted) {
        CO_TRY_LET(definition, overlay_definition(attachment.network()));
        auto granted = addresses_of(attachment);
        CO_TRY(co_await work->shared->engine.networks.ensure_overlay(std::move(definition),
                                                                     std::move(granted)));
    }
    co_return ok();
}

/// Those, and what every node makes for itself.
net::Task<Result<void>> ensure_networks(WorkPtr work) {
    CO_TRY(co_await ensure_overlays(work));
    auto& networks = work->shared->engine.networks;
    const auto wanted = local_networks(*work->task);
    for (const auto& network : wanted) {
        const auto& name = swarm::name_of(network);
        if (networks.find(name)) { continue; }
        engine::CreateNetwork request;
        request.definition = local_definition(network);
        auto made = co_await networks.create(std::move(request));
        if (!made && !networks.find(name)) { // another task may have been faster
            co_return std::move(made).error().with("network " + name);
        }
    }
    co_return ok();
}

net::Task<Result<void>> prepare_step(WorkPtr work, net::Until until) {
    CO_TRY_LET(facts, co_await load_facts(work->shared));
    CO_TRY_LET(plan, make_plan(*work, facts));
    CO_TRY(co_await place_files(work, plan.files));
    if (find_container(*work)) { co_return ok(); }
    CO_TRY(co_await pull(work, plan.spec.image(), until));
    CO_TRY(co_await ensure_networks(work));
    if (until.cancelled()) { co_return Error{Errc::Cancelled, "the task is not wanted any more"}; }
    const std::string name = task_name(*work->task);
    auto created = co_await work->containers().create(std::move(plan.request), name, "");
    if (!created) { co_return std::move(created).error(); }
    work->container_id = created->id.text();
    co_return ok();
}

// --- start ---

net::Task<Result<void>> start_step(WorkPtr work, net::Until until) {
    const auto container = find_container(*work);
    if (!container) { co_return no_container(); }
    if (container->state.running() || container->state.started_at != Instant{}) {
        co_return ok(); // by the daemon's life before; how it ended is seen by wait()
    }
    CO_TRY_LET(facts, co_await load_facts(work->shared));
    CO_TRY_LET(plan, make_plan(*work, facts));
    CO_TRY(co_await place_files(work, plan.files)); // gone when the machine was restarted
    CO_TRY(co_await ensure_overlays(work));         // or some time after it was prepared
    auto started = co_await work->containers().start(container->id);
    if (!started && started.error().code != Errc::NotModified) { co_return started; }
    co_await wait_for_listeners(work->shared->engine, container, work->task, until);
    co_return ok();
}

/// More exact than the whole seconds of a container's configuration.
std::optional<std::chrono::milliseconds> stop_grace(const pb::Task& task) {
    const auto& spec = task.spec().container();
    if (!spec.has_stop_grace_period()) { return std::nullopt; }
    return std::chrono::ceil<std::chrono::milliseconds>(
        swarm::from_duration(spec.stop_grace_period()));
}

net::Task<Result<void>> stop_step(WorkPtr work, net::Until until) {
    const auto container = find_container(*work);
    if (container) {
        co_await wait_for_quiet(work->shared->engine, container, work->task, until);
        auto stopped = co_await work->containers().stop(container->id, "", stop_grace(*work->task));
        const bool fine = stopped || stopped.error().code == Errc::NotModified ||
                          stopped.error().code == Errc::NotFound;
        if (!fine) { co_return stopped; }
    }
    co_return co_await drop_files(work);
}

net::Task<Result<void>> remove_step(WorkPtr work, net::Until) {
    const auto container = find_container(*work);
    if (container) {
        const engine::RemoveOptions options{.force = true, .volumes = true, .link = false};
        auto removed = co_await work->containers().remove(container->id, options);
        if (!removed && removed.error().code != Errc::NotFound) { co_return removed; }
    }
    co_return co_await drop_files(work);
}

net::Task<Result<void>> drop_files_step(WorkPtr work, net::Until) {
    co_return co_await drop_files(work);
}

// --- what runs ---

enum class Seen { Gone, Ended, Starting, Healthy, Unhealthy };

Seen look(Work& work) {
    const auto container = find_container(work);
    if (!container) { return Seen::Gone; }
    if (!container->state.running()) { return Seen::Ended; }
    switch (container->health.status) {
    case container::HealthStatus::Unhealthy:
        return Seen::Unhealthy;
    case container::HealthStatus::Starting:
        return Seen::Starting;
    default:
        return Seen::Healthy;
    }
}

/// Until the container is something else than `passing`, or gives up.
net::Task<Result<Seen>> wait_while(WorkPtr work, std::vector<Seen> passing, net::Until until) {
    engine::Events::Subscription events(work->shared->engine.env.events);
    for (;;) {
        const Seen seen = look(*work);
        if (std::find(passing.begin(), passing.end(), seen) == passing.end()) { co_return seen; }
        const auto event = co_await events.next(until);
        if (!event) { co_return Error{Errc::Cancelled, "wait for the task: cancelled"}; }
    }
}

net::Task<Result<void>> judge(WorkPtr work, Seen seen, net::Until until) {
    const auto container = find_container(*work);
    if (!container || seen == Seen::Gone) { co_return no_container(); }
    if (seen == Seen::Unhealthy) {
        const Error error = unhealthy(*container);
        CO_TRY(co_await run_step(work, stop_step, until));
        co_return error;
    }
    if (seen != Seen::Ended) { co_return ok(); }
    CO_TRY(co_await run_step(work, drop_files_step, until)); // it never runs again
    co_return outcome_of(*container);
}

// --- logs ---

engine::LogRequest log_request(const pb::LogSubscriptionOptions& options) {
    engine::LogRequest request;
    for (const auto stream : options.streams()) {
        request.out |= stream == pb::LOG_STREAM_STDOUT;
        request.err |= stream == pb::LOG_STREAM_STDERR;
    }
    if (!request.out && !request.err) { request.out = request.err = true; }
    request.follow = options.follow();
    if (options.has_since()) { request.since = swarm::from_timestamp(options.since()); }
    if (options.tail() < 0) { request.tail = -options.tail() - 1; }
    return request;
}

pb::LogMessage message_of(const pb::Task& task, container::LogLine line) {
    pb::LogMessage message;
    auto& context = *message.mutable_context();
    context.set_service_id(task.service_id());
    context.set_node_id(task.node_id());
    context.set_task_id(task.id());
    *message.mutable_timestamp() = swarm::to_timestamp(line.at);
    message.set_stream(line.is_stderr ? pb::LOG_STREAM_STDERR : pb::LOG_STREAM_STDOUT);
    message.set_data(std::move(line.text));
    for (auto& [key, value] : line.attributes) {
        auto& attribute = *message.add_attrs();
        attribute.set_key(key);
        attribute.set_value(std::move(value));
    }
    return message;
}

/// Until it has been started once; false when that is not awaited and has not happened.
net::Task<Result<bool>> wait_started(WorkPtr work, bool follow, net::Until until) {
    engine::Events::Subscription events(work->shared->engine.env.events);
    for (;;) {
        const auto container = find_container(*work);
        if (container && container->state.started_at != Instant{}) { co_return true; }
        if (!follow || (!container && !work->container_id.empty())) { co_return false; }
        const auto event = co_await events.next(until);
        if (!event) { co_return Error{Errc::Cancelled, "read the task's log: cancelled"}; }
    }
}

pb::PortStatus ports_of(const pb::Task& task, const engine::Container& container) {
    pb::PortStatus status;
    for (const auto& wanted : host_ports(task)) {
        for (const auto& bound : container.sandbox.ports) {
            const auto protocol = to_upper(network::to_text(bound.container.protocol));
            if (bound.container.port != wanted.target_port() ||
                protocol != pb::PortConfig::Protocol_Name(wanted.protocol())) {
                continue;
            }
            auto& port = *status.add_ports();
            port = wanted;
            port.set_published_port(bound.host_port);
            break; // one of both families
        }
    }
    return status;
}

class TaskController final : public swarm::Controller {
  public:
    explicit TaskController(WorkPtr work) : work_(std::move(work)) {}

    net::Task<Result<void>> prepare(net::Until until) override {
        return run_step(work_, prepare_step, until);
    }
    net::Task<Result<void>> start(net::Until until) override { return start_task(work_, until); }
    net::Task<Result<void>> wait(net::Until until) override { return wait_task(work_, until); }
    net::Task<Result<void>> shutdown(net::Until until) override {
        return run_step(work_, stop_step, until);
    }
    net::Task<Result<void>> remove(net::Until until) override {
        return run_step(work_, remove_step, until);
    }
    void update(const pb::Task& task) override {
        work_->task = std::make_shared<const pb::Task>(task);
    }
    Status status() const override {
        const auto container = find_container(*work_);
        if (!container) { return last_; }
        last_.container.set_container_id(container->id.text());
        last_.container.set_pid(container->state.pid);
        last_.container.set_exit_code(container->state.exit_code);
        if (container->state.running()) { last_.ports = ports_of(*work_->task, *container); }
        return last_;
    }
    net::Task<Result<void>> logs(pb::LogSubscriptionOptions options,
                                 std::function<net::Task<Result<void>>(pb::LogMessage)> take,
                                 net::Until until) override {
        return read_logs(work_, std::move(options), std::move(take), until);
    }

  private:
    static net::Task<Result<void>> start_task(WorkPtr work, net::Until until) {
        CO_TRY(co_await run_step(work, start_step, until));
        const auto container = find_container(*work);
        const bool tells =
            container && container::plan_health(container->config.healthcheck, {}).enabled;
        if (!tells) { co_return ok(); } // what becomes of it is for wait() to see
        std::vector<Seen> passing{Seen::Starting};
        CO_TRY_LET(seen, co_await wait_while(work, std::move(passing), until));
        co_return co_await judge(work, seen, until);
    }
    static net::Task<Result<void>> wait_task(WorkPtr work, net::Until until) {
        std::vector<Seen> passing{Seen::Starting, Seen::Healthy};
        CO_TRY_LET(seen, co_await wait_while(work, std::move(passing), until));
        co_return co_await judge(work, seen, until);
    }
    static net::Task<Result<void>>
    read_logs(WorkPtr work, pb::LogSubscriptionOptions options,
              std::function<net::Task<Result<void>>(pb::LogMessage)> take, net::Until until) {
        CO_TRY_LET(started, co_await wait_started(work, options.follow(), until));
        const auto container = started ? find_container(*work) : nullptr;
        if (!container) { co_return ok(); }
        CO_TRY_LET(logs, co_await work->containers().logs(container->id, log_request(options)));
        for (;;) {
            CO_TRY_LET(lines, co_await logs->read(until));
            if (lines.empty()) { co_return ok(); }
            for (auto& line : lines) {
                auto message = message_of(*work->task, std::move(line));
                CO_TRY(co_await take(std::move(message)));
            }
        }
    }

    WorkPtr work_;
    mutable Status last_; ///< of a container that is gone
};

template <class Names>
void add_plugins(pb::EngineDescription& engine, const std::string& type, const Names& names) {
    for (const auto name : names) {
        auto& plugin = *engine.add_plugins();
        plugin.set_type(type);
        plugin.set_name(std::string(name));
    }
}

} // namespace

EngineExecutor::EngineExecutor(engine::Engine& engine, ExecutorSettings settings)
    : shared_(std::make_shared<Shared>(engine, settings)) {}

EngineExecutor::~EngineExecutor() = default;

net::Task<void> EngineExecutor::close() {
    co_await shared_->map.close();
    co_await shared_->scope.close();
}

net::Task<Result<void>> EngineExecutor::sweep() {
    std::set<std::string> with_container;
    for (const auto& container : shared_->engine.containers.all()) {
        with_container.insert(task_of(*container));
    }
    std::vector<std::string> leftovers;
    for (const auto& id :
         tasks_with_files(task_files_root(shared_->engine.env.settings.exec_root))) {
        if (!with_container.contains(id)) { leftovers.push_back(shared_->files_directory(id)); }
    }
    if (leftovers.empty()) { co_return ok(); }
    auto job = [leftovers]() -> Result<void> {
        ErrorList errors;
        for (const auto& directory : leftovers) { errors.add(remove_task_files(directory)); }
        return errors.empty() ? Result<void>() : Result<void>(errors.joined());
    };
    co_return co_await shared_->engine.env.pool.run(std::move(job));
}

net::Task<Result<pb::NodeDescription>> EngineExecutor::describe(net::Until) {
    CO_TRY_LET(facts, co_await load_facts(shared_));
    const auto& settings = shared_->engine.env.settings;
    pb::NodeDescription node;
    node.set_hostname(facts.host_name);
    node.mutable_platform()->set_architecture(machine_of(facts.architecture));
    node.mutable_platform()->set_os("linux");
    auto& resources = *node.mutable_resources();
    resources.set_nano_cpus(facts.cpus * 1'000'000'000);
    resources.set_memory_bytes(facts.memory_bytes);
    for (auto& generic : read_generic_resources(settings.node_generic_resources)) {
        *resources.add_generic() = std::move(generic);
    }
    auto& engine = *node.mutable_engine();
    engine.set_engine_version(SHOAL_VERSION);
    for (const auto& label : settings.labels) {
        auto [key, value] = cut(label, '=');
        (*engine.mutable_labels())[key] = value;
    }
    add_plugins(engine, "Volume", engine::volume_drivers);
    add_plugins(engine, "Network", engine::network_drivers);
    add_plugins(engine, "Log", engine::log_drivers);
    node.set_shoal_version(SHOAL_VERSION);
    co_return node;
}

void EngineExecutor::configure(const pb::Node& node) {
    shared_->node_id = node.id();
    shared_->map.configure(node);
}

net::Task<Result<void>> EngineExecutor::apply_network_map(const swarm::NetworkMap& map,
                                                          std::vector<std::string> changed,
                                                          bool whole, net::Until) {
    co_return co_await shared_->map.apply(map, std::move(changed), whole);
}
net::Task<Result<void>> EngineExecutor::restore_networks() {
    co_return co_await shared_->map.restore();
}
net::Task<Result<void>> EngineExecutor::leave_networks() {
    co_return co_await shared_->map.leave();
}

std::unique_ptr<swarm::Controller>
EngineExecutor::make_controller(swarm::TaskPtr task, swarm::Dependencies dependencies) {
    if (task->spec().has_attachment() && shared_->settings.attachments != nullptr) {
        return shared_->settings.attachments->make_controller(std::move(task));
    }
    auto work = std::make_shared<Work>(shared_, std::move(task), std::move(dependencies));
    return std::make_unique<TaskController>(std::move(work));
}

std::vector<std::string> EngineExecutor::known_tasks() const {
    std::set<std::string> ids;
    for (const auto& container : shared_->engine.containers.all()) {
        if (auto id = task_of(*container); !id.empty()) { ids.insert(std::move(id)); }
    }
    for (auto& id : tasks_with_files(task_files_root(shared_->engine.env.settings.exec_root))) {
        ids.insert(std::move(id));
    }
    return {ids.begin(), ids.end()};
}

} // namespace shoal::node
