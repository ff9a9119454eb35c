// A cluster of network namespaces for the tests of overlays: nodes on one bridge (the underlay), an
// overlay on each, containers with a server that says who it is and whom it sees.
#pragma once

#include "network/overlay.h"
#include "os/netlink.h"
#include "os/netns.h"
#include "os/sysctl.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <mutex>
#include <optional>
#include <thread>

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace shoal::network {

inline Ip ip(const std::string& text) { return Ip::parse(text).value_or(Ip()); }

inline sockaddr_in6 socket_address(const Ip& ip, std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    auto bytes = ip.bytes();
    if (ip.is_v4()) { bytes = std::string(10, '\0') + "\xff\xff" + bytes; }
    if (ip) { std::memcpy(&address.sin6_addr, bytes.data(), 16); }
    return address;
}
inline Ip ip_of(const sockaddr_in6& address) {
    const std::string bytes(reinterpret_cast<const char*>(&address.sin6_addr), 16);
    return bytes.starts_with(std::string(10, '\0') + "\xff\xff") ? Ip::from_bytes(bytes.substr(12))
                                                                 : Ip::from_bytes(bytes);
}

/// Both families by one socket; blocking calls end after a time.
inline Result<os::Fd> dual_socket(int type) {
    os::Fd fd(::socket(AF_INET6, type | SOCK_CLOEXEC, 0));
    if (!fd) { return os_error("make a socket", errno); }
    const int off = 0, on = 1;
    const timeval limit{4, 0};
    (void)::setsockopt(fd.raw(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    (void)::setsockopt(fd.raw(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    (void)::setsockopt(fd.raw(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)::setsockopt(fd.raw(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return fd;
}

/// Answers "NAME PEER" to whoever connects or sends, on port 80, until it is destroyed.
class TestServer {
  public:
    TestServer(const os::Fd& netns, std::string name) : name_(std::move(name)) {
        stop_ = os::Fd(::eventfd(0, EFD_CLOEXEC));
        const auto done = os::run_in_netns(netns, [&]() -> Result<void> {
            TRY_LET(tcp, bound(SOCK_STREAM));
            TRY_LET(udp, bound(SOCK_DGRAM));
            tcp_ = std::move(tcp);
            udp_ = std::move(udp);
            return ok();
        });
        EXPECT_TRUE(done) << done.error().message;
        EXPECT_EQ(::listen(tcp_.raw(), 1024), 0);
        thread_ = std::thread([this] { serve(); });
    }
    ~TestServer() {
        (void)::eventfd_write(stop_.raw(), 1);
        thread_.join();
    }
    std::vector<Ip> udp_peers() {
        const std::lock_guard guard(mutex_);
        return udp_peers_;
    }

  private:
    static Result<os::Fd> bound(int type) {
        TRY_LET(fd, dual_socket(type));
        const auto any = socket_address(ip("::"), 80);
        if (::bind(fd.raw(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) {
            return os_error("bind", errno);
        }
        return std::move(fd);
    }
    std::string answer(const sockaddr_in6& peer) const { return name_ + " " + ip_of(peer).text(); }

    void serve() {
        for (;;) {
            std::vector<pollfd> all = {
                {stop_.raw(), POLLIN, 0}, {tcp_.raw(), POLLIN, 0}, {udp_.raw(), POLLIN, 0}};
            for (const auto& connection : connections_) {
                all.push_back({connection.raw(), POLLIN, 0});
            }
            (void)::poll(all.data(), all.size(), -1);
            if (all[0].revents != 0) { return; }
            for (std::size_t i = all.size() - 1; i >= 3; --i) {
                if (all[i].revents != 0 && !answer_connection(connections_[i - 3])) {
                    connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(i) - 3);
                }
            }
            if (all[1].revents != 0) { accept_one(); }
            if (all[2].revents != 0) { answer_packet(); }
        }
    }
    void accept_one() {
        sockaddr_in6 peer{};
        socklen_t size = sizeof peer;
        os::Fd fd(::accept4(tcp_.raw(), reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC));
        if (!fd) { return; }
        const auto text = answer(peer);
        (void)::send(fd.raw(), text.data(), text.size(), MSG_NOSIGNAL);
        connections_.push_back(std::move(fd));
    }
    bool answer_connection(const os::Fd& fd) {
        char buffer[512];
        const auto got = ::recv(fd.raw(), buffer, sizeof buffer, 0);
        return got > 0 && ::send(fd.raw(), name_.data(), name_.size(), MSG_NOSIGNAL) > 0;
    }
    void answer_packet() {
        char buffer[512];
        sockaddr_in6 peer{};
        socklen_t size = sizeof peer;
        auto* address = reinterpret_cast<sockaddr*>(&peer);
        if (::recvfrom(udp_.raw(), buffer, sizeof buffer, 0, address, &size) < 0) { return; }
        {
            const std::lock_guard guard(mutex_);
            udp_peers_.push_back(ip_of(peer));
        }
        const auto text = answer(peer);
        (void)::sendto(udp_.raw(), text.data(), text.size(), 0, address, size);
    }

    std::string name_;
    os::Fd stop_, tcp_, udp_;
    std::vector<os::Fd> connections_;
    std::mutex mutex_;
    std::vector<Ip> udp_peers_;
    std::thread thread_;
};

inline Result<std::string> receive(const os::Fd& fd) {
    char buffer[512];
    const auto got = ::recv(fd.raw(), buffer, sizeof buffer, 0);
    if (got < 0) { return os_error("receive", errno); }
    return std::string(buffer, static_cast<std::size_t>(got));
}
inline Result<void> say(const os::Fd& fd) {
    if (::send(fd.raw(), "x", 1, MSG_NOSIGNAL) != 1) { return os_error("send", errno); }
    return ok();
}

struct TestContainer {
    std::string name;
    NodeIndex node = 0;
    os::Fd netns;
    OverlayEndpointPlan endpoint;
    std::unique_ptr<TestServer> server;
    Ip v4() const { return endpoint.addresses.at(0).first; }
    Ip v6() const { return endpoint.addresses.at(1).first; }

    /// A socket of this container, connected (UDP: to talk to).
    Result<os::Fd> connect(const Ip& to, int type = SOCK_STREAM, const Ip& from = {}) const {
        os::Fd made;
        TRY(os::run_in_netns(netns, [&]() -> Result<void> {
            TRY_LET(fd, dual_socket(type));
            const auto own = socket_address(from, 0);
            if (from &&
                ::bind(fd.raw(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) {
                return os_error("bind", errno);
            }
            const auto where = socket_address(to, 80);
            if (::connect(fd.raw(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0) {
                return os_error("connect", errno);
            }
            made = std::move(fd);
            return ok();
        }));
        return made;
    }
    /// What the server there says, or the name of the error.
    std::string ask(const Ip& to, int type = SOCK_STREAM) const {
        const auto attempt = [&]() -> Result<std::string> {
            TRY_LET(fd, connect(to, type));
            if (type == SOCK_DGRAM) { TRY(say(fd)); }
            return receive(fd);
        };
        const auto answer = attempt();
        return answer ? *answer : ::strerrorname_np(answer.error().os_errno);
    }
};

struct TestNode {
    os::Fd netns;
    OverlayPlan plan;
    std::optional<Overlay> overlay;
};

/// Nodes 1..n.
class TestCluster {
  public:
    explicit TestCluster(NodeIndex nodes = 3, Family underlay = Family::V4) {
        folder_ = "/tmp/shoal-overlay-test-" + std::to_string(::getpid());
        underlay_ = os::create_anonymous_netns().value();
        auto hub = os::Netlink::open_in(underlay_).value();
        EXPECT_TRUE(hub.create_bridge({"hub", "02:00:00:00:00:01", 0}));
        EXPECT_TRUE(hub.set_up(hub.link("hub")->index, true));
        for (NodeIndex i = 1; i <= nodes; ++i) {
            nodes_[i].netns = os::create_anonymous_netns().value();
            nodes_[i].plan = plan_of(i, underlay);
            plug(hub, i);
            open(i);
        }
    }
    ~TestCluster() {
        for (auto& [index, node] : nodes_) {
            node.overlay.reset();
            EXPECT_TRUE(Overlay::remove(node.plan.path));
        }
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    void open(NodeIndex index) {
        auto& node = nodes_[index];
        const auto done = on_node(index, [&]() -> Result<void> {
            TRY_LET(overlay, Overlay::open(node.plan));
            node.overlay.emplace(std::move(overlay));
            return ok();
        });
        ASSERT_TRUE(done) << done.error().message;
    }
    Result<void> on_node(NodeIndex index, const std::function<Result<void>()>& job) {
        return os::run_in_netns(nodes_[index].netns, job);
    }
    TestNode& node(NodeIndex index) { return nodes_[index]; }
    Overlay& overlay(NodeIndex index) { return *nodes_[index].overlay; }
    os::Fd inside(NodeIndex index) { return os::open_netns(nodes_[index].plan.path).value(); }
    const os::Fd& underlay() const { return underlay_; }

    /// A container 10.8.0.`last` and fd08::`last`; the others hear of it with apply(), and that one
    /// with the same addresses before it is gone.
    TestContainer& add(NodeIndex node, int last, const std::string& name = {}) {
        auto& container = containers_.emplace_back();
        container.name = name.empty() ? "c" + std::to_string(last) : name;
        container.node = node;
        container.netns = os::create_anonymous_netns().value();
        EXPECT_TRUE(os::run_in_netns(container.netns, []() -> Result<void> {
            TRY_LET(netlink, os::Netlink::open());
            TRY(netlink.set_up(1, true));
            return os::write_sysctl("net.ipv6.conf.default.disable_ipv6", "1"); // as in sandboxes
        }));
        auto& endpoint = container.endpoint;
        endpoint.near_link = "veth" + std::to_string(100000000 + last);
        endpoint.name = "eth0";
        endpoint.addresses = {{ip("10.8.0.0").plus(last), 16}, {ip("fd08::").plus(last), 64}};
        endpoint.mac = mac_of(container.v4());
        const auto added = overlay(node).add_endpoint(container.netns, endpoint);
        EXPECT_TRUE(added) << added.error().message;
        container.server = std::make_unique<TestServer>(container.netns, container.name);
        return container;
    }
    OverlayState state_for(NodeIndex index) const {
        OverlayState state;
        for (const auto& [other, node] : nodes_) {
            if (other != index) { state.nodes[other] = node.plan.local; }
        }
        for (const auto& [address, container] : owners()) {
            if (container->node == index) {
                state.local[address] = container->endpoint.near_link;
            } else {
                state.remote[address] = container->node;
            }
        }
        state.services = services;
        return state;
    }
    void apply() {
        for (auto& [index, node] : nodes_) {
            const auto done = node.overlay->apply(state_for(index));
            EXPECT_TRUE(done) << done.error().message;
            EXPECT_EQ(node.overlay->state(), state_for(index));
        }
    }
    void forget(const TestContainer& container) { gone_.insert(&container); }

    std::map<Ip, Balance> services;

  private:
    std::map<Ip, const TestContainer*> owners() const {
        std::map<Ip, const TestContainer*> owners;
        for (const auto& container : containers_) {
            if (gone_.contains(&container)) { continue; }
            for (const auto& [address, bits] : container.endpoint.addresses) {
                owners[address] = &container;
            }
        }
        return owners;
    }
    OverlayPlan plan_of(NodeIndex index, Family underlay) const {
        OverlayPlan plan;
        plan.path = folder_ + "/node" + std::to_string(index);
        plan.vni = 4097;
        plan.local = ip(underlay == Family::V4 ? "10.99.0.0" : "fd99::").plus(index);
        plan.self = index;
        plan.mtu = underlay == Family::V4 ? 1450 : 1430;
        plan.subnets = {*Subnet::parse("10.8.0.0/16"), *Subnet::parse("fd08::/64")};
        plan.gateways = {ip("10.8.0.1"), ip("fd08::1")};
        return plan;
    }
    void plug(os::Netlink& hub, NodeIndex index) {
        const auto port = "p" + std::to_string(index);
        const auto master = hub.link("hub")->index;
        auto& node = nodes_[index];
        EXPECT_TRUE(hub.create_veth({port, "eth0", node.netns.raw(), "", 1500, master}));
        EXPECT_TRUE(hub.set_port_up(port));
        auto inside = os::Netlink::open_in(node.netns).value();
        const auto link = inside.link("eth0")->index;
        const auto& own = node.plan.local;
        EXPECT_TRUE(inside.add_address({own.bytes(), own.is_v4() ? 24 : 64, link}));
        EXPECT_TRUE(inside.set_up(link, true));
    }

    std::string folder_;
    os::Fd underlay_;
    std::map<NodeIndex, TestNode> nodes_;
    std::deque<TestContainer> containers_;
    std::set<const TestContainer*> gone_;
};

} // namespace shoal::network
