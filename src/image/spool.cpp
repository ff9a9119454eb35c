#include "image/spool.h"

#include "base/text.h"
#include "image/load.h"

#include <fcntl.h>

namespace shoal::image {
namespace {

constexpr int links_followed_max = 8;

/// "a/b" of "./a//b/"; Invalid when it would leave the archive.
Result<std::string> clean_name(std::string_view name) {
    std::vector<std::string> parts;
    for (auto& part : split(name, '/')) {
        if (part.empty() || part == ".") { continue; }
        if (part == "..") {
            if (parts.empty()) {
                return invalid("archive member " + go_quote(name) + ": leaves the archive");
            }
            parts.pop_back();
            continue;
        }
        parts.push_back(std::move(part));
    }
    return join(parts, "/");
}

Result<std::int64_t> copy_member(archive::TarReader& tar, const std::string& path,
                                 std::string& buffer, const std::atomic<bool>* cancelled) {
    TRY_LET(fd, os::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    std::int64_t size = 0;
    while (true) {
        if (cancelled != nullptr && *cancelled) {
            return Error{Errc::Cancelled, "load: cancelled"};
        }
        TRY_LET(got, tar.read(std::span(buffer.data(), buffer.size())));
        if (got == 0) { return size; }
        TRY(os::write_all(fd, std::string_view(buffer).substr(0, got)));
        size += static_cast<std::int64_t>(got);
    }
}

} // namespace

Result<Spool> Spool::fill(const std::string& tmp, archive::Source input, const LoadLimits& limits,
                          const std::atomic<bool>* cancelled) {
    Spool spool;
    TRY_LET(directory, os::TempDir::create(tmp, "load-"));
    spool.directory_ = std::make_unique<os::TempDir>(std::move(directory));
    TRY_LET(tar, archive::TarReader::open(input, limits.tar));
    std::string buffer(256 * 1024, '\0');
    for (std::size_t count = 0;; ++count) {
        TRY_LET(entry, tar.next());
        if (!entry) { break; }
        if (count >= limits.members_max) {
            return Error{Errc::Exhausted,
                         "load: more than " + std::to_string(limits.members_max) + " members"};
        }
        TRY_LET(name, clean_name(entry->name));
        if (entry->type == archive::EntryType::File) {
            Member member{spool.directory_->path() + "/" + std::to_string(count), 0};
            TRY_LET(size, copy_member(tar, member.path, buffer, cancelled));
            member.size = size;
            spool.members_[name] = std::move(member);
        } else if (entry->type == archive::EntryType::Symlink) {
            const auto slash = name.rfind('/');
            const std::string parent = slash == std::string::npos ? "" : name.substr(0, slash);
            TRY_LET(target, clean_name(parent + "/" + entry->link));
            spool.links_[name] = std::move(target);
        } else if (entry->type == archive::EntryType::HardLink) {
            TRY_LET(target, clean_name(entry->link));
            spool.links_[name] = std::move(target);
        } else if (entry->type != archive::EntryType::Directory) {
            return invalid("archive member " + go_quote(entry->name) +
                           ": is neither file, directory nor link");
        }
    }
    // What follows the archive is read too: a client that still sends must not be left waiting.
    while (true) {
        TRY_LET(got, input(std::span(buffer.data(), buffer.size())));
        if (got == 0) { return spool; }
    }
}

Result<Spool::Member> Spool::find(const std::string& raw_name) const {
    TRY_LET(name, clean_name(raw_name));
    for (int i = 0; i < links_followed_max; ++i) {
        const auto found = members_.find(name);
        if (found != members_.end()) { return found->second; }
        const auto link = links_.find(name);
        if (link == links_.end()) { break; }
        name = link->second;
    }
    return invalid("archive member " + go_quote(raw_name) + " is missing");
}

Result<std::string> Spool::read(const std::string& name, std::size_t bytes_max) const {
    TRY_LET(member, find(name));
    return os::read_file(member.path, bytes_max).with("archive member " + go_quote(name));
}

} // namespace shoal::image
