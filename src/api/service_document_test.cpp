#include "api/service_document.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

namespace pb = swarm::pb;

// What `docker service create` of version 28.2.2 sends with every option it has for Linux.
const char* const every_option =
    R"({"Name":"all","Labels":{"lab":"1"},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:1","Lab)"
    R"(els":{"c":"1"},"Command":["/bin/sh","-c"],"Args":["arg1","arg2"],"Hostname":"h","Env":["A=)"
    R"(1","B=2"],"Dir":"/w","User":"1000:1000","Groups":["wheel"],"Init":true,"StopSignal":"SIGUS)"
    R"(R1","TTY":true,"ReadOnly":true,"Mounts":[{"Type":"volume","Source":"data","Target":"/data")"
    R"(,"ReadOnly":true,"VolumeOptions":{"NoCopy":true,"Labels":{"k":"v"},"DriverConfig":{"Name":)"
    R"("local","Options":{"o":"x"}}}},{"Type":"bind","Source":"/srv","Target":"/srv","BindOptions)"
    R"(":{"Propagation":"rslave"}},{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1048)"
    R"(576,"Mode":1023}}],"StopGracePeriod":7000000000,"Healthcheck":{"Test":["CMD-SHELL","true"])"
    R"(,"Interval":5000000000,"Timeout":4000000000,"StartPeriod":2000000000,"StartInterval":10000)"
    R"(00000,"Retries":3},"Hosts":["10.0.0.1 db"],"DNSConfig":{"Nameservers":["1.1.1.1"],"Search")"
    R"(:["example.com"],"Options":["ndots:2"]},"Secrets":[{"File":{"Name":"k","UID":"3","GID":"4")"
    R"(,"Mode":256},"SecretID":"secretid0000000000000000a","SecretName":"key"}],"Configs":[{"File)"
    R"(":{"Name":"/etc/conf","UID":"1","GID":"2","Mode":288},"ConfigID":"configid0000000000000000)"
    R"(a","ConfigName":"conf"}],"Sysctls":{"net.core.somaxconn":"10"},"CapabilityAdd":["CAP_NET_R)"
    R"(AW"],"CapabilityDrop":["CAP_CHOWN"],"Ulimits":[{"Name":"nofile","Hard":20,"Soft":10}],"Oom)"
    R"(ScoreAdj":10},"Resources":{"Limits":{"NanoCPUs":1500000000,"MemoryBytes":67108864,"Pids":1)"
    R"(00},"Reservations":{"NanoCPUs":500000000,"MemoryBytes":33554432,"GenericResources":[{"Disc)"
    R"(reteResourceSpec":{"Kind":"GPU","Value":2}}]}},"RestartPolicy":{"Condition":"on-failure",")"
    R"(Delay":3000000000,"MaxAttempts":4,"Window":60000000000},"Placement":{"Constraints":["node.)"
    R"(role==manager"],"Preferences":[{"Spread":{"SpreadDescriptor":"node.labels.rack"}}],"MaxRep)"
    R"(licas":2},"Networks":[{"Target":"netid00000000000000000000a","Aliases":["w"],"DriverOpts":)"
    R"({"a":"b"}}],"LogDriver":{"Name":"json-file","Options":{"max-size":"1m"}},"ForceUpdate":0},)"
    R"("Mode":{"Replicated":{"Replicas":3}},"UpdateConfig":{"Parallelism":0,"Delay":2000000000,"F)"
    R"(ailureAction":"rollback","Monitor":8000000000,"MaxFailureRatio":0.25,"Order":"start-first")"
    R"(},"RollbackConfig":{"Parallelism":2,"Delay":1000000000,"FailureAction":"continue","Monitor)"
    R"(":6000000000,"MaxFailureRatio":0.5,"Order":"start-first"},"EndpointSpec":{"Mode":"vip","Po)"
    R"(rts":[{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"},{"Pr)"
    R"(otocol":"udp","TargetPort":53,"PublishedPort":53,"PublishMode":"host"}]}})";
const char* const no_option =
    R"({"Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:latest","Init":false,"DNSConf)"
    R"(ig":{}},"Resources":{"Limits":{},"Reservations":{}},"Placement":{},"ForceUpdate":0},"Mode")"
    R"(:{"Replicated":{}},"EndpointSpec":{"Mode":"vip"}})";
const char* const global_without_health_check =
    R"({"Name":"g","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:latest","Init":fal)"
    R"(se,"Healthcheck":{"Test":["NONE"]},"DNSConfig":{}},"Resources":{"Limits":{},"Reservations")"
    R"(:{}},"Placement":{},"ForceUpdate":0},"Mode":{"Global":{}},"EndpointSpec":{"Mode":"vip"}})";
const char* const replicated_job =
    R"({"Name":"j","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:latest","Init":fal)"
    R"(se,"DNSConfig":{}},"Resources":{"Limits":{},"Reservations":{}},"Placement":{},"ForceUpdate)"
    R"(":0},"Mode":{"ReplicatedJob":{"MaxConcurrent":2,"TotalCompletions":5}},"EndpointSpec":{"Mo)"
    R"(de":"vip"}})";
const char* const global_job =
    R"({"Name":"gj","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"nginx:latest","Init":fa)"
    R"(lse,"DNSConfig":{}},"Resources":{"Limits":{},"Reservations":{}},"Placement":{},"ForceUpdat)"
    R"(e":0},"Mode":{"GlobalJob":{}},"EndpointSpec":{"Mode":"vip"}})";

ServiceRequest request(std::string_view text, int version = 151) {
    auto parsed = parse_service_request(*parse_json(text), version);
    EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
    return parsed ? *parsed : ServiceRequest{};
}
std::string refused(std::string_view text, int version = 151) {
    auto parsed = parse_service_request(*parse_json(text), version);
    return parsed ? "" : parsed.error().message;
}
/// As the client sent it, with the members that Docker adds of its own.
Json with_additions(std::string_view text) {
    Json json = *parse_json(text);
    json["TaskTemplate"]["ContainerSpec"]["Isolation"] = "default";
    json["TaskTemplate"]["Runtime"] = "container";
    return json;
}
/// Without regard to the order of members.
std::string sorted(const Json& json) { return nlohmann::json(json).dump(1); }

TEST(ServiceDocument, every_option_of_the_client_comes_back_as_it_was_sent) {
    const auto spec = request(every_option).spec;
    EXPECT_EQ(sorted(service_spec_document(spec, 151)), sorted(with_additions(every_option)));
}

TEST(ServiceDocument, every_option_of_the_client_is_understood) {
    const auto spec = request(every_option).spec;
    EXPECT_EQ(spec.annotations().name(), "all");
    EXPECT_EQ(spec.annotations().labels().at("lab"), "1");
    EXPECT_EQ(spec.replicated().replicas(), 3u);
    const auto& task = spec.task();
    EXPECT_EQ(task.resources().limits().nano_cpus(), 1'500'000'000);
    EXPECT_EQ(task.resources().reservations().memory_bytes(), 32 << 20);
    EXPECT_EQ(task.resources().reservations().generic(0).discrete_resource_spec().value(), 2);
    EXPECT_EQ(task.restart().condition(), pb::RestartPolicy::ON_FAILURE);
    EXPECT_EQ(swarm::from_duration(task.restart().window()), std::chrono::minutes(1));
    EXPECT_EQ(task.restart().max_attempts(), 4u);
    EXPECT_EQ(task.placement().constraints(0), "node.role==manager");
    EXPECT_EQ(task.placement().preferences(0).spread().spread_descriptor(), "node.labels.rack");
    EXPECT_EQ(task.placement().max_replicas(), 2u);
    EXPECT_EQ(task.networks(0).aliases(0), "w");
    EXPECT_EQ(task.networks(0).driver_attachment_opts().at("a"), "b");
    EXPECT_EQ(task.log_driver().options().at("max-size"), "1m");
    EXPECT_EQ(spec.update().failure_action(), pb::UpdateConfig::ROLLBACK);
    EXPECT_EQ(spec.update().max_failure_ratio(), 0.25F);
    EXPECT_EQ(spec.update().order(), pb::UpdateConfig::START_FIRST);
    EXPECT_EQ(spec.rollback().parallelism(), 2u);
    EXPECT_EQ(spec.endpoint().ports(1).protocol(), pb::PortConfig::UDP);
    EXPECT_EQ(spec.endpoint().ports(1).publish_mode(), pb::PortConfig::HOST);
}

TEST(ServiceDocument, every_option_of_the_container_is_understood) {
    const auto container = request(every_option).spec.task().container();
    EXPECT_EQ(container.command(0), "/bin/sh");
    EXPECT_EQ(container.args(1), "arg2");
    EXPECT_TRUE(container.init().value());
    EXPECT_EQ(container.mounts(0).volume_options().driver_config().options().at("o"), "x");
    EXPECT_EQ(container.mounts(1).bind_options().propagation(), pb::Mount::BindOptions::RSLAVE);
    EXPECT_EQ(container.mounts(2).type(), pb::Mount::TMPFS);
    EXPECT_EQ(container.mounts(2).tmpfs_options().size_bytes(), 1 << 20);
    EXPECT_EQ(swarm::from_duration(container.healthcheck().start_interval()),
              std::chrono::seconds(1));
    EXPECT_EQ(container.healthcheck().retries(), 3);
    EXPECT_EQ(container.secrets(0).file().mode(), 0400u);
    EXPECT_EQ(container.secrets(0).secret_name(), "key");
    EXPECT_EQ(container.configs(0).file().name(), "/etc/conf");
    EXPECT_EQ(container.capability_add(0), "CAP_NET_RAW");
    EXPECT_EQ(container.ulimits(0).soft(), 10);
    EXPECT_EQ(container.ulimits(0).hard(), 20);
    EXPECT_EQ(container.pidslimit(), 100);
    EXPECT_EQ(container.oom_score_adj(), 10);
    EXPECT_EQ(swarm::from_duration(container.stop_grace_period()), std::chrono::seconds(7));
}

TEST(ServiceDocument, modes_have_their_numbers_where_none_are_given) {
    auto expected = with_additions(no_option);
    expected["Mode"]["Replicated"]["Replicas"] = 1;
    EXPECT_EQ(sorted(service_spec_document(request(no_option).spec, 151)), sorted(expected));
    for (const char* text : {global_without_health_check, replicated_job, global_job}) {
        EXPECT_EQ(sorted(service_spec_document(request(text).spec, 151)),
                  sorted(with_additions(text)));
    }
    EXPECT_EQ(request(R"({"Mode":{"ReplicatedJob":{"MaxConcurrent":3}}})")
                  .spec.replicated_job()
                  .total_completions(),
              3u);
    EXPECT_EQ(request("{}").spec.replicated().replicas(), 1u);
    EXPECT_EQ(request(R"({"Mode":{"Replicated":{"Replicas":0}}})").spec.replicated().replicas(),
              0u);
    EXPECT_EQ(refused(R"({"Mode":{"Replicated":{},"Global":{}}})"),
              "must specify only one service mode");
}

TEST(ServiceDocument, what_is_not_known_is_refused_by_its_path) {
    EXPECT_EQ(refused(R"({"TaskTemplate":{"ContainerSpec":{"Colour":"red"}}})"),
              "TaskTemplate.ContainerSpec.Colour: unknown field");
    EXPECT_EQ(refused(R"({"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"disk"}]}}})"),
              "TaskTemplate.ContainerSpec.Mounts[0].Type: invalid value \"disk\"");
    EXPECT_EQ(refused(R"({"Mode":{"Replicated":{"Replicas":"three"}}})"),
              "Mode.Replicated.Replicas: expected a whole number, got a string");
    EXPECT_EQ(refused(R"({"UpdateConfig":{"Order":"both"}})"),
              "UpdateConfig.Order: invalid value \"both\"");
    EXPECT_EQ(refused(R"({"TaskTemplate":{"PluginSpec":{"Name":"x"}}})"),
              "TaskTemplate.PluginSpec: plugins are not supported");
    EXPECT_EQ(refused(R"({"TaskTemplate":{"Runtime":"wasm"}})"),
              "TaskTemplate.Runtime: invalid value \"wasm\"");
    EXPECT_EQ(
        refused(
            R"({"TaskTemplate":{"ContainerSpec":{"Privileges":{"CredentialSpec":{"File":"x"}}}}})"),
        "TaskTemplate.ContainerSpec.Privileges.CredentialSpec: credential specs are for Windows "
        "only");
}

TEST(ServiceDocument, privileges_come_back) {
    constexpr auto text =
        R"({"TaskTemplate":{"ContainerSpec":{"Image":"a","Privileges":{"SELinuxContext":null,"Seccomp":{"Mode":"custom","Profile":"e30="},"AppArmor":{"Mode":"disabled"},"NoNewPrivileges":true}}}})";
    const auto spec = request(text).spec;
    EXPECT_EQ(spec.task().container().privileges().seccomp().profile(), "{}");
    const auto json = service_spec_document(spec, 151);
    EXPECT_EQ(
        json["TaskTemplate"]["ContainerSpec"]["Privileges"].dump(),
        R"({"CredentialSpec":null,"SELinuxContext":null,"Seccomp":{"Mode":"custom","Profile":"e30="},"AppArmor":{"Mode":"disabled"},"NoNewPrivileges":true})");
}

TEST(ServiceDocument, options_of_a_tmpfs_are_kept_as_their_text) {
    const auto spec =
        request(
            R"({"TaskTemplate":{"ContainerSpec":{"Mounts":[{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"Options":[["noexec"],["uid","3"]]}}]}}})")
            .spec;
    EXPECT_EQ(spec.task().container().mounts(0).tmpfs_options().options(),
              R"([["noexec"],["uid","3"]])");
    const auto json = service_spec_document(spec, 151);
    EXPECT_EQ(json["TaskTemplate"]["ContainerSpec"]["Mounts"][0]["TmpfsOptions"].dump(),
              R"({"Options":[["noexec"],["uid","3"]]})");
}

TEST(ServiceDocument, ratios_are_as_short_as_go_prints_them) {
    const auto spec = request(R"({"UpdateConfig":{"Parallelism":1,"MaxFailureRatio":0.1}})").spec;
    EXPECT_EQ(service_spec_document(spec, 151)["UpdateConfig"]["MaxFailureRatio"].dump(), "0.1");
}

TEST(ServiceDocument, older_clients_neither_send_nor_get_newer_members) {
    const auto container = [](int version) {
        return request(every_option, version).spec.task().container();
    };
    EXPECT_EQ(container(145).oom_score_adj(), 0);
    EXPECT_FALSE(container(143).healthcheck().has_start_interval());
    EXPECT_TRUE(container(144).healthcheck().has_start_interval());
    EXPECT_EQ(container(140).capability_add_size(), 0);
    EXPECT_EQ(container(140).pidslimit(), 0);
    EXPECT_EQ(container(141).pidslimit(), 100);
    EXPECT_EQ(container(139).sysctls_size(), 0);
    EXPECT_EQ(request(every_option, 139).spec.task().placement().max_replicas(), 0u);
    const auto shown = service_spec_document(request(every_option).spec, 139);
    EXPECT_FALSE(shown["TaskTemplate"]["ContainerSpec"].contains("Sysctls"));
    EXPECT_FALSE(shown["TaskTemplate"]["Resources"]["Limits"].contains("Pids"));
    EXPECT_TRUE(shown["TaskTemplate"]["ContainerSpec"].contains("Secrets"));
    EXPECT_EQ(refused(global_job, 140), "Mode: jobs need version 1.41 of the API");
}

TEST(ServiceDocument, our_own_members_stay_when_a_client_does_not_know_them) {
    const auto full = request(
        R"({"TaskTemplate":{"ContainerSpec":{"Image":"a","Devices":[{"PathOnHost":"/dev/fuse","PathInContainer":"/dev/fuse","CgroupPermissions":"rwm"}],"Privileged":true}}})");
    EXPECT_TRUE(full.names_devices);
    EXPECT_TRUE(full.names_privileged);
    const auto shown = service_spec_document(full.spec, 151)["TaskTemplate"]["ContainerSpec"];
    EXPECT_EQ(shown["Devices"][0]["PathOnHost"], "/dev/fuse");
    EXPECT_EQ(shown["Privileged"], true);
    auto plain = request(R"({"TaskTemplate":{"ContainerSpec":{"Image":"b"}}})");
    keep_unnamed(plain, full.spec, plain.spec);
    EXPECT_EQ(plain.spec.task().container().devices_size(), 1);
    EXPECT_TRUE(plain.spec.task().container().privileged());
    auto without = request(
        R"({"TaskTemplate":{"ContainerSpec":{"Image":"b","Devices":[],"Privileged":false}}})");
    keep_unnamed(without, full.spec, without.spec);
    EXPECT_EQ(without.spec.task().container().devices_size(), 0);
    EXPECT_FALSE(without.spec.task().container().privileged());
}

TEST(ServiceDocument, a_service_shows_its_state) {
    pb::Service service;
    service.set_id("id1");
    service.mutable_meta()->mutable_version()->set_index(12);
    *service.mutable_meta()->mutable_created_at() =
        swarm::to_timestamp(Instant{std::chrono::seconds(1)});
    *service.mutable_spec() =
        request(R"({"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a"}}})").spec;
    auto json = service_document(service, 151);
    EXPECT_EQ(
        json.dump(),
        R"({"ID":"id1","Version":{"Index":12},"CreatedAt":"1970-01-01T00:00:01Z","UpdatedAt":"0001-01-01T00:00:00Z",)"
        R"("Spec":{"Name":"web","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"a","Isolation":"default"},"ForceUpdate":0,"Runtime":"container"},"Mode":{"Replicated":{"Replicas":1}}},)"
        R"("Endpoint":{"Spec":{"Mode":"vip"}}})");
    service.mutable_update_status()->set_state(pb::UpdateStatus::ROLLBACK_PAUSED);
    service.mutable_update_status()->set_message("why");
    *service.mutable_previous_spec() = service.spec();
    service.mutable_job_status();
    auto& ip = *service.mutable_endpoint()->add_virtual_ips();
    ip.set_network_id("n");
    ip.set_addr("10.0.1.2/24");
    const ServiceCounts counts{1, 2, 3};
    json = service_document(service, 151, &counts);
    EXPECT_EQ(json["UpdateStatus"].dump(), R"({"State":"rollback_paused","Message":"why"})");
    EXPECT_EQ(json["PreviousSpec"]["Name"], "web");
    EXPECT_EQ(json["Endpoint"]["VirtualIPs"].dump(), R"([{"NetworkID":"n","Addr":"10.0.1.2/24"}])");
    EXPECT_EQ(json["ServiceStatus"].dump(),
              R"({"RunningTasks":1,"DesiredTasks":2,"CompletedTasks":3})");
    EXPECT_EQ(json["JobStatus"]["JobIteration"]["Index"], 0);
    json = service_document(service, 140, &counts);
    EXPECT_FALSE(json.contains("ServiceStatus"));
    EXPECT_FALSE(json.contains("JobStatus"));
}

TEST(ServiceDocument, defaults_are_written_out_on_demand) {
    auto spec = request(R"({"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"a"}}})").spec;
    insert_defaults(spec);
    const auto json = service_spec_document(spec, 151);
    EXPECT_EQ(json["TaskTemplate"]["ContainerSpec"]["StopGracePeriod"], 10'000'000'000);
    EXPECT_EQ(json["TaskTemplate"]["RestartPolicy"].dump(),
              R"({"Condition":"any","Delay":5000000000,"MaxAttempts":0})");
    EXPECT_EQ(json["TaskTemplate"]["Resources"].dump(), R"({"Limits":{},"Reservations":{}})");
    EXPECT_EQ(
        json["UpdateConfig"].dump(),
        R"({"Parallelism":1,"FailureAction":"pause","Monitor":5000000000,"MaxFailureRatio":0.0,"Order":"stop-first"})");
    auto job = request(global_job).spec;
    insert_defaults(job);
    EXPECT_FALSE(job.has_update()); // a job may have none
}

struct CountTest : testing::Test {
    struct Zeros final : Random {
        void fill(std::span<std::uint8_t> out) override { std::fill(out.begin(), out.end(), 0); }
    };
    swarm::Store store;
    Zeros random;
    swarm::Tx tx{store, Instant{}, random};
    pb::Service service;

    void SetUp() override {
        service.set_id("s");
        for (const auto state : {pb::NodeStatus::READY, pb::NodeStatus::DOWN}) {
            pb::Node node;
            node.set_id(state == pb::NodeStatus::READY ? "up" : "down");
            node.mutable_status()->set_state(state);
            tx.put(node);
        }
    }
    void add(const std::string& id, const std::string& node, pb::TaskState state,
             pb::TaskState desired, std::uint64_t iteration = 0) {
        pb::Task task;
        task.set_id(id);
        task.set_service_id("s");
        task.set_node_id(node);
        task.mutable_status()->set_state(state);
        task.set_desired_state(desired);
        task.mutable_job_iteration()->set_index(iteration);
        tx.put(task);
    }
};

/// The specification with one member of the task, or the error.
Result<pb::ServiceSpec> spec_with(const std::string& task, const std::string& rest = "") {
    const auto text = R"({"Name":"a","TaskTemplate":{)" + task + "}" + rest + "}";
    auto parsed = parse_service_request(*parse_json(text), 151);
    if (!parsed) { return std::move(parsed).error(); }
    return parsed->spec;
}

TEST(ServiceWords, some_are_read_in_any_case_as_docker_does) {
    for (const char* word : {"on-failure", "On-Failure", "ON_FAILURE"}) {
        const auto spec =
            spec_with(R"("RestartPolicy":{"Condition":")" + std::string(word) + R"("})");
        ASSERT_TRUE(spec) << word << ": " << spec.error().message;
        EXPECT_EQ(spec->task().restart().condition(), pb::RestartPolicy::ON_FAILURE);
    }
    const auto mounted =
        spec_with(R"("ContainerSpec":{"Image":"a","Mounts":[{"Type":"VOLUME","Target":"/d"}]})");
    ASSERT_TRUE(mounted);
    EXPECT_EQ(mounted->task().container().mounts(0).type(), pb::Mount::VOLUME);
    const auto ports = spec_with(
        "",
        R"(,"EndpointSpec":{"Mode":"DNSRR","Ports":[{"Protocol":"UDP","PublishMode":"Host"}]})");
    ASSERT_TRUE(ports);
    EXPECT_EQ(ports->endpoint().mode(), pb::EndpointSpec::DNSRR);
    EXPECT_EQ(ports->endpoint().ports(0).protocol(), pb::PortConfig::UDP);
    EXPECT_EQ(ports->endpoint().ports(0).publish_mode(), pb::PortConfig::HOST);
}

TEST(ServiceWords, others_are_read_letter_by_letter_and_unknown_ones_named) {
    const auto refused = [](const std::string& task, const std::string& rest = "") {
        const auto spec = spec_with(task, rest);
        return spec ? std::string() : spec.error().message;
    };
    EXPECT_NE(refused("", R"(,"UpdateConfig":{"FailureAction":"Pause"})").find("\"Pause\""),
              std::string::npos);
    EXPECT_NE(refused("", R"(,"UpdateConfig":{"Order":"START-FIRST"})").find("\"START-FIRST\""),
              std::string::npos);
    EXPECT_NE(refused(R"("RestartPolicy":{"Condition":"sometimes"})").find("\"sometimes\""),
              std::string::npos);
    EXPECT_NE(refused("", R"(,"EndpointSpec":{"Mode":"vips"})").find("\"vips\""),
              std::string::npos);
}

TEST_F(CountTest, replicas_are_what_is_asked_for_and_what_runs) {
    service.mutable_spec()->mutable_replicated()->set_replicas(4);
    add("1", "up", pb::RUNNING, pb::RUNNING);
    add("2", "down", pb::RUNNING, pb::RUNNING);
    add("3", "up", pb::FAILED, pb::SHUTDOWN);
    const auto counts = count_tasks(store, service);
    EXPECT_EQ(counts.running, 1u);
    EXPECT_EQ(counts.desired, 4u);
}

TEST_F(CountTest, a_global_service_wants_the_tasks_that_are_not_ending) {
    service.mutable_spec()->mutable_global();
    add("1", "up", pb::RUNNING, pb::RUNNING);
    add("2", "up", pb::RUNNING, pb::SHUTDOWN);
    EXPECT_EQ(count_tasks(store, service).desired, 1u);
}

TEST_F(CountTest, a_job_counts_its_present_run) {
    service.mutable_spec()->mutable_replicated_job()->set_max_concurrent(3);
    service.mutable_spec()->mutable_replicated_job()->set_total_completions(5);
    service.mutable_job_status()->mutable_job_iteration()->set_index(1);
    for (const std::string id : {"1", "2", "3"}) { add(id, "up", pb::COMPLETE, pb::COMPLETE, 1); }
    add("4", "up", pb::COMPLETE, pb::REMOVE, 0);
    const auto counts = count_tasks(store, service);
    EXPECT_EQ(counts.completed, 3u);
    EXPECT_EQ(counts.desired, 3u); // as many as may run at once, whatever is left
}

} // namespace
} // namespace shoal::api
