#include "swarm/dispatcher/node_status.h"

namespace shoal::swarm {
namespace {

constexpr std::size_t text_bytes_max = 4096;

void set_state(pb::Node& node, pb::NodeStatus::State state, const std::string& message,
               Instant now) {
    auto& status = *node.mutable_status();
    if (status.state() != state || !status.has_since()) {
        *status.mutable_since() = to_timestamp(now);
    }
    status.set_state(state);
    status.set_message(message);
}

std::string shortened(std::string text) {
    if (text.size() <= text_bytes_max) { return text; }
    text.resize(text_bytes_max);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) {
        text.pop_back(); // the rest of a character
    }
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0x80) { text.pop_back(); }
    return text;
}

/// What a node may say; the rest is the manager's.
constexpr int reported_ports_max = 256;

pb::TaskStatus cleaned(const pb::TaskStatus& reported) {
    pb::TaskStatus status;
    if (reported.has_timestamp()) { *status.mutable_timestamp() = reported.timestamp(); }
    status.set_state(reported.state());
    status.set_message(shortened(reported.message()));
    status.set_err(shortened(reported.err()));
    if (reported.has_container()) {
        auto& container = *status.mutable_container();
        container.set_container_id(shortened(reported.container().container_id()));
        container.set_pid(reported.container().pid());
        container.set_exit_code(reported.container().exit_code());
    }
    if (reported.has_port_status()) {
        for (const pb::PortConfig& port : reported.port_status().ports()) {
            if (status.port_status().ports_size() == reported_ports_max) { break; }
            auto& copy = *status.mutable_port_status()->add_ports();
            copy = port;
            copy.set_name(shortened(port.name()));
        }
    }
    return status;
}

bool is_news(const pb::TaskStatus& known, const pb::TaskStatus& reported) {
    if (reported.state() != known.state()) { return reported.state() > known.state(); }
    pb::TaskStatus bare = known;
    bare.clear_applied_at();
    bare.clear_applied_by();
    return !same_message(bare, reported);
}

} // namespace

void set_node_states(Tx& tx, const std::map<std::string, NodeState>& states) {
    for (const auto& [id, wanted] : states) {
        const auto node = tx.store().get<pb::Node>(id);
        if (!node) { continue; }
        const auto& status = node->status();
        if (status.state() == wanted.state && status.message() == wanted.message) { continue; }
        pb::Node changed = *node;
        set_state(changed, wanted.state, wanted.message, tx.now());
        tx.put(std::move(changed));
    }
}

Result<void> register_node(Tx& tx, const std::string& node_id,
                           const pb::NodeDescription& description, const std::string& address) {
    const auto node = tx.store().get<pb::Node>(node_id);
    if (!node) { return Error{Errc::NotFound, "node not found"}; }
    pb::Node changed = *node;
    *changed.mutable_description() = description;
    set_state(changed, pb::NodeStatus::READY, {}, tx.now());
    changed.mutable_status()->set_addr(address);
    if (same_message(changed, *node)) { return ok(); }
    tx.put(std::move(changed));
    return ok();
}

void apply_reports(Tx& tx, const std::string& node_id, const std::vector<TaskReport>& reports,
                   const std::string& applied_by) {
    for (const auto& report : reports) {
        const auto task = tx.store().get<pb::Task>(report.task_id);
        if (!task || task->node_id() != node_id) { continue; }
        auto status = cleaned(report.status);
        if (!is_news(task->status(), status)) { continue; }
        *status.mutable_applied_at() = to_timestamp(tx.now());
        status.set_applied_by(applied_by);
        pb::Task changed = *task;
        *changed.mutable_status() = std::move(status);
        if (changed.status().state() == pb::RUNNING && !changed.has_running_since()) {
            *changed.mutable_running_since() = to_timestamp(tx.now());
        }
        tx.put(std::move(changed));
    }
}

std::vector<std::string> plan_orphans(const Store& store, Instant now, std::chrono::nanoseconds age,
                                      std::size_t count_max) {
    std::vector<std::string> orphans;
    for (const auto& [node_id, node] : store.all<pb::Node>()) {
        const auto& status = node->status();
        if (status.state() != pb::NodeStatus::DOWN) { continue; }
        const auto since =
            from_timestamp(status.has_since() ? status.since() : node->meta().updated_at());
        if (since > now || now - since < age) { continue; }
        for (const auto& [id, task] : store.tasks_of_node(node_id)) {
            const auto state = task->status().state();
            if (state < pb::ASSIGNED || is_terminal(state)) { continue; }
            if (orphans.size() == count_max) { return orphans; }
            orphans.push_back(id);
        }
    }
    return orphans;
}

void orphan_tasks(Tx& tx, const std::vector<std::string>& task_ids, const std::string& applied_by) {
    for (const auto& id : task_ids) {
        const auto task = tx.store().get<pb::Task>(id);
        if (!task || is_terminal(task->status().state())) { continue; }
        const auto node = tx.store().get<pb::Node>(task->node_id());
        if (node && node->status().state() != pb::NodeStatus::DOWN) { continue; }
        pb::Task changed = *task;
        auto& status = *changed.mutable_status();
        status.set_state(pb::ORPHANED);
        status.set_message("the node has been down for too long");
        *status.mutable_timestamp() = to_timestamp(tx.now());
        *status.mutable_applied_at() = to_timestamp(tx.now());
        status.set_applied_by(applied_by);
        tx.put(std::move(changed));
    }
}

} // namespace shoal::swarm
