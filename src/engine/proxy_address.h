// The address of a proxy as it may be shown: what the settings say of one can have a name and a
// password in it.
#pragma once

#include <string>

namespace shoal::engine {

/// "http://xxxxx:xxxxx@proxy:3128" of "http://ann:secret@proxy:3128", as Docker shows it. Other
/// text is itself.
std::string without_secret(const std::string& address);

} // namespace shoal::engine
