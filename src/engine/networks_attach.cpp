// A container's sandbox comes to its networks and leaves them: as a whole, at start and stop, and
// one network at a time while it runs. What it gets there is networks_endpoints.cpp's, how the
// kernel is brought to it networks_setup.cpp's.
#include "engine/networks_impl.h"
#include "engine/networks_overlays.h"
#include "net/pool.h"
#include "os/file.h"
#include "os/netns.h"

#include <algorithm>

namespace shoal::engine {

using namespace shoal::network;

namespace {

/// Docker's defaults of every namespace of its own: ping and low ports without privilege.
void add_default_sysctls(std::vector<std::pair<std::string, std::string>>& out) {
    out.emplace_back("net.ipv4.ip_unprivileged_port_start", "0");
    out.emplace_back("net.ipv4.ping_group_range", "0 2147483647");
}

} // namespace

// --- attach and detach ---

Result<SandboxInfo> Networks::Impl::attach_shared(const AttachRequest& request) const {
    const auto id = request.mode.substr(container_mode.size());
    for (const auto& [other_id, other] : sandboxes) {
        if (other_id.text() != id && other->info.name != id) { continue; }
        SandboxInfo info;
        info.mode = request.mode;
        info.name = request.name;
        info.netns_path = other->info.netns_path;
        info.hostname = other->info.hostname;
        info.domainname = other->info.domainname;
        info.hosts = other->info.hosts;
        info.resolv_conf = other->info.resolv_conf;
        info.hostname_file = other->info.hostname_file;
        return info;
    }
    return conflict("cannot join network of a non running container: " + id);
}

net::Task<Result<SandboxInfo>> Networks::Impl::attach(AttachRequest request) {
    CO_TRY(validate(request));
    const auto mode = resolved_mode(request.mode);
    if (attached(request.container)) {
        co_return conflict("container " + request.container.text() + " is attached already");
    }
    auto attached = std::make_shared<Attached>(env.loop);
    attached->id = request.container;
    auto& info = attached->info;
    if (mode.starts_with(container_mode)) {
        request.mode = mode;
        CO_TRY_LET(shared, attach_shared(request));
        info = shared;
        sandboxes[attached->id] = attached;
        co_return info;
    }
    CO_TRY_LET(main, find(mode));
    info.mode = main->definition.name;
    info.name = request.name;
    info.hostname = request.hostname.empty() ? request.container.short_text() : request.hostname;
    info.domainname = request.domainname;
    info.dns = request.dns;
    info.dns_search = request.dns_search;
    info.dns_options = request.dns_options;
    info.extra_hosts = request.extra_hosts;
    info.links = request.links;
    info.published = all_wishes(request);
    for (const auto& [name, value] : request.sysctls) {
        if (name.starts_with("net.")) { info.sysctls.push_back(name + "=" + value); }
    }
    sandboxes[attached->id] = attached;
    auto made = co_await attach_isolated(attached, std::move(request));
    if (!made) { (void)co_await detach(attached->id); }
    co_return made;
}

net::Task<Result<SandboxInfo>> Networks::Impl::attach_isolated(AttachedPtr attached,
                                                               AttachRequest request) {
    auto turn = co_await attached->turn.acquire();
    auto& info = attached->info;
    if (info.mode == "host") {
        auto job = [path = settings.resolv_conf] {
            SetupDone done;
            if (const auto text = os::read_file(path)) { done.resolver = parse_resolv_conf(*text); }
            done.hosts_file = os::read_file("/etc/hosts").value_or("127.0.0.1\tlocalhost\n");
            return done;
        };
        const auto host = co_await env.pool.run(std::move(job));
        render_files(*attached, host);
        co_return info;
    }
    CO_TRY_LET(wanted, wanted_networks(request));
    for (const auto& each : wanted) { CO_TRY(allocate(*attached, each)); }
    if (needs_gateway(*attached)) {
        CO_TRY_LET(gateway, co_await ensure_gateway_bridge());
        CO_TRY(allocate_gateway(*attached, gateway));
    }
    info.netns_path = netns_path(attached->id);
    auto setup = base_setup(*attached);
    setup.make_sandbox = true;
    setup.sandbox.dns = needs_dns(*attached);
    add_default_sysctls(setup.sandbox.sysctls);
    for (const auto& [name, value] : request.sysctls) {
        const bool here = name.starts_with("net.") && interface_of_sysctl(name).empty();
        if (here) { setup.sandbox.sysctls.emplace_back(name, value); }
    }
    for (const auto& endpoint : info.endpoints) {
        if (endpoint.driver == "overlay") { continue; }
        setup.interfaces.push_back(interface_plan(*attached, endpoint));
    }
    setup.with_ports = true;
    setup.ports = port_request(*attached);
    if (!setup.ports.wishes.empty()) { setup.taken = taken_ports(); }
    auto job = [setup = std::move(setup)]() mutable { return run_setup(std::move(setup)); };
    auto ran = co_await env.pool.run(std::move(job));
    if (!ran) { // the part that people meet most is a port somebody else has
        const auto& cause = ran.error().message;
        const bool port =
            cause.starts_with("Bind for ") || cause.starts_with("failed to bind host port");
        if (!port || info.endpoints.empty()) {
            co_return std::move(ran).error().with("failed to set up container networking");
        }
        co_return std::move(ran).error().with(
            "failed to set up container networking: driver failed programming external "
            "connectivity on endpoint " +
            info.name + " (" + info.endpoints.front().endpoint + ")");
    }
    attached->netns = std::move(ran->sandbox.netns);
    CO_TRY(co_await publish_ports(attached, std::move(ran->held)));
    CO_TRY(co_await attach_overlays(attached));
    render_files(*attached, *ran);
    for (const auto& endpoint : info.endpoints) { name_endpoint(*attached, endpoint); }
    if (ran->sandbox.dns.udp) { CO_TRY(start_dns(*attached, std::move(ran->sandbox.dns))); }
    for (const auto& endpoint : info.endpoints) {
        const auto network = networks.find(endpoint.network);
        if (endpoint.automatic || network == networks.end()) { continue; }
        publish(*network->second, "connect", attached->id.text());
    }
    co_return info;
}

net::Task<Result<void>> Networks::Impl::detach(ContainerId container) {
    auto attached = this->attached(container);
    if (!attached) { co_return ok(); }
    auto turn = co_await attached->turn.acquire();
    if (attached->gone) { co_return ok(); }
    attached->gone = true;
    ErrorList errors;
    dns.remove(container.text());
    auto cleared = co_await remove_port_rules(attached);
    errors.add(std::move(cleared));
    attached->relays.reset();
    auto unreached = co_await detach_overlays(attached);
    errors.add(std::move(unreached));
    for (const auto& endpoint : attached->info.endpoints) {
        release(*attached, endpoint);
        const auto network = networks.find(endpoint.network);
        if (network != networks.end() && !endpoint.automatic) {
            publish(*network->second, "disconnect", container.text());
        }
    }
    const bool own =
        !attached->info.netns_path.empty() && attached->info.netns_path == netns_path(container);
    if (own) {
        // The veths go with the namespace: deleting them one by one is a hundred times slower.
        auto job = [path = attached->info.netns_path, fd = std::move(attached->netns)]() mutable {
            fd.reset();
            return os::remove_netns(path);
        };
        auto removed = co_await env.pool.run(std::move(job));
        errors.add(std::move(removed));
    }
    sandboxes.erase(container);
    if (!errors.empty()) { co_return errors.joined(); }
    co_return ok();
}

// --- connect and disconnect of a running container ---

namespace {
Result<void> check_own_sandbox(const SandboxInfo& info) {
    if (info.mode == "host") {
        return Error{
            Errc::Forbidden,
            "container cannot be disconnected from host network or connected to host network"};
    }
    if (info.mode.starts_with(container_mode)) {
        return Error{Errc::Forbidden,
                     "container sharing network namespace with another container or host cannot be "
                     "connected to any other network"};
    }
    return ok();
}
} // namespace

net::Task<Result<SandboxInfo>> Networks::Impl::join(ContainerId container, NetworkPtr network,
                                                    EndpointWish wish) {
    auto attached = this->attached(container);
    if (!attached) { co_return conflict("container " + container.text() + " is not running"); }
    auto turn = co_await attached->turn.acquire();
    if (attached->gone) { co_return conflict("container " + container.text() + " is not running"); }
    auto& info = attached->info;
    CO_TRY(check_own_sandbox(info));
    const auto same = [&](const EndpointState& e) { return e.network == network->definition.id; };
    if (std::any_of(info.endpoints.begin(), info.endpoints.end(), same)) {
        co_return Error{Errc::Forbidden, "endpoint with name " + info.name +
                                             " already exists in network " +
                                             network->definition.name};
    }
    if (network->definition.driver == "null") {
        co_return Error{
            Errc::Forbidden,
            "container cannot be connected to multiple networks with one of the networks in private (none) mode"};
    }
    if (network->definition.ingress) {
        co_return Error{Errc::Forbidden,
                        "network " + network->definition.name + " is for published ports only"};
    }
    const auto before = port_target(*attached);
    CO_TRY(allocate(*attached, Wanted{network, wish}));
    auto endpoint = info.endpoints.back();
    const bool dns_missing = needs_dns(*attached) && info.dns_port == 0;
    auto done = co_await join_kernel(attached, endpoint, dns_missing);
    auto moved = done ? Result<void>() : Result<void>(done.error());
    if (moved) { moved = co_await align_gateway(attached); }
    if (moved) { moved = co_await move_ports(attached, before); }
    if (!moved) {
        co_await undo_join(attached, endpoint);
        co_return std::move(moved).error();
    }
    if (info.mode == "none") { info.mode = network->definition.name; }
    render_files(*attached, *done);
    name_endpoint(*attached, endpoint);
    if (dns_missing) { CO_TRY(start_dns(*attached, std::move(done->sandbox.dns))); }
    dns.set_view(container.text(), dns_view(*attached));
    publish(*network, "connect", container.text());
    co_return info;
}

net::Task<Result<Networks::Impl::SetupDone>>
Networks::Impl::join_kernel(AttachedPtr attached, EndpointState endpoint, bool dns_missing) {
    auto setup = base_setup(*attached);
    if (endpoint.driver != "overlay") {
        setup.interfaces.push_back(interface_plan(*attached, endpoint));
    }
    auto job = [setup = std::move(setup), dns_missing]() mutable -> Result<SetupDone> {
        TRY_LET(done, run_setup(std::move(setup)));
        if (dns_missing) {
            TRY_LET(sockets, start_dns_in(done.sandbox.netns));
            done.sandbox.dns = std::move(sockets);
        }
        return std::move(done);
    };
    CO_TRY_LET(done, co_await env.pool.run(std::move(job)));
    if (is_overlay_interface(endpoint)) { CO_TRY(co_await overlays->attach(attached, endpoint)); }
    co_return std::move(done);
}

net::Task<void> Networks::Impl::undo_join(AttachedPtr attached, EndpointState failed) {
    auto& info = attached->info;
    std::erase_if(info.endpoints,
                  [&](const EndpointState& e) { return e.endpoint == failed.endpoint; });
    if (is_overlay_interface(failed)) { (void)co_await overlays->detach(failed); }
    release(*attached, failed);
    auto undo = [path = info.netns_path, name = failed.interface,
                 routes = default_routes(*attached)]() -> Result<void> {
        TRY_LET(netns, os::open_netns(path));
        TRY(remove_interface(netns, name));
        return set_default_routes(netns, routes);
    };
    (void)co_await env.pool.run(std::move(undo));
    (void)co_await align_gateway(attached);
}

net::Task<Result<SandboxInfo>> Networks::Impl::leave(ContainerId container, NetworkPtr network) {
    auto attached = this->attached(container);
    if (!attached) { co_return conflict("container " + container.text() + " is not running"); }
    auto turn = co_await attached->turn.acquire();
    auto& info = attached->info;
    CO_TRY(check_own_sandbox(info));
    const auto found =
        std::find_if(info.endpoints.begin(), info.endpoints.end(),
                     [&](const EndpointState& e) { return e.network == network->definition.id; });
    if (attached->gone || found == info.endpoints.end()) {
        co_return Error{Errc::Forbidden, "container " + container.text() +
                                             " is not connected to network " +
                                             network->definition.name};
    }
    if (found->automatic) {
        co_return Error{Errc::Forbidden,
                        "container " + container.text() + " reaches the world by network " +
                            network->definition.name + ", and leaves it with its other networks"};
    }
    const auto before = port_target(*attached);
    const auto endpoint = *found;
    info.endpoints.erase(found);
    if (is_overlay_interface(endpoint)) { CO_TRY(co_await overlays->detach(endpoint)); }
    release(*attached, endpoint);
    auto job = [setup = base_setup(*attached),
                name = endpoint.interface]() mutable -> Result<SetupDone> {
        TRY_LET(netns, os::open_netns(setup.sandbox.path));
        TRY(remove_interface(netns, name));
        TRY(set_default_routes(netns, setup.routes));
        return run_setup(std::move(setup)); // no interfaces: only the host's resolver is read
    };
    CO_TRY_LET(done, co_await env.pool.run(std::move(job)));
    CO_TRY(co_await align_gateway(attached));
    CO_TRY(co_await move_ports(attached, before));
    if (info.endpoints.empty()) { info.mode = "none"; }
    render_files(*attached, done);
    dns.set_view(container.text(), dns_view(*attached));
    publish(*network, "disconnect", container.text());
    co_return info;
}

} // namespace shoal::engine
