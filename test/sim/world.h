// World: a cluster of simulated machines in one thread and in virtual time, from one seed. Machines
// run the real members, managers and agents; what is simulated is what is below them: network, log,
// containers, clocks. It does not judge: checkers do (checks.h).
#pragma once

#include "executor.h"
#include "net.h"

#include "swarm/member/member.h"
#include "swarm/store/fake_log.h"

#include "os/file.h"

namespace shoal::sim {

/// A seeded source of everything that is by chance.
class SimRandom final : public Random {
  public:
    explicit SimRandom(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}
    void fill(std::span<std::uint8_t> out) override;

  private:
    std::uint64_t next();
    std::uint64_t state_;
};

/// A machine's clock: the world's time, and what is wrong with it.
class SimClock final : public Clock {
  public:
    explicit SimClock(net::Loop& loop) : loop_(loop) {}
    Instant now() const override {
        return Instant(std::chrono::seconds(1'800'000'000)) + loop_.now().time_since_epoch() + skew;
    }
    Steady steady() const override { return loop_.now(); }
    nanoseconds skew{0};

  private:
    net::Loop& loop_;
};

class SimLogHost final : public LogHost {
  public:
    SimLogHost(std::unique_ptr<FakeCluster>& cluster, net::Loop& loop, Random& random)
        : cluster_(cluster), loop_(loop), random_(random) {}
    net::Task<Result<Log*>> start(LogStart how, net::Until until) override;
    net::Task<void> stop() override;
    Result<void> erase() override;
    bool has_data() const override { return !member_.empty(); }
    std::string trouble() const override { return ""; }
    /// SIGKILL of its process.
    void crash();
    const std::string& member() const { return member_; }

  private:
    std::unique_ptr<FakeCluster>& cluster_;
    net::Loop& loop_;
    Random& random_;
    std::string member_;
    std::unique_ptr<Log> log_;
};

struct Machine {
    Machine(class World& world, std::string host);
    void start(); ///< power on, or the daemon begins
    /// The daemon is killed; containers run on.
    void kill_daemon();
    void power_cut();
    bool up() const { return member != nullptr; }
    std::string address() const { return host + ":2377"; }

    class World& world;
    std::string host;
    SimClock clock;
    SimExecutor executor;
    MapTaskMemory memory;
    SimLogHost log_host;
    std::string directory;
    std::unique_ptr<Member> member;
    std::unique_ptr<net::TaskScope> scope;
};

class World {
  public:
    World(std::uint64_t seed, std::size_t machines);
    ~World();

    Machine& at(std::size_t index) { return *machines_.at(index); }
    std::size_t size() const { return machines_.size(); }
    /// The manager that leads; null when there is none.
    Manager* leader();
    Machine* leading_machine();

    /// The first machine makes the cluster, the others join: `managers` of them as managers.
    net::Task<Result<void>> form(std::size_t managers);
    net::Task<Result<void>> join(Machine& machine, pb::NodeRole role);
    /// As a client with patience: asks whoever leads until it is answered or `until`.
    net::Task<Result<void>> change(Mutation mutation, net::Until until);
    /// Until `holds` is true, looking every 50 ms.
    net::Task<bool> until(std::function<bool()> holds, nanoseconds most);

    net::Loop loop{net::Loop::Time::Virtual};
    SimRandom random;
    SimNet net;
    std::unique_ptr<FakeCluster> log;
    std::vector<std::string> lines; ///< what members said, with time and machine

  private:
    os::TempDir folder_;
    std::vector<std::unique_ptr<Machine>> machines_;
};

} // namespace shoal::sim
