#include "api/image_document.h"

#include "base/time.h"

#include <gtest/gtest.h>

namespace shoal::api {
namespace {

std::string digits(char digit) { return std::string(64, digit); }

std::shared_ptr<oci::ImageConfig> config() {
    auto config = std::make_shared<oci::ImageConfig>();
    config->created = from_unix_nanos(1'700'000'000'500'000'000);
    config->architecture = "amd64";
    config->os = "linux";
    config->config.cmd = {"sh"};
    config->config.labels = {{"a", "b"}};
    config->rootfs.diff_ids = {*oci::Digest::parse("sha256:" + digits('c')),
                               *oci::Digest::parse("sha256:" + digits('d'))};
    config->history.push_back({});
    config->history.back().comment = "the last step";
    return config;
}

engine::ImageInfo image() {
    engine::ImageInfo image;
    image.id = *oci::ImageId::parse(digits('a'));
    image.config = config();
    image.repo_tags = {"web:1"};
    image.size_bytes = 4711;
    return image;
}

engine::ImageSummary summary() { return {image()}; }

TEST(ImageSummaryDocument, counts_in_seconds_and_says_what_is_not_known) {
    const Json row = image_summary_document(summary(), 151);
    EXPECT_EQ(row["Id"], "sha256:" + digits('a'));
    EXPECT_EQ(row["ParentId"], "");
    EXPECT_EQ(row["Created"], 1'700'000'000);
    EXPECT_EQ(row["RepoTags"], Json::array({"web:1"}));
    EXPECT_EQ(row["RepoDigests"], Json::array());
    EXPECT_EQ(row["SharedSize"], -1);
    EXPECT_EQ(row["Containers"], -1);
    EXPECT_EQ(row["Labels"], (Json{{"a", "b"}}));
    EXPECT_FALSE(row.contains("VirtualSize"));
}

TEST(ImageSummaryDocument, gives_old_readers_what_they_look_for) {
    auto nameless = summary();
    nameless.info.repo_tags.clear();
    const Json old = image_summary_document(nameless, 142);
    EXPECT_EQ(old["RepoTags"], Json::array({"<none>:<none>"}));
    EXPECT_EQ(old["RepoDigests"], Json::array({"<none>@<none>"}));
    EXPECT_EQ(old["VirtualSize"], 4711);
    const Json now = image_summary_document(nameless, 143);
    EXPECT_EQ(now["RepoTags"], Json::array());
    EXPECT_EQ(now["VirtualSize"], 4711);
}

TEST(ImageInspectDocument, has_layers_in_order_and_paths_topmost_first) {
    const Json document =
        image_inspect_document(image(), {"/l/2/diff", "/l/1/diff", "/l/0/diff"}, 151);
    EXPECT_EQ(document["RootFS"]["Layers"],
              Json::array({"sha256:" + digits('c'), "sha256:" + digits('d')}));
    EXPECT_EQ(document["GraphDriver"]["Data"]["UpperDir"], "/l/2/diff");
    EXPECT_EQ(document["GraphDriver"]["Data"]["LowerDir"], "/l/1/diff:/l/0/diff");
    EXPECT_EQ(document["Comment"], "the last step");
    EXPECT_EQ(document["Created"], "2023-11-14T22:13:20.5Z");
    EXPECT_FALSE(document.contains("Variant"));
}

TEST(ImageInspectDocument, follows_the_version_of_its_reader) {
    const Json old = image_inspect_document(image(), {}, 149);
    EXPECT_EQ(old["Config"]["Hostname"], "");
    EXPECT_EQ(old["Config"]["AttachStdin"], false);
    const Json now = image_inspect_document(image(), {}, 151);
    EXPECT_FALSE(now["Config"].contains("Hostname"));
    EXPECT_EQ(now["Config"]["Cmd"], Json::array({"sh"}));
    EXPECT_TRUE(image_inspect_document(image(), {}, 144).contains("Container"));
    EXPECT_FALSE(image_inspect_document(image(), {}, 145).contains("Container"));
    EXPECT_TRUE(now["ContainerConfig"].is_object()); // for docker-compose 1, whatever the version
}

TEST(ImageHistoryDocument, shows_no_tags_as_null) {
    engine::ImageHistoryItem top;
    top.id = "sha256:" + digits('a');
    top.created = config()->created;
    top.created_by = "RUN x";
    top.tags = {"web:1"};
    top.size_bytes = 5;
    engine::ImageHistoryItem below;
    below.id = "<missing>";
    const Json document = image_history_document({top, below});
    ASSERT_EQ(document.size(), 2u);
    EXPECT_EQ(document[0]["Tags"], Json::array({"web:1"}));
    EXPECT_EQ(document[0]["Created"], 1'700'000'000);
    EXPECT_EQ(document[0]["Size"], 5);
    EXPECT_TRUE(document[1]["Tags"].is_null());
}

TEST(ImageRemovedDocument, has_one_member_per_step) {
    const Json document = image_removed_document({{"web:1", ""}, {"", "sha256:x"}});
    EXPECT_EQ(document,
              (Json::array({Json{{"Untagged", "web:1"}}, Json{{"Deleted", "sha256:x"}}})));
    EXPECT_EQ(image_removed_document({}), Json::array());
}

} // namespace
} // namespace shoal::api
