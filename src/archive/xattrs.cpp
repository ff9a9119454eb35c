#include "archive/xattrs.h"

#include "archive/name.h"

#include <cerrno>
#include <sys/xattr.h>
#include <vector>

namespace shoal::archive {

namespace {

constexpr std::size_t value_max = 64 * 1024; ///< the kernel's XATTR_SIZE_MAX

Result<std::string> read_value(const std::string& path, const char* name) {
    std::string value(256, '\0');
    ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    if (size < 0 && errno == ERANGE) {
        value.resize(value_max);
        size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    }
    if (size < 0) { return os_error("read attribute " + std::string(name), errno); }
    value.resize(static_cast<std::size_t>(size));
    return value;
}

Result<Xattrs> read_path(const std::string& path, ssize_t names_size, std::vector<char> names) {
    if (names_size < 0 && errno == ERANGE) {
        names.resize(value_max);
        names_size = ::llistxattr(path.c_str(), names.data(), names.size());
    }
    Xattrs all;
    if (names_size < 0 && (errno == ENOTSUP || errno == ENOENT)) { return all; }
    if (names_size < 0) { return os_error("list attributes", errno); }
    for (const char* name = names.data(); name < names.data() + names_size;
         name += std::string_view(name).size() + 1) {
        auto value = read_value(path, name);
        if (!value && value.error().os_errno == ENODATA) { continue; } // gone since it was listed
        TRY_LET(present, std::move(value));
        all.emplace(name, std::move(present));
    }
    return all;
}

} // namespace

std::string self_path(const os::Fd& fd) { return "/proc/self/fd/" + std::to_string(fd.raw()); }

Result<Xattrs> read_xattrs_at(const os::Fd& directory, const std::string& name) {
    const std::string path = self_path(directory) + "/" + name;
    std::vector<char> names(1024);
    const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
    return read_path(path, size, std::move(names));
}

Result<Xattrs> read_xattrs(const os::Fd& object) {
    const std::string path = self_path(object) + "/.";
    std::vector<char> names(1024);
    const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
    return read_path(path, size, std::move(names));
}

bool is_overlay_xattr(std::string_view name) {
    return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.");
}

bool is_opaque(const os::Fd& directory) {
    char value = 0;
    return ::getxattr(self_path(directory).c_str(), overlay_opaque_xattr, &value, 1) == 1 &&
           value == 'y';
}

} // namespace shoal::archive
