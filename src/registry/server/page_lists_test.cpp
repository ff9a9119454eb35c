#include "registry/server/page_lists.h"

#include "registry/server/store_test_tools.h"

namespace shoal::registry {
namespace {

class PageListsTest : public StoreTest {
  protected:
    PageListsTest() : lists_(store_, clock_) {}

    std::vector<std::string> tags(const ListWindow& window, TagOrder order = TagOrder::Name,
                                  const std::optional<oci::Digest>& digest = std::nullopt) {
        const auto document = lists_.tags("a", window, order, digest);
        EXPECT_TRUE(document) << document.error().message;
        std::vector<std::string> names;
        for (const auto& line : (*document)["tags"]) { names.push_back(line["tag"]); }
        total_ = (*document)["total"];
        return names;
    }

    PageLists lists_;
    std::size_t total_ = 0;
};

using Names = std::vector<std::string>;

TEST_F(PageListsTest, cut_sort_and_search_tags) {
    for (const auto* tag : {"v1", "v2", "Latest", "v10"}) {
        ASSERT_TRUE(put_image("a", tag, {tag}));
    }
    EXPECT_EQ(tags({}), (Names{"Latest", "v1", "v10", "v2"}));
    EXPECT_EQ(tags({"", 1, 2}), (Names{"v1", "v10"}));
    EXPECT_EQ(total_, 4u);
    EXPECT_EQ(tags({"lat", 0, 50}), (Names{"Latest"}));
    EXPECT_EQ(total_, 1u);
    EXPECT_EQ(tags({"", 9, 50}), Names{});
    age(std::chrono::hours(1)); // all of them alike
    ASSERT_TRUE(put_image("a", "v2", {"another"}));
    EXPECT_EQ(tags({}, TagOrder::Newest).front(), "v2");
    EXPECT_FALSE(lists_.tags("none", {}, TagOrder::Name, std::nullopt));
}

TEST_F(PageListsTest, see_at_once_what_is_pushed_and_deleted_here) {
    const auto digest = put_image("a", "one", {"x"});
    ASSERT_TRUE(digest);
    EXPECT_EQ(tags({}), Names{"one"});
    ASSERT_TRUE(put_image("a", "two", {"x"}));
    EXPECT_EQ(tags({}), (Names{"one", "two"}));
    EXPECT_EQ(tags({}, TagOrder::Name, *digest), (Names{"one", "two"}));
    ASSERT_TRUE(store_->delete_tag("a", "one"));
    EXPECT_EQ(tags({}), Names{"two"});
    EXPECT_EQ((*lists_.repository("a"))["tags"], 1);
}

TEST_F(PageListsTest, see_after_a_while_what_another_program_tags) {
    ASSERT_TRUE(put_image("a", "one", {"x"}));
    EXPECT_EQ(tags({}), Names{"one"});
    const std::string tags_of_a =
        directory_.path() + "/docker/registry/v2/repositories/a/_manifests/tags/";
    std::filesystem::copy(tags_of_a + "one", tags_of_a + "two",
                          std::filesystem::copy_options::recursive);
    EXPECT_EQ(tags({}), Names{"one"});
    clock_.ahead = std::chrono::minutes(1);
    EXPECT_EQ(tags({}), (Names{"one", "two"}));
}

TEST_F(PageListsTest, remember_no_summary_that_lacks_something) {
    const auto digest = put_image("a", "one", {"x"});
    ASSERT_TRUE(digest);
    const auto platforms = [&] {
        return (*lists_.tags("a", {}, TagOrder::Name, {}))["tags"][0]["platforms"];
    };
    const std::string config = "{\"architecture\":\"arm64\",\"os\":\"linux\","
                               "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";
    const auto config_digest = put_blob("a", config);
    ASSERT_TRUE(config_digest);
    Json more;
    more["config"] = descriptor(std::string(oci::media::oci_config), *config_digest, config.size());
    ASSERT_TRUE(put_image("a", "one", {"x"}, more));
    const std::string link = directory_.path() +
                             "/docker/registry/v2/repositories/a/_layers/sha256/" +
                             config_digest->hex();
    std::filesystem::rename(link, link + "-away");
    EXPECT_EQ(platforms(), Json::array());
    std::filesystem::rename(link + "-away", link);
    EXPECT_EQ(platforms(), Json::array({"linux/arm64"}));
}

TEST_F(PageListsTest, show_repositories_that_may_be_seen) {
    for (const auto* name : {"a/x", "a/y", "b"}) { ASSERT_TRUE(put_image(name, "t", {"x"})); }
    const auto only_a = [](const std::string& name) { return name.starts_with("a/"); };
    const Json all = lists_.repositories({}, only_a);
    EXPECT_EQ(all["total"], 2);
    EXPECT_EQ(all["repositories"][1]["name"], "a/y");
    EXPECT_EQ(all["repositories"][1]["tags"], 1);
    EXPECT_EQ(lists_.repositories({"Y", 0, 50}, only_a)["total"], 0); // the search is in lower case
    EXPECT_EQ(lists_.repositories({"y", 0, 50}, only_a)["total"], 1);
}

} // namespace
} // namespace shoal::registry
