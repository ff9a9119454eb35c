// The device rules of a container's control group, as the OCI specification writes them. Limits
// proper are make_resources() of spec.h.
#pragma once

#include "container/spec.h"

namespace shoal::container {

/// "c 1:3 rwm" of DeviceCgroupRules. Fails: Invalid.
Result<Json> parse_device_rule(const std::string& text);
/// Everything denied but the standard devices, those asked for, and the rules; all allowed when
/// privileged.
Result<Json> make_device_rules(const SpecInput& input);

} // namespace shoal::container
