#include "swarm/agent/agent.h"

#include "net/sleep.h"

namespace shoal::swarm {
namespace {

using namespace std::chrono_literals;
constexpr std::size_t registrations_max = 3; ///< that a stock manager takes in one window
constexpr auto registrations_window = 8s;
constexpr auto window_margin = 500ms;
/// Soon after a session with our own managers: they are electing, and are back in a second.
constexpr auto hopeful = 60s;
constexpr auto long_session = 60s;
constexpr int patience_max = 4;
constexpr std::chrono::nanoseconds hopeful_backoff_max = 1s;

} // namespace

std::chrono::nanoseconds connect_time(const Agent::Settings& settings, int too_slow) {
    constexpr int doublings_max = 16;
    const auto grown = settings.connect_timeout * (1 << std::min(too_slow, doublings_max));
    return std::min(grown, std::max(settings.connect_timeout, settings.connect_timeout_max));
}

Steady next_registration(const std::deque<Steady>& past, Steady now) {
    if (past.size() < registrations_max) { return now; }
    return std::max(now,
                    past[past.size() - registrations_max] + registrations_window + window_margin);
}

Agent::Agent(Parts parts, Hooks hooks, Settings settings)
    : parts_(parts), hooks_(std::move(hooks)), settings_(std::move(settings)), pending_(parts.loop),
      worker_(
          parts.loop, parts.clock, parts.executor, parts.memory,
          [this](const std::string& id, const pb::TaskStatus& status) { pending_.add(id, status); },
          settings_.tasks),
      remotes_changed_(parts.loop), describe_now_(parts.loop), backoff_(settings_.backoff_min) {
    settings_.session.run = parts.random.hex(16);
}

void Agent::add_manager(const std::string& address) {
    remotes_.add(address);
    remotes_changed_.raise();
}

net::Task<Result<void>> Agent::run(net::Until until) {
    CO_TRY(worker_.start());
    while (!until.cancelled()) {
        const auto address = co_await next_manager(until);
        if (!address) { break; }
        co_await wait_for_rate(until);
        const auto outcome = co_await attempt(*address, until);
        if (outcome) { continue; } // cancelled, or another session is due at once
        state_ = {false, *address, outcome.error().message};
        remotes_.observe(*address, Remotes::went_wrong);
        last_failed_ = *address;
        co_await pause(until);
    }
    co_await worker_.close();
    co_return ok();
}

net::Task<std::optional<std::string>> Agent::next_manager(net::Until until) {
    for (;;) {
        auto address = remotes_.pick(parts_.random, last_failed_);
        if (address) { co_return address; }
        const auto wake = co_await remotes_changed_.wait(until);
        if (wake != net::Wake::Raised) { co_return std::nullopt; }
    }
}

net::Task<void> Agent::wait_for_rate(net::Until until) {
    const auto now = parts_.loop.now();
    while (!registrations_.empty() && registrations_.front() + 2 * registrations_window < now) {
        registrations_.pop_front();
    }
    if (managers_are_shoal_) { co_return; }
    const auto at = next_registration(registrations_, now);
    if (at > now) { co_await net::sleep(parts_.loop, until.no_later_than(Deadline(at))); }
}

net::Task<Result<std::unique_ptr<Channel>>> Agent::connect(std::string address, net::Until until) {
    const auto begun = parts_.loop.now();
    const auto limit =
        until.no_later_than(parts_.loop.in(connect_time(settings_, slow_connections_)));
    auto made =
        co_await Channel::connect(parts_.loop, parts_.transport, address, Trust::Managers, limit);
    const bool in_time = parts_.loop.now() - begun <= settings_.connect_timeout;
    if (made && in_time) { slow_connections_ = 0; }
    if (!made && made.error().code == Errc::Timeout) { ++slow_connections_; }
    co_return made;
}

net::Task<Result<void>> Agent::attempt(std::string address, net::Until until) {
    state_.manager = address;
    CO_TRY_LET(channel, co_await connect(address, until));
    AgentSession::Parts parts{parts_.loop, parts_.executor, worker_,         pending_,
                              *channel,    describe_now_,   hooks_.tls_info, {}};
    parts.told = [this](const pb::SessionMessage& message) { take_message(message); };
    auto settings = settings_.session;
    settings.patience = patience_;
    AgentSession session(std::move(parts), std::move(settings));
    if (leaving_) { session.leaves(); }
    session_ = &session;
    const auto begun = parts_.loop.now();
    auto outcome = co_await session.run(until);
    session_ = nullptr;
    if (session.registration_sent()) { registrations_.push_back(begun); }
    state_.in_session = false;
    if (!session.registered()) { co_return outcome; }
    last_session_ = parts_.loop.now();
    // A manager that is only slow is not helped by another handshake.
    const bool silent = !outcome && outcome.error().code == Errc::Timeout;
    if (last_session_ - begun > long_session) { patience_ = 1; }
    if (silent) { patience_ = std::min(2 * patience_, patience_max); }
    backoff_ = settings_.backoff_min;
    if (session.description_changed()) { co_return ok(); }
    co_return outcome;
}

std::chrono::nanoseconds Agent::backoff_limit() const {
    const bool soon = managers_are_shoal_ && parts_.loop.now() - last_session_ < hopeful;
    return soon ? std::min(hopeful_backoff_max, settings_.backoff_max) : settings_.backoff_max;
}

/// A random part of the back-off, which doubles.
net::Task<void> Agent::pause(net::Until until) {
    const auto limit = std::min(backoff_, backoff_limit());
    const auto most = static_cast<std::uint64_t>(std::max<std::int64_t>(1, limit.count()));
    const std::chrono::nanoseconds span(static_cast<std::int64_t>(parts_.random.below(most)));
    backoff_ = std::min(2 * limit, settings_.backoff_max);
    co_await net::sleep(parts_.loop, until.no_later_than(parts_.loop.in(span)));
}

void Agent::take_message(const pb::SessionMessage& message) {
    if (!state_.in_session) {
        managers_are_shoal_ = !message.shoal_version().empty();
        remotes_.observe(state_.manager, Remotes::went_well);
        last_failed_.clear();
    }
    state_.in_session = true;
    state_.error.clear();
    std::vector<Remotes::Remote> remotes;
    std::vector<pb::Peer> peers;
    for (const auto& manager : message.managers()) {
        remotes.push_back({manager.peer().addr(), static_cast<int>(manager.weight())});
        peers.push_back(manager.peer());
    }
    remotes_.set(remotes);
    if (message.has_node() && hooks_.node) { hooks_.node(message.node()); }
    if (!peers.empty() && hooks_.managers) { hooks_.managers(peers); }
    if (!message.rootca().empty() && hooks_.root_ca) { hooks_.root_ca(message.rootca()); }
    if (message.network_bootstrap_keys_size() > 0 && hooks_.keys) {
        hooks_.keys(
            {message.network_bootstrap_keys().begin(), message.network_bootstrap_keys().end()});
    }
}

net::Task<Result<void>> Agent::leave(net::Until until) {
    leaving_ = true;
    if (session_ != nullptr) { session_->leaves(); }
    CO_TRY(co_await worker_.leave(until));
    while (!pending_.empty()) {
        const auto wake = co_await pending_.idle.wait(until);
        CO_TRY(net::to_result(wake, "tell the managers"));
    }
    co_return ok();
}

} // namespace shoal::swarm
