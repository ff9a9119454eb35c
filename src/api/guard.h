// Who may speak to the API at all, before any route is looked at: programs, not web pages. A page
// in the browser of somebody on this machine must not reach a daemon on loopback, neither directly
// nor by a name that its owner points at 127.0.0.1 (DNS rebinding). Pure.
#pragma once

#include "base/result.h"

#include <string>

namespace shoal::api {

struct Approach {
    bool tcp = false;         ///< unix sockets are out of a browser's reach: always fine
    bool certificate = false; ///< the client has proved itself by mutual TLS
    std::string host;         ///< header Host
    std::string origin;       ///< header Origin
    std::string fetch_site;   ///< header Sec-Fetch-Site
};
/// Fails: Forbidden with the reason.
Result<void> check_approach(const Approach& approach);

} // namespace shoal::api
