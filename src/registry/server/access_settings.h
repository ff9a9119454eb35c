// AccessSettings out of the settings file's member "access". Pure; unknown members are refused by
// name.
#pragma once

#include "base/json.h"
#include "registry/server/access.h"

namespace shoal::registry {

/// On top of `base`. Fails: Invalid naming the member.
Result<AccessSettings> parse_access_settings(AccessSettings base, const Json& document);

} // namespace shoal::registry
