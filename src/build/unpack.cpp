#include "build/unpack.h"

#include "archive/tar_reader.h"
#include "os/file.h"

#include <fcntl.h>
#include <unistd.h>

namespace shoal::build {
namespace {

archive::Source from_start(const os::Fd& fd) {
    return [&fd, at = off_t{0}](std::span<char> into) mutable -> Result<std::size_t> {
        const auto got = ::pread(fd.raw(), into.data(), into.size(), at);
        if (got < 0) { return os_error("read", errno); }
        at += got;
        return static_cast<std::size_t>(got);
    };
}

} // namespace

Result<bool> unpack_context(archive::Source source, const std::string& directory,
                            const std::atomic<bool>* cancelled) {
    TRY_LET(root, os::open_directory(directory));
    archive::ExtractOptions how;
    how.mode = archive::ExtractMode::Plain;
    how.limits = context_limits;
    how.owner = archive::Owner{0, 0};
    how.cancelled = cancelled;
    TRY(archive::extract(std::move(source), root, how));
    return true;
}

bool is_archive(const os::Fd& file) {
    auto reader = archive::TarReader::open(from_start(file), context_limits);
    if (!reader) { return false; }
    const auto first = reader->next();
    return first && first->has_value();
}

} // namespace shoal::build
