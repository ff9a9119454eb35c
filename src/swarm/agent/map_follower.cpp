#include "swarm/agent/map_follower.h"

#include "net/scope.h"
#include "net/sleep.h"

#include <algorithm>

namespace shoal::swarm {
namespace {

constexpr auto follow_method = "/shoal.swarm.v1.NetworkMap/Follow";
constexpr auto applied_method = "/shoal.swarm.v1.NetworkMap/Applied";
constexpr std::size_t received_max = 64; ///< messages that wait, unless they belong together
constexpr std::chrono::milliseconds reopen_pause(100);

} // namespace

MapFollower::MapFollower(Parts parts, std::string session_id, Settings settings)
    : parts_(parts), session_id_(std::move(session_id)), settings_(settings), news_(parts.loop),
      room_(parts.loop), backoff_(settings.retry_min), ended_(parts.loop) {}

net::Task<Result<void>> MapFollower::run(net::Until until) {
    net::TaskScope scope(parts_.loop);
    if (until.cancel != nullptr) { scope.cancel().follow(*until.cancel); }
    const net::Until running(scope.cancel());
    scope.spawn(part(read_streams(running)));
    scope.spawn(part(apply_messages(running)));
    (void)co_await ended_.wait({});
    co_await scope.close();
    if (!*outcome_ && outcome_->error().code == Errc::Unsupported) {
        co_await net::sleep(parts_.loop, until);
        co_return ok();
    }
    co_return *outcome_;
}

net::Task<void> MapFollower::part(net::Task<Result<void>> what) {
    auto outcome = co_await std::move(what);
    if (!outcome_) { outcome_ = std::move(outcome); }
    ended_.set();
}

// Receiving.

net::Task<Result<void>> MapFollower::read_streams(net::Until until) {
    for (;;) {
        net::Cancel stop;
        if (until.cancel != nullptr) { stop.follow(*until.cancel); }
        stream_ = &stop;
        auto outcome = co_await read_one_stream(net::Until(stop));
        stream_ = nullptr;
        const bool lost_track = stop.cancelled() && !until.cancelled();
        if (!lost_track) { co_return outcome; }
        co_await net::sleep(parts_.loop, until.no_later_than(parts_.loop.in(reopen_pause)));
    }
}

net::Task<Result<void>> MapFollower::read_one_stream(net::Until until) {
    CO_TRY_LET(call, parts_.channel.open(follow_method));
    mpb::FollowMapRequest request;
    request.set_session_id(session_id_);
    auto asked = print_message(request);
    const auto written = co_await call->write(std::move(asked), until);
    if (written) { CO_TRY(call->finish_writing()); }
    received_.clear();
    for (;;) {
        CO_TRY_LET(bytes, co_await call->read(until));
        if (!bytes) { co_return Error{Errc::Unavailable, "the manager ended the map of networks"}; }
        CO_TRY_LET(message, parse_message<mpb::MapMessage>(*bytes, follow_method));
        received_.push_back(std::move(message));
        news_.raise();
        while (received_.size() >= received_max && has_group()) {
            const auto wake = co_await room_.wait(until);
            CO_TRY(net::to_result(wake, "map of networks"));
        }
    }
}

/// All messages that belong together are there.
bool MapFollower::has_group() const {
    return std::any_of(received_.begin(), received_.end(),
                       [](const mpb::MapMessage& message) { return !message.more(); });
}

/// False: something is missing, or is not what the manager means.
bool MapFollower::take_group() {
    for (bool more = true; more;) {
        const auto message = std::move(received_.front());
        received_.pop_front();
        more = message.more();
        if (message.base() == 0) {
            map_.clear();
            whole_ = true;
        } else if (message.base() != generation_) {
            return false;
        }
        for (const auto& change : message.changes()) {
            if (map_.change(change)) { changed_.insert(change.key()); }
        }
        generation_ = message.generation();
        const bool same = message.count() == map_.count() && message.digest() == map_.digest();
        if (!more && !same) { return false; }
    }
    return true;
}

void MapFollower::take_all() {
    while (has_group()) {
        if (!take_group()) { return lose_track(); }
        due_ = true;
    }
    room_.raise();
}

/// The next stream begins with the whole map.
void MapFollower::lose_track() {
    received_.clear();
    generation_ = 0;
    due_ = false;
    whole_ = true;
    if (stream_ != nullptr) { stream_->cancel(); }
}

// Making it true.

net::Task<Result<void>> MapFollower::apply_messages(net::Until until) {
    for (;;) {
        take_all();
        if (due_) {
            CO_TRY(co_await apply_one(until));
            continue;
        }
        const auto wake = co_await news_.wait(until);
        CO_TRY(net::to_result(wake, "map of networks"));
    }
}

net::Task<Result<void>> MapFollower::apply_one(net::Until until) {
    std::vector<std::string> changed(changed_.begin(), changed_.end());
    changed_.clear();
    due_ = false;
    const bool whole = std::exchange(whole_, false);
    const auto generation = generation_;
    auto outcome =
        co_await parts_.executor.apply_network_map(map_, std::move(changed), whole, until);
    if (until.cancelled()) { co_return net::to_result(net::Wake::Cancelled, "map of networks"); }
    const auto problem = outcome ? std::string() : outcome.error().message;
    CO_TRY(co_await tell(generation, problem, until));
    if (outcome) {
        backoff_ = settings_.retry_min;
        co_return ok();
    }
    whole_ = due_ = true;
    co_await pause(until);
    co_return ok();
}

/// A new map ends it: that one may be possible.
net::Task<void> MapFollower::pause(net::Until until) {
    const auto over = until.no_later_than(parts_.loop.in(backoff_));
    backoff_ = std::min(2 * backoff_, settings_.retry_max);
    auto wake = net::Wake::Raised;
    while (wake == net::Wake::Raised && !has_group()) { wake = co_await news_.wait(over); }
}

/// A manager that is slow to answer is told again; whether it is alive, heartbeats tell.
net::Task<Result<void>> MapFollower::tell(std::uint64_t generation, std::string problem,
                                          net::Until until) {
    mpb::MapAppliedRequest request;
    request.set_session_id(session_id_);
    request.set_generation(generation);
    request.set_problem(std::move(problem));
    for (;;) {
        const auto limit = until.no_later_than(parts_.loop.in(settings_.answer_timeout));
        const auto answer =
            co_await parts_.channel.call<mpb::MapAppliedResponse>(applied_method, request, limit);
        if (answer) { co_return ok(); }
        if (until.cancelled() || answer.error().code != Errc::Timeout) { co_return answer.error(); }
    }
}

} // namespace shoal::swarm
