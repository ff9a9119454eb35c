#include "api/swarm_filters.h"

#include "base/text.h"
#include "swarm/manager/control/find.h"
#include "swarm/manager/control/networks.h"
#include "swarm/orchestrator/task_states.h"

#include <algorithm>
#include <set>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;
using swarm::Store;

/// Every "k" or "k=v" is among the labels; "k=" asks for no value.
bool has_labels(const Filters& filters, std::string_view key, const Labels& labels) {
    const auto& wanted = filters.values(key);
    return std::all_of(wanted.begin(), wanted.end(), [&labels](const std::string& one) {
        const auto [name, value] = cut(one, '=');
        const auto found = labels.find(name);
        return found != labels.end() && (value.empty() || found->second == value);
    });
}

template <class Map> Labels labels_of(const Map& map) { return {map.begin(), map.end()}; }

template <class Spec> bool named(const Filters& filters, const Spec& spec) {
    return filters.prefix("name", spec.annotations().name()) &&
           has_labels(filters, "label", labels_of(spec.annotations().labels()));
}

Result<void> check_words(const Filters& filters, std::string_view key,
                         std::initializer_list<std::string_view> known, const char* sentence) {
    for (const auto& word : filters.values(key)) {
        if (std::find(known.begin(), known.end(), word) == known.end()) {
            return invalid(sentence + (": '" + word + "'"));
        }
    }
    return ok();
}

std::string_view mode_of(const pb::ServiceSpec& spec) {
    if (spec.has_global()) { return "global"; }
    if (spec.has_replicated_job()) { return "replicated-job"; }
    if (spec.has_global_job()) { return "global-job"; }
    return "replicated";
}

std::string_view runtime_of(const pb::TaskSpec& task) {
    if (task.has_attachment()) { return "attachment"; }
    if (task.has_generic()) { return "plugin"; }
    return "container";
}

/// Names and beginnings of ids become ids.
template <class T> Result<std::set<std::string>> ids_of(const Store& store, const Filters& filters,
                                                        std::string_view key) {
    std::set<std::string> ids;
    for (const auto& text : filters.values(key)) {
        TRY_LET(found, swarm::find<T>(store, text));
        ids.insert(found->id());
    }
    return ids;
}

Result<std::set<pb::TaskState>> states_of(const Filters& filters) {
    std::set<pb::TaskState> states;
    for (const auto& word : filters.values("desired-state")) {
        const auto state = swarm::task_state_of(word);
        if (!state) { return invalid("invalid task-state filter: '" + word + "'"); }
        states.insert(*state);
    }
    return states;
}

struct TaskFilter {
    Filters filters;
    std::set<std::string> services;
    std::set<std::string> nodes;
    std::set<pb::TaskState> desired;
    bool up_to_date = false;
};

Result<TaskFilter> task_filter(const Store& store, Filters filters) {
    TRY(filters.allow_only(
        {"_up-to-date", "desired-state", "id", "label", "name", "node", "runtime", "service"}));
    TaskFilter made;
    TRY_LET(services, ids_of<pb::Service>(store, filters, "service"));
    TRY_LET(nodes, ids_of<pb::Node>(store, filters, "node"));
    TRY_LET(desired, states_of(filters));
    TRY_LET(up_to_date, filters.boolean("_up-to-date", false));
    made.services = std::move(services);
    made.nodes = std::move(nodes);
    made.desired = std::move(desired);
    made.up_to_date = up_to_date;
    if (!filters.has("runtime")) { filters.add("runtime", "container"); }
    made.filters = std::move(filters);
    return made;
}

/// A task has labels of its own and of its service.
Labels labels_of_task(const pb::Task& task) {
    auto labels = labels_of(task.annotations().labels());
    const auto& service = task.service_annotations().labels();
    labels.insert(service.begin(), service.end());
    return labels;
}

bool matches(const TaskFilter& wanted, const pb::Task& task) {
    const auto& filters = wanted.filters;
    const auto in = [](const auto& set, const auto& value) {
        return set.empty() || set.contains(value);
    };
    return in(wanted.services, task.service_id()) && in(wanted.nodes, task.node_id()) &&
           in(wanted.desired, task.desired_state()) && filters.prefix("id", task.id()) &&
           filters.exact("runtime", runtime_of(task.spec())) &&
           (!filters.has("name") || filters.prefix("name", swarm::task_name(task))) &&
           (!filters.has("label") || has_labels(filters, "label", labels_of_task(task)));
}

/// Compares with each service once.
class UpToDate {
  public:
    explicit UpToDate(const Store& store) : store_(store) {}
    bool operator()(const pb::Task& task) {
        const auto service = store_.get<pb::Service>(task.service_id());
        if (!service) { return false; }
        const auto place = comparisons_.try_emplace(service->id(), service, store_).first;
        return !place->second.comparison.is_dirty(task);
    }

  private:
    struct Comparison {
        Comparison(swarm::ServicePtr of, const Store& store)
            : service(std::move(of)), comparison(store, *service) {}
        swarm::ServicePtr service;
        swarm::SpecComparison comparison;
    };
    const Store& store_;
    std::map<std::string, Comparison> comparisons_;
};

bool matches_node(const Filters& filters, const pb::Node& node) {
    const auto& description = node.description();
    const char* role = node.role() == pb::MANAGER ? "manager" : "worker";
    const char* membership =
        node.spec().membership() == pb::NodeSpec::PENDING ? "pending" : "accepted";
    const bool name = filters.prefix("name", description.hostname()) ||
                      (!node.spec().annotations().name().empty() &&
                       filters.prefix("name", node.spec().annotations().name()));
    return name && filters.prefix("id", node.id()) && filters.exact("role", role) &&
           filters.exact("membership", membership) &&
           has_labels(filters, "label", labels_of(description.engine().labels())) &&
           has_labels(filters, "node.label", labels_of(node.spec().annotations().labels()));
}

template <class T>
Result<std::vector<swarm::Ptr<T>>> list_data(const Store& store, const Filters& filters) {
    TRY(filters.allow_only({"id", "label", "name", "names"}));
    std::vector<swarm::Ptr<T>> all;
    for (const auto& [id, object] : store.all<T>()) {
        if (filters.prefix("id", id) && named(filters, object->spec()) &&
            filters.exact("names", object->spec().annotations().name())) {
            all.push_back(object);
        }
    }
    return all;
}

} // namespace

Result<std::vector<swarm::ServicePtr>> list_services(const Store& store, const Filters& filters) {
    TRY(filters.allow_only({"id", "label", "mode", "name", "runtime"}));
    TRY(check_words(filters, "mode", {"replicated", "global", "replicated-job", "global-job"},
                    "invalid filter 'mode'"));
    std::vector<swarm::ServicePtr> all;
    for (const auto& [id, service] : store.all<pb::Service>()) {
        const auto& spec = service->spec();
        if (filters.prefix("id", id) && named(filters, spec) &&
            filters.exact("mode", mode_of(spec)) &&
            filters.exact("runtime", runtime_of(spec.task()))) {
            all.push_back(service);
        }
    }
    return all;
}

Result<std::vector<swarm::TaskPtr>> list_tasks(const Store& store, Filters filters) {
    TRY_LET(wanted, task_filter(store, std::move(filters)));
    UpToDate up_to_date(store);
    std::vector<swarm::TaskPtr> all;
    for (const auto& [id, task] : store.all<pb::Task>()) {
        if (matches(wanted, *task) && (!wanted.up_to_date || up_to_date(*task))) {
            all.push_back(task);
        }
    }
    return all;
}

Result<std::vector<swarm::NodePtr>> list_nodes(const Store& store, const Filters& filters) {
    TRY(filters.allow_only({"id", "label", "membership", "name", "node.label", "role"}));
    TRY(check_words(filters, "role", {"manager", "worker"}, "Invalid role filter"));
    TRY(check_words(filters, "membership", {"accepted", "pending"}, "Invalid membership filter"));
    std::vector<swarm::NodePtr> all;
    for (const auto& [id, node] : store.all<pb::Node>()) {
        if (matches_node(filters, *node)) { all.push_back(node); }
    }
    return all;
}

Result<std::vector<swarm::SecretPtr>> list_secrets(const Store& store, const Filters& filters) {
    TRY_LET(all, list_data<pb::Secret>(store, filters));
    std::erase_if(all, [](const auto& secret) { return secret->internal(); });
    return std::move(all);
}

Result<std::vector<swarm::ConfigPtr>> list_configs(const Store& store, const Filters& filters) {
    return list_data<pb::Config>(store, filters);
}

bool is_network_used(const Store& store, const pb::Network& network) {
    const auto on = [&network](const auto& one) { return one.target() == network.id(); };
    for (const auto& [id, service] : store.all<pb::Service>()) {
        const auto& wanted = service->spec().task().networks();
        if (std::any_of(wanted.begin(), wanted.end(), on)) { return true; }
    }
    for (const auto& [id, task] : store.all<pb::Task>()) {
        if (swarm::is_terminal(task->status().state())) { continue; }
        if (task->desired_state() > swarm::pb::COMPLETE) { continue; }
        for (const auto& attachment : task->networks()) {
            if (attachment.network().id() == network.id()) { return true; }
        }
    }
    return false;
}

std::vector<swarm::NetworkPtr> list_swarm_networks(const Store& store, const Filters& filters) {
    const auto dangling = filters.boolean("dangling", false);
    std::vector<swarm::NetworkPtr> all;
    for (const auto& [id, network] : store.all<pb::Network>()) {
        const auto& spec = network->spec();
        const auto& name = spec.annotations().name();
        const bool fits = !swarm::is_predefined(*network) && filters.exact("driver", "overlay") &&
                          filters.prefix("id", id) && filters.fuzzy("name", name) &&
                          filters.exact("scope", "swarm") && filters.exact("type", "custom") &&
                          filters.labels("label", labels_of(spec.annotations().labels()));
        if (!fits) { continue; }
        if (filters.has("dangling") && dangling &&
            *dangling == (spec.ingress() || is_network_used(store, *network))) {
            continue;
        }
        all.push_back(network);
    }
    return all;
}

} // namespace shoal::api
