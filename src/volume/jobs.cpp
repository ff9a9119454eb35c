#include "volume/jobs.h"

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"
#include "volume/copy_up.h"
#include "volume/subpath.h"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <netdb.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace shoal::volume {
namespace {

/// A server's name as a number, since mount(2) does not ask DNS.
Result<std::string> resolve(const std::string& host) {
    addrinfo* found = nullptr;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    const int failed = getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (failed != 0) {
        return Error{Errc::Unavailable, "error resolving passed in network volume address: " +
                                            host + ": " + gai_strerror(failed)};
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* address =
        found->ai_family == AF_INET
            ? static_cast<void*>(&reinterpret_cast<sockaddr_in*>(found->ai_addr)->sin_addr)
            : static_cast<void*>(&reinterpret_cast<sockaddr_in6*>(found->ai_addr)->sin6_addr);
    inet_ntop(found->ai_family, address, text.data(), text.size());
    freeaddrinfo(found);
    return std::string(text.data());
}

Error mount_error(const MountPlan& plan, const std::string& target, int code) {
    auto problem = os_error("mount " + plan.device + " on " + target, code);
    if (code == ENODEV) {
        problem.message += " (this kernel has no file system " + go_quote(plan.type) + ")";
    }
    // Docker's clients see these as 500 with the reason, not as a missing volume.
    if (problem.code == Errc::NotFound || code == ENODEV) { problem.code = Errc::Internal; }
    return std::move(problem).with("failed to mount local volume");
}

Result<void> do_mount(const Job& job) {
    auto plan = plan_mount(job.options);
    if (!plan.address.empty()) {
        TRY_LET(number, resolve(plan.address));
        plan.data = data_with_address(plan, number);
    }
    const auto call = [&](const char* source, const char* type, unsigned long flags,
                          const char* data) {
        return ::mount(source, job.path.c_str(), type, flags, data) == 0;
    };
    const auto* data = plan.data.empty() ? nullptr : plan.data.c_str();
    if (!call(plan.device.c_str(), plan.type.c_str(), plan.flags, data)) {
        return mount_error(plan, job.path, errno);
    }
    // A bind takes its other flags, and any mount its propagation, only by a second call.
    const auto more = plan.flags & ~static_cast<unsigned long>(MS_BIND | MS_REC);
    const bool remounted = !plan.is_bind() || more == 0 ||
                           call(nullptr, nullptr, MS_REMOUNT | MS_BIND | more, nullptr);
    const bool spread =
        remounted && (plan.propagation == 0 || call(nullptr, nullptr, plan.propagation, nullptr));
    if (remounted && spread) { return ok(); }
    const int code = errno;
    (void)os::unmount_lazy(job.path);
    return mount_error(plan, job.path, code);
}

Result<std::string> do_probe(const std::string& path) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) { return to_text(PathKind::Missing); }
        return os_error("stat " + path, errno);
    }
    if (S_ISDIR(info.st_mode)) { return to_text(PathKind::Directory); }
    return to_text(S_ISREG(info.st_mode) ? PathKind::File : PathKind::Other);
}

Result<void> do_copy(const Job& job) {
    TRY_LET(empty, is_empty_directory(job.path));
    if (!empty) { return ok(); }
    TRY_LET(copied, copy_up({job.root, job.source, job.path}));
    (void)copied;
    return ok();
}

Result<std::string> done(Result<void> result) {
    if (!result) { return std::move(result).error(); }
    return std::string();
}

} // namespace

bool from_text(std::string_view text, PathKind& kind) {
    for (const auto each :
         {PathKind::Missing, PathKind::Directory, PathKind::File, PathKind::Other}) {
        if (to_text(each) == text) {
            kind = each;
            return true;
        }
    }
    return false;
}

std::string to_text(PathKind kind) {
    switch (kind) {
    case PathKind::Missing:
        return "missing";
    case PathKind::Directory:
        return "directory";
    case PathKind::File:
        return "file";
    case PathKind::Other:
        return "other";
    }
    ASSERT(false);
}

Job mount_job(std::string path, Options options) {
    return {.kind = "mount", .path = std::move(path), .options = std::move(options)};
}
Job unmount_job(std::string path) { return {.kind = "unmount", .path = std::move(path)}; }
Job probe_job(std::string path) { return {.kind = "probe", .path = std::move(path)}; }
Job mkdir_job(std::string path) { return {.kind = "mkdir", .path = std::move(path)}; }
Job copy_job(std::string path, std::string root, std::string source) {
    return {.kind = "copy",
            .path = std::move(path),
            .root = std::move(root),
            .source = std::move(source)};
}
Job subpath_job(std::string volume, std::string subpath, std::string target) {
    return {.kind = "subpath",
            .path = std::move(volume),
            .source = std::move(subpath),
            .target = std::move(target)};
}

Result<std::string> run_job(const Job& job) {
    if (job.kind == "mount") { return done(do_mount(job)); }
    if (job.kind == "unmount") { return done(os::unmount_lazy(job.path)); }
    if (job.kind == "probe") { return do_probe(job.path); }
    if (job.kind == "mkdir") { return done(os::ensure_directory(job.path, 0755)); }
    if (job.kind == "copy") { return done(do_copy(job)); }
    if (job.kind == "subpath") { return done(bind_subpath({job.path, job.source, job.target})); }
    return invalid("unknown job " + go_quote(job.kind));
}

} // namespace shoal::volume
