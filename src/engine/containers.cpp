#include "engine/containers_impl.h"

#include "base/text.h"

#include <spdlog/spdlog.h>

namespace shoal::engine {

Labels event_attributes(const Container& container) {
    Labels attributes = container.config.labels;
    attributes["image"] = container.config.image;
    attributes["name"] = container.name;
    return attributes;
}

Containers::Impl::Impl(Containers& owner, Env& shared, Images& image_service,
                       Volumes& volume_service, Networks& network_service)
    : self(owner), env(shared), images(image_service), volumes(volume_service),
      networks(network_service), scope(shared.loop) {
    if (auto layout = os::detect_cgroups()) { cgroups = std::move(*layout); }
    if (auto found = container::load_host_facts(cgroups)) { facts = std::move(*found); }
}

Containers::Containers(Env& env, Images& images, Volumes& volumes, Networks& networks)
    : impl_(std::make_unique<Impl>(*this, env, images, volumes, networks)) {
    images.set_users(*this);
    volumes.set_users(*this);
    networks.set_users(*this);
}

Containers::~Containers() = default;

// --- looking ---

Result<EntryPtr> Containers::Impl::entry(const ContainerId& id) const {
    const auto found = entries.find(id);
    if (found == entries.end()) { return not_found("container", id.text()); }
    return found->second;
}

Result<EntryPtr> Containers::Impl::find(std::string_view text) const {
    if (text.starts_with('/')) { text.remove_prefix(1); }
    if (text.empty()) { return invalid("bad parameter: a container id or name is required"); }
    if (const auto id = ContainerId::parse(text)) {
        if (const auto found = entries.find(*id); found != entries.end()) { return found->second; }
    }
    if (const auto found = names.find(std::string(text)); found != names.end()) {
        return entry(found->second);
    }
    EntryPtr match;
    if (is_hex(text)) {
        for (const auto& [id, candidate] : entries) {
            if (!id.text().starts_with(text)) { continue; }
            if (match) {
                return invalid("Multiple IDs found with provided prefix: " + std::string(text));
            }
            match = candidate;
        }
    }
    if (!match) { return not_found("container", text); }
    return match;
}

Result<ContainerPtr> Containers::find(std::string_view text) const {
    TRY_LET(entry, impl_->find(text));
    return ContainerPtr(entry->record);
}

std::vector<ContainerPtr> Containers::all() const {
    std::vector<ContainerPtr> all;
    all.reserve(impl_->entries.size());
    for (const auto& [id, entry] : impl_->entries) { all.push_back(entry->record); }
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a->created > b->created; });
    return all;
}

Containers::Counts Containers::counts() const {
    Counts counts;
    for (const auto& [id, entry] : impl_->entries) {
        switch (entry->record->state.status) {
        case Status::Running:
        case Status::Restarting:
            ++counts.running;
            break;
        case Status::Paused:
            ++counts.paused;
            break;
        default:
            ++counts.stopped;
        }
    }
    return counts;
}

std::vector<ImageUser> Containers::image_users(const ImageId& id) const {
    std::vector<ImageUser> users;
    for (const auto& [container, entry] : impl_->entries) {
        const auto& record = *entry->record;
        const auto mounts_it = [&](const auto& mount) {
            return mount.type == "image" && mount.name == id.text();
        };
        if (record.image_id == id ||
            std::any_of(record.mounts.begin(), record.mounts.end(), mounts_it)) {
            users.push_back({container, record.state.running()});
        }
    }
    return users;
}

std::vector<ContainerId> Containers::volume_users(const std::string& volume) const {
    std::vector<ContainerId> users;
    for (const auto& [container, entry] : impl_->entries) {
        const auto& mounts = entry->record->mounts;
        if (std::any_of(mounts.begin(), mounts.end(), [&](const auto& mount) {
                return mount.type == "volume" && mount.name == volume;
            })) {
            users.push_back(container);
        }
    }
    return users;
}

net::Task<Result<Sizes>> Containers::sizes(ContainerId id) {
    CO_TRY_LET(entry, impl_->entry(id));
    Sizes sizes;
    sizes.root_bytes = impl_->images.image_size(entry->record->image_id);
    CO_TRY_LET(upper, co_await impl_->images.upper_size(impl_->data_dir(id)));
    sizes.rw_bytes = upper;
    sizes.root_bytes += upper;
    co_return sizes;
}

// --- records ---

Result<void> Containers::Impl::save(Entry& entry) {
    ++entry.record->generation;
    auto saved = env.store.put("container", entry.id().text(), save_container(*entry.record));
    if (!saved) {
        spdlog::error("container {}: {}", entry.id().short_text(), saved.error().message);
    }
    return saved;
}

void Containers::Impl::publish(const Container& container, std::string action, Labels extra) {
    Event event{"container", std::move(action), container.id.text(), event_attributes(container)};
    event.attributes.insert(extra.begin(), extra.end());
    env.events.publish(std::move(event));
}

std::string Containers::Impl::data_dir(const ContainerId& id) const {
    return env.settings.data_root + "/containers/" + id.text();
}

std::string Containers::Impl::bundle_dir(const ContainerId& id) const {
    return env.settings.exec_root + "/containers/" + id.text();
}

os::Cgroup Containers::Impl::cgroup(const Container& container) const {
    std::string parent = container.host_config.resources.cgroup_parent;
    if (parent.empty()) { parent = env.settings.cgroup_parent; }
    if (parent.empty()) { parent = "/shoal"; }
    if (!parent.starts_with('/')) { parent.insert(0, "/"); }
    return {cgroups, container::clean_path(parent + "/" + container.id.text())};
}

container::Runtime Containers::Impl::runtime(const Container& container) const {
    container::Runtime runtime;
    std::string name = container.host_config.runtime;
    if (name.empty()) { name = env.settings.default_runtime; }
    const auto configured = env.settings.runtimes.find(name);
    if (configured != env.settings.runtimes.end()) {
        runtime.path = configured->second.path;
        runtime.args = configured->second.args;
    } else {
        runtime.path = name;
    }
    if (!runtime.path.starts_with('/')) {
        if (auto found = os::find_program(runtime.path)) { runtime.path = *found; }
    }
    runtime.root = env.settings.exec_root + "/runtime-" + name.substr(name.rfind('/') + 1);
    runtime.shim_path = env.settings.shim_path;
    return runtime;
}

// --- forwarding to the steps ---

net::Task<Result<Created>> Containers::create(container::CreateRequest request, std::string name,
                                              std::string platform) {
    (void)platform; // checked by the caller against the image: the engine runs what the image is
    return impl_->create(std::move(request), std::move(name), Impl::Purpose::User);
}
Result<void> Containers::check(const container::CreateRequest& request) const {
    TRY(impl_->validate(request));
    return ok();
}
net::Task<Result<Created>> Containers::create_step(container::CreateRequest request,
                                                   std::vector<std::string> secret_env) {
    CO_TRY_LET(created, co_await impl_->create(std::move(request), "", Impl::Purpose::BuildStep));
    CO_TRY_LET(entry, impl_->entry(created.id));
    entry->secret_env = std::move(secret_env);
    co_return created;
}
net::Task<Result<void>> Containers::start(ContainerId id) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->start(entry);
}
net::Task<Result<void>> Containers::stop(ContainerId id, std::string signal,
                                         std::optional<std::chrono::milliseconds> grace) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->stop(entry, signal, grace);
}
net::Task<Result<void>> Containers::restart(ContainerId id, std::string signal,
                                            std::optional<std::chrono::milliseconds> grace) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->restart(entry, signal, grace);
}
net::Task<Result<void>> Containers::kill(ContainerId id, std::string signal) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->kill(entry, signal);
}
net::Task<Result<void>> Containers::pause(ContainerId id) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->pause(entry, true);
}
net::Task<Result<void>> Containers::unpause(ContainerId id) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->pause(entry, false);
}
net::Task<Result<void>> Containers::rename(ContainerId id, std::string name) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->rename(entry, name);
}
net::Task<Result<std::vector<std::string>>> Containers::update(ContainerId id,
                                                               container::UpdateRequest request) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->update(entry, request);
}
net::Task<Result<void>> Containers::remove(ContainerId id, RemoveOptions options) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->remove(entry, options);
}
net::Task<Result<ContainersPruned>> Containers::prune(Filters filters) {
    return impl_->prune(std::move(filters));
}
net::Task<Result<void>> Containers::load() { return impl_->load(); }

net::Task<Result<ExecId>> Containers::exec_create(ContainerId id, container::ExecConfig config) {
    CO_TRY_LET(entry, impl_->entry(id));
    co_return co_await impl_->exec_create(entry, config);
}

// --- waiting ---

Result<WaitTicket> Containers::begin_wait(const ContainerId& id, WaitCondition condition) {
    TRY_LET(entry, impl_->entry(id));
    return WaitTicket{entry, condition, entry->exits};
}

namespace {

bool is_over(const WaitTicket& ticket) {
    const Entry& entry = *ticket.entry;
    const Status status = entry.record->state.status;
    switch (ticket.condition) {
    case WaitCondition::Removed:
        return entry.removed;
    case WaitCondition::NextExit:
        return entry.removed || entry.exits > ticket.exits;
    case WaitCondition::NotRunning:
        return entry.removed || (!entry.record->state.running() && status != Status::Restarting);
    }
    return true;
}

} // namespace

net::Task<Result<WaitResult>> Containers::wait(WaitTicket ticket, net::Until until) {
    while (!is_over(ticket)) {
        const net::Wake wake = co_await ticket.entry->changed.wait(until);
        if (wake != net::Wake::Raised) {
            co_return net::to_result(wake, "wait for the container").error();
        }
    }
    const State& state = ticket.entry->record->state;
    const bool exited = ticket.entry->exits > ticket.exits;
    WaitResult result = exited ? ticket.entry->last_exit : WaitResult{state.exit_code, state.error};
    // Whoever waits for the end of a run hears of a failed start from the start itself; told twice,
    // clients print it twice.
    if (ticket.condition != WaitCondition::NotRunning) { result.error.clear(); }
    co_return result;
}

} // namespace shoal::engine
