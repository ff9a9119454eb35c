// What a node remembers of its cluster beside keys and certificates: a small JSON document,
// swarm/state.json. Nothing in it is secret.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace shoal::swarm {

struct SavedMember {
    std::string node_id;
    std::string cluster_id;
    std::string listen_address; ///< host:port; the port is 2377 unless told otherwise
    std::string advertise_address;
    std::string data_path_address;
    std::uint32_t data_path_port = 0;
    std::string peer_listen_address; ///< host:port of this node's member in the log
    std::string peer_url;            ///< of this node's member in the log; "" when it has none
    std::uint32_t heartbeat_ms = 0;
    std::uint32_t election_ms = 0;
    std::uint64_t snapshot_interval = 0;
    std::vector<std::pair<std::string, std::string>> managers; ///< node id, host:port
    bool restoring = false; ///< a back-up is being written into the log, and is not whole yet
    bool empty() const { return node_id.empty(); }
};

/// Nothing saved: an empty one. Invalid: the file is not what we wrote.
Result<SavedMember> load_member(const std::string& directory);
Result<void> save_member(const std::string& directory, const SavedMember& member);
Result<void> forget_member(const std::string& directory);

} // namespace shoal::swarm
