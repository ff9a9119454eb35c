#include "cli/swarm/service_spec.h"

#include "base/text.h"
#include "cli/swarm/commands.h"
#include "cli/swarm/documents.h"

#include <gtest/gtest.h>

namespace shoal::cli::swarm {
namespace {

const KnownIds ids{{{"front", "netone"}, {"netone", "netone"}, {"back", "anet"}},
                   {{"s1", "secretone"}},
                   {{"c1", "configone"}, {"c2", "configtwo"}}};

Result<Parsed> parsed(const Command& command, std::string_view line) {
    return parse_flags(flags_of(command), split(line, ' '), command.flags_first);
}

/// The member at the end of a path "A.B.C" as text, or the error.
std::string member(const Result<Json>& spec, std::string_view path) {
    if (!spec) { return spec.error().message; }
    const Json* at = &*spec;
    for (const auto& name : split(path, '.')) { at = &inside(*at, {name}); }
    return at->dump();
}

std::string created(std::string_view line, std::string_view path) {
    const auto words = parsed(service_create_command, line);
    if (!words) { return words.error().message; }
    return member(created_spec(*words, ids, "/here"), path);
}

TEST(CreatedSpec, says_only_what_was_said) {
    const auto words = parsed(service_create_command, "busybox");
    EXPECT_EQ(
        created_spec(*words, {}, "/")->dump(),
        R"({"Labels":{},"EndpointSpec":{"Mode":"vip"},"TaskTemplate":{"Resources":{"Limits":{},"Reservations":{}},"Placement":{},"ForceUpdate":0,"ContainerSpec":{"Image":"busybox","Init":false,"DNSConfig":{}}},"Mode":{"Replicated":{}}})");
}

struct Case {
    const char* line;
    const char* path;
    const char* expected;
};

TEST(CreatedSpec, has_what_flags_say) {
    constexpr Case cases[] = {
        {"x a -b", "TaskTemplate.ContainerSpec.Args", R"(["a","-b"])"},
        {"--replicas 0 x", "Mode", R"({"Replicated":{"Replicas":0}})"},
        {"--mode global x", "Mode", R"({"Global":{}})"},
        {"--mode replicated-job --replicas 4 x", "Mode",
         R"({"ReplicatedJob":{"MaxConcurrent":4,"TotalCompletions":4}})"},
        {"--mode global --replicas 1 x", "",
         "replicas can only be used with replicated or replicated-job mode"},
        {"--mode x y", "", "Unknown mode: x, only replicated and global supported"},
        {"--mode global-job --update-order start-first x", "",
         "update and rollback configuration is not supported for jobs"},
        {"-e A=1 -e B=2 -e A=3 x", "TaskTemplate.ContainerSpec.Env", R"(["B=2","A=3"])"},
        {"--network front --network back x", "TaskTemplate.Networks",
         R"([{"Target":"anet"},{"Target":"netone"}])"},
        {"--network absent x", "", "network absent not found"},
        {"--secret s1 x", "TaskTemplate.ContainerSpec.Secrets",
         R"([{"File":{"Name":"s1","UID":"0","GID":"0","Mode":292},"SecretName":"s1","SecretID":"secretone"}])"},
        {"--secret absent x", "", "secret not found: absent"},
        {"--secret s1 --secret source=s1,target=s1 x", "",
         "duplicate secret target for s1 not allowed"},
        {"--credential-spec config://c1 x", "TaskTemplate.ContainerSpec.Configs",
         R"([{"Runtime":{},"ConfigName":"c1","ConfigID":"configone"}])"},
        {"--credential-spec config://c1 x",
         "TaskTemplate.ContainerSpec.Privileges.CredentialSpec.Config", R"("configone")"},
        {"--mount type=bind,src=./a,dst=/b x", "TaskTemplate.ContainerSpec.Mounts",
         R"([{"Type":"bind","Target":"/b","Source":"/here/a"}])"},
        {"--limit-cpu .5 --reserve-memory 1m x", "TaskTemplate.Resources",
         R"({"Limits":{"NanoCPUs":500000000},"Reservations":{"MemoryBytes":1048576}})"},
        {"--update-max-failure-ratio .25 x", "UpdateConfig",
         R"({"Parallelism":1,"FailureAction":"pause","Monitor":5000000000,"MaxFailureRatio":0.25,"Order":"stop-first"})"},
        {"--restart-max-attempts 2 x", "TaskTemplate.RestartPolicy",
         R"({"Condition":"any","Delay":5000000000,"MaxAttempts":2})"},
        {"--cap-add all --cap-add chown --cap-drop kill x",
         "TaskTemplate.ContainerSpec.CapabilityAdd", R"(["ALL"])"},
        {"--no-healthcheck x", "TaskTemplate.ContainerSpec.Healthcheck", R"({"Test":["NONE"]})"},
        {"--no-healthcheck --health-retries 1 x", "",
         "--no-healthcheck conflicts with --health-* options"},
        {"--log-driver x --log-opt a=b x", "TaskTemplate.LogDriver",
         R"({"Name":"x","Options":{"a":"b"}})"},
    };
    for (const auto& [line, path, expected] : cases) {
        EXPECT_EQ(created(line, path), expected) << line;
    }
}

const char* old_spec =
    R"({"Name":"web","Labels":{"l":"1"},"Future":[1],"TaskTemplate":{"ContainerSpec":{
    "Image":"x@sha256:1","Env":["A=1","B=2"],"Mounts":[{"Type":"volume","Source":"v","Target":"/v"},{"Type":"bind","Source":"/b","Target":"/b"}],
    "Configs":[{"File":{"Name":"/c1"},"ConfigID":"configone","ConfigName":"c1"},{"Runtime":{},"ConfigID":"configtwo","ConfigName":"c2"}],
    "Privileges":{"CredentialSpec":{"Config":"configtwo","File":"","Registry":""}},"Healthcheck":{"Test":["NONE"]}},
    "Networks":[{"Target":"netone"}],"ForceUpdate":2},"Mode":{"Replicated":{"Replicas":3}},"EndpointSpec":{"Mode":"vip"}})";

std::string updated(std::string_view line, std::string_view path) {
    const auto words = parsed(service_update_command, line);
    if (!words) { return words.error().message; }
    return member(updated_spec(*parse_json(old_spec), *words, ids, "/here"), path);
}

TEST(UpdatedSpec, leaves_alone_what_no_flag_names) {
    const auto words = parsed(service_update_command, "web");
    EXPECT_EQ(*updated_spec(*parse_json(old_spec), *words, ids, "/"), *parse_json(old_spec));
    EXPECT_EQ(updated("--env-add C=3 web", "Future"), "[1]");
    EXPECT_EQ(updated("--label-add a=b web", "TaskTemplate.ContainerSpec.Mounts"),
              parse_json(old_spec)->at("TaskTemplate").at("ContainerSpec").at("Mounts").dump());
}

TEST(UpdatedSpec, changes_what_flags_say) {
    constexpr Case cases[] = {
        {"--force web", "TaskTemplate.ForceUpdate", "3"},
        {"--image y web", "TaskTemplate.ContainerSpec.Image", R"("y")"},
        {"--env-add B=9 --env-add C= --env-rm A web", "TaskTemplate.ContainerSpec.Env",
         R"(["B=9","C="])"},
        {"--env-rm A --env-rm B web", "TaskTemplate.ContainerSpec.Env", "null"},
        {"--label-rm l web", "Labels", "{}"},
        {"--replicas 1 web", "Mode", R"({"Replicated":{"Replicas":1}})"},
        {"--max-concurrent 1 web", "", "max-concurrent can only be used with replicated-job mode"},
        {"--mount-add type=tmpfs,dst=/v web", "TaskTemplate.ContainerSpec.Mounts",
         R"([{"Type":"tmpfs","Target":"/v"},{"Type":"bind","Source":"/b","Target":"/b"}])"},
        {"--mount-rm /b --mount-rm /v web", "TaskTemplate.ContainerSpec.Mounts", "null"},
        {"--network-add back --network-rm front web", "TaskTemplate.Networks",
         R"([{"Target":"anet"}])"},
        {"--network-add front web", "", "service is already attached to network front"},
        {"--config-rm c1 web", "TaskTemplate.ContainerSpec.Configs",
         R"([{"Runtime":{},"ConfigID":"configtwo","ConfigName":"c2"}])"},
        {"--credential-spec file://x web", "TaskTemplate.ContainerSpec.Configs",
         R"([{"File":{"Name":"/c1"},"ConfigID":"configone","ConfigName":"c1"}])"},
        {"--credential-spec config://c2 web",
         "TaskTemplate.ContainerSpec.Privileges.CredentialSpec.Config", R"("configtwo")"},
        {"--credential-spec= web", "TaskTemplate.ContainerSpec.Privileges", "{}"},
        {"--health-retries 2 web", "TaskTemplate.ContainerSpec.Healthcheck", R"({"Retries":2})"},
        {"--publish-add 8080:80 web", "EndpointSpec.Ports",
         R"([{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"}])"},
        {"--rollback-monitor 1s web", "RollbackConfig.Monitor", "1000000000"},
        {"--generic-resource-rm gpu web", "", "could not find generic-resource `gpu` to remove it"},
    };
    for (const auto& [line, path, expected] : cases) {
        EXPECT_EQ(updated(line, path), expected) << line;
    }
}

TEST(ScaledSpec, counts_tasks_of_jobs_too) {
    const Json job = *parse_json(R"({"Mode":{"ReplicatedJob":{"MaxConcurrent":1}}})");
    EXPECT_EQ(member(scaled_spec(job, 5), "Mode"),
              R"({"ReplicatedJob":{"MaxConcurrent":1,"TotalCompletions":5}})");
    EXPECT_EQ(member(scaled_spec(*parse_json(R"({"Mode":{"Global":{}}})"), 5), ""),
              "scale can only be used with replicated or replicated-job mode");
}

} // namespace
} // namespace shoal::cli::swarm
