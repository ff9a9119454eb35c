#include "cli/output_file.h"

#include "cli/support.h"
#include "os/file.h"

#include <fmt/format.h>

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::cli {
namespace {

std::string directory_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) { return "."; }
    return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> check_path(const std::string& path) {
    struct stat seen {};
    const std::string directory = directory_of(path);
    if (::stat(directory.c_str(), &seen) != 0) {
        const int number = errno;
        return go_error("stat " + directory, os_error(directory, number))
            .with("invalid output path");
    }
    if (::stat(path.c_str(), &seen) != 0) { return ok(); }
    if (S_ISDIR(seen.st_mode)) { return invalid("cannot write to a directory"); }
    if (S_ISCHR(seen.st_mode)) { return invalid("cannot write to a character device file"); }
    if (S_ISBLK(seen.st_mode)) { return invalid("cannot write to a device"); }
    if (!S_ISREG(seen.st_mode)) { return invalid("cannot write to an irregular file"); }
    return ok();
}

} // namespace

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::move(other.fd_)),
      named_(std::exchange(other.named_, false)) {}

std::string OutputFile::temporary() const {
    return fmt::format("{}/.shoal-{}.tmp", directory_of(path_), ::getpid());
}

Result<OutputFile> OutputFile::create(const std::string& path) {
    TRY(check_path(path));
    OutputFile file;
    file.path_ = path;
    auto unnamed = os::open_file(directory_of(path), O_TMPFILE | O_WRONLY, 0600);
    if (!unnamed) {
        const std::string temporary = file.temporary();
        unnamed = os::open_file(temporary, O_CREAT | O_EXCL | O_WRONLY, 0600);
        if (!unnamed) { return go_error("open " + temporary, unnamed.error()); }
        file.named_ = true;
    }
    file.fd_ = std::move(*unnamed);
    return file;
}

OutputFile::~OutputFile() {
    if (named_) { ::unlink(temporary().c_str()); }
}

Result<void> OutputFile::write(std::string_view bytes) {
    return os::write_all(fd_, bytes).with("write " + path_);
}

Result<void> OutputFile::finish() {
    const std::string name = temporary();
    if (!named_) {
        const std::string unnamed = fmt::format("/proc/self/fd/{}", fd_.raw());
        if (::linkat(AT_FDCWD, unnamed.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
            return os_error("link " + name, errno);
        }
        named_ = true;
    }
    TRY(os::rename_file(name, path_));
    named_ = false;
    return ok();
}

} // namespace shoal::cli
