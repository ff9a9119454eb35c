#include "buildkit/tree_filter.h"

#include "base/text.h"
#include "os/file.h"

#include <algorithm>
#include <fcntl.h>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace shoal::buildkit {

namespace {

constexpr std::size_t followed_max = 10'000;

/// "a/../b//c" is "b/c"; what leads above the root stays at it.
std::string clean(std::string_view path) {
    std::vector<std::string> parts;
    for (auto& part : split(path, '/')) {
        if (part.empty() || part == ".") { continue; }
        if (part == "..") {
            if (!parts.empty()) { parts.pop_back(); }
        } else {
            parts.push_back(std::move(part));
        }
    }
    return join(parts, "/");
}

std::string joined(std::string_view directory, std::string_view name) {
    if (directory.empty()) { return std::string(name); }
    return std::string(directory) + "/" + std::string(name);
}

bool has_wildcard(std::string_view name) {
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] == '\\') {
            ++i;
        } else if (name[i] == '*' || name[i] == '?' || name[i] == '[') {
            return true;
        }
    }
    return false;
}

class Follower {
  public:
    explicit Follower(const os::Fd& root) : root_(root) {}

    Result<void> add(std::string_view path) {
        const auto parts = split(clean(path), '/');
        std::string here;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            const bool last = i + 1 == parts.size();
            const std::string rest =
                join({parts.begin() + static_cast<long>(i) + 1, parts.end()}, "/");
            TRY_LET(targets, targets_of(here, parts[i]));
            here = joined(here, parts[i]);
            if (targets.empty() && !last) { continue; }
            if (!found_.insert(here).second) { return ok(); } // been here: a loop, or no news
            if (found_.size() > followed_max) {
                return Error{Errc::Exhausted, "too many links to follow"};
            }
            for (const auto& target : targets) { TRY(add(joined(target, rest))); }
            return ok();
        }
        return ok();
    }

    std::vector<std::string> take() {
        std::vector<std::string> paths;
        for (const auto& path : found_) {
            if (path.empty()) { return {}; }
            if (!paths.empty() && path.starts_with(paths.back() + "/")) { continue; }
            paths.push_back(path);
        }
        return paths;
    }

  private:
    /// Where `name` in `directory` leads to if it is a link; several for a pattern.
    Result<std::vector<std::string>> targets_of(const std::string& directory,
                                                const std::string& name) {
        std::vector<std::string> targets;
        os::OpenBeneath how;
        how.rule = os::Beneath::NoEscape;
        how.flags = O_RDONLY | O_DIRECTORY;
        how.no_links = true;
        const auto fd = os::open_beneath(root_, directory.empty() ? "." : directory, how);
        if (!fd) { return targets; } // there is nothing there: the pattern will match nothing
        if (!has_wildcard(name)) {
            if (auto target = link_at(*fd, directory, name)) { targets.push_back(*target); }
            return targets;
        }
        TRY_LET(entries, os::list_directory(*fd));
        for (const auto& entry : entries) {
            const auto matches = dockerfile::match_path(name, entry.name);
            if (!matches || !*matches) { continue; }
            if (auto target = link_at(*fd, directory, entry.name)) { targets.push_back(*target); }
        }
        return targets;
    }

    static std::optional<std::string> link_at(const os::Fd& fd, const std::string& directory,
                                              const std::string& name) {
        std::string target(4096, '\0');
        const auto size = ::readlinkat(fd.raw(), name.c_str(), target.data(), target.size());
        if (size <= 0) { return std::nullopt; }
        target.resize(static_cast<std::size_t>(size));
        if (target.front() == '/') { return clean(target); }
        return clean(joined(directory, target));
    }

    const os::Fd& root_;
    std::set<std::string> found_;
};

} // namespace

Result<std::vector<std::string>> follow_links(const os::Fd& root,
                                              const std::vector<std::string>& paths) {
    Follower follower(root);
    for (const auto& path : paths) {
        if (clean(path).empty()) { return std::vector<std::string>(); }
        TRY(follower.add(path));
    }
    return follower.take();
}

Result<TreeFilter> TreeFilter::create(const os::Fd& root, const TreeWish& wish) {
    auto include = wish.include;
    if (!wish.follow_paths.empty()) {
        TRY_LET(followed, follow_links(root, wish.follow_paths));
        if (followed.empty()) {
            include.clear(); // the root itself: everything
        } else {
            include.insert(include.end(), followed.begin(), followed.end());
        }
    }
    std::vector<std::string> beneath;
    for (const auto& pattern : include) {
        if (!pattern.starts_with('!')) { beneath.push_back("!" + pattern); }
    }
    TRY_LET(include_list, dockerfile::PatternList::create(include).with("include patterns"));
    TRY_LET(beneath_list, dockerfile::PatternList::create(beneath).with("include patterns"));
    TRY_LET(exclude_list, dockerfile::PatternList::create(wish.exclude).with("exclude patterns"));
    return TreeFilter(std::move(include_list), std::move(beneath_list), std::move(exclude_list));
}

bool TreeFilter::wants(const std::string& path) const {
    if (!include_.empty() && !include_.matches(path)) { return false; }
    return exclude_.empty() || !exclude_.matches(path);
}

bool TreeFilter::may_want_beneath(const std::string& directory) const {
    if (!include_.empty() && !include_.matches(directory) && !beneath_.may_reenter(directory)) {
        return false;
    }
    return exclude_.empty() || !exclude_.matches(directory) || exclude_.may_reenter(directory);
}

} // namespace shoal::buildkit
