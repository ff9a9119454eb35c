// Names of machines and addresses of their network, and the words of `scp`. Pure.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace shoal::machine {

/// A host name: letters, digits, "-" and ".", beginning and ending with a letter or a digit.
inline constexpr std::size_t name_length_max = 63;
Result<void> check_name(std::string_view name);

/// An IPv4 network "198.18.0.0/24". Machines have numbers from 1 on, which are their host parts.
class Subnet {
  public:
    static Result<Subnet> parse(std::string_view text);
    std::string text() const;
    int bits() const { return bits_; }
    /// Fails: Invalid when the number does not fit.
    Result<std::string> address(std::uint32_t number) const;
    /// Four bytes in network order.
    std::string bytes(std::uint32_t number) const;
    std::uint32_t numbers_max() const; ///< without the broadcast address
    bool operator==(const Subnet&) const = default;

  private:
    std::uint32_t base_ = 0;
    int bits_ = 0;
};
/// For benchmarks of networks by RFC 2544: nobody's containers and overlays are there.
inline constexpr std::string_view default_subnet = "198.18.0.0/24";

/// The smallest number that nobody has. Fails: Exhausted.
Result<std::uint32_t> choose_number(const Subnet& subnet, const std::set<std::uint32_t>& taken);
/// "02:42:c6:12:00:01": the same at each start, so that neighbours' tables stay right.
std::string mac_of(std::string_view address_bytes);

/// "NAME:path" or "path" of this computer. A colon behind a slash belongs to the path.
struct Place {
    std::string machine; ///< "" for this computer
    std::string path;
    bool operator==(const Place&) const = default;
};
Result<Place> parse_place(std::string_view word);

} // namespace shoal::machine
