#include "registry/server/retention.h"
#include "registry/server/store_test_tools.h"

#include "base/time.h"

#include <atomic>
#include <thread>

namespace shoal::registry {
namespace {

using std::chrono::hours;

class GcTest : public StoreTest {};

TEST_F(GcTest, takes_what_nobody_needs_and_nothing_else) {
    const auto kept = *put_image("a", "v1", {"kept"});
    const auto old = *put_image("a", "v2", {"old"});
    ASSERT_TRUE(put_image("a", "v2", {"new"}));
    ASSERT_TRUE(put_blob("a", "loose"));
    EXPECT_TRUE(collect()->removed_blobs.empty()) << "all of it is young";
    clock_.ahead = hours(2);
    GcOptions dry;
    dry.dry_run = true;
    const auto plan = collect(dry);
    ASSERT_TRUE(plan);
    EXPECT_EQ(plan->removed_manifests, std::vector<std::string>{"a@" + old.text()});
    EXPECT_TRUE(store_->manifest("a", old.text())) << "a dry run changes nothing";
    const auto done = collect();
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->removed_blobs.size(), plan->removed_blobs.size());
    EXPECT_EQ(done->removed_blobs.size(),
              4u); // manifest, config and layer of the old one, the loose one
    EXPECT_EQ(done->freed_bytes, plan->freed_bytes);
    EXPECT_FALSE(store_->manifest("a", old.text()));
    EXPECT_TRUE(store_->manifest("a", kept.text()));
    EXPECT_FALSE(store_->blob_size("a", blob::hash("old")));
    EXPECT_TRUE(store_->blob_size("a", blob::hash("kept")));
    EXPECT_TRUE(verify_store(*store_, {})->empty());
    EXPECT_TRUE(collect()->removed_blobs.empty());
}

TEST_F(GcTest, keeps_what_another_repository_links) {
    ASSERT_TRUE(put_image("a", "v1", {"shared"}));
    ASSERT_TRUE(put_image("b", "v1", {"shared"}));
    ASSERT_TRUE(store_->delete_tag("a", "v1"));
    clock_.ahead = hours(2);
    ASSERT_TRUE(collect());
    EXPECT_FALSE(store_->blob_size("a", blob::hash("shared")));
    EXPECT_TRUE(store_->blob_size("b", blob::hash("shared")));
    EXPECT_TRUE(verify_store(*store_, {})->empty());
}

TEST_F(GcTest, keeps_children_of_indexes_and_what_refers_to_the_kept) {
    const auto child = *put_image("a", "", {"child"});
    const Json index{
        {"schemaVersion", 2},
        {"mediaType", oci::media::oci_index},
        {"manifests", Json::array({descriptor(std::string(oci::media::oci_manifest), child, 1)})}};
    ASSERT_TRUE(store_->put_manifest("a", "all", std::string(oci::media::oci_index),
                                     dump_json(index), nullptr));
    const auto signature =
        *put_image("a", "", {"sig"}, Json{{"subject", descriptor("x", child, 1)}});
    const auto lonely =
        *put_image("a", "", {"lonely"}, Json{{"subject", descriptor("x", blob::hash("gone"), 1)}});
    clock_.ahead = hours(2);
    ASSERT_TRUE(collect());
    EXPECT_TRUE(store_->manifest("a", child.text()));
    EXPECT_TRUE(store_->manifest("a", signature.text()));
    EXPECT_FALSE(store_->manifest("a", lonely.text()));
    EXPECT_TRUE(verify_store(*store_, {})->empty());
}

TEST_F(GcTest, leaves_what_was_asked_for_lately) {
    const auto digest = *put_blob("a", "loose");
    ASSERT_TRUE(put_image("a", "v1", {"one"}));
    clock_.ahead = hours(2);
    ASSERT_TRUE(store_->blob_size("a", digest)); // a push looks whether it has to send it
    clock_.ahead = nanoseconds(0);
    GcOptions options;
    options.grace = std::chrono::seconds(30);
    ASSERT_TRUE(collect(options));
    EXPECT_TRUE(store_->blob_size("a", digest));
}

TEST_F(GcTest, removes_uploads_that_nobody_goes_on_with) {
    ASSERT_TRUE(put_image("a", "v1", {"one"}));
    const auto begun = store_->begin_upload("a");
    ASSERT_TRUE((*store_->write_upload("a", begun->id))->write("half"));
    clock_.ahead = hours(2);
    EXPECT_EQ(collect()->removed_uploads, 0u);
    clock_.ahead = hours(24 * 8);
    EXPECT_EQ(collect()->removed_uploads, 1u);
    EXPECT_FALSE(store_->upload("a", begun->id));
}

TEST_F(GcTest, deployed_digests_stay_without_a_tag) {
    const auto digest = *put_image("a", "v1", {"one"});
    ASSERT_TRUE(store_->delete_tag("a", "v1"));
    clock_.ahead = hours(2);
    GcOptions options;
    options.keep = {digest};
    ASSERT_TRUE(collect(options));
    EXPECT_TRUE(store_->manifest("a", digest.text()));
    ASSERT_TRUE(collect());
    EXPECT_FALSE(store_->manifest("a", digest.text()));
}

/// A collection during which somebody acts after the judgement and before the removal.
class JudgedTest : public StoreTest {
  protected:
    Result<GcReport> collect_while(std::function<void()> act, GcOptions options = {}) {
        options.on_judged = [act = std::move(act)](const std::string&) { act(); };
        return collect_garbage(*store_, options);
    }
    void expect_whole() {
        const auto rot = verify_store(*store_, {});
        ASSERT_TRUE(rot);
        EXPECT_TRUE(rot->empty()) << rot->front().what;
    }
};

TEST_F(JudgedTest, spares_a_tag_that_was_pushed_again) {
    ASSERT_TRUE(put_image("a", "v1", {"one"}));
    age(hours(1));
    ASSERT_TRUE(put_image("a", "v2", {"two"}));
    age(hours(2));
    GcOptions options;
    options.retention = {{"**", "*", 1, {}, {}}};
    const auto report = collect_while([&] { ASSERT_TRUE(put_image("a", "v1", {"one"})); }, options);
    EXPECT_TRUE(report->removed_tags.empty());
    EXPECT_TRUE(store_->manifest("a", "v1"));
    expect_whole();
    age(hours(2));
    EXPECT_EQ(collect(options)->removed_tags, std::vector<std::string>{"a:v2"});
    expect_whole();
}

TEST_F(JudgedTest, spares_a_manifest_that_gets_a_tag) {
    const auto digest = *put_image("a", "", {"one"});
    const auto bytes = store_->manifest("a", digest.text())->bytes;
    age(hours(2));
    const auto report = collect_while([&] {
        ASSERT_TRUE(
            store_->put_manifest("a", "v1", std::string(oci::media::oci_manifest), bytes, nullptr));
    });
    EXPECT_TRUE(report->removed_manifests.empty());
    EXPECT_TRUE(report->removed_blobs.empty());
    expect_whole();
}

TEST_F(JudgedTest, spares_what_an_index_begins_to_name) {
    const auto child = *put_image("a", "", {"child"});
    const Json index{
        {"schemaVersion", 2},
        {"mediaType", oci::media::oci_index},
        {"manifests", Json::array({descriptor(std::string(oci::media::oci_manifest), child, 1)})}};
    age(hours(2));
    ASSERT_TRUE(collect_while([&] {
        ASSERT_TRUE(store_->put_manifest("a", "all", std::string(oci::media::oci_index),
                                         dump_json(index), nullptr));
    }));
    EXPECT_TRUE(store_->manifest("a", child.text()));
    EXPECT_TRUE(store_->blob_size("a", blob::hash("child")));
    expect_whole();
}

TEST_F(JudgedTest, spares_a_blob_that_somebody_asks_for_or_mounts) {
    const auto asked = *put_blob("a", "asked");
    const auto mounted = *put_blob("a", "mounted");
    const auto left = *put_blob("a", "left");
    age(hours(2));
    bool done = false;
    const auto report = collect_while([&] {
        if (std::exchange(done, true)) { return; }
        ASSERT_TRUE(store_->blob_size("a", asked));
        ASSERT_TRUE(store_->mount("b", "a", mounted));
    });
    EXPECT_EQ(report->removed_blobs, std::vector<oci::Digest>{left});
    EXPECT_TRUE(store_->blob_size("a", asked));
    EXPECT_TRUE(store_->blob_size("b", mounted));
}

TEST_F(GcTest, waits_for_a_push_that_is_slower_than_the_grace) {
    const auto first = *put_blob("a", "first layer");
    const auto begun = store_->begin_upload("a");
    age(hours(2));
    ASSERT_TRUE(
        os::write_file_atomic(place() + "repositories/a/_uploads/" + begun->id + "/startedat",
                              format_rfc3339(clock_.now() - hours(3))));
    ASSERT_TRUE((*store_->write_upload("a", begun->id))->write("second layer, slowly"));
    EXPECT_TRUE(collect()->removed_blobs.empty());
    ASSERT_TRUE(store_->cancel_upload("a", begun->id));
    EXPECT_EQ(collect()->removed_blobs, std::vector<oci::Digest>{first});
}

TEST_F(GcTest, knows_names_that_hold_uploads_and_blobs_only) {
    ASSERT_TRUE(put_blob("only/blobs", "loose"));
    const auto begun = store_->begin_upload("only/uploads");
    ASSERT_TRUE((*store_->write_upload("only/uploads", begun->id))->write("half"));
    const auto usage = measure_usage(*store_);
    EXPECT_EQ(usage->repositories.size(), 2u);
    EXPECT_EQ(usage->uploads_bytes, 4);
    EXPECT_EQ(usage->garbage_bytes, 0);
    age(hours(24 * 8));
    const auto report = collect();
    EXPECT_EQ(report->removed_uploads, 1u);
    EXPECT_EQ(report->removed_blobs.size(), 1u);
}

TEST_F(GcTest, directories_without_a_link_are_no_links) {
    const auto image = *put_image("a", "v1", {"one"});
    ASSERT_TRUE(os::remove_file(place() + "repositories/a/_manifests/tags/v1/current/link"));
    ASSERT_TRUE(os::remove_file(place() + "repositories/a/_manifests/revisions/sha256/" +
                                image.hex() + "/link"));
    age(hours(2));
    EXPECT_EQ(collect()->removed_blobs.size(), 3u);
}

TEST_F(GcTest, what_a_crash_left_half_written_goes) {
    ASSERT_TRUE(put_image("a", "v1", {"one"}));
    ASSERT_TRUE(os::write_file_atomic(place() + ".shoal-tmp/left", "half"));
    age(hours(3));
    ASSERT_TRUE(collect());
    EXPECT_FALSE(os::exists(place() + ".shoal-tmp/left"));
    EXPECT_TRUE(verify_store(*store_, {})->empty());
}

TEST_F(GcTest, runs_beside_pushes_and_loses_nothing_that_was_acknowledged) {
    std::atomic<bool> stop = false;
    std::atomic<int> lost = 0;
    std::jthread collector([&] {
        GcOptions options;
        options.grace = std::chrono::seconds(0); // as hard as it can be
        while (!stop) {
            if (!collect(options)) { ++lost; }
        }
    });
    std::vector<std::jthread> pushers;
    for (int n = 0; n < 4; ++n) {
        pushers.emplace_back([&, n] {
            const std::string name = "r" + std::to_string(n);
            for (int round = 0; round < 25; ++round) {
                const std::string layer = "layer " + std::to_string(round % 3);
                for (int attempt = 0; attempt < 200;
                     ++attempt) { // a client sends again what is missing
                    if (put_image(name, "v1", {layer, "base"})) { break; }
                }
                const auto now = store_->manifest(name, "v1");
                if (!now) { ++lost; }
            }
        });
    }
    pushers.clear();
    stop = true;
    collector.join();
    EXPECT_EQ(lost, 0);
    const auto rot = verify_store(*store_, {});
    ASSERT_TRUE(rot);
    EXPECT_TRUE(rot->empty()) << rot->front().what;
}

TaggedAt tagged(const std::string& tag, int age_hours) {
    return {tag, blob::hash(tag), Instant(hours(1000 - age_hours))};
}
const Instant now{hours(1000)};

TEST(Retention, keeps_the_newest_of_each_rule) {
    const std::vector<TaggedAt> tags{tagged("v1", 3), tagged("v2", 2), tagged("v3", 1),
                                     tagged("dev", 50)};
    RetentionRule rule{"team/*", "v*", 2, {}, {}};
    EXPECT_EQ(plan_retention("team/app", tags, {rule}, {}, now), std::vector<std::string>{"v1"});
    EXPECT_TRUE(plan_retention("other", tags, {rule}, {}, now).empty());
    rule.keep_younger = hours(5);
    EXPECT_TRUE(plan_retention("team/app", tags, {rule}, {}, now).empty());
}

TEST(Retention, keeps_patterns_and_deployed_digests) {
    const std::vector<TaggedAt> tags{tagged("v1", 3), tagged("stable-1", 3), tagged("v2", 3)};
    const RetentionRule rule{"**", "*", {}, hours(1), {"stable-*"}};
    EXPECT_EQ(plan_retention("a/b", tags, {rule}, {blob::hash("v2")}, now),
              std::vector<std::string>{"v1"});
    const RetentionRule empty{"**", "*", {}, {}, {}};
    EXPECT_TRUE(plan_retention("a/b", tags, {empty}, {}, now).empty());
}

TEST(Globs, match_within_and_across_components) {
    EXPECT_TRUE(matches_glob("a/b", "a/*"));
    EXPECT_FALSE(matches_glob("a/b/c", "a/*"));
    EXPECT_TRUE(matches_glob("a/b/c", "a/**"));
    EXPECT_TRUE(matches_glob("a", "**"));
    EXPECT_TRUE(matches_glob("v1.2", "v?.*"));
    EXPECT_FALSE(matches_glob("v", "v?"));
}

} // namespace
} // namespace shoal::registry
