#include "swarm/scheduler/filters.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

using Verdict = std::optional<Refusal>;

Refusal on(std::string reason) { return {std::move(reason) + " on", ""}; }

Verdict readiness(const TaskNeeds& needs, const NodeInfo& node) {
    const bool open =
        needs.attachment || node.node()->spec().availability() == pb::NodeSpec::ACTIVE;
    const bool ready = node.node()->status().state() == pb::NodeStatus::READY && open;
    return ready ? Verdict() : Refusal{"", " not available for new tasks"};
}

Verdict resources(const TaskNeeds& needs, const NodeInfo& node) {
    const bool enough =
        (needs.nano_cpus <= 0 || needs.nano_cpus <= node.free_nano_cpus()) &&
        (needs.memory_bytes <= 0 || needs.memory_bytes <= node.free_memory_bytes()) &&
        (needs.generics.empty() || node.has_generics(needs.generics));
    return enough ? Verdict() : on("insufficient resources");
}

Verdict plugins(const TaskNeeds& needs, const NodeInfo& node) {
    for (const Plugin& plugin : needs.plugins) {
        if (node.lists_plugin(plugin)) { continue; }
        if (plugin.type == "Log" && !node.lists_plugin_type("Log")) { continue; }
        return on("missing plugin " + plugin.name + " (" + to_lower(plugin.type) + ")");
    }
    return {};
}

Verdict constraints(const TaskNeeds& needs, const NodeInfo& node) {
    const bool hold =
        !needs.unreadable_constraints && match_constraints(needs.constraints, *node.node());
    return hold ? Verdict() : on("scheduling constraints not satisfied");
}

bool matches(const pb::Platform& wanted, const pb::Platform& has) {
    return (wanted.os().empty() || wanted.os() == has.os()) &&
           (wanted.architecture().empty() ||
            plain_architecture(wanted.architecture()) == plain_architecture(has.architecture()));
}

Verdict platforms(const TaskNeeds& needs, const NodeInfo& node) {
    const auto& has = node.node()->description().platform();
    const bool any =
        needs.platforms.empty() ||
        std::any_of(needs.platforms.begin(), needs.platforms.end(),
                    [&has](const pb::Platform& wanted) { return matches(wanted, has); });
    return any ? Verdict() : on("unsupported platform");
}

Verdict host_ports(const TaskNeeds& needs, const NodeInfo& node) {
    for (const HostPort& port : needs.host_ports) {
        if (node.has_host_port(port)) { return on("host-mode port already in use"); }
    }
    return {};
}

Verdict replicas(const TaskNeeds& needs, const NodeInfo& node) {
    const bool room =
        needs.max_replicas == 0 || node.active_of(needs.service_id) < needs.max_replicas;
    return room ? Verdict() : on("max replicas per node limit exceed");
}

Verdict volumes(const TaskNeeds& needs, const NodeInfo&) {
    return needs.cluster_volumes ? on("cluster volumes are not supported") : Verdict();
}

Verdict extensions(const TaskNeeds& needs, const NodeInfo& node) {
    const bool able =
        needs.extension.empty() || !node.node()->description().shoal_version().empty();
    return able ? Verdict() : on(needs.extension + " are not possible with the stock engine");
}

} // namespace

std::optional<Refusal> refuse(const TaskNeeds& needs, const NodeInfo& node) {
    for (const auto filter : {readiness, resources, plugins, constraints, platforms, host_ports,
                              replicas, volumes, extensions}) {
        if (auto refusal = filter(needs, node)) { return refusal; }
    }
    return {};
}

std::string Refusals::text() const {
    using Row = std::pair<std::size_t, Refusal>;
    std::vector<Row> rows;
    for (const auto& [refusal, count] : counts_) { rows.emplace_back(count, refusal); }
    std::stable_sort(rows.begin(), rows.end(),
                     [](const Row& a, const Row& b) { return a.first > b.first; });
    std::string text;
    for (const auto& [count, refusal] : rows) {
        text += text.empty() ? "" : "; ";
        text += refusal.before + (refusal.before.empty() ? "" : " ") + std::to_string(count) +
                (count == 1 ? " node" : " nodes") + refusal.after;
    }
    return text.empty() ? "no suitable node" : "no suitable node (" + text + ")";
}

} // namespace shoal::swarm
