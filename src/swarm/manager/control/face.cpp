#include "swarm/manager/control/face.h"

namespace shoal::swarm {

std::string_view name_of(LocalState state) {
    switch (state) {
    case LocalState::Inactive:
        return "inactive";
    case LocalState::Pending:
        return "pending";
    case LocalState::Active:
        return "active";
    case LocalState::Error:
        return "error";
    case LocalState::Locked:
        return "locked";
    }
    return "error";
}

} // namespace shoal::swarm
