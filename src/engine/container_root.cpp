// A container's file system as the daemon sees it: for cp, export, changes and commit.
#include "engine/containers_impl.h"

#include "base/text.h"
#include "engine/merge.h"
#include "image/rootfs.h"
#include "os/file.h"

#include <fcntl.h>

namespace shoal::engine {
namespace {

bool is_beneath(std::string_view path, std::string_view directory) {
    return path == directory || directory == "/" ||
           (path.starts_with(directory) && path[directory.size()] == '/');
}

/// Of a running container: everything as the container itself sees it, pinned by a descriptor.
class LiveRoot final : public RootHold {
  public:
    LiveRoot(ContainerPtr container, os::Fd fd)
        : container_(std::move(container)), fd_(std::move(fd)),
          root_("/proc/self/fd/" + std::to_string(fd_.raw())) {}
    const std::string& root() const override { return root_; }
    std::pair<std::string, std::string> locate(std::string_view path) const override {
        return {root_, std::string(path)};
    }
    bool writable(std::string_view path) const override {
        (void)path; // the mounts themselves say so
        return true;
    }

  private:
    ContainerPtr container_;
    os::Fd fd_;
    std::string root_;
};

/// Of a stopped container: its root file system, mounted for the time being, and its volumes beside
/// it.
class MountedRoot final : public RootHold {
  public:
    MountedRoot(ContainerPtr container, std::string root, std::function<void()> let_go)
        : container_(std::move(container)), root_(std::move(root)), let_go_(std::move(let_go)) {}
    ~MountedRoot() override { let_go_(); }
    const std::string& root() const override { return root_; }
    std::pair<std::string, std::string> locate(std::string_view path) const override {
        const std::string clean = container::clean_path("/" + std::string(path));
        const container::MountPoint* mount = mount_of(clean);
        if (mount == nullptr) { return {root_, std::string(path)}; }
        const std::string rest = clean.substr(mount->destination.size());
        const bool keeps_slash = path.ends_with('/') && !rest.ends_with('/');
        return {mount->source, (rest.empty() ? "/" : rest) + (keeps_slash ? "/" : "")};
    }
    bool writable(std::string_view path) const override {
        const container::MountPoint* mount =
            mount_of(container::clean_path("/" + std::string(path)));
        return mount != nullptr ? !mount->read_only : !container_->host_config.readonly_rootfs;
    }

  private:
    const container::MountPoint* mount_of(const std::string& path) const {
        const container::MountPoint* best = nullptr;
        for (const auto& mount : container_->mounts) {
            if (mount.type == "tmpfs" || mount.type == "image" ||
                !is_beneath(path, mount.destination)) {
                continue;
            }
            if (best == nullptr || mount.destination.size() > best->destination.size()) {
                best = &mount;
            }
        }
        return best;
    }
    ContainerPtr container_;
    std::string root_;
    std::function<void()> let_go_;
};

} // namespace

net::Task<Result<RootHoldPtr>> Containers::hold_root(ContainerId id) {
    CO_TRY_LET(entry, impl_->entry(id));
    const ContainerPtr record = entry->record;
    if (record->state.running()) {
        auto fd = os::open_file("/proc/" + std::to_string(record->state.pid) + "/root",
                                O_PATH | O_DIRECTORY);
        if (fd) { co_return RootHoldPtr(new LiveRoot(record, std::move(*fd))); }
    }
    auto guard = co_await entry->lock.acquire();
    if (entry->removed) { co_return not_found("container", id.text()); }
    const std::string directory = impl_->data_dir(id);
    CO_TRY_LET(root, impl_->images.mount_rootfs_now(record->image_id, directory));
    ++entry->root_holds;
    const auto let_go = [entry, directory] {
        if (--entry->root_holds == 0 && !entry->record->state.running()) {
            (void)image::unmount_rootfs(directory);
        }
    };
    co_return RootHoldPtr(new MountedRoot(record, root.merged, let_go));
}

net::Task<Result<std::string>> Containers::take_changes(ContainerId id) {
    CO_TRY_LET(entry, impl_->entry(id));
    auto guard = co_await entry->lock.acquire(); // with it the end of the run is cleaned up
    if (entry->record->state.running() || entry->root_holds > 0) {
        co_return conflict("container " + id.short_text() + " is in use");
    }
    co_return image::rootfs_in(impl_->data_dir(id)).upper;
}

Result<void> Containers::keep_step(const ContainerId& id) {
    TRY_LET(entry, impl_->entry(id));
    entry->record->build_step = false;
    return impl_->save(*entry);
}

net::Task<Result<std::vector<archive::Change>>> Containers::changes(ContainerId id) {
    CO_TRY_LET(entry, impl_->entry(id));
    const std::string directory = impl_->data_dir(id);
    co_return co_await impl_->images.changes(entry->record->image_id, directory);
}

net::Task<Result<oci::ImageId>> Containers::commit(ContainerId id, CommitRequest request) {
    CO_TRY_LET(entry, impl_->entry(id));
    const Container& container = *entry->record;
    const container::Config& own = container.config;
    ImageCommitRequest commit;
    commit.upper = image::rootfs_in(impl_->data_dir(id)).upper;
    commit.parent = container.image_id;
    commit.changes = std::move(request.changes);
    commit.reference = request.reference;
    commit.author = std::move(request.author);
    commit.comment = request.comment;
    commit.container = id;
    commit.created_by = container.path;
    for (const auto& word : container.args) { commit.created_by += " " + word; }
    commit.config = request.config ? std::move(*request.config) : run_config(own);
    CO_TRY(os::ensure_directory(commit.upper));
    const bool thaw = request.pause && container.state.status == Status::Running;
    if (thaw) { CO_TRY(co_await impl_->pause(entry, true)); }
    auto image = co_await impl_->images.commit(std::move(commit));
    if (thaw) {
        auto resumed = co_await impl_->pause(entry, false);
        (void)resumed; // it may have been killed meanwhile
    }
    if (image) {
        impl_->publish(container, "commit",
                       {{"comment", request.comment},
                        {"imageID", oci::prefixed(*image)},
                        {"imageRef", request.reference}});
    }
    co_return image;
}

} // namespace shoal::engine
