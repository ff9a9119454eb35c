// KeptTable: a table of nftables in the host's namespace that is written as a whole, and again when
// it is not any more what was written: others flush rules without asking whose they are. What is in
// it is its owner's business. Blocking; not for two threads at once.
#pragma once

#include "base/result.h"
#include "network/address.h"

#include <set>
#include <string>

namespace shoal::network {

class KeptTable {
  public:
    explicit KeptTable(std::string name) : name_(std::move(name)) {}

    const std::string& name() const { return name_; }
    /// The whole table: sets, maps and chains. "": it is deleted.
    Result<void> write(const std::string& body);
    /// Leaves one of a life before as it is.
    Result<void> write_if_absent(const std::string& body);
    /// 1: it was not as it was written, and is now; 0: it was.
    Result<std::size_t> repair();

  private:
    std::string name_, body_;
    std::string listing_; ///< as the kernel has it, with its handles: they tell what was made anew
};

/// What follows the type of a set of such addresses: " elements = { ... };", or "" for none.
std::string set_elements(const std::set<Ip>& all, Family family);

} // namespace shoal::network
