#include "os/overlay.h"

#include "os/file.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace shoal::os {
namespace {

constexpr std::size_t option_value_max = 255;   // of fsconfig(2)
constexpr std::size_t option_string_max = 4095; // of mount(2): one page
// No redirects, no metadata-only copies, no index: the upper directory stays a plain difference to
// the lower ones.
constexpr const char* plain_options[][2] = {
    {"redirect_dir", "nofollow"}, {"metacopy", "off"}, {"index", "off"}};

/// Names for directories that are short whatever their paths are: /proc/self/fd/N, valid as long as
/// this lives.
class ShortNames {
  public:
    Result<std::string> of(const std::string& path) {
        TRY_LET(fd, open_file(path, O_PATH | O_DIRECTORY));
        std::string name = "/proc/self/fd/" + std::to_string(fd.raw());
        held_.push_back(std::move(fd));
        return name;
    }

  private:
    std::vector<Fd> held_;
};

/// What the kernel wrote about the last failure: "e overlay: ...".
std::string kernel_words(const Fd& context) {
    char line[512];
    const auto got = ::read(context.raw(), line, sizeof line);
    if (got <= 2) { return {}; }
    std::string words(line + 2, static_cast<std::size_t>(got) - 2);
    while (!words.empty() && words.back() == '\n') { words.pop_back(); }
    return " (" + words + ")";
}

class Context {
  public:
    Context(Fd fd, const std::string& target) : fd_(std::move(fd)), target_(target) {}

    Result<void> set(const char* key, const std::string& path) {
        std::string value = path;
        if (value.size() > option_value_max) {
            TRY_LET(brief, names_.of(path));
            value = std::move(brief);
        }
        return call(FSCONFIG_SET_STRING, key, value.c_str());
    }
    Result<void> call(unsigned command, const char* key, const char* value) {
        if (::syscall(SYS_fsconfig, fd_.raw(), command, key, value, 0) == 0) { return ok(); }
        const int number = errno;
        return os_error("mount overlay on " + target_ + kernel_words(fd_), number);
    }
    Result<void> attach() {
        TRY(call(FSCONFIG_CMD_CREATE, nullptr, nullptr));
        Fd mounted(static_cast<int>(::syscall(SYS_fsmount, fd_.raw(), FSMOUNT_CLOEXEC, 0)));
        if (!mounted) { return os_error("mount overlay on " + target_, errno); }
        if (::syscall(SYS_move_mount, mounted.raw(), "", AT_FDCWD, target_.c_str(),
                      MOVE_MOUNT_F_EMPTY_PATH) != 0) {
            return os_error("mount overlay on " + target_, errno);
        }
        return ok();
    }

  private:
    Fd fd_;
    const std::string& target_;
    ShortNames names_;
};

enum class Outcome { Mounted, NotKnown };

Result<Outcome> mount_by_fsopen(const OverlayMount& mount) {
    Fd fd(static_cast<int>(::syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
    if (!fd) {
        if (errno == ENOSYS || errno == EPERM) { return Outcome::NotKnown; }
        return os_error("mount overlay on " + mount.target, errno);
    }
    Context context(std::move(fd), mount.target);
    TRY(context.set("source", "overlay"));
    for (std::size_t i = 0; i < mount.lowers.size(); ++i) {
        auto added = context.set("lowerdir+", mount.lowers[i]);
        if (!added && i == 0 && added.error().os_errno == EINVAL) { return Outcome::NotKnown; }
        TRY(std::move(added));
    }
    if (!mount.upper.empty()) {
        TRY(context.set("upperdir", mount.upper));
        TRY(context.set("workdir", mount.work));
    }
    for (const auto& [key, value] : plain_options) {
        TRY(context.call(FSCONFIG_SET_STRING, key, value));
    }
    TRY(context.attach());
    return Outcome::Mounted;
}

Result<Mount> mount_by_string(const OverlayMount& mount) {
    ShortNames names;
    std::string data = "lowerdir=";
    for (std::size_t i = 0; i < mount.lowers.size(); ++i) {
        TRY_LET(name, names.of(mount.lowers[i]));
        data += (i == 0 ? "" : ":") + name;
    }
    if (!mount.upper.empty()) {
        TRY_LET(upper, names.of(mount.upper));
        TRY_LET(work, names.of(mount.work));
        data += ",upperdir=" + upper + ",workdir=" + work;
    }
    for (const auto& [key, value] : plain_options) { data += "," + std::string(key) + "=" + value; }
    if (data.size() > option_string_max) {
        return Error{Errc::Exhausted,
                     "mount overlay on " + mount.target + ": too many layers for this kernel"};
    }
    MountCall call;
    call.source = "overlay";
    call.target = mount.target;
    call.type = "overlay";
    call.data = std::move(data);
    return os::mount(call);
}

} // namespace

Result<Mount> mount_overlay(const OverlayMount& mount) {
    if (!mount.without_fsopen) {
        TRY_LET(outcome, mount_by_fsopen(mount));
        if (outcome == Outcome::Mounted) { return Mount(mount.target); }
    }
    return mount_by_string(mount);
}

} // namespace shoal::os
