#include "os/namespaces.h"

#include "os/file.h"
#include "os/mount.h"

#include <cerrno>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shoal::os {
namespace {

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

Result<void> unshare_here(int flags, const char* what) {
    if (::unshare(flags) != 0) { return os_error(std::string("create ") + what, errno); }
    return ok();
}

} // namespace

Result<Process> spawn_first(const FirstProcess& first) {
    std::optional<Process> process;
    TRY(on_own_thread([&]() -> Result<void> {
        TRY(unshare_here(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC, "namespaces"));
        TRY(set_propagation("/", Propagation::RPrivate));
        if (first.inside) { TRY(first.inside()); }
        // Last: no thread can be made where new processes go to another PID namespace.
        TRY(unshare_here(CLONE_NEWPID, "a PID namespace"));
        TRY_LET(made, Process::spawn(first.spawn));
        process = std::move(made);
        return ok();
    }));
    return std::move(*process);
}

Result<void> enter_new_cgroup_namespace() {
    return unshare_here(CLONE_NEWCGROUP, "a cgroup namespace");
}

Result<void> set_host_name(const std::string& name) {
    if (::sethostname(name.data(), name.size()) != 0) {
        return os_error("set the host name " + name, errno);
    }
    return ok();
}

Result<void> change_root(const std::string& new_root) {
    if (::chdir(new_root.c_str()) != 0) { return os_error("enter " + new_root, errno); }
    // The old root is put over the new one and taken away from there: no directory is needed.
    if (::syscall(SYS_pivot_root, ".", ".") != 0) {
        return os_error("make " + new_root + " the root", errno);
    }
    if (::umount2(".", MNT_DETACH) != 0) { return os_error("unmount the old root", errno); }
    if (::chdir("/") != 0) { return os_error("enter the new root", errno); }
    return ok();
}

Result<void> run_in_mounts_of(pid_t pid, const std::function<Result<void>()>& job) {
    TRY_LET(mounts, open_file("/proc/" + std::to_string(pid) + "/ns/mnt", O_RDONLY));
    return on_own_thread([&]() -> Result<void> {
        TRY(unshare_here(CLONE_FS, "a root of a thread's own"));
        if (::setns(mounts.raw(), CLONE_NEWNS) != 0) {
            return os_error("enter the mounts of process " + std::to_string(pid), errno);
        }
        return job();
    });
}

} // namespace shoal::os
