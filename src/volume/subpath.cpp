#include "volume/subpath.h"

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::volume {
namespace {

Result<void> make_place(const std::string& target, bool directory) {
    if (directory) { return os::ensure_directory(target, 0700); }
    TRY(os::ensure_directory(target.substr(0, target.rfind('/')), 0700));
    TRY_LET(file, os::open_file(target, O_CREAT | O_RDONLY | O_NOFOLLOW, 0600));
    (void)file;
    return ok();
}

} // namespace

Result<void> check_subpath(const std::string& subpath) {
    if (subpath.starts_with('/')) {
        return invalid("volume subpath must be a relative path within the volume: " +
                       go_quote(subpath));
    }
    if (subpath.find('\0') != std::string::npos) { return invalid("volume subpath: a NUL byte"); }
    for (const auto& name : split(subpath, '/')) {
        if (name == "..") {
            return invalid("volume subpath must be a relative path within the volume: " +
                           go_quote(subpath));
        }
    }
    return ok();
}

Result<void> bind_subpath(const SubpathBind& bind) {
    TRY(check_subpath(bind.subpath));
    TRY_LET(root, os::open_directory(bind.volume));
    os::OpenBeneath how;
    how.rule = os::Beneath::NoEscape;
    how.flags = O_PATH;
    TRY_LET(
        found,
        os::open_beneath(root, bind.subpath, how).with("volume subpath " + go_quote(bind.subpath)));
    struct stat info {};
    if (fstat(found.raw(), &info) != 0) { return os_error("stat volume subpath", errno); }
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) {
        return invalid("volume subpath " + go_quote(bind.subpath) +
                       " is neither a directory nor a file");
    }
    TRY(make_place(bind.target, S_ISDIR(info.st_mode)));
    // The magic link leads to what was opened, whatever its name means by now.
    const auto source = "/proc/self/fd/" + std::to_string(found.raw());
    if (::mount(source.c_str(), bind.target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
        return os_error("bind volume subpath " + go_quote(bind.subpath), errno);
    }
    return ok();
}

Result<void> unbind_subpath(const std::string& target) {
    TRY(os::unmount_lazy(target));
    struct stat info {};
    if (lstat(target.c_str(), &info) != 0) { return ok(); }
    const int gone = S_ISDIR(info.st_mode) ? rmdir(target.c_str()) : unlink(target.c_str());
    if (gone != 0 && errno != ENOENT) { return os_error("remove " + target, errno); }
    return ok();
}

} // namespace shoal::volume
