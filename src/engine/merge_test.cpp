#include "engine/merge.h"

#include <gtest/gtest.h>

namespace shoal::engine {
namespace {

using Words = std::vector<std::string>;

oci::RunConfig image() {
    oci::RunConfig image;
    image.entrypoint = {"/entry"};
    image.cmd = {"serve"};
    image.env = {"PATH=/bin", "A=image"};
    image.user = "www";
    image.labels = {{"k", "image"}, {"only", "image"}};
    image.volumes["/data"];
    image.healthcheck = oci::HealthConfig{.test = {"CMD", "true"}, .retries = 4};
    return image;
}

TEST(Merge, takes_from_the_image_what_the_request_leaves_open) {
    const auto config = merge_image({}, image());
    ASSERT_TRUE(config);
    EXPECT_EQ(command_line(*config), (Words{"/entry", "serve"}));
    EXPECT_EQ(config->user, "www");
    EXPECT_EQ(config->volumes.count("/data"), 1u);
    EXPECT_EQ(config->healthcheck->retries, 4);
}

TEST(Merge, keeps_the_entrypoint_when_only_the_command_is_given) {
    container::Config request;
    request.cmd = {"shell"};
    EXPECT_EQ(command_line(*merge_image(request, image())), (Words{"/entry", "shell"}));
}

TEST(Merge, drops_the_images_command_when_the_entrypoint_is_given) {
    container::Config request;
    request.entrypoint = {"/other"};
    EXPECT_EQ(command_line(*merge_image(request, image())), (Words{"/other"}));
    request.entrypoint = {""};
    EXPECT_EQ(merge_image(request, image()).error().message, "no command specified");
    request.cmd = {"ls"};
    EXPECT_EQ(command_line(*merge_image(request, image())), (Words{"ls"}));
}

TEST(Merge, lets_the_request_win_for_environment_labels_and_health) {
    container::Config request;
    request.env = {"A=mine", "B"};
    request.labels = {{"k", "mine"}};
    request.healthcheck = container::HealthConfig{.retries = 9};
    const auto config = merge_image(request, image());
    EXPECT_EQ(config->env, (Words{"A=mine", "B", "PATH=/bin"}));
    EXPECT_EQ(config->labels.at("k"), "mine");
    EXPECT_EQ(config->labels.at("only"), "image");
    EXPECT_EQ(config->healthcheck->retries, 9);
    EXPECT_EQ(config->healthcheck->test, (Words{"CMD", "true"}));
}

} // namespace
} // namespace shoal::engine
