// What the daemon does with a container outside the monitor: start the monitor, delete, pause,
// kill, change limits, list processes. Synchronous, for the pool; each call names the container. It
// keeps no state: what is true is asked of the kernel, the runtime and the files in the bundle.
//
// A start, seen from the engine:
//   1. create_bundle(dir, spec text)                      dir = <exec root>/containers/<id>
//   2. link = spawn_shim(runtime, config)                 link.socket is a Control connection that
//   watches
//   3. read frames: State{Created, pid, start_time} or Failed{text} (then Exited); attach clients
//   may connect now
//   4. write encode_frame(Frame::Start); read Done or Failed
//   5. ... Exited; collect with read_exit(dir) after a restart of the daemon
//   6. delete_container(runtime, id, cgroup)
#pragma once

#include "container/shim_protocol.h"
#include "container/spec.h"
#include "os/cgroup.h"
#include "os/fd.h"
#include "os/pidfd.h"

#include <string>
#include <vector>

namespace shoal::container {

struct Runtime {
    std::string path = "/usr/bin/crun";
    std::vector<std::string> args;
    std::string root;      ///< the runtime's --root: <exec root>/crun
    std::string shim_path; ///< shoal-shim
};

/// Makes `directory` (0700) and writes config.json; leftovers of an earlier run (exit.json,
/// sockets) are removed.
Result<void> create_bundle(const std::string& directory, std::string_view spec);

struct ShimLink {
    os::Fd socket; ///< stream socket, blocking; the monitor's end is a watching Control connection
};
/// Writes shim.conf and starts the monitor, which belongs to nobody afterwards: it need not be
/// reaped.
Result<ShimLink> spawn_shim(const Runtime& runtime, const ShimConfig& config);
/// A new connection to a living monitor. NotFound or Unavailable when there is none: see read_exit.
Result<ShimLink> connect_shim(const std::string& directory);

/// exit.json of a run that ended; NotFound while it runs or when the monitor was killed.
Result<ShimExit> read_exit(const std::string& directory);
/// The first process, as the monitor wrote it down; NotFound when it was never created or lives no
/// more.
Result<os::ProcessIdentity> find_init(const std::string& directory);
/// Ends a run that nobody looks after: kills its first process and waits for its monitor, which
/// ends by itself, also in the middle of a start. Fails: Timeout; the monitor was killed then.
Result<void> end_run(const std::string& directory, Deadline deadline);

/// Removes the runtime's state and the cgroups; ends what still runs. Absent is success.
Result<void> delete_container(const Runtime& runtime, const std::string& id,
                              const os::Cgroup& cgroup);
Result<void> pause_container(const os::Cgroup& cgroup);
Result<void> resume_container(const os::Cgroup& cgroup);
/// To the first process, or NotFound.
Result<void> signal_container(const os::ProcessIdentity& init, int signal);
/// Applies changed limits to a running container.
Result<void> update_container(const Runtime& runtime, const std::string& id,
                              const Json& oci_resources);

/// Docker's words and exit code for an error text of the monitor: {127, "... executable file not
/// found in $PATH ..."}.
struct StartFailure {
    int exit_code = 128; ///< 126 not permitted or a directory, 127 not found, 128 anything else
    Error error;
};
StartFailure translate_runtime_error(std::string_view text, std::string_view command,
                                     ShimConfig::Mode mode);

/// The architecture, kernel, cgroups, capabilities and limits of this machine and this daemon.
Result<HostFacts> load_host_facts(const os::CgroupLayout& layout);
/// `path` and what lies below it (a directory of devices) as nodes for the container.
Result<std::vector<DeviceNode>> load_devices(const DeviceMapping& mapping);
/// Every device of the host's /dev, for privileged containers.
Result<std::vector<DeviceNode>> load_all_devices();
/// Major and minor of the block devices named in blkio settings.
Result<std::map<std::string, DeviceNumber>> load_device_numbers(const Resources& resources);

/// "SIGTERM", "TERM", "15" -> 15; 0 for others. "RTMIN+3" too.
int parse_signal(std::string_view text);
std::string signal_name(int signal); ///< "SIGTERM"

} // namespace shoal::container
