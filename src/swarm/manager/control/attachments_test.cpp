#include "swarm/manager/control/attachments.h"

#include "swarm/manager/control/control_fixture.h"
#include "swarm/manager/control/networks.h"

namespace shoal::swarm {
namespace {

struct AttachmentsTest : ControlTest {
    AttachmentsTest() {
        network_id = make("back", true, "10.7.0.0/24");
        make("closed", false, "");
        make("auto", true, "");
    }
    std::string make(const std::string& name, bool attachable, const std::string& subnet) {
        pb::NetworkSpec spec;
        spec.mutable_annotations()->set_name(name);
        spec.set_attachable(attachable);
        if (!subnet.empty()) { spec.mutable_ipam()->add_configs()->set_subnet(subnet); }
        return (*create_network(tx, spec))->id();
    }
    static pb::AttachNetworkRequest ask(const std::string& network, char container = 'a') {
        pb::AttachNetworkRequest request;
        request.set_container_id(std::string(64, container));
        request.mutable_config()->set_target(network);
        return request;
    }
    std::string attach(const pb::AttachNetworkRequest& request, const std::string& node = "n1") {
        const auto made = attach_network(tx, node, request);
        return made ? (*made)->id() : "refused: " + made.error().message;
    }
    std::string network_id;
};

TEST_F(AttachmentsTest, a_place_is_a_task_of_the_node_without_a_service) {
    auto request = ask("back");
    request.mutable_config()->add_aliases("db");
    const auto task = *attach_network(tx, "n1", request);
    EXPECT_EQ(task->node_id(), "n1");
    EXPECT_EQ(task->service_id(), "");
    EXPECT_EQ(task->status().state(), pb::NEW);
    EXPECT_EQ(task->desired_state(), pb::RUNNING);
    EXPECT_EQ(task->spec().attachment().container_id(), std::string(64, 'a'));
    EXPECT_EQ(task->spec().networks(0).target(), network_id);
    EXPECT_EQ(task->spec().networks(0).aliases(0), "db");
}

TEST_F(AttachmentsTest, who_asks_again_has_what_is_there) {
    const auto id = attach(ask("back"));
    EXPECT_EQ(attach(ask(network_id)), id) << "by its id it is the same network";
    EXPECT_NE(attach(ask("back"), "n2"), id);
    EXPECT_NE(attach(ask("back", 'b')), id);
    EXPECT_EQ(store.all<pb::Task>().size(), 3u);
    auto other = ask("back");
    other.mutable_config()->add_addresses("10.7.0.9");
    EXPECT_NE(attach(other), id);
    EXPECT_EQ(store.get<pb::Task>(id), nullptr) << "with other words it takes the place";
}

TEST_F(AttachmentsTest, a_container_that_keeps_its_addresses_gets_other_names) {
    auto request = ask("auto");
    request.mutable_config()->add_aliases("old");
    const auto id = attach(request);
    pb::Task task = *store.get<pb::Task>(id);
    task.mutable_status()->set_state(pb::RUNNING);
    auto& place = *task.add_networks();
    place.add_addresses("10.0.0.9/24");
    place.add_aliases("old");
    tx.put(task);
    request.set_kept(true);
    request.mutable_config()->add_addresses("10.0.0.9");
    request.mutable_config()->set_aliases(0, "new");
    EXPECT_EQ(attach(request), id);
    const auto renamed = store.get<pb::Task>(id);
    EXPECT_EQ(renamed->networks(0).aliases(0), "new");
    EXPECT_EQ(renamed->networks(0).addresses(0), "10.0.0.9/24");
    EXPECT_EQ(renamed->spec().networks(0).aliases(0), "new");
    EXPECT_TRUE(renamed->spec().networks(0).addresses().empty()) << "they were not chosen";
    EXPECT_EQ(attach(request), id);
    EXPECT_EQ(store.get<pb::Task>(id), renamed) << "nothing is written without need";
    request.mutable_config()->set_addresses(0, "10.0.0.8");
    EXPECT_NE(attach(request), id) << "those are others";
}

TEST_F(AttachmentsTest, one_that_has_ended_is_no_place_any_more) {
    const auto id = attach(ask("back"));
    pb::Task task = *store.get<pb::Task>(id);
    task.mutable_status()->set_state(pb::FAILED);
    tx.put(task);
    EXPECT_NE(attach(ask("back")), id);
    EXPECT_EQ(store.all<pb::Task>().size(), 1u);
}

TEST_F(AttachmentsTest, only_attachable_networks_have_places) {
    EXPECT_EQ(attach(ask("closed")), "refused: network closed not manually attachable");
    EXPECT_EQ(code_of(attach_network(tx, "n1", ask("closed"))), Errc::Forbidden);
    EXPECT_EQ(attach(ask("none-such")), "refused: network none-such not found");
    EXPECT_EQ(code_of(attach_network(tx, "n1", ask("none-such"))), Errc::NotFound);
}

TEST_F(AttachmentsTest, an_address_is_chosen_where_the_subnet_was) {
    auto request = ask("auto");
    request.mutable_config()->add_addresses("10.0.0.9");
    EXPECT_NE(attach(request).find("networks with user configured subnets"), std::string::npos);
    request.set_kept(true); // it is not a choice then
    EXPECT_EQ(attach(request).find("refused"), std::string::npos);
    request = ask("back");
    request.mutable_config()->add_addresses("10.7.0.9");
    EXPECT_EQ(attach(request).find("refused"), std::string::npos);
    request.set_container_id("short");
    EXPECT_EQ(code_of(attach_network(tx, "n1", request)), Errc::Invalid);
}

TEST_F(AttachmentsTest, a_node_has_a_limit) {
    for (std::size_t i = 0; i < attachments_of_node_max; ++i) {
        pb::Task task;
        task.set_id("t" + std::to_string(i));
        task.set_node_id("n1");
        task.mutable_spec()->mutable_attachment()->set_container_id(std::to_string(i));
        tx.put(task);
    }
    EXPECT_EQ(code_of(attach_network(tx, "n1", ask("back"))), Errc::Exhausted);
    EXPECT_TRUE(attach_network(tx, "n2", ask("back")));
}

TEST_F(AttachmentsTest, a_node_gives_back_its_own_alone) {
    const auto id = attach(ask("back"));
    EXPECT_EQ(code_of(detach_network(tx, "n2", id)), Errc::Forbidden);
    pb::Task of_service;
    of_service.set_id("t");
    of_service.set_node_id("n1");
    tx.put(of_service);
    EXPECT_EQ(code_of(detach_network(tx, "n1", "t")), Errc::Forbidden);
    EXPECT_TRUE(detach_network(tx, "n1", id));
    EXPECT_EQ(store.get<pb::Task>(id), nullptr);
    EXPECT_TRUE(detach_network(tx, "n1", id)) << "it is gone all the same";
}

TEST_F(AttachmentsTest, a_network_with_containers_on_it_stays_and_says_whose) {
    auto a = node("n1", pb::WORKER);
    a.mutable_description()->set_hostname("host-1");
    tx.put(a);
    attach(ask("back"));
    EXPECT_EQ(error_of(remove_network(tx, network_id)),
              "network " + network_id + " is in use by container aaaaaaaaaaaa on node host-1");
}

} // namespace
} // namespace shoal::swarm
