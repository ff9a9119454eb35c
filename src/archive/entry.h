// One entry of a tar archive as a value, between the tar format and the file system. Names are as
// the archive has them: nothing here has been checked or made safe.
#pragma once

#include "base/clock.h"

#include <cstdint>
#include <map>
#include <string>

namespace shoal::archive {

enum class EntryType { File, Directory, Symlink, HardLink, CharDevice, BlockDevice, Fifo, Socket };

struct Entry {
    std::string name;
    EntryType type = EntryType::File;
    std::string
        link; ///< target of a symbolic link as text, or of a hard link as a name in the archive
    std::uint32_t mode = 0644; ///< permission bits with setuid, setgid and sticky
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint64_t size = 0; ///< apparent size of a file's data
    Instant mtime{};
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::map<std::string, std::string> xattrs; ///< full name ("security.capability") to raw value
};

struct Owner {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

} // namespace shoal::archive
