#include "image/table.h"

#include "base/time.h"

#include <gtest/gtest.h>

namespace shoal::image {
namespace {

using Names = std::vector<std::string>;

/// "a" gives "aaaa...".
std::string digits(std::string_view pattern) {
    std::string text;
    while (text.size() < 64) { text += pattern; }
    return text.substr(0, 64);
}
ImageId id(std::string_view pattern) { return *ImageId::parse(digits(pattern)); }
ChainId layer(std::string_view pattern) { return *ChainId::parse(digits(pattern)); }
Reference reference(std::string_view text) { return Reference::parse(text)->with_default_tag(); }
Instant second(int n) { return from_unix_nanos((1'700'000'000LL + n) * 1'000'000'000); }

struct Table : testing::Test {
    ImageTable table;
    std::map<ImageId, std::vector<ImageUse>> used;
    UsesOf uses = [this](const ImageId& image) { return used[image]; };

    struct Wish {
        std::string_view pattern;
        std::vector<std::pair<std::string_view, std::int64_t>> layers;
        Names tags;
        int created = 0;
        std::string_view parent;
        Labels labels;
    };
    void add(const Wish& wish) {
        auto config = std::make_shared<oci::ImageConfig>();
        config->created = second(wish.created);
        config->config.labels = wish.labels;
        ImageRecord record;
        record.id = id(wish.pattern);
        if (!wish.parent.empty()) { record.parent = id(wish.parent); }
        record.config = config;
        std::vector<std::int64_t> sizes;
        for (const auto& [pattern, size] : wish.layers) {
            record.layers.push_back(layer(pattern));
            sizes.push_back(size);
        }
        table.add(std::move(record), sizes);
        for (const auto& tag : wish.tags) {
            table.tag(reference(tag), id(wish.pattern), second(100));
        }
    }
    std::string found(std::string_view text) const {
        const auto record = table.resolve(text);
        return record ? (*record)->id.text().substr(0, 4) : record.error().message;
    }
    Names references(std::string_view pattern) const {
        Names all;
        for (const auto& each : table.references(id(pattern))) { all.push_back(each.familiar()); }
        return all;
    }
    Result<std::vector<std::string>> list(const std::string& filters, bool all = false) const {
        TRY_LET(parsed, Filters::parse(filters));
        TRY_LET(listed, list_images(table, {all, parsed}, second(1000)));
        Names shown;
        for (const auto& each : listed) {
            std::string line = each.image->id.text().substr(0, 1);
            for (const auto& name : each.references) { line += " " + name.familiar(); }
            shown.push_back(std::move(line));
        }
        return shown;
    }
    Names listed(const std::string& filters = "", bool all = false) const {
        auto shown = list(filters, all);
        return shown ? std::move(*shown) : Names{"error: " + shown.error().message};
    }
    Names removal(const std::string& name, bool force = false, bool prune_parents = true) const {
        const auto steps = plan_remove(table, {name, force, prune_parents}, uses);
        if (!steps) {
            return {std::string(name_of(steps.error().code)) + ": " + steps.error().message};
        }
        Names all;
        for (const auto& step : *steps) {
            all.push_back(step.untag.empty() ? "delete " + step.image.text().substr(0, 1)
                                             : "untag " + step.untag.familiar());
        }
        return all;
    }
    Names pruned(const std::string& filters) const {
        const auto names = plan_prune(table, *Filters::parse(filters), second(1000), uses);
        return names ? *names : Names{"error: " + names.error().message};
    }
};

} // namespace

// --- names ---

TEST_F(Table, finds_images_by_name_id_and_unique_prefix) {
    add({.pattern = "ab12", .tags = {"web", "host:5000/web:1"}});
    add({.pattern = "ab34", .tags = {}});
    EXPECT_EQ(found("web"), "ab12");
    EXPECT_EQ(found("docker.io/library/web:latest"), "ab12");
    EXPECT_EQ(found("host:5000/web:1"), "ab12");
    EXPECT_EQ(found("ab3"), "ab34");
    EXPECT_EQ(found("sha256:ab3"), "ab34");
    EXPECT_EQ(found("sha256:" + digits("ab34")), "ab34");
    EXPECT_EQ(found(digits("ab12")), "ab12");
    EXPECT_EQ(found("ab"), "No such image: ab:latest") << "not unique";
    EXPECT_EQ(found("sha256:ab"), "No such image: sha256:ab");
    EXPECT_EQ(found("web:2"), "No such image: web:2");
    EXPECT_EQ(found(digits("ee")), "No such image: sha256:" + digits("ee"));
    EXPECT_EQ(table.resolve("web:2").error().code, Errc::NotFound);
    EXPECT_EQ(table.resolve("UPPER").error().code, Errc::Invalid);
    EXPECT_EQ(table.resolve("").error().code, Errc::Invalid);
}

TEST_F(Table, prefers_a_name_to_an_id_that_begins_like_it) {
    add({.pattern = "ab12"});
    add({.pattern = "cd34", .tags = {"ab12"}});
    EXPECT_EQ(found("ab12"), "cd34");
    EXPECT_EQ(found("sha256:ab12"), "ab12");
}

TEST_F(Table, moves_a_tag_from_one_image_to_another) {
    add({.pattern = "a", .tags = {"web:1"}});
    add({.pattern = "b"});
    EXPECT_EQ(table.tag(reference("web:1"), id("b"), second(5)), id("a"));
    EXPECT_TRUE(references("a").empty());
    EXPECT_EQ(references("b"), Names{"web:1"});
    EXPECT_EQ(table.find(id("b"))->last_tagged, second(5));
    EXPECT_EQ(table.tag(reference("web:1"), id("b"), second(6)), id("b"));
    EXPECT_EQ(table.find(id("b"))->last_tagged, second(5)) << "nothing was tagged";
    EXPECT_TRUE(table.untag(reference("web:1")));
    EXPECT_FALSE(table.untag(reference("web:1")));
    EXPECT_TRUE(table.tagged(reference("web:1")).empty());
}

TEST_F(Table, names_a_digest_apart_from_tags) {
    const auto digest = "web@sha256:" + digits("9");
    add({.pattern = "a", .tags = {digest, "web:2", "web:1"}});
    EXPECT_EQ(references("a"), (Names{"web:1", "web:2", digest}));
    EXPECT_EQ(found(digest), "aaaa");
    EXPECT_EQ(found("web:1@sha256:" + digits("9")), "aaaa") << "the digest counts";
    EXPECT_EQ(found("web:1@sha256:" + digits("8")), "No such image: web:1@sha256:" + digits("8"));
    EXPECT_EQ(table.references_of_name(reference("web")).size(), 3u);
    EXPECT_TRUE(table.references_of_name(reference("other")).empty());
}

// --- layers ---

TEST_F(Table, counts_shared_layers_once) {
    add({.pattern = "a", .layers = {{"1", 100}, {"2", 10}}});
    add({.pattern = "b", .layers = {{"1", 100}, {"3", 5}}});
    EXPECT_EQ(table.find(id("a"))->size_bytes, 110);
    EXPECT_EQ(table.shared_size(*table.find(id("a"))), 100);
    EXPECT_EQ(table.layers_size(), 115);
    EXPECT_EQ(table.layer_size(layer("3")), 5);
    add({.pattern = "a", .layers = {{"9", 1}}});
    EXPECT_EQ(table.find(id("a"))->size_bytes, 110) << "an image that is there stays";
    EXPECT_EQ(table.erase(id("a")), std::vector{layer("2")});
    EXPECT_TRUE(table.layer_in_use(layer("1")));
    EXPECT_EQ(table.erase(id("b")), (std::vector{layer("3"), layer("1")})) << "topmost first";
    EXPECT_EQ(table.layers_size(), 0);
    EXPECT_TRUE(table.erase(id("b")).empty());
}

TEST_F(Table, forgets_the_names_of_an_erased_image) {
    add({.pattern = "a", .tags = {"web:1", "web:2"}});
    table.erase(id("a"));
    EXPECT_TRUE(table.references_of_name(reference("web")).empty());
    EXPECT_EQ(table.size(), 0u);
}

// --- list ---

TEST_F(Table, lists_the_newest_first_and_hides_unnamed_parents) {
    add({.pattern = "a", .created = 1});
    add({.pattern = "b", .tags = {"web:2", "web:1"}, .created = 2, .parent = "a"});
    add({.pattern = "c", .created = 3});
    EXPECT_EQ(listed(), (Names{"c", "b web:1 web:2"}));
    EXPECT_EQ(listed("", true), (Names{"c", "b web:1 web:2", "a"}));
}

TEST_F(Table, lists_dangling_images) {
    const auto digest = "old@sha256:" + digits("9");
    add({.pattern = "a", .created = 1});
    add({.pattern = "b", .tags = {"web"}, .created = 2, .parent = "a"});
    add({.pattern = "c", .created = 3});
    add({.pattern = "d", .tags = {digest}, .created = 4});
    EXPECT_EQ(listed(R"({"dangling":["true"]})"), (Names{"d " + digest, "c"}));
    EXPECT_EQ(listed(R"({"dangling":["false"]})"), (Names{"d " + digest, "b web:latest"}));
    EXPECT_EQ(list(R"({"dangling":["maybe"]})").error().code, Errc::Invalid);
}

TEST_F(Table, filters_by_reference_and_shows_only_what_matches) {
    add({.pattern = "a", .tags = {"web:1", "web:2", "host:5000/other/web:1"}, .created = 1});
    add({.pattern = "b", .tags = {"db:1"}, .created = 2});
    add({.pattern = "c", .created = 3});
    EXPECT_EQ(listed(R"({"reference":["web"]})"), Names{"a web:1 web:2"});
    EXPECT_EQ(listed(R"({"reference":["*:1"]})"), (Names{"b db:1", "a web:1"}));
    EXPECT_EQ(listed(R"({"reference":["*/*/web"]})"), Names{"a host:5000/other/web:1"});
    EXPECT_EQ(listed(R"({"reference":["web:2","db"]})"), (Names{"b db:1", "a web:2"}));
    EXPECT_EQ(list(R"({"reference":["[a"]})").error().code, Errc::Invalid);
}

TEST_F(Table, filters_by_time_and_by_other_images) {
    add({.pattern = "a", .tags = {"one"}, .created = 1});
    add({.pattern = "b", .tags = {"two"}, .created = 2});
    add({.pattern = "c", .tags = {"three"}, .created = 3});
    EXPECT_EQ(listed(R"({"before":["two"]})"), Names{"a one:latest"});
    EXPECT_EQ(listed(R"({"since":["two"]})"), Names{"c three:latest"});
    EXPECT_EQ(listed(R"({"before":["three"],"since":["one"]})"), Names{"b two:latest"});
    EXPECT_EQ(listed(R"({"until":["1700000002"]})"), Names{"a one:latest"});
    EXPECT_EQ(listed(R"({"until":["998s"]})"), Names{"a one:latest"})
        << "before now, 1000 s after the first second";
    EXPECT_EQ(list(R"({"before":["nine"]})").error().code, Errc::NotFound);
    EXPECT_EQ(list(R"({"colour":["red"]})").error().message, "invalid filter 'colour'");
}

TEST_F(Table, filters_by_label) {
    add({.pattern = "a", .tags = {"one"}, .created = 1, .labels = {{"tier", "web"}, {"x", ""}}});
    add({.pattern = "b", .tags = {"two"}, .created = 2, .labels = {{"tier", "db"}}});
    EXPECT_EQ(listed(R"({"label":["tier"]})"), (Names{"b two:latest", "a one:latest"}));
    EXPECT_EQ(listed(R"({"label":["tier=web","x"]})"), Names{"a one:latest"});
    EXPECT_EQ(listed(R"({"label!":["tier=web"]})"), Names{"b two:latest"});
}

// --- remove ---

TEST_F(Table, only_untags_while_other_names_are_left) {
    add({.pattern = "a", .tags = {"web:1", "web:2"}});
    EXPECT_EQ(removal("web:1"), Names{"untag web:1"});
    table.untag(reference("web:1"));
    EXPECT_EQ(removal("web:2"), (Names{"untag web:2", "delete a"}));
}

TEST_F(Table, takes_the_digests_of_a_repository_with_its_last_tag) {
    const auto digest = "web@sha256:" + digits("9");
    add({.pattern = "a", .tags = {"web:1", digest}});
    EXPECT_EQ(removal("web:1"), (Names{"untag web:1", "untag " + digest, "delete a"}));
    EXPECT_EQ(removal(digest), Names{"untag " + digest});
}

TEST_F(Table, removes_by_id_only_what_has_one_name_unless_forced) {
    add({.pattern = "a", .tags = {"web:1", "db:1"}});
    EXPECT_EQ(removal(digits("a")),
              Names{"conflict: conflict: unable to delete aaaaaaaaaaaa (must be forced) - image is "
                    "referenced in multiple repositories"});
    EXPECT_EQ(removal("aaaa", true), (Names{"untag db:1", "untag web:1", "delete a"}));
    table.untag(reference("db:1"));
    EXPECT_EQ(removal("aaaa"), (Names{"untag web:1", "delete a"}));
}

TEST_F(Table, keeps_what_containers_use) {
    add({.pattern = "a", .tags = {"web:1"}});
    used[id("a")] = {{"0123456789ab", false}};
    EXPECT_EQ(
        removal("web:1"),
        Names{"conflict: conflict: unable to remove repository reference \"web:1\" (must force) - "
              "container 0123456789ab is using its referenced image aaaaaaaaaaaa"});
    EXPECT_EQ(
        removal("aaaa"),
        Names{"conflict: conflict: unable to delete aaaaaaaaaaaa (must be forced) - image is being "
              "used by stopped container 0123456789ab"});
    EXPECT_EQ(removal("web:1", true), (Names{"untag web:1", "delete a"}));
    used[id("a")] = {{"0123456789ab", true}};
    EXPECT_EQ(
        removal("aaaa", true),
        Names{"conflict: conflict: unable to delete aaaaaaaaaaaa (cannot be forced) - image is "
              "being used by running container 0123456789ab"});
    EXPECT_EQ(removal("web:1", true), Names{"untag web:1"}) << "the name goes, the image stays";
    table.tag(reference("web:2"), id("a"), second(1));
    EXPECT_EQ(removal("web:2"), Names{"untag web:2"}) << "a second name may go without force";
}

TEST_F(Table, removes_unnamed_parents_that_nobody_uses) {
    add({.pattern = "a"});
    add({.pattern = "b", .parent = "a"});
    add({.pattern = "c", .tags = {"web"}, .parent = "b"});
    EXPECT_EQ(removal("web"), (Names{"untag web:latest", "delete c", "delete b", "delete a"}));
    EXPECT_EQ(removal("web", false, false), (Names{"untag web:latest", "delete c"}));
    used[id("b")] = {{"0123456789ab", false}};
    EXPECT_EQ(removal("web"), (Names{"untag web:latest", "delete c"}));
    used.clear();
    table.tag(reference("base"), id("b"), second(1));
    EXPECT_EQ(removal("web"), (Names{"untag web:latest", "delete c"}));
}

TEST_F(Table, keeps_what_other_images_are_made_from) {
    add({.pattern = "a"});
    add({.pattern = "b", .tags = {"web"}, .parent = "a"});
    EXPECT_EQ(
        removal("aaaa", true),
        Names{"conflict: conflict: unable to delete aaaaaaaaaaaa (cannot be forced) - image has "
              "dependent child images"});
}

TEST_F(Table, says_what_is_not_there_to_remove) {
    EXPECT_EQ(removal("web"), Names{"not found: No such image: web:latest"});
    EXPECT_EQ(removal("web", true), Names{"not found: No such image: web:latest"});
}

TEST_F(Table, prunes_dangling_images_and_with_the_word_unused_ones) {
    add({.pattern = "a", .created = 1});
    add({.pattern = "b", .tags = {"web"}, .created = 2, .parent = "a", .labels = {{"keep", ""}}});
    add({.pattern = "c", .created = 3});
    add({.pattern = "d", .created = 4});
    used[id("d")] = {{"0123456789ab", false}};
    EXPECT_EQ(pruned("{}"), Names{"sha256:" + digits("c")});
    EXPECT_EQ(pruned(R"({"dangling":["false"]})"), (Names{"web:latest", "sha256:" + digits("c")}));
    EXPECT_EQ(pruned(R"({"dangling":["false"],"label!":["keep"]})"),
              Names{"sha256:" + digits("c")});
    EXPECT_EQ(pruned(R"({"dangling":["false"],"label":["keep"]})"), Names{"web:latest"});
    EXPECT_TRUE(pruned(R"({"until":["1700000003"]})").empty());
    EXPECT_EQ(pruned(R"({"reference":["x"]})"), Names{"error: invalid filter 'reference'"});
}

// --- history ---

TEST_F(Table, tells_the_history_with_sizes_newest_first) {
    add({.pattern = "a", .layers = {{"1", 100}}, .tags = {"base"}});
    auto config = std::make_shared<oci::ImageConfig>();
    for (const auto& [what, empty] : {std::pair("base", false), {"env", true}, {"files", false}}) {
        oci::History step;
        step.created_by = what;
        step.empty_layer = empty;
        config->history.push_back(step);
    }
    ImageRecord record;
    record.id = id("b");
    record.parent = id("a");
    record.config = config;
    record.layers = {layer("1"), layer("2"), layer("3")};
    table.add(record, {100, 10, 1});
    table.tag(reference("web"), id("b"), second(1));
    const auto lines = history_of(table, *table.find(id("b")));
    ASSERT_EQ(lines.size(), 4u);
    EXPECT_EQ(lines[0].entry, nullptr) << "a layer nobody wrote down";
    EXPECT_EQ(lines[0].size_bytes, 1);
    EXPECT_EQ(lines[0].image, id("b"));
    EXPECT_EQ(lines[0].tags, std::vector{reference("web")});
    EXPECT_EQ(lines[1].entry->created_by, "files");
    EXPECT_EQ(lines[1].size_bytes, 10);
    EXPECT_EQ(lines[1].image, id("a")) << "the image it was made from";
    EXPECT_EQ(lines[2].size_bytes, 0);
    EXPECT_TRUE(lines[2].image.empty());
    EXPECT_EQ(lines[3].size_bytes, 100);
}

} // namespace shoal::image
