#include "node/templates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::node {
namespace {

using testing::HasSubstr;

pb::Task web_task() {
    pb::Task task;
    task.set_id("taskid");
    task.set_service_id("serviceid");
    task.set_node_id("nodeid");
    task.set_slot(3);
    task.mutable_service_annotations()->set_name("web");
    (*task.mutable_service_annotations()->mutable_labels())["tier"] = "front";
    return task;
}
const NodeFacts host{"nodeid", "box", "x86_64", "linux"};

TEST(Templates, a_task_is_named_by_service_and_slot_or_node) {
    pb::Task task = web_task();
    EXPECT_EQ(task_name(task), "web.3.taskid");
    task.set_slot(0);
    EXPECT_EQ(task_name(task), "web.nodeid.taskid");
    task.mutable_annotations()->set_name("given");
    EXPECT_EQ(task_name(task), "given");
}

TEST(Templates, values_know_service_node_and_task) {
    pb::ContainerSpec spec;
    spec.set_hostname("{{.Service.Name}}-{{.Task.Slot}}");
    spec.add_env("A={{.Node.Hostname}}/{{.Node.Platform.Architecture}}/{{.Node.ID}}");
    spec.add_env("{{.Task.ID}}=name stays");
    spec.add_env("B={{.Service.ID}} {{.Task.Name}} {{index .Service.Labels \"tier\"}}");
    spec.add_env("NO_VALUE");
    auto& mount = *spec.add_mounts();
    mount.set_source("data-{{.Task.Slot}}");
    mount.set_target("/{{.Service.Labels.tier}}");
    (*mount.mutable_volume_options()->mutable_labels())["of"] = "{{.Task.ID}}";
    (*mount.mutable_volume_options()->mutable_driver_config()->mutable_options())["o"] =
        "addr={{.Node.Hostname}}";
    const auto out = expand(spec, template_data(web_task(), host));
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_EQ(out->hostname(), "web-3");
    EXPECT_EQ(out->env(0), "A=box/x86_64/nodeid");
    EXPECT_EQ(out->env(1), "{{.Task.ID}}=name stays");
    EXPECT_EQ(out->env(2), "B=serviceid web.3.taskid front");
    EXPECT_EQ(out->env(3), "NO_VALUE");
    EXPECT_EQ(out->mounts(0).source(), "data-3");
    EXPECT_EQ(out->mounts(0).target(), "/front");
    EXPECT_EQ(out->mounts(0).volume_options().labels().at("of"), "taskid");
    EXPECT_EQ(out->mounts(0).volume_options().driver_config().options().at("o"), "addr=box");
}

TEST(Templates, a_mistake_names_the_setting) {
    pb::ContainerSpec spec;
    spec.add_env("A={{.Nothing}}");
    const auto out = expand(spec, template_data(web_task(), host));
    ASSERT_FALSE(out);
    EXPECT_THAT(out.error().message, HasSubstr("environment variable A: template: :1:"));
    EXPECT_THAT(out.error().message, HasSubstr("Nothing"));
    spec.set_env(0, "A={{secret \"x\"}}"); // payloads alone have it
    EXPECT_THAT(expand(spec, template_data(web_task(), host)).error().message,
                HasSubstr("function \"secret\" not defined"));
}

TEST(Templates, payloads_read_secrets_configs_and_variables) {
    PayloadSources sources;
    sources.secret = [](const std::string& name) -> Result<std::string> {
        if (name != "pw") { return Error{Errc::NotFound, "secret target " + name + " not found"}; }
        return std::string("s3cret");
    };
    sources.config = [](const std::string& name) -> Result<std::string> {
        return "config " + name;
    };
    sources.env = [](const std::string& name) { return name == "USER" ? "joe" : ""; };
    const auto data = template_data(web_task(), host);
    const auto out = expand_payload(
        "{{env \"USER\"}}:{{secret \"pw\"}}@{{.Node.Hostname}} {{config \"c\"}}", data, sources);
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_EQ(out->bytes, "joe:s3cret@box config c");
    EXPECT_TRUE(out->used_secret);
    const auto plain = expand_payload("{{.Task.Slot}}", data, sources);
    EXPECT_FALSE(plain->used_secret);
    const auto bad = expand_payload("{{secret \"other\"}}", data, sources);
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().message, HasSubstr("secret target other not found"));
}

} // namespace
} // namespace shoal::node
