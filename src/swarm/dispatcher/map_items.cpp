#include "swarm/dispatcher/map_items.h"

#include "swarm/model/overlay.h"

#include "base/network_options.h"
#include "base/text.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

constexpr auto encrypted_option = "encrypted";
constexpr std::string_view key_subsystem = "networking:ipsec";

std::string bare(std::string_view cidr) { return std::string(cut(cidr, '/').first); }

/// "[fd00::1]:2377" -> "fd00::1".
std::string host_in(const std::string& address) {
    const auto colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    if (host.size() > 1 && host.front() == '[') { host = host.substr(1, host.size() - 2); }
    return host;
}

bool is_of_every_machine(std::string_view host) {
    return host.starts_with("127.") || host == "::1" || host == "0.0.0.0" || host == "::";
}

/// All by which others may know it, the one for the data path first.
std::vector<std::string> addresses_of(const pb::Node& node) {
    std::vector<std::string> all;
    for (const auto& host : {node.description().data_path_address(), node.status().addr(),
                             host_in(node.manager_status().addr())}) {
        const bool known = std::find(all.begin(), all.end(), host) != all.end();
        if (!host.empty() && !known) { all.push_back(host); }
    }
    std::stable_partition(all.begin(), all.end(),
                          [](const std::string& host) { return !is_of_every_machine(host); });
    return all;
}

bool takes_part(const pb::Node& node) {
    return !node.description().shoal_version().empty() && node.network_index() != 0;
}

std::string option_of(const pb::Network& network, std::string_view name) {
    const auto& options = network.driver_state().options();
    const auto found = options.find(std::string(name));
    return found == options.end() ? "" : found->second;
}

bool is_encrypted(const pb::Network& network) {
    if (!network.driver_state().options().contains(encrypted_option)) { return false; }
    const auto text = option_of(network, encrypted_option);
    return text.empty() || parse_bool(text).value_or(true);
}

/// It runs, is healthy (or it would not be said to run), is to stay, and its node is there.
bool is_serving(const pb::Task& task, const pb::Node& node) {
    return task.status().state() == pb::RUNNING && task.desired_state() <= pb::COMPLETE &&
           node.status().state() != pb::NodeStatus::DOWN;
}

void add_name(google::protobuf::RepeatedPtrField<std::string>& names, const std::string& name) {
    if (name.empty() || name.find("{{") != std::string::npos) { return; } // only the node knows it
    if (std::find(names.begin(), names.end(), name) == names.end()) { *names.Add() = name; }
}

mpb::MapService::Balance balance_of(const pb::Service& service) {
    const auto& labels = service.spec().annotations().labels();
    const auto found = labels.find(std::string(balance_label));
    if (found == labels.end()) { return mpb::MapService::EVEN; }
    if (found->second == "client") { return mpb::MapService::CLIENT; }
    return found->second == "local" ? mpb::MapService::LOCAL : mpb::MapService::EVEN;
}

void add_ports(mpb::MapService& to, const pb::Endpoint& endpoint) {
    for (const auto& port : endpoint.ports()) {
        if (port.publish_mode() != pb::PortConfig::INGRESS || port.published_port() == 0) {
            continue;
        }
        auto& made = *to.add_ports();
        made.set_protocol(static_cast<mpb::MapPort::Protocol>(port.protocol()));
        made.set_target(port.target_port());
        made.set_published(port.published_port());
    }
}

} // namespace

std::string network_key(std::string_view id) { return "network/" + std::string(id); }
std::string endpoint_key(std::string_view network_id, std::string_view task_id) {
    return "endpoint/" + std::string(network_id) + "/" + std::string(task_id);
}
std::string service_key(std::string_view network_id, std::string_view service_id) {
    return "service/" + std::string(network_id) + "/" + std::string(service_id);
}

MaybeItem make_node_item(const pb::Node& node) {
    if (!takes_part(node)) { return std::nullopt; }
    const auto addresses = addresses_of(node);
    mpb::MapItem item;
    auto& made = *item.mutable_node();
    made.set_id(node.id());
    made.set_index(node.network_index());
    if (!addresses.empty()) { made.set_address(addresses.front()); }
    made.set_hostname(node.description().hostname());
    for (const auto& address : addresses) { made.add_addresses(address); }
    return item;
}

MaybeItem make_network_item(const pb::Network& network) {
    if (!is_overlay(network)) { return std::nullopt; }
    mpb::MapItem item;
    auto& made = *item.mutable_network();
    made.set_id(network.id());
    made.set_name(name_of(network));
    const auto vni = cut(option_of(network, vni_option), ',').first;
    made.set_vni(parse_number<std::uint32_t>(trim(vni)).value_or(0));
    for (const auto& config : network.ipam().configs()) {
        made.add_subnets(config.subnet());
        made.add_gateways(config.gateway());
    }
    made.set_internal(network.spec().internal());
    made.set_encrypted(is_encrypted(network));
    made.set_ingress(network.spec().ingress());
    const auto mtu = option_of(network, mtu_option);
    made.set_mtu(parse_number<std::uint32_t>(mtu).value_or(0));
    return item;
}

bool is_placed(const pb::Task& task) {
    return !task.node_id().empty() && task.status().state() >= pb::ASSIGNED &&
           !is_terminal(task.status().state());
}

MaybeItem make_endpoint_item(const Store& store, const pb::Task& task,
                             const pb::NetworkAttachment& attachment) {
    if (!is_endpoint(attachment) || !is_placed(task)) { return std::nullopt; }
    const auto node = store.get<pb::Node>(task.node_id());
    if (!node || !takes_part(*node)) { return std::nullopt; }
    mpb::MapItem item;
    auto& made = *item.mutable_endpoint();
    made.set_task_id(task.id());
    made.set_network_id(attachment.network().id());
    for (const auto& address : attachment.addresses()) { made.add_addresses(bare(address)); }
    made.set_node(node->network_index());
    made.set_service_id(task.service_id());
    add_name(*made.mutable_names(), task.annotations().name());
    add_name(*made.mutable_names(), task.spec().container().hostname());
    if (task.spec().has_attachment()) {
        for (const auto& alias : attachment.aliases()) { add_name(*made.mutable_names(), alias); }
    }
    made.set_serving(is_serving(task, *node));
    return item;
}

MaybeItem make_service_item(const Store& store, const pb::Service& service,
                            const std::string& network_id) {
    mpb::MapItem item;
    auto& made = *item.mutable_service();
    made.set_id(service.id());
    made.set_network_id(network_id);
    add_name(*made.mutable_names(), name_of(service));
    for (const auto& config : networks_of(service.spec().task(), &service.spec())) {
        const auto network = store.find<pb::Network>(config.target());
        if (!network || network->id() != network_id) { continue; }
        for (const auto& alias : config.aliases()) { add_name(*made.mutable_names(), alias); }
    }
    const bool virtual_mode = service.spec().endpoint().mode() == pb::EndpointSpec::VIP;
    for (const auto& vip : service.endpoint().virtual_ips()) {
        if (!virtual_mode || vip.network_id() != network_id || vip.addr().empty()) { continue; }
        made.add_virtual_addresses(bare(vip.addr()));
    }
    made.set_balance(balance_of(service));
    const auto network = store.get<pb::Network>(network_id);
    if (network && network->spec().ingress()) { add_ports(made, service.endpoint()); }
    return item;
}

std::set<std::string> overlays_of(const Store& store, const pb::Service& service) {
    std::set<std::string> all;
    for (const auto& vip : service.endpoint().virtual_ips()) { all.insert(vip.network_id()); }
    for (const auto& config : networks_of(service.spec().task(), &service.spec())) {
        const auto network = store.find<pb::Network>(config.target());
        if (network && is_overlay(*network)) { all.insert(network->id()); }
    }
    return all;
}

/// Of three keys in the order of their times the middle one is in use (as with stock engines).
MaybeItem make_keys_item(const pb::Cluster& cluster) {
    std::vector<const pb::EncryptionKey*> keys;
    for (const auto& key : cluster.network_bootstrap_keys()) {
        if (key.subsystem() == key_subsystem) { keys.push_back(&key); }
    }
    if (keys.empty()) { return std::nullopt; }
    std::sort(keys.begin(), keys.end(),
              [](const auto* a, const auto* b) { return a->lamport_time() < b->lamport_time(); });
    if (keys.size() > 1) { // old, in use, next -> in use, old, next
        const auto used = keys.end() - 2;
        std::rotate(keys.begin(), used, used + 1);
    }
    mpb::MapItem item;
    for (const auto* key : keys) {
        auto& made = *item.mutable_keys()->add_keys();
        made.set_number(key->lamport_time());
        made.set_key(key->key());
    }
    return item;
}

} // namespace shoal::swarm
