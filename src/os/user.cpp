#include "os/user.h"

#include "base/text.h"
#include "os/file.h"

#include <algorithm>
#include <fcntl.h>

namespace shoal::os {
namespace {

/// A user or group number: digits only, so that "-1", "+5" and " 7" are names; too large is refused
/// by the caller.
bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Result<std::uint32_t> parse_id(std::string_view text) {
    const auto number = parse_number<std::uint64_t>(text);
    if (!number || *number > user_id_max) {
        return invalid("uids and gids must be in range 0-" + std::to_string(user_id_max));
    }
    return static_cast<std::uint32_t>(*number);
}

struct PasswdEntry {
    std::string name;
    std::uint32_t uid = 0, gid = 0;
    std::string home;
};
struct GroupEntry {
    std::string name;
    std::uint32_t gid = 0;
    std::vector<std::string> members;
};

template <class F> void each_line(std::string_view text, F take) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto line = trim(text.substr(0, end));
        if (!line.empty() && line.size() <= user_line_bytes_max && line.front() != '#') {
            if (!take(line)) { return; }
        }
        if (end == std::string_view::npos) { return; }
        text.remove_prefix(end + 1);
    }
}

/// The first entry that fits. An entry with a broken number is no entry.
template <class Match> std::optional<PasswdEntry> find_user(std::string_view passwd, Match match) {
    std::optional<PasswdEntry> found;
    each_line(passwd, [&](std::string_view line) {
        const auto fields = split_n(line, ':', 7);
        if (fields.size() < 4) { return true; }
        const auto uid = parse_number<std::uint32_t>(fields[2]);
        const auto gid = parse_number<std::uint32_t>(fields[3]);
        if (!uid || !gid || *uid > user_id_max || *gid > user_id_max) { return true; }
        PasswdEntry entry{fields[0], *uid, *gid, fields.size() > 5 ? fields[5] : ""};
        if (!match(entry)) { return true; }
        found = std::move(entry);
        return false;
    });
    return found;
}

template <class F> void each_group(std::string_view group, F take) {
    each_line(group, [&](std::string_view line) {
        const auto fields = split_n(line, ':', 4);
        if (fields.size() < 3) { return true; }
        const auto gid = parse_number<std::uint32_t>(fields[2]);
        if (!gid || *gid > user_id_max) { return true; }
        GroupEntry entry{fields[0], *gid, {}};
        if (fields.size() > 3) { entry.members = split(fields[3], ','); }
        return take(entry);
    });
}

std::optional<std::uint32_t> find_group(std::string_view group, std::string_view name) {
    std::optional<std::uint32_t> found;
    each_group(group, [&](const GroupEntry& entry) {
        if (entry.name == name) { found = entry.gid; }
        return !found;
    });
    return found;
}

Result<std::uint32_t> resolve_group(std::string_view name, std::string_view group) {
    // Digits always mean the number, so that an entry of the image's file cannot redirect them.
    if (is_number(name)) { return parse_id(name); }
    if (auto gid = find_group(group, name)) { return *gid; }
    return Error{Errc::Invalid, "unable to find group " + std::string(name) +
                                    ": no matching entries in group file"};
}

void add_once(std::vector<std::uint32_t>& list, std::uint32_t id) {
    if (std::find(list.begin(), list.end(), id) == list.end()) { list.push_back(id); }
}

} // namespace

Result<ResolvedUser> resolve_user(const UserRequest& request, std::string_view passwd,
                                  std::string_view group) {
    const auto colon = request.user.find(':');
    const std::string_view user = request.user.substr(0, colon);
    const std::string_view wanted_group =
        colon == std::string_view::npos ? "" : request.user.substr(colon + 1);

    ResolvedUser resolved;
    std::optional<PasswdEntry> entry;
    if (user.empty()) {
        entry = find_user(passwd, [](const PasswdEntry& e) { return e.uid == 0; });
    } else {
        if (is_number(user)) {
            TRY_LET(uid, parse_id(user));
            resolved.uid = uid;
            entry = find_user(passwd, [uid](const PasswdEntry& e) { return e.uid == uid; });
        } else {
            entry = find_user(passwd, [user](const PasswdEntry& e) { return e.name == user; });
            if (!entry) {
                return Error{Errc::Invalid, "unable to find user " + std::string(user) +
                                                ": no matching entries in passwd file"};
            }
        }
    }
    if (entry) {
        resolved.uid = entry->uid;
        resolved.gid = entry->gid;
        if (!entry->home.empty() && entry->home.front() == '/') { resolved.home = entry->home; }
    }
    if (!wanted_group.empty()) {
        TRY_LET(gid, resolve_group(wanted_group, group));
        resolved.gid = gid;
    } else if (entry) {
        each_group(group, [&](const GroupEntry& g) {
            if (std::find(g.members.begin(), g.members.end(), entry->name) != g.members.end()) {
                add_once(resolved.groups, g.gid);
            }
            return resolved.groups.size() < groups_max;
        });
    }
    for (const auto& name : request.group_add) {
        if (name.empty()) { return invalid("GroupAdd: empty group name"); }
        TRY_LET(gid, resolve_group(name, group));
        add_once(resolved.groups, gid);
        if (resolved.groups.size() > groups_max) {
            return invalid("more than " + std::to_string(groups_max) + " groups");
        }
    }
    return resolved;
}

namespace {
Result<std::string> read_beneath(const Fd& root, std::string_view path) {
    auto fd = open_beneath(root, path, {.flags = O_RDONLY | O_NONBLOCK | O_NOCTTY});
    if (!fd) {
        // Absent, a directory on the way that is none, or a loop of links: no such file.
        if (fd.error().code == Errc::NotFound || fd.error().os_errno == ENOTDIR) {
            return std::string();
        }
        return std::move(fd).error();
    }
    struct stat status {};
    if (::fstat(fd->raw(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return invalid(std::string(path) + " of the image is not a regular file");
    }
    return read_all(*fd, passwd_bytes_max).with(std::string(path) + " of the image");
}
} // namespace

Result<ResolvedUser> resolve_user_in(const UserRequest& request, const Fd& root) {
    TRY_LET(passwd, read_beneath(root, "etc/passwd"));
    TRY_LET(group, read_beneath(root, "etc/group"));
    return resolve_user(request, passwd, group);
}

} // namespace shoal::os
