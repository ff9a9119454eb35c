#include "swarm/allocator/allocator.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

std::string holder_task(const std::string& id) { return "task/" + id; }
std::string holder_service(const std::string& id) { return "service/" + id; }

/// Meant to run, and not yet given what it needs.
bool is_new(const pb::Task& task) {
    return task.status().state() == pb::NEW && task.desired_state() <= pb::COMPLETE;
}

void collect(std::set<HeldAddress>& into, const pb::NetworkAttachment& attachment) {
    for (const auto& text : attachment.addresses()) {
        if (const auto ip = ip_of_cidr(text)) { into.insert({attachment.network().id(), *ip}); }
    }
}

std::set<HeldAddress> addresses_of(const pb::Task& task) {
    std::set<HeldAddress> all;
    for (const auto& attachment : task.networks()) { collect(all, attachment); }
    return all;
}

std::set<HeldAddress> addresses_of(const pb::Service& service) {
    std::set<HeldAddress> all;
    for (const auto& vip : service.endpoint().virtual_ips()) {
        if (const auto ip = ip_of_cidr(vip.addr())) { all.insert({vip.network_id(), *ip}); }
    }
    return all;
}

bool has_ingress_port(const pb::EndpointSpec& spec) {
    return std::any_of(spec.ports().begin(), spec.ports().end(), [](const pb::PortConfig& port) {
        return port.publish_mode() == pb::PortConfig::INGRESS;
    });
}

bool may_have_overlays(const pb::Node& node) {
    return !node.description().shoal_version().empty(); // a stock engine without it lets ingress go
}

} // namespace

void Allocator::rebuild(const Store& store) {
    *this = Allocator();
    for (const auto& [id, network] : store.all<pb::Network>()) { see_network(id, network); }
    for (const auto& [id, node] : store.all<pb::Node>()) { see_node(id, node); }
    for (const auto& [id, service] : store.all<pb::Service>()) { see_service(id, service); }
    for (const auto& [id, task] : store.all<pb::Task>()) { see_task(id, task); }
    remember_last(store);
}

/// Pools go on after the address that was given last, as the objects tell; so one that was given
/// back just before this manager began to lead is not given again at once.
void Allocator::remember_last(const Store& store) {
    using Given = std::pair<Instant, network::Ip>;
    std::map<std::pair<std::string, bool>, Given> last; // by network and family
    const auto note = [&last](const std::set<HeldAddress>& addresses, const pb::Timestamp& at) {
        for (const auto& address : addresses) {
            auto& given = last[{address.network_id, address.ip.is_v4()}];
            given = std::max(given, Given{from_timestamp(at), address.ip});
        }
    };
    for (const auto& [id, task] : store.all<pb::Task>()) {
        note(addresses_of(*task), task->meta().created_at());
    }
    for (const auto& [id, service] : store.all<pb::Service>()) {
        note(addresses_of(*service), service->meta().created_at());
    }
    for (const auto& [key, given] : last) { book_.set_last({key.first, given.second}); }
    std::pair<Instant, std::uint32_t> newest;
    for (const auto& [id, node] : store.all<pb::Node>()) {
        if (node->network_index() == 0) { continue; }
        newest =
            std::max(newest, {from_timestamp(node->meta().created_at()), node->network_index()});
    }
    numbers_.set_last(newest.second);
}

void Allocator::observe(const Store&, const Change& change) {
    switch (change.kind) {
    case Kind::Network:
        return see_network(change.id, change.new_as<pb::Network>());
    case Kind::Node:
        return see_node(change.id, change.new_as<pb::Node>());
    case Kind::Service:
        return see_service(change.id, change.new_as<pb::Service>());
    case Kind::Task:
        return see_task(change.id, change.new_as<pb::Task>());
    case Kind::Cluster:
        more_room_ |= !failed_networks_.empty(); // its address pools
        return;
    case Kind::Secret:
    case Kind::Config:
        return;
    }
}

void Allocator::see_network(const std::string& id, const NetworkPtr& network) {
    if (!network) {
        book_.forget(id);
        networks_changed_ |= ingress_ids_.erase(id) > 0;
        more_room_ = true;
        failed_networks_.erase(id);
        return;
    }
    const bool news = !failed_networks_.contains(id);
    if (network->spec().ingress() && ingress_ids_.insert(id).second) { networks_changed_ = true; }
    if (!is_allocated(*network)) {
        dirty_networks_.insert(id);
        return;
    }
    book_.see(*network);
    more_room_ |= news && !(failed_services_.empty() && failed_tasks_.empty());
}

void Allocator::see_node(const std::string& id, const NodePtr& node) {
    const auto number = node ? node->network_index() : 0;
    numbers_.set(id, number);
    const bool lacks_port = node && node->vxlanudpport() == 0 && may_have_overlays(*node);
    if (node && (number == 0 || numbers_.is_shared(number) || lacks_port)) {
        dirty_nodes_.insert(id);
    }
}

void Allocator::see_service(const std::string& id, const ServicePtr& service) {
    set_held(holder_service(id), service ? addresses_of(*service) : Addresses());
    more_room_ |=
        ports_.set(id, service ? cluster_ports(service->endpoint()) : std::set<PublishedPort>());
    if (service) {
        dirty_services_.insert(id);
    } else {
        failed_services_.erase(id);
    }
}

void Allocator::see_task(const std::string& id, const TaskPtr& task) {
    const bool holds = task && !is_terminal(task->status().state());
    set_held(holder_task(id), holds ? addresses_of(*task) : Addresses());
    if (task && is_new(*task)) {
        if (!failed_tasks_.contains(id)) { dirty_tasks_.insert(id); }
    } else {
        failed_tasks_.erase(id);
    }
}

void Allocator::set_held(const std::string& holder, Addresses addresses) {
    const auto found = held_.find(holder);
    if (found == held_.end() && addresses.empty()) { return; }
    auto& held = held_[holder];
    for (const auto& address : held) {
        if (addresses.contains(address)) { continue; }
        book_.release(address, holder);
        more_room_ = true;
    }
    for (const auto& address : addresses) { book_.hold(address, holder); }
    if (addresses.empty()) {
        held_.erase(holder);
    } else {
        held = std::move(addresses);
    }
}

void Allocator::give_back(const std::string& holder, const Attachments& taken) {
    const auto held = held_.find(holder);
    std::set<HeldAddress> addresses;
    for (const auto& attachment : taken) { collect(addresses, attachment); }
    for (const auto& address : addresses) {
        if (held == held_.end() || !held->second.contains(address)) {
            book_.release(address, holder);
        }
    }
}

std::optional<Instant> Allocator::run(Tx& tx) {
    // Each stage may make room for those behind it; what is freed by a stage for one before it is
    // tried again in another round.
    do {
        if (std::exchange(more_room_, false)) {
            for (const auto& [id, why] : failed_networks_) { dirty_networks_.insert(id); }
            for (const auto& [id, why] : failed_services_) { dirty_services_.insert(id); }
            dirty_tasks_.insert(failed_tasks_.begin(), failed_tasks_.end());
        }
        for (const auto& id : std::exchange(dirty_networks_, {})) { allocate_network(tx, id); }
        if (std::exchange(networks_changed_, false)) {
            for (const auto& [id, s] : tx.store().all<pb::Service>()) {
                dirty_services_.insert(id);
            }
        }
        for (const auto& id : std::exchange(dirty_nodes_, {})) { allocate_node(tx, id); }
        for (const auto& id : std::exchange(dirty_services_, {})) { allocate_service(tx, id); }
        for (const auto& id : std::exchange(dirty_tasks_, {})) { allocate_task(tx, id); }
    } while (more_room_);
    return std::nullopt;
}

// Networks.

void Allocator::allocate_network(Tx& tx, const std::string& id) {
    const auto network = tx.store().get<pb::Network>(id);
    if (!network || is_allocated(*network)) { return; }
    pb::Network changed = *network;
    if (const auto planned = book_.plan(changed, subnet_plan_of(tx.store().cluster().get()));
        !planned) {
        failed_networks_[id] = planned.error().message;
        return;
    }
    failed_networks_.erase(id);
    see_network(id, tx.put(std::move(changed)));
    networks_changed_ |= network->spec().ingress();
}

Result<NetworkPtr> Allocator::find_network(const Store& store, const std::string& target) const {
    const auto network = store.find<pb::Network>(target);
    if (!network) { return not_found("network", target); }
    if (is_allocated(*network)) { return network; }
    const auto failed = failed_networks_.find(network->id());
    const auto why = failed == failed_networks_.end() ? "not allocated yet" : failed->second;
    return conflict("network " + name_of(*network) + ": " + why);
}

Result<NetworkPtr> Allocator::find_ingress(const Store& store) const {
    if (ingress_ids_.empty()) {
        return conflict("published ports need the ingress network, which does not exist");
    }
    return find_network(store, *ingress_ids_.begin());
}

Result<void> check_network(const Store& store, const pb::NetworkSpec& spec) {
    NetworkBook book;
    for (const auto& [id, network] : store.all<pb::Network>()) { book.see(*network); }
    pb::Network wanted;
    *wanted.mutable_spec() = spec;
    return book.plan(wanted, subnet_plan_of(store.cluster().get()));
}

// Nodes.

/// A number that another node has too (a restored back-up) is changed.
void Allocator::allocate_node(Tx& tx, const std::string& id) {
    const auto node = tx.store().get<pb::Node>(id);
    if (!node) { return; }
    pb::Node changed = *node;
    if (node->network_index() == 0 || numbers_.is_shared(node->network_index())) {
        changed.set_network_index(numbers_.next());
    }
    if (const auto cluster = tx.store().cluster(); cluster && may_have_overlays(*node)) {
        changed.set_vxlanudpport(cluster->vxlanudpport());
    }
    if (same_message(changed, *node)) { return; }
    const auto put = tx.put(std::move(changed));
    numbers_.set(id, put->network_index());
}

// Services.

Result<Allocator::VirtualIps> Allocator::virtual_ips(const Store& store, const pb::Service& service,
                                                     bool with_ingress) {
    VirtualIps vips;
    if (service.spec().endpoint().mode() != pb::EndpointSpec::VIP) { return vips; }
    std::map<std::string, NetworkPtr>
        wanted; // in order of ids: a list of the user's has no meaning
    for (const auto& config : networks_of(service.spec().task(), &service.spec())) {
        TRY_LET(network, find_network(store, config.target()));
        if (is_overlay(*network)) { wanted[network->id()] = network; }
    }
    if (with_ingress) {
        TRY_LET(ingress, find_ingress(store));
        wanted[ingress->id()] = ingress;
    }
    std::map<std::string, std::set<network::Family>> kept;
    for (const auto& vip : service.endpoint().virtual_ips()) {
        const auto ip = ip_of_cidr(vip.addr());
        if (!ip || !wanted.contains(vip.network_id())) { continue; }
        kept[vip.network_id()].insert(ip->family());
        vips.push_back(vip);
    }
    const auto holder = holder_service(service.id());
    const auto count_kept = vips.size();
    for (const auto& [id, network] : wanted) {
        const auto addresses = book_.take(id, holder, kept[id]);
        if (!addresses) {
            for (std::size_t i = count_kept; i < vips.size(); ++i) {
                book_.release({vips[i].network_id(), *ip_of_cidr(vips[i].addr())}, holder);
            }
            return Error{Errc::Exhausted,
                         "could not find an available IP while allocating VIP in network " +
                             name_of(*network)};
        }
        for (const auto& address : *addresses) {
            vips.emplace_back().set_network_id(id);
            vips.back().set_addr(address);
        }
    }
    return vips;
}

void Allocator::allocate_service(Tx& tx, const std::string& id) {
    const auto service = tx.store().get<pb::Service>(id);
    if (!service) { return; }
    const auto fail = [&](const Error& error) {
        auto& why = failed_services_[id];
        if (why == error.message) { return; }
        why = error.message;
        for (const auto& [task_id, task] : tx.store().tasks_of_service(id)) {
            if (is_new(*task)) { dirty_tasks_.insert(task_id); } // to tell them
        }
    };
    const auto ports = plan_ports(*service, ports_);
    if (!ports) { return fail(ports.error()); }
    const auto vips =
        virtual_ips(tx.store(), *service, has_ingress_port(service->spec().endpoint()));
    if (!vips) { return fail(vips.error()); }
    if (failed_services_.erase(id) > 0) { more_room_ = true; } // for its tasks
    pb::Service changed = *service;
    auto& endpoint = *changed.mutable_endpoint();
    endpoint.Clear();
    if (service->spec().has_endpoint()) { *endpoint.mutable_spec() = service->spec().endpoint(); }
    for (const auto& port : *ports) { *endpoint.add_ports() = port; }
    for (const auto& vip : *vips) { *endpoint.add_virtual_ips() = vip; }
    if (same_message(endpoint, service->endpoint())) { return; }
    const auto put = tx.put(std::move(changed));
    set_held(holder_service(id), addresses_of(*put));
    more_room_ |= ports_.set(id, cluster_ports(put->endpoint()));
}

// Tasks.

Result<void> Allocator::attach(Attachments& to, const NetworkPtr& network,
                               const pb::NetworkAttachmentConfig& config,
                               const std::string& holder) {
    auto& attachment = to.emplace_back();
    *attachment.mutable_network() = *network;
    *attachment.mutable_aliases() = config.aliases();
    *attachment.mutable_driver_attachment_opts() = config.driver_attachment_opts();
    if (!is_overlay(*network)) { return ok(); }
    if (config.addresses().empty()) {
        TRY_LET(addresses, book_.take(network->id(), holder));
        attachment.mutable_addresses()->Assign(addresses.begin(), addresses.end());
        return ok();
    }
    for (const auto& text : config.addresses()) {
        TRY_LET(address, book_.take_this(network->id(), text, holder));
        attachment.add_addresses(address);
    }
    return ok();
}

Result<Allocator::Attachments> Allocator::attachments(const Store& store, const pb::Task& task,
                                                      const ServicePtr& service) {
    Attachments made;
    const auto holder = holder_task(task.id());
    const auto all = [&]() -> Result<void> {
        if (service && has_ingress_port(service->endpoint().spec())) {
            TRY_LET(ingress, find_ingress(store));
            TRY(attach(made, ingress, {}, holder));
        }
        for (const auto& config : networks_of(task.spec(), service ? &service->spec() : nullptr)) {
            TRY_LET(network, find_network(store, config.target()));
            TRY(attach(made, network, config, holder));
        }
        return ok();
    };
    if (auto done = all(); !done) {
        give_back(holder, made);
        return std::move(done).error();
    }
    return made;
}

void Allocator::allocate_task(Tx& tx, const std::string& id) {
    const auto task = tx.store().get<pb::Task>(id);
    if (!task || !is_new(*task)) { return; }
    const auto service = tx.store().get<pb::Service>(task->service_id());
    if (!task->service_id().empty() && !service) { return; } // its orchestrator removes it
    const auto fail = [&](const std::string& why) {
        failed_tasks_.insert(id);
        if (task->status().err() == why) { return; }
        pb::Task changed = *task;
        changed.mutable_status()->set_err(why);
        *changed.mutable_status()->mutable_timestamp() = to_timestamp(tx.now());
        tx.put(std::move(changed));
    };
    if (const auto why = failed_services_.find(task->service_id()); why != failed_services_.end()) {
        return fail(why->second);
    }
    auto made = attachments(tx.store(), *task, service);
    if (!made) { return fail(made.error().message); }
    pb::Task changed = *task;
    changed.clear_networks();
    for (auto& attachment : *made) { *changed.add_networks() = std::move(attachment); }
    if (service && service->has_endpoint()) { *changed.mutable_endpoint() = service->endpoint(); }
    auto& status = *changed.mutable_status();
    status.set_state(pb::PENDING);
    status.set_message("pending task scheduling");
    status.clear_err();
    *status.mutable_timestamp() = to_timestamp(tx.now());
    failed_tasks_.erase(id);
    const auto put = tx.put(std::move(changed));
    set_held(holder_task(id), addresses_of(*put));
}

} // namespace shoal::swarm
