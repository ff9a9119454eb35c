#include "node/task_config.h"
#include "node/task_networks.h"

#include "base/codec.h"
#include "container/config_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const NodeFacts host{"nodeid", "box", "x86_64", "linux"};

struct TaskConfig : testing::Test {
    TaskConfig() {
        task.set_id("taskid");
        task.set_service_id("serviceid");
        task.set_node_id("nodeid");
        task.set_slot(1);
        task.mutable_service_annotations()->set_name("web");
        spec().set_image("nginx:1");
    }
    pb::ContainerSpec& spec() { return *task.mutable_spec()->mutable_container(); }
    pb::Network& attach(const std::string& name, const std::string& driver,
                        bool predefined = false) {
        auto& network = *task.add_networks()->mutable_network();
        auto& annotations = *network.mutable_spec()->mutable_annotations();
        annotations.set_name(name);
        if (predefined) { (*annotations.mutable_labels())["com.docker.swarm.predefined"] = "true"; }
        network.mutable_driver_state()->set_name(driver);
        return network;
    }
    pb::Mount& mount(pb::Mount::Type type, const std::string& source, const std::string& target) {
        auto& made = *spec().add_mounts();
        made.set_type(type);
        made.set_source(source);
        made.set_target(target);
        return made;
    }
    container::CreateRequest request() {
        auto made = make_create_request(task, task.spec().container(), host, files);
        if (!made) {
            ADD_FAILURE() << made.error().message;
            return {};
        }
        return std::move(*made);
    }
    std::string refusal() {
        auto made = make_create_request(task, task.spec().container(), host, files);
        return made ? "" : made.error().message;
    }
    pb::Task task;
    std::vector<FileBind> files;
};

TEST_F(TaskConfig, a_plain_task_is_an_image_with_labels) {
    const auto made = request();
    EXPECT_EQ(made.config.image, "nginx:1");
    EXPECT_EQ(made.config.labels, (container::Labels{
                                      {"com.docker.swarm.task", ""},
                                      {"com.docker.swarm.task.id", "taskid"},
                                      {"com.docker.swarm.task.name", "web.1.taskid"},
                                      {"com.docker.swarm.node.id", "nodeid"},
                                      {"com.docker.swarm.service.id", "serviceid"},
                                      {"com.docker.swarm.service.name", "web"},
                                  }));
    EXPECT_EQ(made.host_config.restart_policy.name, "no");
    EXPECT_EQ(made.host_config.network_mode, "");
    container::CreateRequest bare;
    bare.config.image = "nginx:1";
    bare.config.labels = made.config.labels;
    bare.host_config.restart_policy.name = "no";
    EXPECT_EQ(codec::write(made), codec::write(bare)) << "nothing else is asked for";
}

TEST_F(TaskConfig, the_program_and_its_surroundings) {
    spec().add_command("/entry");
    spec().add_args("serve");
    spec().add_env("A=1");
    spec().set_hostname("h");
    spec().set_user("1:2");
    spec().add_groups("audio");
    spec().set_dir("/srv");
    spec().set_tty(true);
    spec().set_open_stdin(true);
    spec().set_read_only(true);
    spec().set_stop_signal("SIGQUIT");
    *spec().mutable_stop_grace_period() = swarm::to_duration(std::chrono::milliseconds(1500));
    spec().mutable_init()->set_value(true);
    (*spec().mutable_labels())["mine"] = "yes";
    spec().add_hosts("192.0.2.7  db db.example");
    spec().mutable_dns_config()->add_nameservers("192.0.2.53");
    spec().mutable_dns_config()->add_search("example");
    spec().mutable_dns_config()->add_options("ndots:2");
    auto& health = *spec().mutable_healthcheck();
    health.add_test("CMD-SHELL");
    health.add_test("true");
    *health.mutable_interval() = swarm::to_duration(std::chrono::seconds(5));
    health.set_retries(4);
    const auto made = request();
    EXPECT_THAT(made.config.entrypoint, ElementsAre("/entry"));
    EXPECT_THAT(made.config.cmd, ElementsAre("serve"));
    EXPECT_THAT(made.config.env, ElementsAre("A=1"));
    EXPECT_EQ(made.config.hostname, "h");
    EXPECT_EQ(made.config.user, "1:2");
    EXPECT_EQ(made.config.working_dir, "/srv");
    EXPECT_TRUE(made.config.tty);
    EXPECT_TRUE(made.config.open_stdin);
    EXPECT_EQ(made.config.stop_signal, "SIGQUIT");
    EXPECT_EQ(made.config.stop_timeout, 2);
    EXPECT_EQ(made.config.labels.at("mine"), "yes");
    ASSERT_TRUE(made.config.healthcheck);
    EXPECT_THAT(made.config.healthcheck->test, ElementsAre("CMD-SHELL", "true"));
    EXPECT_EQ(made.config.healthcheck->interval, std::chrono::seconds(5));
    EXPECT_EQ(made.config.healthcheck->retries, 4);
    const auto& h = made.host_config;
    EXPECT_THAT(h.group_add, ElementsAre("audio"));
    EXPECT_TRUE(h.readonly_rootfs);
    EXPECT_EQ(h.init, true);
    EXPECT_THAT(h.extra_hosts, ElementsAre("db:192.0.2.7", "db.example:192.0.2.7"));
    EXPECT_THAT(h.dns, ElementsAre("192.0.2.53"));
    EXPECT_THAT(h.dns_search, ElementsAre("example"));
    EXPECT_THAT(h.dns_options, ElementsAre("ndots:2"));
    spec().add_hosts("192.0.2.7");
    EXPECT_THAT(refusal(), HasSubstr("is not an address with names"));
}

TEST_F(TaskConfig, limits_and_rights) {
    auto& resources = *task.mutable_spec()->mutable_resources();
    resources.mutable_limits()->set_nano_cpus(500'000'000);
    resources.mutable_limits()->set_memory_bytes(64 << 20);
    resources.mutable_reservations()->set_memory_bytes(32 << 20);
    resources.mutable_swap_bytes()->set_value(16 << 20);
    resources.mutable_memory_swappiness()->set_value(0);
    spec().set_pidslimit(100);
    auto& limit = *spec().add_ulimits();
    limit.set_name("nofile");
    limit.set_soft(10);
    limit.set_hard(20);
    (*spec().mutable_sysctls())["net.core.somaxconn"] = "99";
    spec().add_capability_add("CAP_NET_ADMIN");
    spec().add_capability_drop("ALL");
    spec().set_oom_score_adj(-5);
    spec().set_privileged(true);
    spec().add_devices()->set_path_on_host("/dev/kvm");
    auto& privileges = *spec().mutable_privileges();
    privileges.set_no_new_privileges(true);
    privileges.mutable_seccomp()->set_mode(pb::Privileges::SeccompOpts::CUSTOM);
    privileges.mutable_seccomp()->set_profile("{}");
    privileges.mutable_apparmor()->set_mode(pb::Privileges::AppArmorOpts::DISABLED);
    privileges.mutable_selinux_context()->set_type("t");
    auto& gpu = *task.add_assigned_generic_resources()->mutable_named_resource_spec();
    gpu.set_kind("gpu");
    gpu.set_value("a");
    *task.add_assigned_generic_resources() = task.assigned_generic_resources(0);
    task.mutable_assigned_generic_resources(1)->mutable_named_resource_spec()->set_value("b");
    auto& seats = *task.add_assigned_generic_resources()->mutable_discrete_resource_spec();
    seats.set_kind("seat");
    seats.set_value(2);
    task.mutable_log_driver()->set_name("local");
    const auto made = request();
    const auto& h = made.host_config;
    EXPECT_EQ(h.resources.nano_cpus, 500'000'000);
    EXPECT_EQ(h.resources.memory, 64 << 20);
    EXPECT_EQ(h.resources.memory_reservation, 0); // the scheduler's business, as with Docker
    EXPECT_EQ(h.resources.memory_swap, 80 << 20);
    EXPECT_EQ(h.resources.memory_swappiness, 0);
    EXPECT_EQ(h.resources.pids_limit, 100);
    EXPECT_EQ(h.resources.ulimits, (std::vector<container::Ulimit>{{"nofile", 10, 20}}));
    EXPECT_EQ(h.resources.devices,
              (std::vector<container::DeviceMapping>{{"/dev/kvm", "/dev/kvm", "rwm"}}));
    EXPECT_EQ(h.sysctls.at("net.core.somaxconn"), "99");
    EXPECT_THAT(h.cap_add, ElementsAre("CAP_NET_ADMIN"));
    EXPECT_THAT(h.cap_drop, ElementsAre("ALL"));
    EXPECT_EQ(h.oom_score_adj, -5);
    EXPECT_TRUE(h.privileged);
    EXPECT_THAT(h.security_opt, ElementsAre("label=type:t", "seccomp={}", "apparmor=unconfined",
                                            "no-new-privileges=true"));
    EXPECT_THAT(made.config.env, ElementsAre("DOCKER_RESOURCE_GPU=a,b", "DOCKER_RESOURCE_SEAT=2"));
    EXPECT_EQ(h.log_config.type, "local");
    task.mutable_spec()->mutable_log_driver()->set_name("json-file");
    (*task.mutable_spec()->mutable_log_driver()->mutable_options())["max-size"] = "1m";
    EXPECT_EQ(request().host_config.log_config,
              (container::LogConfig{"json-file", {{"max-size", "1m"}}}));
}

TEST_F(TaskConfig, mounts_of_all_types_and_files) {
    auto& bind = mount(pb::Mount::BIND, "/srv", "/data");
    bind.set_readonly(true);
    bind.mutable_bind_options()->set_propagation(pb::Mount::BindOptions::RSLAVE);
    bind.mutable_bind_options()->set_createmountpoint(true);
    auto& volume = mount(pb::Mount::VOLUME, "vol", "/vol");
    volume.mutable_volume_options()->set_nocopy(true);
    volume.mutable_volume_options()->set_subpath("a/b");
    volume.mutable_volume_options()->mutable_driver_config()->set_name("local");
    auto& memory = mount(pb::Mount::TMPFS, "", "/tmp");
    memory.mutable_tmpfs_options()->set_size_bytes(1 << 20);
    memory.mutable_tmpfs_options()->set_mode(01777);
    memory.mutable_tmpfs_options()->set_options(R"([["exec"],["nr_inodes","9"]])");
    files.push_back({"/run/shoal/tasks/taskid/secret-0", "/run/secrets/pw"});
    const auto made = request();
    const auto& mounts = made.host_config.mounts;
    ASSERT_EQ(mounts.size(), 4u);
    EXPECT_EQ(mounts[0].type, "bind");
    EXPECT_TRUE(mounts[0].read_only);
    EXPECT_EQ(mounts[0].bind_options->propagation, "rslave");
    EXPECT_TRUE(mounts[0].bind_options->create_mountpoint);
    EXPECT_EQ(mounts[1].type, "volume");
    EXPECT_TRUE(mounts[1].volume_options->no_copy);
    EXPECT_EQ(mounts[1].volume_options->subpath, "a/b");
    EXPECT_EQ(mounts[1].volume_options->driver_config->name, "local");
    EXPECT_EQ(mounts[2].tmpfs_options->mode, 01777u);
    EXPECT_EQ(mounts[2].tmpfs_options->options,
              (std::vector<std::vector<std::string>>{{"exec"}, {"nr_inodes", "9"}}));
    EXPECT_EQ(mounts[3].source, "/run/shoal/tasks/taskid/secret-0");
    EXPECT_TRUE(mounts[3].read_only);
    mount(pb::Mount::CLUSTER, "csi", "/csi");
    EXPECT_EQ(refusal(), "mount /csi: type cluster is not supported");
}

TEST_F(TaskConfig, ports_of_the_node_are_published_and_others_are_not) {
    auto& port = *task.mutable_endpoint()->add_ports();
    port.set_target_port(80);
    port.set_published_port(8080);
    port.set_publish_mode(pb::PortConfig::HOST);
    auto& any = *task.mutable_endpoint()->add_ports();
    any.set_protocol(pb::PortConfig::UDP);
    any.set_target_port(53);
    any.set_publish_mode(pb::PortConfig::HOST);
    task.mutable_endpoint()->add_ports()->set_target_port(443);
    const auto made = request();
    EXPECT_EQ(made.host_config.port_bindings,
              (container::PortMap{{"53/udp", {{"", ""}}}, {"80/tcp", {{"", "8080"}}}}));
    EXPECT_EQ(made.config.exposed_ports.size(), 2u);
}

TEST_F(TaskConfig, networks_of_the_node_are_joined_by_name) {
    attach("host", "host", true);
    EXPECT_EQ(request().host_config.network_mode, "host");
    EXPECT_TRUE(request().networking_config.endpoints_config.empty());
    EXPECT_TRUE(local_networks(task).empty());
    task.clear_networks();
    attach("lan", "macvlan");
    task.mutable_networks(0)->add_aliases("www");
    task.mutable_networks(0)->add_addresses("192.0.2.9/24");
    const auto made = request();
    EXPECT_EQ(made.host_config.network_mode, "lan");
    const auto& endpoint = made.networking_config.endpoints_config.at("lan");
    EXPECT_THAT(endpoint.aliases, ElementsAre("www"));
    EXPECT_EQ(endpoint.ipam_config->ipv4_address, "192.0.2.9");
    EXPECT_EQ(local_networks(task).size(), 1u);
    attach("host", "host", true);
    EXPECT_THAT(refusal(), HasSubstr("cannot be used together"));
}

TEST_F(TaskConfig, networks_of_the_cluster_are_joined_by_id_with_the_managers_addresses) {
    auto& network = attach("backend", "overlay");
    network.set_id("app000000000000000000000a");
    auto& config = *network.mutable_ipam()->add_configs();
    config.set_subnet("10.0.1.0/24");
    config.set_gateway("10.0.1.1");
    auto& attachment = *task.mutable_networks(0);
    attachment.add_addresses("10.0.1.5/24");
    attachment.add_addresses("fd00::5/64");
    attachment.add_aliases("www");
    const auto made = request();
    EXPECT_EQ(made.host_config.network_mode, network.id());
    const auto& endpoint = made.networking_config.endpoints_config.at(network.id());
    EXPECT_EQ(endpoint.ipam_config->ipv4_address, "10.0.1.5");
    EXPECT_EQ(endpoint.ipam_config->ipv6_address, "fd00::5");
    EXPECT_TRUE(endpoint.aliases.empty()) << "they mean the service, not the task";
    EXPECT_TRUE(local_networks(task).empty());
    ASSERT_EQ(overlay_attachments(task).size(), 1u);
    const auto definition = overlay_definition(network);
    ASSERT_TRUE(definition);
    EXPECT_EQ(definition->id.text(), network.id());
    EXPECT_EQ(definition->scope, "swarm");
    EXPECT_EQ(definition->pools.at(0).gateway, "10.0.1.1");
}

TEST_F(TaskConfig, what_is_for_windows_or_no_container_is_refused) {
    spec().set_isolation(pb::ContainerSpec::ISOLATION_HYPERV);
    EXPECT_EQ(refusal(), "isolation is for Windows containers");
    spec().clear_isolation();
    spec().mutable_privileges()->mutable_credential_spec()->set_file("x");
    EXPECT_THAT(refusal(), HasSubstr("credential specs"));
    task.mutable_spec()->mutable_attachment()->set_container_id("c");
    EXPECT_THAT(refusal(), HasSubstr("only containers"));
}

TEST_F(TaskConfig, generic_resources_are_names_or_numbers) {
    const auto read = read_generic_resources({"gpu=a", "gpu=b", "seat=3"});
    ASSERT_EQ(read.size(), 3u);
    EXPECT_EQ(read[1].named_resource_spec().value(), "b");
    EXPECT_EQ(read[2].discrete_resource_spec().value(), 3);
}

} // namespace
} // namespace shoal::node
