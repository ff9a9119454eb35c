// NodeNumbers: the numbers of the cluster's nodes in addresses and marks of the data path. Numbers
// are given in turn, so that one whose node is gone rests for as long as possible.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

namespace shoal::swarm {

inline constexpr std::uint32_t node_number_max = 65535;

class NodeNumbers {
  public:
    /// What the node has from now on; 0: none.
    void set(const std::string& node_id, std::uint32_t number);
    /// Another node has it too.
    bool is_shared(std::uint32_t number) const;
    /// The next one that is free, from the one that was given last; 0 when none is left.
    std::uint32_t next() const;
    /// The one that was given last of those that the store had when it was read.
    void set_last(std::uint32_t number) { last_ = number; }

  private:
    std::map<std::string, std::uint32_t, std::less<>> of_node_;
    std::map<std::uint32_t, std::set<std::string>> nodes_;
    std::uint32_t last_ = 0;
};

} // namespace shoal::swarm
