#include "archive/extract.h"

#include "archive/hash.h"
#include "archive/tar_reader.h"
#include "archive/test_tools.h"

#include <sys/sysmacros.h>
#include <thread>

using namespace shoal;
using namespace shoal::archive;
using namespace shoal::archive::test;

namespace {

ExtractOptions plain() {
    ExtractOptions options;
    options.mode = ExtractMode::Plain;
    return options;
}

std::string compressed(const std::string& text, Compression compression) {
    std::string bytes;
    auto compressor = make_compressor(compression, sink_into(bytes));
    EXPECT_TRUE((*compressor)->write(text));
    EXPECT_TRUE((*compressor)->finish());
    return bytes;
}

#define EXPECT_OK(...)                                                                             \
    do {                                                                                           \
        const auto& expect_result = (__VA_ARGS__);                                                 \
        EXPECT_TRUE(expect_result) << expect_result.error().message;                               \
    } while (false)

} // namespace

TEST(Extract, keeps_content_mode_owner_time_and_attributes) {
    Tree tree;
    Item item = file("dir/file", "hello", 04755);
    item.entry.uid = 123;
    item.entry.gid = 456;
    item.entry.xattrs["user.colour"] = "green";
    const std::string capability(
        "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
    item.entry.xattrs["security.capability"] = capability;
    EXPECT_OK(tree.extract({directory("dir"), item}));
    EXPECT_EQ(tree.content("dir/file"), "hello");
    const auto status = tree.stat_of("dir/file");
    EXPECT_EQ(status.st_mode, S_IFREG | 04755u);
    EXPECT_EQ(status.st_uid, 123u);
    EXPECT_EQ(status.st_gid, 456u);
    EXPECT_EQ(status.st_mtim.tv_sec, 1'000'000'000);
    EXPECT_EQ(tree.stat_of("dir").st_mtim.tv_sec, 1'000'000'000)
        << "set after its content was made";
    EXPECT_EQ(tree.xattr_of("dir/file", "security.capability"), capability);
}

TEST(Extract, counts_and_hashes_both_streams) {
    Tree tree;
    const std::string tar = tar_of({file("a", "12345"), file("b", "678")});
    const std::string gzip = compressed(tar, Compression::Gzip);
    ExtractOptions options;
    options.hash_compressed = options.hash_plain = true;
    std::string stored;
    options.tee = sink_into(stored);
    const auto result = tree.extract(gzip, options);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->compression, Compression::Gzip);
    EXPECT_EQ(result->digest_compressed, sha256_of(gzip));
    EXPECT_EQ(result->digest_plain, sha256_of(tar));
    EXPECT_EQ(result->bytes_compressed, gzip.size());
    EXPECT_EQ(result->bytes_plain, tar.size());
    EXPECT_EQ(result->bytes_files, 8u);
    EXPECT_EQ(result->entries, 2u);
    EXPECT_EQ(stored, gzip);
}

TEST(Extract, hashes_what_follows_the_end_marker) {
    Tree tree;
    const std::string tar = tar_of({file("a", "x")}) + std::string(1'000'000, '\0');
    ExtractOptions options;
    options.hash_plain = options.hash_compressed = true;
    const auto result = tree.extract(tar, options);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->digest_plain, sha256_of(tar));
    EXPECT_EQ(result->digest_compressed, sha256_of(tar));
}

TEST(Extract, keeps_long_and_foreign_names) {
    Tree tree;
    const std::string deep = std::string(200, 'd') + "/" + std::string(200, 'e') + "/f\xc5\x91";
    EXPECT_OK(tree.extract({file(deep, "1"), file("latin\xe9", "2"), soft_link("link", deep),
                            hard_link("hard", deep)}));
    EXPECT_EQ(tree.content(deep), "1");
    EXPECT_EQ(tree.content("latin\xe9"), "2");
    EXPECT_EQ(tree.content("link"), "1");
    EXPECT_EQ(tree.stat_of("hard").st_nlink, 2u);
}

TEST(Extract, treats_an_absolute_name_as_one_of_the_root) {
    Tree tree;
    EXPECT_OK(tree.extract({file("/etc/passwd", "root"), file("./x/../y", "1")}));
    EXPECT_EQ(tree.content("etc/passwd"), "root");
    EXPECT_EQ(tree.content("y"), "1");
}

TEST(Extract, refuses_names_that_lead_upwards) {
    for (const char* name : {"../outside/new", "a/../../outside/new", "..", "./../outside/new"}) {
        Tree tree;
        const auto result = tree.extract({file(name, "bad")});
        ASSERT_FALSE(result) << name;
        EXPECT_EQ(result.error().code, Errc::Invalid);
        EXPECT_TRUE(tree.outside_is_untouched());
    }
}

class ExtractHostile : public testing::TestWithParam<bool> {
  protected:
    ExtractOptions options() const {
        ExtractOptions options = plain();
        options.without_openat2 = GetParam();
        return options;
    }
};
INSTANTIATE_TEST_SUITE_P(WithAndWithoutOpenat2, ExtractHostile, testing::Bool());

TEST_P(ExtractHostile, follows_no_link_out_of_the_root) {
    Tree tree;
    for (const std::string& to : {tree.outside(""), std::string("../outside"),
                                  std::string("../../../../../../..") + tree.outside("")}) {
        Tree inner;
        (void)inner.extract(
            {soft_link("way", to), file("way/new", "bad"), file("way/secret", "bad")}, options());
        EXPECT_TRUE(tree.outside_is_untouched()) << to;
        EXPECT_TRUE(inner.outside_is_untouched()) << to;
    }
}

TEST_P(ExtractHostile, follows_a_chain_of_links_only_within_the_root) {
    Tree tree;
    EXPECT_OK(tree.extract({directory("real"), soft_link("a", "/real"), soft_link("b", "a"),
                            soft_link("c", "../../../../b"), file("c/file", "inside")},
                           options()));
    EXPECT_EQ(tree.content("real/file"), "inside");
}

TEST_P(ExtractHostile, refuses_a_loop_of_links) {
    Tree tree;
    const auto result =
        tree.extract({soft_link("a", "b"), soft_link("b", "a"), file("a/x", "bad")}, options());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::Invalid);
}

TEST_P(ExtractHostile, replaces_a_link_instead_of_writing_through_it) {
    Tree tree;
    EXPECT_OK(
        tree.extract({soft_link("file", tree.outside("secret")), file("file", "mine")}, options()));
    EXPECT_EQ(tree.content("file"), "mine");
    EXPECT_TRUE(S_ISREG(tree.stat_of("file").st_mode));
    EXPECT_TRUE(tree.outside_is_untouched());
}

TEST_P(ExtractHostile, makes_no_hard_link_to_the_outside) {
    Tree tree;
    const std::string up = "../outside/secret";
    EXPECT_FALSE(tree.extract({hard_link("a", up)}, options()));
    EXPECT_FALSE(tree.extract({hard_link("b", tree.outside("secret"))}, options()));
    EXPECT_FALSE(tree.extract({soft_link("way", tree.outside("")), hard_link("c", "way/secret")},
                              options()));
    // A link to a link links the link.
    EXPECT_OK(tree.extract(
        {soft_link("l", tree.outside("secret")), hard_link("d", "l"), file("d", "mine", 0600)},
        options()));
    EXPECT_TRUE(tree.outside_is_untouched());
    struct stat status {};
    ASSERT_EQ(::stat(tree.outside("secret").c_str(), &status), 0);
    EXPECT_EQ(status.st_nlink, 1u);
}

TEST_P(ExtractHostile, notices_when_a_directory_becomes_a_link) {
    Tree tree;
    (void)tree.extract({directory("d"), file("d/one", "1"), soft_link("d", tree.outside("")),
                        file("d/two", "2"), directory("d/three")},
                       options());
    EXPECT_TRUE(tree.outside_is_untouched());
    EXPECT_FALSE(os::exists(tree.outside("two")));
}

TEST_P(ExtractHostile, does_not_set_times_or_modes_through_a_late_link) {
    Tree tree;
    const auto before = os::read_file(tree.outside("secret"));
    struct stat first {};
    ASSERT_EQ(::stat(tree.outside("").c_str(), &first), 0);
    (void)tree.extract({directory("d"), soft_link("d", tree.outside(""))}, options());
    struct stat second {};
    ASSERT_EQ(::stat(tree.outside("").c_str(), &second), 0);
    EXPECT_EQ(first.st_mtim.tv_sec, second.st_mtim.tv_sec);
    EXPECT_EQ(first.st_mode, second.st_mode);
}

TEST_P(ExtractHostile, stays_inside_while_a_racing_process_swaps_links) {
    Tree tree;
    ASSERT_TRUE(os::ensure_directory(tree.path("dir/sub")));
    ASSERT_EQ(::symlink(tree.outside("").c_str(), tree.path("evil").c_str()), 0);
    std::atomic<bool> stop{false};
    std::thread swapper([&] {
        while (!stop) {
            (void)::renameat2(AT_FDCWD, tree.path("dir").c_str(), AT_FDCWD,
                              tree.path("evil").c_str(), RENAME_EXCHANGE);
        }
    });
    const std::string tar =
        tar_of({directory("dir"), file("dir/secret", "bad"), file("dir/sub/x", "bad"),
                soft_link("dir/l", "x"), hard_link("dir/h", "dir/secret"),
                of_type(EntryType::Fifo, "dir/p"), directory("dir/new")});
    for (int i = 0; i < 300; ++i) { (void)tree.extract(tar, options()); }
    stop = true;
    swapper.join();
    EXPECT_TRUE(tree.outside_is_untouched());
}

TEST(Extract, makes_devices_and_pipes) {
    Tree tree;
    Item null = of_type(EntryType::CharDevice, "null");
    null.entry.device_major = 1;
    null.entry.device_minor = 3;
    null.entry.mode = 0666;
    EXPECT_OK(tree.extract({null, of_type(EntryType::Fifo, "pipe")}));
    EXPECT_EQ(tree.stat_of("null").st_rdev, makedev(1, 3));
    EXPECT_EQ(tree.stat_of("null").st_mode, S_IFCHR | 0666u);
    EXPECT_TRUE(S_ISFIFO(tree.stat_of("pipe").st_mode));
}

TEST(Extract, turns_whiteouts_of_a_layer_into_those_of_overlayfs) {
    Tree tree;
    EXPECT_OK(tree.extract({file("dir/.wh.gone"), file("other/.wh..wh..opq"),
                            file(".wh..wh.plnk/5.6", "aufs"), file("other/kept", "1")}));
    const auto status = tree.stat_of("dir/gone");
    EXPECT_TRUE(S_ISCHR(status.st_mode));
    EXPECT_EQ(status.st_rdev, 0u);
    EXPECT_EQ(tree.xattr_of("other", "trusted.overlay.opaque"), "y");
    EXPECT_EQ(tree.content("other/kept"), "1");
    EXPECT_FALSE(tree.exists("dir/.wh.gone"));
}

TEST(Extract, hides_only_lower_layers_with_a_whiteout) {
    Tree tree;
    EXPECT_OK(tree.extract({file("a", "mine"), file(".wh.a"), directory("d"), file("d/x", "1"),
                            file(".wh.d"), file(".wh.e"), directory("e"), file(".wh.f"),
                            file("f/x", "2")}));
    EXPECT_EQ(tree.content("a"), "mine");
    EXPECT_EQ(tree.content("d/x"), "1");
    for (const char* name : {"d", "e", "f"}) {
        EXPECT_EQ(tree.xattr_of(name, "trusted.overlay.opaque"), "y") << name;
    }
}

TEST(Extract, refuses_whiteouts_of_impossible_names) {
    for (const char* name : {".wh.", ".wh..", "d/.wh..", ".wh..."}) {
        Tree tree;
        EXPECT_FALSE(tree.extract({directory("d"), file(name)})) << name;
    }
}

TEST(Extract, leaves_whiteout_names_alone_outside_of_layers) {
    Tree tree;
    EXPECT_OK(tree.extract({file(".wh.x", "a name like any other")}, plain()));
    EXPECT_EQ(tree.content(".wh.x"), "a name like any other");
}

TEST(Extract, takes_no_orders_for_overlayfs_from_attributes) {
    Tree tree;
    Item item = directory("d");
    item.entry.xattrs["trusted.overlay.redirect"] = "/etc";
    item.entry.xattrs["trusted.overlay.metacopy"] = "";
    EXPECT_OK(tree.extract({item}));
    EXPECT_EQ(tree.xattr_of("d", "trusted.overlay.redirect"), "(none)");
    EXPECT_EQ(tree.xattr_of("d", "trusted.overlay.metacopy"), "(none)");
}

TEST(Extract, keeps_directories_and_files_apart_when_asked) {
    Tree tree;
    EXPECT_OK(tree.extract({directory("d"), file("f", "1")}, plain()));
    ExtractOptions options = plain();
    options.no_overwrite_dir_non_dir = true;
    EXPECT_EQ(tree.extract({file("d", "x")}, options).error().code, Errc::Conflict);
    EXPECT_EQ(tree.extract({directory("f")}, options).error().code, Errc::Conflict);
    EXPECT_OK(tree.extract({file("d", "x")}, plain()));
    EXPECT_EQ(tree.content("d"), "x");
}

TEST(Extract, gives_everything_to_one_owner_when_asked) {
    Tree tree;
    ExtractOptions options = plain();
    options.owner = Owner{1000, 1001};
    EXPECT_OK(tree.extract(
        {directory("d"), file("d/f", "1"), soft_link("d/l", "f"), file("implicit/f", "2")},
        options));
    for (const char* name : {"d", "d/f", "d/l", "implicit", "implicit/f"}) {
        EXPECT_EQ(tree.stat_of(name).st_uid, 1000u) << name;
        EXPECT_EQ(tree.stat_of(name).st_gid, 1001u) << name;
    }
}

TEST(Extract, keeps_holes) {
    Tree tree;
    std::string tar;
    TarWriter writer(sink_into(tar));
    Entry entry = file("sparse").entry;
    entry.size = 1ull << 33;
    EXPECT_OK(writer.begin_sparse(entry, {{1 << 20, 5}, {1ull << 32, 5}}));
    EXPECT_OK(writer.data("helloworld"));
    EXPECT_OK(writer.finish());
    EXPECT_LT(tar.size(), 10'000u);
    EXPECT_OK(tree.extract(tar));
    const auto status = tree.stat_of("sparse");
    EXPECT_EQ(status.st_size, 1ll << 33);
    EXPECT_LT(status.st_blocks * 512, 1 << 20);
    os::Fd fd(::open(tree.path("sparse").c_str(), O_RDONLY | O_CLOEXEC));
    char text[6] = {};
    EXPECT_EQ(::pread(fd.raw(), text, 5, 1ll << 32), 5);
    EXPECT_STREQ(text, "world");
}

TEST(Extract, stops_at_each_limit) {
    const auto fails = [](const std::string& tar, auto set) {
        Tree tree;
        ExtractOptions options;
        set(options.limits);
        const auto result = tree.extract(tar, options);
        return !result && result.error().code == Errc::Exhausted;
    };
    const std::string tar =
        tar_of({file("a/b/c/d/e", std::string(100'000, 'x')), file("f"), file("g")});
    EXPECT_TRUE(fails(tar, [](Limits& limits) { limits.bytes_max = 50'000; }));
    EXPECT_TRUE(fails(tar, [](Limits& limits) { limits.entries_max = 2; }));
    EXPECT_TRUE(fails(tar, [](Limits& limits) { limits.file_bytes_max = 10'000; }));
    EXPECT_TRUE(fails(tar, [](Limits& limits) { limits.path_bytes_max = 5; }));
    EXPECT_TRUE(fails(tar, [](Limits& limits) { limits.depth_max = 3; }));
    Item item = file("x");
    item.entry.xattrs["user.a"] = std::string(1000, 'v');
    item.entry.xattrs["user.b"] = "1";
    EXPECT_TRUE(fails(tar_of({item}), [](Limits& limits) { limits.xattr_bytes_max = 500; }));
    EXPECT_TRUE(fails(tar_of({item}), [](Limits& limits) { limits.xattrs_max = 1; }));
}

TEST(Extract, refuses_a_bomb) {
    Tree tree;
    std::string bomb;
    auto compressor = make_compressor(Compression::Zstd, sink_into(bomb));
    const std::string zeros(1 << 20, '\0');
    Entry entry = file("zeros").entry;
    entry.size = 200ull << 20;
    TarWriter writer([&](std::string_view bytes) { return (*compressor)->write(bytes); });
    EXPECT_OK(writer.begin(entry));
    for (int i = 0; i < 200; ++i) { EXPECT_OK(writer.data(zeros)); }
    EXPECT_OK(writer.finish());
    EXPECT_OK((*compressor)->finish());
    EXPECT_LT(bomb.size(), 50'000u);
    const auto result = tree.extract(bomb);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::Exhausted);
}

TEST(Extract, reports_a_damaged_archive) {
    const std::string tar = tar_of({file("a", std::string(5000, 'x')), file("b", "y")});
    for (const std::string& bytes :
         {std::string("this is no tar archive at all, but it is long enough to be looked at")
              .append(600, 'x'),
          tar.substr(0, 2000), compressed(tar, Compression::Gzip).substr(0, 60),
          compressed(tar, Compression::Zstd).substr(0, 60)}) {
        Tree tree;
        const auto result = tree.extract(bytes);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code, Errc::Invalid) << result.error().message;
    }
}

TEST(Extract, passes_on_the_error_of_its_source) {
    Tree tree;
    int calls = 0;
    const std::string tar = tar_of({file("a", std::string(2'000'000, 'x'))});
    Source inner = source_of(tar);
    const auto result = archive::extract(
        [&](std::span<char> into) -> Result<std::size_t> {
            if (++calls > 3) { return Error{Errc::Unavailable, "registry went away"}; }
            return inner(into);
        },
        tree.root(), {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::Unavailable);
}

TEST(Extract, does_not_take_a_source_that_fails_at_once_for_an_empty_archive) {
    auto reader = TarReader::over([]() -> Result<std::string_view> {
        return Error{Errc::Unavailable, "gone"};
    });
    const auto entry = reader ? reader->next() : Result<std::optional<Entry>>(reader.error());
    ASSERT_FALSE(entry);
    EXPECT_EQ(entry.error().message, "gone");
}

TEST(Extract, takes_an_archive_without_the_zeros_at_its_end) {
    const std::string tar = tar_of({file("a", "first"), file("b", "second")});
    const std::size_t last = 3 * 512 + 6; // of b's data
    Tree tree;
    EXPECT_OK(tree.extract(tar.substr(0, last)));
    EXPECT_EQ(tree.content("b"), "second");
    Tree lacking, broken;
    EXPECT_FALSE(lacking.extract(tar.substr(0, last - 1)));
    EXPECT_FALSE(broken.extract(tar.substr(0, 2 * 512 + 100)));
}

TEST(Extract, takes_an_empty_archive) {
    Tree tree;
    EXPECT_OK(tree.extract(tar_of({})));
    EXPECT_OK(tree.extract(std::string()));
}

TEST(Extract, ends_when_cancelled) {
    Tree tree;
    const std::atomic<bool> cancelled{true};
    ExtractOptions options;
    options.cancelled = &cancelled;
    EXPECT_EQ(tree.extract({file("a")}, options).error().code, Errc::Cancelled);
}
