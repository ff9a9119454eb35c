// RpcServer: answers calls of nodes. Every method says who may call it; what a caller's certificate
// does not allow is refused before the handler runs. Calls that only the leader can answer are
// passed on to it, byte for byte, with the caller's identity (only managers may speak for others).
#pragma once

#include "swarm/rpc/message.h"
#include "swarm/rpc/transport.h"

#include "net/grpc.h"
#include "net/scope.h"

#include <functional>
#include <map>
#include <set>

namespace shoal::swarm {

enum class Allowed { Everybody, Nodes, Managers };
enum class Where { Anywhere, Leader };

class Channel;

/// Where to pass calls on to; the manager implements it.
class LeaderRoute {
  public:
    virtual ~LeaderRoute() = default;
    virtual bool leads() const = 0;
    /// A connection to the leader; it stays owned by the route and alive while `shared` is held.
    /// Unavailable when nobody is known to lead.
    virtual net::Task<Result<std::shared_ptr<Channel>>> leader(net::Until until) = 0;
    /// Removed nodes call in vain, whatever their certificate says.
    virtual bool is_removed(const std::string& node_id) const = 0;
    /// As the cluster's state has it now; a certificate may be older. None: no such node.
    virtual Role present_role(const std::string& node_id) const = 0;
    /// "" until it is known.
    virtual std::string cluster_id() const = 0;
};

class RpcServer {
  public:
    RpcServer(net::Loop& loop, LeaderRoute& route) : loop_(loop), route_(route) {}

    using Handler =
        std::function<net::Task<Result<void>>(net::GrpcCall&, const Caller&, net::Until)>;
    void add(std::string method, Allowed allowed, Where where, Handler handler);
    /// One message in, one out.
    template <class Request, class Answer>
    void add_unary(std::string method, Allowed allowed, Where where,
                   std::function<net::Task<Result<Answer>>(Request, Caller, net::Until)> handler);

    /// Takes connections until `until`, then ends those that are open.
    net::Task<Result<void>> serve(Transport& transport, net::Until until);
    /// One connection, to its end.
    net::Task<Result<void>> serve_one(Incoming incoming, net::Until until);
    std::vector<std::string> methods() const;
    struct Row {
        Allowed allowed;
        Where where;
        Handler handler;
    };
    const std::map<std::string, Row>& rows() const { return rows_; }
    /// Ends the connections of this node.
    void drop(const std::string& node_id);
    std::size_t connections() const { return open_.size(); }

  private:
    struct Connection;
    net::Task<Result<void>> answer(const Row* row, std::string method, net::GrpcCall* call,
                                   Caller caller, net::Until until);
    net::Task<void> serve_in_scope(Incoming incoming, net::Cancel* cancel);
    Result<Caller> judge(const Row& row, const net::GrpcCall& call, const Caller& caller) const;
    bool is_manager(const Row& row, const std::string& node_id) const;

    net::Loop& loop_;
    LeaderRoute& route_;
    std::map<std::string, Row> rows_;
    std::set<Connection*> open_;
    std::size_t strangers_ = 0; ///< connections without a certificate
};

/// Passes one call on over `channel`: messages both ways, then the status.
net::Task<Result<void>> pass_on(net::Loop& loop, net::GrpcCall& call, Channel& channel,
                                std::string method, const Caller& caller, net::Until until);

namespace detail {
template <class Request, class Answer> net::Task<Result<void>>
answer_unary(std::function<net::Task<Result<Answer>>(Request, Caller, net::Until)> handler,
             std::string method, net::GrpcCall& call, Caller caller, net::Until until) {
    CO_TRY_LET(bytes, co_await call.read_only_message(until));
    CO_TRY_LET(request, parse_message<Request>(bytes, method));
    CO_TRY_LET(answer, co_await handler(std::move(request), std::move(caller), until));
    auto text = print_message(answer);
    co_return co_await call.write(std::move(text), until);
}
} // namespace detail

template <class Request, class Answer> void RpcServer::add_unary(
    std::string method, Allowed allowed, Where where,
    std::function<net::Task<Result<Answer>>(Request, Caller, net::Until)> handler) {
    auto whole = [handler, method](net::GrpcCall& call, const Caller& caller, net::Until until) {
        return detail::answer_unary<Request, Answer>(handler, method, call, caller, until);
    };
    add(std::move(method), allowed, where, std::move(whole));
}

} // namespace shoal::swarm
