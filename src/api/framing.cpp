#include "api/framing.h"

namespace shoal::api {

std::string frame(StreamKind kind, std::string_view payload) {
    const auto size = static_cast<unsigned>(payload.size());
    std::string bytes;
    bytes.reserve(8 + payload.size());
    bytes.push_back(static_cast<char>(kind));
    bytes.append(3, '\0');
    for (const int shift : {24, 16, 8, 0}) {
        bytes.push_back(static_cast<char>((size >> shift) & 0xff));
    }
    bytes += payload;
    return bytes;
}

std::string_view stream_content_type(int version, bool terminal) {
    const bool framed = !terminal && version >= 142;
    return framed ? "application/vnd.docker.multiplexed-stream"
                  : "application/vnd.docker.raw-stream";
}

} // namespace shoal::api
