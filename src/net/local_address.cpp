#include "net/local_address.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

namespace shoal::net {

Result<std::string> local_address_towards(const std::string& host, std::uint16_t port) {
    using boost::asio::ip::udp;
    boost::asio::io_context io;
    boost::system::error_code error;
    udp::resolver resolver(io);
    const auto found = resolver.resolve(host, std::to_string(port), error);
    if (error || found.empty()) { return not_found("host", host); }
    udp::socket socket(io);
    socket.connect(found.begin()->endpoint(), error); // a datagram socket: nothing is sent
    if (error) { return Error{Errc::Unavailable, "no route to " + host + ": " + error.message()}; }
    const auto own = socket.local_endpoint(error);
    if (error) { return internal("local address: " + error.message()); }
    return own.address().to_string();
}

} // namespace shoal::net
