#include "api/swarm_network_document.h"

#include "api/object_document.h"
#include "api/service_codec.h"
#include "base/codec.h"

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

} // namespace

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
