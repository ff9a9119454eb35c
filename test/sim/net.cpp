#include "net.h"

#include "net/pipe_pair.h"
#include "net/sleep.h"

namespace shoal::sim {
namespace {

constexpr int first_port = 40000;

std::string host_of(const std::string& address) { return address.substr(0, address.rfind(':')); }
std::string port_of(const std::string& address) { return address.substr(address.rfind(':')); }

Result<Verified> verify(const NodeCredentials& whose, const NodeCredentials& by, Instant now,
                        Verification::Side side) {
    TRY_LET(chain, parse_chain(whose.certificate));
    Verification how;
    how.roots = by.roots;
    how.at = now;
    how.side = side;
    if (side == Verification::Side::Client) { how.grace = TlsTransportSettings().expired_grace; }
    return verify_chain(chain, how);
}

} // namespace

net::LinkWeather SimNet::weather(std::string from, std::string to) {
    net::LinkWeather out;
    out.delay = [this, from, to](std::size_t) -> std::optional<nanoseconds> {
        if (!passes(from, to)) { return std::nullopt; }
        if (pace.breaks > 0 && random_.below(100'000) < pace.breaks) { return std::nullopt; }
        const auto span = static_cast<std::uint64_t>((pace.delay_max - pace.delay_min).count()) + 1;
        return pace.delay_min +
               std::chrono::microseconds(static_cast<std::int64_t>(random_.below(span)));
    };
    return out;
}

Result<void> SimTransport::listen(const std::string& address) {
    ++net_.listens_[host_];
    if (net_.deaf_.contains(host_)) { return Error{Errc::Unavailable, "cannot assign address"}; }
    listening_at_ = host_ + port_of(address);
    mine_ = std::make_shared<SimNet::Listening>(net_.loop_);
    mine_->credentials = credentials_;
    net_.listening_[listening_at_] = mine_;
    return ok();
}

void SimTransport::close() {
    if (!mine_) { return; }
    mine_->closed = true;
    mine_->came.raise();
    const auto found = net_.listening_.find(listening_at_);
    if (found != net_.listening_.end() && found->second == mine_) { net_.listening_.erase(found); }
    mine_.reset();
}

/// What the server learns of us, as the handshake would tell it.
Result<Caller> SimTransport::introduce(const SimNet::Listening& server, Trust trust) const {
    Caller caller;
    if (trust == Trust::Nobody) { return caller; }
    const auto& theirs = server.credentials->held();
    TRY_LET(server_shows,
            verify(theirs, credentials_->held(), clock_.now(), Verification::Side::Server));
    if (trust == Trust::Root || credentials_->held().certificate.empty()) { return caller; }
    if (server_shows.identity.role != Role::Manager) {
        return Error{Errc::Unauthorized, "the other end is no manager"};
    }
    TRY_LET(ours, verify(credentials_->held(), theirs, clock_.now(), Verification::Side::Client));
    caller.node_id = ours.identity.node_id;
    caller.role = ours.identity.role;
    caller.cluster_id = ours.identity.cluster_id;
    caller.expired = ours.expired;
    return caller;
}

net::Task<Result<net::StreamPtr>> SimTransport::connect(std::string address, Trust trust,
                                                        net::Until until) {
    const std::string host = host_of(address) == "127.0.0.1" ? host_ : host_of(address);
    const std::string place = host + port_of(address);
    const net::LinkWeather forth = net_.weather(host_, host);
    const net::LinkWeather back = net_.weather(host, host_);
    // A handshake is a way there and back.
    const auto there = forth.delay(0);
    const auto again = back.delay(0);
    if (!there || !again) {
        const net::Wake wake = co_await net::sleep(net_.loop_, until);
        co_return net::to_result(wake, "connect to " + address).error();
    }
    const net::Wake wake =
        co_await net::sleep(net_.loop_, until.no_later_than(net_.loop_.in(*there + *again)));
    if (wake == net::Wake::Cancelled) { co_return net::to_result(wake, "connect").error(); }
    const auto found = net_.listening_.find(place);
    if (found == net_.listening_.end()) {
        co_return Error{Errc::Unavailable, "connect to " + address + ": connection refused"};
    }
    const auto server = found->second;
    CO_TRY_LET(caller, introduce(*server, trust));
    caller.address = host_ + ":" + std::to_string(first_port);
    auto [mine, theirs] = net::make_pipe_pair(net_.loop_, caller.address, place, forth, back);
    server->waiting.push_back(Incoming{std::move(theirs), std::move(caller)});
    server->came.raise();
    co_return std::move(mine);
}

net::Task<Result<Incoming>> SimTransport::accept(net::Until until) {
    const auto listening = mine_;
    while (listening && !listening->closed) {
        if (!listening->waiting.empty()) {
            Incoming next = std::move(listening->waiting.front());
            listening->waiting.pop_front();
            co_return std::move(next);
        }
        const net::Wake wake = co_await listening->came.wait(until);
        if (wake != net::Wake::Raised) { co_return net::to_result(wake, "accept").error(); }
    }
    co_return Error{Errc::Cancelled, "closed"};
}

} // namespace shoal::sim
