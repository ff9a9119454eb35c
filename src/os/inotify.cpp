#include "os/inotify.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>

namespace shoal::os {

Result<Inotify> Inotify::watch_directory(const std::string& directory) {
    Fd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd) { return os_error("inotify", errno); }
    if (inotify_add_watch(fd.raw(), directory.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0) {
        return os_error("watch " + directory, errno);
    }
    return Inotify(std::move(fd));
}

void Inotify::drain() {
    alignas(inotify_event) char buffer[4096];
    while (::read(fd_.raw(), buffer, sizeof buffer) > 0) {}
}

} // namespace shoal::os
