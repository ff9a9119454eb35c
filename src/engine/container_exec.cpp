// Programs run inside a running container, each with a monitor of its own.
#include "engine/containers_impl.h"

#include "base/text.h"
#include "engine/merge.h"
#include "image/rootfs.h"
#include "os/file.h"

#include <spdlog/spdlog.h>

namespace shoal::engine {
namespace {

struct ExecPlan {
    container::Config config;
    container::HostConfig host_config;
    container::HostFacts facts;
    container::ExecConfig exec;
    container::SpecInput spec; ///< its pointers are set on the pool
    container::Runtime runtime;
    container::ShimConfig shim;
    bool no_new_privileges = false;
};

Result<container::ShimLink> spawn_exec(ExecPlan plan) {
    plan.spec.config = &plan.config;
    plan.spec.host_config = &plan.host_config;
    plan.spec.host = &plan.facts;
    TRY_LET(root, os::open_directory(plan.spec.root_path));
    const os::UserRequest owner{plan.config.user, plan.host_config.group_add};
    TRY_LET(container_user, os::resolve_user_in(owner, root));
    plan.spec.user = container_user;
    const os::UserRequest user{plan.exec.user.empty() ? plan.config.user : plan.exec.user,
                               plan.host_config.group_add};
    TRY_LET(exec_user, os::resolve_user_in(user, root));
    TRY_LET(process, container::make_exec_process({&plan.exec, &plan.spec, exec_user}));
    TRY(os::ensure_directory(plan.shim.directory, 0700));
    TRY(os::write_file_atomic(plan.shim.process_file, dump_json(process), {.mode = 0600}));
    return container::spawn_shim(plan.runtime, plan.shim);
}

/// As Docker writes it: the program, a space, its arguments.
container::TerminalSize terminal_size(const std::vector<std::uint32_t>& size) {
    if (size.size() != 2) { return {}; }
    return {static_cast<std::uint16_t>(size[0]), static_cast<std::uint16_t>(size[1])};
}

/// The streams of an exec. Their end is told when the exit code is known: clients ask for it at
/// once.
class ExecAttachment final : public Attachment {
  public:
    ExecAttachment(std::unique_ptr<ShimAttachment> streams, ExecEntryPtr exec)
        : streams_(std::move(streams)), exec_(std::move(exec)) {}

    net::Task<Result<Output>> read(net::Until until) override {
        CO_TRY_LET(output, co_await streams_->read(until));
        while (output.data.empty() && exec_->record->running) {
            const net::Wake wake = co_await exec_->container->changed.wait(until);
            if (wake != net::Wake::Raised) {
                co_return net::to_result(wake, "wait for the exec").error();
            }
        }
        co_return std::move(output);
    }
    net::Task<Result<void>> write(std::string data, net::Until until) override {
        return streams_->write(std::move(data), until);
    }
    net::Task<Result<void>> close_input() override { return streams_->close_input(); }

  private:
    std::unique_ptr<ShimAttachment> streams_;
    ExecEntryPtr exec_;
};

std::string words_of(const container::ExecConfig& config) {
    return join(config.cmd, " ") + (config.cmd.size() == 1 ? " " : "");
}

} // namespace

net::Task<Result<ExecId>> Containers::Impl::exec_create(EntryPtr entry,
                                                        container::ExecConfig config) {
    const Container& container = *entry->record;
    const Status status = container.state.status;
    if (status == Status::Restarting) {
        co_return conflict("Container " + container.id.text() +
                           " is restarting, wait until the container is running");
    }
    if (status == Status::Paused) {
        co_return conflict("container " + container.id.text() +
                           " is paused, unpause the container before exec");
    }
    if (status != Status::Running) {
        co_return conflict("container " + container.id.text() + " is not running");
    }
    CO_TRY(container::validate_exec(config));
    auto exec = std::make_shared<ExecEntry>();
    exec->record = std::make_shared<Exec>();
    exec->record->id = ExecId::fresh(env.random);
    exec->record->container = container.id;
    exec->record->config = std::move(config);
    exec->container = entry;
    exec->directory = bundle_dir(container.id) + "/exec/" + exec->record->id.text();
    execs.emplace(exec->record->id.text(), exec);
    publish(container, "exec_create: " + words_of(exec->record->config),
            {{"execID", exec->record->id.text()}});
    co_return exec->record->id;
}

net::Task<Result<AttachmentPtr>> Containers::Impl::exec_start(ExecEntryPtr exec, bool detach) {
    const Container& container = *exec->container->record;
    Exec& record = *exec->record;
    if (container.state.status == Status::Paused) {
        co_return conflict("container " + container.id.text() +
                           " is paused, unpause the container before exec");
    }
    if (container.state.status != Status::Running) {
        co_return conflict("container " + container.id.text() + " is not running");
    }
    if (record.exit_code) { co_return conflict("exec process has already run"); }
    if (record.started) {
        co_return conflict("exec command " + record.id.text() + " is already running");
    }
    record.started = true;
    record.running = true;
    exec->container->record->exec_ids.push_back(record.id.text());
    ++exec->container->record->generation;
    publish(container, "exec_start: " + words_of(record.config), {{"execID", record.id.text()}});
    auto launched = co_await exec_launch(exec, detach);
    if (launched) { co_return launched; }
    Error error = std::move(launched).error();
    int code = 126;
    if (error.code == Errc::Internal) {
        const std::string program = record.config.cmd.empty() ? "" : record.config.cmd.front();
        container::StartFailure failure = container::translate_runtime_error(
            error.message, program, container::ShimConfig::Mode::Exec);
        code = failure.exit_code == 128 ? 126 : failure.exit_code;
        error = std::move(failure.error);
    }
    exec_ended(exec, code);
    co_return error;
}

net::Task<Result<AttachmentPtr>> Containers::Impl::exec_launch(ExecEntryPtr exec, bool detach) {
    const Container& container = *exec->container->record;
    const container::ExecConfig& config = exec->record->config;
    ExecPlan plan;
    plan.config = container.config;
    plan.host_config = container.host_config;
    plan.facts = facts;
    plan.exec = config;
    plan.spec.id = container.id.text();
    plan.spec.root_path = image::rootfs_in(data_dir(container.id)).merged;
    plan.spec.hostname = container.config.hostname;
    plan.spec.command = command_line(container.config);
    plan.spec.no_new_privileges_default = env.settings.no_new_privileges;
    plan.runtime = runtime(container);
    plan.shim.mode = container::ShimConfig::Mode::Exec;
    plan.shim.runtime = plan.runtime.path;
    plan.shim.runtime_args = plan.runtime.args;
    plan.shim.runtime_root = plan.runtime.root;
    plan.shim.container_id = container.id.text();
    plan.shim.bundle = bundle_dir(container.id);
    plan.shim.directory = exec->directory;
    plan.shim.process_file = exec->directory + "/process.json";
    plan.shim.tty = config.tty;
    plan.shim.open_stdin = config.attach_stdin && !detach;
    plan.shim.stdin_once = true;
    plan.shim.detach = detach;
    const std::vector<std::uint32_t> first_size = config.console_size;
    plan.shim.console = terminal_size(first_size);
    auto job = [plan = std::move(plan)]() mutable { return spawn_exec(std::move(plan)); };
    CO_TRY_LET(link, co_await env.pool.run(std::move(job)));
    exec->shim = ShimChannel::open(env.loop, scope, std::move(link.socket), false);
    const net::Until until(Deadline::in(create_limit));
    AttachmentPtr attachment;
    if (!detach) {
        AttachOptions options;
        options.input = config.attach_stdin;
        options.output = config.attach_stdout;
        options.error = config.attach_stderr;
        auto streams = std::make_unique<ShimAttachment>(env.loop, options);
        CO_TRY(co_await streams->connect(exec->directory, until));
        attachment = std::make_unique<ExecAttachment>(std::move(streams), exec);
    }
    if (config.console_size != first_size) {
        const std::string payload = container::encode_resize(terminal_size(config.console_size));
        CO_TRY(co_await exec->shim->request(container::Frame::Resize, payload, until));
    }
    CO_TRY(co_await exec->shim->request(container::Frame::Start, "", until));
    CO_TRY_LET(created, co_await exec->shim->wait_created(until));
    exec->record->pid = created.pid;
    scope.spawn(exec_watch(exec));
    co_return attachment;
}

net::Task<void> Containers::Impl::exec_watch(ExecEntryPtr exec) {
    const net::Until until(scope.cancel());
    const net::Wake wake = co_await exec->shim->wait_ended(until);
    if (wake != net::Wake::Raised) { co_return; }
    int code = 137;
    if (exec->shim->exit()) {
        code = exec->shim->exit()->code;
    } else if (auto exit = container::read_exit(exec->directory)) {
        code = exit->code;
    }
    exec_ended(exec, code);
}

void Containers::Impl::exec_ended(ExecEntryPtr exec, int exit_code) {
    Exec& record = *exec->record;
    record.running = false;
    record.exit_code = exit_code;
    record.pid = 0;
    exec->shim.reset();
    std::erase(exec->container->record->exec_ids, record.id.text());
    ++exec->container->record->generation;
    exec->container->changed.wake_all();
    (void)os::remove_tree(exec->directory);
    publish(*exec->container->record, "exec_die",
            {{"execID", record.id.text()}, {"exitCode", std::to_string(exit_code)}});
    finished_execs.push_back(record.id.text());
    forget_old_execs();
}

void Containers::Impl::forget_old_execs() {
    while (finished_execs.size() > finished_execs_max) {
        execs.erase(finished_execs.front());
        finished_execs.pop_front();
    }
}

// --- the public face ---

Result<ExecPtr> Containers::find_exec(std::string_view id) const {
    const auto found = impl_->execs.find(std::string(id));
    if (found == impl_->execs.end()) { return not_found("exec instance", id); }
    return ExecPtr(found->second->record);
}

net::Task<Result<AttachmentPtr>> Containers::exec_start(ExecId id, bool detach, bool tty,
                                                        std::vector<std::uint32_t> console_size) {
    const auto found = impl_->execs.find(id.text());
    if (found == impl_->execs.end()) { co_return not_found("exec instance", id.text()); }
    const ExecEntryPtr exec = found->second;
    (void)tty; // decided when it was created, as in Docker
    if (!console_size.empty()) { exec->record->config.console_size = std::move(console_size); }
    co_return co_await impl_->exec_start(exec, detach);
}

net::Task<Result<void>> Containers::exec_resize(ExecId id, int height, int width) {
    const auto found = impl_->execs.find(id.text());
    if (found == impl_->execs.end()) { co_return not_found("exec instance", id.text()); }
    Exec& record = *found->second->record;
    if (record.exit_code) { co_return conflict("exec " + id.text() + " is not running"); }
    const std::shared_ptr<ShimChannel> shim = found->second->shim;
    const container::TerminalSize size{static_cast<std::uint16_t>(height),
                                       static_cast<std::uint16_t>(width)};
    if (!shim) {
        record.config.console_size = {size.height,
                                      size.width}; // clients send it together with the start
        co_return ok();
    }
    const std::string payload = container::encode_resize(size);
    const net::Until until(Deadline::in(command_limit));
    co_return co_await shim->request(container::Frame::Resize, payload, until);
}

} // namespace shoal::engine
