#include "node/task_networks.h"

#include "base/text.h"

namespace shoal::node {
namespace {

constexpr std::string_view predefined_label = "com.docker.swarm.predefined";

network::Definition named(const pb::Network& from) {
    network::Definition made;
    made.name = swarm::name_of(from);
    made.driver = from.driver_state().name();
    made.internal = from.spec().internal();
    made.attachable = from.spec().attachable();
    made.enable_ipv6 = from.spec().ipv6_enabled();
    const auto& options = from.driver_state().options();
    made.options = {options.begin(), options.end()};
    const auto& labels = from.spec().annotations().labels();
    made.labels = {labels.begin(), labels.end()};
    return made;
}

std::vector<network::Pool> pools_of(const pb::IPAMOptions& ipam) {
    std::vector<network::Pool> pools;
    for (const auto& config : ipam.configs()) {
        network::Pool pool;
        pool.subnet = config.subnet();
        pool.ip_range = config.range();
        pool.gateway = cut(config.gateway(), '/').first;
        pool.aux = {config.reserved().begin(), config.reserved().end()};
        pools.push_back(std::move(pool));
    }
    return pools;
}

} // namespace

bool is_overlay(const pb::Network& network) {
    return network.spec().ingress() || network.driver_state().name() == "overlay";
}

bool is_predefined(const pb::Network& network) {
    const auto& labels = network.spec().annotations().labels();
    const auto found = labels.find(std::string(predefined_label));
    return found != labels.end() && found->second == "true";
}

std::vector<pb::NetworkAttachment> overlay_attachments(const pb::Task& task) {
    std::vector<pb::NetworkAttachment> all;
    for (const auto& attachment : task.networks()) {
        if (is_overlay(attachment.network())) { all.push_back(attachment); }
    }
    return all;
}

network::Definition local_definition(const pb::Network& from) {
    auto made = named(from);
    made.config_from = from.spec().network();
    made.pools = pools_of(from.spec().ipam());
    made.pools_by_user = !made.pools.empty();
    return made;
}

Result<network::Definition> overlay_definition(const pb::Network& from) {
    auto made = named(from);
    TRY_LET(id, NetworkId::parse(from.id()));
    made.id = id;
    made.created = swarm::from_timestamp(from.meta().created_at());
    made.driver = "overlay";
    made.scope = "swarm";
    made.ingress = from.spec().ingress();
    made.pools = pools_of(from.ipam());
    return made;
}

std::vector<network::Ip> addresses_of(const pb::NetworkAttachment& attachment) {
    std::vector<network::Ip> all;
    for (const auto& text : attachment.addresses()) {
        if (const auto ip = network::Ip::parse(cut(text, '/').first)) { all.push_back(*ip); }
    }
    return all;
}

} // namespace shoal::node
