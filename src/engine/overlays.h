// Overlays: the networks that span nodes, as far as this node takes part: what the managers say of
// them (OverlayItems), brought into the kernel (network/overlay.h, network/mesh.h) and into the
// embedded DNS. It belongs to Networks, which attaches containers; it does not talk to managers
// (node/ does) and makes no decision about services.
#pragma once

#include "network/encryption.h"
#include "network/mesh.h"
#include "network/names.h"
#include "network/overlay.h"

#include "net/task.h"
#include "net/until.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace shoal::engine {

struct Env;

struct OverlayNode {
    network::NodeIndex index = 0;
    network::Ip address;
    std::string id; ///< in the cluster
    std::string hostname;
    std::vector<network::Ip> addresses;
};
struct OverlayNetwork {
    NetworkId id;
    std::string name;
    std::uint32_t vni = 0;
    std::vector<network::Subnet> subnets;
    std::vector<network::Ip> gateways;
    bool internal = false;
    bool encrypted = false;
    bool ingress = false;
    int mtu = 0; ///< 0: what the underlay allows
};
struct OverlayTask {
    std::string task;
    NetworkId network;
    std::vector<network::Ip> addresses;
    network::NodeIndex node = 0;
    std::string service; ///< "" none
    std::vector<std::string> names;
    bool serving = false;
};
struct OverlayService {
    enum class Balance { Even, Client, Local };
    struct Port {
        network::Protocol protocol = network::Protocol::Tcp;
        std::uint16_t target = 0, published = 0;
    };
    std::string id;
    NetworkId network;
    std::vector<std::string> names;
    std::vector<network::Ip> virtual_addresses; ///< none: DNS round robin
    Balance balance = Balance::Even;
    std::vector<Port> ports; ///< on ingress
};
struct OverlayKeys { ///< of encrypted networks
    std::vector<network::EncryptionKey> keys;
};
using OverlayItem =
    std::variant<OverlayNode, OverlayNetwork, OverlayTask, OverlayService, OverlayKeys>;
struct OverlayChange {
    std::string key;
    std::optional<OverlayItem> item; ///< none: removed
};

/// This node in the data path.
struct OverlaySelf {
    network::NodeIndex index = 0;
    network::Ip address;       ///< data path
    std::uint16_t port = 4789; ///< data path
    bool operator==(const OverlaySelf&) const = default;
};

/// What Networks offers to node/ (Networks::overlays()).
class Overlays {
  public:
    virtual ~Overlays() = default;
    /// From now on this node takes part; again when something of it changes.
    virtual net::Task<Result<void>> join(OverlaySelf self) = 0;
    /// `whole`: what is not among the changes is removed. Success: kernel and DNS say so. One call
    /// at a time; after a failure the next one says the whole.
    virtual net::Task<Result<void>> apply(std::vector<OverlayChange> changes, bool whole) = 0;
    /// It left the cluster: everything goes.
    virtual net::Task<Result<void>> leave() = 0;
    /// Connections of others to this container that are open, at the ports on which it listens.
    virtual net::Task<Result<std::size_t>> open_connections(ContainerId container) = 0;
    /// TCP ports on which it listens. Fails: NotFound for one without a network of its own.
    virtual net::Task<Result<std::set<std::uint16_t>>> listening_ports(ContainerId container) = 0;
};

} // namespace shoal::engine
