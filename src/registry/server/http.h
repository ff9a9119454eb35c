// The HTTP face of a registry: which part answers a request, who asks, and what is written down
// about it. The parts have files of their own: operations of the distribution API (http_blobs.cpp,
// http_uploads.cpp, http_manifests.cpp, http_lists.cpp), tokens (http_token.cpp), the page
// (http_page.cpp, http_session.cpp, http_browse.cpp), the operator's endpoints (http_operator.cpp).
// It listens nowhere: server.cpp does.
#pragma once

#include "registry/server/service.h"

namespace shoal::registry {

/// Every request of the registry's listener.
net::Task<void> answer_request(Service& service, net::Exchange& exchange);
/// Requests of the metrics' own listener: GET /metrics, nobody has to log in there.
net::Task<void> answer_metrics_request(Service& service, net::Exchange& exchange);

// The parts beside the distribution API.
/// The page at / and its files (http_page.cpp).
bool is_page(std::string_view path);
net::Task<void> answer_page(Service& service, net::Exchange& exchange);
net::Task<void> answer_token(Service& service, net::Exchange& exchange);
net::Task<void> answer_health(Service& service, net::Exchange& exchange);
net::Task<void> answer_metrics(Service& service, net::Exchange& exchange);

} // namespace shoal::registry
