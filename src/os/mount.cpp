#include "os/mount.h"

#include "base/text.h"
#include "os/file.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <sys/mount.h>
#include <sys/stat.h>

namespace shoal::os {
namespace {

struct PropagationName {
    Propagation value;
    std::string_view name;
    unsigned long flags;
};
constexpr std::array<PropagationName, 8> propagations{{
    {Propagation::Private, "private", MS_PRIVATE},
    {Propagation::RPrivate, "rprivate", MS_PRIVATE | MS_REC},
    {Propagation::Slave, "slave", MS_SLAVE},
    {Propagation::RSlave, "rslave", MS_SLAVE | MS_REC},
    {Propagation::Shared, "shared", MS_SHARED},
    {Propagation::RShared, "rshared", MS_SHARED | MS_REC},
    {Propagation::Unbindable, "unbindable", MS_UNBINDABLE},
    {Propagation::RUnbindable, "runbindable", MS_UNBINDABLE | MS_REC},
}};
const PropagationName& entry_of(Propagation propagation) {
    return propagations[static_cast<std::size_t>(propagation)];
}

/// "\040" and its like, as the kernel escapes blanks in paths.
std::string unescape(std::string_view text) {
    auto octal = [](char c) { return c >= '0' && c <= '7'; };
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
            octal(text[i + 3])) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                       (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

bool lies_below(std::string_view path, std::string_view top) {
    if (top == "/") { return true; }
    return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

} // namespace

bool from_text(std::string_view text, Propagation& propagation) {
    for (const auto& entry : propagations) {
        if (entry.name == text) {
            propagation = entry.value;
            return true;
        }
    }
    return false;
}
std::string_view to_text(Propagation propagation) { return entry_of(propagation).name; }
unsigned long mount_flags(Propagation propagation) { return entry_of(propagation).flags; }

Mount& Mount::operator=(Mount&& other) noexcept {
    if (this != &other) {
        (void)unmount();
        target_ = std::exchange(other.target_, {});
    }
    return *this;
}
Mount::~Mount() { (void)unmount(); }
Result<void> Mount::unmount() {
    if (target_.empty()) { return ok(); }
    return unmount_lazy(std::exchange(target_, {}));
}

Result<Mount> mount(const MountCall& call) {
    const char* source = call.source.empty() ? "none" : call.source.c_str();
    const char* type = call.type.empty() ? nullptr : call.type.c_str();
    const char* data = call.data.empty() ? nullptr : call.data.c_str();
    if (::mount(source, call.target.c_str(), type, call.flags, data) != 0) {
        return os_error("mount " + call.source + " at " + call.target, errno);
    }
    return Mount(call.target);
}

Result<Mount> bind_mount(const Bind& bind) {
    const unsigned long recursive = bind.recursive ? MS_REC : 0;
    TRY_LET(made, mount({bind.source, bind.target, "", MS_BIND | recursive, ""}));
    if (bind.read_only) {
        const unsigned long flags = MS_BIND | MS_REMOUNT | MS_RDONLY;
        if (::mount("none", bind.target.c_str(), nullptr, flags, nullptr) != 0) {
            return os_error("make " + bind.target + " read-only", errno);
        }
    }
    return std::move(made);
}

Result<Mount> mount_tmpfs(const std::string& target, const std::string& options) {
    return mount({"tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, options});
}

Result<void> set_propagation(const std::string& target, Propagation propagation) {
    if (::mount("none", target.c_str(), nullptr, mount_flags(propagation), nullptr) == 0) {
        return ok();
    }
    return os_error("make " + target + " " + std::string(to_text(propagation)), errno);
}

Result<void> unmount_lazy(const std::string& target) {
    if (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) { return ok(); }
    if (errno == EINVAL || errno == ENOENT) { return ok(); }
    return os_error("unmount " + target, errno);
}

Result<void> unmount_tree(const std::string& path) {
    TRY_LET(mounts, load_mountinfo());
    ErrorList failures;
    // Later lines lie on earlier ones, so the last is the deepest.
    for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
        if (lies_below(mount->target, path)) { failures.add(unmount_lazy(mount->target)); }
    }
    if (!failures.empty()) { return failures.joined(); }
    return ok();
}

std::vector<MountInfo> parse_mountinfo(std::string_view text) {
    std::vector<MountInfo> mounts;
    for (const auto& line : split(text, '\n')) {
        const auto fields = split(line, ' ');
        const auto dash = std::find(fields.begin(), fields.end(), "-");
        if (fields.size() < 10 || fields.end() - dash < 4 || dash - fields.begin() < 6) {
            continue;
        }
        MountInfo mount;
        mount.id = parse_number<int>(fields[0]).value_or(0);
        mount.parent = parse_number<int>(fields[1]).value_or(0);
        const auto [major, minor] = cut(fields[2], ':');
        mount.major = parse_number<unsigned>(major).value_or(0);
        mount.minor = parse_number<unsigned>(minor).value_or(0);
        mount.root = unescape(fields[3]);
        mount.target = unescape(fields[4]);
        mount.options = fields[5];
        mount.optional = join(std::vector<std::string>(fields.begin() + 6, dash), " ");
        mount.type = dash[1];
        mount.source = unescape(dash[2]);
        mount.super_options = dash[3];
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

Result<std::vector<MountInfo>> load_mountinfo(const std::string& path) {
    TRY_LET(text, read_file(path));
    return parse_mountinfo(text);
}

const MountInfo* mount_of(const std::vector<MountInfo>& mounts, std::string_view path) {
    const MountInfo* best = nullptr;
    for (const auto& mount : mounts) {
        if (!lies_below(path, mount.target)) { continue; }
        if (best == nullptr || mount.target.size() >= best->target.size()) { best = &mount; }
    }
    return best;
}

bool is_mount_point(const std::string& path) {
    auto mounts = load_mountinfo();
    if (!mounts) { return false; }
    return std::any_of(mounts->begin(), mounts->end(),
                       [&](const MountInfo& m) { return m.target == path; });
}

} // namespace shoal::os
