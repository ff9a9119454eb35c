#include "buildkit/tree_filter.h"
#include "buildkit/tree_reader.h"
#include "buildkit/tree_writer.h"
#include "os/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace shoal::buildkit {
namespace {

struct Folder {
    os::TempDir dir = *os::TempDir::create();
    std::string at(const std::string& name) const { return dir.path() + "/" + name; }
    void file(const std::string& name, const std::string& text) const {
        ASSERT_TRUE(os::write_file_atomic(at(name), text));
    }
    void folder(const std::string& name) const { ASSERT_TRUE(os::ensure_directory(at(name))); }
    void link(const std::string& name, const std::string& target) const {
        ASSERT_EQ(::symlink(target.c_str(), at(name).c_str()), 0);
    }
    std::string read(const std::string& name) const {
        auto text = os::read_file(at(name));
        return text ? *text : "(" + text.error().message + ")";
    }
};

std::vector<std::string> walk(const std::string& directory, TreeWish wish = {},
                              std::size_t step = 3) {
    auto walk = TreeWalk::open(directory, std::move(wish));
    if (!walk) { return {walk.error().message}; }
    std::vector<std::string> paths;
    for (;;) {
        auto entries = (*walk)->next(step);
        if (!entries) { return {entries.error().message}; }
        if (entries->empty()) { return paths; }
        for (const auto& entry : *entries) { paths.push_back(entry.path); }
    }
}
using Paths = std::vector<std::string>;

TEST(TreeWalk, goes_through_directories_before_names_that_sort_behind_their_slash) {
    const Folder folder;
    folder.folder("a/c");
    folder.file("a/b", "1");
    folder.file("a/c/d", "2");
    folder.file("a.txt", "3");
    folder.file("B", "4");
    EXPECT_EQ(walk(folder.dir.path()), (Paths{"B", "a", "a/b", "a/c", "a/c/d", "a.txt"}));
}

TEST(TreeWalk, leaves_out_what_is_excluded_and_keeps_the_way_to_exceptions) {
    const Folder folder;
    folder.folder("node_modules/keep");
    folder.folder("src");
    folder.file("node_modules/big", "1");
    folder.file("node_modules/keep/me", "2");
    folder.file("src/a.o", "3");
    folder.file("src/a.c", "4");
    TreeWish wish;
    wish.exclude = {"node_modules", "**/*.o", "!node_modules/keep/me"};
    EXPECT_EQ(walk(folder.dir.path(), wish), (Paths{"node_modules", "node_modules/keep",
                                                    "node_modules/keep/me", "src", "src/a.c"}));
}

TEST(TreeWalk, sends_only_what_is_included_with_its_directories) {
    const Folder folder;
    folder.folder("deep/down/here");
    folder.folder("other");
    folder.file("deep/down/here/x", "1");
    folder.file("deep/y", "1");
    folder.file("other/z", "2");
    folder.file("Dockerfile", "3");
    TreeWish wish;
    wish.include = {"Dockerfile", "deep/*/here"};
    EXPECT_EQ(walk(folder.dir.path(), wish),
              (Paths{"Dockerfile", "deep", "deep/down", "deep/down/here", "deep/down/here/x"}));
}

TEST(TreeWalk, follows_links_to_what_they_need) {
    const Folder folder;
    folder.folder("real");
    folder.folder("unused");
    folder.file("real/file", "1");
    folder.file("unused/file", "1");
    folder.link("here", "real");
    folder.link("up", "../../../../here/file");
    folder.link("loop", "loop");
    TreeWish wish;
    wish.follow_paths = {"up", "loop", "missing"};
    EXPECT_EQ(walk(folder.dir.path(), wish), (Paths{"here", "loop", "real", "real/file", "up"}));
    wish.follow_paths = {"."};
    EXPECT_EQ(walk(folder.dir.path(), wish).size(), 7U);
}

TEST(TreeWalk, names_hard_links_and_leaves_sockets_out) {
    const Folder folder;
    folder.file("a", "text");
    ASSERT_EQ(::link(folder.at("a").c_str(), folder.at("b").c_str()), 0);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    folder.at("s").copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ::close(socket);
    auto walk = TreeWalk::open(folder.dir.path(), {});
    auto entries = (*walk)->next(100);
    ASSERT_EQ(entries->size(), 2U);
    EXPECT_EQ(entries->at(1).link, "a");
    EXPECT_EQ(entries->at(1).size, 0);
}

// --- writing ---

constexpr std::int64_t some_time = 1'600'000'000'123'456'789;

TreeEntry entry(const std::string& path, std::uint32_t mode, std::int64_t size = 0,
                const std::string& link = "") {
    TreeEntry made;
    made.path = path;
    made.mode = mode;
    made.size = size;
    made.link = link;
    made.mtime_nanos = some_time;
    return made;
}
TreeEntry file(const std::string& path, std::int64_t size) {
    return entry(path, S_IFREG | 0640, size);
}
TreeEntry directory(const std::string& path) { return entry(path, S_IFDIR | 0750); }
TreeEntry link(const std::string& path, const std::string& target) {
    return entry(path, S_IFLNK | 0777, 0, target);
}

using Writer = std::unique_ptr<TreeWriter>;
Writer open(const Folder& folder, TreeWriter::Existing existing = TreeWriter::Existing::Mirror,
            TreeLimits limits = {}) {
    auto writer = TreeWriter::open(folder.dir.path(), existing, limits);
    EXPECT_TRUE(writer);
    return std::move(*writer);
}
/// Lists everything, gives every file `content`, finishes.
Result<void> write(TreeWriter& writer, const std::vector<TreeEntry>& entries,
                   const std::string& content) {
    for (const auto& one : entries) { TRY(writer.list(one)); }
    TRY(writer.end_list());
    for (auto ids = writer.take_requests(); !ids.empty(); ids = writer.take_requests()) {
        for (const auto id : ids) {
            if (!content.empty()) { TRY(writer.data(id, content)); }
            TRY(writer.data(id, ""));
        }
    }
    EXPECT_TRUE(writer.complete());
    return writer.finish();
}
std::string problem(const Folder& folder, const std::vector<TreeEntry>& entries,
                    const std::string& content = "text") {
    const auto outcome = write(*open(folder), entries, content);
    return outcome ? "none" : outcome.error().message;
}

TEST(TreeWriter, makes_the_directory_equal_to_the_list) {
    const Folder folder;
    folder.folder("a/gone");
    folder.file("a/gone/x", "1");
    folder.file("z", "2");
    folder.folder("was_folder/deep");
    folder.file("was_file", "3");
    const std::vector<TreeEntry> list{
        directory("a"),           file("a/b", 4),
        link("a/c", "../../etc"), entry("a/d", S_IFREG | 0640, 0, "a/b"),
        directory("was_file"),    file("was_file/in", 4),
        file("was_folder", 4)};
    const auto writer = open(folder);
    const auto outcome = write(*writer, list, "text");
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_EQ(walk(folder.dir.path()),
              (Paths{"a", "a/b", "a/c", "a/d", "was_file", "was_file/in", "was_folder"}));
    EXPECT_EQ(folder.read("a/d"), "text");
    struct stat status {};
    ASSERT_EQ(::stat(folder.at("a").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0750U);
    EXPECT_EQ(status.st_mtim.tv_nsec, 123'456'789);
    ASSERT_EQ(::stat(folder.at("a/b").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0640U);
    EXPECT_EQ(status.st_nlink, 2U);

    const auto again = open(folder); // nothing is sent twice
    ASSERT_TRUE(write(*again, list, "text"));
    EXPECT_EQ(again->files_written(), 0);
    EXPECT_EQ(again->files_kept(), 4);
}

TEST(TreeWriter, leaves_other_names_of_a_replaced_file_alone) {
    const Folder folder;
    const Folder other;
    ASSERT_TRUE(write(*open(folder), {file("a", 3)}, "old"));
    ASSERT_EQ(::link(folder.at("a").c_str(), other.at("a").c_str()), 0);
    auto newer = file("a", 3);
    newer.mtime_nanos += 1;
    ASSERT_TRUE(write(*open(folder), {newer}, "new"));
    EXPECT_EQ(folder.read("a"), "new");
    EXPECT_EQ(other.read("a"), "old");
}

TEST(TreeWriter, keeps_what_is_not_listed_when_it_merges) {
    const Folder folder;
    const Folder outside;
    folder.file("mine", "1");
    folder.link("a", outside.dir.path());
    const auto writer = open(folder, TreeWriter::Existing::Merge);
    ASSERT_TRUE(write(*writer, {directory("a"), file("a/b", 4)}, "text"));
    EXPECT_EQ(folder.read("mine"), "1");
    EXPECT_EQ(folder.read("a/b"), "text");
    EXPECT_FALSE(os::exists(outside.at("b"))) << "a planted link was followed";
}

TEST(TreeWriter, refuses_paths_that_lead_out_or_are_out_of_order) {
    const Folder folder;
    for (const std::string path :
         {"/etc/x", "../x", "a/../../x", "a//b", "./a", "a/.", "", "a/", "..", "."}) {
        EXPECT_NE(problem(folder, {file(path, 4)}), "none") << path;
    }
    EXPECT_NE(problem(folder, {file(std::string("a\0b", 3), 4)}), "none");
    EXPECT_NE(problem(folder, {file("b", 4), file("a", 4)}), "none");
    EXPECT_NE(problem(folder, {file("a", 4), file("a", 4)}), "none");
    EXPECT_NE(problem(folder, {file("a/b", 4)}), "none");
    EXPECT_NE(problem(folder, {link("a", "/etc"), file("a/passwd", 4)}), "none");
    EXPECT_NE(problem(folder, {directory("a"), file("a.txt", 4), file("a/b", 4)}), "none");
    EXPECT_NE(problem(folder, {entry("dev", S_IFBLK | 0600)}), "none");
    EXPECT_NE(problem(folder, {file(std::string(300, 'x'), 4)}), "none");
    EXPECT_TRUE(walk(folder.dir.path()).size() <= 1);
}

TEST(TreeWriter, refuses_hard_links_to_what_is_no_file_of_the_list) {
    const Folder folder;
    const auto hard = [](const std::string& path, const std::string& target) {
        return entry(path, S_IFREG | 0644, 0, target);
    };
    for (const std::string target : {"/etc/passwd", "../x", "missing", "l/passwd", "d", "l"}) {
        EXPECT_NE(problem(folder, {directory("d"), link("l", "/etc"), hard("x", target)}), "none")
            << target;
    }
}

TEST(TreeWriter, refuses_content_that_is_not_what_was_said) {
    const Folder folder;
    EXPECT_NE(problem(folder, {file("a", 3)}, "four"), "none");
    EXPECT_NE(problem(folder, {file("a", 5)}, "four"), "none");
    EXPECT_EQ(walk(folder.dir.path()), Paths{}) << "half-written files were left behind";
    const auto writer = open(folder);
    EXPECT_FALSE(writer->data(0, "nobody asked"));
    ASSERT_TRUE(writer->list(file("a", 4)));
    EXPECT_FALSE(writer->data(0, "not yet asked"));
    ASSERT_EQ(writer->take_requests().size(), 1U);
    ASSERT_TRUE(writer->data(0, "text"));
    ASSERT_TRUE(writer->data(0, ""));
    EXPECT_FALSE(writer->data(0, "again"));
}

TEST(TreeWriter, has_limits) {
    const Folder folder;
    TreeLimits limits;
    limits.entries_max = 2;
    limits.bytes_max = 10;
    auto writer = open(folder, TreeWriter::Existing::Mirror, limits);
    ASSERT_TRUE(writer->list(file("a", 4)));
    EXPECT_EQ(writer->list(file("b", 7)).error().code, Errc::Exhausted);
    writer = open(folder, TreeWriter::Existing::Mirror, limits);
    ASSERT_TRUE(writer->list(directory("a")) && writer->list(directory("b")));
    EXPECT_EQ(writer->list(directory("c")).error().code, Errc::Exhausted);
    limits.names_bytes_max = 10;
    writer = open(folder, TreeWriter::Existing::Mirror, limits);
    EXPECT_EQ(writer->list(file("a-long-name", 1)).error().code, Errc::Exhausted);
    std::string deep = "d";
    writer = open(folder);
    for (int i = 0; i < 512; ++i) {
        ASSERT_TRUE(writer->list(directory(deep)));
        deep += "/d";
    }
    EXPECT_EQ(writer->list(directory(deep)).error().code, Errc::Exhausted);
}

TEST(TreeWriter, asks_for_a_bounded_number_of_files_at_once) {
    const Folder folder;
    const auto writer = open(folder);
    for (int i = 1000; i < 2000; ++i) {
        ASSERT_TRUE(writer->list(file("f" + std::to_string(i), 0)));
    }
    EXPECT_EQ(writer->take_requests().size(), 256U);
    EXPECT_EQ(writer->take_requests().size(), 0U);
    ASSERT_TRUE(writer->data(7, ""));
    EXPECT_EQ(writer->take_requests().size(), 1U);
}

TEST(TreeWriter, takes_attributes_that_mean_the_same_everywhere) {
    const Folder folder;
    auto one = file("a", 4);
    one.xattrs = {{"user.note", "hi"}, {"trusted.overlay.opaque", "y"}};
    ASSERT_TRUE(write(*open(folder), {one}, "text"));
    char names[1024];
    const auto size = ::listxattr(folder.at("a").c_str(), names, sizeof names);
    const std::string all(names, size < 0 ? 0 : static_cast<std::size_t>(size));
    EXPECT_EQ(all.find("trusted"), std::string::npos);
}

} // namespace
} // namespace shoal::buildkit
