// Names of the calls between managers, and of those that nodes make for containers of their own.
#pragma once

namespace shoal::swarm {

inline constexpr auto method_join = "/shoal.swarm.v1.Managers/JoinStore";
inline constexpr auto method_promote = "/shoal.swarm.v1.Managers/PromoteMember";
inline constexpr auto method_tunnel = "/shoal.swarm.v1.Managers/Tunnel";

inline constexpr auto method_attach_network = "/docker.swarmkit.v1.ResourceAllocator/AttachNetwork";
inline constexpr auto method_detach_network = "/docker.swarmkit.v1.ResourceAllocator/DetachNetwork";
inline constexpr auto method_find_network = "/shoal.swarm.v1.Networks/Find";

} // namespace shoal::swarm
