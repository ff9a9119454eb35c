#include "node/network_map.h"

#include "net/pool.h"
#include "net/sleep.h"
#include "os/file.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace shoal::node {

namespace mpb = swarm::mpb;
using engine::OverlayItem;
using network::Ip;

namespace {

constexpr std::uint16_t default_port = 4789;
/// Changes come in crowds, and a large map takes its time to be written: that shall be a small part
/// of all time. But what is not on the disk when the daemon dies is not served by its next life
/// until managers say it again.
constexpr std::chrono::nanoseconds save_pause_min = std::chrono::milliseconds(50);
constexpr std::chrono::nanoseconds save_pause_max = std::chrono::seconds(1);
constexpr int pause_for_each_save = 20;

Result<Ip> ip_of(const std::string& text) {
    const auto ip = Ip::parse(text);
    if (!ip) { return invalid("network map: \"" + text + "\" is not an address"); }
    return *ip;
}

template <class List> Result<std::vector<Ip>> ips_of(const List& texts) {
    std::vector<Ip> all;
    for (const auto& text : texts) {
        TRY_LET(ip, ip_of(text));
        all.push_back(ip);
    }
    return all;
}

Result<network::NodeIndex> index_of(std::uint32_t number) {
    if (number == 0 || number > 0xffff) {
        return invalid("network map: " + std::to_string(number) + " is no node's number");
    }
    return static_cast<network::NodeIndex>(number);
}

Result<OverlayItem> item_of(const mpb::MapNode& from) {
    engine::OverlayNode made;
    TRY_LET(index, index_of(from.index()));
    TRY_LET(address, ip_of(from.address()));
    TRY_LET(addresses, ips_of(from.addresses()));
    made.index = index;
    made.address = address;
    made.id = from.id();
    made.hostname = from.hostname();
    made.addresses = std::move(addresses);
    return OverlayItem(std::move(made));
}

Result<OverlayItem> item_of(const mpb::MapNetwork& from) {
    engine::OverlayNetwork made;
    TRY_LET(id, NetworkId::parse(from.id()));
    made.id = id;
    made.name = from.name();
    made.vni = from.vni();
    for (const auto& text : from.subnets()) {
        const auto subnet = network::Subnet::parse(text);
        if (!subnet) { return invalid("network map: \"" + text + "\" is not a subnet"); }
        made.subnets.push_back(*subnet);
    }
    TRY_LET(gateways, ips_of(from.gateways()));
    made.gateways = std::move(gateways);
    made.internal = from.internal();
    made.encrypted = from.encrypted();
    made.ingress = from.ingress();
    made.mtu = static_cast<int>(from.mtu());
    return OverlayItem(std::move(made));
}

Result<OverlayItem> item_of(const mpb::MapEndpoint& from) {
    engine::OverlayTask made;
    made.task = from.task_id();
    TRY_LET(network, NetworkId::parse(from.network_id()));
    TRY_LET(addresses, ips_of(from.addresses()));
    TRY_LET(node, index_of(from.node()));
    made.network = network;
    made.addresses = std::move(addresses);
    made.node = node;
    made.service = from.service_id();
    made.names = {from.names().begin(), from.names().end()};
    made.serving = from.serving();
    return OverlayItem(std::move(made));
}

network::Protocol protocol_of(mpb::MapPort::Protocol protocol) {
    switch (protocol) {
    case mpb::MapPort::UDP:
        return network::Protocol::Udp;
    case mpb::MapPort::SCTP:
        return network::Protocol::Sctp;
    default:
        return network::Protocol::Tcp;
    }
}

engine::OverlayService::Balance balance_of(mpb::MapService::Balance balance) {
    switch (balance) {
    case mpb::MapService::CLIENT:
        return engine::OverlayService::Balance::Client;
    case mpb::MapService::LOCAL:
        return engine::OverlayService::Balance::Local;
    default:
        return engine::OverlayService::Balance::Even;
    }
}

Result<OverlayItem> item_of(const mpb::MapKeys& from) {
    engine::OverlayKeys made;
    for (const auto& key : from.keys()) { made.keys.push_back({key.number(), key.key()}); }
    return OverlayItem(std::move(made));
}

Result<OverlayItem> item_of(const mpb::MapService& from) {
    engine::OverlayService made;
    made.id = from.id();
    TRY_LET(network, NetworkId::parse(from.network_id()));
    TRY_LET(addresses, ips_of(from.virtual_addresses()));
    made.network = network;
    made.names = {from.names().begin(), from.names().end()};
    made.virtual_addresses = std::move(addresses);
    made.balance = balance_of(from.balance());
    for (const auto& port : from.ports()) {
        if (port.target() > 0xffff || port.published() > 0xffff) {
            return invalid("network map: service " + from.id() + " has a port above 65535");
        }
        made.ports.push_back({protocol_of(port.protocol()),
                              static_cast<std::uint16_t>(port.target()),
                              static_cast<std::uint16_t>(port.published())});
    }
    return OverlayItem(std::move(made));
}

Result<std::optional<OverlayItem>> some(Result<OverlayItem> item) {
    if (!item) { return std::move(item).error(); }
    return std::optional<OverlayItem>(std::move(*item));
}

} // namespace

Result<std::optional<OverlayItem>> overlay_item(const mpb::MapItem& item) {
    switch (item.item_case()) {
    case mpb::MapItem::kNode:
        return some(item_of(item.node()));
    case mpb::MapItem::kNetwork:
        return some(item_of(item.network()));
    case mpb::MapItem::kEndpoint:
        return some(item_of(item.endpoint()));
    case mpb::MapItem::kService:
        return some(item_of(item.service()));
    case mpb::MapItem::kKeys:
        return some(item_of(item.keys()));
    default:
        return std::optional<OverlayItem>();
    }
}

MapKeeper::MapKeeper(engine::Engine& engine, std::string file)
    : engine_(engine), file_(std::move(file)), scope_(engine.env.loop) {}

void MapKeeper::configure(const swarm::pb::Node& node) {
    node_id_ = node.id();
    const auto port = node.vxlanudpport();
    port_ = port == 0 || port > 0xffff ? default_port : static_cast<std::uint16_t>(port);
}

/// This node's own item says where it stands.
net::Task<Result<void>> MapKeeper::take_place() {
    const auto own = items_.find(swarm::node_key(node_id_));
    if (own == items_.end() || !own->second.has_node()) { co_return ok(); }
    CO_TRY_LET(index, index_of(own->second.node().index()));
    CO_TRY_LET(address, ip_of(own->second.node().address()));
    const engine::OverlaySelf self{index, address, port_ == 0 ? default_port : port_};
    co_return co_await engine_.networks.overlays().join(self);
}

net::Task<Result<void>> MapKeeper::tell(std::vector<std::string> changed, bool whole) {
    std::vector<engine::OverlayChange> changes;
    for (auto& key : changed) {
        const auto item = items_.find(key);
        engine::OverlayChange change{std::move(key), std::nullopt};
        if (item != items_.end()) {
            CO_TRY_LET(made, overlay_item(item->second));
            change.item = std::move(made);
        }
        changes.push_back(std::move(change));
    }
    auto placed = co_await take_place();
    auto applied = co_await engine_.networks.overlays().apply(std::move(changes), whole);
    ErrorList errors;
    errors.add(std::move(placed));
    errors.add(std::move(applied));
    co_return errors.empty() ? ok() : Result<void>(errors.joined());
}

net::Task<Result<void>> MapKeeper::apply(const swarm::NetworkMap& map,
                                         std::vector<std::string> changed, bool whole) {
    if (whole) {
        items_.clear();
        changed.clear();
        for (const auto& [key, item] : map.items()) { changed.push_back(key); }
    }
    for (const auto& key : changed) {
        const auto item = map.items().find(key);
        if (item == map.items().end()) {
            items_.erase(key);
        } else {
            items_[key] = item->second;
        }
    }
    if (!unsaved_ && !file_.empty()) {
        unsaved_ = true;
        scope_.spawn(save_soon());
    }
    co_return co_await tell(std::move(changed), whole);
}

// --- on the disk ---

net::Task<void> MapKeeper::save_soon() {
    auto& loop = engine_.env.loop;
    const auto pause = std::clamp(pause_for_each_save * save_took_, save_pause_min, save_pause_max);
    (void)co_await net::sleep(loop, net::Until(loop.in(pause), scope_.cancel()));
    const auto began = loop.now();
    auto saved = co_await save();
    save_took_ = loop.now() - began;
    if (!saved) { spdlog::warn("network map: {}", saved.error().message); }
}

net::Task<Result<void>> MapKeeper::save() {
    if (!unsaved_) { co_return ok(); }
    unsaved_ = false;
    mpb::KeptMap kept;
    kept.set_node_id(node_id_);
    kept.set_data_path_port(port_);
    for (const auto& [key, item] : items_) {
        if (item.has_keys()) { continue; } // no secret is written to a disk; the kernel has them
        auto& change = *kept.add_items();
        change.set_key(key);
        *change.mutable_item() = item;
    }
    auto job = [file = file_, bytes = kept.SerializeAsString()]() -> Result<void> {
        TRY(os::ensure_directory(file.substr(0, file.rfind('/')), 0700));
        return os::write_file_atomic(file, bytes);
    };
    co_return co_await engine_.env.pool.run(std::move(job));
}

net::Task<Result<void>> MapKeeper::restore() {
    if (file_.empty() || !os::exists(file_)) { co_return ok(); }
    CO_TRY_LET(bytes, os::read_file(file_));
    mpb::KeptMap kept;
    if (!kept.ParseFromString(bytes)) { co_return invalid(file_ + " is not a network map"); }
    node_id_ = kept.node_id();
    port_ = static_cast<std::uint16_t>(kept.data_path_port());
    std::vector<std::string> keys;
    for (const auto& change : kept.items()) {
        items_[change.key()] = change.item();
        keys.push_back(change.key());
    }
    co_return co_await tell(std::move(keys), true);
}

net::Task<Result<void>> MapKeeper::leave() {
    items_.clear();
    unsaved_ = false;
    auto left = co_await engine_.networks.overlays().leave();
    ErrorList errors;
    errors.add(std::move(left));
    if (!file_.empty()) { errors.add(os::remove_file(file_)); }
    co_return errors.empty() ? ok() : Result<void>(errors.joined());
}

net::Task<void> MapKeeper::close() { co_await scope_.close(); }

} // namespace shoal::node
