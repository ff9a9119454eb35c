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
    explicit SimRandom(std::uint64_t seed);
    void fill(std::span<std::uint8_t> out) override;

  private:
    std::uint64_t next();
    std::uint64_t state_;
};

/// A machine's clock: the world's time, and what is wrong with it.
class SimClock final : public Clock {
  public:
    explicit SimClock(net::Loop& loop) : loop_(loop), began_(loop.now()) {}
    Instant now() const override {
        return Instant(std::chrono::seconds(1'800'000'000)) + (loop_.now() - began_) + skew;
    }
    Steady steady() const override { return loop_.now(); }
    nanoseconds skew{0};

  private:
    net::Loop& loop_;
    Steady began_;
};

class SimLogHost final : public LogHost {
  public:
    SimLogHost(std::unique_ptr<FakeCluster>& cluster, const FakeSettings& settings, net::Loop& loop,
               Random& random)
        : cluster_(cluster), settings_(settings), loop_(loop), random_(random) {}
    net::Task<Result<Log*>> start(LogStart how, net::Until until) override;
    net::Task<void> stop() override;
    /// As a process that takes two seconds to come back.
    net::Task<Result<void>> apply(LogStart how, net::Until until) override;
    Result<void> erase() override;
    bool has_data() const override { return !member_.empty(); }
    bool was_removed() const override;
    std::string trouble() const override { return was_removed() ? "removed from the log" : ""; }
    bool is_out() const; ///< the others have removed it
    /// SIGKILL of its process.
    void crash();
    const std::string& member() const { return member_; }
    bool restarting = false;       ///< in apply()
    std::vector<LogStart> applied; ///< what apply() was told

  private:
    std::unique_ptr<FakeCluster>& cluster_;
    const FakeSettings& settings_;
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
    void watch_manager();
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
    std::unique_ptr<net::TaskScope> scope; ///< what dies with the daemon
    Manager* watched = nullptr;            ///< the observer hears of its changes
};

/// Who looks on and judges.
class Observer {
  public:
    virtual ~Observer() = default;
    virtual void changed(Machine& machine, const std::vector<Change>& changes) = 0;
    virtual void controller_made(Machine& machine, const pb::Task& task,
                                 const Dependencies& dependencies) = 0;
    virtual void container_made(Machine& machine, const pb::Task& task) = 0;
};

/// How a request of a user ended.
enum class Answer { Done, Refused, Unknown };
struct Asked {
    Answer answer = Answer::Unknown;
    std::string error;
    std::int64_t revision = 0;
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

    /// One machine makes the cluster, the others join in order: `managers` of them are managers.
    net::Task<Result<void>> form(std::size_t managers, std::size_t first = 0);
    net::Task<Result<void>> join(Machine& machine, pb::NodeRole role);
    /// As a client with patience: asks whoever leads until it is answered or `most` is over.
    net::Task<Asked> change(Mutation mutation, nanoseconds most);
    /// Runs it as a part of the machine's daemon: when that dies, so does the task, and the answer
    /// is Cancelled. An answer that takes longer than `most` is not waited for.
    template <class T>
    net::Task<Result<T>> run_on(Machine& machine, net::Task<Result<T>> task, nanoseconds most);
    /// Between two machines' addresses, one way; on which of the two networks.
    void cut(Machine& from, Machine& to, bool nodes, bool log_members);
    void heal();
    void say(std::string line);
    Observer* observer = nullptr;
    FakeSettings log_settings; ///< of the log that is made next
    /// Until `holds` is true, looking every 50 ms.
    net::Task<bool> until(std::function<bool()> holds, nanoseconds most);

    net::Loop loop{net::Loop::Time::Virtual};
    SimRandom random;
    SimNet net;
    std::unique_ptr<FakeCluster> log;
    std::vector<std::string> lines; ///< what members said, with time and machine

  private:
    template <class T> struct Pending {
        explicit Pending(net::Loop& loop) : done(loop) {}
        std::optional<Result<T>> outcome;
        net::Flag done;
    };
    template <class T> struct Ends {
        std::shared_ptr<Pending<T>> pending;
        ~Ends() { pending->done.set(); }
    };
    template <class T> static net::Task<void> run_pending(net::Task<Result<T>> task,
                                                          std::shared_ptr<Pending<T>> pending) {
        const Ends<T> ends{pending};
        auto outcome = co_await std::move(task);
        pending->outcome.emplace(std::move(outcome));
    }
    Steady began_;
    os::TempDir folder_;
    std::vector<std::unique_ptr<Machine>> machines_;
};

template <class T>
net::Task<Result<T>> World::run_on(Machine& machine, net::Task<Result<T>> task, nanoseconds most) {
    if (!machine.scope) { co_return Error{Errc::Unavailable, "the machine is off"}; }
    auto pending = std::make_shared<Pending<T>>(loop);
    machine.scope->spawn(run_pending<T>(std::move(task), pending));
    const net::Until limit(loop.in(most));
    (void)co_await pending->done.wait(limit);
    if (pending->outcome) { co_return std::move(*pending->outcome); }
    co_return Error{Errc::Cancelled, "the daemon does not answer"};
}

} // namespace shoal::sim
