#include "swarm/manager/control/control_fixture.h"
#include "swarm/manager/control/service_checks.h"

namespace shoal::swarm {
namespace {

struct ServiceChecksTest : ControlTest {
    pb::ServiceSpec spec = web();
    pb::TaskSpec& task = *spec.mutable_task();
    pb::ContainerSpec& container = *task.mutable_container();
    std::string refused() { return error_of(check_service_spec(spec)); }
    pb::Mount& mount(pb::Mount::Type type, const std::string& source, const std::string& target) {
        auto& made = *container.add_mounts();
        made.set_type(type);
        made.set_source(source);
        made.set_target(target);
        return made;
    }
};

TEST_F(ServiceChecksTest, an_image_is_needed_and_has_a_form) {
    EXPECT_EQ(refused(), "");
    container.set_image("");
    EXPECT_EQ(refused(), "ContainerSpec: image reference must be provided");
    container.set_image("A B");
    EXPECT_EQ(refused(), "ContainerSpec: \"A B\" is not a valid repository/tag");
}

TEST_F(ServiceChecksTest, services_run_containers) {
    task.clear_runtime();
    EXPECT_EQ(refused(), "TaskSpec: missing runtime");
    task.mutable_generic()->set_kind("plugin");
    EXPECT_EQ(code_of(check_service_spec(spec)), Errc::Unsupported);
    task.mutable_attachment();
    EXPECT_EQ(code_of(check_service_spec(spec)), Errc::Invalid);
}

TEST_F(ServiceChecksTest, resources_have_least_values) {
    auto& limits = *task.mutable_resources()->mutable_limits();
    limits.set_nano_cpus(999'999);
    EXPECT_EQ(refused(), "invalid cpu value 0.000999999: Must be at least 0.001");
    limits.set_nano_cpus(1'000'000);
    limits.set_memory_bytes(4 * 1024 * 1024 - 1);
    EXPECT_EQ(refused(), "invalid memory value 4194303: Must be at least 4MiB");
    limits.set_memory_bytes(4 * 1024 * 1024);
    EXPECT_EQ(refused(), "");
    task.mutable_resources()->mutable_reservations()->set_nano_cpus(-1);
    EXPECT_NE(refused(), "");
}

TEST_F(ServiceChecksTest, the_label_for_balancing_has_three_values) {
    auto& balance = (*spec.mutable_annotations()->mutable_labels())["shoal.balance"];
    for (const char* value : {"even", "client", "local"}) {
        balance = value;
        EXPECT_EQ(refused(), "");
    }
    balance = "sticky";
    EXPECT_EQ(refused(), "label shoal.balance=sticky: it is even, client or local");
}

TEST_F(ServiceChecksTest, generic_resources_are_reserved_by_number_once_each) {
    auto& one = *task.mutable_resources()->mutable_reservations()->add_generic();
    one.mutable_discrete_resource_spec()->set_kind("GPU");
    EXPECT_NE(refused(), "");
    one.mutable_discrete_resource_spec()->set_value(2);
    EXPECT_EQ(refused(), "");
    *task.mutable_resources()->mutable_reservations()->add_generic() = one;
    EXPECT_EQ(refused(), "generic resource \"GPU\": given twice");
}

TEST_F(ServiceChecksTest, no_duration_is_negative) {
    const auto before = to_duration(nanoseconds(-1));
    *task.mutable_restart()->mutable_delay() = before;
    EXPECT_EQ(refused(), "TaskSpec: restart-delay cannot be negative");
    task.mutable_restart()->clear_delay();
    *task.mutable_restart()->mutable_window() = before;
    EXPECT_EQ(refused(), "TaskSpec: restart-window cannot be negative");
    task.clear_restart();
    *spec.mutable_update()->mutable_delay() = before;
    EXPECT_EQ(refused(), "TaskSpec: update-delay cannot be negative");
    spec.clear_update();
    *spec.mutable_rollback()->mutable_monitor() = before;
    EXPECT_EQ(refused(), "TaskSpec: update-monitor cannot be negative");
    spec.clear_rollback();
    *container.mutable_stop_grace_period() = before;
    EXPECT_EQ(refused(), "ContainerSpec: stop-grace-period cannot be negative");
}

TEST_F(ServiceChecksTest, a_ratio_lies_between_none_and_all) {
    for (const float bad : {-0.1F, 1.1F, std::numeric_limits<float>::quiet_NaN()}) {
        spec.mutable_update()->set_max_failure_ratio(bad);
        EXPECT_EQ(refused(), "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger "
                             "than 1");
    }
    spec.mutable_update()->set_max_failure_ratio(1);
    EXPECT_EQ(refused(), "");
}

TEST_F(ServiceChecksTest, a_rollback_is_not_rolled_back) {
    spec.mutable_rollback()->set_failure_action(pb::UpdateConfig::ROLLBACK);
    EXPECT_NE(refused(), "");
    spec.mutable_rollback()->set_failure_action(pb::UpdateConfig::CONTINUE);
    spec.mutable_update()->set_failure_action(pb::UpdateConfig::ROLLBACK);
    EXPECT_EQ(refused(), "");
}

TEST_F(ServiceChecksTest, placement_has_a_syntax) {
    task.mutable_placement()->add_constraints("node.role == manager");
    EXPECT_EQ(refused(), "");
    task.mutable_placement()->add_constraints("node.role > 3");
    EXPECT_NE(refused(), "");
    task.mutable_placement()->clear_constraints();
    auto& spread = *task.mutable_placement()->add_preferences()->mutable_spread();
    spread.set_spread_descriptor("node.labels.rack");
    EXPECT_EQ(refused(), "");
    spread.set_spread_descriptor("rack");
    EXPECT_NE(refused(), "");
}

TEST_F(ServiceChecksTest, ports_have_a_range_and_are_given_once) {
    auto* port = publish(spec, 80);
    EXPECT_EQ(refused(), "");
    publish(spec, 80);
    EXPECT_EQ(refused(), "EndpointSpec: duplicate published ports provided");
    spec.mutable_endpoint()->mutable_ports(1)->set_protocol(pb::PortConfig::UDP);
    EXPECT_EQ(refused(), "");
    port->set_target_port(0);
    EXPECT_EQ(refused(), "EndpointSpec: invalid target port 0");
    port->set_target_port(80);
    port->set_published_port(65536);
    EXPECT_EQ(refused(), "EndpointSpec: invalid published port 65536");
}

TEST_F(ServiceChecksTest, round_robin_by_names_has_no_mesh) {
    spec.mutable_endpoint()->set_mode(pb::EndpointSpec::DNSRR);
    auto* port = publish(spec, 80);
    EXPECT_EQ(refused(),
              "EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
    port->set_publish_mode(pb::PortConfig::HOST);
    EXPECT_EQ(refused(), "");
}

TEST_F(ServiceChecksTest, a_job_has_no_update_config) {
    spec.mutable_global_job();
    EXPECT_EQ(refused(), "");
    spec.mutable_update();
    EXPECT_EQ(refused(), "job-mode services cannot have an update or rollback config");
}

TEST_F(ServiceChecksTest, a_limit_per_node_is_for_replicas) {
    task.mutable_placement()->set_max_replicas(1);
    EXPECT_EQ(refused(), "");
    spec.mutable_global();
    EXPECT_NE(refused(), "");
}

TEST_F(ServiceChecksTest, a_service_has_a_greatest_number_of_tasks) {
    spec.mutable_replicated()->set_replicas(replicas_max + 1);
    EXPECT_EQ(refused(), "a service has at most 100000 tasks");
}

TEST_F(ServiceChecksTest, a_specification_has_a_greatest_size) {
    container.add_env("A=" + std::string(service_spec_bytes_max, 'x'));
    EXPECT_NE(refused().find("is larger than"), std::string::npos);
}

TEST_F(ServiceChecksTest, mounts_have_absolute_targets_of_their_own) {
    mount(pb::Mount::VOLUME, "data", "/data");
    EXPECT_EQ(refused(), "");
    mount(pb::Mount::BIND, "/srv", "/data");
    EXPECT_EQ(refused(), "ContainerSpec: duplicate mount point: /data");
    container.mutable_mounts(1)->set_target("data");
    EXPECT_EQ(refused(), "ContainerSpec: invalid mount target, must be an absolute path: data");
}

TEST_F(ServiceChecksTest, sources_of_mounts_fit_their_kind) {
    auto& one = mount(pb::Mount::BIND, "srv", "/data");
    EXPECT_NE(refused(), "");
    one.set_source("{{.Node.ID}}"); // may become a path
    EXPECT_EQ(refused(), "");
    one.set_type(pb::Mount::TMPFS);
    EXPECT_EQ(refused(), "ContainerSpec: invalid tmpfs source, source must be empty");
    one.set_type(pb::Mount::VOLUME);
    one.set_source("/srv");
    EXPECT_NE(refused(), "");
    one.set_type(pb::Mount::CLUSTER);
    EXPECT_EQ(code_of(check_service_spec(spec)), Errc::Unsupported);
    one.set_type(pb::Mount::NPIPE);
    EXPECT_EQ(code_of(check_service_spec(spec)), Errc::Unsupported);
}

TEST_F(ServiceChecksTest, spans_of_a_health_check_are_not_too_short) {
    auto& health = *container.mutable_healthcheck();
    *health.mutable_interval() = to_duration(std::chrono::microseconds(999));
    EXPECT_EQ(refused(),
              "ContainerSpec: Interval in HealthConfig cannot be less than one millisecond");
    *health.mutable_interval() = to_duration(nanoseconds(0)); // the image's
    EXPECT_EQ(refused(), "");
    health.set_retries(-1);
    EXPECT_EQ(refused(), "ContainerSpec: Retries in HealthConfig cannot be negative");
}

TEST_F(ServiceChecksTest, two_references_to_one_target_are_refused) {
    for (const std::string name : {"a", "b"}) {
        auto& use = *container.add_secrets();
        use.set_secret_id(name);
        use.set_secret_name(name);
        use.mutable_file()->set_name("key");
    }
    EXPECT_EQ(refused(), "secret references 'a' and 'b' have a conflicting target: 'key'");
    container.mutable_secrets(1)->mutable_file()->set_name("");
    EXPECT_EQ(refused(), "malformed file secret reference, invalid target file name provided");
    container.mutable_secrets(1)->clear_secret_id();
    EXPECT_EQ(refused(), "malformed secret reference");
}

TEST_F(ServiceChecksTest, wrong_placeholders_are_refused_where_they_are_written) {
    container.set_hostname("{{.Node.Hostname}}-{{.Task.Slot}}");
    container.add_env("LABEL={{index .Service.Labels \"a.b\"}}{{.Service.Labels.x}}");
    EXPECT_EQ(refused(), "");
    container.add_env("X={{.Node.Name}}");
    EXPECT_NE(refused().find("ContainerSpec: environment"), std::string::npos);
    container.mutable_env()->RemoveLast();
    container.set_hostname("{{.Node.Hostname");
    EXPECT_NE(refused().find("ContainerSpec: hostname"), std::string::npos);
}

TEST_F(ServiceChecksTest, placeholders_are_not_run_at_length_on_the_leader) {
    container.add_env("X={{range 1000000000}}x{{end}}");
    EXPECT_EQ(refused(), "");
}

TEST_F(ServiceChecksTest, what_is_for_windows_is_refused_by_name) {
    container.set_isolation(pb::ContainerSpec::ISOLATION_HYPERV);
    EXPECT_EQ(code_of(check_service_spec(spec)), Errc::Unsupported);
    container.clear_isolation();
    container.mutable_privileges()->mutable_credential_spec()->set_file("x");
    EXPECT_EQ(code_of(check_service_spec(spec)), Errc::Unsupported);
}

TEST_F(ServiceChecksTest, a_seccomp_profile_and_its_mode_need_each_other) {
    auto& seccomp = *container.mutable_privileges()->mutable_seccomp();
    seccomp.set_mode(pb::Privileges::SeccompOpts::CUSTOM);
    EXPECT_NE(refused(), "");
    seccomp.set_profile("{}");
    EXPECT_EQ(refused(), "");
    seccomp.set_mode(pb::Privileges::SeccompOpts::UNCONFINED);
    EXPECT_NE(refused(), "");
}

TEST_F(ServiceChecksTest, devices_capabilities_and_limits_have_a_form) {
    auto& device = *container.add_devices();
    device.set_path_on_host("dev/fuse");
    EXPECT_NE(refused(), "");
    device.set_path_on_host("/dev/fuse");
    device.set_cgroup_permissions("rx");
    EXPECT_NE(refused(), "");
    device.set_cgroup_permissions("rw");
    container.add_capability_add("net admin");
    EXPECT_EQ(refused(), "invalid CapabilityAdd: unknown capability: \"net admin\"");
    container.clear_capability_add();
    auto& limit = *container.add_ulimits();
    limit.set_name("nofile");
    limit.set_soft(20);
    limit.set_hard(10);
    EXPECT_NE(refused(), "");
    limit.set_hard(-1);
    EXPECT_EQ(refused(), "");
    container.add_env("=x");
    EXPECT_NE(refused(), "");
}

TEST_F(ServiceChecksTest, secrets_configs_and_mounts_have_targets_of_their_own) {
    auto& secret = *container.add_secrets();
    secret.set_secret_id("s");
    secret.set_secret_name("s");
    secret.mutable_file()->set_name("key");
    auto& config = *container.add_configs();
    config.set_config_id("c");
    config.set_config_name("c");
    config.mutable_file()->set_name("/etc/app.conf");
    EXPECT_EQ(refused(), "");
    config.mutable_file()->set_name("/run/secrets/./key");
    EXPECT_EQ(refused(), "ContainerSpec: secret 's' and config 'c' have a conflicting target: "
                         "'/run/secrets/key'");
    config.mutable_file()->set_name("data");
    auto& one = mount(pb::Mount::VOLUME, "data", "/data/");
    EXPECT_EQ(refused(), "ContainerSpec: the mount at '/data/' and config 'c' have a conflicting "
                         "target: '/data'");
    one.set_target("/data-{{.Task.Slot}}"); // a node's to say
    EXPECT_EQ(refused(), "");
}

TEST_F(ServiceChecksTest, hosts_are_addresses_with_names) {
    container.add_hosts("192.0.2.7 db\tdb.example");
    container.add_hosts("fd00::1 six");
    container.add_hosts("host-gateway gate");
    EXPECT_EQ(refused(), "");
    for (const char* bad : {"192.0.2.7", "", "db 192.0.2.7", "192.0.2.256 db", "192.0.2.7 a:b"}) {
        container.set_hosts(0, bad);
        EXPECT_NE(refused().find("ContainerSpec: Hosts: "), std::string::npos) << bad;
    }
}

TEST_F(ServiceChecksTest, a_hostname_is_not_too_long_with_real_ids) {
    container.set_hostname("{{.Service.Name}}-{{.Task.ID}}");
    EXPECT_EQ(refused(), "");
    container.set_hostname("{{.Service.ID}}-{{.Node.ID}}-{{.Task.ID}}");
    EXPECT_NE(refused().find("becomes longer than 64 bytes"), std::string::npos);
    container.set_hostname("{{.Task.Name}}"); // web.1.<25>
    EXPECT_EQ(refused(), "");
    spec.mutable_annotations()->set_name(std::string(40, 'w'));
    EXPECT_NE(refused(), "");
    container.set_hostname("{{.Service.Labels.role}}");
    (*spec.mutable_annotations()->mutable_labels())["role"] = "no host";
    EXPECT_EQ(refused(), "ContainerSpec: invalid hostname format: no host");
}

TEST_F(ServiceChecksTest, the_tasks_of_one_service_do_not_fill_the_store) {
    spec.mutable_replicated()->set_replicas(replicas_max);
    EXPECT_TRUE(check_room(spec, 1));
    container.add_env("A=" + std::string(10'000, 'x'));
    EXPECT_NE(error_of(check_room(spec, 1)).find("service web: 100000 tasks of 11"),
              std::string::npos);
    spec.mutable_replicated()->set_replicas(10'000);
    EXPECT_TRUE(check_room(spec, 1));
    spec.mutable_global();
    EXPECT_TRUE(check_room(spec, 1000));
    EXPECT_FALSE(check_room(spec, 100'000));
    spec.mutable_replicated_job()->set_total_completions(100'000);
    EXPECT_FALSE(check_room(spec, 1));
}

TEST_F(ServiceChecksTest, less_confinement_is_a_matter_of_policy) {
    pb::ClusterPolicy policy;
    auto& privileges = *container.mutable_privileges();
    const auto refusal = [&] {
        const auto checked = check_policy(spec, policy);
        if (!checked) { EXPECT_EQ(checked.error().code, Errc::Forbidden); }
        return error_of(checked);
    };
    const std::string why = " not allowed for services by the policy of this swarm "
                            "(AllowPrivileged)";
    privileges.set_no_new_privileges(true); // gives nothing
    privileges.mutable_seccomp();
    privileges.mutable_apparmor();
    EXPECT_EQ(refusal(), "");
    privileges.mutable_seccomp()->set_mode(pb::Privileges::SeccompOpts::UNCONFINED);
    EXPECT_EQ(refusal(), "seccomp=unconfined is" + why);
    privileges.mutable_seccomp()->set_mode(pb::Privileges::SeccompOpts::CUSTOM);
    EXPECT_EQ(refusal(), "custom seccomp profiles are" + why);
    privileges.clear_seccomp();
    privileges.mutable_apparmor()->set_mode(pb::Privileges::AppArmorOpts::DISABLED);
    EXPECT_EQ(refusal(), "apparmor=disabled is" + why);
    privileges.clear_apparmor();
    privileges.mutable_selinux_context()->set_disable(true);
    EXPECT_EQ(refusal(), "disabling SELinux is" + why);
    policy.set_allow_privileged(true);
    EXPECT_EQ(refusal(), "");
}

} // namespace
} // namespace shoal::swarm
