#include "os/sysctl.h"

#include "base/text.h"
#include "os/fd.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace shoal::os {

Result<std::string> sysctl_path(std::string_view name) {
    std::string path = "/proc/sys";
    for (auto& part : split(name, '.')) {
        part = replace_all(part, "/", ".");
        if (part.empty() || part == "." || part == "..") {
            return invalid("invalid kernel parameter name " + go_quote(name));
        }
        path += "/" + part;
    }
    return path;
}

Result<std::string> read_sysctl(std::string_view name) {
    TRY_LET(path, sysctl_path(name));
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) { return os_error("read kernel parameter " + std::string(name), errno); }
    char buffer[4096];
    const ssize_t got = ::read(file.raw(), buffer, sizeof buffer);
    if (got < 0) { return os_error("read kernel parameter " + std::string(name), errno); }
    return std::string(trim(std::string_view(buffer, static_cast<std::size_t>(got))));
}

Result<void> write_sysctl(std::string_view name, std::string_view value) {
    TRY_LET(path, sysctl_path(name));
    const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) { return os_error("set kernel parameter " + std::string(name), errno); }
    if (::write(file.raw(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
        return os_error("set kernel parameter " + std::string(name) + " to " + go_quote(value),
                        errno);
    }
    return ok();
}

Result<void> ensure_sysctl(std::string_view name, std::string_view value) {
    TRY_LET(present, read_sysctl(name));
    if (present == value) { return ok(); }
    return write_sysctl(name, value);
}

} // namespace shoal::os
