#include "registry/server/failures.h"

#include "base/text.h"

#include <algorithm>
#include <arpa/inet.h>

namespace shoal::registry {

int Failures::count(const std::string& key, Instant now) {
    const auto found = seen_.find(key);
    if (found == seen_.end()) { return 0; }
    auto& times = found->second;
    while (!times.empty() && now - times.front() >= window_) { times.erase(times.begin()); }
    if (times.empty()) {
        seen_.erase(found);
        return 0;
    }
    return static_cast<int>(times.size());
}

void Failures::note(const std::string& key, Instant now) {
    if (seen_.size() >= keys_max && !seen_.contains(key)) {
        std::erase_if(seen_, [&](const auto& one) { return now - one.second.back() >= window_; });
        if (seen_.size() >= keys_max) { seen_.erase(seen_.begin()); }
    }
    auto& times = seen_[key];
    times.push_back(now);
    if (times.size() > static_cast<std::size_t>(max_)) { times.erase(times.begin()); }
}

namespace {

constexpr std::size_t place_bytes_max = 64;

std::string key_of(const std::string& name, const std::string& place) { return place + ' ' + name; }

/// "::1" of "[::1]:80" and "[::1]", "192.0.2.1" of "192.0.2.1:80".
std::string without_port(std::string_view peer) {
    if (peer.starts_with('[')) { return std::string(peer.substr(1, peer.find(']') - 1)); }
    const bool one_colon = std::count(peer.begin(), peer.end(), ':') == 1;
    return std::string(one_colon ? peer.substr(0, peer.find(':')) : peer);
}

} // namespace

std::string place_of(std::string_view peer) {
    const std::string text = cut(without_port(peer), '%').first;
    in6_addr address{};
    if (::inet_pton(AF_INET6, text.c_str(), &address) != 1) {
        return text.substr(0, place_bytes_max);
    }
    const auto* bytes = address.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        char v4[INET_ADDRSTRLEN] = {};
        return ::inet_ntop(AF_INET, bytes + 12, v4, sizeof v4);
    }
    return to_hex({bytes, 8}) + "/64";
}

std::string network_of(const std::string& place) {
    constexpr std::size_t digits = 16; // of a /64
    if (place.size() != digits + 3 || !place.ends_with("/64")) { return place; }
    return place.substr(0, 12) + "/48";
}

bool FailedLogins::blocked(const std::string& name, const std::string& place, Instant now) {
    return both_.blocked(key_of(name, place), now) || place_.blocked(place, now) ||
           network_.blocked(key_of(name, network_of(place)), now) || name_.blocked(name, now);
}

void FailedLogins::note(const std::string& name, const std::string& place, Instant now) {
    both_.note(key_of(name, place), now);
    place_.note(place, now);
    const std::string network = key_of(name, network_of(place));
    if (network_.count(network, now) < few_) { name_.note(name, now); }
    network_.note(network, now);
}

void FailedLogins::clear(const std::string& name, const std::string& place) {
    both_.clear(key_of(name, place));
}

} // namespace shoal::registry
