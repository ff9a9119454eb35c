// Names of the calls between managers.
#pragma once

namespace shoal::swarm {

inline constexpr auto method_join = "/shoal.swarm.v1.Managers/JoinStore";
inline constexpr auto method_promote = "/shoal.swarm.v1.Managers/PromoteMember";
inline constexpr auto method_tunnel = "/shoal.swarm.v1.Managers/Tunnel";

} // namespace shoal::swarm
