#include "swarm/allocator/predefined.h"

namespace shoal::swarm {
namespace {

pb::Network named(Tx& tx, const std::string& name, const std::string& driver) {
    pb::Network network;
    network.set_id(tx.make_id());
    auto& spec = *network.mutable_spec();
    spec.mutable_annotations()->set_name(name);
    spec.mutable_driver_config()->set_name(driver);
    spec.mutable_ipam()->mutable_driver()->set_name("default");
    return network;
}

} // namespace

void ensure_predefined(Tx& tx) {
    if (tx.store().all<pb::Network>().empty()) {
        pb::Network ingress = named(tx, "ingress", "overlay");
        ingress.mutable_spec()->set_ingress(true);
        tx.put(std::move(ingress));
    }
    for (const char* name : {"bridge", "host"}) {
        if (tx.store().by_name<pb::Network>(name)) { continue; }
        pb::Network network = named(tx, name, name);
        (*network.mutable_spec()->mutable_annotations()->mutable_labels())[std::string(
            predefined_label)] = "true";
        tx.put(std::move(network));
    }
}

} // namespace shoal::swarm
