// Slots: the places that a service's tasks fill one after another, and what the orchestrators
// remember of them between runs: which tasks belong to which, what has to be looked at, and when.
// All of it is derived from the store and can be made again; nothing here decides anything.
#pragma once

#include "swarm/orchestrator/task_states.h"
#include "swarm/store/store.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace shoal::swarm {

struct Slot {
    SlotKey key;
    std::vector<TaskPtr> tasks; ///< oldest first; never empty where it comes from the store

    const pb::Task& newest() const { return *tasks.back(); }
    /// Some task in it is to run.
    bool is_wanted() const;
    bool is_running() const; ///< some wanted task is
    std::uint64_t next_generation() const;
    void sort();
};
using Slots = std::map<SlotKey, Slot>;

/// All tasks of a service.
Slots slots_of(const Store& store, const pb::Service& service);

/// The ids of tasks by slot, for the services that somebody looks after.
class SlotIndex {
  public:
    void clear() { services_.clear(); }
    void add(const Store& store, const pb::Service& service);
    void remove(const std::string& service_id) { services_.erase(service_id); }
    bool has(const std::string& service_id) const { return services_.contains(service_id); }
    void add(const pb::Service& service, const pb::Task& task);
    void remove(const pb::Service& service, const pb::Task& task);
    /// As the tasks are now in `store`.
    Slot slot(const Store& store, const std::string& service_id, const SlotKey& key) const;
    /// Keys of the service's slots.
    std::vector<SlotKey> keys(const std::string& service_id) const;

    std::vector<std::string> service_ids() const;

  private:
    std::map<std::string, std::map<SlotKey, std::set<std::string>>, std::less<>> services_;
};

/// What is to be looked at and when, each key at most once.
template <class Key> class Agenda {
  public:
    void clear() {
        by_time_.clear();
        times_.clear();
    }
    void set(const Key& key, Instant at) {
        erase(key);
        times_[key] = at;
        by_time_.emplace(at, key);
    }
    void erase(const Key& key) {
        const auto found = times_.find(key);
        if (found == times_.end()) { return; }
        by_time_.erase({found->second, key});
        times_.erase(found);
    }
    std::vector<Key> take_due(Instant now) {
        std::vector<Key> due;
        while (!by_time_.empty() && by_time_.begin()->first <= now) {
            due.push_back(by_time_.begin()->second);
            erase(due.back());
        }
        return due;
    }
    std::optional<Instant> next() const {
        if (by_time_.empty()) { return std::nullopt; }
        return by_time_.begin()->first;
    }

  private:
    std::set<std::pair<Instant, Key>> by_time_;
    std::map<Key, Instant> times_;
};

/// A transaction of the log has its limits: whoever finds no room leaves the rest for the next one,
/// and asks to be run again at once.
inline constexpr std::size_t changes_max = 3000;
inline bool has_room(const Tx& tx) { return tx.changes().size() < changes_max; }

/// The earlier of the two, where nothing is never.
inline std::optional<Instant> earlier(std::optional<Instant> a, std::optional<Instant> b) {
    if (!a || !b) { return a ? a : b; }
    return std::min(*a, *b);
}

} // namespace shoal::swarm
