#include "archive/stream.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <unistd.h>
#include <vector>

namespace shoal::archive {

Source source_of(const os::Fd& fd) {
    return [raw = fd.raw()](std::span<char> into) -> Result<std::size_t> {
        while (true) {
            const ssize_t got = ::read(raw, into.data(), into.size());
            if (got >= 0) { return static_cast<std::size_t>(got); }
            if (errno != EINTR) { return os_error("read", errno); }
        }
    };
}

Source source_of(std::string_view text) {
    return [text](std::span<char> into) mutable -> Result<std::size_t> {
        const std::size_t count = std::min(into.size(), text.size());
        std::memcpy(into.data(), text.data(), count);
        text.remove_prefix(count);
        return count;
    };
}

Sink sink_into(const os::Fd& fd) {
    return [raw = fd.raw()](std::string_view bytes) -> Result<void> {
        while (!bytes.empty()) {
            const ssize_t put = ::write(raw, bytes.data(), bytes.size());
            if (put < 0 && errno == EINTR) { continue; }
            if (put < 0) { return os_error("write", errno); }
            bytes.remove_prefix(static_cast<std::size_t>(put));
        }
        return {};
    };
}

Sink sink_into(std::string& text) {
    return [&text](std::string_view bytes) -> Result<void> {
        text.append(bytes);
        return {};
    };
}

Result<std::uint64_t> copy(const Source& source, const Sink& sink) {
    std::vector<char> buffer(256 * 1024);
    std::uint64_t total = 0;
    while (true) {
        TRY_LET(count, source(buffer));
        if (count == 0) { return total; }
        TRY(sink({buffer.data(), count}));
        total += count;
    }
}

} // namespace shoal::archive
