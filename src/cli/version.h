// What `version` shows of client and daemon: one document for templates, one text for people. Pure.
#pragma once

#include "base/json.h"

#include <string>

namespace shoal::cli {

struct ClientFacts {
    std::string version;
    std::string api_version;
    std::string newest_api_version;
    std::string context;
    std::string architecture;
};
/// {"Client":{...},"Server":{...} or null}. `server` is the answer to GET /version, or null.
Json version_document(const ClientFacts& facts, const Json& server);
std::string version_page(const Json& document);

/// Go's names of machines: "amd64".
std::string go_architecture(std::string_view machine);

} // namespace shoal::cli
