#include "os/conntrack.h"

#include "os/netlink_request.h"
#include "os/netns.h"

#include <cerrno>
#include <optional>

#include <linux/netfilter/nf_conntrack_tcp.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>

namespace shoal::os {
namespace {

constexpr int type_of(int message) { return (NFNL_SUBSYS_CTNETLINK << 8) | message; }
constexpr std::uint32_t by_source = 1; // CTA_FILTER_F_CTA_IP_SRC of the kernel

nfgenmsg family_of(const std::string& address) {
    nfgenmsg header{};
    header.nfgen_family = address.size() == 16 ? AF_INET6 : AF_INET;
    header.version = NFNETLINK_V0;
    return header;
}

/// The kernel (all until now, seen on 6.18) compares IPv6 addresses of a filter the wrong way
/// round: it would give, and delete, all but those that are asked for.
bool filters(const std::string& address) { return address.size() == 4; }

void put_filter(Request& request, const std::string& address) {
    request.nest(CTA_TUPLE_REPLY, [&](Request& tuple) {
        tuple.nest(CTA_TUPLE_IP, [&](Request& ip) { ip.bytes(CTA_IP_V4_SRC, address); });
    });
    request.nest(CTA_FILTER, [](Request& filter) {
        filter.u32(CTA_FILTER_ORIG_FLAGS, 0).u32(CTA_FILTER_REPLY_FLAGS, by_source);
    });
}

struct Tuple {
    std::uint8_t protocol = 0;
    std::string source, destination;
    std::uint16_t source_port = 0, destination_port = 0;
};

std::string address_in(const std::array<nlattr*, CTA_IP_MAX + 1>& fields, int v4, int v6) {
    if (fields[v4] != nullptr) { return bytes_of(fields[v4]); }
    return fields[v6] != nullptr ? bytes_of(fields[v6]) : std::string();
}

Tuple parse_tuple(nlattr* attribute) {
    Tuple tuple;
    if (attribute == nullptr) { return tuple; }
    const auto parts = nested_in<CTA_TUPLE_MAX>(attribute);
    if (parts[CTA_TUPLE_IP] != nullptr) {
        const auto ip = nested_in<CTA_IP_MAX>(parts[CTA_TUPLE_IP]);
        tuple.source = address_in(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
        tuple.destination = address_in(ip, CTA_IP_V4_DST, CTA_IP_V6_DST);
    }
    if (parts[CTA_TUPLE_PROTO] == nullptr) { return tuple; }
    const auto protocol = nested_in<CTA_PROTO_MAX>(parts[CTA_TUPLE_PROTO]);
    const auto port = [&](int field) {
        return protocol[field] != nullptr ? ntohs(nla_get_u16(protocol[field])) : std::uint16_t{0};
    };
    if (protocol[CTA_PROTO_NUM] != nullptr) {
        tuple.protocol = nla_get_u8(protocol[CTA_PROTO_NUM]);
    }
    tuple.source_port = port(CTA_PROTO_SRC_PORT);
    tuple.destination_port = port(CTA_PROTO_DST_PORT);
    return tuple;
}

using Fields = std::array<nlattr*, CTA_MAX + 1>;

bool has_ended(const Fields& fields) {
    if (fields[CTA_PROTOINFO] == nullptr) { return false; }
    const auto info = nested_in<CTA_PROTOINFO_MAX>(fields[CTA_PROTOINFO]);
    if (info[CTA_PROTOINFO_TCP] == nullptr) { return false; }
    const auto tcp = nested_in<CTA_PROTOINFO_TCP_MAX>(info[CTA_PROTOINFO_TCP]);
    auto* state = tcp[CTA_PROTOINFO_TCP_STATE];
    return state != nullptr && nla_get_u8(state) >= TCP_CONNTRACK_TIME_WAIT;
}

TrackedConnection parse_connection(const Fields& fields) {
    auto first = parse_tuple(fields[CTA_TUPLE_ORIG]);
    TrackedConnection connection;
    connection.protocol = first.protocol;
    connection.source = std::move(first.source);
    connection.destination = std::move(first.destination);
    connection.source_port = first.source_port;
    connection.destination_port = first.destination_port;
    connection.answers = parse_tuple(fields[CTA_TUPLE_REPLY]).source;
    connection.ended = has_ended(fields);
    return connection;
}

/// Calls `each` with what is answered by this address. A kernel that does not know the filter tells
/// of everything.
int dump(nl_sock* socket, const std::string& address,
         const std::function<void(const Fields&)>& each) {
    Request request(type_of(IPCTNL_MSG_CT_GET), NLM_F_REQUEST | NLM_F_DUMP, family_of(address));
    if (filters(address)) { put_filter(request, address); }
    Answer answer;
    answer.each = [&](nlmsghdr* header) {
        const auto fields = attributes_of<nfgenmsg, CTA_MAX>(header);
        if (parse_tuple(fields[CTA_TUPLE_REPLY]).source == address) { each(fields); }
    };
    return exchange(socket, request.message(), answer);
}

/// What names one entry, to be said again when it is deleted.
struct Name {
    std::uint8_t family = 0;
    std::string first, id, zone;
};

Name name_of(const std::string& address, const Fields& fields) {
    const auto text = [&](int field) {
        return fields[field] != nullptr ? bytes_of(fields[field]) : std::string();
    };
    return {family_of(address).nfgen_family, text(CTA_TUPLE_ORIG), text(CTA_ID), text(CTA_ZONE)};
}

int forget(nl_sock* socket, const Name& name) {
    nfgenmsg header{};
    header.nfgen_family = name.family;
    Request request(type_of(IPCTNL_MSG_CT_DELETE), change_flags, header);
    request.bytes(CTA_TUPLE_ORIG | NLA_F_NESTED, name.first);
    if (!name.id.empty()) { request.bytes(CTA_ID, name.id); }
    if (!name.zone.empty()) { request.bytes(CTA_ZONE, name.zone); }
    Answer answer;
    const int failed = exchange(socket, request.message(), answer);
    return failed == ENOENT ? 0 : failed; // it has ended by itself
}

} // namespace

void Conntrack::Close::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Result<Conntrack> Conntrack::open() {
    TRY_LET(socket, connect_netlink(NETLINK_NETFILTER));
    return Conntrack(socket);
}

Result<Conntrack> Conntrack::open_in(const Fd& netns) {
    std::optional<Conntrack> made;
    TRY(run_in_netns(netns, [&]() -> Result<void> {
        TRY_LET(conntrack, open());
        made.emplace(std::move(conntrack));
        return ok();
    }));
    return std::move(*made);
}

Result<std::vector<TrackedConnection>> Conntrack::answered_by(const std::string& address) {
    std::vector<TrackedConnection> all;
    const int failed = dump(socket_.get(), address,
                            [&](const Fields& fields) { all.push_back(parse_connection(fields)); });
    if (failed != 0) { return os_error("list tracked connections", failed); }
    return all;
}

Result<void> Conntrack::forget_answered_by(const std::string& address) {
    if (!filters(address)) { return forget_one_by_one(address); }
    Request request(type_of(IPCTNL_MSG_CT_DELETE), change_flags, family_of(address));
    put_filter(request, address);
    Answer answer;
    if (exchange(socket_.get(), request.message(), answer) == 0) { return ok(); }
    // An older kernel reads the filter as the name of one connection, which is incomplete.
    return forget_one_by_one(address);
}

Result<void> Conntrack::forget_one_by_one(const std::string& address) {
    std::vector<Name> names;
    int failed = dump(socket_.get(), address,
                      [&](const Fields& fields) { names.push_back(name_of(address, fields)); });
    if (failed != 0) { return os_error("list tracked connections", failed); }
    for (const auto& name : names) {
        failed = forget(socket_.get(), name);
        if (failed != 0) { return os_error("delete a tracked connection", failed); }
    }
    return ok();
}

} // namespace shoal::os
