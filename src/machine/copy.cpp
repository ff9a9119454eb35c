// Files between this computer and machines. Each end is opened with the root and the mounts of its
// own side, so that links mean what they mean there; cp does the rest from descriptor to
// descriptor.
#include "machine/machines.h"
#include "os/file.h"
#include "os/namespaces.h"
#include "os/process.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

namespace shoal::machine {
namespace {

constexpr int from_descriptor = 3, to_descriptor = 4;

std::string parent_of(const std::string& path) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) { return "."; }
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) { path.pop_back(); }
    return path.substr(path.rfind('/') + 1);
}

/// The file's directory is where paths begin that are not absolute: /root in a machine, the present
/// directory here.
Result<void> on_side(pid_t pid, const std::function<Result<void>()>& job) {
    if (pid == 0) { return job(); }
    return os::run_in_mounts_of(pid, [&]() -> Result<void> {
        if (::chdir("/root") != 0) { return os_error("enter /root", errno); }
        return job();
    });
}

struct Source {
    os::Fd fd;
    bool is_tree = false;
    std::string name;
};
Result<Source> open_source(pid_t pid, const std::string& path) {
    Source source;
    source.name = name_of(path);
    TRY(on_side(pid, [&]() -> Result<void> {
        TRY_LET(fd, os::open_file(path, O_PATH));
        source.fd = std::move(fd);
        source.is_tree = os::is_directory(path);
        return ok();
    }));
    return source;
}

struct Target {
    os::Fd folder;
    std::string name;
};
/// Into a directory under the source's name, else under the name that is given.
Result<Target> open_target(pid_t pid, const std::string& path, const std::string& source_name) {
    Target target;
    TRY(on_side(pid, [&]() -> Result<void> {
        const bool into = os::is_directory(path);
        if (!into && path.ends_with('/')) { return not_found("directory", path); }
        target.name = into ? source_name : name_of(path);
        TRY_LET(folder, os::open_file(into ? path : parent_of(path), O_PATH | O_DIRECTORY));
        target.folder = std::move(folder);
        return ok();
    }));
    return target;
}

bool is_no_name(const std::string& name) {
    return name.empty() || name == "." || name == ".." || name == "/";
}

Result<void> run_copy(const Source& source, const Target& target) {
    os::Spawn spawn;
    spawn.argv = {"cp", "--preserve=mode", "--no-target-directory", "--remove-destination"};
    if (source.is_tree) { spawn.argv.emplace_back("-R"); }
    const std::string from = fmt::format("/proc/self/fd/{}", from_descriptor);
    spawn.argv.push_back(source.is_tree ? from + "/." : from);
    spawn.argv.push_back(fmt::format("/proc/self/fd/{}/{}", to_descriptor, target.name));
    spawn.fds = {{source.fd.raw(), from_descriptor}, {target.folder.raw(), to_descriptor}};
    spawn.stderr_fd = STDERR_FILENO;
    TRY_LET(process, os::Process::spawn(spawn));
    TRY_LET(status, process.wait());
    if (status.code != 0) { return internal(fmt::format("cp has ended with {}", status.code)); }
    return ok();
}

} // namespace

Result<void> Machines::copy(const Place& from, const Place& to, Depth depth) const {
    const auto pid_of = [this](const Place& place) -> Result<pid_t> {
        if (place.machine.empty()) { return 0; }
        TRY_LET(listed, find(place.machine));
        if (listed.state == State::Stopped) {
            return conflict("machine " + place.machine + " is not running");
        }
        return listed.machine.first->pid;
    };
    TRY_LET(from_pid, pid_of(from));
    TRY_LET(to_pid, pid_of(to));
    TRY_LET(source, open_source(from_pid, from.path));
    if (source.is_tree && depth == Depth::File) {
        return invalid(from.path + " is a directory: use -r");
    }
    TRY_LET(target, open_target(to_pid, to.path, source.name));
    if (is_no_name(target.name)) { return invalid("no name for the copy of " + from.path); }
    return run_copy(source, target);
}

} // namespace shoal::machine
