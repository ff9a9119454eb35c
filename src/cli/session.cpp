#include "cli/session.h"

#include "base/text.h"
#include "cli/detach_keys.h"
#include "client/frames.h"
#include "net/scope.h"
#include "net/sleep.h"
#include "net/unix_signals.h"

#include <fmt/format.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include <poll.h>
#include <unistd.h>

namespace shoal::cli {
namespace {

constexpr std::size_t piece_bytes = 32 * 1024;
constexpr int resize_attempts_max = 10;
constexpr int interrupts_max = 3;

std::string_view signal_name(int number) {
    switch (number) {
    case SIGHUP: return "HUP";
    case SIGINT: return "INT";
    case SIGQUIT: return "QUIT";
    case SIGTERM: return "TERM";
    case SIGUSR1: return "USR1";
    case SIGUSR2: return "USR2";
    case SIGALRM: return "ALRM";
    case SIGCONT: return "CONT";
    default: return "";
    }
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
        if (written < 0) { return os_error(fd == STDOUT_FILENO ? "write to standard output" : "write to standard error", errno); }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return ok();
}

Result<void> check_input_terminal(bool wants_input, bool tty) {
    if (wants_input && tty && !is_terminal(STDIN_FILENO)) { return invalid("the input device is not a TTY"); }
    return ok();
}

Result<std::string> detach_keys_of(App& app, const Parsed& parsed) {
    std::string text = parsed.text("detach-keys");
    if (text.empty()) { text = app.config_text("detachKeys"); }
    if (text.empty()) { text = default_detach_keys; }
    return parse_detach_keys(text).with("invalid detach keys (" + text + ")");
}

// --- input ---

struct InputPump::Shared {
    explicit Shared(net::Loop& loop_) : loop(loop_), arrived(loop_) {}
    net::Loop& loop;
    net::Signal arrived;
    std::mutex mutex;
    std::condition_variable wanted;
    bool closed = false;
    bool want = false;
    bool started = false;
    std::optional<Result<std::string>> piece;
};

namespace {
void read_input(std::shared_ptr<InputPump::Shared> shared) {
    std::string buffer(piece_bytes, '\0');
    while (true) {
        {
            std::unique_lock lock(shared->mutex);
            shared->wanted.wait(lock, [&] { return shared->want || shared->closed; });
            if (shared->closed) { return; }
            shared->want = false;
        }
        ssize_t got = 0;
        do {
            got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
            if (got < 0 && errno == EAGAIN) {
                pollfd ready{STDIN_FILENO, POLLIN, 0};
                ::poll(&ready, 1, -1);
            }
        } while (got < 0 && (errno == EINTR || errno == EAGAIN));
        std::unique_lock lock(shared->mutex);
        if (shared->closed) { return; }
        if (got < 0) {
            shared->piece.emplace(os_error("read standard input", errno));
        } else {
            shared->piece.emplace(buffer.substr(0, static_cast<std::size_t>(got)));
        }
        shared->loop.post([shared] { shared->arrived.raise(); });
        if (got <= 0) { return; }
    }
}
} // namespace

InputPump::InputPump(net::Loop& loop) : shared_(std::make_shared<Shared>(loop)) {}

InputPump::~InputPump() {
    const std::lock_guard lock(shared_->mutex);
    shared_->closed = true;
    shared_->wanted.notify_all();
}

net::Task<Result<std::string>> InputPump::next(net::Until until) {
    auto shared = shared_;
    if (!shared->started) {
        shared->started = true;
        std::thread(read_input, shared).detach();
    }
    {
        const std::lock_guard lock(shared->mutex);
        shared->want = true;
        shared->wanted.notify_all();
    }
    while (true) {
        {
            const std::lock_guard lock(shared->mutex);
            if (shared->piece) {
                auto piece = std::move(*shared->piece);
                shared->piece.reset();
                co_return piece;
            }
        }
        const net::Wake wake = co_await shared->arrived.wait(until);
        if (wake != net::Wake::Raised) { co_return to_result(wake, "read standard input").error(); }
    }
}

// --- session ---

struct Session::Impl {
    Impl(App& app_, client::Client& client_, SessionOptions options_)
        : app(app_), client(client_), options(std::move(options_)), ended(client_.loop()), input(client_.loop()), scope(client_.loop()) {}

    App& app;
    client::Client& client;
    SessionOptions options;
    net::Signal ended;
    InputPump input;
    std::unique_ptr<net::UnixSignals> signals;
    std::unique_ptr<RawMode> raw;
    net::StreamPtr stream;
    std::optional<Result<SessionEnd>> end;
    int interrupts = 0;
    bool follows_window = false;
    bool forwards_signals = false;
    net::TaskScope scope; ///< last: its tasks use everything above

    void finish(Result<SessionEnd> how) {
        if (!end) { end.emplace(std::move(how)); }
        ended.raise();
    }
    void catch_signals() {
        if (signals) { return; }
        signals = std::make_unique<net::UnixSignals>(
            client.loop(), options.proxy_signals
                ? std::vector<int>{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGWINCH}
                : std::vector<int>{SIGWINCH});
        scope.spawn(take_signals(this));
    }

    static net::Task<void> take_signals(Impl* self);
    static net::Task<void> copy_output(Impl* self, bool framed);
    static net::Task<void> copy_input(Impl* self);
    static net::Task<bool> resize(Impl* self);
    static net::Task<void> first_resize(Impl* self);
};

net::Task<bool> Session::Impl::resize(Impl* self) {
    const WindowSize size = window_size(STDOUT_FILENO);
    if (size.rows == 0 && size.columns == 0) { co_return true; }
    client::Request request = client::post(self->options.resize_path, {{"h", std::to_string(size.rows)}, {"w", std::to_string(size.columns)}});
    net::Until until(self->scope.cancel());
    auto done = co_await self->client.call_async(std::move(request), until);
    co_return done.has_value();
}

net::Task<void> Session::Impl::first_resize(Impl* self) {
    for (int attempt = 0; attempt < resize_attempts_max; ++attempt) {
        const bool done = co_await resize(self);
        if (done) { co_return; }
        net::Until pause(Deadline::in(std::chrono::milliseconds(10 * (attempt + 1))), self->scope.cancel());
        co_await net::sleep(self->client.loop(), pause);
    }
}

net::Task<void> Session::Impl::take_signals(Impl* self) {
    net::Until until(self->scope.cancel());
    while (true) {
        auto number = co_await self->signals->next(until);
        if (!number) { co_return; }
        if (*number == SIGWINCH) {
            if (self->follows_window) { co_await resize(self); }
            continue;
        }
        if (*number == SIGINT || *number == SIGTERM) {
            if (++self->interrupts >= interrupts_max) {
                self->raw.reset();
                self->app.error_line("\ngot 3 SIGTERM/SIGINTs, forcefully exiting");
                self->app.flush();
                std::_Exit(1);
            }
        }
        if (!self->forwards_signals) { continue; }
        client::Request request = client::post(self->options.kill_path, {{"signal", std::string(signal_name(*number))}});
        auto sent = co_await self->client.call_async(std::move(request), until);
        (void)sent; // the process may have ended meanwhile
    }
}

net::Task<void> Session::Impl::copy_output(Impl* self, bool framed) {
    std::string buffer(piece_bytes, '\0');
    const SessionOptions& options = self->options;
    client::FrameReader frames([&options](client::Channel channel, std::string_view bytes) -> Result<void> {
        if (channel == client::Channel::Stderr) { return options.errors ? write_out(STDERR_FILENO, bytes) : ok(); }
        return options.output ? write_out(STDOUT_FILENO, bytes) : ok();
    });
    net::Until until(self->scope.cancel());
    while (true) {
        auto got = co_await self->stream->read_some(buffer, until);
        if (!got) { co_return self->finish(std::move(got).error()); }
        if (*got == 0) { co_return self->finish(SessionEnd::OutputEnded); }
        const std::string_view bytes(buffer.data(), *got);
        auto taken = framed ? frames.feed(bytes) : options.output ? write_out(STDOUT_FILENO, bytes) : ok();
        if (!taken) { co_return self->finish(std::move(taken).error()); }
    }
}

net::Task<void> Session::Impl::copy_input(Impl* self) {
    DetachKeys keys(self->options.tty ? self->options.detach_keys : std::string());
    net::Until until(self->scope.cancel());
    while (true) {
        auto piece = co_await self->input.next(until);
        if (!piece || piece->empty()) { break; }
        DetachKeys::Step step = keys.feed(*piece);
        if (!step.forward.empty()) {
            auto sent = co_await self->stream->write_all(step.forward, until);
            if (!sent) { co_return; } // the process does not read any more; its output goes on
        }
        if (step.detached) { co_return self->finish(SessionEnd::Detached); }
    }
    auto shut = co_await self->stream->shutdown_write(until);
    (void)shut;
    if (!self->options.output && !self->options.errors) { self->finish(SessionEnd::OutputEnded); }
}

Session::Session(App& app, client::Client& client, SessionOptions options)
    : impl_(std::make_unique<Impl>(app, client, std::move(options))) {}
Session::~Session() = default;

void Session::follow_window() {
    if (!impl_->options.tty || !is_terminal(STDOUT_FILENO)) { return; }
    impl_->follows_window = true;
    impl_->catch_signals();
    impl_->scope.spawn(Impl::first_resize(impl_.get()));
}

void Session::follow_signals() {
    if (!impl_->options.proxy_signals) { return; }
    impl_->forwards_signals = true;
    impl_->catch_signals();
}

net::Task<Result<SessionEnd>> Session::run(client::Client::Hijacked connection) {
    Impl* self = impl_.get();
    self->stream = std::move(connection.stream);
    // Older daemons do not say whether they multiplex: without a terminal they do.
    const bool framed = connection.content_type == "application/vnd.docker.multiplexed-stream" || !self->options.tty;
    if (self->options.tty && self->options.input) { self->raw = RawMode::enter(STDIN_FILENO); }
    self->scope.spawn(Impl::copy_output(self, framed));
    if (self->options.input) { self->scope.spawn(Impl::copy_input(self)); }
    net::Until never;
    while (!self->end) { co_await self->ended.wait(never); }
    self->raw.reset();
    self->stream->close();
    co_return std::move(*self->end);
}

} // namespace shoal::cli
