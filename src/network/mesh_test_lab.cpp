#include "network/mesh_test_lab.h"

#include "base/text.h"
#include "network/endpoint.h"
#include "network/socket_address.h"
#include "os/netns.h"
#include "os/nft.h"
#include "os/sysctl.h"

#include <cerrno>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

namespace shoal::network::lab {
namespace {

template <class T> void expect(const T& result) {
    EXPECT_TRUE(result) << (result ? "" : result.error().message);
}

Host make_host() {
    Host host;
    auto netns = os::create_anonymous_netns();
    expect(netns);
    host.netns = std::move(*netns);
    host.links.emplace(std::move(*os::Netlink::open_in(host.netns)));
    expect(host.links->set_up(1, true));
    // A new namespace begins with what the machine has, whatever that is.
    for (const char* family : {"ipv4", "ipv6"}) {
        host.set(std::string("net.") + family + ".conf.all.forwarding", "0");
    }
    for (const char* family : {"iptables", "ip6tables"}) {
        host.run([&] {
            (void)os::write_sysctl(std::string("net.bridge.bridge-nf-call-") + family, "0");
        });
    }
    host.set("net.ipv4.conf.all.rp_filter", "0");
    host.set("net.ipv4.conf.default.rp_filter", "0");
    host.set("net.ipv6.conf.default.accept_dad", "0");
    host.set("net.ipv6.conf.all.disable_ipv6", "0");
    host.set("net.ipv6.conf.default.disable_ipv6", "0");
    return host;
}

Ip peer_ip(const sockaddr_storage& peer) {
    if (peer.ss_family == AF_INET) {
        const auto& in = reinterpret_cast<const sockaddr_in&>(peer);
        return Ip::from_bytes({reinterpret_cast<const char*>(&in.sin_addr), 4});
    }
    const auto& in = reinterpret_cast<const sockaddr_in6&>(peer);
    const auto text = Ip::from_bytes({reinterpret_cast<const char*>(&in.sin6_addr), 16}).text();
    return ip(text); // IPv4 in IPv6 becomes IPv4
}

os::Fd bound_socket(const Host& host, int type, std::uint16_t port) {
    auto fd = os::socket_in_netns(host.netns, {AF_INET6, type | SOCK_NONBLOCK, 0});
    expect(fd);
    const int on = 1, off = 0;
    ::setsockopt(fd->raw(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd->raw(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    const auto at = socket_address({}, Family::V6, port);
    EXPECT_EQ(::bind(fd->raw(), at.get(), at.size), 0) << std::strerror(errno);
    return std::move(*fd);
}

} // namespace

void Host::run(const std::function<void()>& job) const {
    expect(os::run_in_netns(netns, [&]() -> Result<void> {
        job();
        return ok();
    }));
}

void Host::set(const std::string& sysctl, const std::string& value) const {
    run([&] { expect(os::write_sysctl(sysctl, value)); });
}

void Host::address(const std::string& name, const std::string& text, int bits) {
    const auto link = links->link(name);
    expect(link);
    expect(links->add_address({ip(text).bytes(), bits, link->index, false}));
}

void Host::way(const std::string& to, int bits, const std::string& gateway) {
    const auto via = ip(gateway);
    os::Route route;
    route.destination = bits > 0 ? ip(to).bytes() : "";
    route.bits = bits;
    route.gateway = via.bytes();
    route.v6 = via.is_v6();
    expect(links->replace_route(route));
}

void Host::no_default_route() {
    for (const auto& route : links->routes().value_or({})) {
        if (route.bits == 0) { expect(links->remove_route(route)); }
    }
}

std::string Host::nft(const std::string& commands) const {
    std::string output;
    run([&] {
        auto tool = os::Nft::open();
        auto answer = tool->query(commands, os::Nft::Form::Text);
        output = answer ? *answer : "failed: " + answer.error().message;
    });
    return output;
}

Server::Server(const Host& host, std::string name, std::uint16_t port)
    : name_(std::move(name)), tcp_(bound_socket(host, SOCK_STREAM, port)),
      udp_(bound_socket(host, SOCK_DGRAM, port)) {
    EXPECT_EQ(::listen(tcp_.raw(), 1024), 0);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

std::string Server::heard() const {
    const std::lock_guard guard(mutex_);
    return heard_;
}

void Server::serve_udp() {
    char buffer[2048];
    for (;;) {
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        const auto got = ::recvfrom(udp_.raw(), buffer, sizeof buffer, 0,
                                    reinterpret_cast<sockaddr*>(&from), &size);
        if (got < 0) { return; }
        {
            const std::lock_guard guard(mutex_);
            heard_.append(buffer, static_cast<std::size_t>(got));
        }
        const auto answer = name_ + " " + peer_ip(from).text();
        (void)!::sendto(udp_.raw(), answer.data(), answer.size(), 0,
                        reinterpret_cast<sockaddr*>(&from), size);
    }
}

void Server::run(const std::stop_token& stop) {
    std::string buffer(1 << 16, '\0');
    while (!stop.stop_requested()) {
        std::vector<pollfd> polls{{tcp_.raw(), POLLIN, 0}, {udp_.raw(), POLLIN, 0}};
        for (const auto& peer : peers_) { polls.push_back({peer.fd.raw(), POLLIN, 0}); }
        ::poll(polls.data(), polls.size(), 20);
        serve_udp();
        for (std::size_t i = peers_.size(); i-- > 0;) {
            if (polls[i + 2].revents == 0) { continue; }
            const auto got = ::recv(peers_[i].fd.raw(), buffer.data(), buffer.size(), 0);
            if (got < 0 && errno == EAGAIN) { continue; }
            if (got > 0) {
                (void)!::send(peers_[i].fd.raw(), peers_[i].answer.data(), peers_[i].answer.size(),
                              MSG_NOSIGNAL);
            } else {
                peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(i));
            }
        }
        for (;;) {
            sockaddr_storage from{};
            socklen_t size = sizeof from;
            os::Fd fd(::accept4(tcp_.raw(), reinterpret_cast<sockaddr*>(&from), &size,
                                SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (!fd) { break; }
            peers_.push_back({std::move(fd), name_ + " " + peer_ip(from).text()});
        }
    }
}

namespace {
std::string word_of(int error) {
    if (error == ECONNREFUSED) { return "refused"; }
    if (error == ECONNRESET || error == EPIPE) { return "reset"; }
    if (error == EAGAIN || error == EINPROGRESS || error == ETIMEDOUT) { return "timeout"; }
    return std::strerror(error);
}
} // namespace

Talk::Talk(const Host& from, const Target& to) {
    const auto address = ip(to.address);
    const auto family = address.family();
    const int type = to.kind == Kind::Tcp ? SOCK_STREAM : SOCK_DGRAM;
    fd_ = std::move(
        *os::socket_in_netns(from.netns, {family == Family::V4 ? AF_INET : AF_INET6, type, 0}));
    const timeval wait{to.wait_ms / 1000, to.wait_ms % 1000 * 1000};
    const int on = 1;
    ::setsockopt(fd_.raw(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    ::setsockopt(fd_.raw(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    ::setsockopt(fd_.raw(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd_.raw(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (to.from_port != 0) {
        const auto own = socket_address({}, family, to.from_port);
        EXPECT_EQ(::bind(fd_.raw(), own.get(), own.size), 0) << std::strerror(errno);
    }
    const auto there = socket_address(address, family, to.port);
    if (::connect(fd_.raw(), there.get(), there.size) != 0) { failure_ = word_of(errno); }
}

void Talk::send(const std::string& words) {
    std::size_t done = 0;
    while (failure_.empty() && done < words.size()) {
        const auto sent = ::send(fd_.raw(), words.data() + done, words.size() - done, MSG_NOSIGNAL);
        if (sent < 0) { failure_ = word_of(errno); }
        done += static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
    }
}

std::string Talk::say(const std::string& words) {
    send(words);
    if (!failure_.empty()) { return failure_; }
    char buffer[512];
    const auto got = ::recv(fd_.raw(), buffer, sizeof buffer, 0);
    if (got < 0) { return word_of(errno); }
    return got == 0 ? "end" : std::string(buffer, static_cast<std::size_t>(got));
}

std::string ask(const Host& from, const Target& to) { return Talk(from, to).say(); }

std::map<std::string, int> ask_often(const Host& from, const Target& to, int times) {
    std::map<std::string, int> answers;
    auto each = to;
    for (int i = 0; i < times; ++i) {
        // A UDP port that is used again belongs to the connection before.
        if (to.kind == Kind::Udp) { each.from_port = static_cast<std::uint16_t>(20000 + i); }
        ++answers[ask(from, each)];
    }
    return answers;
}

Ip task_ip(int node) { return ip("10.0.0.1" + std::to_string(node)); }
std::string node_v4(int node) { return "10.99.0." + std::to_string(node); }
std::string node_v6(int node) { return "fd99::" + std::to_string(node); }

namespace {

constexpr std::uint16_t target_port = 80;

void plug(Lab& lab, Host& host, const std::string& port, const std::string& v4,
          const std::string& v6) {
    const auto bridge = lab.wire.links->link("wire");
    expect(lab.wire.links->create_veth({port, "eth0", host.netns.raw(), "", 0, bridge->index}));
    expect(lab.wire.links->set_port_up(port));
    expect(host.links->set_up(host.links->link("eth0")->index, true));
    host.address("eth0", v4, 24);
    host.address("eth0", v6, 64);
}

void make_bridge(Host& host, const std::string& name, const std::string& v4,
                 const std::string& v6) {
    BridgePlan plan;
    plan.link = name;
    plan.addresses = {{ip(v4), 16}, {ip(v6), 64}};
    plan.ipv6 = true;
    host.run([&] { expect(ensure_bridge(plan)); });
}

struct Seat {
    std::string bridge, v4, v6, gateway4, gateway6;
};
Host make_container(Host& node, const Seat& seat) {
    auto inside = make_host();
    InterfacePlan plan;
    plan.driver = "bridge";
    plan.name = "eth0";
    plan.host_link = "v" + split(seat.v4, '.').back();
    plan.bridge = seat.bridge;
    plan.isolated = true;
    plan.hairpin = true;
    plan.mac = mac_of(ip(seat.v4));
    plan.addresses = {{ip(seat.v4), 16}, {ip(seat.v6), 64}};
    node.run([&] { expect(add_interface(inside.netns, plan)); });
    inside.way("", 0, seat.gateway4);
    inside.way("", 0, seat.gateway6);
    inside.set("net.ipv4.conf.all.rp_filter", "1");
    return inside;
}

void make_node(Lab& lab, int index) {
    auto& node = lab.nodes[index] = make_host();
    plug(lab, node, "n" + std::to_string(index), node_v4(index), node_v6(index));
    for (const char* family : {"ipv4", "ipv6"}) {
        node.set(std::string("net.") + family + ".conf.all.forwarding", "1");
    }
    node.set("net.ipv4.conf.all.rp_filter", "1");
    node.set("net.ipv6.conf.eth0.accept_ra", "0");
    node.way("", 0, "10.99.0.254");
    node.way("", 0, "fd99::fe");
    make_bridge(node, "gw", "172.18.0.1", "fd18::1");
    lab.load_main_table(index);
    const auto n = std::to_string(index);
    lab.tasks[index] =
        make_container(node, {"gw", "172.18.0.1" + n, "fd18::1" + n, "172.18.0.1", "fd18::1"});
    lab.servers[index] = std::make_unique<Server>(lab.tasks[index], "b" + n, target_port);
}

void make_client(Lab& lab) {
    plug(lab, lab.router, "router", "10.99.0.254", "fd99::fe");
    lab.client = make_host();
    expect(lab.router.links->create_veth({"lan", "eth0", lab.client.netns.raw(), "", 0, 0}));
    for (auto* host : {&lab.router, &lab.client}) {
        const auto* name = host == &lab.router ? "lan" : "eth0";
        expect(host->links->set_up(host->links->link(name)->index, true));
    }
    for (const char* family : {"ipv4", "ipv6"}) {
        lab.router.set(std::string("net.") + family + ".conf.all.forwarding", "1");
    }
    lab.router.address("lan", "203.0.113.1", 24);
    lab.router.address("lan", "fd20::1", 64);
    lab.client.address("eth0", client_v4, 24);
    lab.client.address("eth0", client_v6, 64);
    lab.client.way("", 0, "203.0.113.1");
    lab.client.way("", 0, "fd20::1");
}

} // namespace

Lab::Lab(Options wanted) : options(std::move(wanted)) {
    wire = make_host();
    router = make_host();
    expect(wire.links->create_bridge({"wire", "02:00:00:00:00:99", 0}));
    expect(wire.links->set_up(wire.links->link("wire")->index, true));
    make_client(*this);
    for (int i = 1; i <= node_count; ++i) { make_node(*this, i); }
    make_bridge(nodes[1], "other", "172.19.0.1", "fd19::1");
    beside = make_container(nodes[1], {"other", "172.19.0.5", "fd19::5", "172.19.0.1", "fd19::1"});
    neighbour =
        make_container(nodes[1], {"gw", "172.18.0.21", "fd18::21", "172.18.0.1", "fd18::1"});
    for (int i = 1; i <= node_count; ++i) {
        nodes[i].run([&] {
            auto mesh = Mesh::open(plan(i), options.replies);
            expect(mesh);
            meshes[i].emplace(std::move(*mesh));
        });
    }
}

MeshPlan Lab::plan(int node) const {
    MeshPlan plan;
    plan.table = "shoal_0_mesh";
    plan.link = "shoalm0";
    plan.gateway = "gw";
    plan.gateway_subnets = {*Subnet::parse("172.18.0.0/16"), *Subnet::parse("fd18::/64")};
    plan.route_table = 91;
    plan.vni = 4095;
    plan.local = ip(options.underlay_v6 ? node_v6(node) : node_v4(node));
    plan.self = static_cast<NodeIndex>(node);
    plan.task_prefix6 = *Subnet::parse("fd5b::/96");
    plan.published_on = options.published_on;
    return plan;
}

void Lab::load_main_table(int node, const std::string& user_rules) {
    RuleState state;
    state.bridges = {
        {.link = "gw",
         .icc = false,
         .masquerade = {*Subnet::parse("172.18.0.0/16"), *Subnet::parse("fd18::/64")}}};
    if (node == 1) {
        state.bridges.push_back(
            {.link = "other",
             .masquerade = {*Subnet::parse("172.19.0.0/16"), *Subnet::parse("fd19::/64")}});
    }
    nodes[node].run([&] {
        auto tool = os::Nft::open();
        expect(tool->apply(render_table("shoal_0", state, user_rules)));
    });
}

MeshState Lab::state(int node) const {
    MeshState state;
    state.ports = ports;
    for (int i = 1; i <= node_count; ++i) {
        const auto index = static_cast<NodeIndex>(i);
        const auto n = std::to_string(i);
        if (lost.contains(i)) { continue; }
        if (i == node) {
            state.local[task_ip(i)] = {
                ip("172.18.0.1" + n),
                ip("fd18::1" + n),
                {{Protocol::Tcp, target_port}, {Protocol::Udp, target_port}}};
        } else {
            state.nodes[index] = {plan(i).local, {ip(node_v4(i)), ip(node_v6(i))}};
            state.remote[task_ip(i)] = index;
        }
    }
    return state;
}

void Lab::publish(std::uint16_t port, const std::vector<int>& which, bool by_client) {
    MeshBalance balance;
    balance.target = target_port;
    balance.by_client = by_client;
    for (const int task : which) { balance.tasks.push_back(task_ip(task)); }
    ports[{Protocol::Tcp, port}] = balance;
    ports[{Protocol::Udp, port}] = balance;
}

void Lab::in_mesh(int node, const std::function<void(Mesh&)>& job) {
    nodes[node].run([&] { job(*meshes[node]); });
}

void Lab::apply(int node) {
    in_mesh(node, [&](Mesh& mesh) { expect(mesh.apply(state(node))); });
}

void Lab::apply_all() {
    for (int i = 1; i <= node_count; ++i) {
        if (!lost.contains(i)) { apply(i); }
    }
}

} // namespace shoal::network::lab
