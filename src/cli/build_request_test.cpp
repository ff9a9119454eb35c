#include "cli/build_request.h"

#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::cli {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(BuildRequest, flags_come_first_then_context_and_session) {
    BuildOptions options;
    options.query = {{"t", "a"}};
    options.args = {{"A", "1"}, {"B", std::nullopt}};
    options.output = BuildOutput{"tar", "-", {{"x", "y"}}};
    BuildQuery more{"Dockerfile", "client-session", "id", {{"n", "session:n"}}, true};
    EXPECT_THAT(build_query(options, more),
                ElementsAre(Pair("t", "a"), Pair("dockerfile", "Dockerfile"),
                            Pair("remote", "client-session"), Pair("session", "id"),
                            Pair("buildargs", R"({"A":"1","B":null})"),
                            Pair("contexts", R"({"n":"session:n"})"),
                            Pair("outputs", R"([{"Type":"tar","Attrs":{"x":"y"}}])"),
                            Pair("events", "1")));
}

TEST(BuildRequest, images_stay_with_the_daemon_without_being_asked_for) {
    BuildOptions options;
    options.quiet = true;
    options.output = BuildOutput{"docker", "", {}};
    EXPECT_THAT(build_query(options, {}), ElementsAre(Pair("q", "1")));
}

TEST(BuildRequest, an_image_in_an_archive_has_the_builds_names) {
    BuildOptions options;
    options.tags = {"a", "b:1"};
    options.output = BuildOutput{"oci", "x.tar", {}};
    EXPECT_THAT(build_query(options, {}),
                ElementsAre(Pair("outputs", R"([{"Type":"oci","Attrs":{"name":"a,b:1"}}])")));
    options.output->attributes["name"] = "own";
    EXPECT_THAT(build_query(options, {}),
                ElementsAre(Pair("outputs", R"([{"Type":"oci","Attrs":{"name":"own"}}])")));
    options.output = BuildOutput{"tar", "x.tar", {}};
    EXPECT_THAT(build_query(options, {}),
                ElementsAre(Pair("outputs", R"([{"Type":"tar","Attrs":{}}])")));
}

TEST(BuildRequest, names_of_an_image_output_are_tags) {
    EXPECT_THAT(*image_names({"image", "", {{"name", "a,b:1"}, {"push", "false"}}}),
                ElementsAre("a", "b:1"));
    EXPECT_FALSE(image_names({"image", "", {{"compression", "zstd"}}}));
    EXPECT_FALSE(image_names({"image", "", {{"name", "BAD^"}}}));
    EXPECT_TRUE(image_names({"oci", "x.tar", {{"compression", "zstd"}}})->empty());
}

TEST(BuildRequest, logins_of_all_registries_go_along) {
    const Json config{{"auths",
                       {{"r.example", {{"auth", base64("me:secret:1")}}},
                        {"t.example", {{"identitytoken", "token"}}}}}};
    const auto sent = parse_json(*decode_base64(registry_config(Credentials("", config))));
    ASSERT_TRUE(sent);
    EXPECT_EQ((*sent)["r.example"]["username"], "me");
    EXPECT_EQ((*sent)["r.example"]["password"], "secret:1");
    EXPECT_EQ((*sent)["t.example"]["identitytoken"], "token");
    EXPECT_EQ(registry_config(Credentials("", Json::object())), "");
}

TEST(BuildRequest, metadata_names_the_image) {
    const Json metadata = build_metadata("sha256:1", {"a", "r.example/b:2"});
    EXPECT_EQ(metadata["containerimage.config.digest"], "sha256:1");
    EXPECT_EQ(metadata["image.name"], "docker.io/library/a:latest,r.example/b:2");
    EXPECT_TRUE(build_metadata("", {}).empty());
}

} // namespace
} // namespace shoal::cli
