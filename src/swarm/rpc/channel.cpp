#include "swarm/rpc/channel.h"

namespace shoal::swarm {

net::Http2Limits connection_limits() {
    net::Http2Limits limits;
    limits.frame_bytes_max = 16 * 1024; // RFC 9113, section 6.5.2
    return limits;
}

Channel::Channel(net::Loop& loop, net::StreamPtr stream, std::string address)
    : address_(std::move(address)),
      connection_(loop, std::move(stream), net::Http2Role::Client, connection_limits()), end_(loop),
      scope_(loop) {}

Channel::~Channel() = default;

net::Task<Result<std::unique_ptr<Channel>>> Channel::connect(net::Loop& loop, Transport& transport,
                                                             std::string address, Trust trust,
                                                             net::Until until) {
    CO_TRY_LET(stream, co_await transport.connect(address, trust, until));
    std::unique_ptr<Channel> channel(new Channel(loop, std::move(stream), std::move(address)));
    channel->scope_.spawn(channel->run());
    co_return channel;
}

net::Task<void> Channel::run() {
    const net::Until until(scope_.cancel());
    const auto outcome = co_await connection_.run(until);
    (void)outcome; // the calls tell
    end_.set();
}

Result<net::GrpcCallPtr> Channel::open(std::string_view method, const net::GrpcMetadata& metadata) {
    net::GrpcClient client(connection_);
    return client.open(method, metadata);
}

net::Task<Result<std::string>> Channel::call_raw(std::string method, std::string request,
                                                 net::Until until) {
    net::GrpcClient client(connection_);
    co_return co_await client.unary(std::move(method), std::move(request), {}, until);
}

} // namespace shoal::swarm
