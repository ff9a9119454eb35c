#include "api/swarm_info.h"

#include "api/swarm_document.h"
#include "base/text.h"
#include "swarm/ca/rotation.h"

namespace shoal::api {
namespace {

namespace pb = swarm::pb;
using swarm::Standing;
using swarm::Store;

int count_managers(const Store& store) {
    int count = 0;
    for (const auto& [id, node] : store.all<pb::Node>()) {
        count += node->role() == pb::MANAGER ? 1 : 0;
    }
    return count;
}

Json managers_document(const std::vector<pb::Peer>& managers) {
    if (managers.empty()) { return nullptr; }
    Json all = Json::array();
    for (const auto& peer : managers) {
        all.push_back(Json{{"NodeID", peer.node_id()}, {"Addr", peer.addr()}});
    }
    return all;
}

} // namespace

Json swarm_info_document(const Standing& standing, const Store* store) {
    Json document{{"NodeID", standing.node_id},
                  {"NodeAddr", standing.node_addr},
                  {"LocalNodeState", std::string(name_of(standing.state))},
                  {"ControlAvailable", standing.manager},
                  {"Error", standing.error},
                  {"RemoteManagers", managers_document(standing.managers)}};
    if (!standing.manager || store == nullptr) { return document; }
    document["Nodes"] = store->all<pb::Node>().size();
    document["Managers"] = count_managers(*store);
    if (const auto cluster = store->cluster()) {
        document["Cluster"] = cluster_info_document(*cluster, standing.tls);
    }
    return document;
}

std::vector<std::string> swarm_warnings(const Standing& standing, const Store* store) {
    std::vector<std::string> all;
    if (!standing.manager || store == nullptr) { return all; }
    if (count_managers(*store) == 2) {
        all.emplace_back(
            "WARNING: Running Swarm in a two-manager configuration. This configuration provides no "
            "fault tolerance: when one of them is lost, the swarm cannot be managed any more.");
    }
    if (!standing.trouble.empty()) {
        all.push_back("WARNING: this manager's store: " + standing.trouble);
    }
    if (const auto silent = swarm::silent_in_rotation(*store); !silent.empty()) {
        all.push_back("WARNING: the rotation of the root certificate waits for nodes that do not "
                      "answer: " +
                      join(silent, ", ") +
                      ". They have to come back, or be removed (docker node rm --force).");
    }
    return all;
}

std::string swarm_header(const Standing& standing) {
    std::string text(name_of(standing.state));
    if (standing.state == swarm::LocalState::Active) {
        text += standing.manager ? "/manager" : "/worker";
    }
    return text;
}

} // namespace shoal::api
