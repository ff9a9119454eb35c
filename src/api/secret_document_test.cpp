#include "api/secret_document.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

// What the docker client 28.2.2 sends.
constexpr auto secret_body =
    R"({"Name":"key2","Labels":{"a":"b"},"Data":"cwo=","Templating":{"Name":"golang"}})";
constexpr auto config_body = R"({"Name":"conf2","Labels":{"a":"b"},"Data":"cwo="})";

TEST(SecretDocument, a_secret_is_understood_and_its_data_never_shown) {
    const auto spec = parse_secret_spec(*parse_json(secret_body));
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->data(), "s\n");
    EXPECT_EQ(spec->templating().name(), "golang");
    swarm::pb::Secret secret;
    secret.set_id("id");
    *secret.mutable_spec() = *spec;
    EXPECT_EQ(secret_document(secret)["Spec"].dump(),
              R"({"Name":"key2","Labels":{"a":"b"},"Templating":{"Name":"golang"}})");
}

TEST(SecretDocument, a_config_comes_back_with_its_data) {
    const auto spec = parse_config_spec(*parse_json(config_body));
    ASSERT_TRUE(spec) << spec.error().message;
    swarm::pb::Config config;
    *config.mutable_spec() = *spec;
    EXPECT_EQ(config_document(config)["Spec"].dump(), config_body);
}

TEST(SecretDocument, data_is_base64_and_members_are_known) {
    EXPECT_EQ(parse_secret_spec(*parse_json(R"({"Data":"!"})")).error().message,
              "Data: not base64");
    EXPECT_EQ(parse_config_spec(*parse_json(R"({"Driver":{"Name":"x"}})")).error().message,
              "Driver: unknown field");
}

} // namespace
} // namespace shoal::api
