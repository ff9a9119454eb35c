// Counters of rare situations that the simulations are meant to reach: a run that never meets them
// has tested less than it seems.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace shoal::sim {

/// By their sentence. Of this process.
std::map<std::string, std::uint64_t>& probes();
/// All of them, so that those never reached are known.
void declare_probes();

inline void sometimes(const char* what, bool happened = true) {
    probes()[what] += happened ? 1 : 0;
}

} // namespace shoal::sim
