// What the parts of the registry's HTTP face share: the storage, the rights, the pool that blocking
// calls go to. It owns nothing. The parts are the distribution API (http.cpp), the token service,
// the page with what it asks for (browse.cpp), and the operator's endpoints (health, metrics).
#pragma once

#include "net/http.h"
#include "registry/server/access.h"
#include "registry/server/store.h"

namespace shoal::net {
class Pool;
}

namespace shoal::registry {

class Cache;  ///< pull-through, cache.h
class Meters; ///< meters.h

struct Service {
    net::Loop& loop;
    net::Pool& pool;
    std::shared_ptr<Store> store;
    std::shared_ptr<Access> access;
    Cache* cache = nullptr; ///< null without upstreams
    Meters& meters;
    const Clock& clock;
    std::string name; ///< shown on the page: "registry.institute.example:5000"
};

/// The page: GET / and its files (embedded, with a content security policy), and its questions
/// under /api/. Called for every request that is not of /v2/, the token service or the operator's.
net::Task<void> serve_page(Service& service, net::Exchange& exchange);

} // namespace shoal::registry
