#include "machine/switchboard.h"

#include "machine/plan.h"
#include "os/file.h"
#include "os/netlink.h"
#include "os/netns.h"
#include "os/nft.h"

namespace shoal::machine {
namespace {

const std::string bridge_name = "switch";
const std::string bridge_mac = "02:42:00:00:00:01";

Result<void> make_bridge() {
    TRY_LET(netlink, os::Netlink::open());
    TRY_LET(loopback, netlink.link("lo"));
    TRY(netlink.set_up(loopback.index, true));
    TRY(netlink.create_bridge({bridge_name, bridge_mac, 0}));
    TRY_LET(bridge, netlink.link(bridge_name));
    return netlink.set_up(bridge.index, true);
}

Result<void> set_up_inside(os::Netlink& netlink, const Machine& machine, const Subnet& subnet) {
    TRY_LET(loopback, netlink.link("lo"));
    TRY(netlink.set_up(loopback.index, true));
    TRY_LET(link, netlink.link("eth0"));
    os::InterfaceAddress address;
    address.bytes = subnet.bytes(machine.number);
    address.bits = subnet.bits();
    address.link = link.index;
    TRY(netlink.add_address(address));
    return netlink.set_up(link.index, true);
}

} // namespace

bool Switchboard::exists(const std::string& path) { return os::is_netns(path); }

Result<Switchboard> Switchboard::open(const std::string& path) {
    if (os::is_netns(path)) {
        TRY_LET(netns, os::open_netns(path));
        return Switchboard(std::move(netns));
    }
    TRY(os::remove_file(path)); // the mount point of an earlier run of this computer
    TRY_LET(netns, os::create_netns(path, make_bridge));
    return Switchboard(std::move(netns));
}

Result<void> Switchboard::remove(const std::string& path) { return os::remove_netns(path); }

Result<void> Switchboard::plug_here(const Machine& machine, const Subnet& subnet) const {
    TRY(unplug(machine));
    TRY_LET(here, os::current_netns());
    TRY_LET(far, os::Netlink::open_in(netns_));
    TRY_LET(bridge, far.link(bridge_name));
    os::VethLink cable;
    cable.name = port_name(machine.number);
    cable.peer_name = "eth0";
    cable.peer_netns = here.raw();
    cable.peer_mac = mac_of(subnet.bytes(machine.number));
    cable.master = bridge.index;
    TRY(far.create_veth(cable));
    TRY(far.set_port_up(cable.name));
    TRY_LET(netlink, os::Netlink::open());
    return set_up_inside(netlink, machine, subnet);
}

Result<void> Switchboard::unplug(const Machine& machine) const {
    TRY_LET(netlink, os::Netlink::open_in(netns_));
    TRY_LET(port, netlink.find_link(port_name(machine.number)));
    if (!port) { return ok(); }
    auto gone = netlink.delete_link(port->index);
    // The kernel may have been faster: the other end went with its namespace.
    if (!gone && netlink.find_link(port_name(machine.number)).value_or(std::nullopt)) {
        return gone;
    }
    return ok();
}

Result<void> Switchboard::apply_cuts(std::span<const Cut> cuts,
                                     std::span<const Machine> machines) const {
    std::map<std::string, std::uint32_t> numbers;
    for (const auto& machine : machines) { numbers[machine.name] = machine.number; }
    const std::string rules = partition_rules(cuts, numbers);
    return os::run_in_netns(netns_, [&]() -> Result<void> {
        TRY_LET(nft, os::Nft::open());
        return nft.apply(rules).with("the rules of the partition");
    });
}

} // namespace shoal::machine
