#include "archive/path_in_root.h"

#include <sys/stat.h>

namespace shoal::archive {

namespace {

// Bits of Go's io/fs.FileMode.
constexpr std::uint32_t go_directory = 1u << 31;
constexpr std::uint32_t go_symlink = 1u << 27;
constexpr std::uint32_t go_device = 1u << 26;
constexpr std::uint32_t go_pipe = 1u << 25;
constexpr std::uint32_t go_socket = 1u << 24;
constexpr std::uint32_t go_setuid = 1u << 23;
constexpr std::uint32_t go_setgid = 1u << 22;
constexpr std::uint32_t go_char_device = 1u << 21;
constexpr std::uint32_t go_sticky = 1u << 20;

std::uint32_t go_type(std::uint32_t st_mode) {
    switch (st_mode & S_IFMT) {
    case S_IFDIR:
        return go_directory;
    case S_IFLNK:
        return go_symlink;
    case S_IFBLK:
        return go_device;
    case S_IFCHR:
        return go_device | go_char_device;
    case S_IFIFO:
        return go_pipe;
    case S_IFSOCK:
        return go_socket;
    default:
        return 0;
    }
}

std::uint32_t posix_type(std::uint32_t go_mode) {
    if ((go_mode & go_directory) != 0) { return S_IFDIR; }
    if ((go_mode & go_symlink) != 0) { return S_IFLNK; }
    if ((go_mode & go_char_device) != 0) { return S_IFCHR; }
    if ((go_mode & go_device) != 0) { return S_IFBLK; }
    if ((go_mode & go_pipe) != 0) { return S_IFIFO; }
    if ((go_mode & go_socket) != 0) { return S_IFSOCK; }
    return S_IFREG;
}

} // namespace

std::uint32_t go_file_mode(std::uint32_t st_mode) {
    std::uint32_t mode = (st_mode & 0777) | go_type(st_mode);
    if ((st_mode & S_ISUID) != 0) { mode |= go_setuid; }
    if ((st_mode & S_ISGID) != 0) { mode |= go_setgid; }
    if ((st_mode & S_ISVTX) != 0) { mode |= go_sticky; }
    return mode;
}

std::uint32_t posix_file_mode(std::uint32_t go_mode) {
    std::uint32_t mode = (go_mode & 0777) | posix_type(go_mode);
    if ((go_mode & go_setuid) != 0) { mode |= S_ISUID; }
    if ((go_mode & go_setgid) != 0) { mode |= S_ISGID; }
    if ((go_mode & go_sticky) != 0) { mode |= S_ISVTX; }
    return mode;
}

} // namespace shoal::archive
