// Rows, pages and lines of logs.
#include "cli/swarm/documents.h"
#include "cli/swarm/image_pin.h"
#include "cli/swarm/log_lines.h"
#include "cli/swarm/pages.h"
#include "cli/swarm/service_rows.h"
#include "cli/swarm/task_rows.h"

#include <gtest/gtest.h>

namespace shoal::cli::swarm {
namespace {

Json json(std::string_view text) { return *parse_json(text); }

TEST(MeshPorts, neighbours_are_shown_together) {
    const auto port = [](int published, int target, const char* protocol = "tcp",
                         const char* mode = "ingress") {
        return Json{{"PublishedPort", published},
                    {"TargetPort", target},
                    {"Protocol", protocol},
                    {"PublishMode", mode}};
    };
    struct Case {
        Json ports;
        const char* expected;
    };
    const Case cases[] = {
        {Json::array(), ""},
        {{port(80, 80), port(81, 81)}, "*:80-81->80-81/tcp"},
        {{port(81, 80), port(80, 80)}, "*:80-81->80/tcp"},
        {{port(80, 80), port(81, 81), port(82, 80)}, "*:80-81->80-81/tcp, *:82->80/tcp"},
        {{port(80, 90), port(81, 80)}, "*:80->90/tcp, *:81->80/tcp"},
        {{port(53, 53, "udp"), port(80, 80), port(443, 443, "tcp", "host")},
         "*:80->80/tcp, *:53->53/udp"},
    };
    for (const auto& [ports, expected] : cases) { EXPECT_EQ(mesh_ports(ports), expected); }
    EXPECT_EQ(mesh_ports(nullptr), "");
}

TEST(ServiceRow, tells_how_many_tasks_run) {
    struct Case {
        const char* spec;
        const char* expected;
    };
    constexpr Case cases[] = {
        {R"({"Mode":{"Replicated":{"Replicas":3}}})", "1/3"},
        {R"({"Mode":{"Replicated":{}},"TaskTemplate":{"Placement":{"MaxReplicas":2}}})",
         "1/3 (max 2 per node)"},
        {R"({"Mode":{"Global":{}},"TaskTemplate":{"Placement":{"MaxReplicas":2}}})", "1/3"},
        {R"({"Mode":{"ReplicatedJob":{"TotalCompletions":9}}})", "1/3 (4/9 completed)"},
        {R"({"Mode":{"GlobalJob":{}}})", "1/3 (4/7 completed)"},
    };
    for (const auto& [spec, expected] : cases) {
        const Json service{
            {"Spec", json(spec)},
            {"ServiceStatus", {{"RunningTasks", 1}, {"DesiredTasks", 3}, {"CompletedTasks", 4}}}};
        EXPECT_EQ(service_row(service)["Replicas"], expected) << spec;
    }
}

TEST(CountTasks, leaves_out_nodes_that_are_down) {
    Json services = json(
        R"([{"ID":"a","Spec":{"Mode":{"Replicated":{"Replicas":5}}}},{"ID":"b","ServiceStatus":{"RunningTasks":9}}])");
    const Json tasks = json(
        R"([{"ServiceID":"a","NodeID":"up","DesiredState":"running","Status":{"State":"running"}},
            {"ServiceID":"a","NodeID":"down","DesiredState":"running","Status":{"State":"running"}},
            {"ServiceID":"a","NodeID":"up","DesiredState":"shutdown","Status":{"State":"failed"}}])");
    count_tasks(
        services, tasks,
        active_nodes(json(
            R"([{"ID":"up","Status":{"State":"ready"}},{"ID":"down","Status":{"State":"down"}}])")));
    EXPECT_EQ(services[0]["ServiceStatus"], json(R"({"RunningTasks":1,"DesiredTasks":2})"));
    EXPECT_EQ(services[1]["ServiceStatus"], json(R"({"RunningTasks":9})"));
}

TEST(TaskRows, older_tasks_of_a_slot_hang_under_the_newest) {
    const Json old = json(
        R"({"ID":"oldoldoldoldold","CreatedAt":"2026-01-01T00:00:00Z","DesiredState":"shutdown",
        "Spec":{"ContainerSpec":{"Image":"busybox:1@sha256:0000000000000000000000000000000000000000000000000000000000000000"}},
        "Status":{"State":"failed","Err":"task: non-zero exit (1): and more of it"}})");
    Json young = old;
    young["ID"] = "newnewnewnewnew";
    young["CreatedAt"] = "2026-01-02T00:00:00Z";
    young["Status"] = json(
        R"({"State":"running","PortStatus":{"Ports":[{"PublishedPort":1,"TargetPort":2,"Protocol":"tcp"}]}})");
    const auto rows =
        task_rows({{&old, "w.2", "n"}, {&old, "w.10", "n"}, {&young, "w.2", "n"}}, {});
    ASSERT_EQ(rows.size(), 3u);
    EXPECT_EQ(rows[0]["ID"], "newnewnewnew");
    EXPECT_EQ(rows[0]["Ports"], "*:1->2/tcp");
    EXPECT_EQ(rows[0]["DesiredState"], "Shutdown");
    EXPECT_EQ(rows[1]["Name"], " \\_ w.2");
    EXPECT_EQ(rows[1]["Image"], "busybox:1");
    EXPECT_EQ(rows[1]["Error"], "\"task: non-zero exit (1): and …\"");
    EXPECT_EQ(rows[2]["Name"], "w.10");
    EXPECT_EQ(task_rows({{&young, "w.2", "n"}, {&old, "w.2", "n"}}, {false, false})[1]["Name"],
              "w.2");
    EXPECT_EQ(task_name(json(R"({"NodeID":"n"})"), "all"), "all.n");
    EXPECT_EQ(task_name(json(R"({"NodeID":"n","Slot":3})"), "web"), "web.3");
}

TEST(LogLines, say_where_they_are_from) {
    const std::string details =
        "com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,com.docker.swarm.task.id=t";
    auto line = parse_log_line(details + ",b=2,a=x%20y hello world\n", Timestamps::No);
    ASSERT_TRUE(line);
    EXPECT_EQ(line->node + line->service + line->task, "nst");
    EXPECT_EQ(print_log_line(*line, {"web.1@h", 2}, Details::Hide, ""),
              "web.1@h      | hello world\n");
    EXPECT_EQ(print_log_line(*line, {"web.1@h", 0}, Details::Show, "\x1b[36m"),
              "\x1b[36mweb.1@h\x1b[0m    | a=x y,b=2 hello world\n");
    line = parse_log_line("2026 " + details + " x", Timestamps::Yes);
    EXPECT_EQ(print_log_line(*line, {"w", 0}, Details::Hide, ""), "2026 w    | x");
    EXPECT_FALSE(parse_log_line("nothing", Timestamps::No));
    EXPECT_FALSE(parse_log_line("a=b text", Timestamps::No));
}

TEST(ImagePin, fixes_the_digest_and_the_platforms) {
    Json task = json(R"({"ContainerSpec":{"Image":"busybox:latest"}})");
    pin_image(
        task,
        json(
            R"({"Descriptor":{"digest":"sha256:1"},"Platforms":[{"architecture":"amd64","os":"linux"},{"architecture":"ARM","os":"linux"}]})"));
    EXPECT_EQ(
        task.dump(),
        R"({"ContainerSpec":{"Image":"busybox:latest@sha256:1"},"Placement":{"Platforms":[{"Architecture":"amd64","OS":"linux"},{"OS":"linux"}]}})");
    pin_image(task, json(R"({"Descriptor":{"digest":"sha256:2"}})"));
    EXPECT_EQ(task["ContainerSpec"]["Image"], "busybox:latest@sha256:1");
    EXPECT_EQ(tagged_image("busybox"), "busybox:latest");
    EXPECT_EQ(tagged_image("Upper"), "Upper");
}

TEST(Documents, bear_what_is_of_the_wrong_shape) {
    for (
        const char* text :
        {"null", "3", "[]", R"({"Spec":3,"Status":[],"Description":"x"})",
         R"({"Spec":{"TaskTemplate":[],"Mode":{"Replicated":3},"UpdateConfig":[]},"UpdateStatus":1})"}) {
        const Json document = json(text);
        EXPECT_FALSE(node_page(document).empty());
        EXPECT_FALSE(service_page(document, {}).empty());
        EXPECT_FALSE(secret_page(document).empty());
        EXPECT_FALSE(config_page(document).empty());
        EXPECT_EQ(service_row(document)["Name"], "");
        EXPECT_FALSE(info_section(document).empty());
    }
}

TEST(Documents, members_that_say_nothing_are_left_out) {
    Json object = json(R"({"a":1,"b":2})");
    put(object, "a", 0);
    put(object, "c", Json::array());
    put(object, "d", "x");
    EXPECT_EQ(object.dump(), R"({"b":2,"d":"x"})");
    EXPECT_EQ(capitalized("Needs rotation"), "Needs rotation");
    EXPECT_EQ(
        shown_image("a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000"),
        "a/b@sha256:0000000000000000000000000000000000000000000000000000000000000000");
}

} // namespace
} // namespace shoal::cli::swarm
