#include "volume/mount_plan.h"

#include "base/text.h"

#include <algorithm>
#include <array>
#include <sys/mount.h>

namespace shoal::volume {
namespace {

struct FlagWord {
    std::string_view word;
    unsigned long set;
    unsigned long clear;
};
constexpr std::array flag_words{
    FlagWord{"ro", MS_RDONLY, 0},
    FlagWord{"rw", 0, MS_RDONLY},
    FlagWord{"nosuid", MS_NOSUID, 0},
    FlagWord{"suid", 0, MS_NOSUID},
    FlagWord{"nodev", MS_NODEV, 0},
    FlagWord{"dev", 0, MS_NODEV},
    FlagWord{"noexec", MS_NOEXEC, 0},
    FlagWord{"exec", 0, MS_NOEXEC},
    FlagWord{"sync", MS_SYNCHRONOUS, 0},
    FlagWord{"async", 0, MS_SYNCHRONOUS},
    FlagWord{"dirsync", MS_DIRSYNC, 0},
    FlagWord{"mand", MS_MANDLOCK, 0},
    FlagWord{"nomand", 0, MS_MANDLOCK},
    FlagWord{"noatime", MS_NOATIME, 0},
    FlagWord{"atime", 0, MS_NOATIME},
    FlagWord{"nodiratime", MS_NODIRATIME, 0},
    FlagWord{"diratime", 0, MS_NODIRATIME},
    FlagWord{"relatime", MS_RELATIME, 0},
    FlagWord{"norelatime", 0, MS_RELATIME},
    FlagWord{"strictatime", MS_STRICTATIME, 0},
    FlagWord{"bind", MS_BIND, 0},
    FlagWord{"rbind", MS_BIND | MS_REC, 0},
    FlagWord{"defaults", 0, 0},
};
constexpr std::array propagation_words{
    FlagWord{"private", MS_PRIVATE, 0},       FlagWord{"rprivate", MS_PRIVATE | MS_REC, 0},
    FlagWord{"shared", MS_SHARED, 0},         FlagWord{"rshared", MS_SHARED | MS_REC, 0},
    FlagWord{"slave", MS_SLAVE, 0},           FlagWord{"rslave", MS_SLAVE | MS_REC, 0},
    FlagWord{"unbindable", MS_UNBINDABLE, 0}, FlagWord{"runbindable", MS_UNBINDABLE | MS_REC, 0},
};

template <class Table> const FlagWord* find_word(const Table& table, std::string_view word) {
    const auto found = std::ranges::find(table, word, &FlagWord::word);
    return found == table.end() ? nullptr : &*found;
}

std::string value_of(const Options& options, const std::string& key) {
    const auto found = options.find(key);
    return found == options.end() ? "" : found->second;
}

bool is_network_type(std::string_view type) {
    return type == "nfs" || type == "nfs4" || type == "cifs" || type == "smb3";
}

} // namespace

bool MountPlan::is_bind() const { return (flags & MS_BIND) != 0; }
bool MountPlan::is_remote() const {
    return is_network_type(type) || type.starts_with("fuse") || type == "ceph" || type == "9p";
}

Result<void> check_options(const Options& options) {
    for (const auto& [name, value] : options) {
        if (name == "size") { return invalid("quota size requested but no quota support"); }
        if (name != "type" && name != "o" && name != "device") {
            return invalid("invalid option: " + go_quote(name));
        }
        if (value.find('\0') != std::string::npos) {
            return invalid("option " + name + ": a NUL byte");
        }
    }
    if (options.empty()) { return ok(); }
    for (const auto* name : {"type", "device"}) {
        if (value_of(options, name).empty()) {
            return invalid("missing required option: \"" + std::string(name) + "\"");
        }
    }
    const auto plan = plan_mount(options);
    if (plan.is_bind() && !plan.device.starts_with('/')) {
        return invalid("option device: " + go_quote(plan.device) + " is not an absolute path");
    }
    if (plan.type.starts_with("nfs") && plan.address.empty()) {
        return invalid("option o: nfs needs addr=<server>");
    }
    return ok();
}

MountPlan plan_mount(const Options& options) {
    MountPlan plan;
    plan.type = value_of(options, "type");
    plan.device = value_of(options, "device");
    std::vector<std::string> data;
    const auto words = value_of(options, "o");
    for (const auto& word : words.empty() ? std::vector<std::string>() : split(words, ',')) {
        if (const auto* flag = find_word(flag_words, word)) {
            plan.flags = (plan.flags & ~flag->clear) | flag->set;
        } else if (const auto* kind = find_word(propagation_words, word)) {
            plan.propagation = kind->set;
        } else if (!word.empty()) {
            if (is_network_type(plan.type) && word.starts_with("addr=")) {
                plan.address = word.substr(5);
            }
            data.push_back(word);
        }
    }
    if (plan.address.empty() && plan.type.starts_with("nfs")) {
        // "server:/export" names the server already; the kernel wants it as a number.
        const auto colon = plan.device.find(":/");
        if (colon != std::string::npos && colon > 0) {
            plan.address = plan.device.substr(0, colon);
            data.push_back("addr=" + plan.address);
        }
    }
    plan.data = join(data, ",");
    return plan;
}

std::string data_with_address(const MountPlan& plan, const std::string& number) {
    auto words = split(plan.data, ',');
    for (auto& word : words) {
        if (word.starts_with("addr=")) { word = "addr=" + number; }
    }
    return join(words, ",");
}

} // namespace shoal::volume
