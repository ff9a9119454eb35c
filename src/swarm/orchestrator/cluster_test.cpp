// All orchestrators together under random events.
#include "swarm/orchestrator/enforcer.h"
#include "swarm/orchestrator/global.h"
#include "swarm/orchestrator/jobs.h"
#include "swarm/orchestrator/reaper.h"
#include "swarm/orchestrator/rebalance.h"
#include "swarm/orchestrator/replicated.h"
#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// A cluster to which things happen.
struct Life : TestCluster {
    explicit Life(std::uint64_t seed) : dice(seed) {
        random.state = seed * 77;
        add<ReplicatedOrchestrator>();
        add<GlobalOrchestrator>();
        add<JobOrchestrator>();
        add<ConstraintEnforcer>();
        add<Rebalancer>();
        add<TaskReaper>();
        nodes(5);
        for (const std::string id : {"web", "db"}) {
            service(id, [&](pb::ServiceSpec& s) {
                s.mutable_replicated()->set_replicas(1 + below(8));
                configure(s);
            });
        }
        service("agent", [&](pb::ServiceSpec& s) {
            s.mutable_global();
            configure(s);
        });
        service("job", [&](pb::ServiceSpec& s) {
            s.mutable_replicated_job()->set_total_completions(6);
            s.mutable_replicated_job()->set_max_concurrent(2);
        });
        service("once", [&](pb::ServiceSpec& s) { s.mutable_global_job(); });
    }

    std::uint64_t below(std::uint64_t limit) { return dice.next() % limit; }
    bool one_in(std::uint64_t count) { return below(count) == 0; }
    std::string some_node() { return "n" + std::to_string(1 + below(5)); }

    void configure(pb::ServiceSpec& spec) {
        auto& task = *spec.mutable_task();
        task.mutable_container()->set_image("v" + std::to_string(below(1000)));
        task.mutable_restart()->set_condition(pb::RestartPolicy::ANY);
        *task.mutable_restart()->mutable_delay() = to_duration(milliseconds(below(3000)));
        for (auto* config : {spec.mutable_update(), spec.mutable_rollback()}) {
            config->set_parallelism(below(3));
            config->set_order(one_in(2) ? pb::UpdateConfig::START_FIRST
                                        : pb::UpdateConfig::STOP_FIRST);
            config->set_failure_action(one_in(2) ? pb::UpdateConfig::ROLLBACK
                                                 : pb::UpdateConfig::CONTINUE);
            config->set_max_failure_ratio(0.4F);
        }
        if (one_in(3)) {
            (*spec.mutable_annotations()->mutable_labels())["shoal.rebalance"] = "auto";
        }
    }

    void something_happens() {
        switch (below(14)) {
        case 0:
            return node_state(some_node(), pb::NodeStatus::DOWN);
        case 1:
            return availability(some_node(), pb::NodeSpec::DRAIN);
        case 2:
            return availability(some_node(), pb::NodeSpec::PAUSE);
        case 3:
        case 4: {
            const auto id = some_node();
            node_state(id, pb::NodeStatus::READY);
            return availability(id, pb::NodeSpec::ACTIVE);
        }
        case 5:
            return remove_node(some_node());
        case 6:
            return service("web", replicas(below(10)));
        case 7:
            return service(one_in(2) ? "db" : "agent", [&](auto& s) { configure(s); });
        case 8:
            return with([&](Tx& tx) { request_rebalance(tx, *service("web")); });
        case 9:
            return node_state(some_node(), pb::NodeStatus::DISCONNECTED);
        case 10:
            for (const auto& reconciler : reconcilers) { reconciler->rebuild(store); }
            return settle();
        default:
            return some_task_ends();
        }
    }
    void some_task_ends() {
        const auto all = store.all<pb::Task>();
        for (const auto& [id, task] : all) {
            if (task->status().state() >= pb::ASSIGNED && !is_over(*task) && one_in(10)) {
                state(id, one_in(4) ? pb::COMPLETE : pb::FAILED);
            }
        }
    }
    /// Some of the agents get something done, and some time passes.
    void live_a_little() {
        if (!one_in(3)) { schedule(); }
        agents([&](const pb::Task&) { return one_in(2); });
        pass(milliseconds(below(2000)));
    }
    /// Nothing happens any more, and everything works.
    void quiet() {
        for (int i = 1; i <= 5; ++i) {
            const auto id = "n" + std::to_string(i);
            node_state(id, pb::NodeStatus::READY);
            availability(id, pb::NodeSpec::ACTIVE);
        }
        for (int i = 0; i < 180; ++i) {
            work();
            for (const std::string id : {"job", "once"}) {
                for (const auto& task : running(id)) { state(task->id(), pb::COMPLETE); }
            }
            pass(seconds(1));
        }
        work();
    }
    void expect_running(const std::string& id, std::size_t count) {
        const auto image = service(id)->spec().task().container().image();
        EXPECT_EQ(running(id).size(), count) << id;
        EXPECT_EQ(wanted(id).size(), count) << id;
        EXPECT_EQ(running_of(id, image), count) << id << ' ' << update(id).message();
        std::set<SlotKey> slots;
        for (const auto& task : running(id)) { slots.insert(slot_of(*service(id), *task)); }
        EXPECT_EQ(slots.size(), count) << id << ": one task in each slot";
    }
    std::size_t completed(const std::string& id) const {
        std::set<SlotKey> slots;
        for (const auto& task : tasks(id)) {
            if (task->status().state() == pb::COMPLETE) {
                slots.insert(slot_of(*service(id), *task));
            }
        }
        return slots.size();
    }

    TestRandom dice;
};

TEST(LifeOfACluster, whatever_happens_comes_to_what_the_services_ask_for) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Life life(seed);
        life.leader_changes = seed % 4 == 0;
        for (int i = 0; i < 150; ++i) {
            life.something_happens();
            life.live_a_little();
        }
        life.quiet();
        life.expect_running("web", life.service("web")->spec().replicated().replicas());
        life.expect_running("db", life.service("db")->spec().replicated().replicas());
        life.expect_running("agent", 5);
        EXPECT_EQ(life.completed("job"), 6u);
        EXPECT_EQ(life.completed("once"), 5u);
        EXPECT_FALSE(is_updating(*life.service("db")));
        for (const std::string id : {"web", "db", "agent"}) { life.remove_service(id); }
        life.work();
        EXPECT_TRUE(life.tasks("web").empty());
        if (testing::Test::HasFailure()) { return; }
    }
}

} // namespace
} // namespace shoal::swarm
