#include "api/cluster_events.h"

#include "base/text.h"
#include "swarm/manager/control/find.h"

namespace shoal::api {
namespace {

namespace pb = swarm::pb;
using engine::Event;
using swarm::Change;
using swarm::exists;

const char* action_of(const Change& change) {
    if (!exists(change.before)) { return "create"; }
    return exists(change.after) ? "update" : "remove";
}

Event event_of(const Change& change, std::string name) {
    Event event;
    event.type = swarm::name_of(change.kind);
    event.action = action_of(change);
    event.id = change.id;
    event.attributes["name"] = std::move(name);
    event.scope = "swarm";
    return event;
}

/// "x.new" always where it differs, "x.old" where there was one.
void compare(Event& event, const std::string& name, const std::string& before,
             const std::string& after) {
    if (before == after) { return; }
    if (!after.empty()) { event.attributes[name + ".new"] = after; }
    if (!before.empty()) { event.attributes[name + ".old"] = before; }
}

std::string update_state(const pb::Service& service) {
    switch (service.update_status().state()) {
    case pb::UpdateStatus::UPDATING:
        return "updating";
    case pb::UpdateStatus::PAUSED:
        return "paused";
    case pb::UpdateStatus::COMPLETED:
        return "completed";
    case pb::UpdateStatus::ROLLBACK_STARTED:
        return "rollback_started";
    case pb::UpdateStatus::ROLLBACK_PAUSED:
        return "rollback_paused";
    case pb::UpdateStatus::ROLLBACK_COMPLETED:
        return "rollback_completed";
    default:
        return "";
    }
}

std::string replicas(const pb::Service& service) {
    if (!service.spec().has_replicated()) { return ""; }
    return std::to_string(service.spec().replicated().replicas());
}

Event service_event(const Change& change) {
    const auto before = change.old_as<pb::Service>();
    const auto after = change.new_as<pb::Service>();
    const auto& shown = after ? *after : *before;
    auto event = event_of(change, shown.spec().annotations().name());
    if (before && after) {
        compare(event, "image", before->spec().task().container().image(),
                after->spec().task().container().image());
        compare(event, "replicas", replicas(*before), replicas(*after));
        compare(event, "updatestate", update_state(*before), update_state(*after));
    }
    return event;
}

std::string state(const pb::Node& node) {
    switch (node.status().state()) {
    case pb::NodeStatus::READY:
        return "ready";
    case pb::NodeStatus::DOWN:
        return "down";
    case pb::NodeStatus::DISCONNECTED:
        return "disconnected";
    default:
        return "unknown";
    }
}

std::string availability(const pb::Node& node) {
    switch (node.spec().availability()) {
    case pb::NodeSpec::PAUSE:
        return "pause";
    case pb::NodeSpec::DRAIN:
        return "drain";
    default:
        return "active";
    }
}

std::string role(const pb::Node& node) {
    return node.spec().desired_role() == pb::MANAGER ? "manager" : "worker";
}

std::string leader(const pb::Node& node) {
    if (!node.has_manager_status()) { return ""; }
    return node.manager_status().leader() ? "true" : "false";
}

std::string reachability(const pb::Node& node) {
    if (!node.has_manager_status()) { return ""; }
    switch (node.manager_status().reachability()) {
    case pb::RaftMemberStatus::REACHABLE:
        return "reachable";
    case pb::RaftMemberStatus::UNREACHABLE:
        return "unreachable";
    default:
        return "unknown";
    }
}

Labels labels_of(const pb::Node& node) {
    const auto& labels = node.spec().annotations().labels();
    return {labels.begin(), labels.end()};
}

std::optional<Event> node_event(const Change& change) {
    const auto before = change.old_as<pb::Node>();
    const auto after = change.new_as<pb::Node>();
    auto event = event_of(change, swarm::node_name(after ? *after : *before));
    if (!before || !after) { return event; }
    compare(event, "state", state(*before), state(*after));
    compare(event, "availability", availability(*before), availability(*after));
    compare(event, "role", role(*before), role(*after));
    compare(event, "leader", leader(*before), leader(*after));
    compare(event, "reachability", reachability(*before), reachability(*after));
    // Descriptions, certificates and addresses change by themselves.
    const bool seen = event.attributes.size() > 1 || labels_of(*before) != labels_of(*after) ||
                      swarm::node_name(*before) != swarm::node_name(*after);
    if (!seen) { return std::nullopt; }
    return event;
}

template <class T> Event named_event(const Change& change) {
    const auto before = change.old_as<T>();
    const auto after = change.new_as<T>();
    return event_of(change, swarm::name_of(after ? *after : *before));
}

} // namespace

std::optional<Event> cluster_event(const Change& change) {
    if (!exists(change.before) && !exists(change.after)) { return std::nullopt; }
    switch (change.kind) {
    case swarm::Kind::Service:
        return service_event(change);
    case swarm::Kind::Node:
        return node_event(change);
    case swarm::Kind::Secret:
        return named_event<pb::Secret>(change);
    case swarm::Kind::Config:
        return named_event<pb::Config>(change);
    case swarm::Kind::Network:
        return named_event<pb::Network>(change);
    case swarm::Kind::Cluster:
    case swarm::Kind::Task:
        return std::nullopt;
    }
    return std::nullopt;
}

} // namespace shoal::api
