// GuardKeeper: keeps strangers' VXLAN packets off this node (network/vxlan_guard.h). It is there
// before the first link of a network that could take one. It belongs to the OverlayKeeper.
#pragma once

#include "engine/networks_impl.h"
#include "network/kept_table.h"
#include "network/vxlan_guard.h"

namespace shoal::engine {

class GuardKeeper {
  public:
    explicit GuardKeeper(Networks::Impl& networks);

    /// None: it goes. The first after a start may come before the managers have told of any node:
    /// then the guard of the life before is the better one.
    enum class Senders { Known, Unknown };
    net::Task<Result<void>> sync(std::optional<network::VxlanGuard> wanted, Senders senders);
    /// How many tables had to be: one or none.
    net::Task<Result<std::size_t>> repair();

    const std::string& table() const { return table_->name(); }

  private:
    Networks::Impl& networks_;
    std::shared_ptr<network::KeptTable> table_;
    net::Lock turn_;
    bool written_ = false; ///< in this life
    std::optional<network::VxlanGuard> applied_;
};

} // namespace shoal::engine
