#include "os/netlink_request.h"

#include "base/text.h"

#include <cerrno>
#include <cstdlib>

#include <netlink/netlink.h>
#include <netlink/socket.h>

namespace shoal::os {

int errno_of(int nl_error) {
    switch (nl_error < 0 ? -nl_error : nl_error) {
    case NLE_EXIST:
        return EEXIST;
    case NLE_NOADDR:
        return EADDRNOTAVAIL;
    case NLE_OBJ_NOTFOUND:
        return ENOENT;
    case NLE_NODEV:
        return ENODEV;
    case NLE_OPNOTSUPP:
        return EOPNOTSUPP;
    case NLE_PERM:
        return EPERM;
    case NLE_BUSY:
        return EBUSY;
    case NLE_INVAL:
        return EINVAL;
    case NLE_NOMEM:
        return ENOMEM;
    default:
        return EIO;
    }
}

std::string mac_bytes(const std::string& text) {
    std::string bytes;
    for (const auto& part : split(text, ':')) {
        bytes.push_back(static_cast<char>(std::strtoul(part.c_str(), nullptr, 16)));
    }
    return bytes;
}

std::string mac_text(const nlattr* attribute) {
    std::string text;
    const auto* data = static_cast<const std::uint8_t*>(nla_data(attribute));
    for (int i = 0; i < nla_len(attribute); ++i) {
        text += (i == 0 ? "" : ":") + to_hex(std::span(data + i, 1));
    }
    return text;
}

std::string bytes_of(const nlattr* attribute) {
    return {static_cast<const char*>(nla_data(attribute)),
            static_cast<std::size_t>(nla_len(attribute))};
}

Result<nl_sock*> connect_netlink(int protocol) {
    nl_sock* socket = nl_socket_alloc();
    if (socket == nullptr) { return Error{Errc::Exhausted, "no memory for a netlink socket"}; }
    if (const int failed = nl_connect(socket, protocol); failed < 0) {
        nl_socket_free(socket);
        return os_error("open a netlink socket", errno_of(failed));
    }
    nl_socket_set_buffer_size(socket, 128 * 1024, 32 * 1024);
    return socket;
}

namespace {
int on_message(nl_msg* message, void* data) {
    auto& answer = *static_cast<Answer*>(data);
    if (answer.each) { answer.each(nlmsg_hdr(message)); }
    return NL_OK;
}
int on_ack(nl_msg*, void* data) {
    static_cast<Answer*>(data)->done = true;
    return NL_STOP;
}
int on_finish(nl_msg*, void* data) {
    static_cast<Answer*>(data)->done = true;
    return NL_STOP;
}
int on_error(sockaddr_nl*, nlmsgerr* error, void* data) {
    auto& answer = *static_cast<Answer*>(data);
    answer.error = -error->error;
    answer.done = true;
    return NL_STOP;
}
} // namespace

int exchange(nl_sock* socket, nl_msg* message, Answer& answer) {
    if (const int sent = nl_send_auto(socket, message); sent < 0) { return errno_of(sent); }
    nl_cb* callbacks = nl_cb_alloc(NL_CB_DEFAULT);
    nl_cb_set(callbacks, NL_CB_VALID, NL_CB_CUSTOM, on_message, &answer);
    nl_cb_set(callbacks, NL_CB_ACK, NL_CB_CUSTOM, on_ack, &answer);
    nl_cb_set(callbacks, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, &answer);
    nl_cb_err(callbacks, NL_CB_CUSTOM, on_error, &answer);
    int got = 0;
    while (!answer.done && got >= 0) { got = nl_recvmsgs(socket, callbacks); }
    nl_cb_put(callbacks);
    if (answer.error != 0) { return answer.error; }
    return got < 0 ? errno_of(got) : 0;
}

} // namespace shoal::os
