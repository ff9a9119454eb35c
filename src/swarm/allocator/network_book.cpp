#include "swarm/allocator/network_book.h"

#include "base/text.h"
#include "network/ipam.h"

#include <algorithm>
#include <array>

namespace shoal::swarm {

using network::Family;
using network::Ip;
using network::Subnet;

namespace {

const std::string holder_gateway = "gateway";
const std::string holder_reserved = "reserved";

Error no_address(const std::string& network_name) {
    return {Errc::Exhausted, "could not find an available IP in network " + network_name};
}

bool overlaps_any(const Subnet& subnet, const std::vector<Subnet>& others) {
    return std::any_of(others.begin(), others.end(),
                       [&subnet](const Subnet& other) { return subnet.overlaps(other); });
}

/// The first subnet of this size inside `pool` that meets none of `used`, which are in order.
std::optional<Subnet> first_free(const Subnet& pool, int bits, const std::vector<Subnet>& used) {
    if (bits < pool.bits()) { return std::nullopt; }
    Subnet candidate(pool.base(), bits);
    for (const Subnet& other : used) {
        if (other.family() != pool.family() || other.last() < candidate.first()) { continue; }
        if (other.first() > candidate.last()) { break; }
        const Ip next = std::max(other.last(), candidate.last()).plus(1);
        candidate = Subnet(next, bits);
        if (candidate.first() != next) { candidate = Subnet(candidate.last().plus(1), bits); }
        if (!pool.contains(candidate)) { return std::nullopt; }
    }
    return pool.contains(candidate) ? std::optional(candidate) : std::nullopt;
}

Result<std::vector<std::uint32_t>> read_vnis(const std::string& text) {
    std::vector<std::uint32_t> vnis;
    if (text.empty()) { return vnis; }
    for (const auto& part : split(text, ',')) {
        const auto number = parse_number<std::uint32_t>(trim(part));
        if (!number || *number == 0 || *number > vni_last) {
            return invalid("invalid vxlan id value \"" + part + "\"");
        }
        vnis.push_back(*number);
    }
    return vnis;
}

std::string vnis_of(const pb::Driver& driver) {
    const auto found = driver.options().find(std::string(vni_option));
    return found == driver.options().end() ? "" : found->second;
}

void set_family(pb::IPAMConfig& config, Family family) {
    config.set_family(family == Family::V4 ? pb::IPAMConfig::IPV4 : pb::IPAMConfig::IPV6);
}

Result<Subnet> asked_subnet(const pb::IPAMConfig& config, const std::vector<Subnet>& used) {
    const auto subnet = Subnet::parse(config.subnet());
    if (!subnet) { return invalid("invalid subnet " + config.subnet()); }
    if (overlaps_any(*subnet, used)) {
        return conflict("subnet " + subnet->text() + " overlaps one of another network");
    }
    return *subnet;
}

Result<Subnet> automatic_subnet(Family family, const SubnetPlan& from,
                                const std::vector<Subnet>& used) {
    constexpr int v6_bits = 64;
    if (family == Family::V6) {
        if (const auto subnet = first_free(from.ula, v6_bits, used)) { return *subnet; }
    } else {
        for (const Subnet& pool : from.pools) {
            if (const auto subnet = first_free(pool, from.bits, used)) { return *subnet; }
        }
    }
    return Error{Errc::Exhausted, "no subnet is left in the cluster's address pools"};
}

/// Gateway and reserved addresses must lie in the subnet; the gateway is the first free one.
Result<void> complete(pb::IPAMConfig& config, const Subnet& subnet) {
    config.set_subnet(subnet.text());
    set_family(config, subnet.family());
    Subnet range;
    if (!config.range().empty()) {
        const auto parsed = Subnet::parse(config.range());
        if (!parsed || !subnet.contains(*parsed)) {
            return invalid("range " + config.range() + " is not within subnet " + subnet.text());
        }
        range = *parsed;
    }
    AddressPool pool(subnet, {});
    for (const auto& [name, text] : config.reserved()) {
        const auto ip = Ip::parse(text);
        if (!ip || !subnet.contains(*ip)) {
            return invalid("reserved address " + text + " is not within subnet " + subnet.text());
        }
        pool.hold(*ip, holder_reserved);
    }
    if (config.gateway().empty()) {
        const Ip gateway = pool.take(holder_gateway);
        if (!gateway) { return invalid("subnet " + subnet.text() + " is too small"); }
        config.set_gateway(gateway.text());
        return ok();
    }
    const auto gateway = Ip::parse(config.gateway());
    if (!gateway || !subnet.contains(*gateway)) {
        return invalid("gateway " + config.gateway() + " is not within subnet " + subnet.text());
    }
    return ok();
}

} // namespace

std::string_view driver_of(const pb::NetworkSpec& spec) {
    const auto& name = spec.driver_config().name();
    return name.empty() ? std::string_view("overlay") : std::string_view(name);
}

bool is_node_local(std::string_view driver) {
    constexpr std::array<std::string_view, 4> local{"bridge", "host", "ipvlan", "macvlan"};
    return std::find(local.begin(), local.end(), driver) != local.end();
}

std::optional<Ip> ip_of_cidr(std::string_view text) { return Ip::parse(cut(text, '/').first); }

SubnetPlan subnet_plan_of(const pb::Cluster* cluster) {
    SubnetPlan plan;
    if (cluster) {
        for (const auto& text : cluster->defaultaddresspool()) {
            if (const auto pool = Subnet::parse(text)) { plan.pools.push_back(*pool); }
        }
        if (cluster->subnetsize() > 0) { plan.bits = static_cast<int>(cluster->subnetsize()); }
    }
    if (plan.pools.empty()) { plan.pools.emplace_back(Ip::v4(10u << 24), 8); }
    plan.ula = network::ula_of(cluster ? cluster->id() : "");
    return plan;
}

std::vector<Subnet> NetworkBook::subnets() const {
    std::vector<Subnet> all;
    for (const auto& [id, book] : books_) {
        for (const auto& pool : book.pools) { all.push_back(pool.subnet()); }
    }
    std::sort(all.begin(), all.end());
    return all;
}

void NetworkBook::see(const pb::Network& network) {
    if (!is_overlay(network)) { return forget(network.id()); }
    const auto ipam = stable_bytes(network.ipam());
    const auto found = books_.find(network.id());
    if (found != books_.end() && found->second.ipam == ipam) { return; }
    forget(network.id());
    Book& book = books_[network.id()];
    book.ipam = ipam;
    book.name = name_of(network);
    if (const auto vnis = read_vnis(vnis_of(network.driver_state()))) {
        book.vnis.insert(vnis->begin(), vnis->end());
        vnis_.insert(book.vnis.begin(), book.vnis.end());
        if (!vnis->empty()) { last_vni_ = std::max(last_vni_, vnis->back()); }
    }
    for (const auto& config : network.ipam().configs()) {
        const auto subnet = Subnet::parse(config.subnet());
        if (!subnet) { continue; }
        auto& pool =
            book.pools.emplace_back(*subnet, Subnet::parse(config.range()).value_or(Subnet()));
        if (const auto gateway = Ip::parse(config.gateway())) {
            pool.hold(*gateway, holder_gateway);
        }
        for (const auto& [name, text] : config.reserved()) {
            if (const auto ip = Ip::parse(text)) { pool.hold(*ip, holder_reserved); }
        }
    }
}

void NetworkBook::forget(const std::string& network_id) {
    const auto found = books_.find(network_id);
    if (found == books_.end()) { return; }
    for (const auto vni : found->second.vnis) { vnis_.erase(vnis_.find(vni)); }
    books_.erase(found);
}

Result<void> NetworkBook::plan(pb::Network& network, const SubnetPlan& from) const {
    const auto driver = driver_of(network.spec());
    const auto& ipam_driver = network.spec().ipam().driver().name();
    if (!ipam_driver.empty() && ipam_driver != "default") {
        return unsupported("IPAM driver " + ipam_driver + " is not supported in a cluster");
    }
    if (!is_node_local(driver) && driver != "overlay") {
        return unsupported("network driver " + std::string(driver) +
                           " is not supported in a cluster");
    }
    auto& state = *network.mutable_driver_state();
    state.set_name(std::string(driver));
    *state.mutable_options() = network.spec().driver_config().options();
    *network.mutable_ipam() = {};
    network.mutable_ipam()->mutable_driver()->set_name("default"); // stock engines look at it
    *network.mutable_ipam()->mutable_driver()->mutable_options() =
        network.spec().ipam().driver().options();
    if (is_node_local(driver)) { return ok(); }
    TRY(plan_subnets(network, from));
    return plan_vnis(network);
}

Result<void> NetworkBook::plan_subnets(pb::Network& network, const SubnetPlan& from) const {
    auto& configs = *network.mutable_ipam()->mutable_configs();
    configs = network.spec().ipam().configs();
    const auto has = [&configs](Family family) {
        return std::any_of(configs.begin(), configs.end(), [family](const pb::IPAMConfig& config) {
            const auto subnet = Subnet::parse(config.subnet());
            const bool v6 =
                subnet ? subnet->family() == Family::V6 : config.family() == pb::IPAMConfig::IPV6;
            return v6 == (family == Family::V6);
        });
    };
    for (const Family family : {Family::V4, Family::V6}) {
        const bool wanted = family == Family::V4 || network.spec().ipv6_enabled();
        if (wanted && !has(family)) { set_family(*configs.Add(), family); }
    }
    auto used = subnets();
    for (auto& config : configs) {
        const auto family = config.family() == pb::IPAMConfig::IPV6 ? Family::V6 : Family::V4;
        auto subnet = config.subnet().empty() ? automatic_subnet(family, from, used)
                                              : asked_subnet(config, used);
        if (!subnet) { return std::move(subnet).error(); }
        TRY(complete(config, *subnet));
        used.insert(std::upper_bound(used.begin(), used.end(), *subnet), *subnet);
    }
    return ok();
}

Result<void> NetworkBook::plan_vnis(pb::Network& network) const {
    auto& options = *network.mutable_driver_state()->mutable_options();
    TRY_LET(vnis, read_vnis(vnis_of(network.driver_state())));
    std::set<std::uint32_t> taken;
    for (const auto vni : vnis) {
        if (vnis_.contains(vni) || !taken.insert(vni).second) {
            return conflict("vxlan id " + std::to_string(vni) + " is already in use");
        }
    }
    auto next = std::max(vni_first, last_vni_ + 1); // one that was given back rests
    while (vnis.size() < static_cast<std::size_t>(network.ipam().configs_size())) {
        if (next > vni_last) { next = vni_first; }
        while (next <= vni_last && (vnis_.contains(next) || taken.contains(next))) { ++next; }
        if (next > vni_last) { return Error{Errc::Exhausted, "no vxlan id is left"}; }
        taken.insert(next);
        vnis.push_back(next++);
    }
    std::vector<std::string> texts;
    for (const auto vni : vnis) { texts.push_back(std::to_string(vni)); }
    options[std::string(vni_option)] = join(texts, ",");
    return ok();
}

Result<std::vector<std::string>> NetworkBook::take(const std::string& network_id,
                                                   const std::string& holder,
                                                   const std::set<Family>& has) {
    std::vector<std::string> taken;
    const auto book = books_.find(network_id);
    if (book == books_.end() || book->second.pools.empty()) {
        return no_address(name_of_network(network_id));
    }
    std::set<Family> missing;
    for (const auto& pool : book->second.pools) {
        if (!has.contains(pool.subnet().family())) { missing.insert(pool.subnet().family()); }
    }
    for (auto& pool : book->second.pools) {
        if (!missing.contains(pool.subnet().family())) { continue; }
        const Ip ip = pool.take(holder);
        if (!ip) { continue; }
        taken.push_back(network::cidr_text(ip, pool.subnet().bits()));
        missing.erase(pool.subnet().family());
    }
    if (missing.empty()) { return taken; }
    for (const auto& text : taken) { release({network_id, *ip_of_cidr(text)}, holder); }
    return no_address(name_of_network(network_id));
}

Result<std::string> NetworkBook::take_this(const std::string& network_id, std::string_view text,
                                           const std::string& holder) {
    const auto ip = ip_of_cidr(text);
    if (!ip) { return invalid("invalid address " + std::string(text)); }
    AddressPool* pool = pool_of({network_id, *ip});
    if (!pool) {
        return invalid("address " + ip->text() + " is in no subnet of network " +
                       name_of_network(network_id));
    }
    if (!pool->is_free(*ip)) {
        return conflict("address " + ip->text() + " is already in use in network " +
                        name_of_network(network_id));
    }
    pool->hold(*ip, holder);
    return network::cidr_text(*ip, pool->subnet().bits());
}

const std::string& NetworkBook::name_of_network(const std::string& network_id) const {
    const auto book = books_.find(network_id);
    return book == books_.end() ? network_id : book->second.name;
}

AddressPool* NetworkBook::pool_of(const HeldAddress& address) {
    const auto book = books_.find(address.network_id);
    if (book == books_.end()) { return nullptr; }
    for (auto& pool : book->second.pools) {
        if (pool.subnet().contains(address.ip)) { return &pool; }
    }
    return nullptr;
}

void NetworkBook::hold(const HeldAddress& address, const std::string& holder) {
    if (AddressPool* pool = pool_of(address)) { pool->hold(address.ip, holder); }
}

void NetworkBook::release(const HeldAddress& address, const std::string& holder) {
    if (AddressPool* pool = pool_of(address)) { pool->release(address.ip, holder); }
}

void NetworkBook::set_last(const HeldAddress& address) {
    if (AddressPool* pool = pool_of(address)) { pool->set_last(address.ip); }
}

} // namespace shoal::swarm
