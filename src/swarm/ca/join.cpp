#include "swarm/ca/join.h"

#include "net/sleep.h"
#include "swarm/ca/certificate.h"
#include "swarm/ca/token.h"
#include "swarm/proto/ca.pb.h"
#include "swarm/rpc/channel.h"

namespace shoal::swarm {
namespace {

using State = pb::IssuanceStatus;
using ChannelPtr = std::unique_ptr<Channel>;

constexpr auto method_root = "/docker.swarmkit.v1.CA/GetRootCACertificate";
constexpr auto method_issue = "/docker.swarmkit.v1.NodeCA/IssueNodeCertificate";
constexpr auto method_status = "/docker.swarmkit.v1.NodeCA/NodeCertificateStatus";

constexpr std::chrono::seconds call_limit(20);
constexpr std::chrono::seconds status_limit(5);
constexpr std::chrono::milliseconds status_pause(100);
constexpr std::chrono::seconds status_pause_max(30);
constexpr std::size_t roots_bytes_max = 64 * 1024;

struct Asking {
    JoinSeams seams;
    std::string address;
    Trust trust = Trust::Root;
};

net::Until call_until(const JoinSeams& seams, net::Until until) {
    return until.no_later_than(seams.loop.in(call_limit));
}

net::Task<Result<ChannelPtr>> connect(Asking asking, net::Until until) {
    const net::Until limit = call_until(asking.seams, until);
    co_return co_await Channel::connect(asking.seams.loop, asking.seams.transport, asking.address,
                                        asking.trust, limit);
}

/// As whoever answers there says; nothing is checked.
net::Task<Result<std::string>> fetch_roots(JoinSeams seams, std::string address, net::Until until) {
    const Asking asking{seams, address, Trust::Nobody};
    CO_TRY_LET(channel, co_await connect(asking, until));
    const pb::GetRootCACertificateRequest request;
    const net::Until limit = call_until(seams, until);
    CO_TRY_LET(answer, co_await channel->call<pb::GetRootCACertificateResponse>(method_root,
                                                                                request, limit));
    if (answer.certificate().size() > roots_bytes_max) {
        co_return Error{Errc::Unauthorized, address + ": the root certificate is too long"};
    }
    co_return answer.certificate();
}

net::Task<Result<std::string>> ask_for_node_id(Channel& channel, JoinSeams seams,
                                               pb::IssueNodeCertificateRequest request,
                                               net::Until until) {
    const net::Until limit = call_until(seams, until);
    CO_TRY_LET(answer, co_await channel.call<pb::IssueNodeCertificateResponse>(method_issue,
                                                                               request, limit));
    if (answer.node_id().empty()) { co_return internal("the manager gave this node no id"); }
    co_return answer.node_id();
}

/// Nothing: not yet.
std::optional<Result<std::string>> read_status(const pb::NodeCertificateStatusResponse& answer,
                                               const std::string& csr) {
    // Of another request of ours, which has been overtaken.
    if (answer.certificate().csr() != csr) { return std::nullopt; }
    switch (answer.status().state()) {
    case State::ISSUED:
    case State::ROTATE:
        if (answer.certificate().certificate().empty()) { return std::nullopt; }
        return answer.certificate().certificate();
    case State::FAILED:
        return Error{Errc::Forbidden, "the certificate was refused: " + answer.status().err()};
    default:
        return std::nullopt;
    }
}

bool is_final(const Error& error) {
    return error.code == Errc::NotFound || error.code == Errc::Forbidden ||
           error.code == Errc::Unsupported;
}

/// Asks until the certificate for `csr` is there.
net::Task<Result<std::string>> wait_for_certificate(ChannelPtr channel, Asking asking,
                                                    std::string node_id, std::string csr,
                                                    net::Until until) {
    pb::NodeCertificateStatusRequest request;
    request.set_node_id(node_id);
    nanoseconds pause = status_pause;
    for (;;) {
        Error last = internal("no certificate yet");
        if (!channel || channel->ended()) {
            auto again = co_await connect(asking, until);
            channel = again ? std::move(*again) : nullptr;
            if (!again) { last = std::move(again).error(); }
        }
        if (channel) {
            const net::Until limit = until.no_later_than(asking.seams.loop.in(status_limit));
            auto answer = co_await channel->call<pb::NodeCertificateStatusResponse>(method_status,
                                                                                    request, limit);
            if (answer) {
                if (auto read = read_status(*answer, csr)) { co_return std::move(*read); }
            } else {
                last = std::move(answer).error();
                if (is_final(last)) { co_return last; }
            }
        }
        const net::Until limit = until.no_later_than(asking.seams.loop.in(pause));
        const net::Wake wake = co_await net::sleep(asking.seams.loop, limit);
        const bool over =
            wake == net::Wake::Cancelled || asking.seams.loop.now() >= until.deadline.at();
        if (over) { co_return std::move(last).with("wait for the certificate of this node"); }
        pause = std::min<nanoseconds>(pause * 2, status_pause_max);
    }
}

/// What has come is a certificate of that node for our key, under the roots we trust.
Result<Identity> check_issued(const NodeCredentials& issued, const std::string& node_id,
                              Instant now) {
    TRY(check_pair(issued.certificate, issued.key));
    TRY_LET(chain, parse_chain(issued.certificate));
    Verification how;
    how.roots = issued.roots;
    how.at = now;
    TRY_LET(seen, verify_chain(chain, how));
    if (seen.identity.node_id != node_id) {
        return Error{Errc::Unauthorized, "the certificate is for another node"};
    }
    return seen.identity;
}

net::Task<Result<Admitted>> join_at(JoinSeams seams, std::string address, JoinWish wish,
                                    KeyAndRequest own, net::Until until) {
    CO_TRY_LET(token, parse_join_token(wish.token));
    CO_TRY_LET(roots, co_await fetch_roots(seams, address, until));
    CO_TRY(check_root_digest(token, roots));
    CO_TRY(seams.credentials.replace({"", "", roots}));
    const Asking asking{seams, address, Trust::Root};
    CO_TRY_LET(channel, co_await connect(asking, until));
    pb::IssueNodeCertificateRequest request;
    request.set_csr(own.request);
    request.set_token(wish.token);
    request.set_availability(wish.availability);
    CO_TRY_LET(node_id, co_await ask_for_node_id(*channel, seams, std::move(request), until));
    CO_TRY_LET(certificate, co_await wait_for_certificate(std::move(channel), asking, node_id,
                                                          own.request, until));
    Admitted admitted{{std::move(certificate), own.key, roots}, {}, address};
    CO_TRY_LET(identity, check_issued(admitted.credentials, node_id, seams.clock.now()));
    admitted.identity = std::move(identity);
    co_return admitted;
}

net::Task<Result<NodeCredentials>> renew_at(Asking asking, net::Until until) {
    const JoinSeams& seams = asking.seams;
    const Identity identity = *seams.credentials.identity();
    CO_TRY_LET(own, make_request());
    CO_TRY_LET(channel, co_await connect(asking, until));
    pb::IssueNodeCertificateRequest request;
    request.set_csr(own.request);
    request.set_role(identity.role == Role::Manager ? pb::MANAGER : pb::WORKER);
    CO_TRY_LET(node_id, co_await ask_for_node_id(*channel, seams, std::move(request), until));
    if (node_id != identity.node_id) {
        co_return Error{Errc::Unauthorized, "the manager took this node for another"};
    }
    CO_TRY_LET(certificate, co_await wait_for_certificate(std::move(channel), asking, node_id,
                                                          own.request, until));
    NodeCredentials issued{std::move(certificate), own.key, seams.credentials.held().roots};
    CO_TRY_LET(seen, check_issued(issued, node_id, seams.clock.now()));
    if (seen.cluster_id != identity.cluster_id) {
        co_return Error{Errc::Unauthorized, "the certificate is of another cluster"};
    }
    co_return issued;
}

/// For a worker whose managers have other roots than it knows.
net::Task<Result<void>> follow_roots(JoinSeams seams, std::string address, net::Until until) {
    CO_TRY_LET(roots, co_await fetch_roots(seams, address, until));
    NodeCredentials next = seams.credentials.held();
    CO_TRY(check_new_roots(next, roots, seams.clock.now()));
    next.roots = roots;
    co_return seams.credentials.replace(std::move(next));
}

/// Asking again will not help.
bool is_hopeless(const Error& error) {
    return error.code == Errc::Invalid || error.code == Errc::Forbidden ||
           error.code == Errc::Cancelled;
}

} // namespace

net::Task<Result<Admitted>> join_cluster(JoinSeams seams, JoinWish wish, net::Until until) {
    CO_TRY(parse_join_token(wish.token));
    if (wish.addresses.empty()) { co_return invalid("no address of a manager was given"); }
    // One for all tries: the managers know it again.
    CO_TRY_LET(own, make_request());
    Error last = internal("not tried");
    for (int round = 0; round < join_tries; ++round) {
        for (const std::string& address : wish.addresses) {
            auto admitted = co_await join_at(seams, address, wish, own, until);
            if (admitted) { co_return admitted; }
            last = std::move(admitted).error();
            const bool over = until.cancelled() || seams.loop.now() >= until.deadline.at();
            if (over || is_hopeless(last)) { co_return last; }
        }
        if (round + 1 == join_tries || last.code == Errc::Unauthorized) { break; }
        const net::Until limit = until.no_later_than(seams.loop.in(join_pause));
        (void)co_await net::sleep(seams.loop, limit);
        if (until.cancelled() || seams.loop.now() >= until.deadline.at()) { break; }
    }
    co_return last;
}

net::Task<Result<NodeCredentials>>
renew_certificate(JoinSeams seams, std::vector<std::string> addresses, net::Until until) {
    if (!seams.credentials.identity()) { co_return invalid("this node has no certificate"); }
    const bool worker = seams.credentials.identity()->role == Role::Worker;
    Error last{Errc::Unavailable, "no manager of the swarm is known"};
    for (const std::string& address : addresses) {
        const Asking asking{seams, address, Trust::Managers};
        auto issued = co_await renew_at(asking, until);
        const bool strange = !issued && issued.error().code == Errc::Unauthorized;
        if (strange && worker) {
            const auto followed = co_await follow_roots(seams, address, until);
            if (followed) { issued = co_await renew_at(asking, until); }
        }
        if (issued) { co_return issued; }
        last = std::move(issued).error();
        const bool over = until.cancelled() || seams.loop.now() >= until.deadline.at();
        if (over || is_hopeless(last) || last.code == Errc::NotFound) { break; }
    }
    co_return last;
}

Instant plan_renewal(const Identity& identity, Instant now, Random& random) {
    constexpr std::uint64_t earliest_permille = 500;
    constexpr std::uint64_t latest_permille = 800;
    const nanoseconds life = identity.not_after - identity.not_before;
    const auto permille = static_cast<std::int64_t>(
        earliest_permille + random.below(latest_permille - earliest_permille + 1));
    const Instant at = identity.not_before + life / 1000 * permille;
    return std::max(at, now);
}

Result<void> check_new_roots(const NodeCredentials& held, std::string_view roots, Instant now) {
    // Under each of them, or somebody could slip his own in beside ours.
    TRY_LET(chain, parse_chain(roots));
    if (chain.size() != 1) {
        return Error{Errc::Unauthorized, "new root certificates: one was expected, not " +
                                             std::to_string(chain.size())};
    }
    const auto info = tls_info_of(held.certificate, roots, now);
    if (info) { return ok(); }
    return Error{Errc::Unauthorized, "new root certificates: our own certificate is not theirs (" +
                                         info.error().message + ")"};
}

} // namespace shoal::swarm
