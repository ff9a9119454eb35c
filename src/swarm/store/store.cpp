#include "swarm/store/store.h"

#include "base/text.h"

namespace shoal::swarm {
namespace {
const Store::Table<pb::Task> no_tasks;

/// Calls `as` with a null pointer of the type that objects of this kind have.
template <class As> auto with_kind(Kind kind, const As& as) {
    switch (kind) {
    case Kind::Cluster:
        return as(static_cast<pb::Cluster*>(nullptr));
    case Kind::Node:
        return as(static_cast<pb::Node*>(nullptr));
    case Kind::Network:
        return as(static_cast<pb::Network*>(nullptr));
    case Kind::Secret:
        return as(static_cast<pb::Secret*>(nullptr));
    case Kind::Config:
        return as(static_cast<pb::Config*>(nullptr));
    case Kind::Service:
        return as(static_cast<pb::Service*>(nullptr));
    case Kind::Task:
        return as(static_cast<pb::Task*>(nullptr));
    }
    return as(static_cast<pb::Task*>(nullptr)); // there is no other kind
}
} // namespace

ClusterPtr Store::cluster() const {
    const auto& clusters = all<pb::Cluster>();
    return clusters.empty() ? nullptr : clusters.begin()->second;
}

const Store::Table<pb::Task>& Store::tasks_of_service(std::string_view service_id) const {
    const auto found = by_service_.find(service_id);
    return found == by_service_.end() ? no_tasks : found->second;
}

const Store::Table<pb::Task>& Store::tasks_of_node(std::string_view node_id) const {
    const auto found = by_node_.find(node_id);
    return found == by_node_.end() ? no_tasks : found->second;
}

std::string_view Store::id_of_name(Kind kind, std::string_view name) const {
    const auto found = names_.find({kind, to_lower(name)});
    return found == names_.end() ? std::string_view() : found->second;
}

void Store::index(const pb::Task& task, const TaskPtr& held) {
    by_service_[task.service_id()][task.id()] = held;
    by_node_[task.node_id()][task.id()] = held;
}

void Store::unindex(const pb::Task& task) {
    const auto drop = [&task](TaskIndex& index, const std::string& key) {
        const auto found = index.find(key);
        if (found == index.end()) { return; }
        found->second.erase(task.id());
        if (found->second.empty()) { index.erase(found); }
    };
    drop(by_service_, task.service_id());
    drop(by_node_, task.node_id());
}

template <class T> void Store::index_name(const T& object, const std::string& id) {
    const auto& name = name_of(object);
    if (!name.empty()) { names_[{KindOf<T>::value, to_lower(name)}] = id; }
}

template <class T> void Store::unindex_name(const T& object, const std::string& id) {
    const auto found = names_.find({KindOf<T>::value, to_lower(name_of(object))});
    if (found != names_.end() && found->second == id) { names_.erase(found); }
}

template <class T> void Store::apply_as(const std::string& id, const Ptr<T>& after) {
    auto& table = std::get<Table<T>>(tables_);
    const auto found = table.find(id);
    if (found != table.end()) {
        unindex_name(*found->second, id);
        if constexpr (std::is_same_v<T, pb::Task>) { unindex(*found->second); }
        if (!after) { table.erase(found); }
    }
    if (!after) { return; }
    table[id] = after;
    index_name(*after, id);
    if constexpr (std::is_same_v<T, pb::Task>) { index(*after, after); }
}

void Store::apply(Kind kind, const std::string& id, const ObjectPtr& after) {
    const auto as = [&]<class T>(T*) {
        const auto* held = std::get_if<Ptr<T>>(&after);
        apply_as<T>(id, held ? *held : nullptr);
    };
    with_kind(kind, as);
}

ObjectPtr Store::object(Kind kind, std::string_view id) const {
    const auto as = [&]<class T>(T*) -> ObjectPtr {
        const auto held = get<T>(id);
        return held ? ObjectPtr(held) : ObjectPtr();
    };
    return with_kind(kind, as);
}

void Store::clear() { *this = Store(); }

void Tx::change(Kind kind, const std::string& id, ObjectPtr after, std::shared_ptr<pb::Meta> meta) {
    auto before = store_.object(kind, id);
    if (!exists(before) && !exists(after)) { return; }
    store_.apply(kind, id, after);
    changes_.push_back({kind, id, std::move(before), std::move(after), std::move(meta)});
}

std::vector<Change> Tx::merged() const {
    std::vector<Change> all;
    std::map<std::pair<Kind, std::string_view>, std::size_t> places;
    for (const Change& change : changes_) {
        const auto [place, added] =
            places.emplace(std::pair(change.kind, std::string_view(change.id)), all.size());
        if (added) {
            all.push_back(change);
        } else {
            all[place->second].after = change.after;
            all[place->second].meta = change.meta;
        }
    }
    std::erase_if(all, [](const Change& c) { return !exists(c.before) && !exists(c.after); });
    return all;
}

void Tx::roll_back_to(std::size_t count) {
    while (changes_.size() > count) {
        const Change& last = changes_.back();
        store_.apply(last.kind, last.id, last.before);
        changes_.pop_back();
    }
}

} // namespace shoal::swarm
