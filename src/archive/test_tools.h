// Help for this folder's tests: temporary trees, archives from entries, and looks at what is on
// disk.
#pragma once

#include "archive/extract.h"
#include "archive/tar_writer.h"
#include "base/time.h"
#include "os/file.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace shoal::archive::test {

struct Item {
    Entry entry;
    std::string content;
};

inline Item file(std::string name, std::string content = "", std::uint32_t mode = 0644) {
    Item item;
    item.entry.name = std::move(name);
    item.entry.mode = mode;
    item.entry.mtime = from_unix_nanos(1'000'000'000'000'000'000);
    item.content = std::move(content);
    return item;
}
inline Item of_type(EntryType type, std::string name, std::string link = "") {
    Item item = file(std::move(name), "", 0755);
    item.entry.type = type;
    item.entry.link = std::move(link);
    return item;
}
inline Item directory(std::string name) { return of_type(EntryType::Directory, std::move(name)); }
inline Item soft_link(std::string name, std::string to) {
    return of_type(EntryType::Symlink, std::move(name), std::move(to));
}
inline Item hard_link(std::string name, std::string to) {
    return of_type(EntryType::HardLink, std::move(name), std::move(to));
}

inline std::string tar_of(const std::vector<Item>& items) {
    std::string bytes;
    TarWriter writer(sink_into(bytes));
    for (const auto& item : items) {
        const auto written = item.entry.type == EntryType::File
                                 ? writer.file(item.entry, item.content)
                                 : writer.begin(item.entry);
        EXPECT_TRUE(written) << written.error().message;
    }
    EXPECT_TRUE(writer.finish());
    return bytes;
}

/// A root to unpack into with a neighbour that must stay untouched.
class Tree {
  public:
    Tree() : base_(*os::TempDir::create()) {
        EXPECT_TRUE(os::ensure_directory(path("")));
        EXPECT_TRUE(os::ensure_directory(outside("")));
        std::ofstream(outside("secret")) << "untouched";
        root_ = *os::open_directory(path(""));
    }
    std::string path(std::string_view name) const {
        return base_.path() + "/root/" + std::string(name);
    }
    std::string outside(std::string_view name) const {
        return base_.path() + "/outside/" + std::string(name);
    }
    const os::Fd& root() const { return root_; }

    bool exists(std::string_view name) const { return os::exists(path(name)); }
    std::string content(std::string_view name) const {
        auto text = os::read_file(path(name));
        return text ? *text : "(" + text.error().message + ")";
    }
    struct stat stat_of(std::string_view name) const {
        struct stat status {};
        EXPECT_EQ(::lstat(path(name).c_str(), &status), 0) << name;
        return status;
    }
    std::string link_of(std::string_view name) const {
        std::string target(4096, '\0');
        const auto length = ::readlink(path(name).c_str(), target.data(), target.size());
        target.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
        return target;
    }
    std::string xattr_of(std::string_view name, const char* attribute) const {
        std::string value(256, '\0');
        const auto length = ::lgetxattr(path(name).c_str(), attribute, value.data(), value.size());
        if (length < 0) { return "(none)"; }
        value.resize(static_cast<std::size_t>(length));
        return value;
    }
    bool outside_is_untouched() const {
        auto list = os::list_directory(outside(""));
        return list && list->size() == 1 && *os::read_file(outside("secret")) == "untouched" &&
               mode_of_secret() == 0644;
    }

    Result<Extracted> extract(const std::string& tar, ExtractOptions options = {}) const {
        return archive::extract(source_of(tar), root_, options);
    }
    Result<Extracted> extract(const std::vector<Item>& items, ExtractOptions options = {}) const {
        const std::string tar = tar_of(items);
        return extract(tar, options);
    }

  private:
    std::uint32_t mode_of_secret() const {
        struct stat status {};
        return ::stat(outside("secret").c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
    }
    os::TempDir base_;
    os::Fd root_;
};

} // namespace shoal::archive::test
