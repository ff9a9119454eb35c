// A volume as the API shows it.
#pragma once

#include "base/json.h"
#include "engine/volumes.h"

namespace shoal::api {

Json volume_document(const engine::VolumeInfo& info);

} // namespace shoal::api
