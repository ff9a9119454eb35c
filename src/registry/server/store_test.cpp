#include "registry/server/store_test_tools.h"

#include "registry/server/manifest_facts.h"

#include <thread>
#include <unistd.h>

namespace shoal::registry {
namespace {

TEST_F(StoreTest, a_finished_upload_is_a_blob_of_its_repository_only) {
    const auto digest = put_blob("a/b", "hello");
    ASSERT_TRUE(digest) << digest.error().message;
    EXPECT_EQ(*store_->blob_size("a/b", *digest), 5);
    EXPECT_FALSE(store_->blob_size("other", *digest));
    EXPECT_EQ(store_->open_blob("other", *digest).error().code, Errc::NotFound);
    const auto open = store_->open_blob("a/b", *digest);
    ASSERT_TRUE(open);
    EXPECT_EQ(*os::read_all(open->file), "hello");
}

TEST_F(StoreTest, lies_on_disk_as_the_reference_registry_has_it) {
    const auto digest = put_blob("a/b", "hello");
    const std::string hex = digest->hex();
    EXPECT_EQ(*os::read_file(place() + "blobs/sha256/" + hex.substr(0, 2) + "/" + hex + "/data"),
              "hello");
    EXPECT_EQ(*os::read_file(place() + "repositories/a/b/_layers/sha256/" + hex + "/link"),
              digest->text());
    const auto manifest = put_image("a/b", "v1", {"layer"});
    ASSERT_TRUE(manifest) << manifest.error().message;
    const std::string top = place() + "repositories/a/b/_manifests/";
    EXPECT_EQ(*os::read_file(top + "tags/v1/current/link"), manifest->text());
    EXPECT_EQ(*os::read_file(top + "tags/v1/index/sha256/" + manifest->hex() + "/link"),
              manifest->text());
    EXPECT_EQ(*os::read_file(top + "revisions/sha256/" + manifest->hex() + "/link"),
              manifest->text());
}

TEST_F(StoreTest, an_upload_goes_on_where_it_was_also_after_a_restart) {
    const auto begun = store_->begin_upload("a");
    ASSERT_TRUE(begun);
    ASSERT_TRUE((*store_->write_upload("a", begun->id))->write("hel"));
    EXPECT_EQ(store_->upload("a", begun->id)->offset, 3u);
    open();
    {
        auto writer = store_->write_upload("a", begun->id);
        ASSERT_TRUE(writer);
        EXPECT_EQ((*writer)->offset(), 3u);
        ASSERT_TRUE((*writer)->write("lo"));
        EXPECT_EQ(store_->write_upload("a", begun->id).error().code, Errc::Conflict);
    }
    ASSERT_TRUE(store_->finish_upload("a", begun->id, blob::hash("hello")));
    EXPECT_EQ(store_->upload("a", begun->id).error().code, Errc::NotFound);
    EXPECT_TRUE(store_->blob_size("a", blob::hash("hello")));
}

TEST_F(StoreTest, a_wrong_digest_is_never_visible) {
    const auto begun = store_->begin_upload("a");
    ASSERT_TRUE((*store_->write_upload("a", begun->id))->write("hello"));
    const auto other = blob::hash("other");
    EXPECT_EQ(store_->finish_upload("a", begun->id, other).error().code, Errc::Invalid);
    EXPECT_FALSE(store_->blob_size("a", other));
    EXPECT_FALSE(os::exists(place() + "blobs/sha256/" + other.hex().substr(0, 2)));
    EXPECT_FALSE(store_->upload("a", begun->id));
}

TEST_F(StoreTest, sha512_names_content_too) {
    const auto digest = blob::hash("hello", oci::HashKind::Sha512);
    const auto begun = store_->begin_upload("a");
    ASSERT_TRUE((*store_->write_upload("a", begun->id))->write("hello"));
    ASSERT_TRUE(store_->finish_upload("a", begun->id, digest));
    EXPECT_EQ(*store_->blob_size("a", digest), 5);
}

TEST_F(StoreTest, uploads_belong_to_their_repository_and_their_ids_are_not_paths) {
    const auto begun = store_->begin_upload("a");
    EXPECT_FALSE(store_->upload("b", begun->id));
    for (const char* id :
         {"", "..", "../../x", "x/../../y", "00000000-0000-0000-0000-00000000000g"}) {
        EXPECT_EQ(store_->upload("a", id).error().code, Errc::NotFound) << id;
    }
    ASSERT_TRUE(store_->cancel_upload("a", begun->id));
    EXPECT_FALSE(store_->cancel_upload("a", begun->id));
}

TEST_F(StoreTest, mounting_needs_the_link_in_the_other_repository) {
    const auto digest = *put_blob("a", "hello");
    EXPECT_FALSE(store_->mount("c", "b", digest));
    ASSERT_TRUE(store_->mount("b", "a", digest));
    EXPECT_EQ(*store_->blob_size("b", digest), 5);
    ASSERT_TRUE(store_->delete_blob("a", digest));
    EXPECT_FALSE(store_->blob_size("a", digest));
    EXPECT_TRUE(store_->blob_size("b", digest));
}

TEST_F(StoreTest, links_out_of_the_directory_are_not_followed) {
    const auto digest = *put_blob("a", "hello");
    const std::string data =
        place() + "blobs/sha256/" + digest.hex().substr(0, 2) + "/" + digest.hex() + "/data";
    ASSERT_TRUE(os::remove_file(data));
    ASSERT_EQ(::symlink("/etc/passwd", data.c_str()), 0);
    EXPECT_FALSE(store_->open_blob("a", digest));
}

TEST_F(StoreTest, a_manifest_is_taken_only_with_everything_that_it_names) {
    const auto missing = blob::hash("missing");
    const Json manifest{{"schemaVersion", 2},
                        {"config", descriptor(std::string(oci::media::oci_config), missing, 7)},
                        {"layers", Json::array()}};
    std::vector<oci::Digest> absent;
    const auto put = store_->put_manifest("a", "v1", std::string(oci::media::oci_manifest),
                                          dump_json(manifest), &absent);
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code, Errc::NotFound);
    EXPECT_EQ(absent, std::vector<oci::Digest>{missing});
    EXPECT_FALSE(store_->has_repository("a"));
    // Another repository's blob is not this one's.
    ASSERT_TRUE(put_blob("b", "missing"));
    EXPECT_FALSE(store_->put_manifest("a", "v1", std::string(oci::media::oci_manifest),
                                      dump_json(manifest), nullptr));
}

TEST_F(StoreTest, tags_move_and_go_without_their_manifests) {
    const auto first = *put_image("a", "v1", {"one"});
    const auto second = *put_image("a", "v1", {"two"});
    EXPECT_EQ(store_->manifest("a", "v1")->digest, second);
    EXPECT_EQ(store_->manifest("a", first.text())->digest, first);
    ASSERT_TRUE(store_->delete_tag("a", "v1"));
    EXPECT_FALSE(store_->manifest("a", "v1"));
    EXPECT_TRUE(store_->manifest("a", second.text()));
    EXPECT_EQ(*store_->tags("a", "", 10), std::vector<std::string>{});
}

TEST_F(StoreTest, deleting_a_manifest_takes_its_tags_along) {
    const auto digest = *put_image("a", "v1", {"one"});
    ASSERT_EQ(*put_image("a", "v2", {"one"}), digest);
    EXPECT_EQ(*store_->delete_manifest("a", digest), (std::vector<std::string>{"v1", "v2"}));
    EXPECT_FALSE(store_->manifest("a", digest.text()));
    EXPECT_FALSE(store_->manifest("a", "v1"));
    EXPECT_EQ(store_->delete_manifest("a", digest).error().code, Errc::NotFound);
}

TEST_F(StoreTest, lists_are_in_order_and_in_pages) {
    for (const char* name : {"b", "a/x", "a", "c"}) { ASSERT_TRUE(put_image(name, "v1", {"one"})); }
    EXPECT_EQ(store_->repositories("", 10), (std::vector<std::string>{"a", "a/x", "b", "c"}));
    EXPECT_EQ(store_->repositories("a", 2), (std::vector<std::string>{"a/x", "b"}));
    EXPECT_EQ(store_->repositories("", 10, [](const auto& name) { return name != "b"; }),
              (std::vector<std::string>{"a", "a/x", "c"}));
    for (const char* tag : {"v3", "v2"}) { ASSERT_TRUE(put_image("a", tag, {"one"})); }
    EXPECT_EQ(*store_->tags("a", "v1", 1), (std::vector<std::string>{"v2"}));
    EXPECT_EQ(store_->tags("nobody", "", 1).error().code, Errc::NotFound);
    open();
    EXPECT_EQ(store_->repositories("", 10).size(), 4u);
}

TEST_F(StoreTest, removing_a_repository_leaves_those_below_its_name) {
    ASSERT_TRUE(put_image("a", "v1", {"one"}));
    ASSERT_TRUE(put_image("a/x", "v1", {"one"}));
    ASSERT_TRUE(store_->remove_repository("a"));
    EXPECT_EQ(store_->repositories("", 10), std::vector<std::string>{"a/x"});
    EXPECT_TRUE(store_->manifest("a/x", "v1"));
    EXPECT_FALSE(store_->manifest("a", "v1"));
}

TEST_F(StoreTest, referrers_are_known_by_their_subject) {
    const auto image = *put_image("a", "v1", {"one"});
    const Json subject{{"subject", descriptor(std::string(oci::media::oci_manifest), image, 1)},
                       {"artifactType", "application/x-signature"},
                       {"annotations", {{"k", "v"}}}};
    const auto signature = put_image("a", "", {"sig"}, subject);
    ASSERT_TRUE(signature) << signature.error().message;
    const auto found = store_->referrers("a", image, "");
    ASSERT_TRUE(found);
    ASSERT_EQ(found->size(), 1u);
    EXPECT_EQ(found->front().descriptor.digest, *signature);
    EXPECT_EQ(found->front().artifact_type, "application/x-signature");
    EXPECT_EQ(found->front().descriptor.annotations.at("k"), "v");
    EXPECT_TRUE(store_->referrers("a", image, "application/other")->empty());
    EXPECT_TRUE(store_->referrers("b", image, "")->empty());
    ASSERT_TRUE(store_->delete_manifest("a", *signature));
    EXPECT_TRUE(store_->referrers("a", image, "")->empty());
}

TEST_F(StoreTest, referrers_of_another_programs_directory_are_found) {
    const auto image = *put_image("a", "v1", {"one"});
    ASSERT_TRUE(put_image("a", "", {"sig"}, Json{{"subject", descriptor("x", image, 1)}}));
    ASSERT_TRUE(os::remove_tree(place() + "repositories/a/_referrers"));
    EXPECT_EQ(store_->referrers("a", image, "")->size(), 1u);
}

TEST_F(StoreTest, quotas_are_those_of_the_longest_prefix) {
    open({{"", 1000}, {"team/", 10}});
    EXPECT_TRUE(put_blob("team/a", "12345678"));
    const auto more = put_blob("team/a", "abcdefgh");
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, Errc::Exhausted);
    EXPECT_TRUE(put_blob("team/a", "12345678")) << "what is there already costs nothing";
    EXPECT_TRUE(put_blob("other", "abcdefgh"));
    EXPECT_EQ(store_->mount("team/a", "other", blob::hash("abcdefgh")).error().code,
              Errc::Exhausted);
    ASSERT_TRUE(store_->delete_blob("team/a", blob::hash("12345678")));
    EXPECT_TRUE(put_blob("team/a", "abcdefgh"));
}

TEST_F(StoreTest, uploads_have_a_limit) {
    StoreLimits limits;
    limits.uploads_max = 2;
    open({}, limits);
    ASSERT_TRUE(store_->begin_upload("a"));
    ASSERT_TRUE(store_->begin_upload("a"));
    EXPECT_EQ(store_->begin_upload("a").error().code, Errc::Exhausted);
}

TEST_F(StoreTest, a_quota_is_of_whole_components) {
    open({{"team/", 10}});
    EXPECT_TRUE(put_blob("teamx", "a long text of others"));
    EXPECT_FALSE(put_blob("team", "a long text of the team"));
    EXPECT_TRUE(put_image("other", "v1", {"a long text of another"}));
}

TEST_F(StoreTest, a_push_mends_what_has_rotted) {
    const auto digest = *put_image("a", "v1", {"hello"});
    const std::string hex = blob::hash("hello").hex();
    const std::string blobs = place() + "blobs/sha256/";
    ASSERT_TRUE(os::write_file_atomic(blobs + hex.substr(0, 2) + "/" + hex + "/data", "jello"));
    ASSERT_TRUE(os::write_file_atomic(
        blobs + digest.hex().substr(0, 2) + "/" + digest.hex() + "/data", "rot"));
    EXPECT_EQ(verify_store(*store_, {})->size(), 2u);
    ASSERT_TRUE(put_image("a", "v1", {"hello"}));
    EXPECT_TRUE(verify_store(*store_, {})->empty());
}

TEST_F(StoreTest, an_upload_that_was_finished_when_the_server_died_is_finished) {
    const auto digest = *put_blob("a", "hello");
    const auto begun = store_->begin_upload("a");
    ASSERT_TRUE(os::remove_file(place() + "repositories/a/_uploads/" + begun->id + "/data"));
    EXPECT_TRUE(store_->finish_upload("a", begun->id, digest));
    EXPECT_FALSE(store_->upload("a", begun->id));
}

TEST_F(StoreTest, uploads_that_another_process_removed_do_not_count) {
    StoreLimits limits;
    limits.uploads_max = 1;
    open({}, limits);
    ASSERT_TRUE(store_->begin_upload("a"));
    EXPECT_FALSE(store_->begin_upload("a"));
    ASSERT_TRUE(os::remove_tree(place() + "repositories/a/_uploads"));
    clock_.ahead = std::chrono::minutes(2);
    EXPECT_TRUE(store_->begin_upload("a"));
}

TEST_F(StoreTest, referrers_that_another_program_puts_later_are_found) {
    const auto image = *put_image("a", "v1", {"one"});
    EXPECT_TRUE(store_->referrers("a", image, "")->empty());
    const auto signature =
        *put_image("a", "", {"sig"}, Json{{"subject", descriptor("x", image, 1)}});
    EXPECT_EQ(store_->referrers("a", image, "")->size(), 1u);
    // What the reference registry leaves when it puts the same: a revision, and no word of ours.
    ASSERT_TRUE(os::remove_tree(place() + "repositories/a/_referrers/sha256"));
    EXPECT_EQ(store_->referrers("a", image, "")->size(), 0u);
    std::filesystem::last_write_time(place() + "repositories/a/_manifests/revisions/sha256",
                                     std::filesystem::file_time_type::clock::now() +
                                         std::chrono::seconds(5));
    EXPECT_EQ(store_->referrers("a", image, "")->front().descriptor.digest, signature);
}

TEST_F(StoreTest, a_summary_follows_what_is_pushed_and_deleted) {
    const auto digest = *put_image("a", "v1", {"one"});
    EXPECT_EQ(store_->summary("a")->tags, 1u);
    ASSERT_TRUE(put_image("a", "v2", {"more"}));
    EXPECT_EQ(store_->summary("a")->tags, 2u);
    ASSERT_TRUE(store_->delete_manifest("a", digest));
    EXPECT_EQ(store_->summary("a")->tags, 1u);
}

TEST_F(StoreTest, many_push_the_same_at_one_time) {
    std::vector<std::jthread> threads;
    std::atomic<int> failures = 0;
    for (int n = 0; n < 8; ++n) {
        threads.emplace_back([&, n] {
            for (int round = 0; round < 10; ++round) {
                if (!put_image("a", "v" + std::to_string(n), {"same", "layer"})) { ++failures; }
            }
        });
    }
    threads.clear();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(store_->tags("a", "", 100)->size(), 8u);
    EXPECT_TRUE(verify_store(*store_, {})->empty());
}

TEST(ManifestFacts, add_sizes_up_to_the_most_there_is) {
    const std::string digest = "\"digest\":\"sha256:" + std::string(64, 'a') + "\",\"size\":";
    const auto bytes_of = [&](const std::string& config, const std::string& layer) {
        const std::string text = R"({"schemaVersion":2,"config":{)" + digest + config +
                                 R"(},"layers":[{)" + digest + layer + "},{" + digest + layer +
                                 "}]}";
        const auto facts = read_manifest_facts(text, oci::media::oci_manifest);
        return facts ? facts->content_bytes : -1;
    };
    const auto most = std::numeric_limits<std::int64_t>::max();
    EXPECT_EQ(bytes_of("1", "2"), 5);
    EXPECT_EQ(bytes_of("-7", "2"), 4);
    EXPECT_EQ(bytes_of("1", std::to_string(most)), most);
    EXPECT_EQ(bytes_of(std::to_string(most), "1"), most);
}

TEST(ManifestFacts, refuse_what_contradicts_itself) {
    const auto refuses = [](const std::string& text, std::string_view type) {
        return !read_manifest_facts(text, type).has_value();
    };
    EXPECT_TRUE(refuses("[]", oci::media::oci_manifest));
    EXPECT_TRUE(refuses("{}", oci::media::oci_manifest));
    EXPECT_TRUE(refuses(R"({"schemaVersion":1})", oci::media::oci_manifest));
    EXPECT_TRUE(refuses(R"({"schemaVersion":2,"manifests":[]})", "application/json"));
    EXPECT_TRUE(refuses(
        R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})",
        oci::media::oci_manifest));
    EXPECT_TRUE(
        refuses(R"({"schemaVersion":2,"manifests":[],"layers":[]})", oci::media::oci_index));
    EXPECT_FALSE(refuses(R"({"schemaVersion":2,"manifests":[]})", oci::media::oci_index));
}

} // namespace
} // namespace shoal::registry
