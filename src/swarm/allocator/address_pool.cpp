#include "swarm/allocator/address_pool.h"

#include <algorithm>

namespace shoal::swarm {

using network::Family;
using network::Ip;
using network::Subnet;

AddressPool::AddressPool(Subnet subnet, Subnet range) : subnet_(subnet) {
    Number low = subnet.first().number(), high = subnet.last().number();
    if (high - low >= 2) {
        ++low;
        if (subnet.family() == Family::V4) { --high; }
    }
    free_[low] = high;
    first_ = range.empty() ? low : std::max(low, range.first().number());
    final_ = range.empty() ? high : std::min(high, range.last().number());
}

bool AddressPool::is_free(Ip ip) const {
    const auto after = free_.upper_bound(ip.number());
    return after != free_.begin() && std::prev(after)->second >= ip.number();
}

std::optional<AddressPool::Number> AddressPool::free_in(Number from, Number to) const {
    if (from > to) { return std::nullopt; }
    const auto after = free_.upper_bound(from);
    if (after != free_.begin() && std::prev(after)->second >= from) { return from; }
    if (after == free_.end() || after->first > to) { return std::nullopt; }
    return after->first;
}

Ip AddressPool::take(const std::string& holder) {
    std::optional<Number> found;
    if (last_ >= first_ && last_ < final_) { found = free_in(last_ + 1, final_); }
    if (!found) { found = free_in(first_, final_); }
    if (!found) { return {}; }
    last_ = *found;
    const Ip ip = Ip::from_number(subnet_.family(), *found);
    hold(ip, holder);
    return ip;
}

void AddressPool::hold(Ip ip, const std::string& holder) {
    if (!subnet_.contains(ip)) { return; }
    holders_[ip.number()].insert(holder);
    occupy(ip.number());
}

void AddressPool::release(Ip ip, const std::string& holder) {
    const auto found = holders_.find(ip.number());
    if (found == holders_.end() || found->second.erase(holder) == 0) { return; }
    if (!found->second.empty()) { return; }
    holders_.erase(found);
    vacate(ip.number());
}

void AddressPool::occupy(Number number) {
    const auto after = free_.upper_bound(number);
    if (after == free_.begin()) { return; }
    const auto stretch = std::prev(after);
    const auto [low, high] = *stretch;
    if (high < number) { return; }
    free_.erase(stretch);
    if (low < number) { free_[low] = number - 1; }
    if (number < high) { free_[number + 1] = high; }
}

void AddressPool::vacate(Number number) {
    const Number base = subnet_.first().number(), top = subnet_.last().number();
    const bool reserved =
        top - base >= 2 && (number == base || (number == top && subnet_.family() == Family::V4));
    if (reserved) { return; }
    Number low = number, high = number;
    const auto after = free_.upper_bound(number);
    if (after != free_.begin()) {
        const auto before = std::prev(after);
        if (before->second >= number) { return; } // it is free
        if (before->second + 1 == number) { low = before->first; }
    }
    if (after != free_.end() && after->first == number + 1) {
        high = after->second;
        free_.erase(after);
    }
    free_[low] = high;
}

} // namespace shoal::swarm
