#include "registry/server/cache_upkeep.h"

#include "os/file.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <sys/stat.h>

namespace shoal::registry::cache_upkeep {
namespace {

namespace fs = std::filesystem;

constexpr std::array kinds{std::pair{Kind::Manifest, "_manifests"}, std::pair{Kind::Blob, "_blobs"},
                           std::pair{Kind::Tag, "_tags"}};

const char* folder_of(Kind kind) {
    const auto* const found = std::ranges::find(kinds, kind, [](const auto& k) { return k.first; });
    return found->second;
}

std::optional<Kind> kind_of(std::string_view folder) {
    for (const auto& [kind, name] : kinds) {
        if (folder == name) { return kind; }
    }
    return std::nullopt;
}

class Listing {
  public:
    /// Adds a name; what has gone meanwhile is passed over.
    void add(const std::string& path, Kind kind, const std::string& repository) {
        struct stat facts {};
        if (lstat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) { return; }
        // A blob that was given its first name behind our back.
        const bool known = places_.contains(facts.st_ino);
        if (repository.empty() && !known && facts.st_nlink > 1) { return; }
        const auto [at, is_new] = places_.emplace(facts.st_ino, all_.size());
        if (is_new) {
            const auto read = Instant(std::chrono::seconds(facts.st_mtim.tv_sec) +
                                      std::chrono::nanoseconds(facts.st_mtim.tv_nsec));
            all_.push_back({kind, fs::path(path).filename().string(), facts.st_size, read});
        }
        Kept& kept = all_[at->second];
        if (repository.empty()) {
            kept.pooled = true;
        } else {
            kept.repositories.push_back(repository);
        }
    }
    std::vector<Kept> take() { return std::move(all_); }

  private:
    std::map<ino_t, std::size_t> places_;
    std::vector<Kept> all_;
};

Result<void> remove(const std::string& root, const Removal& removal) {
    const Kept& kept = *removal.kept;
    for (const auto& repository : removal.repositories) {
        TRY(os::remove_file(root + "/repositories/" + repository + "/" + folder_of(kept.kind) +
                            "/" + kept.item));
    }
    if (removal.whole && kept.pooled) { TRY(os::remove_file(root + "/blobs/" + kept.item)); }
    return ok();
}

/// What nobody has read for long; a blob that no repository names goes too.
std::vector<Removal> unread(const std::vector<Kept>& all, const Rules& rules) {
    std::vector<Removal> gone;
    for (const auto& kept : all) {
        if (rules.in_use.contains(kept.item)) { continue; }
        Removal removal{&kept};
        for (const auto& repository : kept.repositories) {
            if (kept.read < rules.unread_since(repository)) {
                removal.repositories.push_back(repository);
            }
        }
        removal.whole = removal.repositories.size() == kept.repositories.size();
        if (removal.whole || !removal.repositories.empty()) { gone.push_back(std::move(removal)); }
    }
    return gone;
}

std::int64_t bytes_of(const std::vector<Kept>& all) {
    std::int64_t bytes = 0;
    for (const auto& kept : all) { bytes += kept.bytes; }
    return bytes;
}

std::int64_t freed_by(const std::vector<Removal>& removals) {
    std::int64_t bytes = 0;
    for (const auto& removal : removals) { bytes += removal.whole ? removal.kept->bytes : 0; }
    return bytes;
}

} // namespace

Result<std::vector<Kept>> list_kept(const std::string& root) {
    Listing listing;
    if (!os::is_directory(root)) { return listing.take(); }
    const std::string top = root + "/repositories/";
    std::error_code error;
    fs::recursive_directory_iterator at(top, error);
    while (!error && at != fs::recursive_directory_iterator()) {
        const fs::path path = at->path();
        const fs::path folder = path.parent_path();
        if (const auto kind = kind_of(folder.filename().string())) {
            const std::string where = folder.parent_path().string();
            if (where.size() > top.size()) {
                listing.add(path.string(), *kind, where.substr(top.size()));
            }
        }
        at.increment(error);
    }
    if (error) { return Error{Errc::Internal, top + ": " + error.message()}; }
    TRY_LET(blobs, os::list_directory(root + "/blobs"));
    for (const auto& entry : blobs) { listing.add(root + "/blobs/" + entry.name, Kind::Blob, ""); }
    return listing.take();
}

Rules rules_of(std::vector<Upstream> upstreams, Instant now) {
    Rules rules;
    rules.unread_since = [upstreams = std::move(upstreams), now](const std::string& repository) {
        const Upstream* upstream = find_upstream(upstreams, repository);
        return now - (upstream != nullptr ? upstream->keep : Upstream{}.keep);
    };
    return rules;
}

std::vector<Removal> plan_removals(const std::vector<Kept>& all, const Rules& rules) {
    std::vector<Removal> gone = unread(all, rules);
    std::int64_t left = bytes_of(all) - freed_by(gone);
    if (rules.bytes_max == 0 || left <= rules.bytes_max) { return gone; }
    std::set<const Kept*> going;
    for (const auto& removal : gone) {
        if (removal.whole) { going.insert(removal.kept); }
    }
    std::vector<const Kept*> rest;
    for (const auto& kept : all) {
        const bool movable = kept.kind != Kind::Tag && !rules.in_use.contains(kept.item);
        if (movable && !going.contains(&kept)) { rest.push_back(&kept); }
    }
    std::ranges::stable_sort(rest, {}, [](const Kept* kept) { return kept->read; });
    const std::int64_t goal = rules.bytes_max - rules.bytes_max / 10;
    for (const Kept* kept : rest) {
        if (left <= goal) { break; }
        gone.push_back({kept, kept->repositories, true});
        left -= kept->bytes;
    }
    return gone;
}

Result<Report> tidy(const std::string& root, const Rules& rules, Act act) {
    TRY_LET(all, list_kept(root));
    const auto removals = plan_removals(all, rules);
    Report report;
    for (const auto& removal : removals) {
        const auto removed = act == Act::Remove ? remove(root, removal) : ok();
        if (!removed) {
            report.failures.push_back(removed.error().message);
        } else if (removal.whole) {
            ++report.removed;
            report.removed_bytes += removal.kept->bytes;
        }
    }
    report.kept_bytes = bytes_of(all) - report.removed_bytes;
    return report;
}

Result<Holdings> measure(const std::string& root, const std::vector<Upstream>& upstreams) {
    TRY_LET(all, list_kept(root));
    std::map<std::string, Holding> by_prefix;
    std::map<std::string, std::set<std::string>> names;
    for (const auto& upstream : upstreams) { by_prefix[upstream.prefix]; }
    for (const auto& kept : all) {
        std::set<std::string> prefixes;
        for (const auto& repository : kept.repositories) {
            const Upstream* upstream = find_upstream(upstreams, repository);
            const std::string prefix = upstream != nullptr ? upstream->prefix : "";
            prefixes.insert(prefix);
            names[prefix].insert(repository);
        }
        for (const auto& prefix : prefixes) {
            Holding& holding = by_prefix[prefix];
            holding.bytes += kept.bytes;
            holding.tags += kept.kind == Kind::Tag ? 1 : 0;
            holding.manifests += kept.kind == Kind::Manifest ? 1 : 0;
            holding.blobs += kept.kind == Kind::Blob ? 1 : 0;
        }
    }
    Holdings holdings;
    holdings.bytes = bytes_of(all);
    for (auto& [prefix, holding] : by_prefix) {
        holding.prefix = prefix;
        holding.repositories = names[prefix].size();
        holdings.upstreams.push_back(holding);
    }
    return holdings;
}

} // namespace shoal::registry::cache_upkeep
