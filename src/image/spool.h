// The members of an archive of images, put aside under tmp/ so that they can be read in any order.
// Removed with their owner. Names are cleaned; nothing of the archive reaches the file system as a
// name.
#pragma once

#include "archive/tar_reader.h"
#include "oci/digest.h"
#include "os/file.h"

#include <map>

namespace shoal::image {

struct LoadLimits;

class Spool {
  public:
    /// Fails: Invalid for names with "..", too many members, or an archive that is none.
    static Result<Spool> fill(const std::string& tmp, archive::Source input,
                              const LoadLimits& limits, const std::atomic<bool>* cancelled);

    struct Member {
        std::string path; ///< under tmp/
        std::int64_t size = 0;
    };
    /// By name in the archive, links followed. Fails: Invalid "... is missing".
    Result<Member> find(const std::string& name) const;
    bool has(const std::string& name) const { return find(name).has_value(); }
    /// A small document.
    Result<std::string> read(const std::string& name, std::size_t bytes_max) const;

  private:
    std::unique_ptr<os::TempDir> directory_;
    std::map<std::string, Member> members_;
    std::map<std::string, std::string> links_;
};

} // namespace shoal::image
