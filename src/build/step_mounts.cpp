// What RUN --mount asks for, made ready to be mounted into the step's container: trees, caches,
// secrets and agents. What a mount means for the key, and the container itself, is in step_run.cpp.
#include "archive/path_in_root.h"
#include "build/job.h"
#include "buildkit/session.h"
#include "engine/settings.h"
#include "os/file.h"
#include "os/overlay.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::build {
namespace {

using dockerfile::RunCommand;
using dockerfile::RunMount;

constexpr std::size_t agent_connections_max = 64; ///< of one build, at a time

const std::vector<RunMount>& mounts_of(const Prepared& work) {
    return std::get<RunCommand>(work.command.what).mounts;
}

/// Secrets and agents have places of their own when none is written down.
std::string mount_target(const RunMount& mount, const std::string& working_dir, int number) {
    if (mount.target.starts_with('/')) { return mount.target; }
    if (!mount.target.empty()) {
        return (working_dir == "/" ? "" : working_dir) + "/" + mount.target;
    }
    if (mount.type == RunMount::Type::Secret) {
        return "/run/secrets/" + mount.id.substr(mount.id.rfind('/') + 1);
    }
    return "/run/buildkit/ssh_agent." + std::to_string(number);
}

/// Which cache a mount means.
std::string cache_key(const RunMount& mount) {
    KeyMaker key;
    key.add("cache mount").add(mount.id.empty() ? mount.target : mount.id);
    return key.add(mount.from).add(mount.source).finish();
}

} // namespace

net::Task<Result<std::string>> Job::private_dir() {
    if (private_.empty()) {
        private_ = env_.settings.exec_root + "/build-" + env_.random.hex(6);
        CO_TRY(os::ensure_directory(private_, 0700));
    }
    const std::string path = private_ + "/" + std::to_string(next_dir_++);
    CO_TRY(os::ensure_directory(path, 0700));
    co_return path;
}

/// Before anything else, and in one order for all steps, so that no two wait for each other.
net::Task<Result<std::vector<net::Lock::Guard>>> Job::take_turns(Prepared* work) {
    std::set<std::string> keys;
    for (auto wish : mounts_of(*work)) {
        if (wish.type != RunMount::Type::Cache) { continue; }
        if (!wish.from.empty()) {
            Error problem;
            const auto origin = origin_of(work->stage, wish.from, &problem);
            if (!problem.message.empty()) { co_return problem; }
            CO_TRY(co_await tree_of(origin));
        }
        wish.target = mount_target(wish, work->stage.config.working_dir, 0);
        if (wish.sharing == RunMount::Sharing::Locked) { keys.insert(cache_key(wish)); }
    }
    // Nobody holds them, nobody waits: ids are the clients', and would pile up.
    std::erase_if(builder_.mount_locks, [](const auto& known) { return !known.second->held(); });
    std::vector<net::Lock::Guard> turns;
    for (const auto& key : keys) {
        auto& lock = builder_.mount_locks[key];
        if (!lock) { lock = std::make_shared<net::Lock>(env_.loop); }
        const auto kept = lock;
        CO_TRY_LET(guard, co_await kept->acquire(until()));
        turns.push_back(std::move(guard));
    }
    co_return turns;
}

net::Task<Result<std::vector<ReadyMount>>> Job::ready_mounts(Prepared* work) {
    std::vector<ReadyMount> all;
    for (const auto& wish : mounts_of(*work)) {
        CO_TRY_LET(mount, co_await ready_mount(work, wish));
        all.push_back(std::move(mount));
    }
    co_return all;
}

net::Task<Result<ReadyMount>> Job::ready_mount(Prepared* work, RunMount wish) {
    ReadyMount ready;
    wish.target = mount_target(wish, work->stage.config.working_dir, agents_++);
    ready.wish = wish;
    switch (wish.type) {
    case RunMount::Type::Bind: {
        CO_TRY_LET(path, co_await bind_source(work, wish));
        ready.host_path = path;
        break;
    }
    case RunMount::Type::Cache: {
        CO_TRY(co_await cache_mount(work, &ready));
        break;
    }
    case RunMount::Type::Tmpfs:
        break;
    case RunMount::Type::Secret: {
        Result<std::string> value =
            Error{Errc::NotFound, "secret " + wish.id + ": the client offers no secrets"};
        if (request_.session) { value = co_await request_.session->read_secret(wish.id, until()); }
        if (!value && (wish.required || value.error().code != Errc::NotFound)) {
            co_return std::move(value).error();
        }
        if (!value) { break; } // not required, not there: no mount
        if (!wish.env.empty()) {
            if (value->find('\0') != std::string::npos) {
                co_return invalid("secret " + wish.id + " cannot be a variable");
            }
            ready.env = wish.env + "=" + *value;
        }
        if (wish.env.empty() || wish.has_target) {
            CO_TRY_LET(path, co_await secret_file(wish, *value));
            ready.host_path = path;
        }
        break;
    }
    case RunMount::Type::Ssh: {
        Result<void> there =
            Error{Errc::NotFound, "ssh " + wish.id + ": the client offers no agent"};
        if (request_.session) { there = co_await request_.session->check_agent(wish.id, until()); }
        if (!there && wish.required) { co_return std::move(there).error(); }
        if (!there) { break; }
        CO_TRY_LET(path, co_await agent_socket(wish));
        ready.host_path = path;
        break;
    }
    }
    co_return ready;
}

/// The tree itself, read-only; what is written to a bind that may be written is thrown away.
net::Task<Result<std::string>> Job::bind_source(Prepared* work, RunMount wish) {
    Error problem;
    const auto origin = origin_of(work->stage, wish.from, &problem);
    if (!problem.message.empty()) { co_return problem; }
    CO_TRY_LET(tree, co_await tree_of(origin));
    std::string path = tree.path;
    if (!wish.read_only) {
        CO_TRY_LET(directory, co_await work_dir("bind"));
        auto job = [below = tree.path, directory]() -> Result<void> {
            os::OverlayMount mount;
            mount.lowers = {below};
            mount.upper = directory + "/upper";
            mount.work = directory + "/work";
            mount.target = directory + "/merged";
            for (const auto* one : {&mount.upper, &mount.work, &mount.target}) {
                TRY(os::ensure_directory(*one, 0755));
            }
            TRY_LET(mounted, os::mount_overlay(mount));
            mounted.keep();
            return ok();
        };
        CO_TRY(co_await env_.pool.run(std::move(job)));
        path = directory + "/merged";
    }
    auto find = [path, source = wish.source]() -> Result<std::string> {
        TRY_LET(root, os::open_directory(path));
        TRY_LET(real, archive::resolve_in_root(root, source.empty() ? "/" : source));
        if (!os::exists(path + real)) {
            return Error{Errc::NotFound, "mount source " + source + " is not there"};
        }
        return path + real;
    };
    co_return co_await env_.pool.run(std::move(find));
}

net::Task<Result<void>> Job::cache_mount(Prepared* work, ReadyMount* ready) {
    const RunMount& wish = ready->wish;
    const std::string id = wish.id.empty() ? wish.target : wish.id;
    std::string key = cache_key(wish);
    for (int other = 1; wish.sharing == RunMount::Sharing::Private && builder_.places.in_use(key);
         ++other) {
        KeyMaker next;
        next.add("cache mount").add(id).add(wish.from).add(wish.source).add(std::to_string(other));
        key = next.finish();
    }
    const Places::Wish place{key, "exec.cachemount",
                             "cached mount " + wish.target + " with id " + id, true};
    CO_TRY_LET(lease, builder_.places.take(place));
    const std::string path = lease.path();
    const bool fresh = lease.fresh();
    ready->host_path = path;
    ready->lease = std::move(lease);
    if (!fresh) { co_return ok(); }
    std::string source_root;
    if (!wish.from.empty()) {
        Error problem;
        const auto origin = origin_of(work->stage, wish.from, &problem);
        if (!problem.message.empty()) { co_return problem; }
        CO_TRY_LET(tree, co_await tree_of(origin));
        source_root = tree.path;
    }
    // Filled beside and renamed: whole or not there, whoever else is filling it.
    auto job = [final_path = path, path = path + "-" + env_.random.hex(4), wish = ready->wish,
                source_root]() -> Result<void> {
        TRY(os::ensure_directory(path, 0755));
        TRY_LET(root, os::open_directory(path));
        if (!source_root.empty()) {
            TRY_LET(source, os::open_directory(source_root));
            SelectRequest request;
            request.root = &source;
            request.sources = {wish.source.empty() ? "." : wish.source};
            TRY_LET(selection, select_files(request));
            CopyRules rules;
            rules.devices = true;
            TRY(copy_selected(source, selection.items, {&root, "/"}, rules));
        }
        if (::chown(path.c_str(), wish.uid.value_or(0), wish.gid.value_or(0)) != 0 ||
            ::chmod(path.c_str(), wish.mode.value_or(0755)) != 0) {
            return os_error("chown " + path, errno);
        }
        if (::rename(path.c_str(), final_path.c_str()) == 0) { return ok(); }
        const int problem = errno;
        TRY(os::remove_tree(path));
        return os::exists(final_path) ? ok() : os_error("rename " + path, problem);
    };
    co_return co_await env_.pool.run(std::move(job));
}

/// In memory, below a directory that only we may enter; gone with the build.
net::Task<Result<std::string>> Job::secret_file(RunMount wish, std::string value) {
    CO_TRY_LET(directory, co_await private_dir());
    CO_TRY_LET(mounted, os::mount_tmpfs(directory, "size=2m,mode=0700"));
    mounted.keep(); // clean_up() takes all mounts below away
    const std::string path = directory + "/secret";
    CO_TRY_LET(file, os::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0400));
    CO_TRY(os::write_all(file, value));
    if (::fchown(file.raw(), wish.uid.value_or(0), wish.gid.value_or(0)) != 0 ||
        ::fchmod(file.raw(), wish.mode.value_or(0400)) != 0) {
        co_return os_error("chown " + path, errno);
    }
    co_return path;
}

net::Task<Result<std::string>> Job::agent_socket(RunMount wish) {
    CO_TRY_LET(directory, co_await private_dir());
    const std::string path = directory + "/agent";
    CO_TRY_LET(listener, net::Listener::listen_unix(env_.loop, path, {}));
    if (::chown(path.c_str(), wish.uid.value_or(0), wish.gid.value_or(0)) != 0 ||
        ::chmod(path.c_str(), wish.mode.value_or(0600)) != 0) {
        co_return os_error("chown " + path, errno);
    }
    agent_listeners_.push_back(std::move(listener));
    background_.spawn(serve_agent(wish.id, agent_listeners_.back().get()));
    co_return path;
}

net::Task<void> Job::serve_agent(std::string id, net::Listener* listener) {
    while (true) {
        const net::Until until(background_.cancel());
        auto local = co_await listener->accept(until);
        if (!local) { co_return; }
        if (background_.size() > agent_connections_max) { continue; } // closed at once
        background_.spawn(forward_agent(id, std::move(*local)));
    }
}

namespace {

net::Task<void> pump(net::Stream* from, net::Stream* to, net::Cancel* cancel) {
    const net::Until until(*cancel);
    auto copied = co_await net::copy_stream(*from, *to, until);
    (void)copied; // either end may go away at any time
    auto ended = co_await to->shutdown_write(until);
    (void)ended;
}

} // namespace

net::Task<void> Job::forward_agent(std::string id, net::StreamPtr local) {
    net::Cancel& cancel = background_.cancel();
    auto remote = co_await request_.session->dial_agent(id, net::Until(cancel));
    if (!remote) { co_return; }
    net::TaskScope both(env_.loop, cancel);
    both.spawn(pump(local.get(), remote->get(), &both.cancel()));
    both.spawn(pump(remote->get(), local.get(), &both.cancel()));
    net::Until never;
    co_await both.drain(never);
}

} // namespace shoal::build
