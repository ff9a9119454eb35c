// What /info and /version tell about the machine and the programs we drive: kernel, distribution,
// processors, memory, control groups, runtime versions. Read once at start, blocking; nothing here
// changes while the daemon runs.
#pragma once

#include "os/cgroup.h"

#include <cstdint>
#include <map>
#include <string>

namespace shoal::api {

struct HostFacts {
    std::string host_name;
    std::string kernel;          ///< "6.1.0-18-amd64"
    std::string kernel_build;    ///< uname -v
    std::string architecture;    ///< "x86_64"
    std::string go_architecture; ///< "amd64"
    std::string system;          ///< "Debian GNU/Linux 12 (bookworm)"
    std::string system_version;  ///< "12"
    int processors = 0;
    std::int64_t memory_bytes = 0;
    os::CgroupLayout cgroups;
    bool ipv4_forwarding = false;
    bool bridge_nf_iptables = false, bridge_nf_ip6tables = false;
    bool seccomp = false, apparmor = false;
    bool swap_limit = false;
};
HostFacts load_host_facts();
bool load_ipv4_forwarding(); ///< may change while we run

/// PRETTY_NAME and VERSION_ID of an os-release text.
std::pair<std::string, std::string> parse_os_release(std::string_view text);
std::int64_t parse_mem_total(std::string_view meminfo);
/// "x86_64" -> "amd64".
std::string go_architecture(const std::string& machine);

/// First line of `program --version` as (version, commit): "crun version 1.8.1", "commit: f8a0...".
/// Empty when it fails.
struct ProgramVersion {
    std::string version;
    std::string commit;
};
ProgramVersion parse_program_version(std::string_view output);
ProgramVersion load_program_version(const std::string& program);

} // namespace shoal::api
