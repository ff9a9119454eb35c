#include "swarm/manager/control/control_fixture.h"

namespace shoal::swarm {
namespace {

struct ServicesTest : ControlTest {
    ServicePtr made(pb::ServiceSpec spec) {
        auto service = create_service(tx, std::move(spec));
        EXPECT_EQ(error_of(service), "");
        return *service;
    }
    std::string put_network(const std::string& name, bool ingress = false) {
        pb::Network network;
        network.set_id("id-" + name);
        network.mutable_spec()->mutable_annotations()->set_name(name);
        network.mutable_spec()->set_ingress(ingress);
        tx.put(network);
        return network.id();
    }
};

TEST_F(ServicesTest, a_new_service_has_an_id_and_the_first_version_of_its_spec) {
    const auto service = made(web());
    EXPECT_TRUE(is_id(service->id()));
    EXPECT_EQ(service->spec_version().index(), 1u);
    EXPECT_FALSE(service->has_previous_spec());
    EXPECT_FALSE(service->has_job_status());
}

TEST_F(ServicesTest, a_taken_name_is_a_conflict) {
    made(web());
    EXPECT_EQ(error_of(create_service(tx, web("WEB"))),
              "name conflicts with an existing object: service WEB already exists");
    EXPECT_EQ(code_of(create_service(tx, web())), Errc::Conflict);
}

TEST_F(ServicesTest, names_are_dns_labels) {
    for (const std::string bad : {"", "a.b", "-a", "a-", "a b", "ü"}) {
        EXPECT_EQ(code_of(create_service(tx, web(bad))), Errc::Invalid) << bad;
    }
    EXPECT_EQ(error_of(create_service(tx, web(std::string(64, 'a')))),
              "name must be 63 characters or fewer");
    EXPECT_TRUE(create_service(tx, web("stack_web-1")));
}

TEST_F(ServicesTest, an_update_keeps_the_former_spec_and_counts) {
    const auto service = made(web());
    auto spec = web();
    spec.mutable_replicated()->set_replicas(5);
    const auto updated = update_service(tx, service->id(), 0, spec);
    ASSERT_TRUE(updated);
    EXPECT_EQ((*updated)->spec().replicated().replicas(), 5u);
    EXPECT_EQ((*updated)->previous_spec().replicated().replicas(), 2u);
    EXPECT_EQ((*updated)->spec_version().index(), 2u);
    EXPECT_EQ((*updated)->previous_spec_version().index(), 1u);
}

TEST_F(ServicesTest, an_update_of_another_version_is_out_of_sequence) {
    const auto service = made(web());
    const auto refused = update_service(tx, service->id(), 9, web());
    EXPECT_EQ(error_of(refused), "update out of sequence");
    EXPECT_EQ(code_of(refused), Errc::Internal);
    EXPECT_EQ(error_of(update_service(tx, "none", 0, web())), "service none not found");
}

TEST_F(ServicesTest, name_and_mode_cannot_be_changed) {
    const auto service = made(web());
    EXPECT_EQ(error_of(update_service(tx, service->id(), 0, web("shop"))),
              "renaming services is not supported");
    auto global = web();
    global.mutable_global();
    EXPECT_EQ(error_of(update_service(tx, service->id(), 0, global)),
              "service mode change is not allowed");
    EXPECT_EQ(code_of(update_service(tx, service->id(), 0, global)), Errc::Unsupported);
}

TEST_F(ServicesTest, going_back_twice_returns_to_the_start) {
    const auto service = made(web());
    EXPECT_EQ(error_of(roll_back_service(tx, service->id(), 0)),
              "service web does not have a previous spec");
    auto spec = web();
    spec.mutable_replicated()->set_replicas(5);
    ASSERT_TRUE(update_service(tx, service->id(), 0, spec));
    const auto back = *roll_back_service(tx, service->id(), 0);
    EXPECT_EQ(back->spec().replicated().replicas(), 2u);
    EXPECT_EQ(back->spec_version().index(), 3u); // a version is never given twice
    EXPECT_EQ(back->update_status().state(), pb::UpdateStatus::ROLLBACK_STARTED);
    const auto again = *roll_back_service(tx, service->id(), 0);
    EXPECT_EQ(again->spec().replicated().replicas(), 5u);
    EXPECT_EQ(again->spec_version().index(), 4u);
}

TEST_F(ServicesTest, a_version_of_a_spec_is_never_given_twice) {
    auto service = *made(web());
    service.mutable_spec_version()->set_index(1);
    service.clear_previous_spec(); // an automatic rollback from 2 to 1 has cleared it
    tx.put(service);
    pb::Task old;
    old.set_id("t");
    old.set_service_id(service.id());
    old.mutable_spec_version()->set_index(2);
    tx.put(old);
    EXPECT_EQ((*update_service(tx, service.id(), 0, web()))->spec_version().index(), 3u);
}

TEST_F(ServicesTest, an_update_ends_what_was_said_about_the_last_one) {
    auto service = *made(web());
    service.mutable_update_status()->set_state(pb::UpdateStatus::PAUSED);
    tx.put(service);
    EXPECT_FALSE((*update_service(tx, service.id(), 0, web()))->has_update_status());
}

TEST_F(ServicesTest, credentials_stay_unless_others_are_given) {
    auto spec = web();
    spec.mutable_task()->mutable_container()->mutable_pull_options()->set_registry_auth("one");
    const auto service = made(spec);
    const auto auth = [](const Result<ServicePtr>& of) {
        return (*of)->spec().task().container().pull_options().registry_auth();
    };
    EXPECT_EQ(auth(update_service(tx, service->id(), 0, web())), "one");
    spec.mutable_task()->mutable_container()->mutable_pull_options()->set_registry_auth("two");
    EXPECT_EQ(auth(update_service(tx, service->id(), 0, spec, {UpdateService::Auth::Given})),
              "two");
    EXPECT_EQ(auth(update_service(tx, service->id(), 0, web(), {UpdateService::Auth::Previous})),
              "one");
}

TEST_F(ServicesTest, a_job_runs_again_with_every_update) {
    auto spec = web("batch");
    spec.mutable_replicated_job()->set_max_concurrent(1);
    spec.mutable_replicated_job()->set_total_completions(3);
    const auto job = made(spec);
    EXPECT_EQ(job->job_status().job_iteration().index(), 0u);
    EXPECT_EQ(from_timestamp(job->job_status().last_execution()), now);
    EXPECT_EQ((*update_service(tx, job->id(), 0, spec))->job_status().job_iteration().index(), 1u);
}

TEST_F(ServicesTest, networks_become_ids_of_the_tasks_networks) {
    const auto id = put_network("back");
    auto spec = web();
    spec.add_networks()->set_target("back"); // the old place
    const auto service = made(spec);
    ASSERT_EQ(service->spec().task().networks_size(), 1);
    EXPECT_EQ(service->spec().task().networks(0).target(), id);
    EXPECT_EQ(service->spec().networks_size(), 0);
}

TEST_F(ServicesTest, unknown_and_ingress_networks_are_refused) {
    put_network("ingress", true);
    auto spec = web();
    spec.mutable_task()->add_networks()->set_target("nope");
    EXPECT_EQ(error_of(create_service(tx, spec)), "network nope not found");
    EXPECT_EQ(code_of(create_service(tx, spec)), Errc::NotFound);
    spec.mutable_task()->mutable_networks(0)->set_target("ingress");
    EXPECT_EQ(error_of(create_service(tx, spec)),
              "Service cannot be explicitly attached to the ingress network \"ingress\"");
}

TEST_F(ServicesTest, a_port_of_the_mesh_belongs_to_one_service) {
    auto first = web("first");
    publish(first, 8080);
    const auto owner = made(first);
    auto second = web("second");
    publish(second, 8080);
    EXPECT_EQ(error_of(create_service(tx, second)),
              "port '8080' is already in use by service 'first' (" + owner->id() +
                  ") as an ingress port");
    second.mutable_endpoint()->mutable_ports(0)->set_publish_mode(pb::PortConfig::HOST);
    EXPECT_EQ(code_of(create_service(tx, second)), Errc::Invalid);
    second.mutable_endpoint()->mutable_ports(0)->set_protocol(pb::PortConfig::UDP);
    EXPECT_TRUE(create_service(tx, second));
    EXPECT_TRUE(update_service(tx, owner->id(), 0, first)); // not with itself
}

TEST_F(ServicesTest, a_port_of_hosts_may_be_several_services) {
    auto first = web("first");
    publish(first, 8080, pb::PortConfig::HOST);
    const auto owner = made(first);
    auto second = web("second");
    publish(second, 8080, pb::PortConfig::HOST);
    EXPECT_TRUE(create_service(tx, second));
    auto third = web("third");
    publish(third, 8080);
    EXPECT_NE(error_of(create_service(tx, third)).find("as a host-published port"),
              std::string::npos);
}

TEST_F(ServicesTest, a_port_that_was_chosen_for_a_service_is_taken_too) {
    auto first = web("first");
    publish(first, 0);
    auto owner = *made(first);
    *owner.mutable_endpoint()->add_ports() = first.endpoint().ports(0);
    owner.mutable_endpoint()->mutable_ports(0)->set_published_port(30000);
    tx.put(owner);
    auto second = web("second");
    publish(second, 30000);
    EXPECT_FALSE(create_service(tx, second));
}

TEST_F(ServicesTest, secrets_and_configs_are_there_under_both_names) {
    pb::Secret secret;
    secret.set_id("s1");
    secret.mutable_spec()->mutable_annotations()->set_name("key");
    tx.put(secret);
    auto spec = web();
    auto& use = *spec.mutable_task()->mutable_container()->add_secrets();
    use.set_secret_id("s1");
    use.set_secret_name("key");
    use.mutable_file()->set_name("key");
    EXPECT_TRUE(create_service(tx, spec));
    use.set_secret_name("other");
    spec.mutable_annotations()->set_name("two");
    EXPECT_EQ(error_of(create_service(tx, spec)), "secret not found: other");
    EXPECT_EQ(code_of(create_service(tx, spec)), Errc::Invalid);
    spec.mutable_task()->mutable_container()->clear_secrets();
    for (const std::string name : {"a", "b"}) {
        auto& config = *spec.mutable_task()->mutable_container()->add_configs();
        config.set_config_id(name);
        config.set_config_name(name);
        config.mutable_file()->set_name(name);
    }
    EXPECT_EQ(error_of(create_service(tx, spec)), "configs not found: a, b");
}

TEST_F(ServicesTest, privileges_are_behind_the_clusters_policy) {
    auto privileged = web("a");
    privileged.mutable_task()->mutable_container()->set_privileged(true);
    auto device = web("b");
    device.mutable_task()->mutable_container()->add_devices()->set_path_on_host("/dev/fuse");
    auto capability = web("c");
    capability.mutable_task()->mutable_container()->add_capability_add("SYS_ADMIN");
    for (const auto& spec : {privileged, device, capability}) {
        EXPECT_EQ(code_of(create_service(tx, spec)), Errc::Forbidden);
    }
    auto harmless = web("d");
    harmless.mutable_task()->mutable_container()->add_capability_add("CAP_NET_RAW");
    EXPECT_TRUE(create_service(tx, harmless));
    allow_privileged();
    for (const auto& spec : {privileged, device, capability}) {
        EXPECT_EQ(error_of(create_service(tx, spec)), "");
    }
}

TEST_F(ServicesTest, removal_takes_the_service) {
    const auto service = made(web());
    EXPECT_TRUE(remove_service(tx, service->id()));
    EXPECT_EQ(error_of(remove_service(tx, service->id())),
              "service " + service->id() + " not found");
}

} // namespace
} // namespace shoal::swarm
