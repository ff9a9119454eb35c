#include "swarm/dispatcher/network_maps.h"

#include "net/sleep.h"
#include "swarm/rpc/message.h"

#include <limits>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;
constexpr std::chrono::nanoseconds gather_span = 2ms; ///< of confirmations that come together
constexpr std::chrono::nanoseconds retry_span = 200ms;
constexpr std::uint64_t generations_each = 1ULL << 32; ///< of one stream

std::string name_of_task(const pb::Task& task) {
    return task.annotations().name().empty() ? task.id() : task.annotations().name();
}

} // namespace

/// One stream.
struct NetworkMaps::Follower {
    Follower(net::Loop& loop, const std::string& node_id, std::uint64_t before, net::Cancel* stop)
        : view(node_id, before), changed(loop), stop(stop) {}
    NodeMap view;
    net::Signal changed;
    net::Cancel* stop;
    std::string problem; ///< that the node told last
};

NetworkMaps::NetworkMaps(Parts parts)
    : parts_(std::move(parts)), judge_now_(parts_.loop), reachable_added_(parts_.loop) {}

NetworkMaps::~NetworkMaps() = default;

void NetworkMaps::begin() {
    began_ = parts_.loop.now();
    map_.rebuild(parts_.store);
    reachability_.rebuild(parts_.store, began_);
    office_ = std::make_unique<net::TaskScope>(parts_.loop);
    const net::Until until(office_->cancel());
    office_->spawn(watch(until));
    office_->spawn(write(until));
}

void NetworkMaps::end() {
    if (office_) { office_->cancel().cancel(); }
    reachable_.clear();
    expected_.clear();
    followers_.clear(); // their streams end with their sessions
    map_ = ClusterMap();
    reachability_ = Reachability();
}

// What changes.

void NetworkMaps::observe(const Change& change) {
    if (change.kind == Kind::Node && !exists(change.after)) { expected_.erase(change.id); }
    map_.observe(parts_.store, change);
    reachability_.observe(change, parts_.loop.now());
}

void NetworkMaps::flush() {
    auto news = map_.take_news();
    bool all = false;
    for (const auto& id : news.scopes) {
        all = all || id == ClusterMap::nodes_scope || id == ClusterMap::keys_scope ||
              map_.is_ingress(id);
        const auto* const scope = map_.scope(id);
        if (!scope || all) { continue; }
        for (const auto& [node_id, user] : scope->users) { news.nodes.insert(node_id); }
    }
    if (all) {
        for (const auto& [node_id, follower] : followers_) { follower->changed.raise(); }
    } else {
        for (const auto& node_id : news.nodes) {
            const auto found = followers_.find(node_id);
            if (found != followers_.end()) { found->second->changed.raise(); }
        }
    }
    if (reachability_.waits()) { judge_now_.raise(); }
}

void NetworkMaps::session_began(const std::string& node_id) {
    expected_[node_id] = parts_.loop.now();
}

void NetworkMaps::session_ended(const std::string& node_id) {
    expected_[node_id] = std::nullopt;
    if (reachability_.waits()) { judge_now_.raise(); }
}

// Streams.

net::Task<Result<void>> NetworkMaps::follow(std::string node_id, net::GrpcCall* call,
                                            net::Cancel* stop) {
    Follower follower(parts_.loop, node_id, ++streams_ * generations_each, stop);
    Follower*& slot = followers_[node_id];
    if (slot != nullptr) { slot->stop->cancel(); } // one stream of a node
    slot = &follower;
    auto outcome = co_await send(&follower, call);
    const auto found = followers_.find(node_id);
    if (found != followers_.end() && found->second == &follower) {
        followers_.erase(found);
        auto& expected = expected_[node_id];
        if (expected) { expected = parts_.loop.now(); }
        judge_now_.raise();
    }
    co_return outcome;
}

net::Task<Result<void>> NetworkMaps::send(Follower* follower, net::GrpcCall* call) {
    const net::Until until(*follower->stop);
    for (;;) {
        if (until.cancelled()) { co_return net::to_result(net::Wake::Cancelled, "network map"); }
        const auto message = follower->view.next(map_);
        if (message) {
            auto bytes = print_message(*message);
            CO_TRY(co_await call->write(std::move(bytes), until));
            continue;
        }
        const auto wake = co_await follower->changed.wait(until);
        CO_TRY(net::to_result(wake, "network map"));
    }
}

void NetworkMaps::applied(const std::string& node_id, const mpb::MapAppliedRequest& request) {
    const auto found = followers_.find(node_id);
    if (found == followers_.end()) { return; }
    auto& follower = *found->second;
    if (follower.problem != request.problem()) {
        follower.problem = request.problem();
        const auto node = parts_.store.get<pb::Node>(node_id);
        const auto name = node ? shown(*node) : node_id;
        say(follower.problem.empty()
                ? "node " + name + " follows the cluster's networks again"
                : "node " + name + " cannot follow the cluster's networks: " + follower.problem);
    }
    if (!request.problem().empty()) { return; }
    follower.view.confirm(request.generation());
    if (reachability_.waits()) { judge_now_.raise(); }
}

// Who is waited for.

/// Not for nodes that are lost, nor for those that cannot follow: stock engines, and older versions
/// of ours, which are given a while to begin.
bool NetworkMaps::is_awaited(const pb::Node& node) const {
    if (node.description().shoal_version().empty()) { return false; }
    if (node.status().state() == pb::NodeStatus::DOWN) { return false; }
    if (followers_.contains(node.id())) { return true; }
    const auto now = parts_.loop.now();
    const auto expected = expected_.find(node.id());
    if (expected != expected_.end()) {
        return expected->second && now - *expected->second < Reachability::patience;
    }
    // A new leader has not been found by all of them yet.
    return now - began_ < Reachability::patience;
}

std::vector<NetworkMaps::Place> NetworkMaps::places_on(const std::string& network_id) const {
    std::vector<Place> places;
    if (map_.is_ingress(network_id)) {
        for (const auto& [id, node] : parts_.store.all<pb::Node>()) {
            if (is_awaited(*node)) { places.push_back({0, node}); }
        }
        return places;
    }
    const auto* const scope = map_.scope(network_id);
    if (!scope) { return places; }
    for (const auto& [id, user] : scope->users) {
        const auto node = parts_.store.get<pb::Node>(id);
        if (node && is_awaited(*node)) { places.push_back({user.since, node}); }
    }
    return places;
}

std::uint64_t NetworkMaps::known(const Place& place) const {
    const auto found = followers_.find(place.node->id());
    const auto known = found == followers_.end() ? 0 : found->second->view.known();
    return known >= place.since ? known : 0;
}

std::uint64_t NetworkMaps::known(const std::string& network_id) const {
    auto least = std::numeric_limits<std::uint64_t>::max();
    for (const auto& place : places_on(network_id)) { least = std::min(least, known(place)); }
    return least;
}

std::set<std::string> NetworkMaps::laggards(const std::string& network_id,
                                            std::uint64_t sequence) const {
    std::set<std::string> names;
    for (const auto& place : places_on(network_id)) {
        if (known(place) < sequence) { names.insert(shown(*place.node)); }
    }
    return names;
}

std::string NetworkMaps::shown(const pb::Node& node) const {
    const auto& hostname = node.description().hostname();
    return hostname.empty() ? node.id() : hostname;
}

// What waited.

net::Task<void> NetworkMaps::watch(net::Until until) {
    while (!until.cancelled()) {
        judge();
        net::Until limit = until;
        if (next_judgement_) { limit = until.no_later_than(Deadline(*next_judgement_)); }
        const auto wake = co_await judge_now_.wait(limit);
        if (wake != net::Wake::Raised) { continue; }
        co_await net::sleep(parts_.loop, until.no_later_than(parts_.loop.in(gather_span)));
    }
}

void NetworkMaps::judge() {
    auto verdicts = reachability_.judge(parts_.store, map_, *this, parts_.loop.now());
    next_judgement_ = verdicts.next;
    for (auto& verdict : verdicts.reachable) {
        const auto task = parts_.store.get<pb::Task>(verdict.task_id);
        if (task && !verdict.laggards.empty()) {
            say("task " + name_of_task(*task) + ": " + late_message(verdict.laggards));
        }
        reachable_[verdict.task_id] = std::move(verdict.laggards);
        reachable_added_.raise();
    }
    for (const auto& verdict : verdicts.let_go) {
        const auto task = parts_.store.get<pb::Task>(verdict.task_id);
        if (!task) { continue; }
        for (const auto& name : verdict.laggards) {
            say("task " + name_of_task(*task) + " is told to stop though node " + name +
                " has not confirmed that it sends it nothing more");
        }
        parts_.let_go(*task);
    }
}

net::Task<void> NetworkMaps::write(net::Until until) {
    while (!until.cancelled()) {
        if (reachable_.empty()) {
            co_await reachable_added_.wait(until);
            continue;
        }
        auto taken = std::exchange(reachable_, {});
        Mutation mutation = [taken](Tx& tx) -> Result<void> {
            mark_reachable(tx, taken);
            return ok();
        };
        const auto written = co_await parts_.writer.submit(std::move(mutation), until);
        if (written || until.cancelled()) { continue; }
        reachable_.merge(taken);
        co_await net::sleep(parts_.loop, until.no_later_than(parts_.loop.in(retry_span)));
    }
}

void NetworkMaps::say(std::string line) const {
    if (parts_.say) { parts_.say("swarm: " + std::move(line)); }
}

/// It counts as running from now on, and is watched from now on.
void mark_reachable(Tx& tx, const std::map<std::string, std::set<std::string>>& tasks) {
    for (const auto& [id, laggards] : tasks) {
        const auto task = tx.store().get<pb::Task>(id);
        if (!task || task->reachable() || task->status().state() != pb::RUNNING) { continue; }
        if (task->desired_state() > pb::COMPLETE) { continue; }
        pb::Task changed = *task;
        changed.set_reachable(true);
        *changed.mutable_running_since() = to_timestamp(tx.now());
        if (!laggards.empty()) { changed.mutable_status()->set_message(late_message(laggards)); }
        tx.put(std::move(changed));
    }
}

} // namespace shoal::swarm
