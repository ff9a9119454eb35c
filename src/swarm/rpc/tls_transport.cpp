#include "swarm/rpc/tls_transport.h"

#include "net/listener.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "net/tls.h"
#include "swarm/rpc/x509.h"

#include <array>
#include <deque>
#include <list>

namespace shoal::swarm {
namespace {

constexpr std::uint16_t port_default = 2377;
constexpr auto shortage_pause = std::chrono::milliseconds(100);

Result<void> check_pair(const NodeCredentials& held) {
    TRY_LET(cert, x509::read_certificate(held.certificate, "certificate of this node"));
    TRY_LET(key, x509::read_key(held.key, "key of this node"));
    if (X509_check_private_key(cert.get(), key.get()) != 1) {
        return x509::failed("certificate and key of this node do not belong together");
    }
    return ok();
}

Error refused(std::string why) { return Error{Errc::Unauthorized, std::move(why)}; }

} // namespace

Result<CredentialsPtr> Credentials::create(NodeCredentials first) {
    auto made = std::make_shared<Credentials>();
    TRY(made->replace(std::move(first)));
    return made;
}

Result<void> Credentials::replace(NodeCredentials next) {
    std::optional<Identity> identity;
    if (!next.certificate.empty()) {
        TRY(check_pair(next));
        TRY_LET(named, parse_identity(next.certificate));
        identity = std::move(named);
    }
    held_ = std::move(next);
    identity_ = std::move(identity);
    ++generation_;
    return ok();
}

/// One caller that is not through yet.
struct Handshake {
    net::Cancel given_up;
    bool counted = true;
};

struct TlsTransport::Impl {
    Impl(net::Loop& on, const Clock& clock_, CredentialsPtr credentials_,
         TlsTransportSettings settings_)
        : loop(on), clock(clock_), credentials(std::move(credentials_)),
          settings(std::move(settings_)), arrived(on), tasks(on) {}

    net::Loop& loop;
    const Clock& clock;
    CredentialsPtr credentials;
    TlsTransportSettings settings;

    std::unique_ptr<net::Listener> listener;
    std::list<Handshake*> under_way; ///< the oldest first
    std::deque<Incoming> waiting;
    net::Signal arrived;
    bool closed = false;

    // Contexts for the credentials of `generation`.
    std::uint64_t generation = 0;
    std::shared_ptr<net::TlsServer> server;
    std::array<std::shared_ptr<net::TlsClient>, 3> clients; ///< by Trust

    net::TaskScope tasks; ///< last: its tasks use all of the above

    void refresh();
    Result<std::shared_ptr<net::TlsServer>> server_context();
    Result<std::shared_ptr<net::TlsClient>> client_context(Trust trust);
    net::TlsIdentity identity_for(Trust trust) const;
    net::JudgePeer judge_for(Trust trust) const;
    void make_room();
    void told(const std::string& address, const Error& why) const {
        if (settings.on_refused) { settings.on_refused(address, why); }
    }
};

namespace {

using Impl = TlsTransport::Impl;

Result<void> same_cluster(const Identity& other, const Credentials& ours) {
    if (ours.identity() && other.cluster_id == ours.identity()->cluster_id) { return ok(); }
    return refused("certificate: it is of another swarm");
}

Result<void> judge_caller(const net::TlsChain& chain, const Credentials& ours, Instant now,
                          nanoseconds grace) {
    Verification how;
    how.roots = ours.held().roots;
    how.at = now;
    how.grace = grace;
    TRY_LET(seen, verify_chain(chain, how));
    return same_cluster(seen.identity, ours);
}

Result<void> judge_server(const net::TlsChain& chain, const Credentials& ours, Instant now,
                          Trust trust) {
    Verification how;
    how.roots = ours.held().roots;
    how.at = now;
    how.side = Verification::Side::Server;
    how.server_name = trust == Trust::Managers ? manager_name : ca_name;
    TRY_LET(seen, verify_chain(chain, how));
    if (seen.identity.role != Role::Manager) { return refused("certificate: not of a manager"); }
    return trust == Trust::Managers ? same_cluster(seen.identity, ours) : ok();
}

/// Who is at the other end of a stream whose certificate has been judged.
Caller caller_on(const net::Stream& stream, Instant now) {
    Caller caller;
    caller.address = stream.peer();
    const auto identity = parse_identity(net::peer_chain(stream));
    if (!identity) { return caller; } // it has shown none
    caller.node_id = identity->node_id;
    caller.role = identity->role;
    caller.cluster_id = identity->cluster_id;
    caller.expired = identity->not_after <= now;
    return caller;
}

/// Counts a handshake for as long as it runs.
class Counted {
  public:
    Counted(Impl& impl, net::Cancel& all) : impl_(impl) {
        mine_.given_up.follow(all);
        impl_.make_room();
        place_ = impl_.under_way.insert(impl_.under_way.end(), &mine_);
    }
    ~Counted() {
        if (mine_.counted) { impl_.under_way.erase(place_); }
    }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    net::Cancel& given_up() { return mine_.given_up; }

  private:
    Impl& impl_;
    Handshake mine_;
    std::list<Handshake*>::iterator place_;
};

net::Task<void> greet(Impl& impl, net::StreamPtr plain) {
    Counted counted(impl, impl.tasks.cancel());
    const std::string address = plain->peer();
    net::find_dead_peer(*plain, impl.settings.dead_after);
    auto tls = impl.server_context();
    if (!tls) {
        impl.told(address, tls.error());
        co_return;
    }
    const net::Until until(impl.loop.in(impl.settings.handshake_time), counted.given_up());
    auto secure = co_await net::accept_tls(impl.loop, std::move(plain), *tls, until);
    if (!secure) {
        impl.told(address, secure.error());
        co_return;
    }
    if (impl.waiting.size() >= impl.settings.waiting_max) {
        impl.told(address, Error{Errc::Exhausted, "too many callers are waiting"});
        co_return;
    }
    Caller caller = caller_on(**secure, impl.clock.now());
    impl.waiting.push_back({std::move(*secure), std::move(caller)});
    impl.arrived.raise();
}

net::Task<void> take_callers(Impl& impl) {
    net::Cancel& stop = impl.tasks.cancel();
    for (;;) {
        auto plain = co_await impl.listener->accept(stop);
        if (plain) {
            impl.tasks.spawn(greet(impl, std::move(*plain)));
            continue;
        }
        if (plain.error().code != Errc::Exhausted) { co_return; }
        const net::Until until(impl.loop.in(shortage_pause), stop);
        co_await net::sleep(impl.loop, until);
    }
}

net::Task<Result<net::StreamPtr>> connect_to(std::shared_ptr<Impl> impl, std::string address,
                                             Trust trust, net::Until until) {
    CO_TRY_LET(tls, impl->client_context(trust));
    CO_TRY_LET(to, net::parse_address("tcp://" + address, port_default));
    CO_TRY_LET(plain, co_await net::connect(impl->loop, to, until));
    net::find_dead_peer(*plain, impl->settings.dead_after);
    const std::string name(trust == Trust::Managers ? manager_name : ca_name);
    auto secure = co_await net::connect_tls(impl->loop, std::move(plain), tls, name, until);
    co_return std::move(secure).with(address);
}

net::Task<Result<Incoming>> next_caller(std::shared_ptr<Impl> impl, net::Until until) {
    while (impl->waiting.empty()) {
        if (impl->closed) { co_return Error{Errc::Cancelled, "accept: closed"}; }
        const auto wake = co_await impl->arrived.wait(until);
        CO_TRY(net::to_result(wake, "accept"));
    }
    Incoming first = std::move(impl->waiting.front());
    impl->waiting.pop_front();
    if (!impl->waiting.empty()) { impl->arrived.raise(); } // for others who accept
    co_return first;
}

} // namespace

void TlsTransport::Impl::refresh() {
    if (generation == credentials->generation()) { return; }
    generation = credentials->generation();
    server.reset();
    for (auto& client : clients) { client.reset(); }
}

net::JudgePeer TlsTransport::Impl::judge_for(Trust trust) const {
    if (trust == Trust::Nobody) { return nullptr; }
    return [ours = credentials, &at = clock, trust](const net::TlsChain& chain) {
        return judge_server(chain, *ours, at.now(), trust);
    };
}

net::TlsIdentity TlsTransport::Impl::identity_for(Trust trust) const {
    const NodeCredentials& held = credentials->held();
    net::TlsIdentity identity;
    identity.protocols = {"h2"}; // what others' servers insist on
    identity.judge = judge_for(trust);
    if (trust == Trust::Managers) {
        identity.cert_pem = held.certificate;
        identity.key_pem = held.key;
    }
    return identity;
}

Result<std::shared_ptr<net::TlsServer>> TlsTransport::Impl::server_context() {
    refresh();
    if (server) { return server; }
    auto identity = identity_for(Trust::Managers);
    identity.judge = [ours = credentials, &at = clock,
                      grace = settings.expired_grace](const net::TlsChain& chain) {
        return judge_caller(chain, *ours, at.now(), grace);
    };
    TRY_LET(made, net::TlsServer::create_in_memory(std::move(identity)));
    server = made;
    return made;
}

Result<std::shared_ptr<net::TlsClient>> TlsTransport::Impl::client_context(Trust trust) {
    refresh();
    auto& client = clients.at(static_cast<std::size_t>(trust));
    if (client) { return client; }
    const NodeCredentials& held = credentials->held();
    if (trust != Trust::Nobody && held.roots.empty()) {
        return refused("this node knows no root certificate");
    }
    if (trust == Trust::Managers && held.certificate.empty()) {
        return refused("this node has no certificate");
    }
    TRY_LET(made, net::TlsClient::create_in_memory(identity_for(trust)));
    client = made;
    return made;
}

void TlsTransport::Impl::make_room() {
    while (under_way.size() >= settings.handshakes_max) {
        Handshake& oldest = *under_way.front();
        under_way.pop_front();
        oldest.counted = false;
        oldest.given_up.cancel();
    }
}

TlsTransport::TlsTransport(net::Loop& loop, const Clock& clock, CredentialsPtr credentials,
                           TlsTransportSettings settings)
    : impl_(std::make_shared<Impl>(loop, clock, std::move(credentials), std::move(settings))) {}

TlsTransport::~TlsTransport() {
    close();
    impl_->tasks.destroy_all();
}

Result<void> TlsTransport::listen(const std::string& address) {
    ASSERT(!impl_->listener);
    TRY(impl_->server_context());
    TRY_LET(at, net::parse_address("tcp://" + address, port_default));
    TRY_LET(listener, net::Listener::listen_tcp(impl_->loop, at.host, at.port));
    impl_->listener = std::move(listener);
    impl_->tasks.spawn(take_callers(*impl_));
    return ok();
}

std::uint16_t TlsTransport::port() const { return impl_->listener ? impl_->listener->port() : 0; }

void TlsTransport::close() {
    if (impl_->closed) { return; }
    impl_->closed = true;
    if (impl_->listener) { impl_->listener->close(); }
    impl_->tasks.cancel().cancel();
    impl_->waiting.clear();
    impl_->arrived.raise();
}

net::Task<Result<net::StreamPtr>> TlsTransport::connect(std::string address, Trust trust,
                                                        net::Until until) {
    return connect_to(impl_, std::move(address), trust, until);
}

net::Task<Result<Incoming>> TlsTransport::accept(net::Until until) {
    return next_caller(impl_, until);
}

} // namespace shoal::swarm
