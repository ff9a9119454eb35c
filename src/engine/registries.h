// What the engine knows of registries beside moving images: how the daemon's settings say to reach
// them, what an image there looks like, and who says how a pull or push gets on. Moving is in
// images.h.
#pragma once

#include "base/json.h"
#include "engine/images.h"
#include "net/until.h"
#include "registry/client/repository.h"

namespace shoal::engine {

struct Settings;

/// Takes the lines of Docker's progress stream ({"status","id","progressDetail"}). Never waits.
class Lines {
  public:
    virtual ~Lines() = default;
    virtual void say(Json line) = 0;
};

/// The key `proxies`, and for what it leaves open HTTP_PROXY and its kin of this process.
registry::ProxySettings proxies_of(const Settings& settings);

/// The settings' registry keys, with proxies_of().
registry::ClientOptions client_options(const Settings& settings);

/// The image's part of `index` for `wanted` (empty members: this machine's): the exact variant,
/// else an older one that this processor can run. Null when there is none. Attestations are passed
/// over.
const oci::Descriptor* choose_platform(const oci::Index& index, const oci::Platform& wanted);

/// GET /distribution/{name}/json.
struct RemoteImage {
    oci::Descriptor descriptor;
    std::vector<oci::Platform> platforms;
};
net::Task<Result<RemoteImage>> inspect_remote(Env& env, oci::Reference reference,
                                              registry::AuthConfig auth, net::Until until);

/// POST /auth. `auth.server_address` names the registry, "" Docker's.
net::Task<Result<registry::Registry::LoginAnswer>> log_in(Env& env, registry::AuthConfig auth,
                                                          net::Until until);

/// GET /images/search. `term` may begin with a registry's name.
net::Task<Result<std::vector<registry::SearchResult>>> search_registry(Env& env, std::string term,
                                                                       std::size_t limit,
                                                                       registry::AuthConfig auth,
                                                                       net::Until until);

} // namespace shoal::engine
