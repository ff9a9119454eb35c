// Checks a create, update or exec request as a whole, before anything is made: limits, names,
// modes, combinations, in Docker's words where clients look for them. Pure. It does not know which
// images, networks, volumes or other containers exist; whatever this engine cannot do is refused
// here by name.
#pragma once

#include "base/result.h"
#include "container/config.h"
#include "container/spec.h"

#include <set>
#include <string>
#include <vector>

namespace shoal::container {

struct ValidateOptions {
    int api_version = 151;                     ///< as Call: 1.51
    std::set<std::string> runtimes = {"crun"}; ///< names that HostConfig.Runtime may have
};

/// Returns the warnings that Docker would give ("Your kernel does not support ..."). The request is
/// checked after it was merged with the image's settings or before; both are possible.
Result<std::vector<std::string>> validate_create(const CreateRequest& request,
                                                 const HostFacts& host,
                                                 const ValidateOptions& options = {});
Result<std::vector<std::string>> validate_update(const UpdateRequest& request,
                                                 const Resources& present,
                                                 const RestartPolicy& policy, bool auto_remove,
                                                 const HostFacts& host);
Result<void> validate_exec(const ExecConfig& exec);

/// [a-zA-Z0-9][a-zA-Z0-9_.-]+ ; a leading slash is the caller's to cut.
Result<void> validate_container_name(std::string_view name);

/// "nofile" and its like.
bool is_ulimit_name(std::string_view name);

/// Puts the defaults into a request that passed: network mode, ipc mode, shm size, restart "no",
/// cgroupns, log driver, memory swap, console size.
struct CreateDefaults {
    LogConfig log;
    std::string runtime = "crun";
    std::int64_t shm_size = 64 * 1024 * 1024;
    std::string ipc_mode = "private";
    bool cgroup_v2 = false;
    bool init = false;
};
void fill_defaults(CreateRequest& request, const CreateDefaults& defaults);

/// --security-opt, taken apart.
struct SecurityOptions {
    bool no_new_privileges = false;
    bool no_new_privileges_given = false;
    std::string seccomp;            ///< "", "unconfined", "builtin" or a profile's JSON
    std::string apparmor;           ///< "", "unconfined" or a profile's name
    std::vector<std::string> label; ///< SELinux "user:..", "disable"
    bool systempaths_unconfined = false;
    bool writable_cgroups = false;
};
Result<SecurityOptions> parse_security_options(const std::vector<std::string>& options);

/// A mode such as "container:web" taken apart; kind is "", "host", "none", "private", "shareable",
/// "container", or "network".
struct ModeName {
    std::string kind;
    std::string name; ///< of the container or network
};
ModeName parse_mode(std::string_view mode);

} // namespace shoal::container
