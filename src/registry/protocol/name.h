// Names of repositories as the distribution specification has them: lower-case components joined by
// '/'. No domain: that belongs to oci::Reference. A name that passes cannot leave a directory.
#pragma once

#include <cstddef>
#include <string_view>

namespace shoal::registry {

inline constexpr std::size_t repository_name_max = 255;

/// [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* ( / the same )*, at most repository_name_max bytes.
bool is_repository_name(std::string_view text);

} // namespace shoal::registry
