// Puts single entries on disk beneath a pinned root: the part of extraction that touches the file
// system. Private to this folder; extract.h says what it promises.
#pragma once

#include "archive/extract.h"
#include "archive/name.h"
#include "archive/path_in_root.h"
#include "archive/tar_reader.h"

#include <list>
#include <vector>

#include <sys/stat.h>

namespace shoal::archive {

class Unpacker {
  public:
    Unpacker(const os::Fd& root, const ExtractOptions& options) : root_(root), options_(options) {}

    Result<void> put(const Entry& entry, TarReader& reader);
    /// Sets the times of the directories, which later entries have spoilt.
    Result<void> finish();
    std::uint64_t bytes_files() const { return bytes_files_; }

  private:
    struct Place {
        const os::Fd* parent;
        std::string parent_name;
        std::string base;
        std::string name;
    };
    struct LateTime {
        std::string name;
        Instant mtime;
    };

    Result<void> put_root(const Entry& entry);
    Result<void> put_at(Place& place, const Entry& entry, TarReader& reader);
    Result<void> make_room(Place& place, const Entry& entry, const struct stat& status);
    Result<void> put_whiteout(const Place& place, const Entry& entry);
    Result<void> put_opaque(const std::string& parent_name);
    Result<void> put_file(const Place& place, const Entry& entry, TarReader& reader);
    Result<void> put_directory(const Place& place, const Entry& entry, bool exists,
                               bool over_whiteout);
    Result<void> put_symlink(const Place& place, const Entry& entry);
    Result<void> put_hard_link(const Place& place, const Entry& entry);
    Result<void> put_node(const Place& place, const Entry& entry);
    Result<void> write_data(const os::Fd& file, const Entry& entry, TarReader& reader);

    Result<void> set_attributes(const os::Fd& file, const Entry& entry);
    Result<void> set_xattrs(const std::string& path, const Entry& entry);
    Owner owner_of(const Entry& entry) const;

    Result<os::Fd> open_name(const std::string& name, Follow follow) const;
    Result<const os::Fd*> parent_of(const std::string& name);
    Result<os::Fd> ensure_parent(const std::string& name);
    Result<os::Fd> open_directory(const std::string& name) const;
    Result<void> make_missing_directory(const os::Fd& above, const std::string& base);

    struct Parent {
        std::string name;
        os::Fd fd;
    };
    static constexpr std::size_t parents_max = 32;

    const os::Fd& root_;
    const ExtractOptions& options_;
    std::list<Parent> parents_; ///< most recent first
    std::vector<LateTime> late_times_;
    std::uint64_t bytes_files_ = 0;
};

} // namespace shoal::archive
