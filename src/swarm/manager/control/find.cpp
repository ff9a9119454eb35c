#include "swarm/manager/control/find.h"

#include "base/text.h"

#include <vector>

namespace shoal::swarm {
namespace {

template <class T> std::string kind_name() { return std::string(name_of(KindOf<T>::value)); }

template <class T> Error missing(std::string_view text) {
    return {Errc::NotFound, kind_name<T>() + " " + std::string(text) + " not found"};
}

template <class T> Error ambiguous(std::string_view text, std::size_t matches) {
    return invalid(kind_name<T>() + " " + std::string(text) + " is ambiguous (" +
                   std::to_string(matches) + " matches found)");
}

/// Tables are ordered by id: those with this beginning lie together.
template <class T> std::vector<Ptr<T>> by_prefix(const Store& store, std::string_view text) {
    std::vector<Ptr<T>> found;
    const auto& table = store.all<T>();
    for (auto at = table.lower_bound(text); at != table.end() && at->first.starts_with(text);
         ++at) {
        found.push_back(at->second);
    }
    return found;
}

template <class T> std::vector<Ptr<T>> by_name(const Store& store, std::string_view text) {
    const auto held = store.by_name<T>(text);
    return held ? std::vector<Ptr<T>>{held} : std::vector<Ptr<T>>{};
}

template <> std::vector<NodePtr> by_name<pb::Node>(const Store& store, std::string_view text) {
    std::vector<NodePtr> found;
    for (const auto& [id, node] : store.all<pb::Node>()) {
        if (equals_ignore_case(node->spec().annotations().name(), text) ||
            equals_ignore_case(node->description().hostname(), text)) {
            found.push_back(node);
        }
    }
    return found;
}

/// The id is the last part of a task's name, so that no table has to be searched.
template <> std::vector<TaskPtr> by_name<pb::Task>(const Store& store, std::string_view text) {
    const auto dot = text.rfind('.');
    if (dot == std::string_view::npos) { return {}; }
    const auto task = store.get<pb::Task>(text.substr(dot + 1));
    if (!task || task_name(*task) != text) { return {}; }
    return {task};
}

} // namespace

template <class T> Result<Ptr<T>> find(const Store& store, std::string_view text) {
    if (text.empty()) { return missing<T>(text); }
    if (auto held = store.get<T>(text)) { return held; }
    auto found = by_name<T>(store, text);
    if (found.empty()) { found = by_prefix<T>(store, text); }
    if (found.empty()) { return missing<T>(text); }
    if (found.size() > 1) { return ambiguous<T>(text, found.size()); }
    return found.front();
}

template Result<NodePtr> find<pb::Node>(const Store&, std::string_view);
template Result<NetworkPtr> find<pb::Network>(const Store&, std::string_view);
template Result<SecretPtr> find<pb::Secret>(const Store&, std::string_view);
template Result<ConfigPtr> find<pb::Config>(const Store&, std::string_view);
template Result<ServicePtr> find<pb::Service>(const Store&, std::string_view);
template Result<TaskPtr> find<pb::Task>(const Store&, std::string_view);

std::string task_name(const pb::Task& task) {
    if (!task.annotations().name().empty()) { return task.annotations().name(); }
    const std::string place = task.slot() != 0 ? std::to_string(task.slot()) : task.node_id();
    return task.service_annotations().name() + "." + place + "." + task.id();
}

const std::string& node_name(const pb::Node& node) {
    const auto& own = node.spec().annotations().name();
    return own.empty() ? node.description().hostname() : own;
}

} // namespace shoal::swarm
