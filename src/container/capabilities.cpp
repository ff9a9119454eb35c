// Capabilities of a container (declared in spec.h).
#include "base/text.h"
#include "container/spec.h"

#include <algorithm>

namespace shoal::container {
namespace {

const std::vector<std::string> default_capabilities = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
    "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
    "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
    "CAP_KILL",    "CAP_AUDIT_WRITE",
};

Result<std::string> capability_of(const std::string& text) {
    std::string name = to_upper(text);
    if (name == "ALL") { return name; }
    if (!name.starts_with("CAP_")) { name.insert(0, "CAP_"); }
    const auto& known = known_capabilities();
    if (std::find(known.begin(), known.end(), name) == known.end()) {
        return invalid("invalid capability: " + go_quote(text));
    }
    return name;
}

} // namespace

const std::vector<std::string>& known_capabilities() {
    static const std::vector<std::string> names = {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
    };
    return names;
}

Result<std::vector<std::string>> make_capabilities(const HostConfig& host_config,
                                                   const HostFacts& host) {
    std::set<std::string> chosen(default_capabilities.begin(), default_capabilities.end());
    std::set<std::string> dropped;
    bool drop_all = false;
    for (const auto& text : host_config.cap_drop) {
        TRY_LET(name, capability_of(text));
        drop_all = drop_all || name == "ALL";
        dropped.insert(name);
    }
    if (drop_all) { chosen.clear(); }
    if (host_config.privileged) { chosen = host.capabilities; }
    for (const auto& name : host_config.privileged ? std::set<std::string>() : dropped) {
        chosen.erase(name);
    }
    for (const auto& text : host_config.cap_add) {
        TRY_LET(name, capability_of(text));
        if (name == "ALL") {
            for (const auto& one : host.capabilities) {
                if (drop_all || dropped.count(one) == 0) { chosen.insert(one); }
            }
        } else {
            chosen.insert(name);
        }
    }
    std::vector<std::string> capabilities;
    for (const auto& name : known_capabilities()) {
        if (chosen.count(name) > 0 && host.capabilities.count(name) > 0) {
            capabilities.push_back(name);
        }
    }
    return capabilities;
}

} // namespace shoal::container
