// OverlayBook: what the managers said of the networks that span nodes (OverlayItems), a page for
// each network, and what follows from it: where an address is, who answers for a virtual one, what
// names mean. It remembers what a change has touched, so that one backend among thousands is one
// look-up. Pure; which containers are here is not in it (a task of this node counts when it is
// `here`).
#pragma once

#include "engine/overlays.h"

#include <functional>
#include <map>
#include <set>

namespace shoal::engine {

class OverlayBook {
  public:
    /// What is to be looked at again.
    struct Touched {
        bool network = false; ///< the network itself
        std::set<network::Ip> addresses;
        std::set<network::Ip> virtual_addresses;
        std::set<network::NodeIndex> nodes;
        std::set<std::string> services;
        std::set<std::string> tasks;
        bool any() const {
            return network || !addresses.empty() || !virtual_addresses.empty() || !nodes.empty() ||
                   !services.empty() || !tasks.empty();
        }
    };

    class Page {
      public:
        const OverlayNetwork* network() const { return network_; }
        const OverlayTask* task_at(network::Ip address) const;
        const OverlayTask* task(const std::string& id) const;
        const OverlayService* service(const std::string& id) const;
        const OverlayService* service_at(network::Ip virtual_address) const;
        const std::map<std::string, const OverlayService*>& services() const { return services_; }
        std::vector<const OverlayTask*> tasks_of(const std::string& service) const;
        /// Has something of the network.
        bool uses(network::NodeIndex node) const { return uses_.contains(node); }
        bool empty() const { return network_ == nullptr && tasks_.empty() && services_.empty(); }
        /// Everything counts as touched.
        void touch_all();
        /// The container with this address came or went here.
        void touch_address(network::Ip address);
        void touch_service(const std::string& id);
        Touched touched;

      private:
        friend class OverlayBook;
        void put(const OverlayTask& task);
        void take(const OverlayTask& task);
        void put(const OverlayService& service);
        void take(const OverlayService& service);

        const OverlayNetwork* network_ = nullptr;
        std::map<std::string, const OverlayTask*> tasks_;
        std::map<std::string, const OverlayService*> services_;
        std::map<network::Ip, const OverlayTask*> by_address_;
        std::map<network::Ip, const OverlayService*> by_virtual_;
        std::map<std::string, std::map<std::string, const OverlayTask*>> members_; ///< by service
        std::map<network::NodeIndex, std::size_t> uses_;
    };

    void change(OverlayChange change);
    /// Removes what is not named.
    void keep_only(const std::set<std::string>& keys);
    void clear();

    const std::map<network::NodeIndex, const OverlayNode*>& nodes() const { return nodes_; }
    /// Where nodes other than this one send VXLAN packets from, as far as it is known.
    std::set<network::Ip> addresses_of_others(network::NodeIndex self) const;
    const std::vector<network::EncryptionKey>& keys() const { return keys_; }
    /// Null when nothing is known of it.
    Page* page(const NetworkId& network);
    const Page* page(const NetworkId& network) const;
    /// The first that is for ingress; none: {}.
    NetworkId ingress() const;
    std::vector<NetworkId> touched() const;
    /// Pages that say nothing go; which.
    std::vector<NetworkId> drop_empty();

  private:
    void put(const OverlayItem& item);
    void take(const OverlayItem& item);
    void put(const OverlayNode& node);
    void take(const OverlayNode& node);
    void touch_node(network::NodeIndex node);

    std::map<std::string, OverlayItem> items_; ///< by key; what pages point into
    std::map<network::NodeIndex, const OverlayNode*> nodes_;
    std::map<NetworkId, Page> pages_;
    std::vector<network::EncryptionKey> keys_;
};

/// Is the task's container attached here, so that it can be reached?
using IsHere = std::function<bool(network::Ip address)>;

/// Addresses of one family that take new connections for the service, in an order that is the same
/// on every node. Those of this node alone when the service prefers them.
std::vector<network::Ip> backends_of(const OverlayBook::Page& page, const OverlayService& service,
                                     network::Family family, network::NodeIndex self,
                                     const IsHere& is_here);

/// The names of a service as the embedded DNS keeps them, without addresses of its own: names of
/// itself and "tasks.NAME".
std::vector<network::NamedEndpoint> names_of(const OverlayBook::Page& page,
                                             const OverlayService& service);
network::NamedEndpoint names_of(const OverlayTask& task);
/// Under which they are kept.
std::string service_name_key(const std::string& id);
std::string tasks_name_key(const std::string& id);
std::string task_name_key(const std::string& id);

} // namespace shoal::engine
