// POST /build as parameters: what the flags say, and what follows from the context and from the
// session. Pure.
#pragma once

#include "cli/credentials.h"

#include "cli/build_options.h"

namespace shoal::cli {

struct BuildQuery {
    std::string dockerfile; ///< its name where the daemon looks for it
    std::string remote;     ///< an address, or "client-session"
    std::string session;    ///< its id
    Json contexts = Json::object();
    bool events = false; ///< Shoal's own events instead of words
};
net::Query build_query(const BuildOptions& options, const BuildQuery& more);

/// Names in "type=image,name=a,name=b" are tags; what else it says is refused by name.
Result<std::vector<std::string>> image_names(const BuildOutput& output);

/// Value of X-Registry-Config: what `login` has stored for every registry; "" for nothing.
std::string registry_config(const Credentials& credentials);

/// What --metadata-file gets.
Json build_metadata(const std::string& id, const std::vector<std::string>& tags);

} // namespace shoal::cli
