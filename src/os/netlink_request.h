// Netlink messages as they are built and answered, for the files of this folder that speak to the
// kernel (links and routes, connections, sockets). Internal to os/.
#pragma once

#include "base/result.h"

#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include <arpa/inet.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

struct nl_sock;

namespace shoal::os {

/// One request being built.
class Request {
  public:
    template <class Header> Request(int type, int flags, const Header& header)
        : message_(nlmsg_alloc_simple(type, flags)) {
        Header copy = header;
        nlmsg_append(message_, &copy, sizeof copy, NLMSG_ALIGNTO);
    }
    ~Request() { nlmsg_free(message_); }
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;

    Request& text(int type, const std::string& value) {
        nla_put_string(message_, type, value.c_str());
        return *this;
    }
    Request& u32(int type, std::uint32_t value) {
        nla_put_u32(message_, type, value);
        return *this;
    }
    Request& u16(int type, std::uint16_t value) {
        nla_put_u16(message_, type, value);
        return *this;
    }
    Request& be32(int type, std::uint32_t value) { return u32(type, htonl(value)); }
    Request& be16(int type, std::uint16_t value) { return u16(type, htons(value)); }
    Request& u8(int type, std::uint8_t value) {
        nla_put_u8(message_, type, value);
        return *this;
    }
    Request& bytes(int type, const std::string& value) {
        nla_put(message_, type, static_cast<int>(value.size()), value.data());
        return *this;
    }
    Request& nest(int type, const std::function<void(Request&)>& fill) {
        nlattr* start = nla_nest_start(message_, type);
        fill(*this);
        nla_nest_end(message_, start);
        return *this;
    }
    /// The header of a peer link comes bare inside its attribute.
    Request& raw(const void* data, std::size_t size) {
        nlmsg_append(message_, const_cast<void*>(data), size, NLMSG_ALIGNTO);
        return *this;
    }
    nl_msg* message() { return message_; }

  private:
    nl_msg* message_;
};

/// A socket in the namespace of the calling thread, to be freed with nl_socket_free.
Result<nl_sock*> connect_netlink(int protocol);

struct Answer {
    int error = 0; ///< the kernel's own number, not libnl's translation
    bool done = false;
    std::function<void(nlmsghdr*)> each;
};
/// Sends and reads until the kernel has answered; 0 or an error number.
int exchange(nl_sock* socket, nl_msg* message, Answer& answer);
int errno_of(int nl_error);

std::string bytes_of(const nlattr* attribute);
std::string mac_bytes(const std::string& text);
std::string mac_text(const nlattr* attribute);

inline constexpr int create_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
inline constexpr int change_flags = NLM_F_REQUEST | NLM_F_ACK;
inline constexpr int replace_flags = change_flags | NLM_F_CREATE | NLM_F_REPLACE;

/// The attributes behind a header of type H, by their numbers.
template <class H, int Max> std::array<nlattr*, Max + 1> attributes_of(nlmsghdr* header) {
    std::array<nlattr*, Max + 1> fields{};
    nlmsg_parse(header, sizeof(H), fields.data(), Max, nullptr);
    return fields;
}
template <int Max> std::array<nlattr*, Max + 1> nested_in(nlattr* attribute) {
    std::array<nlattr*, Max + 1> fields{};
    nla_parse_nested(fields.data(), Max, attribute, nullptr);
    return fields;
}

} // namespace shoal::os
