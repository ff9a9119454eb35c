// Where things of machines lie on this computer. Names that begin with a point cannot be machines'.
#pragma once

#include <string>

namespace shoal::machine {

class Paths {
  public:
    Paths(std::string root, const std::string& name) : root_(std::move(root)), name_(name) {}
    static Paths of_directory(const std::string& directory) {
        const auto slash = directory.rfind('/');
        return {directory.substr(0, slash), directory.substr(slash + 1)};
    }
    std::string directory() const { return root_ + "/" + name_; }
    std::string machine_file() const { return directory() + "/machine.json"; }
    std::string config_file() const { return directory() + "/daemon.json"; }
    std::string status_file() const { return directory() + "/status.json"; }
    std::string socket() const { return directory() + "/api.sock"; }
    std::string log() const { return directory() + "/log"; }
    std::string disk() const { return directory() + "/disk"; }
    std::string disk_image() const { return directory() + "/disk.img"; }
    /// Changes of /etc; not on the disk, which may be full when the machine starts.
    std::string etc() const { return directory() + "/etc"; }
    std::string root() const { return directory() + "/root"; } ///< mount point, empty outside
    std::string common() const { return root_ + "/.common"; }

  private:
    std::string root_, name_;
};

inline std::string switch_file(const std::string& root) { return root + "/.switch.json"; }
inline std::string switch_netns(const std::string& root) { return root + "/.switch"; }
inline std::string lock_file(const std::string& root) { return root + "/.lock"; }

} // namespace shoal::machine
