// The part of the daemon's configuration that the network vertical reads, in its own words, so that
// it does not depend on the configuration file's shape.
#pragma once

#include "network/address.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace shoal::network {

/// One entry of default-address-pools: `base` is cut into subnets of `size` bits.
struct AddressPool {
    Subnet base;
    int size = 0;
};

struct Settings {
    /// Tells several daemons of one machine apart: letters, digits, "_"; part of the table's and
    /// links' names.
    std::string instance = "0";
    std::string exec_root; ///< netns/<container id> lies below

    std::string bridge = "shoal0"; ///< "none" turns the default bridge network off
    std::string bip;               ///< address/bits of the default bridge
    std::string bip6;
    std::string fixed_cidr;
    std::string fixed_cidr_v6;
    std::string default_gateway;
    std::string default_gateway_v6;
    bool ipv6 = false;
    int mtu = 0; ///< 0: 1500
    bool icc = true;
    std::string ip = "0.0.0.0"; ///< default binding address of published ports
    bool ip_forward = true;
    bool ip_masq = true;
    bool firewall = true;           ///< `iptables: false` of daemon.json
    std::vector<AddressPool> pools; ///< empty: Docker's defaults
    std::vector<std::string> dns;
    std::vector<std::string> dns_search;
    std::vector<std::string> dns_options;
    std::vector<std::string> host_gateway; ///< addresses that "host-gateway" means
    std::vector<Ip> ingress_addresses;     ///< where the mesh answers; empty: everywhere
    std::string resolv_conf = "/etc/resolv.conf";

    /// How long a network that spans nodes stays after its last container: late packets get an
    /// answer.
    std::chrono::milliseconds overlay_linger{10'000};
    std::chrono::milliseconds overlay_check{42'000}; ///< of the kernel; and a little more
};

/// 172.17.0.0/16 .. 172.31.0.0/16, then 192.168.0.0/16 in /20.
std::vector<AddressPool> docker_address_pools();

} // namespace shoal::network
