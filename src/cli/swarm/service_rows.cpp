#include "cli/swarm/service_rows.h"

#include "base/text.h"
#include "cli/swarm/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace shoal::cli::swarm {
namespace {

struct PortRange {
    std::string protocol;
    std::int64_t published = 0, published_last = 0, target = 0, target_last = 0;

    std::string text() const {
        const auto range = [](std::int64_t first, std::int64_t last) {
            return last > first ? fmt::format("{}-{}", first, last) : std::to_string(first);
        };
        return fmt::format("*:{}->{}/{}", range(published, published_last),
                           range(target, target_last), protocol);
    }
    /// Whether a port goes on where this range ends: both sides by one, or the target staying.
    bool takes(const PortRange& next) const {
        const bool several_targets = target_last != target;
        return published > 0 && protocol == next.protocol && next.published - published_last <= 1 &&
               next.target - target_last <= 1 && next.target >= target_last &&
               !(several_targets && next.target <= target_last);
    }
};

std::vector<PortRange> ingress_ports(const Json& ports) {
    std::vector<PortRange> found;
    if (!ports.is_array()) { return found; }
    for (const Json& port : ports) {
        if (text_of(port, "PublishMode") != "ingress") { continue; }
        const auto published = number_of(port, "PublishedPort");
        const auto target = number_of(port, "TargetPort");
        found.push_back({text_of(port, "Protocol"), published, published, target, target});
    }
    std::sort(found.begin(), found.end(), [](const PortRange& a, const PortRange& b) {
        return std::tie(a.protocol, a.published) < std::tie(b.protocol, b.published);
    });
    return found;
}

std::string replicas_text(const Json& service) {
    const Json& status = table_of(service, "ServiceStatus");
    const Json& mode = inside(service, {"Spec", "Mode"});
    const auto running = number_of(status, "RunningTasks");
    const auto desired = number_of(status, "DesiredTasks");
    const auto completed = number_of(status, "CompletedTasks");
    if (has(mode, "ReplicatedJob")) {
        return fmt::format("{}/{} ({}/{} completed)", running, desired, completed,
                           number_of(table_of(mode, "ReplicatedJob"), "TotalCompletions"));
    }
    if (has(mode, "GlobalJob")) {
        return fmt::format("{}/{} ({}/{} completed)", running, desired, completed,
                           desired + completed);
    }
    const auto most =
        number_of(inside(service, {"Spec", "TaskTemplate", "Placement"}), "MaxReplicas");
    if (most > 0 && has(mode, "Replicated")) {
        return fmt::format("{}/{} (max {} per node)", running, desired, most);
    }
    return fmt::format("{}/{}", running, desired);
}

} // namespace

std::string mode_name(const Json& service) {
    const Json& mode = inside(service, {"Spec", "Mode"});
    constexpr std::pair<std::string_view, std::string_view> names[] = {
        {"Global", "global"},
        {"Replicated", "replicated"},
        {"ReplicatedJob", "replicated job"},
        {"GlobalJob", "global job"}};
    for (const auto& [member, name] : names) {
        if (has(mode, member)) { return std::string(name); }
    }
    return "";
}

std::string mesh_ports(const Json& ports) {
    std::vector<std::string> texts;
    PortRange range;
    for (const PortRange& port : ingress_ports(ports)) {
        if (range.takes(port)) {
            range.published_last = port.published;
            range.target_last = port.target;
            continue;
        }
        if (range.published > 0) { texts.push_back(range.text()); }
        range = port;
    }
    if (range.published > 0) { texts.push_back(range.text()); }
    return join(texts, ", ");
}

Json service_row(const Json& service) {
    return {{"ID", short_id(id_of(service))},
            {"Name", name_of(service)},
            {"Mode", mode_name(service)},
            {"Replicas", replicas_text(service)},
            {"Image", shown_image(text_of(
                          inside(service, {"Spec", "TaskTemplate", "ContainerSpec"}), "Image"))},
            {"Ports", mesh_ports(inside(service, {"Endpoint", "Ports"}))}};
}

void count_tasks(Json& services, const Json& tasks, const std::set<std::string>& active_nodes) {
    struct Count {
        std::int64_t running = 0, desired = 0;
    };
    std::map<std::string, Count> counts;
    for (const Json& task : tasks) {
        Count& count = counts[text_of(task, "ServiceID")];
        if (text_of(task, "DesiredState") != "shutdown") { ++count.desired; }
        if (active_nodes.contains(text_of(task, "NodeID")) &&
            text_of(table_of(task, "Status"), "State") == "running") {
            ++count.running;
        }
    }
    for (Json& service : services) {
        if (has(service, "ServiceStatus")) { continue; }
        const auto at = counts.find(id_of(service));
        Count count = at != counts.end() ? at->second : Count{};
        // Without any task this is what is wanted all the same.
        if (counts.empty()) {
            count.desired = number_of(inside(service, {"Spec", "Mode", "Replicated"}), "Replicas");
        }
        service["ServiceStatus"] = {{"RunningTasks", count.running},
                                    {"DesiredTasks", count.desired}};
    }
}

std::set<std::string> active_nodes(const Json& nodes) {
    std::set<std::string> active;
    for (const Json& node : nodes) {
        if (text_of(table_of(node, "Status"), "State") != "down") { active.insert(id_of(node)); }
    }
    return active;
}

} // namespace shoal::cli::swarm
