#include "shim_log.h"

#include "base/text.h"
#include "container/log_file.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace shoal::shim {
namespace {

using container::LogRecord;
using container::ShimConfig;

constexpr int connect_limit_ms = 10'000;

std::string option(const ShimConfig& config, const std::string& name) {
    const auto found = config.log_options.find(name);
    return found == config.log_options.end() ? "" : found->second;
}

class NoSink : public LogSink {
  public:
    explicit NoSink(bool counts) : counts_(counts) {}
    void write(const LogRecord&) override { dropped_ += counts_ ? 1 : 0; }

  private:
    bool counts_;
};

class FileSink : public LogSink {
  public:
    FileSink(const ShimConfig& config, container::RotationSettings rotation)
        : file_(config.log_path, rotation), local_(config.log_driver == "local"),
          attributes_(container::attributes_json(config.log_attributes)) {}

    Result<void> open() override { return file_.open(); }
    void write(const LogRecord& record) override {
        if (local_) {
            container::append_local_record(buffer_, record);
        } else {
            container::append_json_line(buffer_, record, attributes_);
        }
        ++records_;
        if (static_cast<std::int64_t>(buffer_.size()) >= file_.room()) { commit(); }
    }
    void commit() override {
        if (buffer_.empty()) { return; }
        if (!file_.append(buffer_)) { dropped_ += records_; }
        buffer_.clear();
        records_ = 0;
    }

  private:
    container::LogFile file_;
    bool local_;
    std::string attributes_;
    std::string buffer_;
    std::uint64_t records_ = 0;
};

/// Where a socket sink connects to.
struct Address {
    int family = AF_UNIX;
    int type = SOCK_DGRAM;
    sockaddr_storage storage{};
    socklen_t length = 0;
};

/// "udp://1.2.3.4:514", "tcp://[::1]:601", "unix:///dev/log", "unixgram:///dev/log"; numeric
/// addresses only.
bool parse_address(std::string_view text, Address& address) {
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) { return false; }
    const std::string_view scheme = text.substr(0, scheme_end);
    const std::string rest(text.substr(scheme_end + 3));
    if (scheme == "unix" || scheme == "unixgram") {
        auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
        if (rest.empty() || rest.size() >= sizeof un.sun_path) { return false; }
        un.sun_family = AF_UNIX;
        std::memcpy(un.sun_path, rest.c_str(), rest.size() + 1);
        address.length = sizeof un;
        return true;
    }
    address.type = scheme == "tcp" ? SOCK_STREAM : SOCK_DGRAM;
    const auto colon = rest.rfind(':');
    const bool has_port = colon != std::string::npos && rest.find(']', colon) == std::string::npos;
    std::string host = has_port ? rest.substr(0, colon) : rest;
    const auto port =
        has_port ? parse_number<std::uint16_t>(rest.substr(colon + 1)) : std::uint16_t{514};
    if (!port) { return false; }
    if (host.starts_with('[') && host.ends_with(']')) { host = host.substr(1, host.size() - 2); }
    auto& four = reinterpret_cast<sockaddr_in&>(address.storage);
    auto& six = reinterpret_cast<sockaddr_in6&>(address.storage);
    if (::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1) {
        address.family = four.sin_family = AF_INET;
        four.sin_port = htons(*port);
        address.length = sizeof four;
        return true;
    }
    if (::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1) {
        address.family = six.sin6_family = AF_INET6;
        six.sin6_port = htons(*port);
        address.length = sizeof six;
        return true;
    }
    return false;
}

/// Messages queue up while the receiver is slow. Blocking mode then holds the container back;
/// without a connection, and in non-blocking mode, what does not fit is lost.
class SocketSink : public LogSink {
  public:
    SocketSink(const ShimConfig& config, Address address, std::string where)
        : address_(address), where_(std::move(where)) {
        non_blocking_ = option(config, "mode") == "non-blocking";
        if (auto bytes = parse_bytes(option(config, "max-buffer-size")); bytes && *bytes > 0) {
            pending_max_ = static_cast<std::size_t>(*bytes);
        }
    }

    Result<void> open() override {
        if (!connect()) { return os_error("dial " + where_, errno); }
        // A connection that is under way may still be refused.
        pollfd wait{fd_.raw(), POLLOUT, 0};
        if (::poll(&wait, 1, connect_limit_ms) <= 0) {
            return os_error("dial " + where_, ETIMEDOUT);
        }
        int problem = 0;
        socklen_t size = sizeof problem;
        (void)::getsockopt(fd_.raw(), SOL_SOCKET, SO_ERROR, &problem, &size);
        if (problem != 0) { return os_error("dial " + where_, problem); }
        return ok();
    }
    void write(const LogRecord& record) override {
        std::string message = make_message(record);
        if (pending_bytes_ + message.size() > pending_max_ && (non_blocking_ || !fd_)) {
            ++dropped_;
            return;
        }
        pending_bytes_ += message.size();
        queue_.push_back(std::move(message));
    }
    void commit() override { send_some(); }
    void on_writable() override { send_some(); }
    int waiting_fd() const override { return fd_ && !queue_.empty() ? fd_.raw() : -1; }
    bool full() const override { return !non_blocking_ && fd_ && pending_bytes_ > pending_max_; }
    bool pending() const override { return fd_ && !queue_.empty(); }

  protected:
    virtual std::string make_message(const LogRecord& record) = 0;
    bool is_stream() const { return address_.type == SOCK_STREAM; }

  private:
    bool connect() {
        if (fd_) { return true; }
        const auto now = std::chrono::steady_clock::now();
        if (now < next_try_) { return false; }
        next_try_ = now + std::chrono::seconds(1);
        for (const int type : {static_cast<int>(address_.type), static_cast<int>(SOCK_STREAM)}) {
            os::Fd fd(::socket(address_.family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            const auto* to = reinterpret_cast<const sockaddr*>(&address_.storage);
            if (fd && (::connect(fd.raw(), to, address_.length) == 0 || errno == EINPROGRESS)) {
                fd_ = std::move(fd);
                address_.type = type;
                return true;
            }
            // A syslog socket may be of either kind; its error says so.
            if (address_.family != AF_UNIX || errno != EPROTOTYPE) { return false; }
        }
        return false;
    }

    void send_some() {
        while (!queue_.empty() && connect()) {
            const std::string& message = queue_.front();
            const auto sent =
                ::send(fd_.raw(), message.data() + sent_, message.size() - sent_, MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) { continue; }
            if (sent < 0 && (errno == EAGAIN || errno == EINPROGRESS || errno == ENOBUFS)) {
                return;
            }
            if (sent < 0 && errno == EMSGSIZE) {
                if (!send_by_file(message)) { ++dropped_; }
                pop();
                continue;
            }
            if (sent < 0) {
                if (errno == ECONNREFUSED && address_.family != AF_UNIX && !is_stream()) {
                    ++dropped_; // nobody listens there now; UDP does not wait
                    pop();
                    continue;
                }
                fd_.reset();
                sent_ = 0;
                return;
            }
            sent_ += static_cast<std::size_t>(sent);
            if (!is_stream() || sent_ == message.size()) { pop(); }
        }
    }

    /// journald's way for long messages: a sealed memory file, passed as a descriptor.
    bool send_by_file(const std::string& message) {
        if (address_.family != AF_UNIX || is_stream()) { return false; }
        const os::Fd file(::memfd_create("log", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        if (!file || ::write(file.raw(), message.data(), message.size()) !=
                         static_cast<ssize_t>(message.size())) {
            return false;
        }
        (void)::fcntl(file.raw(), F_ADD_SEALS,
                      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr header{};
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof(int));
        const int raw = file.raw();
        std::memcpy(CMSG_DATA(part), &raw, sizeof raw);
        return ::sendmsg(fd_.raw(), &header, MSG_NOSIGNAL) >= 0;
    }

    void pop() {
        pending_bytes_ -= queue_.front().size();
        queue_.pop_front();
        sent_ = 0;
    }

    Address address_;
    std::string where_; ///< as the user wrote it
    os::Fd fd_;
    std::chrono::steady_clock::time_point next_try_{};
    std::deque<std::string> queue_;
    std::size_t sent_ = 0;
    std::size_t pending_bytes_ = 0;
    std::size_t pending_max_ = 1024 * 1024;
    bool non_blocking_ = false;
};

class SyslogSink : public SocketSink {
  public:
    SyslogSink(const ShimConfig& config, Address address, std::string where, int pid)
        : SocketSink(config, address, std::move(where)) {
        using Format = container::SyslogSettings::Format;
        const std::string format = option(config, "syslog-format");
        settings_.format = format == "rfc5424"         ? Format::Rfc5424
                           : format == "rfc5424micro"  ? Format::Rfc5424Micro
                           : format == "rfc3164"       ? Format::Rfc3164
                           : address.family == AF_UNIX ? Format::Unix
                                                       : Format::Rfc3164;
        octet_counted_ = address.type == SOCK_STREAM && format.starts_with("rfc5424");
        settings_.facility =
            container::parse_syslog_facility(option(config, "syslog-facility")).value_or(3);
        settings_.tag = config.log_tag.empty() ? config.container_id.substr(0, 12) : config.log_tag;
        settings_.pid = pid;
        std::array<char, 256> name{};
        if (::gethostname(name.data(), name.size() - 1) == 0) { settings_.hostname = name.data(); }
    }

  protected:
    std::string make_message(const LogRecord& record) override {
        std::string message = container::make_syslog_message(settings_, record);
        if (!is_stream()) { return message; }
        // RFC 6587: counted for RFC 5424, ended by a line feed otherwise.
        if (octet_counted_) { return std::to_string(message.size()) + " " + message; }
        return message + "\n";
    }

  private:
    container::SyslogSettings settings_;
    bool octet_counted_ = false;
};

class JournalSink : public SocketSink {
  public:
    JournalSink(const ShimConfig& config, Address address, std::string where)
        : SocketSink(config, address, std::move(where)) {
        fields_.fields = {{"CONTAINER_ID", config.container_id.substr(0, 12)},
                          {"CONTAINER_ID_FULL", config.container_id},
                          {"CONTAINER_NAME", config.container_name},
                          {"IMAGE_NAME", config.image_name},
                          {"CONTAINER_TAG", config.log_tag},
                          {"SYSLOG_IDENTIFIER", config.log_tag}};
        for (const auto& [name, value] : config.log_attributes) {
            const auto field = container::journal_field_name(name);
            if (!field.empty()) { fields_.fields[field] = value; }
        }
    }

  protected:
    std::string make_message(const LogRecord& record) override {
        return container::make_journal_message(fields_, record);
    }

  private:
    container::JournalFields fields_;
};

} // namespace

std::unique_ptr<LogSink> make_sink(const ShimConfig& config, int pid) {
    const std::string& driver = config.log_driver;
    if (driver.empty() || driver == "none") { return std::make_unique<NoSink>(false); }
    Address address;
    if (driver == "json-file" || driver == "local") {
        auto rotation =
            container::parse_rotation(driver, option(config, "max-size"),
                                      option(config, "max-file"), option(config, "compress"));
        if (rotation) { return std::make_unique<FileSink>(config, *rotation); }
    } else if (driver == "syslog") {
        std::string where = option(config, "syslog-address");
        if (where.empty()) { where = "unixgram:///dev/log"; }
        if (parse_address(where, address)) {
            return std::make_unique<SyslogSink>(config, address, where, pid);
        }
    } else if (driver == "journald") {
        const std::string where = "unixgram:///run/systemd/journal/socket";
        if (parse_address(where, address)) {
            return std::make_unique<JournalSink>(config, address, where);
        }
    }
    return std::make_unique<NoSink>(true);
}

} // namespace shoal::shim
