#include "swarm/orchestrator/rebalance.h"

#include "swarm/model/constraints.h"
#include "swarm/model/spread_value.h"
#include "swarm/orchestrator/restart.h"
#include "swarm/orchestrator/update.h"

namespace shoal::swarm {
namespace {

bool is_open(const pb::Node& node) {
    return node.status().state() == pb::NodeStatus::READY &&
           node.spec().availability() == pb::NodeSpec::ACTIVE;
}

/// A node and the service's tasks on it.
struct Place {
    NodePtr node;
    std::size_t count = 0;
    TaskPtr movable; ///< the youngest that runs
    bool open = false;
};
struct Branch {
    std::vector<const Place*> places;
    std::size_t count = 0;
};

class Plan {
  public:
    Plan(const Store& store, const pb::Service& service, const FitsNode& fits)
        : service_(service), fits_(fits) {
        const auto constraints = parse_constraints(service.spec().task().placement().constraints());
        for (const auto& [id, node] : store.all<pb::Node>()) {
            auto& place = places_[id];
            place.node = node;
            place.open = is_open(*node) && constraints && match_constraints(*constraints, *node);
        }
        for (const auto& [id, task] : store.tasks_of_service(service.id())) { add(task); }
    }

    std::optional<Move> make() const {
        Branch all;
        for (const auto& [id, place] : places_) {
            if (place.open || place.count > 0) { all.places.push_back(&place); }
        }
        return even_out(all, 0);
    }

  private:
    void add(const TaskPtr& task) {
        const auto found = places_.find(task->node_id());
        if (!is_wanted(*task) || is_over(*task) || found == places_.end()) { return; }
        auto& place = found->second;
        ++place.count;
        if (!is_up(*task)) { return; }
        const auto created = [](const pb::Task& t) {
            return from_timestamp(t.meta().created_at());
        };
        if (!place.movable || created(*task) > created(*place.movable)) { place.movable = task; }
    }

    int levels() const { return service_.spec().task().placement().preferences_size(); }

    const std::string& descriptor(int level) const {
        return service_.spec().task().placement().preferences(level).spread().spread_descriptor();
    }

    std::vector<Branch> split(const Branch& branch, int level) const {
        std::map<std::string, Branch> parts;
        for (const auto* place : branch.places) {
            const auto name = level < levels() ? spread_value(descriptor(level), *place->node)
                                               : place->node->id();
            auto& part = parts[name];
            part.places.push_back(place);
            part.count += place->count;
        }
        std::vector<Branch> sorted;
        for (auto& [name, part] : parts) { sorted.push_back(std::move(part)); }
        std::stable_sort(sorted.begin(), sorted.end(),
                         [](const Branch& a, const Branch& b) { return a.count > b.count; });
        return sorted;
    }

    std::optional<Move> even_out(const Branch& branch, int level) const {
        const auto by_most = split(branch, level);
        auto by_fewest = by_most;
        std::stable_sort(by_fewest.begin(), by_fewest.end(),
                         [](const Branch& a, const Branch& b) { return a.count < b.count; });
        for (const auto& many : by_most) {
            for (const auto& few : by_fewest) {
                if (many.count < few.count + 2) { break; }
                if (auto move = from_to(many, few)) { return move; }
            }
        }
        if (level == levels()) { return std::nullopt; }
        for (const auto& part : by_most) {
            if (auto move = even_out(part, level + 1)) { return move; }
        }
        return std::nullopt;
    }

    std::optional<Move> from_to(const Branch& many, const Branch& few) const {
        auto sources = many.places;
        auto targets = few.places;
        std::stable_sort(sources.begin(), sources.end(),
                         [](const Place* a, const Place* b) { return a->count > b->count; });
        std::stable_sort(targets.begin(), targets.end(),
                         [](const Place* a, const Place* b) { return a->count < b->count; });
        for (const auto* source : sources) {
            if (!source->movable) { continue; }
            for (const auto* target : targets) {
                if (!may_move(*source, *target)) { continue; }
                return Move{source->movable->id(), source->node->id(), target->node->id()};
            }
        }
        return std::nullopt;
    }

    bool may_move(const Place& from, const Place& to) const {
        const auto most = service_.spec().task().placement().max_replicas();
        if (!to.open || (most > 0 && to.count >= most)) { return false; }
        return !fits_ || fits_(*from.movable, *to.node);
    }

    const pb::Service& service_;
    const FitsNode& fits_;
    std::map<std::string, Place> places_;
};

bool is_move(const pb::Service& service, const pb::Task& task) {
    return task.of_rebalance() && from_timestamp(task.meta().created_at()) >=
                                      from_timestamp(service.rebalance().requested_at());
}

/// One look at a service that is being rebalanced.
class Rebalance {
  public:
    Rebalance(Tx& tx, const pb::Service& service, const Slots& slots, const FitsNode& fits)
        : tx_(tx), now_(tx.now()), service_(service), slots_(slots), fits_(fits) {}

    std::optional<Instant> run() {
        if (is_updating(service_)) { return std::nullopt; }
        if (from_timestamp(service_.rebalance().requested_at()) > now_) {
            *service_.mutable_rebalance()->mutable_requested_at() = to_timestamp(now_);
            tx_.put(service_); // the clock was set back
        }
        for (const auto& [key, slot] : slots_) {
            for (const auto& task : slot.tasks) {
                if (is_move(service_, *task)) { follow(slot, *task); }
            }
        }
        if (!failure_.empty()) {
            auto& rebalance = *service_.mutable_rebalance();
            rebalance.set_moved(std::max<std::uint64_t>(rebalance.moved(), 1) - 1);
            finish(pb::Rebalance::STOPPED, failure_);
            return std::nullopt;
        }
        if (!moving_ && is_settled()) { move_next(); }
        return next_;
    }

  private:
    void wake(Instant at) { next_ = earlier(next_, at); }

    /// How far the move is that made this task.
    void follow(const Slot& slot, const pb::Task& task) {
        if (is_over(task)) { return judge_end(task); }
        if (!is_wanted(task)) { return; }
        if (task.status().state() < pb::ASSIGNED) { return wait_for_place(task); }
        const auto began = is_up(task) ? running_since(task, now_) : std::nullopt;
        if (began && *began + update_rules(service_).watched() <= now_) {
            return stop_old(slot, task); // harmless when it has been stopped
        }
        moving_ = true;
        if (began) { wake(*began + update_rules(service_).watched()); }
        const bool waits = task.desired_state() == pb::READY;
        if (waits ? task.status().state() >= pb::READY : is_up(task)) { stop_old(slot, task); }
    }

    void judge_end(const pb::Task& task) {
        const auto began = running_since(task, now_);
        const bool early = !began || ended_at(task, now_).value_or(now_) - *began <=
                                         update_rules(service_).watched();
        if (has_ended_by_itself(task) && early) {
            failure_ = "rebalance stopped due to failure or early termination of task " + task.id();
        }
    }

    void wait_for_place(const pb::Task& task) {
        moving_ = true;
        const auto created = std::min(from_timestamp(task.meta().created_at()), now_);
        if (created + rebalance_placing_max > now_) {
            return wake(created + rebalance_placing_max);
        }
        stop_task(task, pb::REMOVE);
        failure_ = "rebalance stopped: node " + task.node_id() + " did not take task " + task.id();
    }

    void stop_old(const Slot& slot, const pb::Task& task) {
        for (const auto& other : slot.tasks) {
            if (other->generation() < task.generation() && is_wanted(*other)) {
                stop_task(*other, pb::SHUTDOWN);
            }
        }
    }

    void stop_task(const pb::Task& task, pb::TaskState desired) {
        pb::Task stopped = task;
        if (stop(stopped, desired, now_)) { tx_.put(std::move(stopped)); }
    }

    /// Nothing is being replaced, so that what is counted is what is there.
    bool is_settled() const {
        return std::all_of(slots_.begin(), slots_.end(), [](const auto& entry) {
            return !entry.second.is_wanted() || entry.second.is_running();
        });
    }

    void move_next() {
        const auto move = plan_rebalance(tx_.store(), service_.id(), fits_);
        if (!move) {
            const auto count = service_.rebalance().moved();
            return finish(pb::Rebalance::DONE, "rebalance completed, " + std::to_string(count) +
                                                   (count == 1 ? " task" : " tasks") + " moved");
        }
        const auto task = tx_.store().get<pb::Task>(move->task_id);
        NewTask made;
        if (update_rules(service_).order == pb::UpdateConfig::STOP_FIRST) {
            made.desired = pb::READY;
        }
        made.restarts = task->restarts();
        made.of_rebalance = true;
        made.node_id = move->to;
        put_new_task(tx_, service_, slots_.at(slot_of(service_, *task)), made);
        auto& rebalance = *service_.mutable_rebalance();
        rebalance.set_moved(rebalance.moved() + 1);
        tx_.put(service_);
    }

    void finish(pb::Rebalance::State state, const std::string& message) {
        auto& rebalance = *service_.mutable_rebalance();
        rebalance.set_state(state);
        rebalance.set_message(message);
        *rebalance.mutable_finished_at() = to_timestamp(now_);
        next_.reset();
        tx_.put(service_);
    }

    Tx& tx_;
    const Instant now_;
    pb::Service service_;
    const Slots& slots_;
    const FitsNode& fits_;
    bool moving_ = false;
    std::string failure_;
    std::optional<Instant> next_;
};

bool is_automatic(const pb::Service& service) {
    const auto& labels = service.spec().annotations().labels();
    const auto found = labels.find(std::string(rebalance_label));
    return is_replicated(service) && found != labels.end() && found->second == "auto";
}

} // namespace

std::optional<Move> plan_rebalance(const Store& store, const std::string& service_id,
                                   const FitsNode& fits) {
    const auto service = store.get<pb::Service>(service_id);
    if (!service || !is_replicated(*service)) { return std::nullopt; }
    return Plan(store, *service, fits).make();
}

std::vector<Move> plan_whole_rebalance(const Store& store, const std::string& service_id,
                                       const FitsNode& fits) {
    Store later; // what counts for the plan, as it would be after each move
    for (const auto& [id, node] : store.all<pb::Node>()) { later.apply(Kind::Node, id, node); }
    for (const auto& [id, task] : store.tasks_of_service(service_id)) {
        later.apply(Kind::Task, id, task);
    }
    if (auto service = store.get<pb::Service>(service_id)) {
        later.apply(Kind::Service, service_id, service);
    }
    std::vector<Move> moves;
    const auto steps_max = 2 * later.all<pb::Task>().size(); // over branches, then within them
    for (std::size_t step = 0; step < steps_max; ++step) {
        const auto move = plan_rebalance(later, service_id, fits);
        if (!move) { break; }
        auto moved = std::make_shared<pb::Task>(*later.get<pb::Task>(move->task_id));
        moved->set_node_id(move->to);
        later.apply(Kind::Task, move->task_id, TaskPtr(std::move(moved)));
        const auto known = std::find_if(moves.begin(), moves.end(), [&move](const Move& one) {
            return one.task_id == move->task_id;
        });
        if (known == moves.end()) {
            moves.push_back(*move);
        } else {
            known->to = move->to;
        }
    }
    return moves;
}

void request_rebalance(Tx& tx, const pb::Service& service) {
    if (service.rebalance().state() == pb::Rebalance::REQUESTED) { return; }
    pb::Service changed = service;
    auto& rebalance = *changed.mutable_rebalance();
    rebalance.Clear();
    rebalance.set_state(pb::Rebalance::REQUESTED);
    *rebalance.mutable_requested_at() = to_timestamp(tx.now());
    tx.put(std::move(changed));
}

void Rebalancer::Moves::note_node(const Store&, const Change&) {
    for (const auto& id : service_ids()) { note_service(id); }
}

std::optional<Instant> Rebalancer::Moves::look_at_service(Tx& tx, const pb::Service& service,
                                                          const Slots& slots) {
    return Rebalance(tx, service, slots, fits_).run();
}

void Rebalancer::rebuild(const Store& store) {
    moves_.rebuild(store);
    node_returned_ = true; // it may have done so under the last leader's eyes
}

void Rebalancer::observe(const Store& store, const Change& change) {
    moves_.observe(store, change);
    if (change.kind != Kind::Node) { return; }
    const auto before = change.old_as<pb::Node>();
    const auto after = change.new_as<pb::Node>();
    if (after && is_open(*after) && !(before && is_open(*before))) { node_returned_ = true; }
}

std::optional<Instant> Rebalancer::run(Tx& tx) {
    if (std::exchange(node_returned_, false)) { ask_for_automatic_ones(tx); }
    return moves_.run(tx);
}

void Rebalancer::ask_for_automatic_ones(Tx& tx) {
    std::vector<ServicePtr> uneven;
    for (const auto& [id, service] : tx.store().all<pb::Service>()) {
        if (is_automatic(*service) && plan_rebalance(tx.store(), id, moves_.fits())) {
            uneven.push_back(service);
        }
    }
    for (const auto& service : uneven) {
        request_rebalance(tx, *service);
        if (const auto now = tx.store().get<pb::Service>(service->id())) {
            moves_.observe(tx.store(), {Kind::Service, now->id(), service, now});
        }
    }
}

} // namespace shoal::swarm
