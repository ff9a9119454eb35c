// The pull-through cache: repositories under a prefix ("hub/") are those of another registry,
// fetched when they are asked for and kept in a directory of their own, apart from what was pushed
// here. A manifest by digest and a blob are kept until they have not been read for a time; what a
// tag names is asked again when its time is up, and served as it was while the upstream is away. A
// blob is fetched once however many ask; a large one is served while it comes, but for its last
// byte, which is given out when the whole has been verified. It knows no users: rights are checked
// before it is called. All on one loop.
#pragma once

#include "base/clock.h"
#include "base/json.h"
#include "net/task.h"
#include "net/until.h"
#include "registry/client/hosts.h"
#include "registry/server/store.h"

namespace shoal::net {
class Loop;
class Pool;
} // namespace shoal::net

namespace shoal::metrics {
class Metrics;
}

namespace shoal::registry {

struct Upstream {
    std::string prefix; ///< "hub/"
    net::Url url;       ///< its target is what comes before the rest of the name: "/mirror/"
    bool insecure = false;
    std::string username;
    std::string password_file; ///< read when a connection is made; one line
    std::chrono::seconds ttl{3600};
    std::chrono::seconds keep{30 * 24 * 3600};
};

/// The member "upstreams" of the settings. Fails: Invalid naming the entry and the key.
Result<std::vector<Upstream>> parse_upstreams(const Json& list);
/// The one with the longest prefix of `name`; null when there is none.
const Upstream* find_upstream(const std::vector<Upstream>& all, std::string_view name);
/// What the repository is called there: "hub/library/nginx" is "library/nginx".
std::string remote_path(const Upstream& upstream, std::string_view name);

struct CacheOptions {
    std::string root; ///< a directory for it alone
    std::vector<Upstream> upstreams;
    HostSettings hosts;                  ///< certificates and proxies
    std::size_t fetches_max = 64;        ///< blobs being fetched at one time: Unavailable
    std::chrono::seconds away_pause{10}; ///< for so long an upstream that failed is not asked
    std::chrono::seconds sweep_every{3600};
    std::int64_t bytes_max = 0; ///< of all that is kept: then the least recently read goes; 0: any
    metrics::Metrics* metrics = nullptr; ///< not null
};

/// A file that is still being written.
class Growth {
  public:
    virtual ~Growth() = default;
    /// Up to where it may be read, once that is more than `offset`. Fails when what comes is wrong,
    /// or ends early: whoever has given some of it on breaks off.
    virtual net::Task<Result<std::uint64_t>> beyond(std::uint64_t offset, net::Until until) = 0;
};

class Cache {
  public:
    /// Makes the directory, and removes what a crash has left in it.
    static Result<std::unique_ptr<Cache>> create(net::Loop& loop, net::Pool& pool,
                                                 const Clock& clock, CacheOptions options);
    virtual ~Cache() = default;
    /// Begins to remove, now and then and when there is too much, what has not been read for long.
    virtual void start() = 0;
    virtual void set_bytes_max(std::int64_t bytes_max) = 0; ///< as CacheOptions::bytes_max
    virtual net::Task<void> close() = 0;

    virtual bool covers(std::string_view name) const = 0;

    struct Manifest {
        StoredManifest manifest;
        bool stale = false; ///< the upstream could not be asked
    };
    // All of them fail: NotFound when the upstream says so; Unavailable with its words for whatever
    // else it says, when nothing is kept; Exhausted when the disk is full.
    virtual net::Task<Result<Manifest>> manifest(std::string name, std::string reference) = 0;
    struct Blob {
        OpenBlob open;
        std::shared_ptr<Growth> growth{};  ///< null when all of it is there
        std::shared_ptr<const void> lease; ///< while it lives the blob does not go to make room
    };
    virtual net::Task<Result<Blob>> blob(std::string name, oci::Digest digest) = 0;
    virtual net::Task<Result<std::int64_t>> blob_size(std::string name, oci::Digest digest) = 0;
    virtual net::Task<Result<std::vector<std::string>>> tags(std::string name) = 0;
};

} // namespace shoal::registry
