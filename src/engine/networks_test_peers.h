// What tests of networks have around the engine: servers and clients in network namespaces, and
// name servers of the outside world. Blocking; each test file has its own.
#pragma once

#include "network/address.h"
#include "os/file.h"
#include "os/netns.h"

#include <gmock/gmock.h> // before ldns, which makes a macro of bool
#include <gtest/gtest.h>
#include <ldns/ldns.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include <atomic>
#include <cstring>
#include <thread>

namespace shoal::engine {
namespace {

using network::Ip;

/// Bind mounts of namespaces stay inside this process.
const bool own_mounts =
    ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    Address() = default;
    Address(const std::string& text, int port) {
        const auto ip = *Ip::parse(text);
        const auto raw = ip.bytes();
        if (ip.is_v4()) {
            auto& in = reinterpret_cast<sockaddr_in&>(storage);
            in.sin_family = AF_INET;
            in.sin_port = htons(static_cast<std::uint16_t>(port));
            std::memcpy(&in.sin_addr, raw.data(), 4);
            size = sizeof in;
        } else {
            auto& in = reinterpret_cast<sockaddr_in6&>(storage);
            in.sin6_family = AF_INET6;
            in.sin6_port = htons(static_cast<std::uint16_t>(port));
            std::memcpy(&in.sin6_addr, raw.data(), 16);
            size = sizeof in;
        }
    }
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    std::string ip() const {
        if (storage.ss_family == AF_INET) {
            const auto& in = reinterpret_cast<const sockaddr_in&>(storage);
            return Ip::from_bytes({reinterpret_cast<const char*>(&in.sin_addr), 4}).text();
        }
        const auto& in = reinterpret_cast<const sockaddr_in6&>(storage);
        return Ip::from_bytes({reinterpret_cast<const char*>(&in.sin6_addr), 16}).text();
    }
};

enum class Kind { Tcp, Udp };
int type_of(Kind kind) { return kind == Kind::Tcp ? SOCK_STREAM : SOCK_DGRAM; }

/// Says its name and who asked, by TCP and UDP.
class Server {
  public:
    Server(const os::Fd& netns, std::string name, std::string address, int port)
        : name_(std::move(name)) {
        Address at(address, port);
        for (const auto kind : {Kind::Tcp, Kind::Udp}) {
            auto made = os::socket_in_netns(netns, {at.storage.ss_family, type_of(kind), 0});
            EXPECT_TRUE(made);
            const int on = 1;
            ::setsockopt(made->raw(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
            EXPECT_EQ(::bind(made->raw(), at.get(), at.size), 0) << std::strerror(errno);
            if (kind == Kind::Tcp) { ::listen(made->raw(), 16); }
            fds_.push_back(std::move(*made));
        }
        thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
    }

  private:
    void run(std::stop_token stop) {
        while (!stop.stop_requested()) {
            pollfd polls[2] = {{fds_[0].raw(), POLLIN, 0}, {fds_[1].raw(), POLLIN, 0}};
            ::poll(polls, 2, 20);
            Address peer;
            peer.size = sizeof peer.storage;
            if (polls[0].revents != 0) {
                const os::Fd client(::accept4(fds_[0].raw(), peer.get(), &peer.size, SOCK_CLOEXEC));
                const auto text = name_ + " " + peer.ip();
                (void)!::write(client.raw(), text.data(), text.size());
            }
            if (polls[1].revents != 0) {
                char buffer[512];
                ::recvfrom(fds_[1].raw(), buffer, sizeof buffer, 0, peer.get(), &peer.size);
                const auto text = name_ + " " + peer.ip();
                ::sendto(fds_[1].raw(), text.data(), text.size(), 0, peer.get(), peer.size);
            }
        }
    }
    std::string name_;
    std::vector<os::Fd> fds_;
    std::jthread thread_;
};

constexpr int answer_ms = 2000;
constexpr int silence_ms = 400;

/// What a Server there says, or "" when nobody answers. Blocking.
std::string ask_blocking(const os::Fd& netns, std::string address, int port, Kind kind,
                         int wait_ms) {
    Address to(address, port);
    auto fd = os::socket_in_netns(netns, {to.storage.ss_family, type_of(kind) | SOCK_NONBLOCK, 0});
    if (!fd) { return ""; }
    if (::connect(fd->raw(), to.get(), to.size) != 0 && errno != EINPROGRESS) { return ""; }
    pollfd writable{fd->raw(), POLLOUT, 0};
    if (::poll(&writable, 1, wait_ms) != 1 || (writable.revents & (POLLERR | POLLHUP)) != 0) {
        return "";
    }
    if (kind == Kind::Udp) { (void)!::send(fd->raw(), "hi", 2, 0); }
    pollfd readable{fd->raw(), POLLIN, 0};
    if (::poll(&readable, 1, wait_ms) != 1) { return ""; }
    char buffer[512];
    const auto got = ::recv(fd->raw(), buffer, sizeof buffer, 0);
    return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : "";
}

struct DnsReply {
    int rcode = -1;
    std::vector<std::string> records;
    bool truncated = false;
};

std::string dns_query(const std::string& name, ldns_rr_type type) {
    ldns_pkt* packet =
        ldns_pkt_query_new(ldns_dname_new_frm_str(name.c_str()), type, LDNS_RR_CLASS_IN, LDNS_RD);
    ldns_pkt_set_id(packet, 4711);
    std::uint8_t* bytes = nullptr;
    std::size_t size = 0;
    ldns_pkt2wire(&bytes, packet, &size);
    std::string message(reinterpret_cast<char*>(bytes), size);
    std::free(bytes);
    ldns_pkt_free(packet);
    return message;
}

DnsReply dns_reply(std::string_view message) {
    DnsReply reply;
    ldns_pkt* packet = nullptr;
    if (ldns_wire2pkt(&packet, reinterpret_cast<const std::uint8_t*>(message.data()),
                      message.size()) != LDNS_STATUS_OK) {
        return reply;
    }
    reply.rcode = ldns_pkt_get_rcode(packet);
    reply.truncated = ldns_pkt_tc(packet);
    const auto* answers = ldns_pkt_answer(packet);
    for (std::size_t i = 0; i < ldns_rr_list_rr_count(answers); ++i) {
        char* text = ldns_rdf2str(ldns_rr_rdf(ldns_rr_list_rr(answers, i), 0));
        reply.records.emplace_back(text);
        std::free(text);
    }
    ldns_pkt_free(packet);
    return reply;
}

/// Asks 127.0.0.11:53 inside, as a program there would.
DnsReply dns_blocking(const os::Fd& netns, std::string name, ldns_rr_type type, Kind kind) {
    Address to("127.0.0.11", 53);
    auto fd = os::socket_in_netns(netns, {AF_INET, type_of(kind), 0});
    timeval limit{6, 0};
    ::setsockopt(fd->raw(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(fd->raw(), to.get(), to.size) != 0) { return {}; }
    auto message = dns_query(name, type);
    if (kind == Kind::Tcp) {
        message = std::string("\0", 1) + static_cast<char>(message.size()) + message;
    }
    (void)!::send(fd->raw(), message.data(), message.size(), 0);
    std::string buffer(65536, '\0');
    const auto got = ::recv(fd->raw(), buffer.data(), buffer.size(), kind == Kind::Tcp ? 0 : 0);
    if (got <= 0) { return {}; }
    return dns_reply(
        std::string_view(buffer).substr(kind == Kind::Tcp ? 2 : 0, static_cast<std::size_t>(got)));
}

/// A name server of the outside world: every A question has the answer 203.0.113.7.
class FakeDns {
  public:
    FakeDns(const os::Fd& netns, const std::string& address) {
        Address at(address, 53);
        fd_ = std::move(*os::socket_in_netns(netns, {AF_INET, SOCK_DGRAM, 0}));
        EXPECT_EQ(::bind(fd_.raw(), at.get(), at.size), 0);
        thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
    }
    int asked() const { return asked_; }

  private:
    void run(std::stop_token stop) {
        while (!stop.stop_requested()) {
            pollfd readable{fd_.raw(), POLLIN, 0};
            if (::poll(&readable, 1, 20) != 1) { continue; }
            char buffer[2048];
            Address peer;
            peer.size = sizeof peer.storage;
            const auto got =
                ::recvfrom(fd_.raw(), buffer, sizeof buffer, 0, peer.get(), &peer.size);
            ++asked_;
            std::string reply(buffer, static_cast<std::size_t>(got));
            reply[2] = static_cast<char>(0x81);
            reply[3] = static_cast<char>(0x80);
            reply[7] = 1;
            reply += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xcb\0\x71\7", 16);
            ::sendto(fd_.raw(), reply.data(), reply.size(), 0, peer.get(), peer.size);
        }
    }
    os::Fd fd_;
    std::atomic<int> asked_ = 0;
    std::jthread thread_;
};

} // namespace
} // namespace shoal::engine
