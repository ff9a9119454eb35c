#include "archive/pack.h"

#include "archive/hash.h"
#include "archive/tar_reader.h"
#include "archive/test_tools.h"

#include <sys/socket.h>
#include <sys/un.h>

using namespace shoal;
using namespace shoal::archive;
using namespace shoal::archive::test;

namespace {

std::string packed(const Tree& tree, PackOptions options = {}) {
    std::string tar;
    const auto result = pack(tree.root(), options, sink_into(tar));
    EXPECT_TRUE(result) << result.error().message;
    return tar;
}

std::vector<Entry> entries_of(const std::string& tar) {
    std::vector<Entry> entries;
    auto reader = TarReader::open(source_of(tar));
    while (true) {
        auto entry = reader->next();
        EXPECT_TRUE(entry) << entry.error().message;
        if (!entry || !*entry) { return entries; }
        entries.push_back(**entry);
    }
}

std::vector<std::string> names_of(const std::string& tar) {
    std::vector<std::string> names;
    for (const auto& entry : entries_of(tar)) { names.push_back(entry.name); }
    return names;
}

using Names = std::vector<std::string>;

} // namespace

TEST(Pack, gives_what_extraction_had) {
    Tree tree;
    Item special = file("d/special", "content", 06755);
    special.entry.uid = 3'000'000'000u;
    special.entry.gid = 70000;
    special.entry.xattrs["user.note"] = std::string("a\0b", 3);
    Item device = of_type(EntryType::BlockDevice, "dev");
    device.entry.device_major = 8;
    device.entry.device_minor = 300;
    const std::string long_name = std::string(150, 'n') + "/" + std::string(150, 'm');
    ASSERT_TRUE(tree.extract({directory("d"), special, soft_link("link", "d/special"),
                              hard_link("z", "d/special"), device, of_type(EntryType::Fifo, "fifo"),
                              file(long_name, "long"), file("latin\xe9", "raw")}));
    const std::string tar = packed(tree);
    Tree second;
    ASSERT_TRUE(second.extract(tar));
    EXPECT_EQ(second.content("d/special"), "content");
    EXPECT_EQ(second.content(long_name), "long");
    EXPECT_EQ(second.content("latin\xe9"), "raw");
    const auto status = second.stat_of("d/special");
    EXPECT_EQ(status.st_mode & 07777, 06755u);
    EXPECT_EQ(status.st_uid, 3'000'000'000u);
    EXPECT_EQ(status.st_nlink, 2u);
    EXPECT_EQ(status.st_mtim.tv_sec, 1'000'000'000);
    EXPECT_EQ(second.xattr_of("d/special", "user.note"), std::string("a\0b", 3));
    EXPECT_EQ(second.link_of("link"), "d/special");
    EXPECT_TRUE(S_ISBLK(second.stat_of("dev").st_mode));
    EXPECT_EQ(second.stat_of("dev").st_rdev, tree.stat_of("dev").st_rdev);
    EXPECT_EQ(sha256_of(packed(second)), sha256_of(tar)) << "the same tree gives the same bytes";
}

TEST(Pack, orders_names_by_bytes_and_marks_directories) {
    Tree tree;
    ASSERT_TRUE(tree.extract({file("b"), directory("a"), file("a/x"), file("a.txt"), file("B")}));
    EXPECT_EQ(names_of(packed(tree)), (Names{"B", "a/", "a/x", "a.txt", "b"}));
}

TEST(Pack, renames_the_top_of_what_it_packs) {
    Tree tree;
    ASSERT_TRUE(tree.extract(
        {directory("etc"), file("etc/hosts", "h"), directory("etc/d"), file("etc/d/x")}));
    const auto names = [&](std::string what, std::string as) {
        PackOptions options;
        options.what = std::move(what);
        options.as = std::move(as);
        return names_of(packed(tree, options));
    };
    EXPECT_EQ(names("etc/hosts", ""), Names{"hosts"});
    EXPECT_EQ(names("etc/hosts", "guests"), Names{"guests"});
    EXPECT_EQ(names("etc/d", "new"), (Names{"new/", "new/x"}));
    EXPECT_EQ(names("etc", "."), (Names{"./", "./d/", "./d/x", "./hosts"}));
    EXPECT_EQ(names("etc", ""), (Names{"d/", "d/x", "hosts"}));
    PackOptions missing;
    missing.what = "etc/nothing";
    EXPECT_EQ(pack(tree.root(), missing, [](std::string_view) { return ok(); }).error().code,
              Errc::NotFound);
}

TEST(Pack, does_not_follow_links_on_the_way) {
    Tree tree;
    ASSERT_TRUE(tree.extract({soft_link("way", tree.outside(""))}));
    PackOptions options;
    options.what = "way/secret";
    EXPECT_FALSE(pack(tree.root(), options, [](std::string_view) { return ok(); }));
}

TEST(Pack, keeps_holes_short) {
    Tree tree;
    os::Fd fd(::open(tree.path("sparse").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644));
    ASSERT_EQ(::pwrite(fd.raw(), "data", 4, 1 << 20), 4);
    ASSERT_EQ(::ftruncate(fd.raw(), 1ll << 33), 0);
    os::Fd hole(::open(tree.path("hole").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644));
    ASSERT_EQ(::ftruncate(hole.raw(), 1 << 20), 0);
    const std::string tar = packed(tree);
    EXPECT_LT(tar.size(), 100'000u);
    Tree second;
    const auto back_again = second.extract(tar);
    ASSERT_TRUE(back_again) << back_again.error().message;
    EXPECT_EQ(second.stat_of("sparse").st_size, 1ll << 33);
    EXPECT_EQ(second.stat_of("hole").st_size, 1 << 20);
    EXPECT_EQ(second.stat_of("hole").st_blocks, 0);
    os::Fd back(::open(second.path("sparse").c_str(), O_RDONLY | O_CLOEXEC));
    char text[5] = {};
    EXPECT_EQ(::pread(back.raw(), text, 4, 1 << 20), 4);
    EXPECT_STREQ(text, "data");
}

TEST(Pack, leaves_out_sockets_and_what_the_filter_refuses) {
    Tree tree;
    ASSERT_TRUE(tree.extract({file("keep"), directory("skip"), file("skip/inner")}));
    const int raw = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const os::Fd socket(raw);
    sockaddr_un address{AF_UNIX, {}};
    tree.path("s").copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(raw, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    PackOptions options;
    options.filter = [](const Entry& entry) { return entry.name != "skip"; };
    EXPECT_EQ(names_of(packed(tree, options)), Names{"keep"});
}

TEST(Pack, enters_a_directory_that_is_left_out_where_that_is_asked_for) {
    Tree tree;
    ASSERT_TRUE(tree.extract({directory("out"), file("out/kept", "1"), file("out/lost", "2"),
                              directory("shut"), file("shut/kept", "3")}));
    PackOptions options;
    options.filter = [](const Entry& entry) { return entry.name.ends_with("/kept"); };
    options.enter = [](const Entry& entry) { return entry.name == "out"; };
    EXPECT_EQ(names_of(packed(tree, options)), Names{"out/kept"});
}

TEST(Pack, gives_everything_one_owner_and_adds_files_of_the_callers) {
    Tree tree;
    Item owned = file("a", "1");
    owned.entry.uid = owned.entry.gid = 1000;
    ASSERT_TRUE(tree.extract({owned}));
    PackOptions options;
    options.owner = Owner{7, 8};
    Entry extra;
    extra.name = "b";
    options.extras.push_back({extra, "more"});
    const std::string tar = packed(tree, options);
    const auto entries = entries_of(tar);
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[0].uid, 7u);
    EXPECT_EQ(entries[0].gid, 8u);
    EXPECT_EQ(entries[1].name, "b");
    EXPECT_EQ(entries[1].size, 4u);
    Tree second;
    ASSERT_TRUE(second.extract(tar));
    EXPECT_EQ(second.content("b"), "more");
}

TEST(Pack, turns_an_upper_directory_into_a_layer_and_back) {
    Tree tree;
    ASSERT_TRUE(tree.extract({file("d/.wh.gone"), file("o/.wh..wh..opq"), file("o/new", "1")}));
    PackOptions options;
    options.overlay_upper = true;
    const std::string tar = packed(tree, options);
    EXPECT_EQ(names_of(tar), (Names{"d/", "d/.wh.gone", "o/", "o/.wh..wh..opq", "o/new"}));
    for (const auto& entry : entries_of(tar)) { EXPECT_TRUE(entry.xattrs.empty()) << entry.name; }
    Tree second;
    ASSERT_TRUE(second.extract(tar));
    EXPECT_TRUE(S_ISCHR(second.stat_of("d/gone").st_mode));
    EXPECT_EQ(second.xattr_of("o", "trusted.overlay.opaque"), "y");
}

TEST(Pack, counts_hashes_and_compresses) {
    Tree tree;
    ASSERT_TRUE(tree.extract({file("a", std::string(100'000, 'a')), hard_link("b", "a")}));
    for (const auto kind : {Compression::None, Compression::Gzip, Compression::Zstd}) {
        PackOptions options;
        options.compression = kind;
        options.hash_plain = options.hash_compressed = true;
        std::string bytes;
        const auto result = pack(tree.root(), options, sink_into(bytes));
        ASSERT_TRUE(result) << result.error().message;
        std::string plain;
        const auto source = decompressed(source_of(bytes));
        ASSERT_TRUE(copy(*source, sink_into(plain)));
        EXPECT_EQ(detect_compression(bytes), kind);
        EXPECT_EQ(result->digest_compressed, sha256_of(bytes));
        EXPECT_EQ(result->digest_plain, sha256_of(plain));
        EXPECT_EQ(result->bytes_compressed, bytes.size());
        EXPECT_EQ(result->bytes_plain, plain.size());
        EXPECT_EQ(result->bytes_files, 100'000u);
        EXPECT_EQ(result->entries, 2u);
    }
}

TEST(Pack, passes_on_the_error_of_its_sink) {
    Tree tree;
    ASSERT_TRUE(tree.extract({file("a", std::string(1'000'000, 'a'))}));
    const auto result = pack(tree.root(), {}, [](std::string_view) -> Result<void> {
        return Error{Errc::Unavailable, "client went away"};
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::Unavailable);
}

TEST(TarReader, reads_data_with_holes_as_zeros) {
    std::string tar;
    TarWriter writer(sink_into(tar));
    Entry entry = file("sparse").entry;
    entry.size = 100;
    ASSERT_TRUE(writer.begin_sparse(entry, {{10, 5}, {50, 5}}));
    ASSERT_TRUE(writer.data("helloworld"));
    ASSERT_TRUE(writer.file(file("next").entry, "after"));
    ASSERT_TRUE(writer.finish());
    auto reader = TarReader::open(source_of(tar));
    ASSERT_TRUE(*reader->next());
    std::string text;
    ASSERT_TRUE(copy(reader->data(), sink_into(text)));
    std::string expected(100, '\0');
    expected.replace(10, 5, "hello").replace(50, 5, "world");
    EXPECT_EQ(text, expected);
    ASSERT_TRUE(*reader->next());
    text.clear();
    ASSERT_TRUE(copy(reader->data(), sink_into(text)));
    EXPECT_EQ(text, "after");
    EXPECT_FALSE(*reader->next());
}
