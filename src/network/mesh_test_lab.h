// For tests of the mesh: three nodes, a router and a client behind it as network namespaces on one
// wire, a container on each node's gateway bridge and one on another bridge, and sockets that say
// who asked. It knows the tables of the product and nothing of the engine.
#pragma once

#include "network/mesh.h"
#include "network/rules.h"
#include "os/fd.h"
#include "os/netlink.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace shoal::network::lab {

inline Ip ip(const std::string& text) { return Ip::parse(text).value_or(Ip{}); }

struct Host {
    os::Fd netns;
    std::optional<os::Netlink> links;
    void run(const std::function<void()>& job) const; ///< in the namespace
    void set(const std::string& sysctl, const std::string& value) const;
    void address(const std::string& link, const std::string& ip, int bits);
    void way(const std::string& ip, int bits, const std::string& gateway);
    void no_default_route();
    std::string nft(const std::string& commands) const; ///< its output, or "failed: ..."
};

/// Answers every TCP chunk and UDP packet on this port with "NAME ADDRESS\n", in both families.
class Server {
  public:
    Server(const Host& host, std::string name, std::uint16_t port);
    std::string heard() const; ///< UDP, all together

  private:
    struct Peer {
        os::Fd fd;
        std::string answer;
    };
    void run(const std::stop_token& stop);
    void serve_udp();
    std::string name_;
    os::Fd tcp_, udp_;
    std::vector<Peer> peers_;
    mutable std::mutex mutex_;
    std::string heard_;
    std::jthread thread_;
};

enum class Kind { Tcp, Udp };
struct Target {
    std::string address;
    std::uint16_t port = 0;
    Kind kind = Kind::Tcp;
    std::uint16_t from_port = 0;
    int wait_ms = 3000;
};

/// A connection, or what became of it: "refused", "reset", "timeout".
class Talk {
  public:
    Talk(const Host& from, const Target& to);
    std::string say(const std::string& words = "hi"); ///< the answer
    void send(const std::string& words);
    const os::Fd& fd() const { return fd_; }
    const std::string& failure() const { return failure_; }

  private:
    os::Fd fd_;
    std::string failure_;
};
std::string ask(const Host& from, const Target& to);
/// How often each answer came.
std::map<std::string, int> ask_often(const Host& from, const Target& to, int times);

inline constexpr int node_count = 3;

struct Options {
    MeshReplies replies = MeshReplies::Detect;
    std::vector<Ip> published_on;
    bool underlay_v6 = false;
};

struct Lab {
    explicit Lab(Options options = {});
    /// The state of a node, with these ports: "tcp and udp PORT lead to port 80 of tasks A, B".
    MeshState state(int node) const;
    void publish(std::uint16_t port, const std::vector<int>& tasks, bool by_client = false);
    void apply_all();
    void apply(int node);
    void in_mesh(int node, const std::function<void(Mesh&)>& job);
    void load_main_table(int node, const std::string& user_rules = "");
    MeshPlan plan(int node) const;

    Options options;
    Host wire, router, client;
    Host beside, neighbour; ///< containers of node 1: on another bridge, and on the gateway bridge
    std::map<int, Host> nodes, tasks;
    std::map<int, std::optional<Mesh>> meshes;
    std::map<int, std::unique_ptr<Server>> servers;
    std::map<MeshPort, MeshBalance> ports;
    std::set<int> lost; ///< nodes that are not in the map any more
};

Ip task_ip(int node);          ///< in the mesh
std::string node_v4(int node); ///< 10.99.0.N
std::string node_v6(int node);
inline const std::string client_v4 = "203.0.113.9";
inline const std::string client_v6 = "fd20::9";

} // namespace shoal::network::lab
