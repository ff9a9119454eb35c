// A cluster for the orchestrators' tests: a store with a clock of its own, builders for what is in
// it, the reconcilers run as the leader runs them, and stand-ins for scheduler and agents, which
// move tasks on when told. After each step it checks what must always hold: states never go back,
// no task changes its node.
#pragma once

#include "swarm/model/constraints.h"
#include "swarm/orchestrator/slots.h"
#include "swarm/store/reconciler.h"

#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace shoal::swarm {

struct TestRandom final : Random {
    explicit TestRandom(std::uint64_t seed) : state(seed) {}
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = static_cast<std::uint8_t>(next() >> 56); }
    }
    std::uint64_t next() {
        state += 0x9e3779b97f4a7c15ULL;
        auto z = state;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }
    std::uint64_t state;
};

struct TestCluster {
    Store store;
    TestRandom random{1};
    Instant now = from_timestamp([] {
        pb::Timestamp at;
        at.set_seconds(1'700'000'000);
        return at;
    }());
    std::vector<std::unique_ptr<Reconciler>> reconcilers;
    std::optional<Instant> next; ///< when the reconcilers want to be run again
    bool leader_changes = false; ///< before every run
    bool with_network = false;   ///< tasks are scheduled with an address on an overlay
    std::size_t unschedulable = 0;

    template <class R, class... A> R& add(A&&... arguments) {
        auto made = std::make_unique<R>(std::forward<A>(arguments)...);
        auto& held = *made;
        held.rebuild(store);
        reconcilers.push_back(std::move(made));
        return held;
    }

    /// Runs `change` and then the reconcilers until they have nothing to do.
    template <class F> void with(F change) {
        {
            Tx tx(store, now, random);
            change(tx);
            tell(tx, 0);
            run(tx);
            check(tx);
        }
        for (int i = 0; next && *next <= now; ++i) {
            ASSERT_LT(i, 1000) << "the reconcilers want to be run again and again";
            Tx tx(store, now, random);
            run(tx);
            check(tx);
        }
    }
    void settle() {
        with([](Tx&) {});
    }
    /// Lets time pass, with a run at each moment somebody asked for.
    void pass(nanoseconds span) {
        const auto end = now + span;
        while (next && *next <= end) {
            now = std::max(now, *next);
            settle();
        }
        now = end;
        settle();
    }

    // What is in it.

    void node(const std::string& id, std::function<void(pb::Node&)> change = {}) {
        with([&](Tx& tx) {
            pb::Node made;
            if (const auto held = store.get<pb::Node>(id)) { made = *held; }
            made.set_id(id);
            if (!store.get<pb::Node>(id)) {
                made.mutable_status()->set_state(pb::NodeStatus::READY);
            }
            if (change) { change(made); }
            tx.put(std::move(made));
        });
    }
    void nodes(int count) {
        for (int i = 1; i <= count; ++i) { node("n" + std::to_string(i)); }
    }
    void node_state(const std::string& id, pb::NodeStatus::State state) {
        node(id, [&](pb::Node& n) { n.mutable_status()->set_state(state); });
    }
    void availability(const std::string& id, pb::NodeSpec::Availability availability) {
        node(id, [&](pb::Node& n) { n.mutable_spec()->set_availability(availability); });
    }
    void remove_node(const std::string& id) {
        with([&](Tx& tx) { tx.erase<pb::Node>(id); });
    }

    /// Makes it, or changes it as a user does: its version grows, the old specification is kept.
    using SpecChange = std::function<void(pb::ServiceSpec&)>;
    void service(const std::string& id, const SpecChange& change) {
        with([&](Tx& tx) { put_service(tx, id, change); });
    }
    void put_service(Tx& tx, const std::string& id, const SpecChange& change) {
        pb::Service made;
        if (const auto held = store.get<pb::Service>(id)) {
            made = *held;
            *made.mutable_previous_spec() = held->spec();
            *made.mutable_previous_spec_version() = held->spec_version();
            made.clear_update_status();
        }
        made.set_id(id);
        made.mutable_spec()->mutable_annotations()->set_name(id);
        change(*made.mutable_spec());
        made.mutable_spec_version()->set_index(made.spec_version().index() + 1);
        if (is_job(made)) {
            auto& iteration = *made.mutable_job_status()->mutable_job_iteration();
            iteration.set_index(iteration.index() + 1);
        }
        tx.put(std::move(made));
    }
    void remove_service(const std::string& id) {
        with([&](Tx& tx) { tx.erase<pb::Service>(id); });
    }
    static SpecChange replicas(std::uint64_t count) {
        return [count](pb::ServiceSpec& s) { s.mutable_replicated()->set_replicas(count); };
    }
    static SpecChange image(const std::string& image) {
        return [image](pb::ServiceSpec& s) {
            s.mutable_task()->mutable_container()->set_image(image);
        };
    }

    // What it has come to.

    ServicePtr service(const std::string& id) const { return store.get<pb::Service>(id); }
    const pb::UpdateStatus& update(const std::string& id) const {
        return service(id)->update_status();
    }
    TaskPtr task(const std::string& id) const { return store.get<pb::Task>(id); }
    using Filter = std::function<bool(const pb::Task&)>;
    /// Oldest first.
    std::vector<TaskPtr> tasks(const std::string& service, const Filter& filter = {}) const {
        std::vector<TaskPtr> found;
        for (const auto& [id, task] : store.tasks_of_service(service)) {
            if (!filter || filter(*task)) { found.push_back(task); }
        }
        const auto owner = this->service(service);
        const auto age = [&](const pb::Task& task) {
            return std::tuple(owner ? slot_of(*owner, task) : SlotKey(), task.generation(),
                              task.id());
        };
        std::sort(found.begin(), found.end(),
                  [&](const TaskPtr& a, const TaskPtr& b) { return age(*a) < age(*b); });
        return found;
    }
    std::vector<TaskPtr> wanted(const std::string& service) const {
        return tasks(service, [](const pb::Task& t) { return is_wanted(t); });
    }
    std::vector<TaskPtr> running(const std::string& service) const {
        return tasks(service, [](const pb::Task& t) {
            return is_wanted(t) && t.status().state() == pb::RUNNING;
        });
    }
    std::size_t running_of(const std::string& service, const std::string& image) const {
        return tasks(service,
                     [&](const pb::Task& t) {
                         return t.status().state() == pb::RUNNING &&
                                t.spec().container().image() == image;
                     })
            .size();
    }

    // Stand-ins.

    /// As the dispatcher does with what an agent says.
    void put_state(Tx& tx, const std::string& id, pb::TaskState state) {
        const auto held = store.get<pb::Task>(id);
        if (!held) { return; }
        auto changed = *held;
        if (!advance_observed(changed, {state, "", "", "leader"}, now)) { return; }
        if (state == pb::RUNNING && !changed.has_running_since()) {
            *changed.mutable_running_since() = to_timestamp(now);
        }
        tx.put(std::move(changed));
    }
    void state(const std::string& id, pb::TaskState state) {
        with([&](Tx& tx) { put_state(tx, id, state); });
    }
    /// As the dispatcher does when all nodes know the way.
    void reach(const std::string& id) {
        with([&](Tx& tx) {
            auto changed = *store.get<pb::Task>(id);
            changed.set_reachable(true);
            *changed.mutable_running_since() = to_timestamp(now);
            tx.put(std::move(changed));
        });
    }
    bool can_run(const pb::Task& task, const pb::Node& node) const {
        return node.status().state() == pb::NodeStatus::READY &&
               node.spec().availability() == pb::NodeSpec::ACTIVE &&
               match_placement(task.spec().placement(), node);
    }
    /// Allocates and schedules what waits for it, evenly.
    void schedule() {
        with([&](Tx& tx) {
            const auto waiting = store.all<pb::Task>();
            for (const auto& [id, task] : waiting) {
                if (task->status().state() < pb::ASSIGNED && is_wanted(*task)) {
                    schedule_one(tx, *task);
                }
            }
        });
    }
    void schedule_one(Tx& tx, const pb::Task& task) {
        NodePtr best;
        std::size_t least = SIZE_MAX;
        for (const auto& [id, node] : store.all<pb::Node>()) {
            if (!task.node_id().empty() && task.node_id() != id) { continue; }
            if (!can_run(task, *node)) { continue; }
            std::size_t load = 0;
            for (const auto& [other, held] : store.tasks_of_node(id)) { load += is_wanted(*held); }
            if (load < least) {
                least = load;
                best = node;
            }
        }
        if (!best) { return; }
        auto changed = task;
        changed.set_node_id(best->id());
        if (with_network) {
            auto& attachment = *changed.add_networks();
            attachment.mutable_network()->set_id("net");
            attachment.mutable_network()->mutable_driver_state()->set_name("overlay");
            attachment.add_addresses("10.0.1.7/24");
        }
        advance_observed(changed, {pb::ASSIGNED, "assigned", "", "leader"}, now);
        tx.put(std::move(changed));
    }
    /// Agents on nodes that can be reached bring every task where it is wanted.
    void agents(const Filter& filter = {}) {
        with([&](Tx& tx) {
            const auto all = store.all<pb::Task>();
            for (const auto& [id, task] : all) {
                const auto node = store.get<pb::Node>(task->node_id());
                if (!node || node->status().state() != pb::NodeStatus::READY) { continue; }
                if (filter && !filter(*task)) { continue; }
                const auto state = task->status().state();
                if (state < pb::ASSIGNED || is_over(*task)) { continue; }
                if (task->desired_state() >= pb::SHUTDOWN) {
                    put_state(tx, id, pb::SHUTDOWN);
                } else if (state < task->desired_state()) {
                    put_state(tx, id, std::min(task->desired_state(), pb::RUNNING));
                }
            }
        });
    }
    /// Everything that can happen at once without anything failing has happened.
    void work() {
        std::size_t before = 0;
        do {
            before = steps;
            schedule();
            agents();
        } while (steps != before);
    }

    std::size_t steps = 0;        ///< changes so far
    std::size_t most_changes = 0; ///< of one transaction

    void tell(Tx& tx, std::size_t from) {
        const std::vector<Change> changes(tx.changes().begin() + static_cast<long>(from),
                                          tx.changes().end());
        for (const auto& change : changes) {
            for (const auto& reconciler : reconcilers) { reconciler->observe(store, change); }
        }
        steps += changes.size();
    }
    void run(Tx& tx) {
        for (int round = 0; round < 100; ++round) {
            const auto begun = tx.changes().size();
            next.reset();
            for (const auto& reconciler : reconcilers) {
                if (leader_changes) { reconciler->rebuild(store); }
                const auto mark = tx.changes().size();
                const auto wish = reconciler->run(tx);
                if (wish && (!next || *wish < *next)) { next = wish; }
                tell(tx, mark);
            }
            if (tx.changes().size() == begun) { return; }
        }
        ADD_FAILURE() << "the reconcilers do not come to rest";
    }
    void check(const Tx& tx) {
        most_changes = std::max(most_changes, tx.changes().size());
        for (const auto& change : tx.changes()) {
            const auto before = change.old_as<pb::Task>();
            const auto after = change.new_as<pb::Task>();
            if (!before || !after) { continue; }
            EXPECT_GE(after->status().state(), before->status().state()) << change.id;
            EXPECT_GE(after->desired_state(), before->desired_state()) << change.id;
            if (!before->node_id().empty()) { EXPECT_EQ(after->node_id(), before->node_id()); }
        }
    }
};

struct OrchestratorTest : testing::Test, TestCluster {};

} // namespace shoal::swarm
