#include "os/netlink.h"
#include "os/netlink_request.h"

#include <cerrno>

#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

namespace shoal::os {
namespace {
ifaddrmsg address_header(const InterfaceAddress& address) {
    ifaddrmsg header{};
    header.ifa_family = address.bytes.size() == 16 ? AF_INET6 : AF_INET;
    header.ifa_prefixlen = static_cast<std::uint8_t>(address.bits);
    header.ifa_index = static_cast<unsigned>(address.link);
    header.ifa_scope = address.link_local ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    return header;
}

std::uint32_t address_flags(const InterfaceAddress& address) {
    const std::uint32_t no_detection = address.bytes.size() == 16 ? IFA_F_NODAD : 0;
    return no_detection | (address.no_route ? IFA_F_NOPREFIXROUTE : 0);
}

bool is_direct_v4(const Route& route) {
    return route.gateway.empty() && !route.v6 && !route.unreachable;
}

rtmsg route_header(const Route& route) {
    rtmsg header{};
    header.rtm_family = route.v6 ? AF_INET6 : AF_INET;
    header.rtm_dst_len = static_cast<std::uint8_t>(route.bits);
    header.rtm_table = RT_TABLE_MAIN;
    if (route.table > 0) {
        header.rtm_table = route.table < 256 ? static_cast<std::uint8_t>(route.table)
                                             : static_cast<std::uint8_t>(RT_TABLE_UNSPEC);
    }
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_type = route.unreachable ? RTN_UNREACHABLE : RTN_UNICAST;
    header.rtm_scope = is_direct_v4(route) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    if (route.onlink) { header.rtm_flags = RTNH_F_ONLINK; }
    return header;
}

void put_route(Request& request, const Route& route) {
    if (route.bits > 0) { request.bytes(RTA_DST, route.destination); }
    if (!route.gateway.empty()) { request.bytes(RTA_GATEWAY, route.gateway); }
    if (route.link > 0) { request.u32(RTA_OIF, static_cast<std::uint32_t>(route.link)); }
    if (route.metric > 0) { request.u32(RTA_PRIORITY, route.metric); }
    if (route.table > 0) { request.u32(RTA_TABLE, static_cast<std::uint32_t>(route.table)); }
}

Route parse_route(nlmsghdr* header) {
    const auto* info = static_cast<const rtmsg*>(nlmsg_data(header));
    const auto fields = attributes_of<rtmsg, RTA_MAX>(header);
    Route route;
    route.v6 = info->rtm_family == AF_INET6;
    route.bits = info->rtm_dst_len;
    route.onlink = (info->rtm_flags & RTNH_F_ONLINK) != 0;
    route.unreachable = info->rtm_type == RTN_UNREACHABLE;
    if (fields[RTA_DST] != nullptr) { route.destination = bytes_of(fields[RTA_DST]); }
    if (fields[RTA_GATEWAY] != nullptr) { route.gateway = bytes_of(fields[RTA_GATEWAY]); }
    if (fields[RTA_PRIORITY] != nullptr) { route.metric = nla_get_u32(fields[RTA_PRIORITY]); }
    if (route.unreachable) { return route; } // IPv6 names lo as its link
    if (fields[RTA_OIF] != nullptr) { route.link = static_cast<int>(nla_get_u32(fields[RTA_OIF])); }
    return route;
}

/// A number above 255 is in the attribute only.
std::uint32_t table_of(nlmsghdr* header) {
    const auto fields = attributes_of<rtmsg, RTA_MAX>(header);
    if (fields[RTA_TABLE] != nullptr) { return nla_get_u32(fields[RTA_TABLE]); }
    return static_cast<const rtmsg*>(nlmsg_data(header))->rtm_table;
}

MarkRule parse_rule(nlmsghdr* header) {
    const auto fields = attributes_of<fib_rule_hdr, FRA_MAX>(header);
    const auto number = [&](int type) {
        return fields[type] != nullptr ? nla_get_u32(fields[type]) : 0;
    };
    MarkRule rule;
    rule.v6 = static_cast<const fib_rule_hdr*>(nlmsg_data(header))->family == AF_INET6;
    if (fields[FRA_IIFNAME] != nullptr) { rule.in_link = nla_get_string(fields[FRA_IIFNAME]); }
    rule.mark = number(FRA_FWMARK);
    rule.mask = number(FRA_FWMASK);
    rule.table = static_cast<int>(number(FRA_TABLE));
    rule.priority = number(FRA_PRIORITY);
    return rule;
}

fib_rule_hdr rule_header(const MarkRule& rule) {
    fib_rule_hdr header{};
    header.family = rule.v6 ? AF_INET6 : AF_INET;
    header.action = FR_ACT_TO_TBL;
    header.table = RT_TABLE_UNSPEC; // RTA_TABLE says it: a table may have a number above 255
    return header;
}

void put_rule(Request& request, const MarkRule& rule) {
    if (!rule.in_link.empty()) { request.text(FRA_IIFNAME, rule.in_link); }
    if (rule.mask != 0) { request.u32(FRA_FWMARK, rule.mark).u32(FRA_FWMASK, rule.mask); }
    request.u32(FRA_TABLE, static_cast<std::uint32_t>(rule.table));
    request.u32(FRA_PRIORITY, rule.priority);
}
} // namespace

Result<void> Netlink::add_address(const InterfaceAddress& address) {
    Request request(RTM_NEWADDR, create_flags, address_header(address));
    request.bytes(IFA_LOCAL, address.bytes).bytes(IFA_ADDRESS, address.bytes);
    request.u32(IFA_FLAGS, address_flags(address));
    auto done = talk(request.message(), "add an address to link " + std::to_string(address.link));
    if (!done && done.error().os_errno == EEXIST) { return ok(); }
    return done;
}

Result<void> Netlink::remove_address(const InterfaceAddress& address) {
    Request request(RTM_DELADDR, change_flags, address_header(address));
    request.bytes(IFA_LOCAL, address.bytes);
    return talk(request.message(), "remove an address of link " + std::to_string(address.link));
}

Result<std::vector<InterfaceAddress>> Netlink::addresses() {
    Request request(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, ifaddrmsg{});
    std::vector<InterfaceAddress> all;
    Answer answer;
    answer.each = [&](nlmsghdr* header) {
        const auto* info = static_cast<const ifaddrmsg*>(nlmsg_data(header));
        const auto fields = attributes_of<ifaddrmsg, IFA_MAX>(header);
        const nlattr* value =
            fields[IFA_LOCAL] != nullptr ? fields[IFA_LOCAL] : fields[IFA_ADDRESS];
        if (value == nullptr) { return; }
        const auto flags =
            fields[IFA_FLAGS] != nullptr ? nla_get_u32(fields[IFA_FLAGS]) : info->ifa_flags;
        all.push_back({bytes_of(value), info->ifa_prefixlen, static_cast<int>(info->ifa_index),
                       info->ifa_scope == RT_SCOPE_LINK, (flags & IFA_F_NOPREFIXROUTE) != 0});
    };
    if (const int failed = exchange(socket_, request.message(), answer); failed != 0) {
        return os_error("list addresses", failed);
    }
    return all;
}

Result<void> Netlink::replace_route(const Route& route) {
    Request request(RTM_NEWROUTE, replace_flags, route_header(route));
    put_route(request, route);
    return talk(request.message(), "set a route");
}

Result<void> Netlink::remove_route(const Route& route) {
    auto header = route_header(route);
    header.rtm_protocol = 0;
    header.rtm_scope = RT_SCOPE_NOWHERE;
    Request request(RTM_DELROUTE, change_flags, header);
    put_route(request, route);
    return talk(request.message(), "remove a route");
}

Result<std::vector<Route>> Netlink::routes(int table) {
    const auto wanted = table > 0 ? static_cast<std::uint32_t>(table) : RT_TABLE_MAIN;
    Request request(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP, rtmsg{});
    std::vector<Route> all;
    Answer answer;
    answer.each = [&](nlmsghdr* header) {
        const auto* info = static_cast<const rtmsg*>(nlmsg_data(header));
        const bool leads = info->rtm_type == RTN_UNICAST || info->rtm_type == RTN_UNREACHABLE;
        if (!leads || table_of(header) != wanted) { return; }
        all.push_back(parse_route(header));
        all.back().table = table;
    };
    if (const int failed = exchange(socket_, request.message(), answer); failed != 0) {
        return os_error("list routes", failed);
    }
    return all;
}

Result<void> Netlink::ensure_rule(const MarkRule& rule) {
    Request request(RTM_NEWRULE, create_flags, rule_header(rule));
    put_rule(request, rule);
    auto done = talk(request.message(), "add a routing rule");
    if (!done && done.error().os_errno == EEXIST) { return ok(); }
    return done;
}

Result<void> Netlink::remove_rule(const MarkRule& rule) {
    Request request(RTM_DELRULE, change_flags, rule_header(rule));
    put_rule(request, rule);
    auto done = talk(request.message(), "remove a routing rule");
    if (!done && done.error().os_errno == ENOENT) { return ok(); }
    return done;
}

Result<std::vector<MarkRule>> Netlink::rules(std::uint32_t priority) {
    Request request(RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, fib_rule_hdr{});
    std::vector<MarkRule> all;
    Answer answer;
    answer.each = [&](nlmsghdr* header) {
        const auto* info = static_cast<const fib_rule_hdr*>(nlmsg_data(header));
        const auto rule = parse_rule(header);
        if (info->action == FR_ACT_TO_TBL && rule.priority == priority) { all.push_back(rule); }
    };
    if (const int failed = exchange(socket_, request.message(), answer); failed != 0) {
        return os_error("list routing rules", failed);
    }
    return all;
}

} // namespace shoal::os
