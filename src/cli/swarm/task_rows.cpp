#include "cli/swarm/task_rows.h"

#include "base/text.h"
#include "base/time.h"
#include "cli/swarm/documents.h"
#include "cli/table.h"

#include <fmt/format.h>

#include <algorithm>

namespace shoal::cli::swarm {
namespace {

constexpr std::size_t error_width_max = 30;

Instant created_at(const Json& task) {
    const auto at = parse_rfc3339(text_of(task, "CreatedAt"));
    return at ? *at : Instant{};
}

bool comes_before(const NamedTask& a, const NamedTask& b) {
    if (a.name != b.name) { return natural_less(a.name, b.name); }
    return created_at(*b.task) < created_at(*a.task);
}

std::string error_text(const Json& status, bool truncate) {
    std::string text = text_of(status, "Err");
    if (truncate) { text = ellipsis(text, error_width_max); }
    return text.empty() ? text : "\"" + text + "\"";
}

std::string ports_text(const Json& status) {
    std::vector<std::string> ports;
    for (const Json& port : list_of(table_of(status, "PortStatus"), "Ports")) {
        ports.push_back(fmt::format("*:{}->{}/{}", number_of(port, "PublishedPort"),
                                    number_of(port, "TargetPort"), text_of(port, "Protocol")));
    }
    return join(ports, ",");
}

Json row_of(const NamedTask& named, const TaskRowOptions& options) {
    const Json& task = *named.task;
    const Json& status = table_of(task, "Status");
    const std::string id = id_of(task);
    const std::string image = text_of(inside(task, {"Spec", "ContainerSpec"}), "Image");
    return {{"ID", options.truncate ? short_id(id) : id},
            {"Name", named.name},
            {"Image", options.truncate ? shown_image(image) : image},
            {"Node", named.node},
            {"DesiredState", capitalized(text_of(task, "DesiredState"))},
            {"CurrentState", fmt::format("{} {}", capitalized(text_of(status, "State")),
                                         to_lower(ago_of(status, "Timestamp")))},
            {"Error", error_text(status, options.truncate)},
            {"Ports", ports_text(status)}};
}

} // namespace

std::string task_name(const Json& task, const std::string& service) {
    const auto slot = number_of(task, "Slot");
    return service + "." + (slot != 0 ? std::to_string(slot) : text_of(task, "NodeID"));
}

std::vector<Json> task_rows(std::vector<NamedTask> tasks, TaskRowOptions options) {
    std::stable_sort(tasks.begin(), tasks.end(), comes_before);
    std::vector<Json> rows;
    std::string above;
    for (NamedTask& task : tasks) {
        const std::string name = task.name;
        if (options.tree && name == above) { task.name = " \\_ " + name; }
        rows.push_back(row_of(task, options));
        above = name;
    }
    return rows;
}

} // namespace shoal::cli::swarm
