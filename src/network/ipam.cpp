#include "network/ipam.h"

#include "base/text.h"

#include <algorithm>

namespace shoal::network {
namespace {

/// Gathers the faults of one pool in Docker's words.
class Check {
  public:
    void fault(std::string text) { faults_.push_back(std::move(text)); }
    std::optional<Subnet> block(const std::string& what, const std::string& text) {
        const auto subnet = Subnet::parse(text);
        if (!subnet) {
            fault("invalid " + what + " " + text + ": invalid CIDR block notation");
        } else if (what == "subnet" && subnet->text() != text &&
                   Ip::parse(cut(text, '/').first) != subnet->base()) {
            fault("invalid " + what + " " + text + ": it should be " + subnet->text());
        }
        return subnet;
    }
    void member(const std::string& what, const std::string& text, const Subnet& subnet) {
        const auto ip = Ip::parse(text);
        if (!ip) { return fault("invalid " + what + " " + text + ": invalid address"); }
        if (!subnet.contains(*ip)) {
            return fault("invalid " + what + " " + text + ": parent subnet " + subnet.text() +
                         " doesn't contain this address");
        }
        const bool wide = subnet.base().width() - subnet.bits() >= 2;
        if (wide && *ip == subnet.first() && ip->is_v4()) {
            fault("invalid " + what + " " + text +
                  ": this is the network address of the parent subnet " + subnet.text());
        }
        if (wide && *ip == subnet.last() && ip->is_v4()) {
            fault("invalid " + what + " " + text +
                  ": this is the broadcast address of the parent subnet " + subnet.text());
        }
    }
    Result<void> result() const {
        if (faults_.empty()) { return ok(); }
        return invalid("invalid network config:\n" + join(faults_, "\n"));
    }

  private:
    std::vector<std::string> faults_;
};

void check_range(Check& check, const Pool& pool, const Subnet& subnet) {
    if (pool.ip_range.empty()) { return; }
    const auto range = check.block("ip-range", pool.ip_range);
    if (!range) { return; }
    if (range->bits() < subnet.bits() && range->family() == subnet.family()) {
        check.fault("invalid ip-range " + pool.ip_range +
                    ": CIDR block is bigger than its parent subnet " + subnet.text());
    } else if (!subnet.contains(*range)) {
        check.fault("invalid ip-range " + pool.ip_range + ": parent subnet " + subnet.text() +
                    " doesn't contain ip-range");
    }
}

void check_pool(Check& check, const Pool& pool, bool enable_ipv6) {
    if (pool.subnet.empty()) {
        if (!pool.gateway.empty()) {
            check.fault("no matching subnet for gateway " + pool.gateway);
        }
        if (!pool.ip_range.empty()) {
            check.fault("no matching subnet for range " + pool.ip_range);
        }
        if (!pool.aux.empty()) {
            check.fault("no matching subnet for aux-address " + pool.aux.begin()->second);
        }
        return;
    }
    const auto subnet = check.block("subnet", pool.subnet);
    if (!subnet) { return; }
    if (subnet->family() == Family::V6 && !enable_ipv6) {
        check.fault("invalid subnet " + pool.subnet +
                    ": IPv6 has not been enabled for this network");
    }
    check_range(check, pool, *subnet);
    if (!pool.gateway.empty()) { check.member("gateway", pool.gateway, *subnet); }
    for (const auto& [name, address] : pool.aux) {
        check.member("auxiliary address", address, *subnet);
    }
}

bool meets_any(const Subnet& subnet, const std::vector<Subnet>& others) {
    return std::any_of(others.begin(), others.end(),
                       [&](const Subnet& other) { return other.overlaps(subnet); });
}

Subnet nth(const Subnet& base, int size, std::uint64_t index) {
    const auto step = Ip::Number{1} << (base.base().width() - size);
    return Subnet(Ip::from_number(base.family(), base.base().number() + step * index), size);
}

constexpr std::uint64_t subnets_tried_max = 1 << 16;

std::optional<Subnet> free_in(const AddressPool& pool, const std::vector<Subnet>& taken,
                              const std::vector<Subnet>& avoid) {
    const int spread = pool.size - pool.base.bits();
    if (spread < 0) { return std::nullopt; }
    const std::uint64_t count = spread >= 16 ? subnets_tried_max : std::uint64_t{1} << spread;
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto subnet = nth(pool.base, pool.size, i);
        if (!meets_any(subnet, taken) && !meets_any(subnet, avoid)) { return subnet; }
    }
    return std::nullopt;
}

Result<Subnet> automatic(Family family, const AddressPlan& plan, const std::vector<Subnet>& taken) {
    bool any = false;
    for (const auto& pool : plan.pools) {
        if (pool.base.family() != family) { continue; }
        any = true;
        if (const auto subnet = free_in(pool, taken, plan.avoid)) { return *subnet; }
    }
    if (!any && family == Family::V6 && !plan.ula.empty()) {
        if (const auto subnet = free_in({plan.ula, 64}, taken, plan.avoid)) { return *subnet; }
    }
    return invalid("all predefined address pools have been fully subnetted");
}

Ip first_free(const Subnet& subnet, const Pool& pool) {
    std::set<Ip> aux;
    for (const auto& [name, text] : pool.aux) {
        if (const auto ip = Ip::parse(text)) { aux.insert(*ip); }
    }
    Ip ip = subnet.base().width() - subnet.bits() >= 2 ? subnet.first().plus(1) : subnet.first();
    while (aux.contains(ip)) { ip = ip.plus(1); }
    return ip;
}

bool needs_gateway(const Definition& network, Family family) {
    if (network.driver == "ipvlan" || network.driver == "macvlan") { return !network.internal; }
    const auto mode =
        network.options.find(family == Family::V4 ? "com.docker.network.bridge.gateway_mode_ipv4"
                                                  : "com.docker.network.bridge.gateway_mode_ipv6");
    return mode == network.options.end() || mode->second != "isolated";
}

} // namespace

std::vector<AddressPool> docker_address_pools() {
    std::vector<AddressPool> pools;
    for (std::uint32_t second = 17; second <= 31; ++second) {
        pools.push_back({Subnet(Ip::v4(172u << 24 | second << 16), 16), 16});
    }
    pools.push_back({Subnet(Ip::v4(192u << 24 | 168u << 16), 16), 20});
    return pools;
}

Result<void> check_pools(const std::vector<Pool>& pools, bool enable_ipv6) {
    Check check;
    for (const auto& pool : pools) { check_pool(check, pool, enable_ipv6); }
    return check.result();
}

Result<std::vector<Pool>> plan_pools(std::vector<Pool> wished, const Definition& network,
                                     const AddressPlan& plan) {
    auto taken = plan.networks;
    bool has_v4 = false, has_v6 = false;
    std::erase_if(wished, [](const Pool& pool) { return pool.subnet.empty(); });
    for (const auto& pool : wished) {
        const auto subnet = Subnet::parse(pool.subnet);
        if (!subnet) { return invalid("invalid subnet " + pool.subnet); }
        if (meets_any(*subnet, taken)) {
            return Error{
                Errc::Forbidden,
                "invalid pool request: Pool overlaps with other one on this address space"};
        }
        taken.push_back(*subnet);
        (subnet->family() == Family::V4 ? has_v4 : has_v6) = true;
    }
    const auto add = [&](Family family) -> Result<void> {
        TRY_LET(subnet, automatic(family, plan, taken));
        taken.push_back(subnet);
        wished.push_back({.subnet = subnet.text()});
        return ok();
    };
    if (network.enable_ipv4 && !has_v4) { TRY(add(Family::V4)); }
    if (network.enable_ipv6 && !has_v6) { TRY(add(Family::V6)); }
    for (auto& pool : wished) {
        const auto subnet = *Subnet::parse(pool.subnet);
        if (pool.gateway.empty() && needs_gateway(network, subnet.family())) {
            pool.gateway = first_free(subnet, pool).text();
        }
    }
    return wished;
}

Subnet ula_of(std::string_view node) {
    std::uint64_t hash = 1469598103934665603u; // FNV-1a: spread, not secrecy
    for (const char c : node) { hash = (hash ^ static_cast<std::uint8_t>(c)) * 1099511628211u; }
    const Ip::Number top = Ip::Number{0xfd} << 40 | (hash & 0xffffffffffu);
    return Subnet(Ip::from_number(Family::V6, top << 80), 48);
}

Addresses::Addresses(const std::vector<Pool>& pools) {
    for (const auto& pool : pools) {
        const auto subnet = Subnet::parse(pool.subnet);
        if (!subnet) { continue; }
        const auto range = Subnet::parse(pool.ip_range).value_or(*subnet);
        const bool wide = subnet->base().width() - subnet->bits() >= 2;
        if (wide) { used_.insert(subnet->first()); }
        if (wide && subnet->family() == Family::V4) { used_.insert(subnet->last()); }
        const auto gateway = Ip::parse(pool.gateway).value_or(Ip{});
        if (gateway) { used_.insert(gateway); }
        for (const auto& [name, text] : pool.aux) {
            if (const auto ip = Ip::parse(text)) { used_.insert(*ip); }
        }
        ranges_.push_back({*subnet, range.first(), range.last(), gateway, range.first()});
    }
}

bool Addresses::has(Family family) const {
    return std::any_of(ranges_.begin(), ranges_.end(),
                       [&](const Range& r) { return r.subnet.family() == family; });
}

Result<Ip> Addresses::allocate(Family family) {
    for (auto& range : ranges_) {
        if (range.subnet.family() != family) { continue; }
        while (range.next <= range.last && used_.contains(range.next)) {
            if (range.next == range.last) { break; }
            range.next = range.next.plus(1);
        }
        if (!used_.contains(range.next)) {
            used_.insert(range.next);
            return range.next;
        }
    }
    return Error{Errc::Exhausted, std::string("no available ") +
                                      (family == Family::V4 ? "IPv4" : "IPv6") +
                                      " addresses on this network's address pools"};
}

Result<void> Addresses::reserve(Ip ip) {
    if (!contains(ip)) { return invalid("no configured subnet contains IP address " + ip.text()); }
    if (!used_.insert(ip).second) { return Error{Errc::Forbidden, "Address already in use"}; }
    return ok();
}

void Addresses::release(Ip ip) {
    for (auto& range : ranges_) {
        if (ip == range.gateway) { return; }
        if (range.first <= ip && ip <= range.last && ip < range.next) { range.next = ip; }
    }
    used_.erase(ip);
}

bool Addresses::contains(Ip ip) const {
    return std::any_of(ranges_.begin(), ranges_.end(),
                       [&](const Range& r) { return r.subnet.contains(ip); });
}
int Addresses::bits_of(Ip ip) const {
    for (const auto& range : ranges_) {
        if (range.subnet.contains(ip)) { return range.subnet.bits(); }
    }
    return ip.width();
}
Ip Addresses::gateway_of(Ip ip) const {
    for (const auto& range : ranges_) {
        if (range.subnet.contains(ip)) { return range.gateway; }
    }
    return {};
}

} // namespace shoal::network
