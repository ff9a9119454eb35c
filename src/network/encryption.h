// Encrypted overlays: VXLAN packets of certain networks between this node and the others go through
// IPsec (ESP, transport mode, AES-GCM), and never go, or are taken, without. Two parts: security
// associations and policies, as commands for ip(8) in batch mode (they change with nodes and keys
// only, so speed does not matter), and a table of nftables that marks what is to be encrypted and
// drops what is clear. The texts are pure. Kernels without ESP refuse such networks (check_esp).
#pragma once

#include "network/kept_table.h"
#include "network/overlay.h"

#include <set>
#include <string>

namespace shoal::network {

struct EncryptionKey {
    std::uint64_t number = 0; ///< grows with each rotation
    std::string secret;       ///< of the cluster; the keys of each pair of nodes are made of it
    bool operator==(const EncryptionKey&) const = default;
};

struct EncryptionState {
    Ip self;
    std::uint16_t port = 4789;
    std::vector<EncryptionKey> keys; ///< the first encrypts, all are taken
    std::set<Ip> nodes;              ///< the others
    std::set<std::uint32_t> vnis;    ///< of the encrypted networks; empty: nothing is done
    bool operator==(const EncryptionState&) const = default;
};

/// The mark by which policies know packets; bits that no other rule of ours uses.
inline constexpr std::uint32_t encryption_mark = 0x00d00000;
/// Of a packet with it; ESP, its padding and its tag.
inline constexpr int encryption_overhead = 40;

/// Lines for `ip -batch -`: associations before policies when they come, after them when they go.
/// "" when nothing changes.
std::string render_xfrm(const EncryptionState& before, const EncryptionState& after);

std::string encryption_table(const std::string& instance); ///< "shoal_0_esp"
/// What is in the table; "" without networks.
std::string render_encryption(const EncryptionState& state);

/// In the namespace of the calling thread: does the kernel do what such a network needs? Fails:
/// Unsupported, with the kernel's reason.
Result<void> check_esp();
/// Both parts. On failure of the first the second is applied all the same: then nothing leaves
/// clear.
Result<void> apply_encryption(KeptTable& table, const EncryptionState& before,
                              const EncryptionState& after);

} // namespace shoal::network
