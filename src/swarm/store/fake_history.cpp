#include "swarm/store/fake_history.h"

#include <algorithm>

namespace shoal::swarm {

const FakeHistory::Version* FakeHistory::version_at(const std::vector<Version>& all,
                                                    std::int64_t at) const {
    const auto after =
        std::upper_bound(all.begin(), all.end(), at, [](std::int64_t revision, const Version& one) {
            return revision < one.revision;
        });
    if (after == all.begin()) { return nullptr; }
    const Version& found = *std::prev(after);
    return found.value ? &found : nullptr;
}

bool FakeHistory::holds(const LogGuard& guard) const {
    const auto found = keys_.find(guard.key);
    const Version* now = found == keys_.end() ? nullptr : version_at(found->second, revision_);
    return guard.revision == (now != nullptr ? now->revision : 0);
}

bool FakeHistory::write(const LogWrite& write, std::int64_t revision) {
    const auto found = keys_.find(write.key);
    const bool exists = found != keys_.end() && version_at(found->second, revision_) != nullptr;
    if (!write.value && !exists) { return false; }
    keys_[write.key].push_back({revision, write.value});
    events_[revision].push_back({write.key, write.value, revision});
    bytes_ += static_cast<std::int64_t>(write.key.size() + (write.value ? write.value->size() : 0));
    return true;
}

LogCommit FakeHistory::apply(const LogTxn& txn) {
    const bool all_hold = std::all_of(txn.guards.begin(), txn.guards.end(),
                                      [this](const LogGuard& guard) { return holds(guard); });
    if (!all_hold) { return {false, revision_}; }
    bool changed = false;
    for (const auto& one : txn.writes) { changed = write(one, revision_ + 1) || changed; }
    if (changed) { ++revision_; }
    return {true, revision_};
}

void FakeHistory::compact(std::int64_t at) {
    compacted_ = std::max(compacted_, std::min(at, revision_));
    events_.erase(events_.begin(), events_.lower_bound(compacted_));
    for (auto key = keys_.begin(); key != keys_.end();) {
        auto& all = key->second;
        while (all.size() > 1 && all[1].revision <= compacted_) { all.erase(all.begin()); }
        const bool gone = all.size() == 1 && !all[0].value && all[0].revision <= compacted_;
        key = gone ? keys_.erase(key) : std::next(key);
    }
    count_bytes();
}

void FakeHistory::roll_back(std::int64_t at) {
    revision_ = std::min(revision_, at);
    events_.erase(events_.upper_bound(at), events_.end());
    for (auto key = keys_.begin(); key != keys_.end();) {
        std::erase_if(key->second, [at](const Version& one) { return one.revision > at; });
        key = key->second.empty() ? keys_.erase(key) : std::next(key);
    }
    count_bytes();
}

void FakeHistory::count_bytes() {
    bytes_ = 0;
    for (const auto& [key, all] : keys_) {
        for (const auto& one : all) {
            bytes_ += static_cast<std::int64_t>(key.size() + (one.value ? one.value->size() : 0));
        }
    }
}

std::optional<LogEntry> FakeHistory::get(std::string_view key, std::int64_t at) const {
    const auto found = keys_.find(key);
    const Version* now = found == keys_.end() ? nullptr : version_at(found->second, at);
    if (now == nullptr) { return std::nullopt; }
    return LogEntry{found->first, *now->value, now->revision};
}

std::vector<LogEntry> FakeHistory::list(std::string_view prefix, std::int64_t at) const {
    std::vector<LogEntry> entries;
    for (auto key = keys_.lower_bound(prefix); key != keys_.end() && key->first.starts_with(prefix);
         ++key) {
        const Version* now = version_at(key->second, at);
        if (now != nullptr) { entries.push_back({key->first, *now->value, now->revision}); }
    }
    return entries;
}

LogEvents FakeHistory::events(std::string_view prefix, Range range) const {
    LogEvents out;
    std::size_t revisions = 0;
    for (auto one = events_.lower_bound(range.from);
         one != events_.end() && one->first <= range.to && revisions < range.revisions_max; ++one) {
        const std::size_t before = out.events.size();
        for (const auto& event : one->second) {
            if (event.key.starts_with(prefix)) { out.events.push_back(event); }
        }
        if (out.events.size() > before) {
            ++revisions;
            out.revision = one->first;
        }
    }
    return out;
}

} // namespace shoal::swarm
