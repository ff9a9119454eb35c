#include "engine/log_settings.h"

#include "engine/names.h"
#include "os/clock.h"

#include <gtest/gtest.h>

namespace shoal::engine {
namespace {

Container made_up() {
    os::SystemRandom random;
    Container container;
    container.id = ContainerId::fresh(random);
    container.name = "web";
    container.config.image = "nginx:1";
    container.image_id = *oci::ImageId::parse(std::string(64, 'a'));
    container.config.labels = {{"tier", "front"}, {"tier.sub", "x"}, {"other", "y"}};
    container.config.env = {"MODE=fast", "EMPTY=", "BARE", "MODEL=9"};
    return container;
}

} // namespace

TEST(LogAttributes, are_the_labels_and_variables_that_options_name) {
    auto container = made_up();
    EXPECT_TRUE(log_attributes(container).empty());
    container.host_config.log_config.config = {{"labels", "tier,none"}, {"env", "MODE,EMPTY"}};
    EXPECT_EQ(log_attributes(container),
              (container::StringMap{{"tier", "front"}, {"MODE", "fast"}, {"EMPTY", ""}}));
}

TEST(LogAttributes, are_chosen_by_pattern_too) {
    auto container = made_up();
    container.host_config.log_config.config = {{"labels-regex", "^tier"}, {"env-regex", "^MODE"}};
    EXPECT_EQ(log_attributes(container),
              (container::StringMap{
                  {"tier", "front"}, {"tier.sub", "x"}, {"MODE", "fast"}, {"MODEL", "9"}}));
    container.host_config.log_config.config = {{"labels-regex", "("}};
    EXPECT_TRUE(log_attributes(container).empty()) << "a pattern that is none chooses nothing";
}

TEST(LogTags, are_made_of_the_containers_values) {
    const auto container = made_up();
    EXPECT_EQ(expand_log_tag("", container), container.id.short_text());
    EXPECT_EQ(expand_log_tag("{{.Name}}/{{.FullID}}", container), "web/" + container.id.text());
    EXPECT_EQ(expand_log_tag("{{.ImageName}}|{{.ImageID}}|{{.ImageFullID}}", container),
              "nginx:1|aaaaaaaaaaaa|sha256:" + std::string(64, 'a'));
    EXPECT_EQ(expand_log_tag("plain {{.ID}}{{.ID}}", container),
              "plain " + container.id.short_text() + container.id.short_text());
}

TEST(LogSettings, reach_the_monitor) {
    auto container = made_up();
    container.log_path = "/var/log/x";
    container.host_config.log_config = {
        "json-file", {{"tag", "{{.Name}}"}, {"max-size", "1m"}, {"labels", "tier"}}};
    container::ShimConfig shim;
    apply_log_settings(container, shim);
    EXPECT_EQ(shim.log_driver, "json-file");
    EXPECT_EQ(shim.log_path, "/var/log/x");
    EXPECT_EQ(shim.log_options.at("max-size"), "1m");
    EXPECT_EQ(shim.log_tag, "web");
    EXPECT_EQ(shim.log_attributes, (container::StringMap{{"tier", "front"}}));
    EXPECT_EQ(shim.container_name, "web");
    EXPECT_EQ(shim.image_name, "nginx:1");
}

TEST(ContainerNames, are_two_words_and_get_a_number_when_taken) {
    os::SystemRandom random;
    for (int i = 0; i < 200; ++i) {
        const auto name = make_container_name(random, i / 20);
        const auto bar = name.find('_');
        ASSERT_NE(bar, std::string::npos) << name;
        EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"),
                  std::string::npos)
            << name;
        const bool numbered = name.find_first_of("0123456789") != std::string::npos;
        EXPECT_EQ(numbered, i >= 20) << name;
    }
}

} // namespace shoal::engine
