#include "api/host_facts.h"

#include "base/text.h"
#include "os/file.h"
#include "os/process.h"

#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace shoal::api {
namespace {

std::string text_of(const std::string& path) { return os::read_file(path, 1 << 20).value_or(""); }

bool switched_on(const std::string& path) { return trim(text_of(path)) == "1"; }

} // namespace

std::string go_architecture(const std::string& machine) {
    if (machine == "x86_64") { return "amd64"; }
    if (machine == "aarch64") { return "arm64"; }
    if (machine.starts_with("arm")) { return "arm"; }
    if (machine == "i686" || machine == "i386") { return "386"; }
    return machine;
}

std::pair<std::string, std::string> parse_os_release(std::string_view text) {
    std::string name = "Linux", version;
    for (const auto& line : split(text, '\n')) {
        auto [key, value] = cut(line, '=');
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
            value = value.substr(1, value.size() - 2);
        }
        if (key == "PRETTY_NAME") { name = value; }
        if (key == "VERSION_ID") { version = value; }
    }
    return {name, version};
}

std::int64_t parse_mem_total(std::string_view meminfo) {
    for (const auto& line : split(meminfo, '\n')) {
        if (!line.starts_with("MemTotal:")) { continue; }
        const auto number = trim(std::string_view(line).substr(9));
        return parse_number<std::int64_t>(number.substr(0, number.find(' '))).value_or(0) * 1024;
    }
    return 0;
}

ProgramVersion parse_program_version(std::string_view output) {
    ProgramVersion found;
    for (const auto& line : split(output, '\n')) {
        if (found.version.empty()) {
            const auto words = split(trim(line), ' ');
            found.version = words.back();
        }
        if (line.starts_with("commit:")) { found.commit = trim(std::string_view(line).substr(7)); }
    }
    return found;
}

ProgramVersion load_program_version(const std::string& program) {
    auto output = os::run({program, "--version"}, Deadline::in(std::chrono::seconds(5)));
    if (!output || output->status.code != 0) { return {}; }
    return parse_program_version(output->out);
}

bool load_ipv4_forwarding() { return switched_on("/proc/sys/net/ipv4/ip_forward"); }

HostFacts load_host_facts() {
    HostFacts facts;
    utsname names{};
    if (uname(&names) == 0) {
        facts.host_name = names.nodename;
        facts.kernel = names.release;
        facts.kernel_build = names.version;
        facts.architecture = names.machine;
        facts.go_architecture = go_architecture(facts.architecture);
    }
    std::tie(facts.system, facts.system_version) = parse_os_release(text_of("/etc/os-release"));
    facts.processors = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
    facts.memory_bytes = parse_mem_total(text_of("/proc/meminfo"));
    auto cgroups = os::detect_cgroups();
    if (cgroups) { facts.cgroups = std::move(*cgroups); }
    facts.ipv4_forwarding = load_ipv4_forwarding();
    facts.bridge_nf_iptables = switched_on("/proc/sys/net/bridge/bridge-nf-call-iptables");
    facts.bridge_nf_ip6tables = switched_on("/proc/sys/net/bridge/bridge-nf-call-ip6tables");
    facts.seccomp =
        prctl(PR_GET_SECCOMP) >= 0 && os::exists("/proc/sys/kernel/seccomp/actions_avail");
    facts.apparmor = trim(text_of("/sys/module/apparmor/parameters/enabled")) == "Y";
    const auto memory = facts.cgroups.v1_mounts.find("memory");
    facts.swap_limit = facts.cgroups.version == os::CgroupLayout::Version::V2 ||
                       (memory != facts.cgroups.v1_mounts.end() &&
                        os::exists(memory->second + "/memory.memsw.limit_in_bytes"));
    return facts;
}

} // namespace shoal::api
