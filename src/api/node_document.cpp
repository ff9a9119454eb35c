#include "api/node_document.h"

#include "api/object_document.h"
#include "api/service_codec.h"

#include <algorithm>

namespace docker::swarmkit::v1 {
namespace {

const Words<NodeRole> node_roles{{WORKER, "worker"}, {MANAGER, "manager"}};
const Words<NodeSpec::Availability> availabilities{
    {NodeSpec::ACTIVE, "active"}, {NodeSpec::PAUSE, "pause"}, {NodeSpec::DRAIN, "drain"}};

} // namespace

template <class V> void describe(V& v, NodeSpec& n) {
    describe(v, *n.mutable_annotations());
    MESSAGE_WORD_ANY_CASE(v, n, "Role", desired_role, node_roles, WORKER, omit);
    MESSAGE_WORD_ANY_CASE(v, n, "Availability", availability, availabilities, NodeSpec::ACTIVE,
                          omit);
}
template <class V> void describe(V& v, PluginDescription& p) {
    MESSAGE_VALUE(v, p, "Type", type, omit);
    MESSAGE_VALUE(v, p, "Name", name, omit);
}
template <class V> void describe(V& v, EngineDescription& e) {
    MESSAGE_VALUE(v, e, "EngineVersion", engine_version, omit);
    member::labels(v, "Labels", *e.mutable_labels());
    member::list(v, "Plugins", *e.mutable_plugins());
}
template <class V> void describe(V& v, NodeTLSInfo& t) {
    MESSAGE_VALUE(v, t, "TrustRoot", trust_root, omit);
    member::bytes(v, "CertIssuerSubject", *t.mutable_cert_issuer_subject());
    member::bytes(v, "CertIssuerPublicKey", *t.mutable_cert_issuer_public_key());
}
template <class V> void describe(V& v, NodeDescription& d) {
    MESSAGE_VALUE(v, d, "Hostname", hostname, omit);
    MESSAGE_STRUCT(v, d, "Platform", platform);
    MESSAGE_STRUCT(v, d, "Resources", resources);
    MESSAGE_STRUCT(v, d, "Engine", engine);
    MESSAGE_STRUCT(v, d, "TLSInfo", tls_info);
}

} // namespace docker::swarmkit::v1

namespace shoal::api {
namespace pb = swarm::pb;
namespace {

const Words<pb::NodeStatus::State> node_states{{pb::NodeStatus::UNKNOWN, "unknown"},
                                               {pb::NodeStatus::DOWN, "down"},
                                               {pb::NodeStatus::READY, "ready"},
                                               {pb::NodeStatus::DISCONNECTED, "disconnected"}};
const Words<pb::RaftMemberStatus::Reachability> reachabilities{
    {pb::RaftMemberStatus::UNKNOWN, "unknown"},
    {pb::RaftMemberStatus::UNREACHABLE, "unreachable"},
    {pb::RaftMemberStatus::REACHABLE, "reachable"}};

Json status_document(const pb::NodeStatus& status) {
    Json document{{"State", word_of(node_states, status.state())}};
    if (!status.message().empty()) { document["Message"] = status.message(); }
    if (!status.addr().empty()) { document["Addr"] = status.addr(); }
    return document;
}

Json manager_document(const pb::ManagerStatus& status) {
    Json document = Json::object();
    if (status.leader()) { document["Leader"] = true; }
    document["Reachability"] = word_of(reachabilities, status.reachability());
    document["Addr"] = status.addr();
    return document;
}

} // namespace

Result<pb::NodeSpec> parse_node_spec(const Json& body) {
    TRY_LET(spec, codec::read<pb::NodeSpec>(body, "", codec::Unknown::Refuse));
    // What is left out would be a demotion, or the end of a drain.
    for (const char* name : {"Role", "Availability"}) {
        const auto found = body.is_object() ? body.find(name) : body.end();
        const bool given = found != body.end() && found->is_string() &&
                           !found->get_ref<const std::string&>().empty();
        if (!given) { return invalid("invalid " + std::string(name) + ": \"\""); }
    }
    return std::move(spec);
}

Json tls_document(const pb::NodeTLSInfo& tls) { return json_of(tls); }

Json node_document(const pb::Node& node) {
    auto document = object_document(node);
    document["Spec"] = json_of(node.spec());
    document["Description"] = json_of(node.description());
    document["Status"] = status_document(node.status());
    // Ours alone: where others of the cluster send what is for its containers.
    const auto& data_path = node.description().data_path_address();
    if (!data_path.empty()) { document["Status"]["DataPathAddr"] = data_path; }
    if (node.has_manager_status()) {
        document["ManagerStatus"] = manager_document(node.manager_status());
    }
    return document;
}

} // namespace shoal::api
