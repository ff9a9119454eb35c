#include "cli/session.h"

#include "base/detach_keys.h"
#include "base/text.h"
#include "client/frames.h"
#include "net/pool.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "net/unix_signals.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>

#include <poll.h>
#include <unistd.h>

namespace shoal::cli {
namespace {

constexpr std::size_t piece_bytes = 32 * 1024;
constexpr int resize_attempts_max = 10;
constexpr int interrupts_max = 3;

/// What can be caught and is not about ourselves: faults, our own children, a pipe of ours, job
/// control in the background.
std::vector<int> proxied_signals() {
    std::vector<int> all;
    for (int number = 1; number < NSIG; ++number) {
        if (number > SIGSYS && number < SIGRTMIN) { continue; }
        switch (number) {
        case SIGKILL:
        case SIGSTOP:
        case SIGCHLD:
        case SIGPIPE:
        case SIGURG:
        case SIGTTIN:
        case SIGTTOU:
        case SIGILL:
        case SIGTRAP:
        case SIGABRT:
        case SIGBUS:
        case SIGFPE:
        case SIGSEGV:
        case SIGSYS:
            break;
        default:
            all.push_back(number);
        }
    }
    return all;
}

} // namespace

Result<void> write_out(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) { continue; }
        if (written < 0 && errno == EAGAIN) {
            pollfd ready{fd, POLLOUT, 0};
            ::poll(&ready, 1, -1);
            continue;
        }
        if (written < 0 && errno == EPIPE) {
            return Error{Errc::Cancelled, "", EPIPE};
        } // nobody reads any more: end without a word
        if (written < 0) {
            return os_error(fd == STDOUT_FILENO ? "write to standard output"
                                                : "write to standard error",
                            errno);
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return ok();
}

Result<void> check_input_terminal(bool wants_input, bool tty) {
    if (wants_input && tty && !is_terminal(STDIN_FILENO)) {
        return invalid("the input device is not a TTY");
    }
    return ok();
}

Result<DetachChoice> detach_keys_of(App& app, const Parsed& parsed) {
    DetachChoice choice;
    choice.text = parsed.text("detach-keys");
    if (choice.text.empty()) { choice.text = app.config_text("detachKeys"); }
    TRY_LET(bytes,
            parse_detach_keys(choice.text.empty() ? std::string(detach_keys_default) : choice.text)
                .with("invalid detach keys (" + choice.text + ")"));
    choice.bytes = bytes;
    return choice;
}

namespace {

Result<std::string> read_input() {
    std::string buffer(piece_bytes, '\0');
    while (true) {
        const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (got >= 0) { return buffer.substr(0, static_cast<std::size_t>(got)); }
        if (errno == EAGAIN) {
            pollfd ready{STDIN_FILENO, POLLIN, 0};
            ::poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return os_error("read standard input", errno);
        }
    }
}

} // namespace

struct Session::Impl {
    Impl(App& app_, client::Client& client_, SessionOptions options_)
        : app(app_), client(client_), options(std::move(options_)), ended(client_.loop()),
          reader(client_.loop(), 1, net::Pool::AtEnd::Leave), scope(client_.loop()) {}

    App& app;
    client::Client& client;
    SessionOptions options;
    net::Signal ended;
    /// Standard input is read by a thread, because waiting for it on the loop would make a terminal
    /// or pipe non-blocking for everybody who shares it. A read that waits for ever is left to
    /// itself.
    net::Pool reader;
    std::unique_ptr<net::UnixSignals> signals;
    std::unique_ptr<RawMode> raw;
    net::StreamPtr stream;
    std::optional<Result<SessionEnd>> end;
    int interrupts = 0;
    std::string kill_path;   ///< "" until signals are forwarded
    std::string resize_path; ///< "" until the window is followed
    net::TaskScope scope;    ///< last: its tasks use everything above

    void finish(Result<SessionEnd> how) {
        if (!end) { end.emplace(std::move(how)); }
        ended.raise();
    }
    void catch_signals() {
        if (signals) { return; }
        signals = std::make_unique<net::UnixSignals>(
            client.loop(), options.proxy_signals ? proxied_signals() : std::vector<int>{SIGWINCH});
        scope.spawn(take_signals(this));
    }

    static net::Task<void> take_signals(Impl* self);
    static net::Task<void> copy_output(Impl* self, bool framed);
    static net::Task<void> copy_input(Impl* self);
    static net::Task<bool> resize(Impl* self, WindowSize more);
    static net::Task<void> first_resize(Impl* self);
    static net::Task<void> resize_twice(Impl* self);
};

/// `more` is added to the true size.
net::Task<bool> Session::Impl::resize(Impl* self, WindowSize more) {
    WindowSize size = window_size(STDOUT_FILENO);
    if (size.rows == 0 && size.columns == 0) { co_return true; }
    size.rows += more.rows;
    size.columns += more.columns;
    client::Request request = client::post(
        self->resize_path, {{"h", std::to_string(size.rows)}, {"w", std::to_string(size.columns)}});
    net::Until until(self->scope.cancel());
    auto done = co_await self->client.call_async(std::move(request), until);
    co_return done.has_value();
}

net::Task<void> Session::Impl::first_resize(Impl* self) {
    for (int attempt = 0; attempt < resize_attempts_max; ++attempt) {
        const bool done = co_await resize(self, {});
        if (done) { co_return; }
        net::Until pause(Deadline::in(std::chrono::milliseconds(10 * (attempt + 1))),
                         self->scope.cancel());
        co_await net::sleep(self->client.loop(), pause);
    }
}

net::Task<void> Session::Impl::resize_twice(Impl* self) {
    const WindowSize more{1, 1};
    co_await resize(self, more);
    co_await resize(self, {});
}

net::Task<void> Session::Impl::take_signals(Impl* self) {
    net::Until until(self->scope.cancel());
    while (true) {
        auto number = co_await self->signals->next(until);
        if (!number) { co_return; }
        if (*number == SIGWINCH) {
            if (!self->resize_path.empty()) { co_await resize(self, {}); }
            if (self->kill_path.empty()) { continue; }
        }
        if (*number == SIGINT || *number == SIGTERM) {
            if (++self->interrupts >= interrupts_max) {
                self->raw.reset();
                self->app.error_line("\ngot 3 SIGTERM/SIGINTs, forcefully exiting");
                self->app.flush();
                std::_Exit(1);
            }
        }
        if (self->kill_path.empty()) { continue; }
        client::Request request =
            client::post(self->kill_path, {{"signal", std::to_string(*number)}});
        auto sent = co_await self->client.call_async(std::move(request), until);
        (void)sent; // the process may have ended meanwhile
    }
}

net::Task<void> Session::Impl::copy_output(Impl* self, bool framed) {
    std::string buffer(piece_bytes, '\0');
    const SessionOptions& options = self->options;
    client::FrameReader frames(
        [&options](client::Channel channel, std::string_view bytes) -> Result<void> {
            if (channel == client::Channel::Stderr) {
                return options.errors ? write_out(STDERR_FILENO, bytes) : ok();
            }
            return options.output ? write_out(STDOUT_FILENO, bytes) : ok();
        });
    net::Until until(self->scope.cancel());
    while (true) {
        auto got = co_await self->stream->read_some(buffer, until);
        if (!got) { co_return self->finish(std::move(got).error()); }
        if (*got == 0) { co_return self->finish(SessionEnd::OutputEnded); }
        const std::string_view bytes(buffer.data(), *got);
        auto taken = framed           ? frames.feed(bytes)
                     : options.output ? write_out(STDOUT_FILENO, bytes)
                                      : ok();
        if (!taken) { co_return self->finish(std::move(taken).error()); }
    }
}

net::Task<void> Session::Impl::copy_input(Impl* self) {
    DetachFilter keys(self->options.tty ? self->options.detach_keys : std::string());
    net::Until until(self->scope.cancel());
    while (true) {
        auto piece = co_await self->reader.run_until(read_input, until);
        if (!piece || piece->empty()) { break; }
        DetachFilter::Passed passed = keys.feed(*piece);
        if (!passed.bytes.empty()) {
            auto sent = co_await self->stream->write_all(passed.bytes, until);
            if (!sent) { co_return; } // the process does not read any more; its output goes on
        }
        if (passed.detached) { co_return self->finish(SessionEnd::Detached); }
    }
    auto shut = co_await self->stream->shutdown_write(until);
    (void)shut;
    if (!self->options.output && !self->options.errors) { self->finish(SessionEnd::OutputEnded); }
}

Session::Session(App& app, client::Client& client, SessionOptions options)
    : impl_(std::make_unique<Impl>(app, client, std::move(options))) {}
Session::~Session() = default;

void Session::follow_window(std::string resize_path) {
    if (!impl_->options.tty || !is_terminal(STDOUT_FILENO)) { return; }
    impl_->resize_path = std::move(resize_path);
    impl_->catch_signals();
    impl_->scope.spawn(Impl::first_resize(impl_.get()));
}

void Session::redraw_window(std::string resize_path) {
    if (!impl_->options.tty || !is_terminal(STDOUT_FILENO)) { return; }
    impl_->resize_path = std::move(resize_path);
    impl_->catch_signals();
    impl_->scope.spawn(Impl::resize_twice(impl_.get()));
}

void Session::follow_signals(std::string kill_path) {
    if (!impl_->options.proxy_signals) { return; }
    impl_->kill_path = std::move(kill_path);
    impl_->catch_signals();
}

void Session::begin(client::Client::Hijacked connection) {
    Impl* self = impl_.get();
    self->stream = std::move(connection.stream);
    // Older daemons do not say whether they multiplex: without a terminal they do.
    const bool framed = connection.content_type == "application/vnd.docker.multiplexed-stream" ||
                        !self->options.tty;
    if (self->options.tty && self->options.input) { self->raw = RawMode::enter(STDIN_FILENO); }
    self->scope.spawn(Impl::copy_output(self, framed));
    if (self->options.input) { self->scope.spawn(Impl::copy_input(self)); }
}

net::Task<Result<SessionEnd>> Session::end() {
    Impl* self = impl_.get();
    net::Until never;
    while (!self->end) { co_await self->ended.wait(never); }
    self->raw.reset();
    self->stream->close();
    co_return std::move(*self->end);
}

} // namespace shoal::cli
