#include "world.h"

#include "net/sleep.h"

#include <fmt/format.h>

namespace shoal::sim {
namespace {

constexpr std::chrono::milliseconds look_pause(50);

std::string token_of(const Store& store, pb::NodeRole role) {
    const auto cluster = store.cluster();
    if (!cluster) { return ""; }
    const auto& tokens = cluster->root_ca().join_tokens();
    return role == pb::MANAGER ? tokens.manager() : tokens.worker();
}

} // namespace

std::uint64_t SimRandom::next() {
    // splitmix64
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

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
        cluster_ = std::make_unique<FakeCluster>(loop_, random_);
        member_ = cluster_->bootstrap(how.name, how.peer_url);
        break;
    case LogStart::How::Join: {
        auto joined = cluster_->join(how.name, how.peer_url);
        if (!joined) { co_return joined.error(); }
        member_ = *joined;
        break;
    }
    case LogStart::How::Again:
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
      log_host(in.log, in.loop, in.random) {}

void Machine::start() {
    ASSERT(!member);
    world.net.set_dead(host, false);
    const auto make_transport = [this](CredentialsPtr credentials) -> std::unique_ptr<Transport> {
        return std::make_unique<SimTransport>(world.net, clock, std::move(credentials), host);
    };
    const auto log = [this](std::string line) {
        const auto at = world.loop.now().time_since_epoch() / std::chrono::milliseconds(1);
        world.lines.push_back(fmt::format("{:9} {} {}", at, host, line));
    };
    MemberSeams seams{world.loop, clock,          world.random, executor, memory,
                      log_host,   make_transport, directory,    log};
    member = std::make_unique<Member>(std::move(seams));
    scope = std::make_unique<net::TaskScope>(world.loop);
    scope->spawn(member->start());
}

void Machine::kill_daemon() {
    if (scope) { scope->destroy_all(); }
    scope.reset();
    member.reset();
    log_host.crash();
    world.net.set_dead(host, true);
}

void Machine::power_cut() {
    kill_daemon();
    executor.power_cut();
}

World::World(std::uint64_t seed, std::size_t machines) : random(seed), net(loop, random) {
    auto folder = os::TempDir::create("/dev/shm");
    ASSERT(folder.has_value());
    folder_ = std::move(*folder);
    for (std::size_t i = 0; i < machines; ++i) {
        machines_.push_back(std::make_unique<Machine>(*this, fmt::format("10.0.0.{}", i + 1)));
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
    const net::Until limit(loop.in(std::chrono::seconds(60)));
    co_return co_await machine.member->join(std::move(request), limit);
}

net::Task<Result<void>> World::form(std::size_t managers) {
    for (auto& machine : machines_) { machine->start(); }
    MemberInit request;
    request.listen_address = "0.0.0.0:2377";
    request.advertise_address = at(0).address();
    const net::Until limit(loop.in(std::chrono::seconds(60)));
    CO_TRY(co_await at(0).member->init(std::move(request), limit));
    for (std::size_t i = 1; i < size(); ++i) {
        CO_TRY(co_await join(at(i), i < managers ? pb::MANAGER : pb::WORKER));
    }
    co_return ok();
}

net::Task<Result<void>> World::change(Mutation mutation, net::Until until) {
    Error last{Errc::Unavailable, "nobody leads"};
    while (loop.now() < until.deadline.at()) {
        Manager* const manager = leader();
        if (manager != nullptr) {
            const Mutation copy = mutation;
            const auto outcome = co_await manager->writer().submit(copy, until);
            if (outcome) { co_return ok(); }
            last = outcome.error();
            if (last.code != Errc::Unavailable) { co_return last; }
        }
        co_await net::sleep(loop, loop.in(look_pause));
    }
    co_return last;
}

} // namespace shoal::sim
