#include "swarm/member/member_state.h"

#include "base/codec.h"
#include "os/file.h"

namespace shoal::swarm {
namespace {

constexpr mode_t private_mode = 0600;

struct SavedManager {
    std::string id;
    std::string address;
};
template <class V> void describe(V& v, SavedManager& manager) {
    v("ID", manager.id);
    v("Address", manager.address);
}
struct Document {
    SavedMember member;
    std::vector<SavedManager> managers;
};
template <class V> void describe(V& v, Document& document) {
    auto& member = document.member;
    v("NodeID", member.node_id);
    v("ClusterID", member.cluster_id);
    v("ListenAddress", member.listen_address);
    v("AdvertiseAddress", member.advertise_address);
    v("DataPathAddress", member.data_path_address);
    v("DataPathPort", member.data_path_port);
    v("PeerListenAddress", member.peer_listen_address);
    v("PeerURL", member.peer_url);
    v("HeartbeatMilliseconds", member.heartbeat_ms);
    v("ElectionMilliseconds", member.election_ms);
    v("SnapshotInterval", member.snapshot_interval);
    v("Managers", document.managers);
    v("Restoring", member.restoring, codec::omit);
}

std::string file_in(const std::string& directory) { return directory + "/state.json"; }

} // namespace

Result<SavedMember> load_member(const std::string& directory) {
    const auto text = os::read_file(file_in(directory));
    if (!text) {
        if (text.error().code == Errc::NotFound) { return SavedMember(); }
        return text.error();
    }
    auto document = codec::parse<Document>(*text, codec::Unknown::Ignore);
    if (!document) { return std::move(document).error().with(file_in(directory)); }
    for (auto& manager : document->managers) {
        document->member.managers.emplace_back(std::move(manager.id), std::move(manager.address));
    }
    return std::move(document->member);
}

Result<void> save_member(const std::string& directory, const SavedMember& member) {
    Document document{member, {}};
    for (const auto& [id, address] : member.managers) {
        document.managers.push_back({id, address});
    }
    os::WriteFile how;
    how.mode = private_mode;
    how.sync = os::Sync::Yes;
    return os::write_file_atomic(file_in(directory), codec::print(document), how);
}

Result<void> forget_member(const std::string& directory) {
    return os::remove_file(file_in(directory));
}

} // namespace shoal::swarm
