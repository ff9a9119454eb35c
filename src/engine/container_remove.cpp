// Removing, pruning, renaming, changing limits.
#include "engine/containers_impl.h"

#include "base/text.h"
#include "base/time.h"
#include "os/file.h"
#include "os/mount.h"

#include <spdlog/spdlog.h>

namespace shoal::engine {
namespace {

Error cannot_remove(const Container& container) {
    std::string state = to_text(container.state.status);
    std::string advice = "stop the container before removing or force remove";
    if (container.state.status == Status::Paused) {
        advice = "unpause and then stop the container before removing or force remove";
    }
    return conflict("cannot remove container \"/" + container.name + "\": container is " + state +
                    ": " + advice);
}

/// `until` as the API's prune has it: created before that time.
Result<bool> is_prunable(const Container& container, const Filters& filters, Instant now) {
    for (const auto& text : filters.values("until")) {
        TRY_LET(limit, parse_timestamp(text, now));
        if (container.created >= limit) { return false; }
    }
    if (!filters.labels("label", container.config.labels)) { return false; }
    for (const auto& unwanted : filters.values("label!")) {
        Filters one;
        one.add("label", unwanted);
        if (one.labels("label", container.config.labels)) { return false; }
    }
    return true;
}

/// Limits that the update names replace the present ones; the rest stays.
void apply_update(container::Resources& present, const container::Resources& update) {
    const auto take = [](auto& old, const auto& fresh) {
        if (fresh != std::remove_cvref_t<decltype(fresh)>{}) { old = fresh; }
    };
    if (update.nano_cpus != 0) {
        present.cpu_period = 0;
        present.cpu_quota = 0;
    }
    if (update.cpu_quota != 0 || update.cpu_period != 0) { present.nano_cpus = 0; }
    take(present.nano_cpus, update.nano_cpus);
    take(present.cpu_shares, update.cpu_shares);
    take(present.cpu_period, update.cpu_period);
    take(present.cpu_quota, update.cpu_quota);
    take(present.cpu_realtime_period, update.cpu_realtime_period);
    take(present.cpu_realtime_runtime, update.cpu_realtime_runtime);
    take(present.cpuset_cpus, update.cpuset_cpus);
    take(present.cpuset_mems, update.cpuset_mems);
    take(present.blkio_weight, update.blkio_weight);
    take(present.memory_reservation, update.memory_reservation);
    take(present.kernel_memory, update.kernel_memory);
    if (update.memory != 0 && update.memory_swap == 0 &&
        present.memory_swap == 2 * present.memory) {
        present.memory_swap = 2 * update.memory;
    }
    take(present.memory, update.memory);
    take(present.memory_swap, update.memory_swap);
    if (update.pids_limit) { present.pids_limit = update.pids_limit; }
}

} // namespace

net::Task<Result<void>> Containers::Impl::remove(EntryPtr entry, RemoveOptions options) {
    const Container& container = *entry->record;
    if (options.link) {
        co_return invalid("removing a link alone is not supported: remove the container");
    }
    if (container.state.running() || container.state.status == Status::Restarting) {
        if (!options.force) { co_return cannot_remove(container); }
        entry->stopping = true;
        cancel_restart(*entry);
    }
    net::Lock::Guard guard;
    for (;;) {
        // Not under the lock: watch() needs it to bury the run. A restart may slip in between, so
        // look again.
        if (container.state.running()) { CO_TRY(co_await kill_hard(entry)); }
        guard = co_await entry->lock.acquire();
        if (!container.state.running() || entry->removed) { break; }
        if (!options.force) { co_return cannot_remove(container); }
        entry->stopping = true;
        guard.release();
    }
    if (entry->removed) {
        if (options.force || container.host_config.auto_remove) { co_return ok(); }
        co_return not_found("container", container.id.text());
    }
    cancel_restart(*entry);
    co_return co_await remove_locked(entry, options.volumes);
}

net::Task<Result<void>> Containers::Impl::remove_locked(EntryPtr entry, bool with_volumes) {
    Container& container = *entry->record;
    if (entry->removed) { co_return ok(); }
    container.state.status = Status::Removing;
    // A full disk takes no such note, and removing is what helps it.
    if (auto noted = save(*entry); !noted) {
        spdlog::warn("{}, removing all the same", noted.error().message);
    }
    co_await release(entry);
    give_up_pending(*entry);
    const std::string directory = data_dir(container.id);
    auto root_removed = co_await images.remove_rootfs(directory);
    if (root_removed) {
        auto job = [directory]() -> Result<void> {
            TRY(os::unmount_tree(directory));
            return os::remove_tree(directory);
        };
        root_removed = co_await env.pool.run(std::move(job));
    }
    if (!root_removed) {
        container.state.status = Status::Dead;
        container.state.error = root_removed.error().message;
        (void)save(*entry);
        co_return std::move(root_removed)
            .error()
            .with("unable to remove filesystem for " + container.id.text());
    }
    CO_TRY(env.store.remove("container", container.id.text()));
    if (const auto named = names.find(container.name);
        named != names.end() && named->second == container.id) {
        names.erase(named);
    }
    entries.erase(container.id);
    entry->removed = true;
    for (auto exec = execs.begin(); exec != execs.end();) {
        exec = exec->second->container == entry ? execs.erase(exec) : std::next(exec);
    }
    publish(container, "destroy");
    const auto anonymous = with_volumes ? container.anonymous_volumes : std::vector<std::string>();
    for (const auto& volume : anonymous) {
        auto removed = co_await volumes.remove(volume, true);
        if (!removed && removed.error().code != Errc::Conflict) {
            spdlog::warn("container {}: volume {}: {}, going on", container.id.short_text(), volume,
                         removed.error().message);
        }
    }
    entry->changed.wake_all();
    co_return ok();
}

net::Task<Result<ContainersPruned>> Containers::Impl::prune(Filters filters) {
    CO_TRY(filters.allow_only({"label", "label!", "until"}));
    ContainersPruned pruned;
    std::vector<EntryPtr> candidates;
    for (const auto& [id, entry] : entries) {
        const State& state = entry->record->state;
        if (state.running() || state.status == Status::Restarting ||
            state.status == Status::Removing) {
            continue;
        }
        CO_TRY_LET(prunable, is_prunable(*entry->record, filters, env.clock.now()));
        if (prunable) { candidates.push_back(entry); }
    }
    for (const auto& entry : candidates) {
        auto size = co_await images.upper_size(data_dir(entry->id()));
        auto removed = co_await remove(entry, RemoveOptions{});
        if (!removed) { continue; } // started or removed by somebody else meanwhile
        pruned.ids.push_back(entry->id());
        pruned.reclaimed_bytes += std::move(size).value_or(0);
    }
    env.events.publish(
        {"container", "prune", "", {{"reclaimed", std::to_string(pruned.reclaimed_bytes)}}});
    co_return pruned;
}

net::Task<Result<void>> Containers::Impl::rename(EntryPtr entry, std::string name) {
    auto guard = co_await entry->lock.acquire();
    Container& container = *entry->record;
    if (entry->removed) { co_return not_found("container", container.id.text()); }
    if (name.starts_with('/')) { name.erase(0, 1); }
    if (name.empty()) { co_return invalid("Neither old nor new names may be empty"); }
    if (name == container.name) {
        co_return invalid("Renaming a container with the same name as its current name");
    }
    CO_TRY_LET(reserved, reserve_name(name, container.id));
    const std::string old = std::exchange(container.name, reserved);
    if (auto saved = save(*entry); !saved) {
        names.erase(container.name);
        container.name = old;
        co_return saved;
    }
    names.erase(old);
    networks.rename(container.id, container.name);
    publish(container, "rename", {{"oldName", "/" + old}});
    co_return ok();
}

net::Task<Result<std::vector<std::string>>>
Containers::Impl::update(EntryPtr entry, container::UpdateRequest request) {
    auto guard = co_await entry->lock.acquire();
    Container& container = *entry->record;
    if (entry->removed || container.state.status == Status::Removing ||
        container.state.status == Status::Dead) {
        co_return conflict("container is marked for removal and cannot be updated")
            .with("Cannot update container " + container.id.text());
    }
    auto& host = container.host_config;
    CO_TRY_LET(warnings, container::validate_update(request, host.resources, host.restart_policy,
                                                    host.auto_remove, facts));
    container::Resources changed = host.resources;
    apply_update(changed, request.resources);
    if (container.state.running()) {
        CO_TRY_LET(numbers, container::load_device_numbers(changed));
        CO_TRY_LET(resources, container::make_resources(changed, facts, numbers));
        const bool unlimited = request.resources.pids_limit && *request.resources.pids_limit <= 0;
        auto job = [runtime = runtime(container), id = container.id.text(), resources = resources,
                    group = cgroup(container), unlimited]() -> Result<void> {
            TRY(container::update_container(runtime, id, resources));
            return unlimited ? group.write("pids", "pids.max", "max") : ok();
        };
        auto applied = co_await env.pool.run(std::move(job));
        if (!applied) {
            co_return std::move(applied).error().with("Cannot update container " +
                                                      container.id.text());
        }
    }
    host.resources = std::move(changed);
    if (request.restart_policy && !request.restart_policy->name.empty()) {
        host.restart_policy = *request.restart_policy;
    }
    CO_TRY(save(*entry));
    publish(container, "update");
    co_return warnings;
}

} // namespace shoal::engine
