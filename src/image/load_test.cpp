#include "image/load.h"

#include "archive/compression.h"
#include "archive/test_tools.h"
#include "base/json.h"
#include "image/save.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

namespace shoal::image {
namespace {

using archive::Compression;
using archive::test::file;
using archive::test::Item;
using archive::test::tar_of;
using Names = std::vector<std::string>;

std::string packed(const std::string& plain, Compression how) {
    std::string out;
    auto compressor = archive::make_compressor(how, archive::sink_into(out));
    EXPECT_TRUE(compressor && (*compressor)->write(plain) && (*compressor)->finish());
    return out;
}

std::string blob_name(const oci::Digest& digest) { return "blobs/sha256/" + digest.hex(); }

/// An image being made up: its layers' tars, and the documents around them.
struct Model {
    std::vector<std::string> tars;
    Compression compression = Compression::None;
    std::string architecture{oci::host_architecture()};

    std::string config() const {
        oci::ImageConfig config;
        config.os = "linux";
        config.architecture = architecture;
        config.config.cmd = {"run"};
        for (const auto& tar : tars) { config.rootfs.diff_ids.push_back(blob::hash(tar)); }
        return oci::print_image_config(config);
    }
    std::string id() const { return blob::hash(config()).hex(); }
    std::string layer(std::size_t i) const {
        return compression == Compression::None ? tars[i] : packed(tars[i], compression);
    }

    // --- docker save ---

    Json entry(const Names& tags) const {
        Json entry{{"Config", id() + ".json"}, {"RepoTags", tags}, {"Layers", Json::array()}};
        for (const auto& tar : tars) {
            entry["Layers"].push_back(blob::hash(tar).hex() + "/layer.tar");
        }
        return entry;
    }
    std::vector<Item> members() const {
        std::vector<Item> items;
        for (std::size_t i = 0; i < tars.size(); ++i) {
            items.push_back(file(blob::hash(tars[i]).hex() + "/layer.tar", layer(i)));
        }
        items.push_back(file(id() + ".json", config()));
        return items;
    }

    // --- OCI layout ---

    static oci::Descriptor put(std::vector<Item>& items, std::string_view type,
                               const std::string& bytes) {
        oci::Descriptor descriptor;
        descriptor.media_type = type;
        descriptor.digest = blob::hash(bytes);
        descriptor.size = static_cast<std::int64_t>(bytes.size());
        items.push_back(file(blob_name(descriptor.digest), bytes));
        return descriptor;
    }
    oci::Descriptor put_manifest(std::vector<Item>& items) const {
        oci::Manifest manifest;
        manifest.media_type = oci::media::oci_manifest;
        manifest.config = put(items, oci::media::oci_config, config());
        for (std::size_t i = 0; i < tars.size(); ++i) {
            manifest.layers.push_back(put(items, oci::media::oci_layer_gzip, layer(i)));
        }
        auto descriptor = put(items, oci::media::oci_manifest, oci::print_manifest(manifest));
        descriptor.platform = oci::Platform{.architecture = architecture,
                                            .os = "linux",
                                            .os_version = {},
                                            .os_features = {},
                                            .variant = {}};
        return descriptor;
    }
};

std::string index_of(const std::vector<oci::Descriptor>& manifests) {
    oci::Index index;
    index.media_type = oci::media::oci_index;
    index.manifests = manifests;
    return oci::print_index(index);
}

struct Load : testing::Test {
    os::TempDir dir = std::move(*os::TempDir::create());
    LayerStore layers = std::move(*LayerStore::create(dir.path()));
    blob::Store blobs = std::move(*blob::Store::create(dir.path() + "/blobs", dir.path() + "/tmp"));
    std::string first = tar_of({file("a", "one"), file("big", std::string(100'000, 'x'))});
    std::string second = tar_of({file("b", "two")});
    Model model{{first, second}};
    LoadOptions options;

    void TearDown() override {
        EXPECT_EQ(os::list_directory(layers.tmp())->size(), 0u) << "half-made things are left";
    }

    Result<std::vector<LoadedImage>> load(const std::string& bytes) const {
        return load_images(layers, blobs, archive::source_of(bytes), options);
    }
    Result<std::vector<LoadedImage>> load(const std::vector<Item>& items) const {
        return load(tar_of(items));
    }
    std::string refusal(const std::vector<Item>& items, Errc code = Errc::Invalid) const {
        const auto loaded = load(items);
        if (loaded) { return "loaded"; }
        EXPECT_EQ(loaded.error().code, code) << loaded.error().message;
        return loaded.error().message;
    }
    /// The archive of docker save, its list of images at the end.
    std::vector<Item> docker(const Names& tags = {"web:1"}) const {
        auto items = model.members();
        items.push_back(file("manifest.json", Json::array({model.entry(tags)}).dump()));
        return items;
    }
    std::vector<Item> layout(std::map<std::string, std::string> annotations = {}) const {
        std::vector<Item> items;
        auto manifest = model.put_manifest(items);
        manifest.annotations = std::move(annotations);
        items.push_back(file("index.json", index_of({manifest})));
        return items;
    }
    void forget_layers() const {
        const auto all = layers.list();
        for (const auto& layer : *all) { ASSERT_TRUE(layers.remove(layer.id)); }
    }
    void expect_model(const LoadedImage& image) const {
        EXPECT_EQ(image.id.text(), model.id());
        EXPECT_EQ(image.config->config.cmd, Names{"run"});
        EXPECT_EQ(*blobs.read(oci::Digest::of(image.id), 1 << 20), model.config());
        ASSERT_EQ(image.layers.size(), 2u);
        EXPECT_EQ(image.layers[0].diff_id, blob::hash(first));
        EXPECT_EQ(image.layers[1].parent, image.layers[0].id);
        EXPECT_EQ(*os::read_file(layers.diff_path(image.layers[1].id) + "/b"), "two");
    }
    static Names names(const LoadedImage& image) {
        Names all;
        for (const auto& tag : image.tags) { all.push_back(tag.familiar()); }
        return all;
    }
};

} // namespace

TEST_F(Load, reads_what_docker_save_writes) {
    const auto loaded = load(docker({"web:1", "host:5000/web:latest"}));
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_EQ(loaded->size(), 1u);
    expect_model(loaded->front());
    EXPECT_EQ(names(loaded->front()), (Names{"web:1", "host:5000/web:latest"}));
}

TEST_F(Load, reads_an_oci_layout) {
    model.compression = Compression::Gzip;
    const auto loaded = load(layout({{"io.containerd.image.name", "docker.io/library/web:1"}}));
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_EQ(loaded->size(), 1u);
    expect_model(loaded->front());
    EXPECT_EQ(names(loaded->front()), Names{"web:1"});
}

TEST_F(Load, takes_whole_names_from_a_layout_and_leaves_bare_tags_alone) {
    EXPECT_EQ(names(load(layout({{"org.opencontainers.image.ref.name", "host/web:2"}}))->front()),
              Names{"host/web:2"});
    EXPECT_EQ(names(load(layout({{"org.opencontainers.image.ref.name", "latest"}}))->front()),
              Names{});
    EXPECT_EQ(names(load(layout())->front()), Names{});
    EXPECT_EQ(names(load(layout({{"io.containerd.image.name", "NOT a name"}}))->front()), Names{});
}

TEST_F(Load, reads_archives_and_layers_however_they_are_compressed) {
    for (const auto how : {Compression::None, Compression::Gzip, Compression::Zstd}) {
        model.compression = how;
        forget_layers();
        const auto loaded = load(packed(tar_of(docker()), how));
        ASSERT_TRUE(loaded) << loaded.error().message;
        expect_model(loaded->front());
    }
}

TEST_F(Load, follows_links_between_members) {
    // Old releases of docker save wrote a layer once and linked to it.
    auto items = model.members();
    auto entry = model.entry({"web:1"});
    entry["Layers"][0] = "old/layer.tar";
    items.push_back(
        archive::test::soft_link("old/layer.tar", "../" + blob::hash(first).hex() + "/layer.tar"));
    items.push_back(file("manifest.json", Json::array({entry}).dump()));
    const auto loaded = load(items);
    ASSERT_TRUE(loaded) << loaded.error().message;
    expect_model(loaded->front());
}

TEST_F(Load, shares_layers_between_images_of_one_archive_and_with_those_that_are_there) {
    Model other{{first, tar_of({file("c", "three")})}};
    auto items = model.members();
    items.push_back(file(blob::hash(other.tars[1]).hex() + "/layer.tar", other.tars[1]));
    items.push_back(file(other.id() + ".json", other.config()));
    items.push_back(file("manifest.json",
                         Json::array({model.entry({"web:1"}), other.entry({"web:2"})}).dump()));
    const auto loaded = load(items);
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_EQ(loaded->size(), 2u);
    EXPECT_EQ((*loaded)[0].layers[0].id, (*loaded)[1].layers[0].id);
    EXPECT_EQ(layers.list()->size(), 3u);
    EXPECT_TRUE(load(items)) << "once more";
    EXPECT_EQ(layers.list()->size(), 3u);
}

TEST_F(Load, does_not_need_layers_that_are_there) {
    ASSERT_TRUE(load(docker()));
    std::vector<Item> items{file(model.id() + ".json", model.config()),
                            file("manifest.json", Json::array({model.entry({"web:1"})}).dump())};
    const auto loaded = load(items);
    ASSERT_TRUE(loaded) << loaded.error().message;
    expect_model(loaded->front());
}

TEST_F(Load, reads_what_save_writes) {
    const auto loaded = load(docker({"web:1"}));
    ASSERT_TRUE(loaded);
    SavedImage saved{loaded->front().id, loaded->front().config, {}, loaded->front().tags};
    for (const auto& layer : loaded->front().layers) { saved.layers.push_back(layer.id); }
    std::string bytes;
    ASSERT_TRUE(save_images(layers, blobs, {saved}, archive::sink_into(bytes)));
    forget_layers();
    const auto again = load(bytes);
    ASSERT_TRUE(again) << again.error().message;
    expect_model(again->front());
    EXPECT_EQ(names(again->front()), Names{"web:1"});
}

TEST_F(Load, tells_how_far_it_is) {
    std::mutex mutex;
    std::map<std::string, Progress> last;
    options.report = [&](const Progress& progress) {
        const std::lock_guard guard(mutex);
        last[progress.id] = progress;
    };
    ASSERT_TRUE(load(docker()));
    ASSERT_EQ(last.size(), 2u);
    const auto& progress = last.at(blob::hash(first).hex().substr(0, 12));
    EXPECT_EQ(progress.status, "Loading layer");
    EXPECT_EQ(progress.total, static_cast<std::int64_t>(first.size()));
    EXPECT_EQ(progress.current, progress.total);
}

TEST_F(Load, stops_when_it_is_cancelled) {
    const std::atomic<bool> cancelled = true;
    options.cancelled = &cancelled;
    EXPECT_NE(refusal(docker(), Errc::Cancelled), "loaded");
}

// --- several platforms ---

TEST_F(Load, takes_the_image_of_this_machine_from_an_index) {
    Model foreign = model;
    foreign.architecture = "s390x";
    std::vector<Item> items;
    const auto own = model.put_manifest(items);
    const auto other = foreign.put_manifest(items);
    const auto inner = Model::put(items, oci::media::oci_index, index_of({other, own}));
    items.push_back(file("index.json", index_of({inner})));
    const auto loaded = load(items);
    ASSERT_TRUE(loaded) << loaded.error().message;
    ASSERT_EQ(loaded->size(), 1u);
    EXPECT_EQ(loaded->front().id.text(), model.id());
    options.platform = *oci::parse_platform("linux/s390x");
    const auto asked = load(items);
    ASSERT_TRUE(asked) << asked.error().message;
    EXPECT_EQ(asked->front().id.text(), foreign.id());
    options.platform = *oci::parse_platform("linux/riscv64");
    EXPECT_EQ(refusal(items), "index.json: no image for this platform");
}

TEST_F(Load, refuses_indexes_nested_without_end) {
    std::vector<Item> items;
    auto inner = model.put_manifest(items);
    for (int i = 0; i < 8; ++i) {
        inner = Model::put(items, oci::media::oci_index, index_of({inner}));
    }
    items.push_back(file("index.json", index_of({inner})));
    EXPECT_EQ(refusal(items), "index.json: indexes nested too deep");
}

TEST_F(Load, refuses_images_for_other_systems) {
    auto config = *oci::parse_image_config(model.config());
    config.os = "windows";
    const auto text = oci::print_image_config(config);
    auto items = model.members();
    auto entry = model.entry({});
    entry["Config"] = "windows.json";
    items.push_back(file("windows.json", text));
    items.push_back(file("manifest.json", Json::array({entry}).dump()));
    EXPECT_EQ(refusal(items), "image is for windows, not for linux");
}

// --- archives of strangers ---

TEST_F(Load, refuses_what_is_no_archive_of_images) {
    EXPECT_EQ(refusal({file("readme", "hello")}),
              "archive holds no images: neither manifest.json nor index.json is there");
    EXPECT_FALSE(load(std::string(4096, 'j')));
    EXPECT_FALSE(load(std::string()));
    EXPECT_EQ(refusal({file("manifest.json", "{")}),
              "manifest.json: invalid JSON: syntax error at byte 2");
    EXPECT_EQ(refusal({file("manifest.json", R"([{"Config":7}])")}),
              "manifest.json: [0].Config: expected a string, got a whole number");
    EXPECT_NE(refusal({file("index.json", R"({"schemaVersion":1})")}), "loaded");
}

TEST_F(Load, names_the_member_that_is_missing) {
    auto items = docker();
    items.erase(items.begin());
    EXPECT_EQ(refusal(items),
              "archive member \"" + blob::hash(first).hex() + "/layer.tar\" is missing");
    auto without_config = docker();
    without_config.erase(without_config.begin() + 2);
    EXPECT_EQ(refusal(without_config), "archive member \"" + model.id() + ".json\" is missing");
}

TEST_F(Load, checks_the_content_of_every_layer) {
    auto items = docker();
    items[0].content = tar_of({file("a", "another")});
    items[0].entry.size = items[0].content.size();
    EXPECT_EQ(refusal(items), "layer " + blob::hash(first).text() + ": content has digest " +
                                  blob::hash(items[0].content).text());
    EXPECT_FALSE(layers.has(blob::chain_ids({blob::hash(first)})[0]));
}

TEST_F(Load, checks_the_digest_of_every_blob) {
    model.compression = Compression::Gzip;
    auto items = layout();
    for (auto& item :
         items) { // behind the end of the stream, where only the digest of the file tells
        if (item.entry.name != blob_name(blob::hash(model.layer(1)))) { continue; }
        item.content.back() = static_cast<char>(item.content.back() ^ 1);
    }
    EXPECT_NE(refusal(items), "loaded");

    auto config_changed = layout();
    for (auto& item : config_changed) {
        if (item.entry.name != blob_name(blob::hash(model.config()))) { continue; }
        item.content[item.content.find("run")] = 'R';
    }
    EXPECT_THAT(refusal(config_changed),
                testing::StartsWith("blob sha256:" + model.id() + ": has digest sha256:"));

    auto longer = layout();
    for (auto& item : longer) {
        if (item.entry.name == blob_name(blob::hash(model.layer(1)))) { item.content += "more"; }
    }
    EXPECT_THAT(refusal(longer), testing::HasSubstr("bytes, got"));
}

TEST_F(Load, refuses_a_config_that_tells_of_other_layers) {
    auto entry = model.entry({});
    entry["Layers"].erase(1);
    auto items = model.members();
    items.push_back(file("manifest.json", Json::array({entry}).dump()));
    EXPECT_EQ(refusal(items), "image config: 2 layers, but the archive lists 1");
}

TEST_F(Load, refuses_names_that_are_no_tags) {
    EXPECT_EQ(refusal(docker({"web"})), "manifest.json: RepoTags: invalid tag \"web\"");
    EXPECT_EQ(refusal(docker({"web@sha256:" + model.id()})),
              "manifest.json: RepoTags: invalid tag \"web@sha256:" + model.id() + "\"");
    EXPECT_EQ(
        refusal(docker({"Web:1"})),
        "manifest.json: RepoTags: invalid reference format: repository name (Web) must be lowercase");
}

TEST_F(Load, refuses_members_that_leave_the_archive) {
    auto up = docker();
    up.push_back(file("../../etc/passwd", "x"));
    EXPECT_EQ(refusal(up), "archive member \"../../etc/passwd\": leaves the archive");
    auto link = docker();
    link.push_back(archive::test::soft_link("x", "../../etc/passwd"));
    EXPECT_EQ(refusal(link), "archive member \"/../../etc/passwd\": leaves the archive");
    auto device = docker();
    device.push_back(archive::test::of_type(archive::EntryType::CharDevice, "null"));
    EXPECT_EQ(refusal(device), "archive member \"null\": is neither file, directory nor link");
}

TEST_F(Load, gives_up_on_links_in_a_circle) {
    std::vector<Item> items{archive::test::soft_link("manifest.json", "b"),
                            archive::test::soft_link("b", "manifest.json")};
    EXPECT_EQ(refusal(items),
              "archive holds no images: neither manifest.json nor index.json is there");
}

TEST_F(Load, keeps_to_its_limits) {
    const LoadLimits before = options.limits;
    options.limits.members_max = 3;
    EXPECT_EQ(refusal(docker(), Errc::Exhausted), "load: more than 3 members");
    options.limits = before;
    options.limits.images_max = 0;
    EXPECT_EQ(refusal(docker()), "manifest.json: too many images");
    EXPECT_EQ(refusal(layout()), "index.json: too many images");
    options.limits = before;
    options.limits.document_bytes_max = 10;
    EXPECT_NE(refusal(docker(), Errc::Exhausted), "loaded");
    options.limits = before;
    options.limits.tar.bytes_max = 50'000;
    EXPECT_NE(refusal(docker(), Errc::Exhausted), "loaded");
}

} // namespace shoal::image
