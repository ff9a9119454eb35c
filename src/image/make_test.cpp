#include "image/make.h"

#include "archive/compression.h"
#include "archive/test_tools.h"
#include "image/rootfs.h"

#include <gtest/gtest.h>

#include <sys/sysmacros.h>

namespace shoal::image {
namespace {

using archive::test::file;
using archive::test::tar_of;

struct Make : testing::Test {
    os::TempDir dir = std::move(*os::TempDir::create());
    LayerStore layers = std::move(*LayerStore::create(dir.path()));
    blob::Store blobs = std::move(*blob::Store::create(dir.path() + "/blobs", dir.path() + "/tmp"));
    const Instant now = from_unix_nanos(1'700'000'000'000'000'000);
    std::string upper = dir.path() + "/upper";

    void SetUp() override { ASSERT_TRUE(os::ensure_directory(upper)); }
    void TearDown() override {
        EXPECT_EQ(os::list_directory(layers.tmp())->size(), 0u) << "half-made things are left";
    }

    Result<LoadedImage> import(const std::string& tar, ImportOptions options = {}) const {
        options.now = now;
        return import_image(layers, blobs, archive::source_of(tar), options);
    }
    LoadedImage base() const {
        auto image = import(tar_of({file("a", "one"), file("gone", "x")}));
        EXPECT_TRUE(image) << image.error().message;
        return std::move(*image);
    }
    CommitOptions commit_on(const LoadedImage& parent) const {
        CommitOptions options;
        options.upper = upper;
        options.parent = parent.config;
        for (const auto& layer : parent.layers) { options.parent_layers.push_back(layer.id); }
        options.config = parent.config->config;
        options.now = now + std::chrono::seconds(5);
        return options;
    }
    void changed(const std::string& name, const std::string& content) const {
        ASSERT_TRUE(os::write_file_atomic(upper + "/" + name, content));
    }
};

} // namespace

TEST_F(Make, imports_a_tar_as_an_image_of_one_layer) {
    const std::string tar = tar_of({file("etc/motd", "hello")});
    ImportOptions options;
    options.config.cmd = {"sh"};
    options.message = "by hand";
    options.platform = *oci::parse_platform("linux/arm64/v8");
    const auto image = import(tar, options);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->config->rootfs.diff_ids, std::vector{blob::hash(tar)});
    EXPECT_EQ(image->config->config.cmd, std::vector<std::string>{"sh"});
    EXPECT_EQ(image->config->comment, "by hand");
    EXPECT_EQ(image->config->created, now);
    EXPECT_EQ(image->config->architecture, "arm64");
    EXPECT_EQ(image->config->variant, "v8");
    ASSERT_EQ(image->config->history.size(), 1u);
    EXPECT_EQ(image->config->history[0].comment, "by hand");
    EXPECT_FALSE(image->config->history[0].empty_layer);
    ASSERT_EQ(image->layers.size(), 1u);
    EXPECT_EQ(*os::read_file(layers.diff_path(image->layers[0].id) + "/etc/motd"), "hello");
    EXPECT_TRUE(image->tags.empty());
    const auto stored = blobs.read(oci::Digest::of(image->id), 1 << 20);
    ASSERT_TRUE(stored) << "the config is a blob of the image's id";
    EXPECT_EQ(*oci::parse_image_config(*stored), *image->config);
}

TEST_F(Make, imports_for_this_machine_when_no_platform_is_named) {
    const auto image = base();
    EXPECT_EQ(image.config->architecture, oci::host_architecture());
    EXPECT_EQ(image.config->os, "linux");
}

TEST_F(Make, imports_compressed_tars_and_tells_how_far_it_is) {
    const std::string tar = tar_of({file("a", std::string(200'000, 'x'))});
    std::string packed;
    auto compressor = std::move(
        *archive::make_compressor(archive::Compression::Zstd, archive::sink_into(packed)));
    ASSERT_TRUE(compressor->write(tar));
    ASSERT_TRUE(compressor->finish());
    std::uint64_t read = 0;
    ImportOptions options;
    options.progress = [&](std::uint64_t bytes) { read = bytes; };
    const auto image = import(packed, options);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->config->rootfs.diff_ids, std::vector{blob::hash(tar)});
    EXPECT_GT(read, 0u);
}

TEST_F(Make, keeps_nothing_of_a_damaged_or_cancelled_import) {
    std::string tar = tar_of({file("a", std::string(50'000, 'x'))});
    const std::atomic<bool> cancelled = true;
    ImportOptions options;
    options.cancelled = &cancelled;
    EXPECT_EQ(import(tar, options).error().code, Errc::Cancelled);
    tar.resize(20'000);
    EXPECT_EQ(import(tar).error().code, Errc::Invalid);
    EXPECT_TRUE(layers.list()->empty());
    EXPECT_TRUE(blobs.list()->empty());
}

TEST_F(Make, asks_the_maker_of_the_tar_before_anything_is_kept) {
    ImportOptions options;
    options.confirm = [] { return Result<void>(internal("the maker failed")); };
    EXPECT_EQ(import(tar_of({file("a", "x")}), options).error().message, "the maker failed");
    EXPECT_EQ(import("no tar, since the maker failed", options).error().message,
              "the maker failed");
    EXPECT_TRUE(layers.list()->empty());
    EXPECT_TRUE(blobs.list()->empty());
}

TEST_F(Make, commits_what_a_container_changed_as_a_layer_on_top) {
    const auto parent = base();
    changed("new", "three");
    ASSERT_EQ(::mknod((upper + "/gone").c_str(), S_IFCHR, makedev(0, 0)), 0);
    auto options = commit_on(parent);
    options.author = "me";
    options.comment = "why";
    options.created_by = "sh -c x";
    options.config.cmd = {"other"};
    const auto image = commit_image(layers, blobs, options);
    ASSERT_TRUE(image) << image.error().message;
    ASSERT_EQ(image->layers.size(), 2u);
    EXPECT_EQ(image->layers[0].id, parent.layers[0].id);
    EXPECT_EQ(image->layers[1].parent, parent.layers[0].id);
    const auto top = layers.diff_path(image->layers[1].id);
    EXPECT_EQ(*os::read_file(top + "/new"), "three");
    struct stat gone {};
    ASSERT_EQ(::lstat((top + "/gone").c_str(), &gone), 0);
    EXPECT_TRUE(S_ISCHR(gone.st_mode) && gone.st_rdev == 0) << "a removal is part of the layer";
    EXPECT_EQ(image->config->author, "me");
    EXPECT_EQ(image->config->comment, "why");
    EXPECT_EQ(image->config->config.cmd, std::vector<std::string>{"other"});
    EXPECT_EQ(image->config->created, options.now);
    ASSERT_EQ(image->config->history.size(), 2u);
    EXPECT_EQ(image->config->history[1].created_by, "sh -c x");
    EXPECT_EQ(image->config->history[1].author, "me");
    EXPECT_FALSE(image->config->history[1].empty_layer);
    EXPECT_NE(image->id, parent.id);
}

TEST_F(Make, commits_settings_alone_without_a_layer) {
    const auto parent = base();
    auto options = commit_on(parent);
    options.config.user = "www";
    const auto image = commit_image(layers, blobs, options);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->layers.size(), 1u);
    EXPECT_EQ(image->config->config.user, "www");
    EXPECT_TRUE(image->config->history.back().empty_layer);
    EXPECT_TRUE(oci::parse_image_config(oci::print_image_config(*image->config)));
}

TEST_F(Make, commits_without_a_parent) {
    changed("only", "x");
    CommitOptions options;
    options.upper = upper;
    options.now = now;
    const auto image = commit_image(layers, blobs, options);
    ASSERT_TRUE(image) << image.error().message;
    ASSERT_EQ(image->layers.size(), 1u);
    EXPECT_TRUE(image->layers[0].parent.empty());
    EXPECT_EQ(image->config->architecture, oci::host_architecture());
    EXPECT_EQ(image->config->os, "linux");
}

TEST_F(Make, refuses_a_commit_on_top_of_too_many_layers) {
    auto full = std::make_shared<oci::ImageConfig>();
    full->rootfs.diff_ids.assign(oci::layers_max, blob::hash("x"));
    CommitOptions options;
    options.upper = upper;
    options.parent = full;
    EXPECT_EQ(commit_image(layers, blobs, options).error().code, Errc::Invalid);
}

TEST_F(Make, says_when_the_changes_are_not_there) {
    CommitOptions options;
    options.upper = dir.path() + "/nowhere";
    EXPECT_EQ(commit_image(layers, blobs, options).error().code, Errc::NotFound);
}

namespace {

StepOptions step_on(const LoadedImage& parent, const std::string& upper, Instant now) {
    StepOptions options;
    options.parent = parent.config;
    for (const auto& layer : parent.layers) { options.parent_layers.push_back(layer.id); }
    options.config = parent.config->config;
    options.upper = upper;
    options.history.created = now;
    options.history.created_by = "RUN it";
    return options;
}

std::vector<oci::ChainId> ids_of(const LoadedImage& image) {
    std::vector<oci::ChainId> ids;
    for (const auto& layer : image.layers) { ids.push_back(layer.id); }
    return ids;
}

} // namespace

TEST_F(Make, takes_the_changes_of_a_step_as_its_layer) {
    const auto parent = base();
    changed("new", "text");
    const auto image = step_image(layers, blobs, step_on(parent, upper, now));
    ASSERT_TRUE(image) << image.error().message;
    ASSERT_EQ(image->layers.size(), 2u);
    EXPECT_EQ(*os::read_file(layers.diff_path(image->layers[1].id) + "/new"), "text");
    EXPECT_FALSE(os::exists(upper)) << "moved, not copied";
    EXPECT_EQ(image->config->history.back().created_by, "RUN it");
    EXPECT_FALSE(image->config->history.back().empty_layer);
    std::string tar;
    ASSERT_TRUE(layers.write_tar(image->layers[1].id, archive::sink_into(tar)));
    EXPECT_EQ(blob::hash(tar), image->layers[1].diff_id);
}

TEST_F(Make, keeps_the_changes_where_they_are_when_they_are_to_be_kept) {
    const auto parent = base();
    changed("new", "text");
    auto options = step_on(parent, upper, now);
    options.keep_upper = true;
    const auto image = step_image(layers, blobs, options);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->layers.size(), 2u);
    EXPECT_EQ(*os::read_file(upper + "/new"), "text");
}

TEST_F(Make, a_step_without_changes_has_no_layer) {
    const auto parent = base();
    const auto image = step_image(layers, blobs, step_on(parent, upper, now));
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->layers.size(), 1u);
    EXPECT_TRUE(image->config->history.back().empty_layer);
}

TEST_F(Make, a_step_above_nothing_begins_an_image) {
    changed("first", "1");
    StepOptions options;
    options.upper = upper;
    options.history.created = now;
    options.platform = *oci::parse_platform("linux/arm64");
    const auto image = step_image(layers, blobs, options);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->layers.size(), 1u);
    EXPECT_EQ(image->config->architecture, "arm64");
}

TEST_F(Make, later_times_become_the_newest_that_is_allowed) {
    const auto parent = base();
    changed("f", "1");
    ASSERT_TRUE(os::ensure_directory(upper + "/d"));
    changed("d/g", "2");
    auto options = step_on(parent, upper, now);
    options.newest = from_unix_nanos(1'000'000'000'000'000'000);
    const auto image = step_image(layers, blobs, options);
    ASSERT_TRUE(image) << image.error().message;
    for (const char* name : {"/f", "/d", "/d/g"}) {
        struct stat status {};
        ASSERT_EQ(::stat((layers.diff_path(image->layers[1].id) + name).c_str(), &status), 0);
        EXPECT_EQ(status.st_mtim.tv_sec, 1'000'000'000) << name;
    }
}

TEST_F(Make, squashes_layers_to_what_can_be_seen) {
    const auto parent = base(); // a, gone
    changed("big", std::string(1000, 'x'));
    ASSERT_TRUE(os::ensure_directory(upper + "/d"));
    changed("d/one", "1");
    const auto first = step_image(layers, blobs, step_on(parent, upper, now));
    ASSERT_TRUE(first);
    ASSERT_TRUE(os::ensure_directory(upper));
    ASSERT_EQ(::mknod((upper + "/big").c_str(), S_IFCHR, makedev(0, 0)), 0);
    ASSERT_EQ(::mknod((upper + "/gone").c_str(), S_IFCHR, makedev(0, 0)), 0);
    ASSERT_TRUE(os::ensure_directory(upper + "/d"));
    changed("d/two", "2");
    const auto second = step_image(layers, blobs, step_on(*first, upper, now));
    ASSERT_TRUE(second);
    SquashOptions options;
    options.image = second->config;
    options.layers = ids_of(*second);
    options.kept = 1;
    options.now = now;
    const auto image = squash_image(layers, blobs, options);
    ASSERT_TRUE(image) << image.error().message;
    ASSERT_EQ(image->layers.size(), 2u);
    const std::string diff = layers.diff_path(image->layers[1].id);
    EXPECT_EQ(*os::read_file(diff + "/d/one"), "1");
    EXPECT_EQ(*os::read_file(diff + "/d/two"), "2");
    EXPECT_FALSE(os::exists(diff + "/big")) << "made and removed above the base";
    struct stat status {};
    ASSERT_EQ(::stat((diff + "/gone").c_str(), &status), 0) << "the base's is still hidden";
    EXPECT_TRUE(S_ISCHR(status.st_mode));
}

} // namespace shoal::image
