// What clients are shown of a container: the documents of list and inspect, in the form of the API
// version they speak. Pure: everything that is not in the container's record comes in by
// DocumentContext.
#pragma once

#include "base/json.h"
#include "engine/container.h"
#include "engine/containers.h"

#include <functional>
#include <optional>
#include <string>

namespace shoal::api {

struct DocumentContext {
    int version = 151;
    std::string data_root;
    std::string image_name;              ///< list: the name that leads to the image, else its id
    std::vector<std::string> layer_dirs; ///< inspect: topmost first
    /// The id of a network by its name; "" when there is none.
    std::function<std::string(const std::string&)> network_id;
};

/// GET /containers/{id}/json.
Json inspect_document(const engine::Container& container, const DocumentContext& context,
                      const std::optional<engine::Sizes>& sizes);

/// One element of GET /containers/json as text, around the words for its state, which change with
/// time alone.
struct SummaryText {
    std::string before; ///< ends in `"Status":`
    std::string after;  ///< without the closing brace
};
SummaryText summary_text(const engine::Container& container, const DocumentContext& context);

/// Path and arguments as `docker ps` shows them.
std::string command_text(const engine::Container& container);

/// [{"IP","PrivatePort","PublicPort","Type"}], exposed ports included.
Json port_list(const engine::Container& container);
Json mount_list(const engine::Container& container);
/// By network name.
Json network_map(const engine::Container& container, const DocumentContext& context);

} // namespace shoal::api
