#include "cli/swarm/update_lists.h"

#include <gtest/gtest.h>

namespace shoal::cli::swarm {
namespace {

Json json(const char* text) { return *parse_json(text); }
std::vector<Json> list(const char* text) {
    const Json all = json(text);
    return {all.begin(), all.end()};
}

TEST(ChangedTexts, has_each_once) {
    EXPECT_EQ(changed_texts({"b", "a"}, {"c", "a"}, {"x"}, Order::Kept), (Texts{"b", "a", "c"}));
    EXPECT_EQ(changed_texts({"b", "a"}, {"c"}, {"b"}, Order::Sorted), (Texts{"a", "c"}));
}

TEST(ChangedEnv, keeps_the_place_of_a_variable) {
    EXPECT_EQ(changed_env({"A=1", "B=2", "C"}, {"B=3", "D=4"}, {"C"}),
              (Texts{"A=1", "B=3", "D=4"}));
}

TEST(ChangedHosts, takes_a_name_out_of_lines) {
    const Texts old = {"127.0.0.2 h3 h1 h2", "127.0.0.1 h1 h4", "127.0.0.3 h1"};
    EXPECT_EQ(changed_hosts(old, {}, {"h1"}), (Texts{"127.0.0.2 h3 h2", "127.0.0.1 h4"}));
    EXPECT_EQ(changed_hosts(old, {"1.1.1.1 n"}, {"h1:127.0.0.3"}),
              (Texts{"127.0.0.2 h3 h1 h2", "127.0.0.1 h1 h4", "1.1.1.1 n"}));
}

TEST(ChangedMounts, are_ordered_by_source_and_target) {
    const Json old = json(R"([{"Source":"b","Target":"/1"},{"Source":"a","Target":"/2"}])");
    const auto all = changed_mounts(
        old, list(R"([{"Source":"c","Target":"/2"},{"Source":"b","Target":"/0"}])"), {});
    EXPECT_EQ(
        Json(*all).dump(),
        R"([{"Source":"b","Target":"/0"},{"Source":"b","Target":"/1"},{"Source":"c","Target":"/2"}])");
    EXPECT_FALSE(changed_mounts(old, list(R"([{"Target":"/x"},{"Target":"/x"}])"), {}));
}

TEST(ChangedPorts, go_by_target_protocol_and_mode) {
    const Json old = json(
        R"([{"Protocol":"tcp","TargetPort":80,"PublishedPort":1,"PublishMode":"ingress"},{"TargetPort":80,"PublishedPort":2,"PublishMode":"host"}])");
    const auto rest = changed_ports(old, {}, list(R"([{"TargetPort":80}])"));
    ASSERT_EQ(rest.size(), 1u);
    EXPECT_EQ(rest[0]["PublishedPort"], 2);
    const auto same =
        list(R"([{"Protocol":"tcp","TargetPort":80,"PublishedPort":1,"PublishMode":"ingress"}])");
    EXPECT_EQ(changed_ports(old, same, same).size(), 2u) << "removed and added again: still there";
}

TEST(Capabilities, change_sides_in_two_steps) {
    Json container = json(R"({"CapabilityDrop":["CAP_CHOWN"]})");
    change_capabilities(container, {"chown"}, {});
    EXPECT_EQ(container.dump(), "{}");
    change_capabilities(container, {"chown"}, {"kill", "chown"});
    EXPECT_EQ(container.dump(), R"({"CapabilityAdd":["CAP_CHOWN"],"CapabilityDrop":["CAP_KILL"]})");
    change_capabilities(container, {"RESET"}, {"ALL"});
    EXPECT_EQ(container.dump(), R"({"CapabilityDrop":["ALL"]})");
}

TEST(KeptConfigs, of_a_credential_spec_stay_as_long_as_it_does) {
    const Json old = json(
        R"([{"File":{},"ConfigName":"a","ConfigID":"1"},{"Runtime":{},"ConfigName":"b","ConfigID":"2"}])");
    EXPECT_EQ(kept_configs(old, {"a", "b"}, "", "2").size(), 1u);
    EXPECT_EQ(kept_configs(old, {}, "b", "").size(), 2u);
    EXPECT_EQ(kept_configs(old, {}, "c", "").size(), 1u);
}

TEST(Preferences_and_resources, are_found_by_what_they_name) {
    const Json old =
        json(R"([{"Spread":{"SpreadDescriptor":"a"}},{"Spread":{"SpreadDescriptor":"b"}}])");
    EXPECT_EQ(Json(changed_preferences(old, list(R"([{"Spread":{"SpreadDescriptor":"c"}}])"),
                                       list(R"([{"Spread":{"SpreadDescriptor":"a"}}])")))
                  .dump(),
              R"([{"Spread":{"SpreadDescriptor":"b"}},{"Spread":{"SpreadDescriptor":"c"}}])");
    const Json gpus = json(R"([{"DiscreteResourceSpec":{"Kind":"gpu","Value":1}}])");
    EXPECT_EQ(Json(*changed_resources(
                       gpus, list(R"([{"DiscreteResourceSpec":{"Kind":"gpu","Value":2}}])"), {}))
                  .dump(),
              R"([{"DiscreteResourceSpec":{"Kind":"gpu","Value":2}}])");
    EXPECT_FALSE(changed_resources(json(R"([{"NamedResourceSpec":{}}])"), {}, {}));
}

} // namespace
} // namespace shoal::cli::swarm
