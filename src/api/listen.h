// Where the API is served: makes the listeners that `hosts` asks for and refuses those that would
// give the machine away.
#pragma once

#include "engine/settings.h"
#include "net/listener.h"
#include "net/tls.h"

#include <memory>
#include <string>
#include <vector>

namespace shoal::api {

struct Endpoint {
    std::unique_ptr<net::Listener> listener;
    std::shared_ptr<net::TlsServer> tls; ///< null for unix sockets and plain loopback
};
struct Endpoints {
    std::vector<Endpoint> all;
    std::shared_ptr<net::TlsServer> tls;     ///< the one they share, for reload; may be null
    std::vector<std::string> insecure_hosts; ///< loopback TCP without TLS
};
Result<Endpoints> open_endpoints(net::Loop& loop, const engine::Settings& settings);
net::TlsFiles tls_files(const engine::Settings& settings);

} // namespace shoal::api
