// What a create request means coming from a client of an older API: settings that did not exist for
// it are dropped, defaults that were others are put in, and what lay elsewhere is moved. Pure.
#pragma once

#include "base/result.h"
#include "container/config.h"

#include <string>
#include <vector>

namespace shoal::api {

/// Changes the request to what the newest API would have said; returns warnings for the client.
/// Fails: Invalid for what that version cannot ask.
Result<std::vector<std::string>> shape_create(container::CreateRequest& request, int version);
void shape_update(container::UpdateRequest& request, int version);
void shape_exec(container::ExecConfig& config, int version);

} // namespace shoal::api
