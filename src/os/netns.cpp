#include "os/netns.h"

#include <cerrno>
#include <filesystem>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace shoal::os {
namespace {

constexpr const char* own_netns = "/proc/thread-self/ns/net";

/// The thread dies with its namespace: nothing has to be put back.
Result<void> on_own_thread(const std::function<Result<void>()>& job) {
    std::optional<Result<void>> outcome;
    try {
        std::thread worker([&] { outcome.emplace(job()); });
        worker.join();
    } catch (const std::system_error& failure) {
        return os_error("start a thread", failure.code().value());
    }
    return std::move(*outcome);
}

Result<void> make_mount_point(const std::string& path) {
    std::error_code failure;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failure);
    if (failure) { return os_error("create the directory of " + path, failure.value()); }
    const Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
    if (!file) { return os_error("create " + path, errno); }
    return ok();
}

Result<void> keep_current_at(const std::string& path) {
    if (::mount(own_netns, path.c_str(), "none", MS_BIND, nullptr) != 0) {
        return os_error("bind the network namespace to " + path, errno);
    }
    return ok();
}

Result<void> new_netns_here(const std::string& path, const std::function<Result<void>()>& inside,
                            Fd& fd) {
    if (::unshare(CLONE_NEWNET) != 0) { return os_error("create a network namespace", errno); }
    TRY_LET(own, current_netns());
    TRY(keep_current_at(path));
    if (inside) { TRY(inside()); }
    fd = std::move(own);
    return ok();
}

} // namespace

Result<Fd> create_netns(const std::string& path, const std::function<Result<void>()>& inside) {
    TRY(make_mount_point(path));
    Fd fd;
    auto made = on_own_thread([&] { return new_netns_here(path, inside, fd); });
    if (!made) {
        (void)remove_netns(path);
        return std::move(made).error();
    }
    return fd;
}

Result<Fd> create_anonymous_netns() {
    Fd fd;
    TRY(on_own_thread([&]() -> Result<void> {
        if (::unshare(CLONE_NEWNET) != 0) { return os_error("create a network namespace", errno); }
        TRY_LET(own, current_netns());
        fd = std::move(own);
        return ok();
    }));
    return fd;
}

Result<Fd> open_netns(const std::string& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) { return os_error("open the network namespace " + path, errno); }
    return fd;
}

Result<Fd> current_netns() { return open_netns(own_netns); }

Result<void> remove_netns(const std::string& path) {
    if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL &&
        errno != ENOENT) {
        return os_error("unmount " + path, errno);
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return os_error("remove " + path, errno);
    }
    return ok();
}

bool is_netns(const std::string& path) {
    struct statfs info {};
    return ::statfs(path.c_str(), &info) == 0 && info.f_type == NSFS_MAGIC;
}

Result<void> run_in_netns(const Fd& netns, const std::function<Result<void>()>& job) {
    return on_own_thread([&]() -> Result<void> {
        if (::setns(netns.raw(), CLONE_NEWNET) != 0) {
            return os_error("enter a network namespace", errno);
        }
        return job();
    });
}

Result<Fd> socket_in_netns(const Fd& netns, SocketKind kind) {
    Fd fd;
    TRY(run_in_netns(netns, [&]() -> Result<void> {
        fd = Fd(::socket(kind.domain, kind.type | SOCK_CLOEXEC, kind.protocol));
        if (!fd) { return os_error("create a socket", errno); }
        return ok();
    }));
    return fd;
}

} // namespace shoal::os
