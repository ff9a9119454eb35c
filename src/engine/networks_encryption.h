// EncryptionKeeper: which networks of the cluster are encrypted on this node, and with what
// (network/encryption.h). A network is here before its VXLAN link exists, so that nothing of it
// ever leaves clear; a kernel that cannot encrypt never gets so far. It belongs to the
// OverlayKeeper.
#pragma once

#include "engine/networks_impl.h"
#include "engine/overlay_book.h"
#include "network/encryption.h"

namespace shoal::engine {

bool is_encrypted(const network::Definition& definition, const OverlayNetwork* item);

class EncryptionKeeper {
  public:
    EncryptionKeeper(Networks::Impl& networks, const OverlayBook& book);

    /// Looks once at what the kernel can do.
    net::Task<void> look();
    /// Fails: Unsupported, with the network's name. Before look(): as if it could not.
    Result<void> check(const network::Definition& definition, const OverlayNetwork* item) const;
    /// From now on its packets are encrypted.
    net::Task<Result<void>> add(const OverlaySelf& self, std::uint32_t vni);
    net::Task<Result<void>> remove(const OverlaySelf& self, std::uint32_t vni);
    /// Nodes or keys are others, perhaps.
    net::Task<Result<void>> sync(const OverlaySelf& self);
    net::Task<Result<void>> clear();
    /// How many tables had to be: one or none.
    net::Task<Result<std::size_t>> repair();

    const std::string& table() const { return table_->name(); }

  private:
    net::Task<Result<void>> bring_in_line(network::EncryptionState wanted);

    Networks::Impl& networks_;
    const OverlayBook& book_;
    std::shared_ptr<network::KeptTable> table_;
    net::Lock turn_;
    std::optional<Result<void>> able_;
    std::set<std::uint32_t> vnis_;
    network::EncryptionState applied_;
};

} // namespace shoal::engine
