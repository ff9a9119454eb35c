#include "api/container_document.h"

#include "base/time.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

using engine::Container;
using engine::Status;

Container web() {
    Container container;
    container.id = *ContainerId::parse(std::string(64, 'a'));
    container.name = "web";
    container.created = from_unix_nanos(1'700'000'000'000'000'000);
    container.path = "nginx";
    container.args = {"-g", "daemon off;"};
    container.config.image = "nginx";
    container.config.exposed_ports["80/tcp"];
    container.config.exposed_ports["443/tcp"];
    container.host_config.network_mode = "default";
    container.state.status = Status::Running;
    container.state.pid = 7;
    container.state.started_at = container.created;
    container.sandbox.mode = "bridge";
    network::EndpointState endpoint;
    endpoint.network_name = "bridge";
    endpoint.driver = "bridge";
    endpoint.network = *NetworkId::parse(std::string(64, 'b'));
    endpoint.ipv4 = "172.17.0.2";
    endpoint.ipv4_bits = 16;
    endpoint.gateway = "172.17.0.1";
    endpoint.mac = "02:42:ac:11:00:02";
    container.sandbox.endpoints.push_back(endpoint);
    container.sandbox.ports.push_back({{80, network::Protocol::Tcp}, "0.0.0.0", 8080});
    return container;
}

DocumentContext context(int version = 151) {
    DocumentContext context;
    context.version = version;
    context.data_root = "/data";
    context.image_name = "nginx";
    context.network_id = [](const std::string& name) { return "id of " + name; };
    return context;
}

TEST(InspectDocument, has_the_address_where_scripts_look_for_it) {
    const Json document = inspect_document(web(), context(), std::nullopt);
    const Json& settings = document["NetworkSettings"];
    EXPECT_EQ(settings["IPAddress"], "172.17.0.2");
    EXPECT_EQ(settings["Networks"]["bridge"]["IPAddress"], "172.17.0.2");
    EXPECT_EQ(settings["Ports"]["80/tcp"][0]["HostPort"], "8080");
    EXPECT_TRUE(settings["Ports"]["443/tcp"].is_null());
    EXPECT_EQ(document["Name"], "/web");
    EXPECT_EQ(document["State"]["Running"], true);
    EXPECT_FALSE(document["State"].contains("Health"));
    EXPECT_FALSE(document.contains("SizeRw"));
}

TEST(InspectDocument, shows_what_was_asked_for_while_it_does_not_run) {
    Container container = web();
    container.state.status = Status::Exited;
    container.endpoints["backend"].aliases = {"db"};
    container.host_config.network_mode = "backend";
    const Json document = inspect_document(container, context(), std::nullopt);
    const Json& settings = document["NetworkSettings"];
    EXPECT_EQ(settings["IPAddress"], "");
    EXPECT_TRUE(settings["Ports"].empty());
    EXPECT_EQ(settings["Networks"]["backend"]["Aliases"], Json::array({"db"}));
    EXPECT_EQ(settings["Networks"]["backend"]["NetworkID"], "id of backend");
}

TEST(InspectDocument, follows_the_version_of_its_reader) {
    Container container = web();
    const Json old = inspect_document(container, context(124), std::nullopt);
    EXPECT_EQ(old["Config"]["MacAddress"], "02:42:ac:11:00:02");
    EXPECT_TRUE(old["HostConfig"].contains("KernelMemory"));
    EXPECT_FALSE(old["NetworkSettings"]["Networks"]["bridge"].contains("DNSNames"));
    const Json now = inspect_document(container, context(151), std::nullopt);
    EXPECT_FALSE(now["Config"].contains("MacAddress"));
    EXPECT_FALSE(now["HostConfig"].contains("KernelMemory"));
    container.sandbox.endpoints[0].network_name = "backend";
    EXPECT_EQ(inspect_document(container, context(144),
                               std::nullopt)["NetworkSettings"]["Networks"]["backend"]["Aliases"],
              Json::array({container.id.short_text()}));
    EXPECT_TRUE(inspect_document(container, context(145),
                                 std::nullopt)["NetworkSettings"]["Networks"]["backend"]["Aliases"]
                    .is_null());
}

TEST(InspectDocument, counts_a_container_that_waits_for_its_restart_as_running) {
    Container container = web();
    container.state.status = Status::Restarting;
    const Json state = inspect_document(container, context(), std::nullopt)["State"];
    EXPECT_EQ(state["Running"], true);
    EXPECT_EQ(state["Restarting"], true);
}

TEST(SummaryText, is_one_object_around_the_words_for_the_state) {
    const SummaryText text = summary_text(web(), context());
    const auto document = parse_json(text.before + "\"Up\"" + text.after + "}");
    ASSERT_TRUE(document) << document.error().message;
    EXPECT_EQ((*document)["Names"], Json::array({"/web"}));
    EXPECT_EQ((*document)["Command"], "nginx -g 'daemon off;'");
    EXPECT_EQ((*document)["Status"], "Up");
    EXPECT_EQ((*document)["State"], "running");
    EXPECT_EQ((*document)["Ports"].size(), 2u);
    EXPECT_EQ((*document)["Ports"][0]["PublicPort"], 8080);
}

TEST(MountList, leaves_out_what_was_given_as_tmpfs) {
    Container container = web();
    container::MountPoint plain;
    plain.type = "tmpfs";
    plain.destination = "/run";
    container.mounts = {plain, plain};
    container.mounts[1].destination = "/tmp";
    container.host_config.tmpfs["/run"] = "";
    const Json list = mount_list(container);
    ASSERT_EQ(list.size(), 1u);
    EXPECT_EQ(list[0]["Destination"], "/tmp");
}

} // namespace
} // namespace shoal::api
