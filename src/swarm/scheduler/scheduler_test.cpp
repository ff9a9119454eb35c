#include "swarm/scheduler/scheduler.h"

#include "swarm/scheduler/filters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;

struct Counting final : Random {
    void fill(std::span<std::uint8_t> out) override {
        for (auto& byte : out) { byte = next++; }
    }
    std::uint8_t next = 0;
};

std::string numbered(std::string_view prefix, int number) {
    const auto digits = std::to_string(number);
    return std::string(prefix) + std::string(6 - digits.size(), '0') + digits;
}

struct SchedulerTest : testing::Test {
    Store store;
    Counting random;
    Instant now{1000s};
    Scheduler scheduler;

    void commit(const Tx& tx) {
        for (const Change& change : tx.changes()) { scheduler.observe(store, change); }
    }
    template <class T> void put(T object) {
        Tx tx(store, now, random);
        tx.put(std::move(object));
        commit(tx);
    }
    /// What the leader does; gives how many objects changed.
    std::size_t run() {
        Tx tx(store, now, random);
        scheduler.run(tx);
        commit(tx);
        return tx.changes().size();
    }
    using NodeChange = std::function<void(pb::Node&)>;
    void add_node(const std::string& id, const NodeChange& change = {}) {
        pb::Node node;
        node.set_id(id);
        node.mutable_status()->set_state(pb::NodeStatus::READY);
        node.mutable_description()->set_shoal_version("1");
        if (change) { change(node); }
        put(node);
    }
    using TaskChange = std::function<void(pb::Task&)>;
    static pb::Task task(const std::string& service, int number, const TaskChange& change = {}) {
        pb::Task made;
        made.set_id(numbered(service + "-", number));
        made.set_service_id(service);
        made.set_slot(static_cast<std::uint64_t>(number));
        made.mutable_status()->set_state(pb::PENDING);
        made.set_desired_state(pb::RUNNING);
        if (change) { change(made); }
        return made;
    }
    void add_tasks(const std::string& service, int count, const TaskChange& change = {}) {
        for (int i = 1; i <= count; ++i) { put(task(service, i, change)); }
    }
    void change_task(const std::string& id, const TaskChange& change) {
        pb::Task changed = *store.get<pb::Task>(id);
        change(changed);
        put(changed);
    }
    std::size_t count(const std::string& node) { return store.tasks_of_node(node).size(); }
    std::string node_of(const std::string& id) { return store.get<pb::Task>(id)->node_id(); }
    std::string error_of(const std::string& id) { return store.get<pb::Task>(id)->status().err(); }
};

void reserve_memory(pb::Task& task, std::int64_t bytes) {
    task.mutable_spec()->mutable_resources()->mutable_reservations()->set_memory_bytes(bytes);
}
void give_memory(pb::Node& node, std::int64_t bytes) {
    node.mutable_description()->mutable_resources()->set_memory_bytes(bytes);
}
void label(pb::Node& node, const std::string& key, const std::string& value) {
    (*node.mutable_spec()->mutable_annotations()->mutable_labels())[key] = value;
}
void publish(pb::Task& task, std::uint32_t port, pb::PortConfig::PublishMode mode) {
    auto& published = *task.mutable_endpoint()->add_ports();
    published.set_published_port(port);
    published.set_target_port(80);
    published.set_publish_mode(mode);
}

TEST_F(SchedulerTest, tasks_of_a_service_are_spread_over_the_nodes) {
    for (const char* id : {"a", "b", "c"}) { add_node(id); }
    add_tasks("web", 7);
    run();
    EXPECT_EQ(count("a"), 3u);
    EXPECT_EQ(count("b"), 2u);
    EXPECT_EQ(count("c"), 2u);
    const auto placed = store.get<pb::Task>("web-000001");
    EXPECT_EQ(placed->node_id(), "a");
    EXPECT_EQ(placed->status().state(), pb::ASSIGNED);
    EXPECT_EQ(run(), 0u);
}

TEST_F(SchedulerTest, fewest_of_the_service_goes_before_fewest_in_total) {
    add_node("a");
    add_node("b");
    for (int i = 1; i <= 5; ++i) {
        put(task("other", i, [](pb::Task& t) {
            t.set_node_id("a");
            t.mutable_status()->set_state(pb::RUNNING);
        }));
    }
    put(task("web", 1, [](pb::Task& t) {
        t.set_node_id("b");
        t.mutable_status()->set_state(pb::RUNNING);
    }));
    put(task("web", 2));
    run();
    EXPECT_EQ(node_of("web-000002"), "a");
    put(task("shop", 1));
    run();
    EXPECT_EQ(node_of("shop-000001"), "b"); // fewest in total
}

TEST_F(SchedulerTest,
       a_node_that_failed_the_service_five_times_is_the_last_choice_for_five_minutes) {
    add_node("a");
    add_node("b");
    for (int i = 1; i <= 5; ++i) {
        put(task("web", i, [this](pb::Task& t) {
            t.set_node_id("a");
            t.mutable_status()->set_state(pb::FAILED);
            *t.mutable_status()->mutable_applied_at() = to_timestamp(now);
        }));
    }
    for (int i = 6; i <= 8; ++i) { put(task("web", i)); }
    run();
    for (const char* id : {"web-000006", "web-000007", "web-000008"}) {
        EXPECT_EQ(node_of(id), "b") << id;
    }
    put(task("web", 9, [](pb::Task& t) { t.mutable_spec_version()->set_index(2); }));
    run();
    EXPECT_EQ(node_of("web-000009"), "a"); // another version has not failed
    now += 301s;
    put(task("web", 10));
    run();
    EXPECT_EQ(node_of("web-000010"), "a");
}

TEST_F(SchedulerTest, reasons_are_counted_and_written_once) {
    add_node("small", [](pb::Node& n) { give_memory(n, 100); });
    add_node("tiny", [](pb::Node& n) { give_memory(n, 10); });
    add_node("down", [](pb::Node& n) { n.mutable_status()->set_state(pb::NodeStatus::DOWN); });
    add_tasks("web", 1, [](pb::Task& t) { reserve_memory(t, 500); });
    EXPECT_EQ(run(), 1u);
    EXPECT_EQ(error_of("web-000001"), "no suitable node (insufficient resources on 2 nodes; "
                                      "1 node not available for new tasks)");
    EXPECT_EQ(store.get<pb::Task>("web-000001")->status().state(), pb::PENDING);
    EXPECT_EQ(run(), 0u);
    add_node("other", [](pb::Node& n) { give_memory(n, 1); });
    EXPECT_EQ(run(), 1u);
    EXPECT_THAT(error_of("web-000001"), testing::HasSubstr("insufficient resources on 3 nodes"));
    add_node("big", [](pb::Node& n) { give_memory(n, 1000); });
    run();
    EXPECT_EQ(node_of("web-000001"), "big");
    EXPECT_EQ(error_of("web-000001"), "");
}

TEST_F(SchedulerTest, without_nodes_there_is_no_suitable_node) {
    add_tasks("web", 1);
    run();
    EXPECT_EQ(error_of("web-000001"), "no suitable node");
}

TEST_F(SchedulerTest, reservations_are_given_back_when_a_task_has_ended_not_when_it_should_end) {
    add_node("a", [](pb::Node& n) { give_memory(n, 100); });
    add_tasks("web", 2, [](pb::Task& t) { reserve_memory(t, 60); });
    run();
    EXPECT_EQ(node_of("web-000001"), "a");
    EXPECT_EQ(node_of("web-000002"), "");
    change_task("web-000001", [](pb::Task& t) { t.set_desired_state(pb::SHUTDOWN); });
    run();
    EXPECT_EQ(node_of("web-000002"), "");
    change_task("web-000001", [](pb::Task& t) { t.mutable_status()->set_state(pb::SHUTDOWN); });
    run();
    EXPECT_EQ(node_of("web-000002"), "a");
}

TEST_F(SchedulerTest, a_rebuilt_scheduler_decides_the_same) {
    add_node("a", [](pb::Node& n) { give_memory(n, 100); });
    add_tasks("web", 2, [](pb::Task& t) { reserve_memory(t, 60); });
    run();
    scheduler.rebuild(store);
    EXPECT_EQ(run(), 0u);
    EXPECT_EQ(node_of("web-000002"), "");
}

TEST_F(SchedulerTest, a_preassigned_task_goes_to_its_node_or_waits_for_it) {
    add_node("a");
    add_node("b", [](pb::Node& n) { n.mutable_spec()->set_availability(pb::NodeSpec::PAUSE); });
    put(task("agent", 1, [](pb::Task& t) { t.set_node_id("a"); }));
    put(task("agent", 2, [](pb::Task& t) { t.set_node_id("b"); }));
    put(task("agent", 3, [](pb::Task& t) { t.set_node_id("gone"); }));
    run();
    EXPECT_EQ(store.get<pb::Task>("agent-000001")->status().state(), pb::ASSIGNED);
    EXPECT_EQ(error_of("agent-000002"), "no suitable node (1 node not available for new tasks)");
    EXPECT_THAT(error_of("agent-000003"), testing::HasSubstr("does not exist"));
    add_node("b");
    run();
    EXPECT_EQ(store.get<pb::Task>("agent-000002")->status().state(), pb::ASSIGNED);
}

TEST_F(SchedulerTest, what_a_node_asks_for_its_own_containers_it_gets_when_it_is_drained) {
    add_node("a", [](pb::Node& n) { n.mutable_spec()->set_availability(pb::NodeSpec::DRAIN); });
    add_node("down", [](pb::Node& n) { n.mutable_status()->set_state(pb::NodeStatus::DOWN); });
    for (const char* node : {"a", "down"}) {
        auto attachment = task("", 1, [node](pb::Task& t) {
            t.set_id(std::string("on-") + node);
            t.set_node_id(node);
            t.mutable_spec()->mutable_attachment()->set_container_id("c");
        });
        put(attachment);
    }
    run();
    EXPECT_EQ(store.get<pb::Task>("on-a")->status().state(), pb::ASSIGNED);
    EXPECT_EQ(store.get<pb::Task>("on-down")->status().state(), pb::PENDING);
    EXPECT_NE(error_of("on-down"), "");
}

TEST_F(SchedulerTest, preassigned_tasks_take_their_room_first) {
    add_node("a", [](pb::Node& n) { give_memory(n, 100); });
    put(task("alpha", 1, [](pb::Task& t) { reserve_memory(t, 60); }));
    put(task("zeta", 1, [](pb::Task& t) {
        reserve_memory(t, 60);
        t.set_node_id("a");
    }));
    run();
    EXPECT_EQ(store.get<pb::Task>("zeta-000001")->status().state(), pb::ASSIGNED);
    EXPECT_EQ(node_of("alpha-000001"), "");
}

TEST_F(SchedulerTest, scarce_room_goes_to_another_service_every_time) {
    add_node("a", [](pb::Node& n) { give_memory(n, 100); });
    const auto large = [](pb::Task& t) { reserve_memory(t, 60); };
    for (const char* service : {"alpha", "beta", "gamma"}) { add_tasks(service, 4, large); }
    add_tasks("aardvark", 1, [](pb::Task& t) { reserve_memory(t, 1000); }); // fits nowhere
    std::vector<std::string> served;
    for (int i = 0; i < 6; ++i) {
        run();
        for (const auto& [id, task] : store.tasks_of_node("a")) {
            if (is_terminal(task->status().state())) { continue; }
            served.push_back(task->service_id());
            change_task(id, [](pb::Task& t) { t.mutable_status()->set_state(pb::COMPLETE); });
            break;
        }
    }
    const std::vector<std::string> wanted{"alpha", "beta", "gamma", "alpha", "beta", "gamma"};
    EXPECT_EQ(served, wanted);
}

TEST_F(SchedulerTest, failures_count_for_their_time_however_short_the_history_is) {
    add_node("a");
    add_node("b");
    for (int i = 1; i <= 5; ++i) {
        put(task("web", i, [this](pb::Task& t) {
            t.set_node_id("a");
            t.mutable_status()->set_state(pb::FAILED);
            *t.mutable_status()->mutable_applied_at() = to_timestamp(now);
        }));
        Tx tx(store, now, random); // the reaper keeps nothing
        tx.erase<pb::Task>(numbered("web-", i));
        commit(tx);
    }
    put(task("web", 6));
    run();
    EXPECT_EQ(node_of("web-000006"), "b");
    put(task("web", 7));
    put(task("web", 8, [](pb::Task& t) { t.mutable_spec_version()->set_index(2); }));
    run();
    EXPECT_EQ(node_of("web-000007"), "b");
    EXPECT_EQ(node_of("web-000008"), "a") << "another version has not failed";
    now += failures_window + 1s;
    put(task("web", 9));
    run();
    EXPECT_EQ(node_of("web-000009"), "a");
}

TEST_F(SchedulerTest, constraints_and_platforms_choose_nodes) {
    add_node("a", [](pb::Node& n) {
        label(n, "disk", "hdd");
        n.mutable_description()->mutable_platform()->set_architecture("x86_64");
    });
    add_node("b", [](pb::Node& n) {
        label(n, "disk", "ssd");
        n.mutable_description()->mutable_platform()->set_architecture("aarch64");
    });
    put(task("db", 1, [](pb::Task& t) {
        t.mutable_spec()->mutable_placement()->add_constraints("node.labels.disk==ssd");
    }));
    put(task("old", 1, [](pb::Task& t) {
        t.mutable_spec()->mutable_placement()->add_platforms()->set_architecture("amd64");
    }));
    put(task("sparc", 1, [](pb::Task& t) {
        t.mutable_spec()->mutable_placement()->add_platforms()->set_architecture("sparc");
    }));
    run();
    EXPECT_EQ(node_of("db-000001"), "b");
    EXPECT_EQ(node_of("old-000001"), "a");
    EXPECT_EQ(error_of("sparc-000001"), "no suitable node (unsupported platform on 2 nodes)");
}

TEST_F(SchedulerTest, a_host_port_is_used_once_per_node) {
    add_node("a");
    add_node("b");
    add_tasks("web", 3, [](pb::Task& t) { publish(t, 8080, pb::PortConfig::HOST); });
    run();
    EXPECT_EQ(count("a"), 1u);
    EXPECT_EQ(count("b"), 1u);
    EXPECT_EQ(error_of("web-000003"),
              "no suitable node (host-mode port already in use on 2 nodes)");
}

TEST_F(SchedulerTest, no_more_replicas_per_node_than_allowed) {
    add_node("a");
    add_node("b");
    add_tasks("web", 5,
              [](pb::Task& t) { t.mutable_spec()->mutable_placement()->set_max_replicas(2); });
    run();
    EXPECT_EQ(count("a"), 2u);
    EXPECT_EQ(count("b"), 2u);
    EXPECT_EQ(error_of("web-000005"),
              "no suitable node (max replicas per node limit exceed on 2 nodes)");
}

TEST_F(SchedulerTest, plugins_that_a_node_does_not_list_are_named) {
    const auto list = [](pb::Node& n, const std::string& type, const std::string& name) {
        auto& plugin = *n.mutable_description()->mutable_engine()->add_plugins();
        plugin.set_type(type);
        plugin.set_name(name);
    };
    add_node("a", [&](pb::Node& n) { list(n, "Log", "json-file"); });
    add_node("b", [&](pb::Node& n) { list(n, "Volume", "nfs:latest"); });
    const auto volume = [](pb::Task& t) {
        auto& mount = *t.mutable_spec()->mutable_container()->add_mounts();
        mount.set_type(pb::Mount::VOLUME);
        mount.mutable_volume_options()->mutable_driver_config()->set_name("nfs");
    };
    put(task("files", 1, volume));
    const auto log = [](pb::Task& t) { t.mutable_spec()->mutable_log_driver()->set_name("gelf"); };
    put(task("logs", 1, log));
    put(task("both", 1, [&](pb::Task& t) {
        log(t);
        volume(t);
        t.mutable_spec()->mutable_placement()->add_constraints("node.id==a");
    }));
    run();
    EXPECT_EQ(node_of("files-000001"), "b");
    EXPECT_EQ(node_of("logs-000001"), "b"); // lists no log drivers at all, so nobody knows
    EXPECT_EQ(error_of("both-000001"), "no suitable node (missing plugin nfs (volume) on 1 node; "
                                       "scheduling constraints not satisfied on 1 node)");
}

TEST_F(SchedulerTest, stock_engines_get_no_overlay_no_ingress_and_none_of_our_extensions) {
    add_node("stock", [](pb::Node& n) { n.mutable_description()->clear_shoal_version(); });
    put(task("web", 1, [](pb::Task& t) { publish(t, 80, pb::PortConfig::INGRESS); }));
    put(task("net", 1, [](pb::Task& t) {
        t.add_networks()->mutable_network()->mutable_spec()->set_ingress(true);
    }));
    put(task("dev", 1, [](pb::Task& t) {
        t.mutable_spec()->mutable_container()->add_devices()->set_path_on_host("/dev/kvm");
    }));
    put(task("plain", 1, [](pb::Task& t) { publish(t, 80, pb::PortConfig::HOST); }));
    run();
    EXPECT_EQ(
        error_of("web-000001"),
        "no suitable node (overlay networks are not possible with the stock engine on 1 node)");
    EXPECT_EQ(error_of("net-000001"), error_of("web-000001"));
    EXPECT_EQ(error_of("dev-000001"),
              "no suitable node (devices are not possible with the stock engine on 1 node)");
    EXPECT_EQ(node_of("plain-000001"), "stock");
}

TEST_F(SchedulerTest, generic_resources_are_assigned_by_name_or_number) {
    add_node("a", [](pb::Node& n) {
        auto& all = *n.mutable_description()->mutable_resources();
        for (const char* name : {"gpu1", "gpu2", "gpu3"}) {
            auto& gpu = *all.add_generic()->mutable_named_resource_spec();
            gpu.set_kind("gpu");
            gpu.set_value(name);
        }
        auto& licences = *all.add_generic()->mutable_discrete_resource_spec();
        licences.set_kind("licence");
        licences.set_value(3);
    });
    const auto want = [](pb::Task& t, const std::string& kind, int count) {
        auto& wanted = *t.mutable_spec()->mutable_resources()->mutable_reservations();
        auto& one = *wanted.add_generic()->mutable_discrete_resource_spec();
        one.set_kind(kind);
        one.set_value(count);
    };
    add_tasks("train", 2, [&](pb::Task& t) {
        want(t, "gpu", 2);
        want(t, "licence", 1);
    });
    run();
    const auto first = store.get<pb::Task>("train-000001");
    ASSERT_EQ(first->assigned_generic_resources().size(), 3);
    EXPECT_EQ(first->assigned_generic_resources(0).named_resource_spec().value(), "gpu1");
    EXPECT_EQ(first->assigned_generic_resources(1).named_resource_spec().value(), "gpu2");
    EXPECT_EQ(first->assigned_generic_resources(2).discrete_resource_spec().value(), 1);
    EXPECT_EQ(error_of("train-000002"), "no suitable node (insufficient resources on 1 node)");
    scheduler.rebuild(store);
    change_task("train-000001", [](pb::Task& t) { t.mutable_status()->set_state(pb::FAILED); });
    run();
    EXPECT_EQ(store.get<pb::Task>("train-000002")
                  ->assigned_generic_resources(0)
                  .named_resource_spec()
                  .value(),
              "gpu1");
}

TEST_F(SchedulerTest, preferences_even_out_branches_and_what_one_cannot_take_the_others_do) {
    for (int i = 0; i < 4; ++i) {
        add_node(numbered("east", i), [](pb::Node& n) { label(n, "zone", "east"); });
    }
    add_node("west", [](pb::Node& n) {
        label(n, "zone", "west");
        give_memory(n, 30);
    });
    add_node("none");
    const auto wanted = [](pb::Task& t) {
        t.mutable_spec()
            ->mutable_placement()
            ->add_preferences()
            ->mutable_spread()
            ->set_spread_descriptor("node.labels.zone");
    };
    add_tasks("web", 12, wanted);
    run();
    EXPECT_EQ(count("west"), 4u);
    EXPECT_EQ(count("none"), 4u);
    for (int i = 0; i < 4; ++i) { EXPECT_EQ(count(numbered("east", i)), 1u); }
    add_tasks("db", 9, [&](pb::Task& t) {
        wanted(t);
        reserve_memory(t, 15);
        t.mutable_spec()->mutable_placement()->add_constraints("node.id!=none");
    });
    for (int i = 0; i < 4; ++i) {
        add_node(numbered("east", i), [](pb::Node& n) {
            label(n, "zone", "east");
            give_memory(n, 1000);
        });
    }
    run();
    EXPECT_EQ(count("west"), 6u); // two of 15 bytes fit; the other seven go east
    for (int i = 0; i < 4; ++i) { EXPECT_GE(count(numbered("east", i)), 2u); }
}

TEST_F(SchedulerTest, preferences_are_levels) {
    const auto place = [](pb::Node& n, const std::string& zone, const std::string& rack) {
        label(n, "zone", zone);
        (*n.mutable_description()->mutable_engine()->mutable_labels())["rack"] = rack;
    };
    add_node("a1", [&](pb::Node& n) { place(n, "a", "1"); });
    add_node("a2", [&](pb::Node& n) { place(n, "a", "2"); });
    add_node("b1", [&](pb::Node& n) { place(n, "b", "1"); });
    add_tasks("web", 8, [](pb::Task& t) {
        for (const char* level : {"node.labels.zone", "engine.labels.rack"}) {
            t.mutable_spec()
                ->mutable_placement()
                ->add_preferences()
                ->mutable_spread()
                ->set_spread_descriptor(level);
        }
    });
    run();
    EXPECT_EQ(count("a1"), 2u);
    EXPECT_EQ(count("a2"), 2u);
    EXPECT_EQ(count("b1"), 4u);
}

TEST_F(SchedulerTest, what_is_no_longer_wanted_is_not_placed) {
    add_node("a");
    add_tasks("web", 1, [](pb::Task& t) { t.set_desired_state(pb::REMOVE); });
    put(task("job", 1, [](pb::Task& t) { t.set_desired_state(pb::COMPLETE); }));
    put(task("later", 1, [](pb::Task& t) { t.set_desired_state(pb::READY); }));
    put(task("new", 1, [](pb::Task& t) { t.mutable_status()->set_state(pb::NEW); }));
    run();
    EXPECT_EQ(node_of("web-000001"), "");
    EXPECT_EQ(node_of("new-000001"), "");
    EXPECT_EQ(node_of("job-000001"), "a");
    EXPECT_EQ(node_of("later-000001"), "a");
}

TEST_F(SchedulerTest, a_node_that_goes_and_comes_back_keeps_the_books) {
    add_node("a", [](pb::Node& n) { give_memory(n, 100); });
    add_tasks("web", 1, [](pb::Task& t) { reserve_memory(t, 60); });
    run();
    {
        Tx tx(store, now, random);
        tx.erase<pb::Node>("a");
        commit(tx);
    }
    put(task("db", 1, [](pb::Task& t) { reserve_memory(t, 60); }));
    run();
    EXPECT_EQ(error_of("db-000001"), "no suitable node");
    add_node("a", [](pb::Node& n) { give_memory(n, 100); });
    run();
    EXPECT_EQ(error_of("db-000001"), "no suitable node (insufficient resources on 1 node)");
}

// A thousand nodes, thirty thousand tasks: the cost is counted, not timed.
TEST_F(SchedulerTest, placing_a_task_does_not_look_at_every_node) {
    constexpr int nodes = 1000, services = 100, replicas = 300;
    for (int i = 0; i < nodes; ++i) { add_node(numbered("node", i)); }
    for (int i = 0; i < services; ++i) { add_tasks(numbered("s", i), replicas); }
    run();
    EXPECT_EQ(count(""), 0u);
    for (int i = 0; i < nodes; ++i) { ASSERT_EQ(count(numbered("node", i)), 30u); }
    EXPECT_LE(scheduler.nodes_asked(), 2u * services * replicas);
    const auto before = scheduler.nodes_asked();
    for (int i = 0; i < 500; ++i) { put(task(numbered("one", i), 1)); }
    run();
    EXPECT_LE(scheduler.nodes_asked() - before, 1000u);
}

} // namespace
} // namespace shoal::swarm
