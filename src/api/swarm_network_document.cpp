#include "api/swarm_network_document.h"

#include "api/object_document.h"
#include "api/service_codec.h"
#include "base/codec.h"
#include "base/text.h"
#include "swarm/manager/control/find.h"

#include <algorithm>

namespace docker::swarmkit::v1 {

template <class V> void describe(V& v, IPAMConfig& c) {
    MESSAGE_VALUE(v, c, "Subnet", subnet, omit);
    MESSAGE_VALUE(v, c, "Range", range, omit);
    MESSAGE_VALUE(v, c, "Gateway", gateway, omit);
}
template <class V> void describe(V& v, IPAMOptions& o) {
    MESSAGE_STRUCT(v, o, "Driver", driver);
    member::list(v, "Configs", *o.mutable_configs());
}
template <class V> void describe(V& v, NetworkSpec& n) {
    describe(v, *n.mutable_annotations());
    MESSAGE_PART(v, n, "DriverConfiguration", driver_config);
    MESSAGE_VALUE(v, n, "IPv6Enabled", ipv6_enabled, omit);
    MESSAGE_VALUE(v, n, "Internal", internal, omit);
    MESSAGE_VALUE(v, n, "Attachable", attachable, omit);
    MESSAGE_VALUE(v, n, "Ingress", ingress, omit);
    MESSAGE_PART(v, n, "IPAMOptions", ipam);
    std::string scope = "swarm";
    v("Scope", scope);
}

} // namespace docker::swarmkit::v1

namespace shoal::api {
namespace pb = swarm::pb;
namespace {

Json pool_document(const pb::IPAMConfig& config) {
    Json pool = Json::object();
    if (!config.subnet().empty()) { pool["Subnet"] = config.subnet(); }
    if (!config.range().empty()) { pool["IPRange"] = config.range(); }
    if (!config.gateway().empty()) { pool["Gateway"] = config.gateway(); }
    if (!config.reserved().empty()) {
        Json reserved = Json::object();
        const std::map<std::string, std::string> ordered(config.reserved().begin(),
                                                         config.reserved().end());
        for (const auto& [name, address] : ordered) { reserved[name] = address; }
        pool["AuxiliaryAddresses"] = std::move(reserved);
    }
    return pool;
}

Json map_document(const auto& map) {
    const std::map<std::string, std::string> ordered(map.begin(), map.end());
    return codec::write(ordered);
}

/// What was allocated, or what was asked for until then.
const pb::IPAMOptions& ipam_of(const pb::Network& network) {
    return network.ipam().configs().empty() ? network.spec().ipam() : network.ipam();
}

Json ipam_document(const pb::Network& network) {
    const auto& ipam = ipam_of(network);
    Json pools = Json::array();
    for (const auto& config : ipam.configs()) { pools.push_back(pool_document(config)); }
    const auto& driver = ipam.driver().name();
    const auto& options = ipam.driver().options();
    return Json{{"Driver", driver.empty() ? "default" : driver},
                {"Options", options.empty() ? Json(nullptr) : map_document(options)},
                {"Config", pools.empty() ? Json(nullptr) : pools}};
}

/// Options as asked for, with those the allocator added.
Json options_document(const pb::Network& network) {
    std::map<std::string, std::string> all(network.driver_state().options().begin(),
                                           network.driver_state().options().end());
    const auto& asked = network.spec().driver_config().options();
    all.insert(asked.begin(), asked.end());
    return all.empty() ? Json(nullptr) : codec::write(all);
}

/// It is on a node and has not ended: what `take` is called with.
template <class Take>
void for_each_endpoint(const swarm::Store& store, const pb::Network& network, Take take) {
    for (const auto& [id, task] : store.all<pb::Task>()) {
        const auto state = task->status().state();
        if (task->node_id().empty() || state < pb::ASSIGNED || swarm::is_terminal(state)) {
            continue;
        }
        for (const auto& attachment : task->networks()) {
            if (attachment.network().id() == network.id()) { take(*task, attachment); }
        }
    }
}

std::string data_path_of(const pb::Node& node) {
    const auto& own = node.description().data_path_address();
    return own.empty() ? node.status().addr() : own;
}

std::string first_address(const pb::NetworkAttachment& attachment) {
    return attachment.addresses().empty() ? std::string()
                                          : std::string(cut(attachment.addresses(0), '/').first);
}

/// A task's name, or what a container that is no task's is called on the network.
std::string endpoint_name(const pb::Task& task, const pb::NetworkAttachment& attachment) {
    if (!task.spec().has_attachment()) { return swarm::task_name(task); }
    return attachment.aliases().empty() ? task.spec().attachment().container_id()
                                        : attachment.aliases(0);
}

Json service_row(const pb::Service* service, const std::string& network_id) {
    std::string vip;
    Json ports = Json::array();
    for (int i = 0; service != nullptr && i < service->endpoint().virtual_ips_size(); ++i) {
        const auto& one = service->endpoint().virtual_ips(i);
        if (one.network_id() == network_id && vip.empty()) { vip = cut(one.addr(), '/').first; }
    }
    for (int i = 0; service != nullptr && i < service->endpoint().ports_size(); ++i) {
        const auto& port = service->endpoint().ports(i);
        ports.push_back("Target: " + std::to_string(port.target_port()) +
                        ", Publish: " + std::to_string(port.published_port()));
    }
    return Json{{"VIP", vip}, {"Ports", ports}, {"LocalLBIndex", 0}, {"Tasks", Json::array()}};
}

} // namespace

Json peer_document(const std::string& node_id, const std::string& address) {
    constexpr std::size_t short_id = 12;
    return Json{{"Name", node_id.substr(0, short_id)}, {"IP", address}};
}

Json peers_document(const swarm::Store& store, const pb::Network& network) {
    std::set<std::string> nodes;
    for_each_endpoint(store, network, [&nodes](const pb::Task& task, const auto&) {
        nodes.insert(task.node_id());
    });
    Json peers = Json::array();
    for (const auto& [id, node] : store.all<pb::Node>()) {
        const bool ours = !node->description().shoal_version().empty();
        if (!nodes.contains(id) && !(network.spec().ingress() && ours)) { continue; }
        peers.push_back(peer_document(id, data_path_of(*node)));
    }
    return peers;
}

Json network_services_document(const swarm::Store& store, const pb::Network& network,
                               const std::map<std::string, std::string>& endpoints) {
    Json services = Json::object();
    for (const auto& [id, service] : store.all<pb::Service>()) {
        const auto& vips = service->endpoint().virtual_ips();
        const bool has_address = std::any_of(vips.begin(), vips.end(), [&](const auto& vip) {
            return vip.network_id() == network.id();
        });
        if (has_address) {
            services[swarm::name_of(*service)] = service_row(service.get(), network.id());
        }
    }
    for_each_endpoint(store, network, [&](const pb::Task& task, const auto& attachment) {
        const auto service = store.get<pb::Service>(task.service_id());
        const auto name = service ? swarm::name_of(*service) : task.service_annotations().name();
        if (!services.contains(name)) { services[name] = service_row(service.get(), network.id()); }
        const auto node = store.get<pb::Node>(task.node_id());
        const auto own = endpoint_name(task, attachment);
        const auto here = endpoints.find(own);
        services[name]["Tasks"].push_back(
            Json{{"Name", own},
                 {"EndpointID", here == endpoints.end() ? task.id() : here->second},
                 {"EndpointIP", first_address(attachment)},
                 {"Info", Json{{"Host IP", node ? data_path_of(*node) : std::string()}}}});
    });
    return services;
}

Json swarm_network_document(const pb::Network& network, int version) {
    const auto& spec = network.spec();
    const auto& driver = network.driver_state().name();
    Json document{{"Name", spec.annotations().name()}, {"Id", network.id()}};
    document["Created"] = date_of(network.meta().has_created_at(), network.meta().created_at());
    document["Scope"] = "swarm";
    document["Driver"] = driver.empty() ? spec.driver_config().name() : driver;
    if (version >= 147) { document["EnableIPv4"] = true; }
    document["EnableIPv6"] = spec.ipv6_enabled();
    document["IPAM"] = ipam_document(network);
    document["Internal"] = spec.internal();
    document["Attachable"] = spec.attachable();
    document["Ingress"] = spec.ingress();
    document["ConfigFrom"] = Json{{"Network", spec.network()}};
    document["ConfigOnly"] = false;
    document["Containers"] = nullptr;
    document["Options"] = options_document(network);
    const auto& labels = spec.annotations().labels();
    document["Labels"] = labels.empty() ? Json(nullptr) : map_document(labels);
    return document;
}

Json attached_network_document(const pb::Network& network) {
    auto document = object_document(network);
    document["Spec"] = json_of(network.spec());
    document["DriverState"] = json_of(network.driver_state());
    if (network.has_ipam()) { document["IPAMOptions"] = json_of(network.ipam()); }
    return document;
}

} // namespace shoal::api
