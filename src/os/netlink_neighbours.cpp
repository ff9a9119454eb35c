#include "os/netlink.h"
#include "os/netlink_request.h"

#include <cerrno>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

namespace shoal::os {
namespace {

ndmsg neighbour_header(const Neighbour& entry) {
    ndmsg header{};
    header.ndm_family = entry.address.size() == 16 ? AF_INET6 : AF_INET;
    header.ndm_ifindex = entry.link;
    header.ndm_state = NUD_PERMANENT;
    return header;
}

ndmsg forwarding_header(const ForwardingEntry& entry) {
    ndmsg header{};
    header.ndm_family = AF_BRIDGE;
    header.ndm_ifindex = entry.link;
    header.ndm_flags = NTF_SELF; // the table of the link itself, not that of a bridge above it
    header.ndm_state = NUD_PERMANENT | NUD_NOARP;
    return header;
}

/// No such entry is not a missing link in the kernel's words.
Result<void> absent_is_not_found(Result<void> done) {
    if (!done && done.error().os_errno == ENOENT) {
        return Error{Errc::NotFound, done.error().message, ENOENT};
    }
    return done;
}

} // namespace

Result<void> Netlink::replace_neighbour(const Neighbour& entry) {
    Request request(RTM_NEWNEIGH, replace_flags, neighbour_header(entry));
    request.bytes(NDA_DST, entry.address).bytes(NDA_LLADDR, mac_bytes(entry.mac));
    return talk(request.message(), "set a neighbour of link " + std::to_string(entry.link));
}

Result<void> Netlink::remove_neighbour(const Neighbour& entry) {
    Request request(RTM_DELNEIGH, change_flags, neighbour_header(entry));
    request.bytes(NDA_DST, entry.address);
    return absent_is_not_found(
        talk(request.message(), "remove a neighbour of link " + std::to_string(entry.link)));
}

Result<std::vector<Neighbour>> Netlink::neighbours(int link) {
    Request request(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, ndmsg{});
    request.u32(NDA_IFINDEX, static_cast<std::uint32_t>(link)); // older kernels tell of all
    std::vector<Neighbour> all;
    Answer answer;
    answer.each = [&](nlmsghdr* header) {
        const auto* info = static_cast<const ndmsg*>(nlmsg_data(header));
        const auto fields = attributes_of<ndmsg, NDA_MAX>(header);
        if (info->ndm_ifindex != link || (info->ndm_state & NUD_PERMANENT) == 0) { return; }
        if (fields[NDA_DST] == nullptr || fields[NDA_LLADDR] == nullptr) { return; }
        all.push_back({bytes_of(fields[NDA_DST]), mac_text(fields[NDA_LLADDR]), link});
    };
    if (const int failed = exchange(socket_, request.message(), answer); failed != 0) {
        return os_error("list neighbours", failed);
    }
    return all;
}

Result<void> Netlink::replace_forwarding(const ForwardingEntry& entry) {
    Request request(RTM_NEWNEIGH, replace_flags, forwarding_header(entry));
    request.bytes(NDA_LLADDR, mac_bytes(entry.mac)).bytes(NDA_DST, entry.node);
    return talk(request.message(), "set a forwarding entry of link " + std::to_string(entry.link));
}

Result<void> Netlink::remove_forwarding(const ForwardingEntry& entry) {
    Request request(RTM_DELNEIGH, change_flags, forwarding_header(entry));
    request.bytes(NDA_LLADDR, mac_bytes(entry.mac));
    return absent_is_not_found(
        talk(request.message(), "remove a forwarding entry of link " + std::to_string(entry.link)));
}

Result<std::vector<ForwardingEntry>> Netlink::forwarding(int link) {
    ifinfomsg filter{}; // this dump reads the header of links
    filter.ifi_family = AF_BRIDGE;
    filter.ifi_index = link;
    Request request(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP, filter);
    std::vector<ForwardingEntry> all;
    Answer answer;
    answer.each = [&](nlmsghdr* header) {
        const auto* info = static_cast<const ndmsg*>(nlmsg_data(header));
        const auto fields = attributes_of<ndmsg, NDA_MAX>(header);
        if (info->ndm_ifindex != link) { return; }
        if (fields[NDA_DST] == nullptr || fields[NDA_LLADDR] == nullptr) { return; }
        all.push_back({mac_text(fields[NDA_LLADDR]), bytes_of(fields[NDA_DST]), link});
    };
    if (const int failed = exchange(socket_, request.message(), answer); failed != 0) {
        return os_error("list forwarding entries", failed);
    }
    return all;
}

} // namespace shoal::os
