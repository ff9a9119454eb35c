#include "engine/volumes.h"

#include "base/codec.h"
#include "base/text.h"
#include "engine/env.h"
#include "engine/events.h"
#include "engine/settings.h"
#include "engine/store.h"
#include "net/lock.h"
#include "net/pool.h"
#include "os/file.h"
#include "os/mount.h"
#include "volume/copy_up.h"
#include "volume/helper.h"
#include "volume/locality.h"
#include "volume/name.h"
#include "volume/subpath.h"

#include <fcntl.h>
#include <set>

namespace shoal::engine {
namespace {

constexpr auto kind = "volume";
constexpr auto anonymous_label = "com.docker.volume.anonymous";
constexpr std::chrono::seconds mount_timeout{30};
constexpr std::chrono::seconds copy_timeout{3600};
constexpr std::chrono::seconds look_timeout{10};

struct Document {
    std::string name, driver;
    Instant created{};
    std::map<std::string, std::string> options;
    Labels labels;
    bool anonymous = false;
};
template <class V> void describe(V& v, Document& d) {
    v("Name", d.name);
    v("Driver", d.driver);
    v("CreatedAt", d.created);
    v("Options", d.options);
    v("Labels", d.labels);
    v("Anonymous", d.anonymous);
}

Error no_such_volume(const std::string& name) {
    return {Errc::NotFound, "get " + name + ": no such volume"};
}

/// Stable and short: the place of a sub-path's bind mount.
std::string place_name(const std::string& subpath) {
    std::uint64_t hash = 14695981039346656037ULL; // FNV-1a
    for (const char c : subpath) {
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 1099511628211ULL;
    }
    return fmt::format("{:016x}", hash);
}

/// Whether a local volume with these options stands on storage that may go away.
bool options_may_hang(const volume::Options& options) {
    const auto plan = volume::plan_mount(options);
    return plan.is_remote() || (plan.is_bind() && volume::may_hang_here(plan.device));
}

} // namespace

struct Volumes::State {
    explicit State(Env& shared) : env(shared) {}

    struct Volume {
        explicit Volume(net::Loop& loop) : turn(loop) {}
        VolumeInfo info;
        net::Lock turn;     ///< one change at a time
        bool ready = false; ///< on disk and in the store
        bool gone = false;  ///< removed while somebody waited for his turn
        bool mounted = false;
        std::set<ContainerId> users; ///< that have it mounted now
    };
    using VolumePtr = std::shared_ptr<Volume>;

    Env& env;
    const VolumeUsers* asked = nullptr;
    std::map<std::string, VolumePtr> all;

    std::string directory(const std::string& name) const {
        return env.settings.data_root + "/volumes/" + name;
    }
    std::string data(const std::string& name) const { return directory(name) + "/_data"; }
    std::string places(const ContainerId& user) const {
        return env.settings.exec_root + "/volumes/" + user.text();
    }

    VolumePtr find(const std::string& name) const {
        const auto found = all.find(name);
        return found == all.end() || !found->second->ready ? nullptr : found->second;
    }

    /// Every container that names the volume or has it mounted.
    std::vector<std::string> users_of(const Volume& volume) const {
        std::set<std::string> ids;
        for (const auto& id : volume.users) { ids.insert(id.text()); }
        if (asked != nullptr) {
            for (const auto& id : asked->volume_users(volume.info.name)) { ids.insert(id.text()); }
        }
        return {ids.begin(), ids.end()};
    }

    void tell(const Volume& volume, std::string action, const ContainerId* user = nullptr,
              Labels extra = {}) {
        Event event{.type = "volume",
                    .action = std::move(action),
                    .id = volume.info.name,
                    .attributes = std::move(extra)};
        event.attributes["driver"] = volume.info.driver;
        if (user != nullptr) { event.attributes["container"] = user->text(); }
        env.events.publish(std::move(event));
    }

    /// In a helper process when the storage may hang, else on a thread of the storage pool.
    net::Task<Result<std::string>> run(volume::Job job, bool hangs, std::chrono::seconds patience) {
        const auto deadline = Deadline::in(patience);
        const auto path = job.path;
        auto work = [job = std::move(job), hangs, deadline]() -> Result<std::string> {
            return hangs ? volume::run_in_helper(job, deadline) : volume::run_job(job);
        };
        // A little longer than the helper: a process that cannot even be killed is left behind.
        const auto longer = Deadline::in(patience + std::chrono::seconds(1));
        auto outcome = co_await env.storage_pool.run_until(std::move(work), longer);
        if (!outcome && outcome.error().code == Errc::Timeout) {
            co_return Error{Errc::Timeout, "storage at " + path + " does not answer"};
        }
        co_return std::move(outcome);
    }

    Result<void> save(const Volume& volume) {
        Document document{volume.info.name,    volume.info.driver, volume.info.created,
                          volume.info.options, volume.info.labels, volume.info.anonymous};
        return env.store.put(kind, volume.info.name, codec::print(document));
    }

    Result<void> check(const VolumeRequest& request) const {
        if (!request.name.empty()) {
            TRY(volume::check_name(request.name).with("create " + request.name));
        }
        if (!request.driver.empty() && request.driver != "local") {
            return Error{Errc::NotFound, "create " + request.name +
                                             ": error looking up volume plugin " + request.driver +
                                             ": plugin \"" + request.driver + "\" not found"};
        }
        return volume::check_options(request.options).with("create " + request.name);
    }

    net::Task<Result<VolumeInfo>> make(VolumeRequest request, bool compare);
    Result<void> make_on_disk(Volume& volume);
    Result<void> check_place(const Volume& volume) const;
    net::Task<Result<void>> mount_device(Volume& volume);
    net::Task<Result<void>> unmount_device(Volume& volume);
    net::Task<Result<void>> fill(Volume& volume, std::string where, VolumeMountRequest request);
    net::Task<Result<std::string>> mount_locked(Volume& volume, VolumeMountRequest request);
    net::Task<Result<std::string>> bind_subpath(Volume& volume, VolumeMountRequest request);
    void unbind_subpaths(const std::string& name, const ContainerId& user, ErrorList& problems);
    net::Task<Result<void>> remove_locked(VolumePtr volume);
    Result<void> load_one(const std::string& text, const std::vector<os::MountInfo>& mounts);
};

Volumes::Volumes(Env& env) : state_(std::make_unique<State>(env)) {}
Volumes::~Volumes() = default;

void Volumes::set_users(const VolumeUsers& users) { state_->asked = &users; }

// --- start ---

Result<void> Volumes::State::load_one(const std::string& text,
                                      const std::vector<os::MountInfo>& mounts) {
    TRY_LET(document, codec::parse<Document>(text, codec::Unknown::Ignore));
    if (!os::is_directory(directory(document.name))) {
        return env.store.remove(kind, document.name);
    }
    auto volume = std::make_shared<Volume>(env.loop);
    volume->info = {.name = document.name,
                    .driver = document.driver,
                    .mountpoint = data(document.name),
                    .created = document.created,
                    .options = document.options,
                    .labels = document.labels,
                    .anonymous = document.anonymous,
                    .usage = {}};
    for (const auto& mount : mounts) { volume->mounted |= mount.target == volume->info.mountpoint; }
    volume->ready = true;
    all[document.name] = std::move(volume);
    return ok();
}

net::Task<Result<void>> Volumes::load() {
    auto& state = *state_;
    CO_TRY(os::ensure_directory(state.env.settings.data_root + "/volumes", 0701));
    const auto tmp = state.env.settings.data_root + "/tmp";
    CO_TRY(os::ensure_directory(tmp, 0700));
    CO_TRY_LET(left, os::list_directory(tmp));
    for (const auto& entry : left) {
        if (entry.name.starts_with("volume-")) { CO_TRY(os::remove_tree(tmp + "/" + entry.name)); }
    }
    CO_TRY_LET(documents, state.env.store.load_all(kind));
    CO_TRY_LET(mounts, os::load_mountinfo());
    for (const auto& [name, text] : documents) {
        CO_TRY(state.load_one(text, mounts).with("volume " + name));
    }
    co_return ok();
}

// --- create ---

Result<void> Volumes::State::make_on_disk(Volume& volume) {
    TRY(os::ensure_directory(directory(volume.info.name), 0701));
    auto made = os::ensure_directory(volume.info.mountpoint, 0755);
    if (made) { made = save(volume); }
    if (!made) { (void)os::remove_tree(directory(volume.info.name)); }
    return made;
}

net::Task<Result<VolumeInfo>> Volumes::State::make(VolumeRequest request, bool compare) {
    CO_TRY(check(request));
    const bool anonymous = request.name.empty();
    if (anonymous) { request.name = volume::make_anonymous_name(env.random); }
    auto& slot = all[request.name];
    if (!slot) { slot = std::make_shared<Volume>(env.loop); }
    const VolumePtr volume = slot;
    auto turn = co_await volume->turn.acquire();
    if (volume->gone) {
        co_return conflict("create " + request.name +
                           ": the volume was removed at the same moment");
    }
    if (volume->ready) {
        if (compare && !request.options.empty() && request.options != volume->info.options) {
            co_return conflict("create " + request.name + ": a volume named " + request.name +
                               " already exists with other options");
        }
        co_return volume->info;
    }
    if (anonymous) { request.labels[anonymous_label] = ""; }
    volume->info = {.name = request.name,
                    .driver = "local",
                    .mountpoint = data(request.name),
                    .created = env.clock.now(),
                    .options = request.options,
                    .labels = request.labels,
                    .anonymous = anonymous,
                    .usage = {}};
    auto made = make_on_disk(*volume);
    if (!made) {
        volume->gone = true;
        all.erase(request.name);
        co_return std::move(made).error().with("create " + request.name);
    }
    volume->ready = true;
    tell(*volume, "create");
    co_return volume->info;
}

net::Task<Result<VolumeInfo>> Volumes::create(VolumeRequest request) {
    return state_->make(std::move(request), true);
}
net::Task<Result<VolumeInfo>> Volumes::ensure(VolumeRequest request) {
    return state_->make(std::move(request), false);
}

// --- mount ---

net::Task<Result<void>> Volumes::State::mount_device(Volume& volume) {
    if (volume.mounted || !volume::needs_mount(volume.info.options)) { co_return ok(); }
    const bool hangs = options_may_hang(volume.info.options);
    auto job = volume::mount_job(volume.info.mountpoint, volume.info.options);
    auto mounted = co_await run(std::move(job), hangs, mount_timeout);
    if (!mounted) {
        co_return std::move(mounted).error().with("error while mounting volume '" +
                                                  volume.info.mountpoint + "'");
    }
    volume.mounted = true;
    co_return ok();
}

net::Task<Result<void>> Volumes::State::unmount_device(Volume& volume) {
    if (!volume.mounted) { co_return ok(); }
    const bool hangs = options_may_hang(volume.info.options);
    auto job = volume::unmount_job(volume.info.mountpoint);
    CO_TRY(co_await run(std::move(job), hangs, mount_timeout));
    volume.mounted = false;
    co_return ok();
}

/// First-use copy into `where`, when that is empty.
net::Task<Result<void>> Volumes::State::fill(Volume& volume, std::string where,
                                             VolumeMountRequest request) {
    if (request.nocopy || request.copy_root.empty()) { co_return ok(); }
    if (volume.mounted) {
        const bool hangs = options_may_hang(volume.info.options);
        auto job = volume::copy_job(std::move(where), std::move(request.copy_root),
                                    std::move(request.copy_path));
        CO_TRY(co_await run(std::move(job), hangs, copy_timeout));
        co_return ok();
    }
    CO_TRY_LET(empty, volume::is_empty_directory(where)); // on our own disk: quick
    if (!empty) { co_return ok(); }
    volume::CopyUp copy{std::move(request.copy_root), std::move(request.copy_path),
                        std::move(where)};
    auto work = [copy = std::move(copy)] { return volume::copy_up(copy); };
    CO_TRY(co_await env.pool.run(std::move(work)));
    co_return ok();
}

net::Task<Result<std::string>> Volumes::State::bind_subpath(Volume& volume,
                                                            VolumeMountRequest request) {
    CO_TRY(volume::check_subpath(request.subpath));
    const auto target =
        places(request.user) + "/" + volume.info.name + "/" + place_name(request.subpath);
    if (os::is_mount_point(target)) { co_return target; }
    const bool hangs = volume.mounted && options_may_hang(volume.info.options);
    auto job = volume::subpath_job(volume.info.mountpoint, request.subpath, target);
    CO_TRY(co_await run(std::move(job), hangs, look_timeout));
    co_return target;
}

/// Everything goes by this path: a link in its place would lead content of the image out of the
/// volume.
Result<void> Volumes::State::check_place(const Volume& volume) const {
    if (volume.mounted) { return ok(); }
    const auto place = os::open_file(volume.info.mountpoint, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (place) { return ok(); }
    return internal("error while mounting volume '" + volume.info.mountpoint +
                    "': " + place.error().message);
}

net::Task<Result<std::string>> Volumes::State::mount_locked(Volume& volume,
                                                            VolumeMountRequest request) {
    CO_TRY(check_place(volume));
    CO_TRY(co_await mount_device(volume));
    if (volume.mounted &&
        options_may_hang(volume.info.options)) { // better here than in the runtime
        auto look = volume::probe_job(volume.info.mountpoint);
        CO_TRY(co_await run(std::move(look), true, look_timeout));
    }
    if (request.subpath.empty()) {
        CO_TRY(co_await fill(volume, volume.info.mountpoint, request));
        co_return volume.info.mountpoint;
    }
    co_return co_await bind_subpath(volume, request);
}

net::Task<Result<std::string>> Volumes::mount(VolumeMountRequest request) {
    auto& state = *state_;
    const auto volume = state.find(request.name);
    if (!volume) { co_return no_such_volume(request.name); }
    auto turn = co_await volume->turn.acquire();
    if (volume->gone) { co_return no_such_volume(request.name); }
    const auto user = request.user;
    Labels told{{"destination", request.copy_path},
                {"propagation", ""},
                {"read/write", request.read_only ? "false" : "true"}};
    auto path = co_await state.mount_locked(*volume, std::move(request));
    if (!path) {
        if (volume->users.empty()) {
            auto undone = co_await state.unmount_device(*volume);
            (void)undone; // the first failure is the one to tell
        }
        co_return std::move(path);
    }
    volume->users.insert(user);
    state.tell(*volume, "mount", &user, std::move(told));
    co_return std::move(path);
}

void Volumes::State::unbind_subpaths(const std::string& name, const ContainerId& user,
                                     ErrorList& problems) {
    const auto folder = places(user) + "/" + name;
    const auto entries = os::list_directory(folder);
    if (!entries) { return; }
    for (const auto& entry : *entries) {
        problems.add(volume::unbind_subpath(folder + "/" + entry.name));
    }
    if (problems.empty()) { problems.add(os::remove_tree(folder)); }
    const auto rest = os::list_directory(places(user));
    if (rest && rest->empty()) { (void)os::remove_tree(places(user)); }
}

net::Task<Result<void>> Volumes::unmount(std::string name, ContainerId user) {
    auto& state = *state_;
    ErrorList problems;
    const auto volume = state.find(name);
    if (!volume) {
        state.unbind_subpaths(name, user, problems);
        co_return problems.empty() ? ok() : Result<void>(problems.joined());
    }
    auto turn = co_await volume->turn.acquire();
    state.unbind_subpaths(name, user, problems);
    const bool had = volume->users.erase(user) > 0;
    if (volume->users.empty()) {
        auto unmounted = co_await state.unmount_device(*volume);
        problems.add(unmounted);
    }
    if (had) { state.tell(*volume, "unmount", &user); }
    co_return problems.empty() ? ok() : Result<void>(problems.joined());
}

void Volumes::adopt(const std::string& name, const ContainerId& user) {
    if (const auto volume = state_->find(name)) { volume->users.insert(user); }
}

// --- looking ---

std::vector<VolumeInfo> Volumes::list(const Filters& filters) const {
    std::vector<VolumeInfo> shown;
    const auto dangling =
        filters.has("dangling") ? filters.boolean("dangling", false) : Result<bool>(false);
    for (const auto& [name, volume] : state_->all) {
        if (!volume->ready || !filters.fuzzy("name", name) ||
            !filters.exact("driver", volume->info.driver)) {
            continue;
        }
        if (!filters.labels("label", volume->info.labels)) { continue; }
        if (filters.has("dangling") && dangling && *dangling != state_->users_of(*volume).empty()) {
            continue;
        }
        shown.push_back(volume->info);
    }
    return shown;
}

Result<VolumeInfo> Volumes::inspect(const std::string& name) const {
    const auto volume = state_->find(name);
    if (!volume) { return no_such_volume(name); }
    return volume->info;
}

bool Volumes::exists(const std::string& name) const { return state_->find(name) != nullptr; }

net::Task<Result<std::vector<VolumeInfo>>> Volumes::sized() {
    auto& state = *state_;
    std::vector<VolumeInfo> shown;
    std::vector<State::VolumePtr> volumes;
    for (const auto& [name, volume] : state.all) {
        if (volume->ready) { volumes.push_back(volume); }
    }
    for (const auto& volume : volumes) {
        VolumeUsage usage;
        usage.users = static_cast<std::int64_t>(state.users_of(*volume).size());
        // What a server or a device holds is not ours to count.
        if (!volume::needs_mount(volume->info.options)) {
            auto work = [path = volume->info.mountpoint] { return os::measure_tree(path); };
            auto size = co_await state.env.pool.run(std::move(work));
            if (size) { usage.size_bytes = size->bytes; }
        }
        shown.push_back(volume->info);
        shown.back().usage = usage;
    }
    co_return std::move(shown);
}

// --- remove ---

net::Task<Result<void>> Volumes::State::remove_locked(VolumePtr volume) {
    const auto name = volume->info.name;
    const auto users = users_of(*volume);
    if (!users.empty()) {
        co_return conflict("remove " + name + ": volume is in use - [" + join(users, ", ") + "]");
    }
    CO_TRY(co_await unmount_device(*volume));
    // Out of the way first, so that a half-removed volume is never seen; tmp/ is swept at start.
    const auto aside = env.settings.data_root + "/tmp/volume-" + env.random.hex(8);
    CO_TRY(os::rename_file(directory(name), aside).with("remove " + name));
    CO_TRY(env.store.remove(kind, name));
    volume->gone = true;
    volume->ready = false;
    all.erase(name);
    tell(*volume, "destroy");
    auto work = [aside] { return os::remove_tree(aside); };
    auto removed = co_await env.pool.run(std::move(work));
    co_return std::move(removed).with("remove " + name);
}

net::Task<Result<void>> Volumes::remove(std::string name, bool force) {
    auto& state = *state_;
    const auto volume = state.find(name);
    if (!volume && force) { co_return ok(); }
    if (!volume) { co_return no_such_volume(name); }
    auto turn = co_await volume->turn.acquire();
    if (volume->gone) { co_return force ? ok() : Result<void>(no_such_volume(name)); }
    co_return co_await state.remove_locked(volume);
}

net::Task<Result<VolumePruned>> Volumes::prune(Filters filters, bool all_by_default) {
    CO_TRY(filters.allow_only({"label", "label!", "all"}));
    CO_TRY_LET(all, filters.boolean("all", all_by_default));
    VolumePruned pruned;
    CO_TRY_LET(volumes, co_await sized());
    for (const auto& info : volumes) {
        if (info.usage->users != 0 || (!all && !info.anonymous) ||
            !filters.labels("label", info.labels)) {
            continue;
        }
        if (filters.has("label!") && filters.labels("label!", info.labels)) { continue; }
        auto removed = co_await remove(info.name, false);
        if (!removed) { continue; } // taken into use meanwhile
        pruned.names.push_back(info.name);
        pruned.reclaimed_bytes += std::max<std::int64_t>(info.usage->size_bytes, 0);
    }
    Event event{.type = "volume", .action = "prune"};
    event.attributes["reclaimed"] = std::to_string(pruned.reclaimed_bytes);
    state_->env.events.publish(std::move(event));
    co_return std::move(pruned);
}

// --- storage of users ---

net::Task<Result<PathKind>> Volumes::probe_path(std::string path) {
    const bool hangs = volume::may_hang_here(path);
    auto job = volume::probe_job(std::move(path));
    Result<std::string> text("");
    if (hangs) {
        text = co_await state_->run(std::move(job), true, look_timeout);
    } else {
        text = volume::run_job(job); // one stat(2) on a local disk
    }
    if (!text) { co_return std::move(text).error(); }
    volume::PathKind found{};
    if (!volume::from_text(*text, found)) {
        co_return internal("storage helper said " + go_quote(*text));
    }
    switch (found) {
    case volume::PathKind::Missing:
        co_return PathKind::Missing;
    case volume::PathKind::Directory:
        co_return PathKind::Directory;
    case volume::PathKind::File:
        co_return PathKind::File;
    case volume::PathKind::Other:
        break;
    }
    co_return PathKind::Other;
}

net::Task<Result<void>> Volumes::ensure_directory(std::string path) {
    const bool hangs = volume::may_hang_here(path);
    auto job = volume::mkdir_job(std::move(path));
    CO_TRY(co_await state_->run(std::move(job), hangs, look_timeout));
    co_return ok();
}

} // namespace shoal::engine
