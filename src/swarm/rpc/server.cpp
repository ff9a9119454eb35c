#include "swarm/rpc/server.h"

#include "base/text.h"
#include "net/sleep.h"
#include "swarm/rpc/channel.h"

namespace shoal::swarm {
namespace {

constexpr auto forwarded = "forwarded_cert";
constexpr auto forwarded_node = "forwarded_cert_cn";
constexpr auto forwarded_role = "forwarded_cert_ou";
constexpr auto forwarded_cluster = "forwarded_cert_org";
constexpr auto forwarded_expired = "forwarded_cert_expired"; // ours
constexpr auto remote_address = "remote_addr";
constexpr auto manager_unit = "swarm-manager";
constexpr auto worker_unit = "swarm-worker";

constexpr std::chrono::seconds shortage_pause(1);
/// Calls that one manager passes on for its nodes at once; each node has a few.
constexpr std::uint32_t passed_on_max = 64 * 1024;
// Who shows no certificate may join, and nothing else.
constexpr std::size_t strangers_max = 512;
constexpr std::uint32_t stranger_streams_max = 8;
constexpr std::size_t stranger_bytes_max = 64 * 1024;
constexpr std::chrono::seconds stranger_time(60);

Error denied(std::string_view why) {
    return Error{Errc::Forbidden, "permission denied: " + std::string(why)};
}

bool may_call(Allowed allowed, Role role) {
    switch (allowed) {
    case Allowed::Everybody:
        return true;
    case Allowed::Nodes:
        return role != Role::None;
    case Allowed::Managers:
        return role == Role::Manager;
    }
    return false;
}

net::GrpcMetadata metadata_of(const Caller& caller) {
    net::GrpcMetadata all;
    all.add(remote_address, caller.address);
    all.add("redirect", "true");
    if (caller.role == Role::None) { return all; }
    all.add(forwarded, "true");
    all.add(forwarded_node, caller.node_id);
    all.add(forwarded_role, caller.role == Role::Manager ? manager_unit : worker_unit);
    all.add(forwarded_cluster, caller.cluster_id);
    if (caller.expired) { all.add(forwarded_expired, "true"); }
    return all;
}

bool was_passed_on(const net::GrpcCall& call) { return !call.value("redirect").empty(); }

/// For whom a manager speaks.
Caller original_caller(const net::GrpcCall& call) {
    Caller caller;
    caller.address = call.value(remote_address);
    if (call.value(forwarded) != "true") { return caller; }
    caller.node_id = call.value(forwarded_node);
    caller.cluster_id = call.value(forwarded_cluster);
    const auto units = call.values(forwarded_role);
    const bool manager = std::find(units.begin(), units.end(), manager_unit) != units.end();
    caller.role = manager ? Role::Manager : Role::Worker;
    caller.expired = call.value(forwarded_expired) == "true";
    return caller;
}

net::Task<void> pass_requests(net::GrpcCall* from, net::GrpcCall* to, net::Until until) {
    for (;;) {
        auto message = co_await from->read(until);
        if (!message || !message->has_value()) { break; }
        const auto written = co_await to->write(std::move(**message), until);
        if (!written) { break; }
    }
    const auto finished = to->finish_writing();
    (void)finished; // the answer's status says more
}

} // namespace

struct RpcServer::Connection {
    std::string node_id;
    net::Cancel cancel;
};

void RpcServer::add(std::string method, Allowed allowed, Where where, Handler handler) {
    const bool added =
        rows_.emplace(std::move(method), Row{allowed, where, std::move(handler)}).second;
    ASSERT(added);
}

std::vector<std::string> RpcServer::methods() const {
    std::vector<std::string> all;
    for (const auto& [method, row] : rows_) { all.push_back(method); }
    return all;
}

/// Who only passes a call on may not have heard yet: the one that answers it asks.
bool RpcServer::is_manager(const Row& row, const std::string& node_id) const {
    if (row.where == Where::Leader && !route_.leads()) { return true; }
    return route_.present_role(node_id) == Role::Manager;
}

Result<Caller> RpcServer::judge(const Row& row, const net::GrpcCall& call,
                                const Caller& caller) const {
    Caller real = caller;
    if (was_passed_on(call)) {
        const bool may_speak = caller.role == Role::Manager && !caller.expired;
        if (!may_speak) { return denied("only managers speak for others"); }
        if (route_.is_removed(caller.node_id)) {
            return denied("node " + caller.node_id + " was removed from the swarm");
        }
        if (!is_manager(row, caller.node_id)) {
            return denied("node " + caller.node_id + " is not a manager any more");
        }
        real = original_caller(call);
    }
    if (real.role != Role::None) {
        if (real.cluster_id != route_.cluster_id()) {
            return denied("the certificate belongs to another cluster");
        }
        if (route_.is_removed(real.node_id)) {
            return denied("node " + real.node_id + " was removed from the swarm");
        }
    }
    // What strangers may call too is enough to get a new certificate.
    if (real.expired && row.allowed != Allowed::Everybody) {
        return denied("the certificate has expired");
    }
    if (!may_call(row.allowed, real.role)) {
        return denied(real.role == Role::None ? "a certificate of this cluster is needed"
                                              : "only managers may call this");
    }
    if (row.allowed == Allowed::Managers && !is_manager(row, real.node_id)) {
        return denied("node " + real.node_id + " is not a manager any more");
    }
    return real;
}

net::Task<Result<void>> RpcServer::answer(const Row* row, std::string method, net::GrpcCall* call,
                                          Caller caller, net::Until until) {
    if (caller.role == Role::None) { call->limit_messages(stranger_bytes_max); }
    CO_TRY_LET(real, judge(*row, *call, caller));
    if (row->where == Where::Anywhere || route_.leads()) {
        co_return co_await row->handler(*call, real, until);
    }
    if (was_passed_on(*call)) {
        co_return Error{Errc::Unavailable, "this manager does not lead any more"};
    }
    CO_TRY_LET(leader, co_await route_.leader(until));
    co_return co_await pass_on(loop_, *call, *leader, std::move(method), real, until);
}

net::Task<Result<void>> RpcServer::serve_one(Incoming incoming, net::Until until) {
    Connection connection;
    connection.node_id = incoming.caller.node_id;
    if (until.cancel != nullptr) { connection.cancel.follow(*until.cancel); }
    struct Listed {
        std::set<Connection*>& all;
        Connection* one;
        Listed(std::set<Connection*>& in, Connection* what) : all(in), one(what) {
            all.insert(one);
        }
        ~Listed() { all.erase(one); }
    } listed(open_, &connection);
    net::GrpcServer server(loop_);
    const Caller caller = incoming.caller;
    for (const auto& [method, row] : rows_) {
        server.add(method,
                   [this, &row, name = method, caller](net::GrpcCall& call, net::Until limit) {
                       return answer(&row, name, &call, caller, limit);
                   });
    }
    const net::Until limit(until.deadline, connection.cancel);
    net::Http2Limits limits = connection_limits();
    if (caller.role == Role::Manager) { limits.streams_max = passed_on_max; }
    if (caller.role != Role::None) {
        co_return co_await server.serve(std::move(incoming.stream), limit, limits);
    }
    if (strangers_ >= strangers_max) { co_return Error{Errc::Exhausted, "too many strangers"}; }
    struct Counted {
        std::size_t& count;
        explicit Counted(std::size_t& of) : count(of) { ++count; }
        ~Counted() { --count; }
    } counted(strangers_);
    limits.streams_max = stranger_streams_max;
    const net::Until soon = limit.no_later_than(loop_.in(stranger_time));
    co_return co_await server.serve(std::move(incoming.stream), soon, limits);
}

net::Task<void> RpcServer::serve_in_scope(Incoming incoming, net::Cancel* cancel) {
    const net::Until until(*cancel);
    const auto outcome = co_await serve_one(std::move(incoming), until);
    (void)outcome; // the peer knows
}

net::Task<Result<void>> RpcServer::serve(Transport& transport, net::Until until) {
    net::TaskScope connections(loop_);
    Result<void> outcome = ok();
    for (;;) {
        auto incoming = co_await transport.accept(until);
        if (incoming) {
            connections.spawn(serve_in_scope(std::move(*incoming), &connections.cancel()));
            continue;
        }
        if (incoming.error().code == Errc::Exhausted) {
            co_await net::sleep(loop_, until.no_later_than(loop_.in(shortage_pause)));
            if (!until.cancelled()) { continue; }
        } else if (incoming.error().code != Errc::Cancelled) {
            outcome = std::move(incoming).error();
        }
        break;
    }
    co_await connections.close();
    co_return outcome;
}

void RpcServer::drop(const std::string& node_id) {
    for (Connection* connection : open_) {
        if (connection->node_id == node_id) { connection->cancel.cancel(); }
    }
}

net::Task<Result<void>> pass_on(net::Loop& loop, net::GrpcCall& call, Channel& channel,
                                std::string method, const Caller& caller, net::Until until) {
    const auto metadata = metadata_of(caller);
    CO_TRY_LET(onward, channel.open(method, metadata));
    net::TaskScope requests(loop);
    requests.spawn(pass_requests(&call, onward.get(), net::Until(requests.cancel())));
    Result<void> outcome = ok();
    for (;;) {
        auto message = co_await onward->read(until);
        if (!message) {
            outcome = std::move(message).error();
            break;
        }
        if (!message->has_value()) { break; }
        outcome = co_await call.write(std::move(**message), until);
        if (!outcome) { break; }
    }
    onward->cancel();
    co_await requests.close();
    co_return outcome;
}

} // namespace shoal::swarm
