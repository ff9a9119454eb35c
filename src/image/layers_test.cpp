#include "image/layers.h"

#include "archive/tar_writer.h"
#include "blob/hash.h"
#include "os/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace shoal::image {
namespace {

std::string tar_of(const std::vector<std::pair<std::string, std::string>>& files) {
    std::string tar;
    archive::TarWriter writer(archive::sink_into(tar));
    for (const auto& [name, content] : files) {
        archive::Entry entry;
        entry.name = name;
        entry.size = content.size();
        EXPECT_TRUE(writer.file(entry, content));
    }
    EXPECT_TRUE(writer.finish());
    return tar;
}

struct Layers : testing::Test {
    os::TempDir dir = std::move(*os::TempDir::create());
    LayerStore store = std::move(*LayerStore::create(dir.path()));

    Result<LayerInfo> add(const std::string& tar, const oci::ChainId& parent = {}) const {
        UnpackOptions options;
        options.again = [&]() -> Result<archive::Source> { return archive::source_of(tar); };
        TRY_LET(layer, store.unpack(archive::source_of(tar), options));
        return store.place(std::move(layer), parent);
    }
    std::string saved(const oci::ChainId& id) const {
        std::string out;
        const auto written = store.write_tar(id, archive::sink_into(out));
        return written ? out : "error: " + written.error().message;
    }
    std::size_t half_made() const { return os::list_directory(store.tmp())->size(); }
};

} // namespace

TEST_F(Layers, are_named_by_their_content_and_all_below) {
    const std::string low = tar_of({{"a", "1"}});
    const std::string high = tar_of({{"b", "22"}});
    const auto first = add(low);
    ASSERT_TRUE(first) << first.error().message;
    const auto second = add(high, first->id);
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(first->diff_id, blob::hash(low));
    const auto chain = blob::chain_ids({blob::hash(low), blob::hash(high)});
    EXPECT_EQ(first->id, chain[0]);
    EXPECT_EQ(second->id, chain[1]);
    EXPECT_EQ(second->size_bytes, 2);
    EXPECT_EQ(store.info(second->id)->parent, first->id);
    EXPECT_EQ(*os::read_file(store.diff_path(second->id) + "/b"), "22");
    EXPECT_EQ(half_made(), 0u);
}

TEST_F(Layers, give_back_their_tar_bit_for_bit) {
    const std::string tar =
        tar_of({{"d/a", std::string(3000, 'a')}, {"d/b", ""}, {".wh.gone", ""}});
    const auto layer = add(tar);
    ASSERT_TRUE(layer) << layer.error().message;
    EXPECT_TRUE(saved(layer->id) == tar);
    EXPECT_EQ(layer->tar_bytes, static_cast<std::int64_t>(tar.size()));
}

TEST_F(Layers, give_back_even_a_tar_that_holds_one_name_twice) {
    const std::string tar = tar_of({{"a", "first"}, {"a", "2nd"}});
    const auto layer = add(tar);
    ASSERT_TRUE(layer) << layer.error().message;
    EXPECT_TRUE(saved(layer->id) == tar);
    EXPECT_EQ(*os::read_file(store.diff_path(layer->id) + "/a"), "2nd");
}

TEST_F(Layers, that_came_only_once_and_cannot_be_made_again_are_packed_anew) {
    const std::string tar = tar_of({{"a", "first"}, {"a", "2nd"}});
    auto layer = store.unpack(archive::source_of(tar), {});
    ASSERT_TRUE(layer) << layer.error().message;
    EXPECT_NE(layer->diff_id(), blob::hash(tar));
    const auto placed = store.place(std::move(*layer), {});
    EXPECT_EQ(blob::hash(saved(placed->id)), placed->diff_id);
}

TEST_F(Layers, that_are_there_already_are_shared) {
    const std::string tar = tar_of({{"a", "1"}});
    const auto first = add(tar);
    const auto again = add(tar);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(first->id, again->id);
    EXPECT_EQ(store.list()->size(), 1u);
    EXPECT_EQ(half_made(), 0u);
}

TEST_F(Layers, leave_nothing_when_the_tar_is_damaged) {
    std::string tar = tar_of({{"a", std::string(5000, 'x')}});
    tar.resize(2000);
    EXPECT_FALSE(add(tar));
    EXPECT_EQ(half_made(), 0u);
    EXPECT_EQ(store.list()->size(), 0u);
}

TEST_F(Layers, notice_when_a_file_was_changed_behind_their_back) {
    const auto layer = add(tar_of({{"a", "hello"}}));
    ASSERT_TRUE(os::write_file_atomic(store.diff_path(layer->id) + "/a", "hullo"));
    EXPECT_EQ(saved(layer->id), "error: layer " + oci::prefixed(layer->id) + " is damaged");
}

TEST_F(Layers, removed_are_gone) {
    const auto layer = add(tar_of({{"a", "1"}}));
    EXPECT_TRUE(store.remove(layer->id));
    EXPECT_FALSE(store.has(layer->id));
    EXPECT_TRUE(store.remove(layer->id));
    EXPECT_EQ(half_made(), 0u);
}

TEST_F(Layers, half_made_by_a_killed_daemon_are_swept) {
    ASSERT_TRUE(os::ensure_directory(store.tmp() + "/layer-abc/diff/x"));
    EXPECT_TRUE(store.sweep_tmp());
    EXPECT_EQ(half_made(), 0u);
}

TEST_F(Layers, not_yet_on_disk_when_the_machine_went_down_are_checked) {
    const auto whole = add(tar_of({{"a", "hello"}}));
    const auto torn = add(tar_of({{"b", "hello"}}));
    const auto synced = add(tar_of({{"c", "hello"}}));
    const auto mark = [&](const oci::ChainId& id) {
        return store.root() + "/" + id.text() + "/unsynced";
    };
    ASSERT_TRUE(os::exists(mark(whole->id)));
    EXPECT_TRUE(store.sync());
    EXPECT_FALSE(os::exists(mark(whole->id)));
    ASSERT_TRUE(os::write_file_atomic(mark(whole->id), "another boot\n"));
    ASSERT_TRUE(os::write_file_atomic(mark(torn->id), ""));
    ASSERT_TRUE(os::write_file_atomic(store.diff_path(torn->id) + "/b", ""));
    const auto removed = store.remove_damaged();
    ASSERT_TRUE(removed);
    EXPECT_EQ(*removed, std::vector{torn->id});
    EXPECT_TRUE(store.has(whole->id));
    EXPECT_TRUE(store.has(synced->id));
}

} // namespace shoal::image
