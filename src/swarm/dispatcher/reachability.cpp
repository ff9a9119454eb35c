#include "swarm/dispatcher/reachability.h"

#include "swarm/model/overlay.h"

#include "base/text.h"

namespace shoal::swarm {
namespace {

constexpr std::size_t names_max = 3; ///< of laggards

bool runs(const TaskPtr& task) { return task && task->status().state() == pb::RUNNING; }
bool is_wanted(const pb::Task& task) { return task.desired_state() <= pb::COMPLETE; }

/// The same for all tasks of one look.
class Known {
  public:
    explicit Known(const Confirmed& confirmed) : confirmed_(confirmed) {}
    std::uint64_t of(const std::string& network_id) {
        const auto [place, added] = known_.emplace(network_id, 0);
        if (added) { place->second = confirmed_.known(network_id); }
        return place->second;
    }

  private:
    const Confirmed& confirmed_;
    std::map<std::string, std::uint64_t> known_;
};

/// Which change of the map each network of the task has to know.
std::map<std::string, std::uint64_t> needed(const ClusterMap& map, const TaskPtr& task) {
    std::map<std::string, std::uint64_t> all;
    if (!task) { return all; }
    for (const auto& attachment : task->networks()) {
        const auto& id = attachment.network().id();
        const auto* const entry = map.endpoint(id, task->id());
        if (entry) { all[id] = entry->sequence; }
    }
    return all;
}

} // namespace

void Reachability::rebuild(const Store& store, Steady now) {
    *this = Reachability();
    for (const auto& [id, task] : store.all<pb::Task>()) {
        if (!runs(task) || !has_endpoints(*task)) { continue; }
        if (!is_wanted(*task)) {
            held_[id] = now;
        } else if (!task->reachable()) {
            running_[id] = now;
        }
    }
}

void Reachability::observe(const Change& change, Steady now) {
    if (change.kind != Kind::Task) { return; }
    const auto before = change.old_as<pb::Task>();
    const auto after = change.new_as<pb::Task>();
    if (!runs(after) || !has_endpoints(*after)) {
        running_.erase(change.id);
        held_.erase(change.id);
        return;
    }
    if (is_wanted(*after)) {
        if (after->reachable()) {
            running_.erase(change.id);
        } else {
            running_.emplace(change.id, now);
        }
        return;
    }
    running_.erase(change.id);
    // What has run while it was wanted is told of as serving; everything else never was.
    if (runs(before) && is_wanted(*before)) { held_.emplace(change.id, now); }
}

std::vector<Reachability::Verdict> Reachability::judge(Waiting& waiting, const Store& store,
                                                       const ClusterMap& map,
                                                       const Confirmed& confirmed, Steady now) {
    std::vector<Verdict> verdicts;
    Known known(confirmed);
    for (auto place = waiting.begin(); place != waiting.end();) {
        const auto& [id, since] = *place;
        const bool late = now >= since + patience;
        Verdict verdict{id, {}};
        bool lacking = false;
        for (const auto& [network_id, sequence] : needed(map, store.get<pb::Task>(id))) {
            if (known.of(network_id) >= sequence) { continue; }
            lacking = true;
            if (late) { verdict.laggards.merge(confirmed.laggards(network_id, sequence)); }
        }
        if (lacking && !late) {
            ++place;
            continue;
        }
        verdicts.push_back(std::move(verdict));
        place = waiting.erase(place);
    }
    return verdicts;
}

Reachability::Verdicts Reachability::judge(const Store& store, const ClusterMap& map,
                                           const Confirmed& confirmed, Steady now) {
    Verdicts all;
    all.reachable = judge(running_, store, map, confirmed, now);
    all.let_go = judge(held_, store, map, confirmed, now);
    for (const auto* waiting : {&running_, &held_}) {
        for (const auto& [id, since] : *waiting) {
            if (!all.next || since + patience < *all.next) { all.next = since + patience; }
        }
    }
    return all;
}

std::string late_message(const std::set<std::string>& laggards) {
    std::vector<std::string> names(laggards.begin(), laggards.end());
    const auto count = names.size();
    if (count == 1) { return "running; node " + names[0] + " has not confirmed its address"; }
    std::string rest;
    if (count > names_max) {
        names.resize(names_max);
        rest = " and " + std::to_string(count - names_max) + " more";
    }
    return "running; nodes " + join(names, ", ") + rest + " have not confirmed its address";
}

} // namespace shoal::swarm
