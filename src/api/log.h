// The daemon's own log: lines on standard error, as text or JSON, at a level that a reload may
// change.
#pragma once

#include "engine/settings.h"

namespace shoal::api {

void set_up_log(const engine::Settings& settings);
void set_log_level(const engine::Settings& settings);

} // namespace shoal::api
