// RUN: an ordinary container above the image so far runs the command; what it changed is the layer.
// Binds, caches, secrets and agents are mounts of that container and leave no trace in the layer.
#include "archive/path_in_root.h"
#include "base/text.h"
#include "build/job.h"
#include "buildkit/session.h"
#include "engine/settings.h"
#include "os/file.h"
#include "os/overlay.h"

#include <algorithm>
#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::build {
namespace {

using dockerfile::RunCommand;
using dockerfile::RunMount;

const RunCommand& command_of(const Prepared& work) {
    return std::get<RunCommand>(work.command.what);
}

std::string_view name_of(RunMount::Type type) {
    switch (type) {
    case RunMount::Type::Bind:
        return "bind";
    case RunMount::Type::Cache:
        return "cache";
    case RunMount::Type::Tmpfs:
        return "tmpfs";
    case RunMount::Type::Secret:
        return "secret";
    case RunMount::Type::Ssh:
        return "ssh";
    }
    return "";
}

/// What of a mount can change the result, beside the content that it shows.
void add_mount(KeyMaker& key, const RunMount& mount) {
    key.add(name_of(mount.type)).add(mount.target).add(mount.source).add(mount.from).add(mount.id);
    key.add(mount.read_only ? "ro" : "rw").add(mount.env).add(mount.required ? "required" : "");
    key.add(std::to_string(static_cast<int>(mount.sharing)));
    for (const auto& number : {mount.mode, mount.uid, mount.gid}) {
        key.add(number ? std::to_string(*number) : "");
    }
    key.add(std::to_string(mount.size_bytes));
}

/// The first bytes of a UTF-8 character whose others are still to come, taken off the end.
std::string take_cut_character(std::string& text) {
    for (std::size_t back = 1; back <= 3 && back <= text.size(); ++back) {
        const auto byte = static_cast<unsigned char>(text[text.size() - back]);
        if ((byte & 0xC0) == 0x80) { continue; }
        const std::size_t whole = byte >= 0xF0 ? 4 : (byte >= 0xE0 ? 3 : (byte >= 0xC0 ? 2 : 1));
        if (whole <= back) { break; }
        std::string cut = text.substr(text.size() - back);
        text.resize(text.size() - back);
        return cut;
    }
    return "";
}

/// Directories and files that were made only to be mounted on: not in the image `below`, and as the
/// runtime makes them.
void remove_stubs(const std::string& upper, const std::string& below,
                  const std::vector<std::string>& targets) {
    auto root = os::open_directory(upper);
    auto image = os::open_directory(below);
    if (!root || !image) { return; }
    for (const auto& target : targets) {
        std::string path = clean_relative(target);
        for (bool first = true; !path.empty(); first = false) {
            if (archive::open_in_root(*image, path, archive::Follow::NotLast)) { break; }
            const auto slash = path.rfind('/');
            const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash);
            const std::string base = path.substr(slash == std::string::npos ? 0 : slash + 1);
            os::OpenBeneath how;
            how.flags = O_RDONLY | O_DIRECTORY;
            how.no_links = true;
            const auto directory = os::open_beneath(*root, parent, how);
            if (!directory) { break; }
            struct stat status {};
            if (::fstatat(directory->raw(), base.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
                break;
            }
            const bool as_made = status.st_uid == 0 && status.st_gid == 0;
            if (!as_made || (!first && (status.st_mode & 07777) != 0755)) { break; }
            const bool empty_file = first && S_ISREG(status.st_mode) && status.st_size == 0;
            if (::unlinkat(directory->raw(), base.c_str(), empty_file ? 0 : AT_REMOVEDIR) != 0) {
                break;
            }
            path = slash == std::string::npos ? "" : path.substr(0, slash);
        }
    }
}

} // namespace

// --- the key ---

std::vector<std::string> Job::command_words(const Prepared& work) const {
    const RunCommand& command = command_of(work);
    if (!command.shell) { return command.words; }
    std::vector<std::string> words = shell_of(work.stage.config);
    words.push_back(command.script ? *command.script : join(command.words, " "));
    return words;
}

/// "NAME=value" of every argument that the program sees, in order of name. Proxies are seen but do
/// not count.
std::vector<std::string> Job::args_for_run(const StageRun& stage) const {
    std::vector<std::string> all;
    for (const auto& [name, value] : stage.args) {
        const bool is_env =
            std::any_of(stage.config.env.begin(), stage.config.env.end(),
                        [&](const std::string& entry) { return cut(entry, '=').first == name; });
        if (!is_env) { all.push_back(name + "=" + value); }
    }
    std::sort(all.begin(), all.end());
    return all;
}

net::Task<Result<void>> Job::prepare_run(Prepared* work) {
    const RunCommand& command = command_of(*work);
    if (command.security == "insecure") {
        co_return Error{Errc::Forbidden,
                        "RUN --security=insecure is refused: steps of a build get no more rights "
                        "than containers of run"};
    }
    if (command.network == "host" && request_.network != "host") {
        co_return Error{Errc::Forbidden, "RUN --network=host needs a build with --network=host"};
    }
    KeyMaker key = base_key(work->stage, "RUN");
    const auto words = command_words(*work);
    for (const auto& word : words) { key.add(word); }
    const auto args = args_for_run(work->stage);
    key.add(std::to_string(args.size()));
    for (const auto& arg : args) { key.add(arg); }
    key.add(command.network.empty() ? request_.network : command.network);
    key.add(join(request_.extra_hosts, "\n")).add(std::to_string(request_.shm_size_bytes));
    for (const auto& limit : request_.resources.ulimits) {
        key.add(limit.name + "=" + std::to_string(limit.soft) + ":" + std::to_string(limit.hard));
    }
    key.add(join(request_.security_opts, "\n"));
    for (const auto& mount : command.mounts) {
        add_mount(key, mount);
        work->cacheable = false;
        if (mount.type != RunMount::Type::Bind) { continue; }
        Error problem;
        const auto origin = origin_of(work->stage, mount.from, &problem);
        if (!problem.message.empty()) { co_return problem; }
        CO_TRY_LET(tree, co_await tree_of(origin));
        if (!tree.id.empty()) {
            key.add(tree.id);
            continue;
        }
        auto job = [this, tree, source = mount.source,
                    cancelled = cancelled_]() -> Result<std::string> {
            TRY_LET(root, os::open_directory(tree.path));
            SelectRequest request;
            request.root = &root;
            request.sources = {source.empty() ? "." : source};
            request.owners = tree.image;
            request.cache = tree.ours ? &builder_.hashes : nullptr;
            request.cancelled = cancelled.get();
            TRY_LET(selection, select_files(request));
            return selection.digest.hex();
        };
        auto digest = co_await env_.pool.run(std::move(job));
        if (!digest) { co_return std::move(digest).error().with("mount " + mount.target); }
        key.add(*digest);
    }
    work->key = key.finish();
    std::string by;
    if (!args.empty()) { by = "|" + std::to_string(args.size()) + " " + join(args, " ") + " "; }
    work->created_by = by + join(words, " ");
    co_return ok();
}

// --- the container ---

/// What all steps of the build have in common.
container::HostConfig Job::host_config() const {
    container::HostConfig host;
    host.log_config.type = "none";
    host.resources = request_.resources;
    host.shm_size = request_.shm_size_bytes;
    host.extra_hosts = request_.extra_hosts;
    host.security_opt = request_.security_opts;
    host.network_mode = request_.network;
    return host;
}

Result<container::CreateRequest> Job::container_request(const Prepared& work,
                                                        const std::vector<ReadyMount>& mounts) {
    const RunCommand& command = command_of(work);
    container::CreateRequest request;
    auto& config = request.config;
    config.image = oci::prefixed(work.stage.image);
    config.entrypoint = {""};
    config.cmd = command_words(work);
    config.attach_stdout = config.attach_stderr = true;
    config.env = work.stage.config.env;
    for (const auto& arg : args_for_run(work.stage)) { config.env.push_back(arg); }
    for (const auto& [name, value] : request_.args) {
        if (dockerfile::is_proxy_arg(name) && value) { config.env.push_back(name + "=" + *value); }
    }
    auto& host = request.host_config;
    host = host_config();
    if (!command.network.empty() && command.network != "default") {
        host.network_mode = command.network;
    }
    for (const auto& mount : mounts) {
        container::MountSpec spec;
        spec.target = mount.wish.target;
        if (mount.wish.type == RunMount::Type::Tmpfs) {
            spec.type = "tmpfs";
            if (mount.wish.size_bytes > 0) {
                spec.tmpfs_options = container::TmpfsOptions{mount.wish.size_bytes, 0, {}};
            }
        } else if (mount.host_path.empty()) {
            continue;
        } else {
            spec.type = "bind";
            spec.source = mount.host_path;
            spec.read_only = mount.wish.type == RunMount::Type::Secret ||
                             (mount.wish.type != RunMount::Type::Ssh && mount.wish.read_only);
        }
        host.mounts.push_back(std::move(spec));
        if (mount.wish.type == RunMount::Type::Ssh && !mount.host_path.empty()) {
            const bool set =
                std::any_of(config.env.begin(), config.env.end(), [](const std::string& entry) {
                    return entry.starts_with("SSH_AUTH_SOCK=");
                });
            if (!set) { config.env.push_back("SSH_AUTH_SOCK=" + mount.wish.target); }
        }
    }
    return request;
}

net::Task<Result<oci::ImageId>> Job::run_program(Prepared* work) {
    if (work->stage.image.empty()) {
        co_return invalid("RUN: there is nothing in scratch that could be run");
    }
    const auto turns = co_await take_turns(work); // held until the step has ended
    if (!turns) { co_return turns.error(); }
    CO_TRY_LET(mounts, co_await ready_mounts(work));
    std::string below; // the image before the step, to tell what was there from what was made
    if (!mounts.empty()) {
        CO_TRY_LET(tree, co_await image_tree(work->stage.image));
        below = tree.path;
    }
    const RunCommand& command = command_of(*work);
    const bool own_interpreter = command.script && command.script->starts_with("#!");
    if (own_interpreter) {
        // A script that names its interpreter is a program: it is mounted where nothing is kept.
        CO_TRY_LET(directory, co_await private_dir());
        const std::string path = directory + "/script";
        os::WriteFile how;
        how.mode = 0755;
        CO_TRY(os::write_file_atomic(path, *command.script, how));
        ReadyMount script;
        script.wish.target = "/dev/pipes/EOF";
        script.host_path = path;
        mounts.push_back(std::move(script));
    }
    CO_TRY_LET(request, container_request(*work, mounts));
    if (own_interpreter) { request.config.cmd = {"/dev/pipes/EOF"}; }
    std::vector<std::string> secret_env;
    for (auto& mount : mounts) {
        if (!mount.env.empty()) { secret_env.push_back(std::move(mount.env)); }
    }
    CO_TRY_LET(created,
               co_await engine_.containers.create_step(std::move(request), std::move(secret_env)));
    const ContainerId id = created.id;
    co_await emit(Event::Kind::Container, work->step, id.text());
    auto code = co_await run_container(work, id);
    const engine::RemoveOptions removal{.force = true, .volumes = true, .link = false};
    if (!code || *code != 0) {
        const bool keep = code && !request_.force_remove && !request_.session;
        if (keep) {
            CO_TRY(engine_.containers.keep_step(id));
        } else {
            auto removed = co_await engine_.containers.remove(id, removal);
            if (removed) { co_await emit(Event::Kind::Removed, work->step, id.text()); }
        }
        if (!code) { co_return std::move(code).error(); }
        if (failure_ != nullptr) { failure_->exit_code = *code; }
        co_return Error{Errc::Internal, "The command '" + join(command_words(*work), " ") +
                                            "' returned a non-zero code: " + std::to_string(*code)};
    }
    auto upper = co_await engine_.containers.take_changes(id);
    Result<oci::ImageId> image = upper ? Result<oci::ImageId>(oci::ImageId()) : upper.error();
    if (upper) {
        std::vector<std::string> targets;
        for (const auto& mount : mounts) { targets.push_back(mount.wish.target); }
        auto tidy = [path = *upper, below, targets] { remove_stubs(path, below, targets); };
        if (!below.empty()) { co_await env_.pool.run(std::move(tidy)); }
        const bool keep = !request_.remove && !request_.session;
        image = co_await make_image(work, work->stage.config, *upper, keep);
        if (image && keep) {
            CO_TRY(engine_.containers.keep_step(id));
            co_return image;
        }
    }
    auto removed = co_await engine_.containers.remove(id, removal);
    if (!removed) { spdlog::warn("build step {}: {}", id.short_text(), removed.error().message); }
    if (image) { co_await emit(Event::Kind::Removed, work->step, id.text()); }
    co_return image;
}

/// Starts it, hands its output on, and gives its exit code.
net::Task<Result<int>> Job::run_container(Prepared* work, ContainerId id) {
    auto& containers = engine_.containers;
    CO_TRY_LET(ticket, containers.begin_wait(id, engine::WaitCondition::NextExit));
    const engine::AttachOptions streams{.input = false, .output = true, .error = true};
    CO_TRY_LET(attachment, co_await containers.attach(id, streams));
    CO_TRY(co_await containers.start(id));
    std::map<engine::OutputKind, std::string> cut_off; // the beginning of a character
    while (true) {
        auto output = co_await attachment->read(until());
        if (!output) { co_return std::move(output).error(); }
        const bool last = output->data.empty();
        std::string& rest = cut_off[output->kind];
        std::string text = std::exchange(rest, {}) + output->data;
        if (!last) { rest = take_cut_character(text); }
        Event event;
        event.kind = Event::Kind::Output;
        event.step = work->step;
        event.text = std::move(text);
        event.error_stream = output->kind == engine::OutputKind::Stderr;
        if (!event.text.empty()) { co_await emit(std::move(event)); }
        if (last) { break; }
    }
    CO_TRY_LET(ended, co_await containers.wait(ticket, until()));
    if (!ended.error.empty()) { co_return internal(ended.error); }
    co_return ended.exit_code;
}

} // namespace shoal::build
