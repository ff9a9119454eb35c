#include "swarm/manager/control/networks.h"

#include "base/network_options.h"
#include "base/text.h"
#include "swarm/allocator/allocator.h"
#include "swarm/manager/control/find.h"
#include "swarm/manager/control/names.h"
#include "swarm/model/constraints.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

constexpr std::string_view encrypted_option = "encrypted";
constexpr int mtu_min = 576;
constexpr int mtu_max = 65535;

Result<void> check_mtu(const std::string& text) {
    const auto mtu = parse_number<int>(text);
    if (mtu && *mtu >= mtu_min && *mtu <= mtu_max) { return ok(); }
    return invalid("invalid value for " + std::string(mtu_option) + ": " + go_quote(text));
}

Result<void> check_vnis(const std::string& text) {
    for (const auto& part : split(text, ',')) {
        const auto vni = parse_number<std::uint32_t>(trim(part));
        if (!vni || *vni == 0 || *vni > vni_last) {
            return invalid("invalid vxlan id value " + go_quote(text) + " passed");
        }
    }
    return ok();
}

Result<void> check_option(const std::string& name, const std::string& value) {
    if (name == mtu_option) { return check_mtu(value); }
    if (name == vni_option) { return check_vnis(value); }
    if (name == encrypted_option) {
        if (value.empty() || parse_bool(value)) { return ok(); }
        return invalid("invalid value for encrypted: " + go_quote(value));
    }
    return invalid("unknown option of an overlay network: " + name);
}

bool contains(const AddressRange& outer, const AddressRange& inner) {
    return outer.prefix <= inner.prefix && outer.contains(inner);
}
bool overlap(const AddressRange& a, const AddressRange& b) {
    return contains(a, b) || contains(b, a);
}

Result<void> check_inside(const char* what, const std::string& text, const AddressRange& subnet) {
    if (text.empty()) { return ok(); }
    const auto inner = parse_address_range(cut(text, '/').first);
    if (inner && contains(subnet, *inner)) { return ok(); }
    return invalid(std::string("invalid ") + what + " " + text + ": not an address of the subnet");
}

Result<AddressRange> check_subnet(const pb::IPAMConfig& config, bool ipv6) {
    const auto subnet = parse_address_range(config.subnet());
    const bool whole = config.subnet().find('/') == std::string::npos;
    if (!subnet || whole) { return invalid("invalid subnet " + go_quote(config.subnet())); }
    if (subnet->length == 128 && !ipv6) {
        return invalid("invalid subnet " + config.subnet() +
                       ": IPv6 has not been enabled for this network");
    }
    if (subnet->length == 32 && subnet->prefix > 30) {
        return invalid("invalid subnet " + config.subnet() + ": no room for addresses");
    }
    if (!config.range().empty()) {
        const auto range = parse_address_range(config.range());
        if (!range || !contains(*subnet, *range)) {
            return invalid("invalid ip-range " + config.range() + ": parent subnet " +
                           config.subnet() + " doesn't contain ip-range");
        }
    }
    TRY(check_inside("gateway", config.gateway(), *subnet));
    for (const auto& [name, address] : config.reserved()) {
        TRY(check_inside("auxiliary address", address, *subnet));
    }
    return *subnet;
}

std::vector<AddressRange> subnets_in_use(const Store& store) {
    std::vector<AddressRange> all;
    const auto add = [&all](const pb::IPAMOptions& ipam) {
        for (const auto& config : ipam.configs()) {
            if (const auto subnet = parse_address_range(config.subnet())) {
                all.push_back(*subnet);
            }
        }
    };
    for (const auto& [id, network] : store.all<pb::Network>()) {
        add(network->spec().ipam());
        add(network->ipam());
    }
    return all;
}

Result<void> check_ipam(const Store& store, const pb::NetworkSpec& spec) {
    const auto& driver = spec.ipam().driver();
    if (!driver.name().empty() && driver.name() != "default") {
        return unsupported("ipam driver " + go_quote(driver.name()) + " is not supported");
    }
    if (!driver.options().empty()) {
        return invalid("unknown option of the ipam driver: " + driver.options().begin()->first);
    }
    if (spec.ipam().configs_size() > static_cast<int>(network_subnets_max)) {
        return invalid("a network has at most " + std::to_string(network_subnets_max) + " subnets");
    }
    auto taken = subnets_in_use(store);
    for (const auto& config : spec.ipam().configs()) {
        if (config.subnet().empty()) {
            const bool more =
                !config.gateway().empty() || !config.range().empty() || !config.reserved().empty();
            if (more) { return invalid("no matching subnet for a gateway, range or address"); }
            continue;
        }
        TRY_LET(subnet, check_subnet(config, spec.ipv6_enabled()));
        const bool meets = std::any_of(taken.begin(), taken.end(), [&subnet](const auto& other) {
            return overlap(subnet, other);
        });
        if (meets) {
            return Error{Errc::Forbidden, "invalid pool request: Pool overlaps with other one on "
                                          "this address space"};
        }
        taken.push_back(subnet);
    }
    return ok();
}

Result<void> check_ingress(const Store& store, const pb::NetworkSpec& spec) {
    if (!spec.ingress()) { return ok(); }
    if (spec.attachable()) { return invalid("ingress network cannot be attachable"); }
    if (spec.internal()) { return invalid("ingress network cannot be internal"); }
    for (const auto& [id, network] : store.all<pb::Network>()) {
        if (network->spec().ingress()) {
            return conflict("ingress network (" + network->spec().annotations().name() +
                            ") is already present");
        }
    }
    return ok();
}

Result<void> check_spec(const Store& store, const pb::NetworkSpec& spec) {
    TRY(check_dns_name(spec.annotations().name()));
    if (spec.annotations().labels().contains(std::string(predefined_label))) {
        return Error{Errc::Forbidden, "label " + std::string(predefined_label) +
                                          " is for internally created predefined networks and "
                                          "cannot be applied by users"};
    }
    const auto& driver = spec.driver_config();
    if (!driver.name().empty() && driver.name() != "overlay") {
        return unsupported("driver " + go_quote(driver.name()) +
                           ": networks of a swarm are overlay networks");
    }
    if (spec.has_network()) {
        return unsupported("a network of a swarm cannot be made from a configuration (" +
                           spec.network() + ")");
    }
    for (const auto& [name, value] : driver.options()) { TRY(check_option(name, value)); }
    TRY(check_ingress(store, spec));
    return check_ipam(store, spec);
}

bool is_on(const pb::Task& task, const std::string& network) {
    const auto& asked = task.spec().networks();
    const bool attachment = task.spec().has_attachment() && !asked.empty();
    if (attachment && asked[0].target() == network) { return true; } // perhaps not given yet
    return std::any_of(task.networks().begin(), task.networks().end(),
                       [&network](const auto& one) { return one.network().id() == network; });
}

bool uses(const pb::ServiceSpec& spec, const std::string& network) {
    const auto named = [&network](const auto& one) { return one.target() == network; };
    const auto& own = spec.task().networks();
    return std::any_of(own.begin(), own.end(), named) ||
           std::any_of(spec.networks().begin(), spec.networks().end(), named);
}

bool needs_ingress(const pb::Service& service) {
    const auto& ports = service.spec().endpoint().ports();
    return std::any_of(ports.begin(), ports.end(), [](const pb::PortConfig& port) {
        return port.publish_mode() == pb::PortConfig::INGRESS;
    });
}

/// "task ID", or what stands behind one that is no service's.
std::string user_text(const Store& store, const pb::Task& task) {
    if (!task.spec().has_attachment()) { return "task " + task.id(); }
    constexpr std::size_t short_id = 12;
    const auto node = store.get<pb::Node>(task.node_id());
    return "container " + task.spec().attachment().container_id().substr(0, short_id) +
           " on node " + (node ? node_name(*node) : task.node_id());
}

Result<void> check_unused(const Store& store, const pb::Network& network) {
    for (const auto& [id, service] : store.all<pb::Service>()) {
        const auto& name = service->spec().annotations().name();
        if (network.spec().ingress() && needs_ingress(*service)) {
            return invalid("ingress network cannot be removed because service " + name +
                           " depends on it");
        }
        if (uses(service->spec(), network.id())) {
            return invalid("network " + network.id() + " is in use by service " + name);
        }
    }
    for (const auto& [id, task] : store.all<pb::Task>()) {
        const bool stopping = task->desired_state() > pb::COMPLETE;
        if (!stopping && !is_terminal(task->status().state()) && is_on(*task, network.id())) {
            return invalid("network " + network.id() + " is in use by " + user_text(store, *task));
        }
    }
    return ok();
}

} // namespace

bool is_predefined(const pb::Network& network) {
    return network.spec().annotations().labels().contains(std::string(predefined_label));
}

Result<NetworkPtr> create_network(Tx& tx, pb::NetworkSpec spec) {
    TRY(check_spec(tx.store(), spec));
    const auto& name = spec.annotations().name();
    if (tx.store().by_name<pb::Network>(name)) {
        return conflict("network with name " + name + " already exists");
    }
    TRY(check_network(tx.store(), spec)); // what the allocator could not give is said at once
    pb::Network network;
    network.set_id(tx.make_id());
    spec.mutable_driver_config()->set_name("overlay");
    *network.mutable_spec() = std::move(spec);
    return tx.put(std::move(network));
}

Result<void> remove_network(Tx& tx, const std::string& id) {
    const auto network = tx.store().get<pb::Network>(id);
    if (!network) { return Error{Errc::NotFound, "network " + id + " not found"}; }
    if (is_predefined(*network)) {
        return Error{Errc::Forbidden, network->spec().annotations().name() +
                                          " is a pre-defined network and cannot be removed"};
    }
    TRY(check_unused(tx.store(), *network));
    tx.erase<pb::Network>(id);
    return ok();
}

} // namespace shoal::swarm
