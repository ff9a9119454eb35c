#include "image/rootfs.h"

#include "archive/tar_writer.h"
#include "os/file.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace shoal::image {
namespace {

struct Roots : testing::Test {
    os::TempDir dir = std::move(*os::TempDir::create());
    LayerStore store = std::move(*LayerStore::create(dir.path()));
    std::string container = dir.path() + "/containers/c";
    std::vector<oci::ChainId> layers;

    void SetUp() override { ASSERT_TRUE(os::ensure_directory(container)); }
    void TearDown() override { EXPECT_TRUE(remove_rootfs(container)); }
    void layer(const std::vector<std::pair<std::string, std::string>>& files) {
        std::string tar;
        archive::TarWriter writer(archive::sink_into(tar));
        for (const auto& [name, content] : files) {
            archive::Entry entry;
            entry.name = name;
            entry.size = content.size();
            if (name.ends_with('/')) {
                entry.type = archive::EntryType::Directory;
                entry.mode = 0755;
            }
            ASSERT_TRUE(writer.file(entry, content));
        }
        ASSERT_TRUE(writer.finish());
        auto unpacked = store.unpack(archive::source_of(tar), {});
        ASSERT_TRUE(unpacked) << unpacked.error().message;
        const auto placed =
            store.place(std::move(*unpacked), layers.empty() ? oci::ChainId{} : layers.back());
        ASSERT_TRUE(placed) << placed.error().message;
        layers.push_back(placed->id);
    }
};

} // namespace

TEST_F(Roots, show_the_layers_with_whiteouts_and_opaque_directories) {
    layer({{"gone", "1"}, {"kept", "1"}, {"d/", ""}, {"d/low", "1"}, {"e/", ""}, {"e/low", "1"}});
    layer({{".wh.gone", ""},
           {"d/", ""},
           {"d/.wh..wh..opq", ""},
           {"d/high", "2"},
           {"e/", ""},
           {"e/high", "2"}});
    const auto rootfs = mount_rootfs(store, layers, container);
    ASSERT_TRUE(rootfs) << rootfs.error().message;
    EXPECT_FALSE(os::exists(rootfs->merged + "/gone"));
    EXPECT_TRUE(os::exists(rootfs->merged + "/kept"));
    EXPECT_FALSE(os::exists(rootfs->merged + "/d/low"));
    EXPECT_TRUE(os::exists(rootfs->merged + "/d/high"));
    EXPECT_TRUE(os::exists(rootfs->merged + "/e/low"));
    EXPECT_TRUE(os::exists(rootfs->merged + "/e/high"));
}

TEST_F(Roots, have_the_mount_points_of_the_engine_below_the_image) {
    layer({{"etc/hosts", "image's"}});
    const auto rootfs = mount_rootfs(store, layers, container);
    ASSERT_TRUE(rootfs);
    EXPECT_EQ(*os::read_file(rootfs->merged + "/etc/hosts"), "image's");
    EXPECT_TRUE(os::exists(rootfs->merged + "/etc/resolv.conf"));
    EXPECT_TRUE(os::is_directory(rootfs->merged + "/dev/pts"));
    EXPECT_TRUE(list_changes(store, layers, container)->empty());
}

TEST_F(Roots, tell_what_was_changed) {
    layer({{"a", "1"}, {"b", "1"}, {"d/", ""}, {"d/x", "1"}});
    const auto rootfs = mount_rootfs(store, layers, container);
    ASSERT_TRUE(rootfs);
    ASSERT_TRUE(os::write_file_atomic(rootfs->merged + "/a", "22"));
    ASSERT_TRUE(os::write_file_atomic(rootfs->merged + "/d/new", "333"));
    ASSERT_TRUE(os::remove_file(rootfs->merged + "/b"));
    const auto changes = list_changes(store, layers, container);
    ASSERT_TRUE(changes) << changes.error().message;
    using archive::ChangeKind;
    const std::vector<archive::Change> expected{{ChangeKind::Modified, "/a"},
                                                {ChangeKind::Deleted, "/b"},
                                                {ChangeKind::Modified, "/d"},
                                                {ChangeKind::Added, "/d/new"}};
    EXPECT_EQ(*changes, expected);
    EXPECT_EQ(*upper_size(container), 5);
}

TEST_F(Roots, survive_being_mounted_twice_and_keep_changes_over_an_unmount) {
    layer({{"a", "1"}});
    const auto rootfs = mount_rootfs(store, layers, container);
    ASSERT_TRUE(rootfs);
    EXPECT_TRUE(mount_rootfs(store, layers, container));
    ASSERT_TRUE(os::write_file_atomic(rootfs->merged + "/new", "n"));
    EXPECT_TRUE(unmount_rootfs(container));
    EXPECT_TRUE(unmount_rootfs(container));
    EXPECT_FALSE(os::exists(rootfs->merged + "/new"));
    EXPECT_TRUE(mount_rootfs(store, layers, container));
    EXPECT_TRUE(os::exists(rootfs->merged + "/new"));
    EXPECT_TRUE(remove_rootfs(container));
    EXPECT_FALSE(os::exists(rootfs->upper));
}

TEST_F(Roots, take_the_most_layers_an_image_may_have) {
    for (std::size_t i = 0; i < oci::layers_max; ++i) { layer({{"f" + std::to_string(i), "x"}}); }
    const auto rootfs = mount_rootfs(store, layers, container);
    ASSERT_TRUE(rootfs) << rootfs.error().message;
    EXPECT_TRUE(os::exists(rootfs->merged + "/f0"));
    EXPECT_TRUE(os::exists(rootfs->merged + "/f" + std::to_string(oci::layers_max - 1)));
}

} // namespace shoal::image
