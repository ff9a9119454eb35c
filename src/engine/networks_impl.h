// Inside of Networks, shared by the networks_*.cpp files only: the state on the loop's thread and
// the steps of each operation. Kernel work is packed into values, done by a pool thread, and its
// outcome taken over here.
#pragma once

#include "engine/env.h"
#include "engine/networks.h"
#include "net/lock.h"
#include "net/scope.h"
#include "network/dns.h"
#include "network/endpoint.h"
#include "network/files.h"
#include "network/ipam.h"
#include "network/options.h"
#include "network/ports.h"
#include "network/rules.h"
#include "os/nft.h"

#include <set>

namespace shoal::engine {

class OverlayKeeper;

class Networks::Impl {
  public:
    Impl(Env& shared, network::Settings given);
    ~Impl();

    struct Network {
        network::Definition definition;
        network::BridgeOptions bridge;
        network::VlanOptions vlan;
        std::string link; ///< the bridge, or the parent of macvlan and ipvlan
        network::Addresses addresses;
        std::multiset<ContainerId> users; ///< endpoints, those being made included
        bool removing = false;
        std::set<network::Ip> granted; ///< overlay: addresses that containers of this node may have
        Steady used_at{};              ///< overlay: when a container was last meant to come
        bool is_overlay() const { return definition.driver == "overlay"; }
        bool is_bridge() const { return definition.driver == "bridge" && !definition.config_only; }
        bool is_default_bridge() const { return is_bridge() && bridge.default_bridge; }
        bool is_predefined() const;
    };
    using NetworkPtr = std::shared_ptr<Network>;

    /// The network side of one running container.
    struct Attached {
        explicit Attached(net::Loop& loop) : turn(loop) {}
        ContainerId id;
        SandboxInfo info;
        os::Fd netns;
        std::unique_ptr<network::Relays> relays;
        std::vector<network::RulePort> rules;
        net::Lock turn; ///< one change at a time
        bool gone = false;
    };
    using AttachedPtr = std::shared_ptr<Attached>;

    /// What a pool thread does for a container.
    struct Setup {
        bool make_sandbox = false;
        network::SandboxPlan sandbox;
        std::vector<network::InterfacePlan> interfaces;
        network::DefaultRoutes routes;
        bool with_ports = false;
        network::PortRequest ports;
        std::vector<network::PortBinding> taken;
        std::string resolv_conf;
    };
    struct SetupDone {
        network::Sandbox sandbox;
        std::vector<network::HeldPort> held;
        network::Resolver resolver;       ///< of the host
        network::Resolver resolver_plain; ///< of the host, without a local stub
        std::string hosts_file;
    };
    // networks.cpp: definitions.
    Result<NetworkPtr> find(std::string_view ref) const;
    NetworkView view(const Network& network) const;
    net::Task<Result<CreatedNetwork>> create(network::Definition wish);
    net::Task<Result<void>> remove(NetworkPtr network);
    Result<void> check_new(const network::Definition& wish) const;
    Result<void> inherit_config(network::Definition& wish) const;
    /// Options parsed and addresses counted; a plain value without kernel objects.
    Result<NetworkPtr> make_network(network::Definition definition) const;
    Result<void> refuse_shared_link(const Network& network) const;
    network::AddressPlan address_plan(const network::HostFacts& facts,
                                      const NetworkId& except) const;
    net::Task<Result<void>> ensure_links(NetworkPtr network);
    network::BridgePlan bridge_plan(const Network& network) const;
    void publish(const Network& network, const std::string& action,
                 const std::string& container = {}) const;
    Result<void> save(const Network& network) const;

    // networks_attach.cpp: containers come and go.
    net::Task<Result<SandboxInfo>> attach(AttachRequest request);
    net::Task<Result<SandboxInfo>> attach_isolated(AttachedPtr attached, AttachRequest request);
    Result<SandboxInfo> attach_shared(const AttachRequest& request) const;
    net::Task<Result<void>> detach(ContainerId container);
    net::Task<Result<SandboxInfo>> join(ContainerId container, NetworkPtr network,
                                        network::EndpointWish wish);
    net::Task<Result<SandboxInfo>> leave(ContainerId container, NetworkPtr network);
    net::Task<Result<SetupDone>> join_kernel(AttachedPtr attached, network::EndpointState endpoint,
                                             bool dns_missing);
    net::Task<void> undo_join(AttachedPtr attached, network::EndpointState failed);

    // networks_endpoints.cpp: what they ask for and have.
    struct Wanted {
        NetworkPtr network;
        network::EndpointWish wish;
    };
    Result<void> validate(const AttachRequest& request) const;
    Result<void> check_wish(const Network& network, const network::EndpointWish& wish) const;
    Result<std::vector<Wanted>> wanted_networks(const AttachRequest& request) const;
    AttachedPtr attached(const ContainerId& container) const;
    AttachedPtr attached_by_name(const std::string& ref) const;
    std::string netns_path(const ContainerId& container) const;
    Result<void> allocate(Attached& attached, const Wanted& wanted);
    void release(Attached& attached, const network::EndpointState& endpoint);
    std::string free_interface(const Attached& attached, const std::string& prefix) const;
    static Result<void> check_interface(const Attached& attached,
                                        const network::EndpointState& endpoint);
    const network::EndpointState* gateway_endpoint(const Attached& attached,
                                                   network::Family family) const;

    // networks_names.cpp: what they are called, and how they find others.
    std::vector<std::string> dns_names(const Attached& attached,
                                       const network::EndpointState& endpoint) const;
    bool needs_dns(const Attached& attached) const;
    network::DnsView dns_view(const Attached& attached) const;
    void name_endpoint(const Attached& attached, const network::EndpointState& endpoint);
    void refresh_names(Attached& attached);
    Result<void> start_dns(Attached& attached, network::DnsSockets sockets);
    void render_files(Attached& attached, const SetupDone& host) const;
    std::vector<network::HostsEntry> link_entries(const Attached& attached) const;
    std::vector<std::string> host_gateway() const;

    // networks_setup.cpp: what is done for them in the kernel.
    Setup base_setup(const Attached& attached) const;
    static Result<SetupDone> run_setup(Setup setup);
    network::InterfacePlan interface_plan(const Attached& attached,
                                          const network::EndpointState& endpoint) const;
    std::vector<std::string> interface_sysctls(const Attached& attached,
                                               const network::EndpointState& endpoint) const;
    network::DefaultRoutes default_routes(const Attached& attached) const;
    network::PortRequest port_request(const Attached& attached) const;
    network::PortTarget port_target(const Attached& attached) const;
    std::vector<network::PortBinding> taken_ports() const;
    std::vector<network::RulePort> rule_ports(const Attached& attached,
                                              const std::vector<network::HeldPort>& held) const;
    void take_ports(Attached& attached, std::vector<network::HeldPort> held);
    net::Task<Result<void>> publish_ports(AttachedPtr attached,
                                          std::vector<network::HeldPort> held);
    net::Task<Result<void>> move_ports(AttachedPtr attached, network::PortTarget before);

    // networks_spanning.cpp: networks of the cluster.
    net::Task<Result<void>> ensure_overlay(network::Definition wish,
                                           std::vector<network::Ip> granted);
    net::Task<void> drop_unused_overlays();
    Result<void> check_granted(const Network& network, const std::string& text) const;
    Result<void> allocate_overlay(Attached& attached, const Wanted& wanted);
    static bool is_overlay_interface(const network::EndpointState& endpoint);
    static bool is_in_mesh(const network::EndpointState& endpoint);
    net::Task<Result<void>> attach_overlays(AttachedPtr attached);
    net::Task<Result<void>> detach_overlays(AttachedPtr attached);
    std::map<std::pair<network::Protocol, std::uint16_t>, std::string> mesh_ports() const;

    // networks_gateway.cpp: the way out of containers on them.
    NetworkPtr gateway_bridge() const;
    net::Task<Result<NetworkPtr>> ensure_gateway_bridge();
    bool needs_gateway(const Attached& attached) const;
    Result<void> allocate_gateway(Attached& attached, const NetworkPtr& gateway);
    net::Task<Result<void>> add_gateway(AttachedPtr attached);
    net::Task<Result<void>> drop_gateway(AttachedPtr attached);
    net::Task<Result<void>> align_gateway(AttachedPtr attached);
    // networks_places.cpp: networks that are not this machine's alone.
    struct Named {
        ContainerId container;
        std::vector<std::string> names;
    };
    static Named named(const ContainerId& container, const std::string& name,
                       const std::string& hostname);
    bool may_be_elsewhere(std::string_view ref) const;
    /// With the addresses that the container was given there.
    net::Task<Result<AttachRequest>> with_places(AttachRequest request);
    net::Task<Result<SandboxInfo>> join_at_place(ContainerId container, std::string ref,
                                                 network::EndpointWish wish);
    void settled(const ContainerId& container) const;

    // networks_firewall.cpp: the table.
    net::Task<Result<void>> open_firewall();
    net::Task<Result<void>> rebuild_table();
    net::Task<Result<void>> change_rules(std::string commands);
    net::Task<Result<void>> add_bridge_rules(NetworkPtr network);
    net::Task<Result<void>> remove_bridge_rules(NetworkPtr network);
    net::Task<Result<void>> add_port_rules(AttachedPtr attached,
                                           std::vector<network::RulePort> rules);
    net::Task<Result<void>> remove_port_rules(AttachedPtr attached);
    net::Task<Result<void>> tend_foreign_chains();
    net::Task<void> close_firewall(bool keep_table);
    net::Task<void> watch_rules();
    network::RuleState rule_state() const;
    network::RuleBridge rule_bridge(const Network& network) const;
    net::Task<Result<void>> forward(network::Family family);

    // networks_recover.cpp: start and end of the daemon.
    net::Task<Result<void>> recover(std::vector<RunningSandbox> running);
    net::Task<void> stop(bool keep_containers);
    Result<void> load_definitions();
    net::Task<Result<void>> ensure_predefined();
    net::Task<Result<void>> ensure_default_bridge();
    net::Task<Result<void>> adopt(RunningSandbox running);
    net::Task<void> sweep();
    Result<network::Definition>
    default_bridge_definition(const network::HostFacts& facts,
                              const std::vector<std::pair<network::Ip, int>>& present) const;

    Env& env;
    network::Settings settings;
    std::string table;
    network::DnsServer dns;
    NetworkUsers* users = nullptr;
    NetworkAttacher* attacher = nullptr;
    std::map<NetworkId, NetworkPtr> networks;
    std::map<ContainerId, AttachedPtr> sandboxes;
    network::HostFacts facts;
    std::shared_ptr<os::Nft> nft;
    std::string user_rules; ///< of chain `user`, as last seen
    bool guard_forward = false;
    net::Lock firewall_turn;
    net::Lock definition_turn; ///< one network is created or removed at a time
    std::unique_ptr<OverlayKeeper> overlays;
    net::TaskScope scope; ///< last: its tasks use all of the above
};

inline constexpr std::string_view container_mode = "container:";
/// "bridge" where none is named.
std::string resolved_mode(const std::string& mode);
/// Of the ports that are published and those that shall be as well.
std::vector<network::PortWish> all_wishes(const AttachRequest& request);
std::string random_mac(Random& random);
/// Sysctls of one interface ("net.ipv4.conf.eth0.x") wait until it exists; "" for the others.
std::string interface_of_sysctl(const std::string& name);

/// None for a text that is no address.
network::Ip ip_of(const std::string& text);
std::vector<network::Ip> addresses_of(const network::EndpointState& endpoint);

} // namespace shoal::engine
