// Arbitrary bytes on the socket of a monitor: however they are cut into pieces the frames are the
// same, no payload passes the limit, and every payload that is understood is written as one that is
// understood the same.
#include "container/shim_protocol.h"
#include "require.h"

#include <vector>

using namespace shoal;
using namespace shoal::container;

namespace {

struct Seen {
    std::vector<std::string> frames; ///< encoded again
    bool failed = false;
    bool operator==(const Seen&) const = default;
};

Seen decode(std::string_view input, std::size_t step) {
    FrameDecoder decoder;
    Seen seen;
    while (true) {
        auto item = decoder.next();
        if (!item) {
            seen.failed = true;
            return seen;
        }
        if (*item) {
            REQUIRE((*item)->payload.size() <= control_payload_max);
            seen.frames.push_back(encode_frame((*item)->type, (*item)->payload));
            continue;
        }
        if (input.empty()) { return seen; }
        decoder.feed(input.substr(0, step));
        input.remove_prefix(std::min(step, input.size()));
    }
}

void check_payload(std::string_view payload) {
    if (const auto request = decode_attach(payload)) {
        REQUIRE(encode_attach(*request) == payload);
    }
    if (const auto size = decode_resize(payload)) { REQUIRE(encode_resize(*size) == payload); }
    if (const auto signal = decode_signal(payload)) {
        REQUIRE(encode_signal(*signal) == payload && *signal >= 0);
    }
    if (const auto state = decode_state(payload)) {
        const auto text = encode_state(*state);
        const auto again = decode_state(text);
        REQUIRE(again.has_value());
        REQUIRE(encode_state(*again) == text);
    }
    if (const auto exit = decode_exit(payload)) {
        const auto again = decode_exit(encode_exit(*exit));
        REQUIRE(again.has_value());
        REQUIRE(*again == *exit);
        REQUIRE(parse_exit_json(exit_json(*exit)).has_value());
    }
    if (const auto config = parse_shim_config(payload)) {
        const auto text = encode_shim_config(*config);
        const auto again = parse_shim_config(text);
        REQUIRE(again.has_value());
        REQUIRE(encode_shim_config(*again) == text);
    }
    (void)parse_exit_json(payload);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const Seen whole = decode(input, size + 1);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}}) {
        REQUIRE(decode(input, step) == whole);
    }
    check_payload(input);
    if (size > frame_header_bytes) { check_payload(input.substr(frame_header_bytes)); }
    return 0;
}
