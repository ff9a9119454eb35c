// What the parts of the registry's HTTP face share: the storage, the rights, the pool that blocking
// calls go to. It owns nothing. The parts are the distribution API (http.cpp), the token service,
// and the operator's endpoints (health, metrics).
#pragma once

#include "net/http.h"
#include "registry/server/access.h"
#include "registry/server/store.h"

namespace shoal::net {
class Pool;
}

namespace shoal::registry {

class Cache;     ///< pull-through, cache.h
class PageLists; ///< page_lists.h
class Meters;    ///< meters.h
class AccessLog; ///< access_log.h

/// How the HTTP face behaves; a reload replaces the values.
struct HttpOptions {
    enum class Challenge { Bearer, Basic };
    /// What a 401 offers. One of them, as the reference registry: Docker's command takes every
    /// challenge of an answer, and fails on Basic when it has no credentials. Both are understood.
    Challenge challenge = Challenge::Bearer;
    std::string public_url;       ///< "https://registry.example"; "": what the client asked for
    bool trust_forwarded = false; ///< X-Forwarded-For, -Host and -Proto of a proxy in front
    bool tls = false;             ///< this server's own listener has TLS
    std::size_t page_max = 10'000;
    std::size_t manifest_bytes_max = oci::manifest_bytes_max;
    std::chrono::seconds stall_timeout{120}; ///< of an upload without a byte
};

struct Service {
    net::Loop& loop;
    net::Pool& pool;
    std::shared_ptr<Store> store;
    std::shared_ptr<Access> access;
    std::shared_ptr<PageLists> page_lists;
    net::Pool& page_pool;   ///< a few threads for the page alone
    Cache* cache = nullptr; ///< null without upstreams
    Meters& meters;
    const Clock& clock;
    Random& random;
    std::string name; ///< of this registry, when a client names none: "registry.example:5000"
    std::vector<std::string> names{}; ///< that it was told it is called by
    HttpOptions http{};
    AccessLog* access_log = nullptr; ///< null when there is none
};

/// Who asks, by the Authorization header. Fails as Access::authenticate().
net::Task<Result<Access::Caller>> authenticate(Service& service, const net::RequestHead& request);
/// The client's address without its port.
std::string peer_of(const Service& service, const net::RequestHead& request);

} // namespace shoal::registry
