// Networks owns every network of the node and the network side of every running container:
// addresses, links, published ports, names and the nftables table. It does not know container
// records: `Containers` calls attach and detach, keeps the returned SandboxInfo, and gives it back
// to recover() after a restart of the daemon.
#pragma once

#include "base/filters.h"
#include "base/id.h"
#include "net/task.h"
#include "network/address.h"
#include "network/sandbox.h"
#include "network/settings.h"
#include "network/types.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::engine {

struct Env;
class NetworkAttacher;
class Overlays;

struct AttachRequest {
    ContainerId container;
    std::string name; ///< without the leading slash
    std::string hostname;
    std::string domainname;
    /// HostConfig.NetworkMode: "", "default", "bridge", "none", "host", "container:<full id>", or a
    /// network.
    std::string mode;
    /// By network name or id. Networks named here and not by `mode` are attached as well.
    std::map<std::string, network::EndpointWish> endpoints;
    std::vector<network::PortKey> exposed; ///< for publish_all
    std::vector<network::PortWish> published;
    bool publish_all = false;
    std::vector<std::string> links; ///< HostConfig.Links, "container:alias"
    std::vector<std::string> dns;
    std::vector<std::string> dns_search;
    std::vector<std::string> dns_options;
    std::vector<std::string> extra_hosts; ///< "name:address"; the address may be "host-gateway"
    /// HostConfig.Sysctls; only net.* are set here, in the new namespace.
    std::map<std::string, std::string> sysctls;
};

using network::SandboxInfo;

struct CreateNetwork {
    network::Definition definition; ///< id and created are filled in
};

struct CreatedNetwork {
    NetworkId id;
    std::string warning;
};

/// One container on a network, for inspect.
struct NetworkMember {
    ContainerId container;
    std::string name;
    std::string endpoint;
    std::string mac;
    std::string ipv4; ///< with "/bits"
    std::string ipv6;
};

/// A node that takes part in a network of the cluster.
struct NetworkPeer {
    std::string node; ///< its id
    network::Ip address;
};

struct NetworkView {
    network::Definition definition;
    std::vector<NetworkMember> members;
    std::vector<NetworkPeer> peers; ///< as far as this node was told
};

/// Which containers can be connected is the business of Containers; it implements this.
class NetworkUsers {
  public:
    virtual ~NetworkUsers() = default;
    /// POST /networks/{id}/connect: records the endpoint, and for a running container calls
    /// Networks::join. `network` is its id, or for one that is not here what the user calls it.
    virtual net::Task<Result<void>> network_connect(std::string container, std::string network,
                                                    network::EndpointWish wish) = 0;
    /// The reverse; calls Networks::leave for a running container.
    virtual net::Task<Result<void>> network_disconnect(std::string container, std::string network,
                                                       bool force) = 0;
};

struct RunningSandbox {
    ContainerId container;
    std::string name;
    SandboxInfo info;
};

class Networks {
  public:
    Networks(Env& env, network::Settings settings);
    ~Networks();
    Networks(const Networks&) = delete;
    Networks& operator=(const Networks&) = delete;

    /// Loads the stored networks, makes the predefined ones, and brings kernel objects in line:
    /// bridges, the table, namespaces of `running` adopted, all others of this daemon removed.
    /// Once, before requests.
    net::Task<Result<void>> recover(std::vector<RunningSandbox> running);
    /// Ends the watch, the DNS and the relays. With `keep_containers` the table and reservations'
    /// rules stay.
    net::Task<void> stop(bool keep_containers);
    void set_users(NetworkUsers& users);
    /// For networks that are not this machine's alone; null: there are none.
    void set_attacher(NetworkAttacher* attacher);
    /// Whether `ref` is a network that is not here, or not here alone: it can only be attached to.
    bool may_be_elsewhere(std::string_view ref) const;
    bool any_elsewhere(const AttachRequest& request) const; ///< of its networks

    // Operations of the API.
    net::Task<Result<CreatedNetwork>> create(CreateNetwork request);
    /// `ref` is a name, an id or an unambiguous beginning of one.
    Result<NetworkView> inspect(std::string_view ref) const;
    Result<std::vector<NetworkView>> list(const Filters& filters) const;
    net::Task<Result<void>> remove(std::string ref);
    /// The names removed.
    net::Task<Result<std::vector<std::string>>> prune(Filters filters);
    net::Task<Result<void>> connect(std::string ref, std::string container,
                                    network::EndpointWish wish);
    net::Task<Result<void>> disconnect(std::string ref, std::string container, bool force);

    // For the node's part in a cluster.
    Overlays& overlays();
    /// A network that spans nodes is this node's as well, from now until some time after its last
    /// container. Its id is the cluster's, and containers here may have the addresses `granted`.
    net::Task<Result<void>> ensure_overlay(network::Definition network,
                                           std::vector<network::Ip> granted);
    /// How many things in the kernel were not as they should be and were repaired.
    std::uint64_t repairs() const;

    // For Containers.
    /// Checks names, modes, static addresses and ports at create time; nothing is reserved.
    Result<void> validate_create(const AttachRequest& request) const;
    net::Task<Result<SandboxInfo>> attach(AttachRequest request);
    /// Gives back everything of the container; success when it has nothing.
    net::Task<Result<void>> detach(ContainerId container);
    /// Adds a running container to a network; the new state of the whole sandbox comes back.
    net::Task<Result<SandboxInfo>> join(ContainerId container, std::string network,
                                        network::EndpointWish wish);
    net::Task<Result<SandboxInfo>> leave(ContainerId container, NetworkId network);
    /// The name in DNS and inspect.
    void rename(const ContainerId& container, const std::string& name);
    /// Null when the container is not attached.
    const SandboxInfo* sandbox(const ContainerId& container) const;
    /// The name and id of the network `ref` means; fails: NotFound "network x not found", or
    /// ambiguous.
    Result<network::Definition> find(std::string_view ref) const;
    /// The address the legacy link environment needs; "" when the container is not on the default
    /// bridge.
    std::string default_bridge_address(const ContainerId& container) const;

    class Impl; ///< engine/networks_impl.h, for its own files

  private:
    std::unique_ptr<Impl> impl_;
};

} // namespace shoal::engine
