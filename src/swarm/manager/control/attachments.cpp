#include "swarm/manager/control/attachments.h"

#include "base/id.h"
#include "base/text.h"
#include "swarm/manager/control/find.h"
#include "swarm/manager/control/networks.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

constexpr int names_max = 64;
constexpr int addresses_max = 2; ///< one of each family

bool has_own_subnets(const pb::Network& network) {
    const auto& asked = network.spec().ipam().configs();
    return std::any_of(asked.begin(), asked.end(),
                       [](const pb::IPAMConfig& config) { return !config.subnet().empty(); });
}

Result<void> check_words(const pb::Network& network, const pb::AttachNetworkRequest& request) {
    if (!ContainerId::parse(request.container_id())) {
        return invalid("attach to network: a container's whole id is needed");
    }
    const auto& wanted = request.config();
    if (wanted.aliases_size() > names_max || wanted.addresses_size() > addresses_max) {
        return invalid("attach to network: too many names or addresses");
    }
    const bool chosen = wanted.addresses_size() > 0 && !request.kept();
    if (chosen && !has_own_subnets(network)) {
        return invalid("invalid endpoint settings:\nuser specified IP address is supported only "
                       "when connecting to networks with user configured subnets");
    }
    return ok();
}

/// What is on the node's list already: how many, and the one for this container and network.
struct Present {
    std::size_t count = 0;
    TaskPtr same;
};
Present look_for(const Store& store, const std::string& node_id, const pb::TaskSpec& spec) {
    Present present;
    for (const auto& [id, task] : store.tasks_of_node(node_id)) {
        const auto& other = task->spec();
        if (!other.has_attachment()) { continue; }
        ++present.count;
        const bool same = other.attachment().container_id() == spec.attachment().container_id() &&
                          other.networks_size() == 1 &&
                          other.networks(0).target() == spec.networks(0).target();
        if (same) { present.same = task; }
    }
    return present;
}

pb::TaskSpec spec_for(const pb::Network& network, const pb::AttachNetworkRequest& request) {
    pb::TaskSpec spec;
    spec.mutable_attachment()->set_container_id(request.container_id());
    auto& config = *spec.add_networks();
    config = request.config();
    config.set_target(network.id()); // its name may be another's later
    return spec;
}

bool has_addresses(const pb::Task& task, const pb::AttachNetworkRequest& request) {
    if (task.networks_size() != 1) { return false; }
    const auto& own = task.networks(0).addresses();
    const auto& asked = request.config().addresses();
    return std::all_of(asked.begin(), asked.end(), [&own](const std::string& address) {
        return std::any_of(own.begin(), own.end(), [&address](const std::string& with_bits) {
            return cut(with_bits, '/').first == address;
        });
    });
}

/// The place stays what it is, but for its names.
TaskPtr rename(Tx& tx, const TaskPtr& task, const pb::AttachNetworkRequest& request) {
    pb::Task changed = *task;
    *changed.mutable_spec()->mutable_networks(0)->mutable_aliases() = request.config().aliases();
    *changed.mutable_networks(0)->mutable_aliases() = request.config().aliases();
    return same_message(changed, *task) ? task : tx.put(std::move(changed));
}

} // namespace

Result<NetworkPtr> find_attachable(const Store& store, const std::string& text) {
    TRY_LET(network, find<pb::Network>(store, text));
    if (is_predefined(*network)) { // every node's own, which no manager has a say in
        return Error{Errc::NotFound, "network " + text + " not found"};
    }
    if (!network->spec().attachable()) {
        return Error{Errc::Forbidden, "network " + text + " not manually attachable"};
    }
    return network;
}

Result<TaskPtr> attach_network(Tx& tx, const std::string& node_id,
                               const pb::AttachNetworkRequest& request) {
    TRY_LET(network, find_attachable(tx.store(), request.config().target()));
    TRY(check_words(*network, request));
    pb::Task task;
    *task.mutable_spec() = spec_for(*network, request);
    const auto present = look_for(tx.store(), node_id, task.spec());
    if (present.same) {
        const bool goes_on = !is_terminal(present.same->status().state()) &&
                             present.same->desired_state() <= pb::RUNNING;
        if (goes_on && same_message(present.same->spec(), task.spec())) { return present.same; }
        if (goes_on && request.kept() && has_addresses(*present.same, request)) {
            return rename(tx, present.same, request);
        }
        tx.erase<pb::Task>(present.same->id());
    } else if (present.count >= attachments_of_node_max) {
        return Error{Errc::Exhausted, "the node has " + std::to_string(attachments_of_node_max) +
                                          " containers on the cluster's networks already"};
    }
    task.set_id(tx.make_id());
    task.set_node_id(node_id);
    task.set_desired_state(pb::RUNNING);
    auto& status = *task.mutable_status();
    status.set_state(pb::NEW);
    status.set_message("created");
    *status.mutable_timestamp() = to_timestamp(tx.now());
    return tx.put(std::move(task));
}

Result<void> detach_network(Tx& tx, const std::string& node_id, const std::string& attachment_id) {
    const auto task = tx.store().get<pb::Task>(attachment_id);
    if (!task) { return ok(); }
    if (task->node_id() != node_id || !task->spec().has_attachment()) {
        return Error{Errc::Forbidden,
                     "attachment " + attachment_id + " doesn't belong to this node"};
    }
    tx.erase<pb::Task>(attachment_id);
    return ok();
}

} // namespace shoal::swarm
