#include "oci/image_config.h"

#include <gtest/gtest.h>

namespace shoal::oci {
namespace {
const std::string layer = "\"sha256:" + std::string(64, 'c') + "\"";
std::string with_layers(const std::string& layers, const std::string& more = "") {
    return R"({"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[)" +
           layers + "]}" + more + "}";
}
} // namespace

TEST(ImageConfig, reads_what_docker_writes) {
    const auto config = parse_image_config(with_layers(layer, R"(,
        "created":"2024-02-03T04:05:06.7Z","container_config":{"x":1},
        "config":{"Hostname":"","Env":["PATH=/bin"],"Cmd":["sh"],"Volumes":{"/data":{}},"ExposedPorts":{"80/tcp":{}},
                  "Entrypoint":null,"OnBuild":null,"Labels":{"a":"b"},"StopSignal":"SIGTERM",
                  "Healthcheck":{"Test":["CMD","x"],"Interval":5000000000,"Retries":3}},
        "history":[{"created":"2024-02-03T04:05:06Z","created_by":"ADD"},{"created_by":"CMD","empty_layer":true}])"));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->config.cmd, std::vector<std::string>{"sh"});
    EXPECT_TRUE(config->config.volumes.contains("/data"));
    EXPECT_TRUE(config->config.entrypoint.empty());
    EXPECT_EQ(config->config.healthcheck->interval, std::chrono::seconds(5));
    EXPECT_EQ(config->history.size(), 2u);
    EXPECT_TRUE(config->history[1].empty_layer);
    EXPECT_EQ(config->rootfs.diff_ids.size(), 1u);
}

TEST(ImageConfig, survives_being_written_and_read) {
    const auto config =
        parse_image_config(with_layers(layer, R"(,"config":{"Env":["A=b"],"StopTimeout":3})"));
    EXPECT_EQ(*parse_image_config(print_image_config(*config)), *config);
}

TEST(ImageConfig, refuses_contradictions_and_excess) {
    EXPECT_FALSE(parse_image_config("[]"));
    EXPECT_FALSE(parse_image_config(with_layers("\"sha256:1\"")));
    EXPECT_FALSE(parse_image_config(with_layers("", R"(,"history":[{"created_by":"x"}])")));
    EXPECT_FALSE(parse_image_config(R"({"rootfs":{"type":"zip","diff_ids":[]}})"));
    std::string many = layer;
    for (std::size_t i = 0; i < layers_max; ++i) { many += "," + layer; }
    EXPECT_FALSE(parse_image_config(with_layers(many)));
    EXPECT_FALSE(parse_image_config(with_layers(layer, R"(,"config":{"Env":"A=b"})")));
}

} // namespace shoal::oci
