// Counts failed log-ins, so that passwords cannot be tried without end, and yet nobody can lock
// somebody else out by a few wrong ones. Pure, with a bound on what it remembers.
#pragma once

#include "base/clock.h"

#include <map>
#include <string>
#include <vector>

namespace shoal::registry {

class Failures {
  public:
    Failures(int failures_max, std::chrono::seconds window) : max_(failures_max), window_(window) {}
    /// Failures of the last `window`, at most `failures_max`.
    int count(const std::string& key, Instant now);
    bool blocked(const std::string& key, Instant now) { return count(key, now) >= max_; }
    void note(const std::string& key, Instant now);
    void clear(const std::string& key) { seen_.erase(key); }
    std::size_t size() const { return seen_.size(); }
    static constexpr std::size_t keys_max = 100'000;

  private:
    int max_;
    std::chrono::seconds window_;
    std::map<std::string, std::vector<Instant>> seen_;
};

/// What counts as one place: an IPv4 address, or the /64 of an IPv6 one, which is one customer.
/// Takes ports and brackets; other text is itself.
std::string place_of(std::string_view peer);

/// The network that a place belongs to: the /48 of an IPv6 one, as large as what one customer may
/// have; other places are their own.
std::string network_of(const std::string& place);

/// `few` for one name from one place; more for all names from one place, and for one name from one
/// network; many more for one name from everywhere, which only a crowd of machines reaches: of one
/// network no more than `few` count there.
class FailedLogins {
  public:
    static constexpr int by_place_factor = 10;
    static constexpr int by_name_factor = 20;
    FailedLogins(int few, std::chrono::seconds window)
        : few_(few), both_(few, window), place_(few * by_place_factor, window),
          network_(few * by_place_factor, window), name_(few * by_name_factor, window) {}
    bool blocked(const std::string& name, const std::string& place, Instant now);
    void note(const std::string& name, const std::string& place, Instant now);
    void clear(const std::string& name, const std::string& place);

  private:
    int few_;
    Failures both_;
    Failures place_;
    Failures network_; ///< by name and network
    Failures name_;
};

} // namespace shoal::registry
