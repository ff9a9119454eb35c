// Store: the cluster's state in memory, as tables of immutable objects with the indexes that
// decisions need. It knows nothing of disk, consensus or time: a Tx changes it, and whoever owns
// the Tx sees to it that the change is made to last (store/writer.h) or taken back.
#pragma once

#include "swarm/model/object.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace shoal::swarm {

/// One object before and after.
struct Change {
    Kind kind = Kind::Task;
    std::string id;
    ObjectPtr before; ///< nothing: it is new
    ObjectPtr after;  ///< nothing: it is gone
    /// Of `after`, for whoever commits it: what may still change. Null in what has been committed.
    std::shared_ptr<pb::Meta> meta{};
    template <class T> Ptr<T> old_as() const {
        const auto* held = std::get_if<Ptr<T>>(&before);
        return held ? *held : nullptr;
    }
    template <class T> Ptr<T> new_as() const {
        const auto* held = std::get_if<Ptr<T>>(&after);
        return held ? *held : nullptr;
    }
};

class Store {
  public:
    template <class T> using Table = std::map<std::string, Ptr<T>, std::less<>>;

    /// By id, in order of ids.
    template <class T> const Table<T>& all() const { return std::get<Table<T>>(tables_); }
    /// Null when there is none.
    template <class T> Ptr<T> get(std::string_view id) const {
        const auto& table = all<T>();
        const auto found = table.find(id);
        return found == table.end() ? nullptr : found->second;
    }
    /// Names have no case. Null when there is none; nodes and tasks have no names here.
    template <class T> Ptr<T> by_name(std::string_view name) const {
        return get<T>(id_of_name(KindOf<T>::value, name));
    }
    /// What specifications refer to: by id, or else by name. Null when there is none.
    template <class T> Ptr<T> find(std::string_view ref) const {
        auto found = get<T>(ref);
        return found ? found : by_name<T>(ref);
    }
    /// The cluster object; null before the first manager has made it.
    ClusterPtr cluster() const;

    /// By task id. Tasks without a service, or without a node, are under "".
    const Table<pb::Task>& tasks_of_service(std::string_view service_id) const;
    const Table<pb::Task>& tasks_of_node(std::string_view node_id) const;

    /// `after` nothing removes. The change must be true of this store: `before` is not looked at.
    void apply(Kind kind, const std::string& id, const ObjectPtr& after);
    ObjectPtr object(Kind kind, std::string_view id) const;
    void clear();

    /// Revision of the log that this store shows; whoever applies keeps it.
    std::int64_t revision = 0;

  private:
    std::string_view id_of_name(Kind kind, std::string_view name) const;
    template <class T> void apply_as(const std::string& id, const Ptr<T>& after);
    void index(const pb::Task& task, const TaskPtr& held);
    void unindex(const pb::Task& task);
    template <class T> void index_name(const T& object, const std::string& id);
    template <class T> void unindex_name(const T& object, const std::string& id);

    std::tuple<Table<pb::Cluster>, Table<pb::Node>, Table<pb::Network>, Table<pb::Secret>,
               Table<pb::Config>, Table<pb::Service>, Table<pb::Task>>
        tables_;
    using TaskIndex = std::map<std::string, Table<pb::Task>, std::less<>>;
    TaskIndex by_service_;
    TaskIndex by_node_;
    std::map<std::pair<Kind, std::string>, std::string> names_; ///< lower case -> id
};

/// Changes to a store that belong together. They are seen in store() at once, and either kept with
/// commit-like care by the owner or taken back. Not copyable; one at a time per store.
class Tx {
  public:
    Tx(Store& store, Instant now, Random& random) : store_(store), now_(now), random_(random) {}
    Tx(const Tx&) = delete;
    Tx& operator=(const Tx&) = delete;

    const Store& store() const { return store_; } ///< with the changes so far
    Instant now() const { return now_; }
    Random& random() { return random_; }
    std::string make_id() { return swarm::make_id(random_); }

    /// Creates or replaces; `object.id()` says which. Stamps meta.created_at and updated_at.
    template <class T> Ptr<T> put(T object);
    /// Harmless when there is none.
    template <class T> void erase(const std::string& id) { change(KindOf<T>::value, id, {}); }

    /// In order, several of one object possible.
    const std::vector<Change>& changes() const { return changes_; }
    /// One per object, from what it was before the Tx to what it is now; objects that came and went
    /// are left out.
    std::vector<Change> merged() const;
    /// Takes back everything after the first `count` changes.
    void roll_back_to(std::size_t count);

  private:
    void change(Kind kind, const std::string& id, ObjectPtr after,
                std::shared_ptr<pb::Meta> meta = nullptr);

    Store& store_;
    Instant now_;
    Random& random_;
    std::vector<Change> changes_;
};

template <class T> Ptr<T> Tx::put(T object) {
    const Ptr<T> old = store_.get<T>(object.id());
    auto& meta = *object.mutable_meta();
    if (old) {
        meta = old->meta();
    } else {
        meta.Clear();
        *meta.mutable_created_at() = to_timestamp(now_);
    }
    *meta.mutable_updated_at() = to_timestamp(now_);
    const auto held = std::make_shared<T>(std::move(object));
    change(KindOf<T>::value, held->id(), ObjectPtr(Ptr<T>(held)),
           std::shared_ptr<pb::Meta>(held, held->mutable_meta()));
    return held;
}

} // namespace shoal::swarm
