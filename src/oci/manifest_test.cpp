#include "oci/manifest.h"

#include <gtest/gtest.h>

namespace shoal::oci {
namespace {
std::string digest(char c) { return "sha256:" + std::string(64, c); }
std::string descriptor(char c, const std::string& size = "7") {
    return R"({"mediaType":"x","digest":")" + digest(c) + R"(","size":)" + size + "}";
}
} // namespace

TEST(Manifest, survives_being_written_and_read) {
    const auto manifest = parse_manifest(
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" +
        descriptor('a') + R"(,"layers":[)" + descriptor('b', "0") + "]}");
    ASSERT_TRUE(manifest) << manifest.error().message;
    EXPECT_TRUE(media::is_manifest(manifest->media_type));
    EXPECT_EQ(manifest->layers[0].digest.text(), digest('b'));
    EXPECT_EQ(*parse_manifest(print_manifest(*manifest)), *manifest);
}

TEST(Manifest, refuses_what_it_cannot_trust) {
    EXPECT_FALSE(parse_manifest(R"({"schemaVersion":1,"config":)" + descriptor('a') + "}"));
    EXPECT_FALSE(parse_manifest(R"({"schemaVersion":2})"));
    EXPECT_FALSE(parse_manifest(R"({"schemaVersion":2,"config":)" + descriptor('a', "-1") + "}"));
    EXPECT_FALSE(parse_manifest(R"({"schemaVersion":2,"config":)" + descriptor('g') + "}"));
    EXPECT_FALSE(parse_manifest(std::string(manifest_bytes_max + 1, ' ')));
}

TEST(Index, keeps_platforms_and_annotations) {
    const auto index =
        parse_index(R"({"schemaVersion":2,"manifests":[{"mediaType":"m","digest":")" + digest('a') +
                    R"(","size":1,"platform":{"architecture":"arm64","os":"linux","variant":"v8"},)"
                    R"("annotations":{"org.opencontainers.image.ref.name":"1"}}]})");
    ASSERT_TRUE(index) << index.error().message;
    EXPECT_EQ(platform_text(*index->manifests[0].platform), "linux/arm64/v8");
    EXPECT_EQ(*parse_index(print_index(*index)), *index);
}

TEST(Platform, is_read_in_both_forms) {
    EXPECT_EQ(platform_text(*parse_platform("linux/arm64/v8")), "linux/arm64/v8");
    EXPECT_EQ(platform_text(*parse_platform("arm64")), "linux/arm64");
    EXPECT_EQ(platform_text(*parse_platform("linux/x86_64")), "linux/amd64");
    EXPECT_EQ(platform_text(*parse_platform(R"({"os":"linux","architecture":"arm"})")),
              "linux/arm");
    EXPECT_FALSE(parse_platform("a/b/c/d"));
    EXPECT_FALSE(parse_platform("linux/../x"));
    EXPECT_FALSE(parse_platform("linux//x"));
}

TEST(Platform, asks_only_for_what_it_names) {
    const auto have = *parse_platform("linux/arm64");
    EXPECT_TRUE(satisfies(have, {}));
    EXPECT_TRUE(satisfies(have, *parse_platform("linux/arm64/v8")));
    EXPECT_FALSE(satisfies(have, *parse_platform("linux/amd64")));
}

} // namespace shoal::oci
