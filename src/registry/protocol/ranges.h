// The byte ranges of HTTP (RFC 7233) and of chunked uploads (distribution specification), and the
// Link header that pages lists. Text in and out.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shoal::registry {

/// Both ends counted: 0-0 is one byte.
struct ByteRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t size() const { return last - first + 1; }
    bool operator==(const ByteRange&) const = default;
};

enum class RangeKind { Whole, Part, Unsatisfiable };
struct Wanted {
    RangeKind kind = RangeKind::Whole;
    ByteRange range; ///< for Part
};
/// The header Range against a body of `size` bytes: "bytes=0-99", "bytes=100-", "bytes=-50".
/// Several ranges and unknown units ask for the whole.
Wanted wanted_range(std::string_view header, std::uint64_t size);
/// The header Content-Range of an uploaded chunk: "0-1023", also "bytes 0-1023/4096". Fails:
/// Invalid.
Result<ByteRange> parse_chunk_range(std::string_view header);
/// The header Content-Range of a partial answer: "bytes 100-199/400". Fails: Invalid.
struct PartialAnswer {
    ByteRange range;
    std::optional<std::uint64_t> size; ///< of the whole
};
Result<PartialAnswer> parse_content_range(std::string_view header);

/// The target of rel="next" in a Link header; "" when there is none.
std::string next_link(std::string_view header);
std::string print_next_link(std::string_view target);

} // namespace shoal::registry
