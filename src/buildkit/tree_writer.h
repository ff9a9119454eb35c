// TreeWriter makes a directory equal to a list of entries that a stranger sends, and says which
// files' content it needs. It works beneath the directory by descriptors without ever following a
// link; new files are written beside their place and renamed into it, so that other names of the
// old file keep the old content. Blocking; one thread at a time. It keeps no owners: everything
// belongs to who runs it.
#pragma once

#include "base/result.h"
#include "buildkit/entry.h"
#include "os/fd.h"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace shoal::buildkit {

class TreeWriter {
  public:
    /// What becomes of entries that are there and not in the list, and of those that look the same.
    enum class Existing { Mirror, Merge };

    static Result<std::unique_ptr<TreeWriter>> open(const std::string& directory, Existing existing,
                                                    TreeLimits limits = {});
    ~TreeWriter(); ///< removes half-written files

    /// The next entry of the list; its id is its index. Fails: Invalid for a path that is not clean
    /// or out of order, an entry without its directory, a device; Exhausted.
    Result<void> list(TreeEntry entry);
    Result<void> end_list();
    /// The next piece of a file that was asked for; "" is its end. Fails: Invalid when nobody
    /// asked, or when the size is not what the list says.
    Result<void> data(std::uint32_t id, std::string_view bytes);
    /// Ids to ask for now.
    std::vector<std::uint32_t> take_requests();
    /// The list has ended and all content is there: finish() may be called.
    bool complete() const { return list_ended_ && wanted_.empty() && asked_.empty(); }
    /// Hard links, times of directories.
    Result<void> finish();

    std::int64_t files_written() const { return written_; }
    std::int64_t files_kept() const { return kept_; }
    std::int64_t bytes_written() const { return bytes_; }

  private:
    struct Level { ///< a directory that the list is in
        std::string path;
        os::Fd fd;
        std::vector<std::string> existing; ///< sorted; those before `next` have been dealt with
        std::size_t next = 0;
        std::string last; ///< name that was listed last
    };
    struct Wanted {
        std::uint32_t id = 0;
        TreeEntry entry;
    };
    struct Incoming {
        TreeEntry entry;
        os::Fd directory;
        os::Fd file;
        std::string temporary;
        std::int64_t size = 0;
    };
    struct Place {
        Level& level;
        std::string name;
        bool exists = false;
        struct stat status {};
    };

    TreeWriter(os::Fd root, Existing existing, TreeLimits limits)
        : root_(std::move(root)), existing_(existing), limits_(limits) {}
    Result<void> count(const TreeEntry& entry);
    Result<void> check_path(const std::string& path) const;
    Result<void> enter_parent(const std::string& parent, const std::string& path);
    Result<void> remove_until(Level& level, const std::string& name);
    Result<void> leave_level();
    Result<Place> find_place(const TreeEntry& entry);
    Result<void> put(Place& place, TreeEntry entry);
    Result<void> put_directory(Place& place, const TreeEntry& entry);
    Result<void> put_symlink(Place& place, const TreeEntry& entry);
    Result<void> put_fifo(Place& place, const TreeEntry& entry);
    void put_file(Place& place, TreeEntry entry);
    Result<void> make_room(const Place& place, bool directory) const;
    Result<Level> open_level(const os::Fd& parent, const std::string& name, std::string path) const;
    bool is_same(const Place& place, const TreeEntry& entry) const;
    Result<os::Fd> open_parent(const std::string& path) const;
    Result<void> begin_file(Incoming& incoming) const;
    Result<void> end_file(Incoming& incoming);
    Result<void> make_hard_link(const TreeEntry& entry);
    std::string temporary_name() const;

    os::Fd root_;
    Existing existing_;
    TreeLimits limits_;
    std::vector<Level> levels_;
    std::deque<Wanted> wanted_; ///< not yet asked for
    std::map<std::uint32_t, Incoming> asked_;
    std::vector<TreeEntry> hard_links_;
    std::vector<std::pair<std::string, std::int64_t>> directory_times_;
    std::uint64_t entries_ = 0;
    std::uint64_t listed_bytes_ = 0;
    std::uint64_t names_bytes_ = 0;
    bool list_ended_ = false;
    std::int64_t written_ = 0;
    std::int64_t kept_ = 0;
    std::int64_t bytes_ = 0;
    mutable std::uint64_t temporaries_ = 0;
};

} // namespace shoal::buildkit
