#include "cli/build_archive.h"

#include "archive/tar_reader.h"
#include "os/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace shoal::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Key;

struct Tree {
    os::TempDir dir = std::move(*os::TempDir::create());
    void put(const std::string& name, std::string_view text) const {
        const std::string file = dir.path() + "/" + name;
        EXPECT_TRUE(os::ensure_directory(file.substr(0, file.rfind('/'))));
        EXPECT_TRUE(os::write_file_atomic(file, text));
    }
};

net::Task<Result<std::string>> read_all(net::Pool* pool, ContextBody* body) {
    std::string all;
    while (true) {
        auto job = [read = body->body.read] { return read(); };
        CO_TRY_LET(piece, co_await pool->run(std::move(job)));
        if (piece.empty()) { co_return all; }
        all += piece;
    }
}

net::Task<bool> reads_one(net::Pool* pool, ContextBody* body) {
    auto job = [read = body->body.read] { return read(); };
    auto piece = co_await pool->run(std::move(job));
    co_return piece && !piece->empty();
}

struct Packed {
    Result<std::string> tar;
    std::string dockerfile;
};
Packed packed(const BuildContext& context,
              archive::Compression compression = archive::Compression::None) {
    net::Loop loop;
    net::Pool pool(loop, 1);
    ContextArchive archive(loop);
    auto body = archive.pack(context, compression);
    if (!body) { return {std::move(body).error(), ""}; }
    auto tar = net::run_task(loop, read_all(&pool, &*body));
    return {std::move(tar), body->dockerfile};
}

std::map<std::string, std::string> files_of(const std::string& tar) {
    std::map<std::string, std::string> files;
    auto reader = archive::TarReader::open(archive::source_of(tar));
    EXPECT_TRUE(reader);
    while (reader) {
        auto entry = reader->next();
        EXPECT_TRUE(entry);
        if (!entry || !*entry) { break; }
        EXPECT_EQ((*entry)->uid, 0u);
        std::string content;
        EXPECT_TRUE(archive::copy(reader->data(), archive::sink_into(content)));
        files[(*entry)->name] = content;
    }
    return files;
}

TEST(BuildArchive, leaves_out_what_is_ignored_but_never_what_the_daemon_needs) {
    const Tree tree;
    tree.put("build/Dockerfile", "FROM scratch\n");
    tree.put(".dockerignore", "*\n!src\nsrc/skip\n");
    tree.put("src/a", "1");
    tree.put("src/skip", "2");
    tree.put("other/b", "3");
    const auto context = choose_context(tree.dir.path(), tree.dir.path() + "/build/Dockerfile");
    ASSERT_TRUE(context) << context.error().message;
    const auto result = packed(*context);
    ASSERT_TRUE(result.tar) << result.tar.error().message;
    EXPECT_EQ(result.dockerfile, "build/Dockerfile");
    EXPECT_THAT(files_of(*result.tar), ElementsAre(Key(".dockerignore"), Key("build/Dockerfile"),
                                                   Key("src/"), Key("src/a")));
}

TEST(BuildArchive, a_dockerfile_from_outside_goes_along_hidden) {
    const Tree tree;
    tree.put("a", "1");
    tree.put(".dockerignore", "b");
    BuildContext context;
    context.place = tree.dir.path();
    context.outside = "FROM x\n";
    const auto result = packed(context);
    ASSERT_TRUE(result.tar) << result.tar.error().message;
    EXPECT_THAT(result.dockerfile, testing::MatchesRegex("\\.dockerfile\\.[0-9a-f]{20}"));
    const auto files = files_of(*result.tar);
    EXPECT_EQ(files.at(result.dockerfile), "FROM x\n");
    EXPECT_EQ(files.at(".dockerignore"), "b\n" + result.dockerfile + "\n");
    EXPECT_EQ(files.size(), 3u);
}

TEST(BuildArchive, the_dockerfiles_own_ignore_file_is_what_the_daemon_gets_to_see) {
    const Tree tree, other;
    tree.put("sub/D", "FROM scratch\n");
    tree.put("sub/D.dockerignore", "a\nsub\n");
    tree.put(".dockerignore", "b\n");
    tree.put("a", "1");
    tree.put("b", "2");
    const auto inside = packed(*choose_context(tree.dir.path(), tree.dir.path() + "/sub/D"));
    EXPECT_THAT(files_of(*inside.tar), ElementsAre(Key(".dockerignore"), Key("b"), Key("sub/D"),
                                                   Key("sub/D.dockerignore")));
    other.put("D", "FROM scratch\n");
    other.put("D.dockerignore", "a\nsub");
    const auto outside = packed(*choose_context(tree.dir.path(), other.dir.path() + "/D"));
    const auto files = files_of(*outside.tar);
    EXPECT_EQ(files.at(".dockerignore"), "a\nsub\n" + outside.dockerfile + "\n");
    EXPECT_TRUE(files.contains("b") && !files.contains("a"));
}

TEST(BuildArchive, compresses_when_asked_to) {
    const Tree tree;
    tree.put("Dockerfile", std::string(100'000, ' '));
    const auto context = choose_context(tree.dir.path(), "");
    const auto result = packed(*context, archive::Compression::Gzip);
    ASSERT_TRUE(result.tar);
    EXPECT_LT(result.tar->size(), 10'000u);
    EXPECT_EQ(archive::detect_compression(*result.tar), archive::Compression::Gzip);
}

TEST(BuildArchive, bad_patterns_and_lost_directories_are_told) {
    const Tree tree;
    tree.put("Dockerfile", "");
    tree.put(".dockerignore", "[");
    EXPECT_THAT(packed(*choose_context(tree.dir.path(), "")).tar.error().message,
                HasSubstr("error checking context"));
    BuildContext gone;
    gone.place = tree.dir.path() + "/gone";
    EXPECT_FALSE(packed(gone).tar);
}

TEST(BuildArchive, nobody_has_to_read_to_the_end) {
    const Tree tree;
    tree.put("Dockerfile", "");
    for (int i = 0; i < 20; ++i) { tree.put("f" + std::to_string(i), std::string(1 << 20, 'x')); }
    net::Loop loop;
    ContextArchive archive(loop);
    auto body = archive.pack(*choose_context(tree.dir.path(), ""), archive::Compression::None);
    ASSERT_TRUE(body);
    net::Pool pool(loop, 1);
    EXPECT_TRUE(net::run_task(loop, reads_one(&pool, &*body)));
}

} // namespace
} // namespace shoal::cli
