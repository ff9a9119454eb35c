#include "engine/store.h"

#include "os/file.h"

#include <gtest/gtest.h>

namespace shoal::engine {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

struct StoreTest : testing::Test {
    os::TempDir dir = std::move(*os::TempDir::create());
    std::string path = dir.path() + "/state.db";
};

} // namespace

TEST_F(StoreTest, gives_back_the_documents_of_a_kind_by_id) {
    auto store = Store::open(path);
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_TRUE(store->put("volume", "web", "{\"a\":1}"));
    ASSERT_TRUE(store->put("volume", "db", ""));
    ASSERT_TRUE(store->put("network", "web", std::string("it's \"q\" \0 end", 14)));
    EXPECT_EQ(*store->load_all("volume"), (Pairs{{"db", ""}, {"web", "{\"a\":1}"}}));
    EXPECT_EQ(*store->load_all("network"), (Pairs{{"web", std::string("it's \"q\" \0 end", 14)}}));
    EXPECT_TRUE(store->load_all("container")->empty());
}

TEST_F(StoreTest, keeps_them_over_a_restart) {
    { ASSERT_TRUE(Store::open(path)->put("volume", "web", "one")); }
    auto store = Store::open(path);
    ASSERT_TRUE(store);
    EXPECT_EQ(*store->load_all("volume"), (Pairs{{"web", "one"}}));
}

TEST_F(StoreTest, replaces_and_removes) {
    auto store = Store::open(path);
    ASSERT_TRUE(store);
    ASSERT_TRUE(store->put("volume", "web", "one"));
    ASSERT_TRUE(store->put("volume", "web", "two"));
    EXPECT_EQ(*store->load_all("volume"), (Pairs{{"web", "two"}}));
    EXPECT_TRUE(store->remove("network", "web"));
    EXPECT_TRUE(store->remove("volume", "web"));
    EXPECT_TRUE(store->remove("volume", "web")) << "harmless when absent";
    EXPECT_TRUE(store->load_all("volume")->empty());
}

TEST_F(StoreTest, takes_ids_for_what_they_are) {
    auto store = Store::open(path);
    ASSERT_TRUE(store);
    const std::string id = "x'); DROP TABLE objects; --";
    ASSERT_TRUE(store->put("volume", id, "one"));
    EXPECT_EQ(*store->load_all("volume"), (Pairs{{id, "one"}}));
}

TEST_F(StoreTest, refuses_the_work_of_a_newer_release) {
    {
        auto database = os::Database::open(path);
        ASSERT_TRUE(database);
        ASSERT_TRUE(database->execute("PRAGMA user_version=99"));
    }
    const auto store = Store::open(path);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, Errc::Unsupported);
    EXPECT_EQ(store.error().message, path + ": written by a newer release (schema 99)");
}

TEST_F(StoreTest, says_when_the_file_is_none_of_its_own) {
    ASSERT_TRUE(os::write_file_atomic(path, std::string(4096, 'j')));
    EXPECT_FALSE(Store::open(path));
    EXPECT_FALSE(Store::open(dir.path() + "/nowhere/state.db"));
}

} // namespace shoal::engine
