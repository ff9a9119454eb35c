// Arbitrary bytes as an image reference (the first line) and as a pattern (the rest): what is taken
// prints as something that reads back the same, in the long form and in the short one.
#include "oci/reference.h"
#include "require.h"

#include <cstdint>

using namespace shoal;
using oci::Reference;

namespace {

void check(const Reference& reference) {
    REQUIRE(!reference.empty() && reference.name().size() <= oci::reference_name_max);
    for (const auto& text : {reference.text(), reference.familiar()}) {
        const auto again = Reference::parse(text);
        REQUIRE(again.has_value());
        REQUIRE(*again == reference);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const auto end = std::min(input.find('\n'), input.size());
    const auto reference = Reference::parse(input.substr(0, end));
    (void)oci::Digest::parse(input.substr(0, end));
    if (!reference) { return 0; }
    check(*reference);
    check(reference->with_default_tag());
    if (end == input.size()) { return 0; }
    const auto pattern = input.substr(end + 1);
    const auto matches = oci::matches_pattern(*reference, pattern);
    const bool plain = pattern.find_first_of("*?[\\") == std::string_view::npos;
    if (plain && (pattern == reference->familiar() || pattern == reference->familiar_name())) {
        REQUIRE(matches && *matches);
    }
    return 0;
}
