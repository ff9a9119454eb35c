#include "swarm/orchestrator/rebalance.h"

#include "swarm/orchestrator/reaper.h"
#include "swarm/orchestrator/replicated.h"
#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

struct Rebalance : OrchestratorTest {
    Rebalance() {
        add<ReplicatedOrchestrator>();
        add<Rebalancer>();
        add<TaskReaper>();
    }
    /// All on n1, then n2 and n3 come.
    void uneven(std::uint64_t count, const SpecChange& change = {}) {
        node("n1");
        service("web", [&](pb::ServiceSpec& s) {
            s.mutable_replicated()->set_replicas(count);
            if (change) { change(s); }
        });
        work();
        node("n2");
        node("n3");
    }
    void ask() {
        with([&](Tx& tx) { request_rebalance(tx, *service("web")); });
    }
    std::optional<Move> plan(const FitsNode& fits = {}) const {
        return plan_rebalance(store, "web", fits);
    }
    std::size_t on(const std::string& node) const {
        return tasks("web",
                     [&](const auto& t) {
                         return t.status().state() == pb::RUNNING && t.node_id() == node;
                     })
            .size();
    }
    const pb::Rebalance& request() const { return service("web")->rebalance(); }
    void live(int count) {
        for (int i = 0; i < count; ++i) {
            work();
            pass(seconds(1));
        }
        work();
    }
};

TEST_F(Rebalance, plans_nothing_where_nothing_differs_by_more_than_one) {
    nodes(3);
    service("web", replicas(4));
    work();
    EXPECT_FALSE(plan());
    EXPECT_FALSE(plan_rebalance(store, "other", {}));
}

TEST_F(Rebalance, plans_a_move_from_the_most_to_the_fewest) {
    uneven(3);
    const auto move = plan();
    ASSERT_TRUE(move);
    EXPECT_EQ(move->from, "n1");
    EXPECT_EQ(move->to, "n2");
}

TEST_F(Rebalance, shows_all_moves_that_would_follow_each_other) {
    uneven(6);
    const auto moves = plan_whole_rebalance(store, "web", {});
    ASSERT_EQ(moves.size(), 4u);
    std::map<std::string, int> to;
    std::set<std::string> moved;
    for (const auto& move : moves) {
        EXPECT_EQ(move.from, "n1");
        ++to[move.to];
        moved.insert(move.task_id);
    }
    EXPECT_EQ(moved.size(), 4u);
    EXPECT_EQ(to, (std::map<std::string, int>{{"n2", 2}, {"n3", 2}}));
    EXPECT_EQ(on("n1"), 6u) << "it is only a plan";
    EXPECT_TRUE(plan_whole_rebalance(store, "other", {}).empty());
}

TEST_F(Rebalance, plans_only_what_is_allowed) {
    uneven(4,
           [](auto& s) { s.mutable_task()->mutable_placement()->add_constraints("node.id!=n2"); });
    EXPECT_EQ(plan()->to, "n3");
    EXPECT_FALSE(plan([](const pb::Task&, const pb::Node& n) { return n.id() != "n3"; }));
    availability("n3", pb::NodeSpec::PAUSE);
    EXPECT_FALSE(plan());
}

TEST_F(Rebalance, evens_out_the_branches_of_a_preference_before_their_nodes) {
    const auto in_zone = [](const std::string& zone) {
        return [zone](pb::Node& n) {
            (*n.mutable_spec()->mutable_annotations()->mutable_labels())["zone"] = zone;
        };
    };
    node("a1", in_zone("a"));
    node("b1", in_zone("b"));
    node("b2", in_zone("b"));
    node("b3", in_zone("b"));
    service("web", [](auto& s) {
        s.mutable_replicated()->set_replicas(6);
        s.mutable_task()
            ->mutable_placement()
            ->add_preferences()
            ->mutable_spread()
            ->set_spread_descriptor("node.labels.zone");
    });
    const auto place = [&](const std::vector<std::string>& places) {
        with([&](Tx& tx) {
            auto next = places.begin();
            for (const auto& task : wanted("web")) {
                auto placed = *task;
                placed.set_node_id(*next++);
                tx.put(placed);
                put_state(tx, task->id(), pb::RUNNING);
            }
        });
    };
    place({"a1", "a1", "a1", "b1", "b2", "b3"});
    EXPECT_FALSE(plan()) << "three in each zone";
    for (const auto& task : wanted("web")) { store.apply(Kind::Task, task->id(), {}); }
    service("web", replicas(6));
    reconcilers[0]->rebuild(store);
    settle();
    place({"a1", "b1", "b1", "b1", "b2", "b3"});
    EXPECT_EQ(plan()->from, "b1");
    EXPECT_EQ(plan()->to, "a1");
}

TEST_F(Rebalance, a_preference_is_read_as_the_scheduler_reads_it) {
    const auto in_zone = [](const std::string& zone) {
        return [zone](pb::Node& n) {
            (*n.mutable_spec()->mutable_annotations()->mutable_labels())["zone"] = zone;
        };
    };
    node("a1", in_zone("a"));
    service("web", [](auto& s) {
        s.mutable_replicated()->set_replicas(4);
        s.mutable_task()
            ->mutable_placement()
            ->add_preferences()
            ->mutable_spread()
            ->set_spread_descriptor("Node.Labels.zone");
    });
    work();
    ASSERT_EQ(on("a1"), 4u);
    node("a2", in_zone("a"));
    node("b1", in_zone("b"));
    ASSERT_TRUE(plan());
    EXPECT_EQ(plan()->to, "b1") << "the other zone comes before the other node";
}

TEST_F(Rebalance, moves_one_task_after_another_when_asked) {
    uneven(6);
    live(10);
    EXPECT_EQ(on("n1"), 6u) << "nobody has asked";
    ask();
    EXPECT_EQ(request().state(), pb::Rebalance::REQUESTED);
    work();
    EXPECT_EQ(on("n1"), 5u);
    EXPECT_EQ(running("web").size(), 6u);
    live(4);
    EXPECT_EQ(on("n1"), 5u) << "the first is still watched";
    live(30);
    EXPECT_EQ(on("n1"), 2u);
    EXPECT_EQ(on("n2"), 2u);
    EXPECT_EQ(on("n3"), 2u);
    EXPECT_EQ(request().state(), pb::Rebalance::DONE);
    EXPECT_EQ(request().moved(), 4u);
    EXPECT_EQ(request().message(), "rebalance completed, 4 tasks moved");
}

TEST_F(Rebalance, does_not_stop_a_task_before_the_new_one_is_ready) {
    uneven(2);
    ask();
    schedule();
    ASSERT_EQ(wanted("web").size(), 3u);
    const auto made = tasks("web", [](const auto& t) { return t.of_rebalance(); }).at(0);
    EXPECT_EQ(made->desired_state(), pb::READY);
    EXPECT_EQ(running("web").size(), 2u);
    state(made->id(), pb::PREPARING);
    EXPECT_EQ(running("web").size(), 2u);
    state(made->id(), pb::READY);
    EXPECT_EQ(running("web").size(), 1u);
    EXPECT_EQ(task(made->id())->desired_state(), pb::READY);
    work();
    EXPECT_EQ(running("web").size(), 2u);
}

TEST_F(Rebalance, starts_first_when_the_services_updates_do) {
    uneven(4, [](auto& s) { s.mutable_update()->set_order(pb::UpdateConfig::START_FIRST); });
    ask();
    for (int i = 0; i < 60; ++i) {
        schedule();
        agents();
        EXPECT_GE(running("web").size(), 4u);
        pass(seconds(1));
    }
    work();
    EXPECT_LE(on("n1"), 2u);
    EXPECT_EQ(request().state(), pb::Rebalance::DONE);
}

TEST_F(Rebalance, stops_at_a_task_that_does_not_come_up) {
    uneven(4);
    ask();
    schedule();
    const auto made = tasks("web", [](const auto& t) { return t.of_rebalance(); }).at(0);
    state(made->id(), pb::REJECTED);
    EXPECT_EQ(request().state(), pb::Rebalance::STOPPED);
    EXPECT_EQ(request().message(),
              "rebalance stopped due to failure or early termination of task " + made->id());
    EXPECT_EQ(request().moved(), 0u);
    live(20);
    EXPECT_EQ(on("n1"), 4u);
    EXPECT_EQ(wanted("web").size(), 4u);
}

TEST_F(Rebalance, gives_up_a_node_that_does_not_take_the_task) {
    uneven(4);
    ask();
    pass(seconds(59));
    EXPECT_EQ(request().state(), pb::Rebalance::REQUESTED);
    pass(seconds(1));
    EXPECT_EQ(request().state(), pb::Rebalance::STOPPED);
    live(20);
    EXPECT_EQ(on("n1"), 4u);
    EXPECT_EQ(wanted("web").size(), 4u);
}

TEST_F(Rebalance, survives_the_old_task_dying_in_between) {
    uneven(2);
    ask();
    schedule();
    const auto made = tasks("web", [](const auto& t) { return t.of_rebalance(); }).at(0);
    const auto old = tasks("web", [&](const auto& t) {
                         return t.slot() == made->slot() && t.id() != made->id();
                     }).at(0);
    state(old->id(), pb::FAILED);
    live(20);
    EXPECT_EQ(running("web").size(), 2u);
    EXPECT_EQ(request().state(), pb::Rebalance::DONE);
}

TEST_F(Rebalance, goes_by_itself_when_a_node_returns_and_the_service_says_so) {
    uneven(6, [](auto& s) {
        (*s.mutable_annotations()->mutable_labels())[std::string(rebalance_label)] = "auto";
    });
    live(60);
    EXPECT_EQ(on("n1"), 2u);
    node_state("n2", pb::NodeStatus::DOWN);
    live(20);
    EXPECT_EQ(on("n1"), 3u);
    node_state("n2", pb::NodeStatus::READY);
    live(60);
    EXPECT_EQ(on("n2"), 2u);
}

TEST_F(Rebalance, waits_for_an_update) {
    uneven(4);
    service("web", image("new"));
    ask();
    EXPECT_EQ(tasks("web", [](const auto& t) { return t.of_rebalance(); }).size(), 0u);
    live(90);
    EXPECT_EQ(request().state(), pb::Rebalance::DONE);
}

TEST_F(Rebalance, goes_on_when_the_service_is_scaled_in_the_middle) {
    uneven(4);
    ask();
    schedule();
    service("web", replicas(6));
    live(60);
    EXPECT_EQ(request().state(), pb::Rebalance::DONE);
    EXPECT_EQ(wanted("web").size(), 6u);
    EXPECT_EQ(on("n1"), 2u);
}

TEST_F(Rebalance, goes_on_under_a_new_leader) {
    leader_changes = true;
    uneven(6);
    ask();
    live(40);
    EXPECT_EQ(on("n1"), 2u);
    EXPECT_EQ(request().state(), pb::Rebalance::DONE);
}

} // namespace
} // namespace shoal::swarm
