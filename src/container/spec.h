// From a container's settings to the OCI runtime's config.json. Pure: what must be asked of the
// machine (devices, users, kernel, cgroups) comes in as facts, so that every decision about
// isolation can be read and tested here. It does not mount, create or look anything up; validate.h
// has already refused what cannot be done.
#pragma once

#include "base/json.h"
#include "base/result.h"
#include "container/config.h"
#include "container/seccomp.h"
#include "os/user.h"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace shoal::container {

/// One mount whose source the engine has already resolved (volume, bind, image, generated file).
struct ResolvedMount {
    std::string source;        ///< absolute host path; "" for tmpfs
    std::string destination;   ///< absolute path in the container, cleaned
    std::string type = "bind"; ///< "bind" or "tmpfs"
    bool read_only = false;
    bool recursive = true;            ///< rbind
    bool recursive_read_only = false; ///< asks for read-only submounts too
    std::string propagation;          ///< "" is rprivate
    std::vector<std::string> options; ///< further mount options ("size=1m", "noexec")
};

struct DeviceNode {
    std::string path; ///< in the container
    char type = 'c';  ///< 'c' or 'b'
    std::int64_t major = 0, minor = 0;
    std::uint32_t mode = 0666;
    std::uint32_t uid = 0, gid = 0;
    std::string permissions = "rwm";
};
struct DeviceNumber {
    std::int64_t major = 0, minor = 0;
};

struct Namespaces {
    std::string network; ///< path of a namespace to join; "host" for the host's; "" for a fresh one
    std::string ipc;     ///< likewise
    std::string pid;     ///< likewise
    std::string uts;     ///< likewise
    bool cgroup_private = false;
};

/// What the machine says; `load_host_facts` in runtime.h gathers it once.
struct HostFacts {
    std::string host_name;
    std::string architecture = "amd64"; ///< Go's name
    int kernel_major = 0, kernel_minor = 0;
    bool cgroup_v2 = false;
    std::set<std::string> controllers; ///< "memory", "cpu", "pids", ...
    bool memory_swap_accounting = false;
    bool apparmor = false;
    bool selinux = false;
    bool seccomp = true;
    std::set<std::string> capabilities; ///< bounding set of the daemon: "CAP_CHOWN", ...
    std::map<std::string, std::int64_t>
        hard_limits; ///< ulimit name -> our own hard limit; -1 unlimited
    std::int64_t cpus = 1;
    std::int64_t memory_bytes = 0;
    std::map<std::string, std::int64_t> huge_pages;
};

struct SpecInput {
    const Config* config = nullptr;
    const HostConfig* host_config = nullptr;
    const HostFacts* host = nullptr;
    std::string id;
    std::string root_path; ///< the mounted root file system
    std::string hostname;  ///< final: config's or the short id
    os::ResolvedUser user;
    std::string home;        ///< HOME; "" takes user.home
    std::string cgroup_path; ///< "/shoal/<id>"
    Namespaces namespaces;
    std::vector<ResolvedMount> mounts; ///< volumes, binds, tmpfs, /etc/hosts ...; any order
    std::vector<DeviceNode> devices;   ///< asked for; with privileged, all of the host
    std::map<std::string, DeviceNumber> device_numbers; ///< of the paths in blkio settings
    std::string shm_source; ///< directory of a shareable or joined /dev/shm; "" makes a fresh tmpfs
    std::string init_path;  ///< host path of the static init, when config asks for init
    std::map<std::string, Ulimit> default_ulimits; ///< the daemon's
    std::vector<std::string> link_env;             ///< "DB_PORT=..." of legacy links
    std::int64_t shm_size_default = 64 * 1024 * 1024;
    std::vector<std::string> command;       ///< entrypoint + cmd, final
    bool no_new_privileges_default = false; ///< the daemon's "no-new-privileges"
    std::string
        seccomp_default_profile; ///< the daemon's "seccomp-profile": "", "unconfined" or JSON text
};

/// The whole config.json. Fails: Invalid or Unsupported with the setting's name.
Result<Json> make_spec(const SpecInput& input);
inline constexpr std::string_view oci_version = "1.0.2";

/// The "process" object of an exec in a container made from `input`.
struct ExecInput {
    const ExecConfig* exec = nullptr;
    const SpecInput* container = nullptr; ///< config, host_config, host, hostname
    os::ResolvedUser user;
};
Result<Json> make_exec_process(const ExecInput& input);

/// "linux.resources" alone, for updates.
Result<Json> make_resources(const Resources& resources, const HostFacts& host,
                            const std::map<std::string, DeviceNumber>& device_numbers);

/// PATH, HOSTNAME, TERM, HOME, links, then the container's; a later one replaces an earlier one,
/// "K" alone removes.
std::vector<std::string> make_environment(const SpecInput& input);

/// The capability set: the default 14, changed by CapAdd and CapDrop ("ALL", with or without
/// "CAP_"), or everything the daemon has when privileged. Fails: Invalid for unknown names.
Result<std::vector<std::string>> make_capabilities(const HostConfig& host_config,
                                                   const HostFacts& host);
const std::vector<std::string>& known_capabilities(); ///< "CAP_CHOWN" ... in the kernel's order

const std::vector<std::string>& default_masked_paths();
const std::vector<std::string>& default_readonly_paths();

} // namespace shoal::container
