#include "registry/server/service.h"

namespace shoal::registry {

net::Task<void> serve_page(Service&, net::Exchange& exchange) {
    net::Headers headers;
    headers.add("Content-Type", "text/plain; charset=utf-8");
    auto sent = co_await exchange.respond(404, std::move(headers), "page not found\n");
    (void)sent;
}

} // namespace shoal::registry
