#include "node/task_secrets.h"

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

namespace shoal::node {
namespace {

constexpr std::uint32_t mode_bits = 07777;

/// What secrets and configs have in common.
struct Wanted {
    std::string kind; ///< "secret"
    std::string name;
    const pb::FileTarget* file = nullptr;
    std::string base; ///< where a target that is not absolute lies
};

Result<std::uint32_t> number_of(const std::string& text, const Wanted& wanted, const char* what) {
    if (text.empty()) { return 0u; }
    const auto number = parse_number<std::uint32_t>(text);
    if (!number) {
        return invalid(wanted.kind + " " + wanted.name + ": " + what + " " + text +
                       " is not a number");
    }
    return *number;
}

Result<TaskFile> file_of(const Wanted& wanted, std::string bytes, std::size_t number) {
    TaskFile file;
    file.name = wanted.kind + "-" + std::to_string(number);
    const auto& target = wanted.file->name().empty() ? wanted.name : wanted.file->name();
    file.target = target.starts_with('/') ? target : wanted.base + target;
    TRY_LET(uid, number_of(wanted.file->uid(), wanted, "user id"));
    TRY_LET(gid, number_of(wanted.file->gid(), wanted, "group id"));
    file.uid = uid;
    file.gid = gid;
    file.mode = wanted.file->mode() & mode_bits;
    file.bytes = std::move(bytes);
    return file;
}

/// Under its own id, or under the one of a copy that was made for this task alone.
template <class T> swarm::Ptr<T> find(const std::map<std::string, swarm::Ptr<T>>& all,
                                      const std::string& id, const pb::Task& task) {
    const auto clone = all.find(id + "." + task.id());
    if (clone != all.end()) { return clone->second; }
    const auto own = all.find(id);
    return own == all.end() ? nullptr : own->second;
}

Error missing(const std::string& kind, const std::string& name) {
    return {Errc::NotFound, kind + " " + name + " was not sent to this node"};
}

class Planner {
  public:
    Planner(const pb::Task& task, const pb::ContainerSpec& spec,
            const swarm::Dependencies& dependencies, const Json& data)
        : task_(task), spec_(spec), dependencies_(dependencies), data_(data) {
        sources_.secret = [this](const std::string& target) { return secret_of(target); };
        sources_.config = [this](const std::string& target) { return config_of(target); };
        sources_.env = [this](const std::string& name) { return env_of(name); };
    }

    Result<std::vector<TaskFile>> run() {
        std::vector<TaskFile> files;
        for (const auto& reference : spec_.secrets()) {
            const Wanted wanted{"secret", reference.secret_name(), &reference.file(),
                                "/run/secrets/"};
            const auto secret =
                find<pb::Secret>(dependencies_.secrets, reference.secret_id(), task_);
            if (!secret) { return missing("secret", wanted.name); }
            TRY_LET(bytes, payload(secret->spec(), wanted));
            TRY_LET(file, file_of(wanted, std::move(bytes), files.size()));
            files.push_back(std::move(file));
        }
        for (const auto& reference : spec_.configs()) {
            const Wanted wanted{"config", reference.config_name(), &reference.file(), "/"};
            if (reference.has_runtime()) {
                return unsupported("config " + wanted.name +
                                   ": only files can be made of a config here");
            }
            const auto config =
                find<pb::Config>(dependencies_.configs, reference.config_id(), task_);
            if (!config) { return missing("config", wanted.name); }
            TRY_LET(bytes, payload(config->spec(), wanted));
            TRY_LET(file, file_of(wanted, std::move(bytes), files.size()));
            files.push_back(std::move(file));
        }
        return files;
    }

  private:
    template <class Spec> Result<std::string> payload(const Spec& spec, const Wanted& wanted) {
        const auto& language = spec.templating().name();
        if (language.empty()) { return spec.data(); }
        const auto what = wanted.kind + " " + wanted.name;
        if (language != "golang") {
            return unsupported(what + ": template driver " + language + " is not known");
        }
        auto expanded = expand_payload(spec.data(), data_, sources_);
        if (!expanded) { return std::move(expanded).error().with(what); }
        return std::move(expanded->bytes);
    }

    Result<std::string> secret_of(const std::string& target) const {
        for (const auto& reference : spec_.secrets()) {
            if (reference.file().name() != target) { continue; }
            const auto secret =
                find<pb::Secret>(dependencies_.secrets, reference.secret_id(), task_);
            if (!secret) { return missing("secret", reference.secret_name()); }
            return secret->spec().data();
        }
        return Error{Errc::NotFound, "secret target " + target + " not found"};
    }

    Result<std::string> config_of(const std::string& target) const {
        for (const auto& reference : spec_.configs()) {
            if (reference.file().name() != target) { continue; }
            const auto config =
                find<pb::Config>(dependencies_.configs, reference.config_id(), task_);
            if (!config) { return missing("config", reference.config_name()); }
            return config->spec().data();
        }
        return Error{Errc::NotFound, "config target " + target + " not found"};
    }

    std::string env_of(const std::string& name) const {
        for (const auto& variable : spec_.env()) {
            const auto [key, value] = cut(variable, '=');
            if (key == name) { return value; }
        }
        return {};
    }

    const pb::Task& task_;
    const pb::ContainerSpec& spec_;
    const swarm::Dependencies& dependencies_;
    const Json& data_;
    PayloadSources sources_;
};

/// Not swapped out either, where the kernel can promise that (6.4).
Result<void> mount_memory(const std::string& directory) {
    for (const char* data : {"mode=0700,noswap", "mode=0700"}) {
        const os::MountCall call{"tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                                 data};
        auto mounted = os::mount(call);
        if (mounted) {
            mounted->keep();
            return ok();
        }
        if (mounted.error().os_errno != EINVAL) { return std::move(mounted).error(); }
    }
    return internal("mount " + directory + ": refused");
}

Result<void> write_file(const os::Fd& directory, const TaskFile& file) {
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
    TRY_LET(out, os::open_file_at(directory, file.name, flags, 0600));
    TRY(os::write_all(out, file.bytes));
    if (::fchown(out.raw(), file.uid, file.gid) != 0) {
        return os_error("chown " + file.name, errno);
    }
    if (::fchmod(out.raw(), file.mode) != 0) { return os_error("chmod " + file.name, errno); }
    return ok();
}

} // namespace

Result<std::vector<TaskFile>> plan_task_files(const pb::Task& task, const pb::ContainerSpec& spec,
                                              const swarm::Dependencies& dependencies,
                                              const Json& data) {
    return Planner(task, spec, dependencies, data).run();
}

std::string task_files_root(const std::string& exec_root) { return exec_root + "/tasks"; }

Result<void> place_task_files(const std::string& directory, const std::vector<TaskFile>& files) {
    TRY(os::ensure_directory(directory, 0700));
    if (!os::is_mount_point(directory)) { TRY(mount_memory(directory)); }
    TRY_LET(opened, os::open_directory(directory));
    for (const auto& file : files) { TRY(write_file(opened, file)); }
    return ok();
}

Result<void> remove_task_files(const std::string& directory) {
    if (!os::exists(directory)) { return ok(); }
    TRY(os::unmount_tree(directory));
    return os::remove_tree(directory);
}

std::vector<std::string> tasks_with_files(const std::string& root) {
    std::vector<std::string> names;
    const auto entries = os::list_directory(root);
    for (const auto& entry : entries ? *entries : std::vector<os::Entry>()) {
        if (swarm::is_id(entry.name)) { names.push_back(entry.name); }
    }
    return names;
}

} // namespace shoal::node
