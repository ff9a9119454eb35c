#include "blob/store.h"

#include "os/file.h"

#include <gtest/gtest.h>

namespace shoal::blob {
namespace {

struct BlobStore : testing::Test {
    os::TempDir dir = std::move(*os::TempDir::create());
    std::string tmp = dir.path() + "/tmp";
    std::string root = dir.path() + "/blobs";
    Store store = std::move(*Store::create(root, tmp));
    std::size_t half_made() const { return os::list_directory(tmp)->size(); }
};

} // namespace

TEST(Hash, of_known_bytes_is_known) {
    EXPECT_EQ(hash("abc").text(),
              "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_TRUE(
        hash("abc", oci::HashKind::Sha512).hex().starts_with("ddaf35a193617abacc417349ae204131"));
}

TEST(ChainIds, start_with_the_diff_id_and_go_on_with_hashes_of_pairs) {
    const auto a = hash("a");
    const auto b = hash("b");
    const auto chain = chain_ids({a, b});
    EXPECT_EQ(chain[0].text(), a.hex());
    EXPECT_EQ(chain[1].text(), hash(a.text() + " " + b.text()).hex());
}

TEST(ChainIds, are_sha256_even_where_the_lowest_diff_id_is_not) {
    const auto low = hash("a", oci::HashKind::Sha512);
    const auto high = hash("b");
    const auto chain = chain_ids({low, high});
    EXPECT_EQ(chain[0].text(), hash(low.text()).hex());
    EXPECT_EQ(chain[1].text(), hash(low.text() + " " + high.text()).hex());
}

TEST_F(BlobStore, gives_back_what_was_put) {
    const auto stored = store.put("hello");
    ASSERT_TRUE(stored);
    EXPECT_EQ(stored->digest, hash("hello"));
    EXPECT_TRUE(store.has(stored->digest));
    EXPECT_EQ(*store.size(stored->digest), 5);
    EXPECT_EQ(*store.read(stored->digest, 100), "hello");
    EXPECT_TRUE(store.put("hello"));
    EXPECT_EQ(store.list()->size(), 1u);
    EXPECT_TRUE(store.remove(stored->digest));
    EXPECT_TRUE(store.remove(stored->digest));
    EXPECT_EQ(store.read(stored->digest, 100).error().code, Errc::NotFound);
}

TEST_F(BlobStore, refuses_bytes_that_are_not_what_was_promised_and_keeps_nothing) {
    EXPECT_FALSE(store.put("hello", {.digest = hash("hallo")}));
    EXPECT_FALSE(store.put("hello", {.size = 4}));
    EXPECT_FALSE(store.put("hello", {.size = 6}));
    EXPECT_TRUE(store.put("hello", {.digest = hash("hello", oci::HashKind::Sha512), .size = 5}));
    EXPECT_EQ(half_made(), 0u);
    EXPECT_EQ(store.list()->size(), 1u);
}

TEST_F(BlobStore, leaves_nothing_of_an_abandoned_blob) {
    {
        auto writer = store.begin();
        EXPECT_TRUE(writer->write("half"));
        EXPECT_EQ(half_made(), 1u);
    }
    EXPECT_EQ(half_made(), 0u);
}

TEST_F(BlobStore, notices_a_blob_that_was_changed) {
    const auto digest = store.put("hello")->digest;
    ASSERT_TRUE(os::write_file_atomic(root + "/sha256/" + digest.hex(), "hullo"));
    EXPECT_EQ(store.read(digest, 100).error().message, "blob " + digest.text() + " is damaged");
}

TEST_F(BlobStore, collects_what_nobody_keeps) {
    const auto kept = store.put("kept")->digest;
    ASSERT_TRUE(store.put("garbage"));
    EXPECT_EQ(*store.collect({kept}), 7);
    EXPECT_TRUE(store.has(kept));
    EXPECT_EQ(store.list()->size(), 1u);
}

} // namespace shoal::blob
