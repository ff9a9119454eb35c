#include "volume/locality.h"

#include "base/text.h"

#include <array>
#include <climits>
#include <deque>
#include <map>
#include <unistd.h>

namespace shoal::volume {
namespace {

constexpr int links_max = 40;

/// Mount points whose top mount may hang. Later lines of mountinfo lie above earlier ones.
std::map<std::string, bool> hanging_points(const std::vector<os::MountInfo>& mounts) {
    std::map<std::string, bool> points;
    for (const auto& mount : mounts) { points[mount.target] = may_hang(mount.type); }
    return points;
}

std::deque<std::string> names_of(const std::string& path) {
    std::deque<std::string> names;
    for (auto& name : split(path, '/')) {
        if (!name.empty() && name != ".") { names.push_back(std::move(name)); }
    }
    return names;
}

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos || slash == 0 ? "" : path.substr(0, slash);
}

std::optional<std::string> read_link_here(const std::string& path) {
    std::array<char, PATH_MAX> buffer{};
    const auto size = readlink(path.c_str(), buffer.data(), buffer.size());
    if (size <= 0) { return std::nullopt; }
    return std::string(buffer.data(), static_cast<std::size_t>(size));
}

} // namespace

bool may_hang(std::string_view type) {
    constexpr std::array<std::string_view, 16> remote{
        "nfs",   "nfs4",  "cifs", "smb3",   "smbfs",  "ceph", "afs",    "9p",
        "ncpfs", "ocfs2", "gfs2", "lustre", "beegfs", "gpfs", "autofs", "virtiofs"};
    for (const auto name : remote) {
        if (type == name) { return true; }
    }
    return type == "fuse" || type == "fuseblk" || type.starts_with("fuse.");
}

bool may_hang(const std::string& path, const std::vector<os::MountInfo>& mounts,
              const ReadLink& read_link) {
    const auto points = hanging_points(mounts);
    auto names = names_of(path);
    std::string at; // "" is the root
    int links = 0;
    while (!names.empty()) {
        const auto name = names.front();
        names.pop_front();
        if (name == "..") {
            at = parent_of(at);
            continue;
        }
        const auto next = at + "/" + name;
        if (const auto point = points.find(next); point != points.end()) {
            if (point->second) { return true; }
            at = next;
            continue;
        }
        const auto target = read_link(next);
        if (!target) {
            at = next;
            continue;
        }
        if (++links > links_max) { return true; }
        if (target->starts_with('/')) { at.clear(); }
        auto more = names_of(*target);
        names.insert(names.begin(), more.begin(), more.end());
    }
    const auto root = points.find("/");
    return root != points.end() && root->second;
}

bool may_hang_here(const std::string& path) {
    const auto mounts = os::load_mountinfo();
    if (!mounts) { return true; }
    return may_hang(path, *mounts, read_link_here);
}

} // namespace shoal::volume
