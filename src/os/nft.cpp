#include "os/nft.h"

#include "base/text.h"
#include "os/netlink_request.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <nftables/libnftables.h>
#include <sys/socket.h>
#include <unistd.h>

namespace shoal::os {

struct Nft::Impl {
    nft_ctx* context = nullptr;
    nl_sock* socket = nullptr; ///< for what libnftables does not tell
    std::mutex mutex;
    ~Impl() {
        if (context != nullptr) { nft_ctx_free(context); }
        if (socket != nullptr) { nl_socket_free(socket); }
    }
};

namespace {

Error nft_failure(nft_ctx* context) {
    const char* text = nft_ctx_get_error_buffer(context);
    std::string message(text != nullptr ? trim(text) : "");
    if (message.empty()) { message = "unknown error"; }
    return Error{Errc::Invalid, "nftables: " + message};
}

} // namespace

Nft::Nft(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Nft::Nft(Nft&&) noexcept = default;
Nft& Nft::operator=(Nft&&) noexcept = default;
Nft::~Nft() = default;

Result<Nft> Nft::open() {
    auto impl = std::make_unique<Impl>();
    impl->context = nft_ctx_new(NFT_CTX_DEFAULT);
    if (impl->context == nullptr) { return Error{Errc::Unsupported, "nftables is not available"}; }
    nft_ctx_buffer_output(impl->context);
    nft_ctx_buffer_error(impl->context);
    TRY_LET(socket, connect_netlink(NETLINK_NETFILTER));
    impl->socket = socket;
    return Nft(std::move(impl));
}

Result<void> Nft::apply(const std::string& commands) {
    const std::lock_guard guard(impl_->mutex);
    nft_ctx_output_set_flags(impl_->context, 0);
    const int failed = nft_run_cmd_from_buffer(impl_->context, commands.c_str());
    (void)nft_ctx_get_output_buffer(impl_->context);
    if (failed != 0) { return nft_failure(impl_->context); }
    return ok();
}

Result<std::string> Nft::query(const std::string& commands, Form form) {
    const std::lock_guard guard(impl_->mutex);
    nft_ctx_output_set_flags(impl_->context, form == Form::Json
                                                 ? NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE
                                                 : NFT_CTX_OUTPUT_HANDLE);
    const int failed = nft_run_cmd_from_buffer(impl_->context, commands.c_str());
    const char* text = nft_ctx_get_output_buffer(impl_->context);
    std::string output(text != nullptr ? text : "");
    if (failed != 0) { return nft_failure(impl_->context); }
    return output;
}

Result<std::uint32_t> Nft::generation() {
    const std::lock_guard guard(impl_->mutex);
    nfgenmsg header{};
    header.version = NFNETLINK_V0;
    const int type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
    Request request(type, NLM_F_REQUEST | NLM_F_ACK, header);
    std::uint32_t generation = 0;
    Answer answer;
    answer.each = [&](nlmsghdr* message) {
        const auto fields = attributes_of<nfgenmsg, NFTA_GEN_MAX>(message);
        if (fields[NFTA_GEN_ID] != nullptr) {
            generation = ntohl(nla_get_u32(fields[NFTA_GEN_ID]));
        }
    };
    if (const int failed = exchange(impl_->socket, request.message(), answer); failed != 0) {
        return os_error("ask for the generation of nftables", failed);
    }
    return generation;
}

Result<NftEvents> NftEvents::open() {
    Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER));
    if (!fd) { return os_error("open a netlink socket", errno); }
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    if (::bind(fd.raw(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        return os_error("bind a netlink socket", errno);
    }
    const int group = NFNLGRP_NFTABLES;
    if (::setsockopt(fd.raw(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
        return os_error("subscribe to nftables events", errno);
    }
    const int bytes = 1 << 20;
    (void)::setsockopt(fd.raw(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    return NftEvents(std::move(fd));
}

namespace {

/// The table an event is about: attribute 1 of every nftables message that we look at.
std::string table_of(const nlmsghdr* header) {
    const auto* bytes = reinterpret_cast<const char*>(header);
    std::size_t at = NLMSG_LENGTH(sizeof(nfgenmsg));
    while (at + sizeof(nlattr) <= header->nlmsg_len) {
        const auto* attribute = reinterpret_cast<const nlattr*>(bytes + at);
        if (attribute->nla_len < sizeof(nlattr) || at + attribute->nla_len > header->nlmsg_len) {
            break;
        }
        if ((attribute->nla_type & NLA_TYPE_MASK) == 1) {
            const char* text = bytes + at + sizeof(nlattr);
            return std::string(text, ::strnlen(text, attribute->nla_len - sizeof(nlattr)));
        }
        at += NLA_ALIGN(attribute->nla_len);
    }
    return {};
}

/// The netlink addresses of this process's nftables sockets: what they did needs no repair.
std::set<std::uint32_t> own_senders() {
    std::set<std::uint32_t> senders;
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", failure)) {
        const auto raw = parse_number<int>(entry.path().filename().string());
        int protocol = 0;
        socklen_t size = sizeof protocol;
        sockaddr_nl address{};
        socklen_t address_size = sizeof address;
        if (!raw || ::getsockopt(*raw, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0) {
            continue;
        }
        if (protocol != NETLINK_NETFILTER) { continue; }
        if (::getsockname(*raw, reinterpret_cast<sockaddr*>(&address), &address_size) != 0) {
            continue;
        }
        if (address.nl_family == AF_NETLINK) { senders.insert(address.nl_pid); }
    }
    return senders;
}

class Senders {
  public:
    bool has(std::uint32_t sender) {
        if (!known_) { known_ = own_senders(); }
        return known_->contains(sender);
    }

  private:
    std::optional<std::set<std::uint32_t>> known_;
};

struct OwnTables {
    const std::string& first;
    const std::set<std::string>& others;
};

void note(const nlmsghdr* header, const OwnTables& tables, Senders& ours,
          NftEvents::Changes& changes) {
    const int kind = header->nlmsg_type & 0xff;
    const bool gone = kind == NFT_MSG_DELTABLE || kind == NFT_MSG_DELCHAIN ||
                      kind == NFT_MSG_DELRULE || kind == NFT_MSG_DELSET;
    const bool structural =
        gone || kind == NFT_MSG_NEWTABLE || kind == NFT_MSG_NEWCHAIN || kind == NFT_MSG_NEWRULE;
    const bool elements = kind == NFT_MSG_DELSETELEM;
    if (!structural && !elements) { return; }
    const auto table = table_of(header);
    const bool own = table == tables.first;
    const bool other = tables.others.contains(table);
    changes.foreign_changed |= !own && !other && structural;
    if ((!own && !other) || ours.has(header->nlmsg_pid)) { return; }
    changes.others_touched |= other;
    if (other) { return; }
    changes.table_touched |= gone || elements;
    changes.table_extended |= kind == NFT_MSG_NEWRULE;
}

} // namespace

NftEvents::Changes NftEvents::drain(const std::string& own_table,
                                    const std::set<std::string>& our_others) {
    const OwnTables tables{own_table, our_others};
    Changes changes;
    Senders ours;
    alignas(nlmsghdr) char buffer[32768];
    for (;;) {
        const ssize_t got = ::recv(fd_.raw(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got < 0 && errno == ENOBUFS) {
            changes.overrun = true;
            continue;
        }
        if (got < 0 && errno == EINTR) { continue; }
        if (got <= 0) { return changes; }
        auto left = static_cast<unsigned>(got);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(header, left);
             header = NLMSG_NEXT(header, left)) {
            note(header, tables, ours, changes);
        }
    }
}

} // namespace shoal::os
