#include "swarm/orchestrator/update.h"

#include "swarm/orchestrator/global.h"
#include "swarm/orchestrator/reaper.h"
#include "swarm/orchestrator/replicated.h"
#include "swarm/orchestrator/test_cluster.h"

namespace shoal::swarm {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Status = pb::UpdateStatus;

struct Cluster : TestCluster {
    Cluster() {
        add<ReplicatedOrchestrator>();
        add<GlobalOrchestrator>();
        add<TaskReaper>();
        nodes(4);
    }
    /// Runs "old" on as many replicas.
    void begin(std::uint64_t count, const SpecChange& change = {}) {
        service("web", [&](pb::ServiceSpec& s) {
            s.mutable_replicated()->set_replicas(count);
            s.mutable_task()->mutable_container()->set_image("old");
            *s.mutable_task()->mutable_restart()->mutable_delay() = to_duration(seconds(1));
            s.mutable_task()->mutable_restart()->set_condition(pb::RestartPolicy::ANY);
            if (change) { change(s); }
        });
        work();
        pass(minutes(1));
    }
    static SpecChange update_config(const std::function<void(pb::UpdateConfig&)>& change) {
        return [change](pb::ServiceSpec& s) {
            s.mutable_update()->set_parallelism(1);
            *s.mutable_update()->mutable_monitor() = to_duration(seconds(5));
            change(*s.mutable_update());
        };
    }
    static bool is_new(const pb::Task& task) { return task.spec().container().image() == "new"; }
    /// The agents work, but for new tasks those that `fail`.
    void work_but(const Filter& fail) {
        std::size_t before = 0;
        do {
            before = steps;
            schedule();
            for (const auto& task : tasks("web", fail)) {
                if (task->status().state() >= pb::ASSIGNED && !is_over(*task)) {
                    state(task->id(),
                          task->desired_state() >= pb::SHUTDOWN ? pb::SHUTDOWN : pb::FAILED);
                }
            }
            agents([&](const pb::Task& task) { return !fail(task); });
        } while (steps != before);
    }
    /// As many seconds, in which everything works but what is to fail.
    void live(
        int count, const Filter& fail = [](const pb::Task&) { return false; }) {
        for (int i = 0; i < count; ++i) {
            work_but(fail);
            pass(seconds(1));
        }
        work_but(fail);
    }
    std::size_t running_now(const std::string& id = "web") const {
        return tasks(id, [](const pb::Task& t) { return t.status().state() == pb::RUNNING; })
            .size();
    }
    std::size_t made_new() const { return tasks("web", is_new).size(); }
    std::string failed_task() const {
        return tasks(
                   "web",
                   [](const pb::Task& t) { return is_new(t) && t.status().state() == pb::FAILED; })
            .at(0)
            ->id();
    }
};
struct Update : testing::Test, Cluster {};

TEST_F(Update, goes_from_slot_to_slot_and_says_how_far_it_is) {
    begin(3);
    EXPECT_FALSE(service("web")->has_update_status());
    service("web", image("new"));
    EXPECT_EQ(update("web").state(), Status::UPDATING);
    EXPECT_EQ(update("web").message(), "update in progress");
    EXPECT_EQ(update("web").slots(), 3u);
    EXPECT_EQ(made_new(), 1u);
    std::size_t least = 3;
    for (int i = 0; i < 50 && running_of("web", "new") < 3; ++i) {
        schedule();
        agents();
        least = std::min(least, running_now());
    }
    EXPECT_EQ(running_of("web", "new"), 3u);
    EXPECT_EQ(least, 2u);
    EXPECT_EQ(update("web").state(), Status::UPDATING) << "it is watched";
    pass(seconds(4));
    EXPECT_EQ(update("web").state(), Status::UPDATING);
    pass(seconds(1));
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
    EXPECT_EQ(update("web").message(), "update completed");
    EXPECT_EQ(from_timestamp(update("web").completed_at()), now);
}

TEST_F(Update, the_new_task_waits_for_the_old_one_to_stop) {
    begin(1);
    service("web", image("new"));
    schedule();
    const auto made = tasks("web", is_new).at(0)->id();
    EXPECT_EQ(task(made)->desired_state(), pb::READY);
    EXPECT_EQ(running("web").size(), 0u);
    agents([](const auto& t) { return is_new(t); });
    EXPECT_EQ(task(made)->status().state(), pb::READY);
    agents([](const auto& t) { return !is_new(t); });
    EXPECT_EQ(task(made)->desired_state(), pb::RUNNING);
}

TEST_F(Update, parallelism_is_how_many_are_under_way) {
    begin(5, update_config([](auto& c) { c.set_parallelism(2); }));
    service("web", image("new"));
    EXPECT_EQ(made_new(), 2u);
    schedule();
    agents();
    EXPECT_EQ(made_new(), 2u);
    agents();
    EXPECT_EQ(running_of("web", "new"), 2u);
    EXPECT_EQ(made_new(), 4u);
}

TEST_F(Update, parallelism_zero_is_all_at_once) {
    begin(5, update_config([](auto& c) { c.set_parallelism(0); }));
    service("web", image("new"));
    EXPECT_EQ(made_new(), 5u);
}

TEST_F(Update, waits_between_slots_as_long_as_it_is_told) {
    begin(3, update_config([](auto& c) { *c.mutable_delay() = to_duration(seconds(10)); }));
    service("web", image("new"));
    work();
    EXPECT_EQ(running_of("web", "new"), 1u);
    pass(seconds(9));
    EXPECT_EQ(made_new(), 1u);
    pass(seconds(1));
    EXPECT_EQ(made_new(), 2u);
    live(10);
    EXPECT_EQ(running_of("web", "new"), 3u);
    live(10);
    EXPECT_EQ(update("web").state(), Status::UPDATING) << "a delay is watched to its end and more";
    live(1);
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
}

TEST_F(Update, start_first_never_has_fewer_than_asked_for) {
    begin(3, update_config([](auto& c) { c.set_order(pb::UpdateConfig::START_FIRST); }));
    service("web", image("new"));
    for (int i = 0; i < 50 && running_of("web", "new") < 3; ++i) {
        schedule();
        agents();
        EXPECT_GE(running("web").size(), 3u);
    }
    work();
    EXPECT_EQ(running_of("web", "new"), 3u);
    EXPECT_EQ(running_now(), 3u);
}

TEST_F(Update, a_task_that_others_do_not_reach_yet_does_not_count) {
    with_network = true;
    const auto runs_new = [](const pb::Task& t) {
        return is_new(t) && t.status().state() == pb::RUNNING && !t.reachable();
    };
    for (const auto order : {pb::UpdateConfig::START_FIRST, pb::UpdateConfig::STOP_FIRST}) {
        begin(2, update_config([&](auto& c) { c.set_order(order); }));
        for (const auto& task : running("web")) { reach(task->id()); }
        service("web", image("new"));
        live(60);
        EXPECT_EQ(tasks("web", runs_new).size(), 1u) << "the next one waits for it";
        EXPECT_EQ(running_now(), order == pb::UpdateConfig::START_FIRST ? 3u : 2u);
        reach(tasks("web", runs_new).at(0)->id());
        work();
        EXPECT_EQ(tasks("web", runs_new).size(), 1u);
        reach(tasks("web", runs_new).at(0)->id());
        work();
        EXPECT_EQ(running_now(), 2u);
        pass(seconds(4));
        EXPECT_EQ(update("web").state(), Status::UPDATING) << "it is watched from then on";
        pass(seconds(2));
        EXPECT_EQ(update("web").state(), Status::COMPLETED);
    }
}

TEST_F(Update, pauses_at_the_first_failure) {
    begin(4);
    service("web", image("new"));
    work_but(is_new);
    EXPECT_EQ(update("web").state(), Status::PAUSED);
    EXPECT_EQ(update("web").message(),
              "update paused due to failure or early termination of task " + failed_task());
    live(5, is_new);
    EXPECT_EQ(running_of("web", "old"), 3u);
    live(60);
    EXPECT_EQ(running_of("web", "old"), 3u) << "it stays paused";
    EXPECT_EQ(running_of("web", "new"), 1u) << "what failed is started again";
    service("web", [](auto& s) { s.mutable_task()->set_force_update(1); });
    live(60);
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
    EXPECT_EQ(running_of("web", "new"), 4u);
}

TEST_F(Update, a_task_that_completes_early_has_failed) {
    begin(2);
    service("web", image("new"));
    work();
    state(tasks("web", is_new)[0]->id(), pb::COMPLETE);
    EXPECT_EQ(update("web").state(), Status::PAUSED);
}

TEST_F(Update, a_task_that_ran_for_its_time_has_not_failed) {
    begin(4, update_config([](auto& c) { *c.mutable_delay() = to_duration(minutes(1)); }));
    service("web", image("new"));
    live(10);
    ASSERT_EQ(made_new(), 1u);
    EXPECT_EQ(update("web").state(), Status::UPDATING);
    service("web", update_config([](auto& c) { *c.mutable_delay() = to_duration(seconds(1)); }));
    live(6);
    state(tasks("web", [](const auto& t) { return is_new(t) && is_wanted(t); })[0]->id(),
          pb::FAILED);
    EXPECT_EQ(update("web").state(), Status::UPDATING);
    live(30);
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
}

TEST_F(Update, a_failure_after_the_last_slot_still_counts_while_it_is_watched) {
    begin(2);
    service("web", image("new"));
    work();
    ASSERT_EQ(running_of("web", "new"), 2u);
    pass(seconds(4));
    state(running("web")[1]->id(), pb::FAILED);
    EXPECT_EQ(update("web").state(), Status::PAUSED);
}

TEST_F(Update, bears_as_many_failures_as_its_ratio_says) {
    begin(4, update_config([](auto& c) { c.set_max_failure_ratio(0.3F); }));
    service("web", image("new"));
    const auto one = [this](const pb::Task& t) {
        return is_new(t) && t.slot() == 1 && t.restarts() == 0;
    };
    live(30, one);
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
    service("web", [](auto& s) { s.mutable_task()->set_force_update(1); });
    live(30, [](const pb::Task& t) {
        return t.spec().force_update() == 1 && t.slot() <= 2 && t.restarts() == 0;
    });
    EXPECT_EQ(update("web").state(), Status::PAUSED);
}

TEST_F(Update, one_slot_that_fails_again_and_again_is_one_failure) {
    begin(4, update_config([](auto& c) { c.set_max_failure_ratio(0.3F); }));
    service("web", image("new"));
    live(60, [](const pb::Task& t) { return is_new(t) && t.slot() == 1; });
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
    EXPECT_EQ(running_of("web", "new"), 3u);
}

TEST_F(Update, goes_on_whatever_happens_when_it_is_told_to) {
    begin(3, update_config([](auto& c) { c.set_failure_action(pb::UpdateConfig::CONTINUE); }));
    service("web", image("new"));
    live(30, is_new);
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
    EXPECT_EQ(running_of("web", "old"), 0u);
}

TEST_F(Update, start_first_leaves_an_old_task_whose_successor_fails) {
    begin(2, update_config([](auto& c) {
              c.set_order(pb::UpdateConfig::START_FIRST);
              c.set_failure_action(pb::UpdateConfig::CONTINUE);
          }));
    service("web", image("new"));
    live(30, is_new);
    EXPECT_EQ(running_of("web", "old"), 2u);
}

TEST_F(Update, start_first_and_paused_does_not_try_for_ever_beside_the_old_task) {
    begin(2, update_config([](auto& c) { c.set_order(pb::UpdateConfig::START_FIRST); }));
    service("web", image("new"));
    live(30, is_new);
    EXPECT_EQ(update("web").state(), Status::PAUSED);
    EXPECT_EQ(running("web").size(), 2u);
    EXPECT_EQ(wanted("web").size(), 2u);
    EXPECT_EQ(made_new(), 1u);
}

TEST_F(Update, start_first_rolls_back_to_one_task_in_each_slot) {
    begin(3, update_config([](auto& c) {
              c.set_order(pb::UpdateConfig::START_FIRST);
              c.set_failure_action(pb::UpdateConfig::ROLLBACK);
              c.set_parallelism(2);
          }));
    std::vector<std::string> before;
    for (const auto& task : running("web")) { before.push_back(task->id()); }
    service("web", image("new"));
    live(30, is_new);
    EXPECT_EQ(update("web").state(), Status::ROLLBACK_COMPLETED);
    std::vector<std::string> after;
    for (const auto& task : wanted("web")) { after.push_back(task->id()); }
    EXPECT_EQ(after, before) << "the old tasks have never been touched";
}

TEST_F(Update, rolls_back_to_what_was) {
    begin(4, update_config([](auto& c) { c.set_failure_action(pb::UpdateConfig::ROLLBACK); }));
    const auto untouched = running("web")[3]->id();
    service("web", image("new"));
    work_but(is_new);
    EXPECT_EQ(update("web").state(), Status::ROLLBACK_STARTED);
    EXPECT_EQ(update("web").message(),
              "update rolled back due to failure or early termination of task " + failed_task());
    EXPECT_EQ(service("web")->spec().task().container().image(), "old");
    EXPECT_FALSE(service("web")->has_previous_spec());
    EXPECT_EQ(service("web")->spec_version().index(), 3u);
    live(10, is_new);
    EXPECT_EQ(running_of("web", "old"), 4u);
    EXPECT_EQ(update("web").state(), Status::ROLLBACK_COMPLETED);
    EXPECT_EQ(update("web").message(), "rollback completed");
    EXPECT_TRUE(is_wanted(*task(untouched)));
}

TEST_F(Update, without_a_way_back_it_pauses) {
    begin(2, update_config([](auto& c) { c.set_failure_action(pb::UpdateConfig::ROLLBACK); }));
    service("web", image("new"));
    with([&](Tx& tx) {
        auto changed = *service("web");
        changed.clear_previous_spec();
        tx.put(changed);
    });
    live(5, is_new);
    EXPECT_EQ(update("web").state(), Status::PAUSED);
}

TEST_F(Update, a_rollback_that_fails_is_paused_and_not_rolled_back_again) {
    begin(3, [](pb::ServiceSpec& s) {
        s.mutable_update()->set_parallelism(1);
        s.mutable_update()->set_failure_action(pb::UpdateConfig::ROLLBACK);
        s.mutable_rollback()->set_parallelism(1);
        s.mutable_rollback()->set_failure_action(pb::UpdateConfig::ROLLBACK);
    });
    service("web", image("new"));
    const auto later = now;
    live(20, [&](const pb::Task& t) {
        return is_new(t) || from_timestamp(t.meta().created_at()) >= later;
    });
    EXPECT_EQ(update("web").state(), Status::ROLLBACK_PAUSED);
    EXPECT_TRUE(update("web").message().starts_with("rollback paused due to failure"));
}

TEST_F(Update, a_rollback_that_a_user_asks_for_keeps_its_words_and_has_its_own_rules) {
    begin(3, [](pb::ServiceSpec& s) { s.mutable_rollback()->set_parallelism(0); });
    service("web", image("new"));
    live(20);
    ASSERT_EQ(running_of("web", "new"), 3u);
    with([&](Tx& tx) {
        auto back = *service("web");
        std::swap(*back.mutable_spec(), *back.mutable_previous_spec());
        back.mutable_spec_version()->set_index(back.spec_version().index() + 1);
        auto& status = *back.mutable_update_status();
        status.Clear();
        status.set_state(Status::ROLLBACK_STARTED);
        status.set_message("manually requested rollback");
        tx.put(back);
    });
    EXPECT_EQ(update("web").state(), Status::ROLLBACK_STARTED);
    EXPECT_EQ(update("web").message(), "manually requested rollback");
    EXPECT_EQ(tasks("web", [](const auto& t) { return !is_new(t) && is_wanted(t); }).size(), 3u);
    live(6);
    EXPECT_EQ(update("web").state(), Status::ROLLBACK_COMPLETED);
}

TEST_F(Update, a_newer_specification_takes_its_place) {
    begin(3);
    service("web", image("new"));
    schedule();
    service("web", image("newer"));
    EXPECT_EQ(update("web").state(), Status::UPDATING);
    EXPECT_EQ(update("web").slots(), 3u);
    live(30);
    EXPECT_EQ(running_of("web", "newer"), 3u);
    EXPECT_EQ(running_now(), 3u);
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
}

TEST_F(Update, going_back_by_hand_in_the_middle_keeps_the_tasks_that_are_right_again) {
    begin(3);
    const auto last = running("web")[2]->id();
    service("web", image("new"));
    work_but([](const auto& t) { return is_new(t) && t.slot() > 1; });
    service("web", image("old"));
    live(30);
    EXPECT_TRUE(is_wanted(*task(last)));
    EXPECT_EQ(running_of("web", "old"), 3u);
}

TEST_F(Update, a_change_of_scale_is_none) {
    begin(2);
    service("web", replicas(4));
    work();
    EXPECT_FALSE(service("web")->has_update_status());
    EXPECT_EQ(running("web").size(), 4u);
    EXPECT_EQ(tasks("web").size(), 4u);
}

TEST_F(Update, a_change_of_scale_in_the_middle_goes_with_it) {
    begin(3, update_config([](auto& c) { *c.mutable_delay() = to_duration(seconds(2)); }));
    service("web", image("new"));
    live(1);
    service("web", replicas(5));
    live(30);
    EXPECT_EQ(running_of("web", "new"), 5u);
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
}

TEST_F(Update, a_node_lost_in_the_middle_is_no_failure) {
    begin(4);
    service("web", image("new"));
    schedule();
    const auto made = tasks("web", is_new).at(0);
    node_state(made->node_id(), pb::NodeStatus::DOWN);
    live(30);
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
    EXPECT_EQ(running_of("web", "new"), 4u);
}

TEST_F(Update, failures_count_though_no_history_is_kept) {
    with([&](Tx& tx) {
        pb::Cluster cluster;
        cluster.set_id("c");
        cluster.mutable_spec()->mutable_orchestration()->set_task_history_retention_limit(0);
        tx.put(cluster);
    });
    begin(4, update_config([](auto& c) { c.set_max_failure_ratio(0.6F); }));
    service("web", image("new"));
    live(60, is_new);
    EXPECT_EQ(update("web").state(), Status::PAUSED);
    EXPECT_EQ(running_of("web", "old"), 1u);
}

TEST_F(Update, a_finished_task_is_run_again_with_what_is_new) {
    begin(1, [](pb::ServiceSpec& s) {
        s.mutable_task()->mutable_restart()->set_condition(pb::RestartPolicy::NONE);
    });
    state(running("web")[0]->id(), pb::COMPLETE);
    live(10);
    EXPECT_EQ(tasks("web").size(), 1u);
    service("web", image("new"));
    live(10);
    EXPECT_EQ(running_of("web", "new"), 1u);
}

TEST_F(Update, a_clock_that_was_set_back_does_not_stretch_it) {
    begin(2);
    service("web", image("new"));
    work();
    now -= minutes(60);
    settle();
    live(6);
    EXPECT_EQ(update("web").state(), Status::COMPLETED);
}

/// Everything in the store, as text.
std::string picture(const Store& store) {
    std::string all;
    for (const auto& [id, service] : store.all<pb::Service>()) { all += stable_bytes(*service); }
    for (const auto& [id, task] : store.all<pb::Task>()) { all += stable_bytes(*task); }
    return all;
}

void tell_a_story(Cluster& cluster, pb::UpdateConfig::UpdateOrder order,
                  pb::UpdateConfig::FailureAction on_failure, std::vector<std::string>& pictures) {
    cluster.begin(6, Cluster::update_config([&](auto& c) {
                      c.set_parallelism(2);
                      c.set_order(order);
                      c.set_failure_action(on_failure);
                      c.set_max_failure_ratio(0.2F);
                      *c.mutable_delay() = to_duration(seconds(3));
                  }));
    cluster.service("web", Cluster::image("new"));
    for (int i = 0; i < 60; ++i) {
        cluster.schedule();
        pictures.push_back(picture(cluster.store));
        for (const auto& task : cluster.tasks("web", Cluster::is_new)) {
            if (task->slot() % 3 == 0 && task->status().state() >= pb::READY) {
                cluster.state(task->id(), pb::FAILED);
            }
        }
        cluster.agents();
        pictures.push_back(picture(cluster.store));
        cluster.pass(std::chrono::milliseconds(700));
        if (i == 20) { cluster.availability("n1", pb::NodeSpec::DRAIN); }
        pictures.push_back(picture(cluster.store));
    }
}

TEST(UpdateStory, is_the_same_when_the_leader_changes_before_every_step) {
    for (const auto order : {pb::UpdateConfig::STOP_FIRST, pb::UpdateConfig::START_FIRST}) {
        for (const auto on_failure :
             {pb::UpdateConfig::PAUSE, pb::UpdateConfig::CONTINUE, pb::UpdateConfig::ROLLBACK}) {
            Cluster one;
            Cluster other;
            other.leader_changes = true;
            std::vector<std::string> with_one;
            std::vector<std::string> with_many;
            tell_a_story(one, order, on_failure, with_one);
            tell_a_story(other, order, on_failure, with_many);
            ASSERT_EQ(with_one.size(), with_many.size());
            for (std::size_t i = 0; i < with_one.size(); ++i) {
                ASSERT_EQ(with_one[i], with_many[i]) << order << on_failure << " at " << i;
            }
            EXPECT_NE(one.update("web").state(), Status::UPDATING);
        }
    }
}

} // namespace
} // namespace shoal::swarm
