// How images look in the API: the documents of list, inspect and history, as each API version has
// them.
#pragma once

#include "base/json.h"
#include "engine/images.h"

namespace shoal::api {

Json image_summary_document(const engine::ImageSummary& summary, int version);
/// `layer_paths` topmost first.
Json image_inspect_document(const engine::ImageInfo& image,
                            const std::vector<std::string>& layer_paths, int version);
Json image_history_document(const std::vector<engine::ImageHistoryItem>& items);
Json image_removed_document(const std::vector<engine::ImageRemoved>& removed);

} // namespace shoal::api
