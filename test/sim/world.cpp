#include "world.h"

#include "crypto_random.h"

#include "net/sleep.h"

#include <fmt/format.h>

namespace shoal::sim {
namespace {

constexpr std::chrono::milliseconds look_pause(50);
constexpr std::chrono::seconds join_limit(60);

std::string token_of(const Store& store, pb::NodeRole role) {
    const auto cluster = store.cluster();
    if (!cluster) { return ""; }
    const auto& tokens = cluster->root_ca().join_tokens();
    return role == pb::MANAGER ? tokens.manager() : tokens.worker();
}

} // namespace

namespace {
// splitmix64
constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}
} // namespace

/// Neighbouring seeds must not be neighbours in the sequence.
SimRandom::SimRandom(std::uint64_t seed) : state_(mixed(mixed(seed + golden) ^ seed)) {}

std::uint64_t SimRandom::next() { return mixed(state_ += golden); }

void SimRandom::fill(std::span<std::uint8_t> out) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
        if (i % 8 == 0) { value = next(); }
        out[i] = static_cast<std::uint8_t>(value >> (8 * (i % 8)));
    }
}

net::Task<Result<Log*>> SimLogHost::start(LogStart how, net::Until) {
    co_await net::yield(loop_);
    switch (how.how) {
    case LogStart::How::New:
        cluster_ = std::make_unique<FakeCluster>(loop_, random_, settings_);
        member_ = cluster_->bootstrap(how.name, how.peer_url);
        break;
    case LogStart::How::Join: {
        auto joined = cluster_->join(how.name, how.peer_url);
        if (!joined) { co_return joined.error(); }
        member_ = *joined;
        break;
    }
    case LogStart::How::Again:
        if (is_out()) { co_return Error{Errc::Forbidden, "removed from the log"}; }
        cluster_->restart(member_);
        break;
    case LogStart::How::ForceNew:
        cluster_->restart(member_);
        cluster_->force_new_cluster(member_);
        break;
    }
    log_ = cluster_->log(member_);
    co_return log_.get();
}

net::Task<Result<void>> SimLogHost::apply(LogStart how, net::Until until) {
    restarting = true;
    cluster_->crash(member_);
    co_await net::sleep(loop_, until.no_later_than(loop_.in(std::chrono::seconds(2))));
    cluster_->restart(member_);
    restarting = false;
    applied.push_back(std::move(how));
    co_return ok();
}

bool SimLogHost::is_out() const {
    if (member_.empty() || !cluster_) { return false; }
    const auto all = cluster_->member_ids();
    return std::find(all.begin(), all.end(), member_) == all.end();
}

bool SimLogHost::was_removed() const { return log_ && is_out(); }

net::Task<void> SimLogHost::stop() {
    co_await net::yield(loop_);
    crash();
}

void SimLogHost::crash() {
    log_.reset();
    if (!member_.empty() && cluster_) { cluster_->crash(member_); }
}

Result<void> SimLogHost::erase() {
    member_.clear();
    return ok();
}

Machine::Machine(World& in, std::string named)
    : world(in), host(std::move(named)), clock(in.loop), executor(in.loop, in.random, host),
      log_host(in.log, in.log_settings, in.loop, in.random) {
    executor.on_controller = [this](const pb::Task& task, const Dependencies& dependencies) {
        if (world.observer != nullptr) {
            world.observer->controller_made(*this, task, dependencies);
        }
    };
    executor.on_container = [this](const pb::Task& task) {
        if (world.observer != nullptr) { world.observer->container_made(*this, task); }
    };
}

void Machine::watch_manager() {
    Manager* const manager = member ? member->manager() : nullptr;
    if (manager == watched) { return; }
    watched = manager;
    if (manager == nullptr) { return; }
    manager->subscribe([this](const std::vector<Change>& changes) {
        if (world.observer != nullptr) { world.observer->changed(*this, changes); }
    });
}

void Machine::start() {
    ASSERT(!member);
    world.net.set_dead(host, false);
    const auto make_transport = [this](CredentialsPtr credentials) -> std::unique_ptr<Transport> {
        return std::make_unique<SimTransport>(world.net, clock, std::move(credentials), host);
    };
    const auto log = [this](std::string line) { world.say(host + " " + line); };
    MemberSeams seams{world.loop, clock,          world.random, executor, memory,
                      log_host,   make_transport, directory,    log};
    member = std::make_unique<Member>(std::move(seams));
    member->on_change([this] { watch_manager(); });
    scope = std::make_unique<net::TaskScope>(world.loop);
    scope->spawn(member->start());
}

void Machine::kill_daemon() {
    if (scope) { scope->destroy_all(); }
    scope.reset();
    if (member) { member->on_change({}); }
    member.reset();
    watched = nullptr;
    log_host.crash();
}

void Machine::power_cut() {
    world.net.set_dead(host, true);
    kill_daemon();
    executor.power_cut();
}

World::World(std::uint64_t seed, std::size_t machines)
    : random(seed), net(loop, random), began_(loop.now()) {
    seed_crypto(seed);
    auto folder = os::TempDir::create("/dev/shm");
    ASSERT(folder.has_value());
    folder_ = std::move(*folder);
    for (std::size_t i = 0; i < machines; ++i) {
        machines_.push_back(
            std::make_unique<Machine>(*this, fmt::format("10.0.{}.{}", i / 250, i % 250 + 1)));
        machines_.back()->directory = folder_.path() + "/" + std::to_string(i + 1);
        const auto made = os::ensure_directory(machines_.back()->directory, 0700);
        ASSERT(made.has_value());
    }
}

World::~World() {
    for (auto& machine : machines_) { machine->kill_daemon(); }
}

Machine* World::leading_machine() {
    for (auto& machine : machines_) {
        if (machine->up() && machine->member->is_manager() && machine->member->manager()->leads()) {
            return machine.get();
        }
    }
    return nullptr;
}

Manager* World::leader() {
    Machine* const machine = leading_machine();
    return machine == nullptr ? nullptr : machine->member->manager();
}

net::Task<bool> World::until(std::function<bool()> holds, nanoseconds most) {
    const auto end = loop.now() + most;
    while (!holds()) {
        if (loop.now() >= end) { co_return false; }
        co_await net::sleep(loop, loop.in(look_pause));
    }
    co_return true;
}

net::Task<Result<void>> World::join(Machine& machine, pb::NodeRole role) {
    Machine* const leading = leading_machine();
    if (leading == nullptr) { co_return internal("nobody leads"); }
    MemberJoin request;
    request.remote_addresses = {leading->address()};
    request.token = token_of(leading->member->manager()->store(), role);
    request.listen_address = "0.0.0.0:2377";
    request.advertise_address = machine.address();
    const net::Until limit(loop.in(join_limit));
    auto task = machine.member->join(std::move(request), limit);
    co_return co_await run_on<void>(machine, std::move(task), join_limit);
}

net::Task<Result<void>> World::form(std::size_t managers, std::size_t first) {
    for (auto& machine : machines_) { machine->start(); }
    MemberInit request;
    request.listen_address = "0.0.0.0:2377";
    request.advertise_address = at(first).address();
    co_await net::yield(loop); // members look for what was there before
    const net::Until limit(loop.in(join_limit));
    CO_TRY(co_await at(first).member->init(std::move(request), limit));
    for (std::size_t i = 1; i < size(); ++i) {
        Machine& machine = at((first + i) % size());
        CO_TRY(co_await join(machine, i < managers ? pb::MANAGER : pb::WORKER));
    }
    co_return ok();
}

net::Task<Asked> World::change(Mutation mutation, nanoseconds most) {
    // Why the mutation was refused, when it was.
    const auto refusal = std::make_shared<std::optional<std::string>>();
    const Mutation noted = [mutation, refusal](Tx& tx) {
        auto outcome = mutation(tx);
        refusal->reset();
        if (!outcome) { refusal->emplace(outcome.error().message); }
        return outcome;
    };
    const auto end = loop.now() + most;
    Asked asked;
    asked.answer = Answer::Refused;
    asked.error = "nobody leads";
    while (loop.now() < end) {
        Machine* const machine = leading_machine();
        if (machine != nullptr) {
            const net::Until limit{Deadline(end)};
            auto task = machine->member->manager()->writer().submit(noted, limit);
            const auto outcome =
                co_await run_on<std::int64_t>(*machine, std::move(task), end - loop.now());
            if (outcome) { co_return Asked{Answer::Done, "", *outcome}; }
            asked.error = outcome.error().message;
            const bool refused = refusal->has_value() && **refusal == asked.error;
            if (refused) { co_return asked; }
            if (outcome.error().code != Errc::Unavailable) {
                asked.answer = Answer::Unknown;
                co_return asked;
            }
        }
        co_await net::sleep(loop, loop.in(look_pause));
    }
    co_return asked;
}

void World::cut(Machine& from, Machine& to, bool nodes, bool log_members) {
    if (nodes) { net.cut(from.host, to.host); }
    const bool both = !from.log_host.member().empty() && !to.log_host.member().empty();
    if (log_members && log && both) { log->cut(from.log_host.member(), to.log_host.member()); }
}

void World::heal() {
    net.heal();
    if (log) { log->heal_all(); }
}

void World::say(std::string line) {
    const auto at = (loop.now() - began_) / std::chrono::milliseconds(1);
    lines.push_back(fmt::format("{:7} {}", at, line));
}

} // namespace shoal::sim
