// Channel: one connection to a manager, on which calls are made. It does not reconnect and does not
// choose whom to call; when it has ended, every call fails and its owner makes another.
#pragma once

#include "swarm/rpc/message.h"
#include "swarm/rpc/transport.h"

#include "net/grpc.h"
#include "net/scope.h"

namespace shoal::swarm {

/// Managers hold a connection for each node: frames as small as the protocol has them, since each
/// connection keeps the room of its largest one.
net::Http2Limits connection_limits();

class Channel {
  public:
    static net::Task<Result<std::unique_ptr<Channel>>> connect(net::Loop& loop,
                                                               Transport& transport,
                                                               std::string address, Trust trust,
                                                               net::Until until);
    /// Must not be destroyed inside a task that waits on it.
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    const std::string& address() const { return address_; }
    Result<net::GrpcCallPtr> open(std::string_view method, const net::GrpcMetadata& metadata = {});
    net::Task<Result<std::string>> call_raw(std::string method, std::string request,
                                            net::Until until);
    template <class Answer, class Request>
    net::Task<Result<Answer>> call(std::string method, const Request& request, net::Until until) {
        return call_as<Answer>(std::move(method), print_message(request), until);
    }
    bool ended() const { return connection_.ended(); }
    /// Set when the connection has ended, for whatever reason.
    net::Flag& end() { return end_; }
    /// Says goodbye; calls that are under way fail.
    void close() { connection_.close(); }

  private:
    Channel(net::Loop& loop, net::StreamPtr stream, std::string address);
    template <class Answer>
    net::Task<Result<Answer>> call_as(std::string method, std::string request, net::Until until) {
        CO_TRY_LET(bytes, co_await call_raw(method, std::move(request), until));
        co_return parse_message<Answer>(bytes, method);
    }
    net::Task<void> run();

    std::string address_;
    net::Http2Connection connection_;
    net::Flag end_;
    net::TaskScope scope_;
};

} // namespace shoal::swarm
