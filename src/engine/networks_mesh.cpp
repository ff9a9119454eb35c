#include "engine/networks_mesh.h"

#include "engine/networks_overlays.h"
#include "net/pool.h"

#include <spdlog/spdlog.h>

namespace shoal::engine {

using namespace shoal::network;

namespace {

constexpr int first_route_table = 23100;
constexpr int prefix6_bits = 96;

/// Daemons of one machine have names and numbers of their own.
std::string link_name(const std::string& instance) { return "shoalm" + instance.substr(0, 6); }
int route_table(const std::string& instance) {
    constexpr unsigned tables = 100;
    unsigned hash = 0;
    for (const char c : instance) { hash = hash * 31 + static_cast<std::uint8_t>(c); }
    return first_route_table + static_cast<int>(hash % tables);
}

/// The same on every node.
Subnet task_prefix6(const NetworkId& ingress) {
    return Subnet(ula_of(ingress.text()).base(), prefix6_bits);
}

} // namespace

MeshKeeper::MeshKeeper(Networks::Impl& networks, OverlayBook& book, EncryptionKeeper& encryption)
    : networks_(networks), book_(book), encryption_(encryption), table_(networks.table + "_mesh"),
      turn_(networks.env.loop), relays_(networks.env.loop) {}

// --- the mesh itself ---

Result<MeshPlan> MeshKeeper::plan(const OverlaySelf& self, int underlay_mtu,
                                  const NetworkId& ingress,
                                  const Networks::Impl::Network& gateway) const {
    const auto& item = *book_.page(ingress)->network();
    TRY(encryption_.check({}, &item));
    MeshPlan plan;
    plan.table = table_;
    plan.link = link_name(networks_.settings.instance);
    plan.gateway = gateway.link;
    for (const auto& pool : gateway.definition.pools) {
        if (const auto subnet = Subnet::parse(pool.subnet)) {
            plan.gateway_subnets.push_back(*subnet);
        }
    }
    plan.route_table = route_table(networks_.settings.instance);
    plan.vni = item.vni;
    plan.port = self.port;
    plan.local = self.address;
    plan.self = self.index;
    plan.mtu = overlay_mtu(underlay_mtu, self.address);
    if (item.encrypted) { plan.mtu -= encryption_overhead; }
    if (item.mtu > 0) { plan.mtu = item.mtu; }
    plan.task_prefix6 = task_prefix6(ingress);
    plan.published_on = networks_.settings.ingress_addresses;
    return plan;
}

/// Made, or made anew when something of the plan is different.
net::Task<Result<void>> MeshKeeper::open(OverlaySelf self, int underlay_mtu, NetworkId ingress) {
    CO_TRY_LET(gateway, co_await networks_.ensure_gateway_bridge());
    CO_TRY_LET(wanted, plan(self, underlay_mtu, ingress, *gateway));
    if (mesh_ && mesh_->plan() == wanted) { co_return ok(); }
    CO_TRY(co_await remove_held());
    if (book_.page(ingress)->network()->encrypted) {
        CO_TRY(co_await encryption_.add(self, wanted.vni));
    }
    auto job = [wanted] { return Mesh::open(wanted); };
    CO_TRY_LET(opened, co_await networks_.env.pool.run(std::move(job)));
    mesh_ = std::make_shared<Mesh>(std::move(opened));
    self_ = self.index;
    book_.page(ingress)->touch_all();
    co_return ok();
}

net::Task<Result<void>> MeshKeeper::remove_held() {
    wanted_ = std::make_shared<MeshState>();
    published_.clear();
    owners_.clear();
    taken_.clear();
    in_line_ = false;
    serve_relays({});
    if (!mesh_) { co_return ok(); }
    auto job = [mesh = mesh_] { return mesh->remove(); };
    CO_TRY(co_await networks_.env.pool.run(std::move(job)));
    mesh_.reset();
    co_return ok();
}

net::Task<Result<void>> MeshKeeper::remove() {
    auto turn = co_await turn_.acquire();
    co_return co_await remove_held();
}

net::Task<Result<std::size_t>> MeshKeeper::repair() {
    auto turn = co_await turn_.acquire();
    if (!mesh_) { co_return std::size_t(0); }
    auto job = [mesh = mesh_] { return mesh->repair(); };
    co_return co_await networks_.env.pool.run(std::move(job));
}

net::Task<Result<void>> MeshKeeper::sync(OverlaySelf self, int underlay_mtu) {
    auto turn = co_await turn_.acquire();
    const auto ingress = book_.ingress();
    if (ingress.empty() || !networks_.settings.firewall) { co_return co_await remove_held(); }
    CO_TRY(co_await open(self, underlay_mtu, ingress));
    if (!take_over(*book_.page(ingress), ingress) && in_line_) { co_return ok(); }
    in_line_ = false;
    CO_TRY(co_await apply());
    in_line_ = true;
    co_return ok();
}

net::Task<Result<void>> MeshKeeper::apply() {
    auto job = [mesh = mesh_, wanted = wanted_] { return mesh->apply(*wanted); };
    CO_TRY(co_await networks_.env.pool.run(std::move(job)));
    serve_relays(MeshRelays::needed(mesh_->plan(), *wanted_));
    co_return ok();
}

/// Where one cannot be served the others are, and all other addresses.
void MeshKeeper::serve_relays(const std::set<MeshPort>& ports) {
    std::set<std::string> problems;
    for (const auto& error : relays_.serve(ports)) {
        if (!relay_problems_.contains(error.message)) { spdlog::warn("mesh: {}", error.message); }
        problems.insert(error.message);
    }
    relay_problems_ = std::move(problems);
}

// --- from the book and the containers to what the kernel shall have ---

/// False: nothing is different.
bool MeshKeeper::take_over(OverlayBook::Page& page, const NetworkId& ingress) {
    look_at_taken_ports(page);
    const bool moved = look_at_containers(page, ingress);
    auto touched = std::exchange(page.touched, {});
    if (touched.network || !touched.nodes.empty()) { take_over_nodes(); }
    for (const auto& ip : touched.addresses) { take_over_address(page, ip); }
    // All that goes first: a port may pass from one service to another.
    for (const auto& id : touched.services) { withdraw_service(id); }
    for (const auto& id : touched.services) { take_over_service(page, id); }
    return moved || touched.any();
}

void MeshKeeper::take_over_nodes() {
    wanted_->nodes.clear();
    for (const auto& [index, node] : book_.nodes()) {
        if (index != self_) { wanted_->nodes[index] = {node->address, node->addresses}; }
    }
}

void MeshKeeper::take_over_address(const OverlayBook::Page& page, Ip ip) {
    if (!ip.is_v4()) { return; }
    const auto* task = page.task_at(ip);
    const bool elsewhere = task != nullptr && task->node != self_;
    if (elsewhere && !wanted_->local.contains(ip)) {
        wanted_->remote[ip] = task->node;
    } else {
        wanted_->remote.erase(ip);
    }
}

void MeshKeeper::withdraw_service(const std::string& id) {
    for (const auto& port : published_[id]) {
        wanted_->ports.erase(port);
        owners_.erase(port);
    }
    published_.erase(id);
}

void MeshKeeper::take_over_service(const OverlayBook::Page& page, const std::string& id) {
    const auto* service = page.service(id);
    if (service == nullptr) { return; }
    const auto is_here = [this](Ip ip) { return wanted_->local.contains(ip); };
    MeshBalance balance;
    balance.tasks = backends_of(page, *service, Family::V4, self_, is_here);
    balance.by_client = service->balance == OverlayService::Balance::Client;
    const auto name = service->names.empty() ? id : service->names.front();
    for (const auto& each : service->ports) {
        const MeshPort port{each.protocol, each.published};
        if (each.published == 0) { continue; }
        published_[id].push_back(port);
        if (taken_.contains(port)) {
            if (!told_.insert(port).second) { continue; }
            spdlog::warn("service {}: port {}/{} is published by a container of this node, which "
                         "keeps it",
                         name, port.published, to_text(port.protocol));
            continue;
        }
        balance.target = each.target;
        wanted_->ports[port] = balance;
        owners_[port] = name;
    }
}

/// A container of this node with ports of services.
MeshKeeper::LocalTasks MeshKeeper::local_tasks(const OverlayBook::Page& page,
                                               const NetworkId& ingress) const {
    LocalTasks all;
    for (const auto& [container, attached] : networks_.sandboxes) {
        if (attached->gone) { continue; }
        Ip address;
        MeshTask task;
        for (const auto& endpoint : attached->info.endpoints) {
            if (endpoint.network == ingress) { address = ip_of(endpoint.ipv4); }
            if (!endpoint.automatic) { continue; }
            task.v4 = ip_of(endpoint.ipv4);
            task.v6 = ip_of(endpoint.ipv6);
        }
        if (!address || !task.v4) { continue; }
        const auto* known = page.task_at(address);
        const auto* service = known == nullptr ? nullptr : page.service(known->service);
        for (const auto& port :
             service == nullptr ? std::vector<OverlayService::Port>{} : service->ports) {
            task.ports.emplace(port.protocol, port.target);
        }
        all[address] = std::move(task);
    }
    return all;
}

bool MeshKeeper::look_at_containers(OverlayBook::Page& page, const NetworkId& ingress) {
    auto now = local_tasks(page, ingress);
    if (now == wanted_->local) { return false; }
    for (const auto& [ip, task] : wanted_->local) {
        if (!now.contains(ip)) { page.touch_address(ip); }
    }
    for (const auto& [ip, task] : now) {
        if (wanted_->remote.erase(ip) > 0 || !wanted_->local.contains(ip)) {
            page.touch_address(ip);
        }
    }
    wanted_->local = std::move(now);
    return true;
}

void MeshKeeper::look_at_taken_ports(OverlayBook::Page& page) {
    std::set<MeshPort> now;
    for (const auto& binding : networks_.taken_ports()) {
        now.insert({binding.container.protocol, binding.host_port});
    }
    if (now == taken_) { return; }
    for (const auto& [id, service] : page.services()) {
        for (const auto& each : service->ports) {
            const MeshPort port{each.protocol, each.published};
            if (now.contains(port) != taken_.contains(port)) { page.touch_service(id); }
        }
    }
    std::erase_if(told_, [&](const MeshPort& port) { return !now.contains(port); });
    taken_ = std::move(now);
}

} // namespace shoal::engine
