// Names of driver options of networks that span nodes, as clients write them: managers judge and
// give them, nodes read them. What their values mean stands with those who do.
#pragma once

#include <string_view>

namespace shoal {

/// "4097,4098": the VXLAN numbers of the network's subnets.
inline constexpr std::string_view vni_option = "com.docker.network.driver.overlay.vxlanid_list";
/// Of the containers' interfaces.
inline constexpr std::string_view mtu_option = "com.docker.network.driver.mtu";

} // namespace shoal
