// Arbitrary bytes as JSON: within the limits what is taken prints as JSON that reads back the same,
// and never passes them. As the body of a create request, what is understood is written as a body
// that is understood the same.
#include "base/filters.h"
#include "container/config_codec.h"
#include "require.h"

#include <cstdint>

using namespace shoal;

namespace {

int depth(const Json& value) {
    if (!value.is_structured()) { return 0; }
    int below = 0;
    for (const auto& member : value) { below = std::max(below, depth(member)); }
    return below + 1;
}

template <class T> void as(const Json& json) {
    const auto value = codec::read<T>(json, "", codec::Unknown::Ignore);
    if (!value) {
        REQUIRE(value.error().code == Errc::Invalid);
        return;
    }
    const auto written = codec::write(*value);
    const auto again = codec::read<T>(written, "", codec::Unknown::Refuse);
    REQUIRE(again.has_value());
    REQUIRE(*again == *value);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    constexpr JsonLimits small{256, 8};
    const auto limited = parse_json(input, small);
    REQUIRE(!limited || (size <= small.bytes_max && depth(*limited) <= small.depth_max));
    const auto json = parse_json(input);
    REQUIRE(json || !limited);
    (void)Filters::parse(input);
    if (!json) { return 0; }
    REQUIRE(depth(*json) <= JsonLimits{}.depth_max);
    const auto again = parse_json(dump_json(*json));
    REQUIRE(again.has_value());
    REQUIRE(*again == *json || dump_json(*again) == dump_json(*json));
    if (!json->is_object() || json->empty()) { return 0; }
    as<container::Config>(*json);
    as<container::HostConfig>(*json);
    return 0;
}
