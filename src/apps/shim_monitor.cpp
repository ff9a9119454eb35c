#include "shim_monitor.h"

#include "shim_log.h"
#include "shim_runtime.h"

#include "base/text.h"
#include "base/time.h"
#include "container/log_format.h"
#include "os/file.h"
#include "os/pidfd.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <list>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace shoal::shim {
namespace {

using container::Frame;
using container::ShimPhase;

constexpr std::size_t chunk_bytes = 32 * 1024;
constexpr std::size_t client_buffer_max =
    256 * 1024; ///< unread output of one client that holds the container back
constexpr std::size_t input_buffer_max = 64 * 1024;
constexpr int drain_quiet_ms =
    300; ///< after the end: silence of pipes that somebody else still holds
constexpr int flush_limit_ms =
    60000; ///< after the end: a client that takes nothing for that long is dropped
constexpr int exec_limit_ms = 1000; ///< from the start's word to the program's first instruction
constexpr int init_looks_max = 200; ///< one a millisecond
constexpr int children_limit_ms = 2000; ///< after the end: for what a failed runtime left to us
constexpr std::size_t clients_max = 256;

struct Client {
    os::Fd fd;
    container::FrameDecoder decoder;
    bool control = false; ///< the daemon that started us
    bool watching = false;
    bool attached = false;
    container::AttachRequest want;
    bool input_ended = false;
    bool dead = false;
    std::string out;
};

/// One direction of the container's output.
struct Output {
    os::Fd fd;
    bool is_stderr = false;
    container::LineSplitter splitter;
};

void set_nonblocking(int fd) { (void)::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

Instant now() {
    timespec at{};
    ::clock_gettime(CLOCK_REALTIME, &at);
    return from_unix_nanos(at.tv_sec * 1'000'000'000LL + at.tv_nsec);
}

std::int64_t steady_ms() {
    timespec at{};
    ::clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000LL + at.tv_nsec / 1'000'000;
}

/// Receives the terminal's master from the runtime.
os::Fd receive_terminal(const os::Fd& listener) {
    const os::Fd connection(::accept4(listener.raw(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) { return {}; }
    char name[256];
    iovec part{name, sizeof name};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(connection.raw(), &message, MSG_CMSG_CLOEXEC) <= 0) { return {}; }
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) { return {}; }
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return os::Fd(fd);
}

class Monitor {
  public:
    Monitor(container::ShimConfig config, os::Fd control) : config_(std::move(config)) {
        Client first;
        first.fd = std::move(control);
        first.control = true;
        first.watching = true;
        set_nonblocking(first.fd.raw());
        clients_.push_back(std::move(first));
    }

    /// Before the daemon is let go: from its answer on, the socket takes connections.
    bool open() {
        if (::chdir(config_.directory.c_str()) != 0) { return false; }
        directory_ = os::Fd(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
        listener_ = listen_on(std::string(container::shim_socket_name));
        return directory_ && listener_;
    }

    int run() {
        if (!prepare()) { return 5; }
        const bool is_run = config_.mode == container::ShimConfig::Mode::Run;
        if (is_run) {
            sink_ = make_sink(config_, ::getpid());
            if (auto opened = sink_->open(); !opened) {
                return fail(std::string(container::log_failure_prefix) + opened.error().message);
            }
            if (auto created = launch(); !created) { return fail(created.error().message); }
            state_.phase = ShimPhase::Created;
            tell_state();
        }
        while (!finished()) { turn(); }
        return 0;
    }

  private:
    bool prepare() {
        (void)::setsid();
        (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
        (void)::signal(SIGPIPE, SIG_IGN);
        (void)::umask(022);
        sigset_t mask;
        sigemptyset(&mask);
        for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) { sigaddset(&mask, signal); }
        (void)::sigprocmask(SIG_BLOCK, &mask, nullptr);
        signals_ = os::Fd(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
        std::string pid = std::to_string(::getpid());
        if (auto self = os::identify_process(::getpid())) {
            pid += " " + std::to_string(self->start_time);
        }
        pid += "\n";
        return signals_ &&
               os::write_file_atomic(std::string(container::shim_pid_name), pid, {.mode = 0600});
    }

    /// A listening socket in the working directory; relative, since absolute paths may be too long
    /// for one.
    static os::Fd listen_on(const std::string& name) {
        os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, name.c_str(), sizeof address.sun_path - 1);
        (void)::unlink(name.c_str());
        const mode_t old = ::umask(0177);
        const bool bound =
            ::bind(fd.raw(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        (void)::umask(old);
        if (!bound || ::listen(fd.raw(), 64) != 0) { return {}; }
        return fd;
    }

    // --- starting ---

    Result<void> launch() {
        os::Fd container_in, container_out, container_err;
        os::Fd terminal;
        std::vector<std::string> command = runtime_command(config_);
        const bool is_run = config_.mode == container::ShimConfig::Mode::Run;
        const std::string pid_file = config_.directory + "/runtime.pid";
        if (is_run) {
            command.insert(command.end(),
                           {"create", "--bundle", config_.bundle, "--pid-file", pid_file});
            if (config_.no_pivot) { command.push_back("--no-pivot"); }
        } else {
            command.insert(command.end(), {"exec", "--process", config_.process_file, "--pid-file",
                                           pid_file, "--detach"});
        }
        if (config_.tty) {
            terminal = listen_on("console.sock");
            if (!terminal) { return os_error("listen for the terminal", errno); }
            // Through /proc, so that neither the length of the path nor the runtime's working
            // directory matters.
            command.insert(command.end(), {"--console-socket",
                                           "/proc/" + std::to_string(::getpid()) + "/fd/" +
                                               std::to_string(directory_.raw()) + "/console.sock"});
            (void)::fcntl(terminal.raw(), F_SETFL, 0);
        } else if (!config_.detach) {
            TRY(make_pipes(container_in, container_out, container_err));
        }
        command.push_back(config_.container_id);
        os::Fd held;
        if (is_run) {
            int ends[2];
            if (::pipe2(ends, O_CLOEXEC) != 0) { return os_error("pipe", errno); }
            before_exec_ = os::Fd(ends[0]);
            held = os::Fd(ends[1]);
        }
        const int status = run_program(
            command, {container_in.raw(), container_out.raw(), container_err.raw(), held.raw()});
        if (status != 0) {
            std::string error = take_runtime_error(config_);
            if (error.empty()) { error = last_words(); }
            if (error.empty()) {
                error = config_.runtime + ": ended with wait status " + std::to_string(status);
            }
            return internal(error);
        }
        if (config_.tty) { TRY(adopt_terminal(terminal)); }
        return adopt_init(pid_file);
    }

    /// What a runtime that wrote no log has said on the container's error output.
    std::string last_words() {
        char text[4096];
        for (Output& output : outputs_) {
            if (!output.is_stderr) { continue; }
            const ssize_t got = ::read(output.fd.raw(), text, sizeof text);
            if (got > 0) {
                return std::string(trim(std::string_view(text, static_cast<std::size_t>(got))));
            }
        }
        return "";
    }

    Result<void> make_pipes(os::Fd& in, os::Fd& out, os::Fd& err) {
        int ends[2];
        if (config_.open_stdin) {
            if (::pipe2(ends, O_CLOEXEC) != 0) { return os_error("pipe", errno); }
            in = os::Fd(ends[0]);
            input_ = os::Fd(ends[1]);
            set_nonblocking(input_.raw());
        }
        for (os::Fd* end : {&out, &err}) {
            if (::pipe2(ends, O_CLOEXEC) != 0) { return os_error("pipe", errno); }
            *end = os::Fd(ends[1]);
            outputs_.emplace_back();
            outputs_.back().fd = os::Fd(ends[0]);
            outputs_.back().is_stderr = end == &err;
            set_nonblocking(ends[0]);
        }
        return ok();
    }

    Result<void> adopt_terminal(const os::Fd& listener) {
        os::Fd master = receive_terminal(listener);
        (void)::unlink("console.sock");
        if (!master) { return internal("the runtime gave no terminal"); }
        set_nonblocking(master.raw());
        if (config_.console.height > 0 || config_.console.width > 0) {
            resize(master.raw(), config_.console);
        }
        outputs_.emplace_back();
        outputs_.back().fd = os::Fd(::fcntl(master.raw(), F_DUPFD_CLOEXEC, 3));
        input_ = std::move(master);
        return ok();
    }

    Result<void> adopt_init(const std::string& pid_file) {
        TRY_LET(text, os::read_file(pid_file, 64));
        const auto pid = parse_number<int>(trim(text));
        if (!pid) { return internal("the runtime wrote no process number"); }
        init_ = *pid;
        state_.pid = *pid;
        // A process that has ended already is a zombie of ours: its number is still its own.
        if (auto identity = os::identify_process(*pid)) {
            state_.start_time = identity->start_time;
        }
        const std::string line =
            std::to_string(init_) + " " + std::to_string(state_.start_time) + "\n";
        return os::write_file_atomic(std::string(container::init_name), line, {.mode = 0600});
    }

    static void resize(int fd, container::TerminalSize size) {
        const winsize window{size.height, size.width, 0, 0};
        (void)::ioctl(fd, TIOCSWINSZ, &window);
    }

    /// The run never began: everybody is told, and it is written down.
    int fail(const std::string& error) {
        exit_ = container::ShimExit{};
        exit_->code = 128;
        exit_->error = error;
        exit_->at = now();
        for (Client& client : clients_) {
            send(client, container::encode_frame(Frame::Failed, error.substr(0, 8192)));
        }
        finish_exit();
        while (!finished()) { turn(); }
        return 0;
    }

    // --- talking ---

    void send(Client& client, std::string_view bytes) {
        if (!client.dead) { client.out.append(bytes); }
    }

    void tell_state() {
        state_.dropped_lines = sink_ ? sink_->dropped() : 0;
        const std::string frame =
            container::encode_frame(Frame::State, container::encode_state(state_));
        for (Client& client : clients_) {
            if (client.watching) { send(client, frame); }
        }
    }

    void answer(Client& client, const Result<void>& result) {
        send(client, result ? container::encode_frame(Frame::Done)
                            : container::encode_frame(Frame::Failed,
                                                      result.error().message.substr(0, 8192)));
    }

    Result<void> start() {
        if (state_.phase == ShimPhase::Running || exit_) { return conflict("started already"); }
        if (config_.mode == container::ShimConfig::Mode::Run) {
            TRY(start_created(config_));
            wait_for_exec();
        } else {
            TRY(launch());
        }
        state_.phase = ShimPhase::Running;
        state_.started_at = now();
        tell_state();
        return ok();
    }

    /// "Started" means that the program itself is there: a signal sent before would meet the
    /// runtime's code and be lost. crun's waiting process holds the other end of this pipe until it
    /// becomes the program; other runtimes let go earlier, and are believed when they say so.
    void wait_for_exec() {
        pollfd end{before_exec_.raw(), POLLIN, 0};
        (void)::poll(&end, 1, exec_limit_ms);
        before_exec_.reset();
        // An init does nothing before it blocks its signals, which takes it no time worth the name.
        for (int i = 0; config_.init && i < init_looks_max && !blocks_signals(); ++i) {
            (void)::poll(nullptr, 0, 1);
        }
    }

    bool blocks_signals() const {
        auto text = os::read_file("/proc/" + std::to_string(init_) + "/status", 64 * 1024);
        const auto at = text ? text->find("\nSigBlk:\t") : std::string::npos;
        return at == std::string::npos ||
               text->substr(at + 9, 16).find_first_not_of('0') != std::string::npos;
    }

    Result<void> signal_init(std::string_view payload) {
        TRY_LET(number, container::decode_signal(payload));
        if (init_ <= 0 || ended_) { return Error{Errc::NotFound, "the process has ended"}; }
        if (::kill(init_, number) != 0) { return os_error("signal", errno); }
        return ok();
    }

    void handle(Client& client, const container::FrameDecoder::Item& item) {
        switch (item.type) {
        case Frame::Attach: {
            auto want = container::decode_attach(item.payload);
            if (want) {
                client.attached = true;
                client.want = *want;
            }
            return answer(client, want ? ok() : Result<void>(std::move(want).error()));
        }
        case Frame::Start: {
            auto started = start();
            const bool failed =
                !started && config_.mode == container::ShimConfig::Mode::Exec && !exit_;
            answer(client, started);
            if (failed) {
                exit_ = container::ShimExit{};
                exit_->code = 126;
                exit_->error = started.error().message;
                exit_->at = now();
                finish_exit();
            }
            return;
        }
        case Frame::Resize:
            if (auto size = container::decode_resize(item.payload); size && config_.tty) {
                config_.console = *size; // of the terminal that is still to come
                if (input_) { resize(input_.raw(), *size); }
            }
            return answer(client, ok());
        case Frame::CloseStdin:
            close_input_ = true;
            return answer(client, ok());
        case Frame::Signal:
            return answer(client, signal_init(item.payload));
        case Frame::Watch:
            client.watching = true;
            send(client, container::encode_frame(Frame::State, container::encode_state(state_)));
            return;
        default:
            client.dead = true;
        }
    }

    void read_client(Client& client) {
        char buffer[16 * 1024];
        const ssize_t got = ::read(client.fd.raw(), buffer, sizeof buffer);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) { return; }
        if (got <= 0) {
            client.input_ended = true;
            if (got < 0 || !client.attached) { client.dead = true; }
            if (client.attached && client.want.in && config_.stdin_once) { close_input_ = true; }
            return;
        }
        const std::string_view bytes(buffer, static_cast<std::size_t>(got));
        if (client.attached) {
            if (client.want.in && !close_input_) { input_buffer_.append(bytes); }
            return;
        }
        client.decoder.feed(bytes);
        auto item = client.decoder.next();
        for (; item && *item && !client.attached; item = client.decoder.next()) {
            handle(client, **item);
        }
        if (!item) { client.dead = true; }
    }

    void write_client(Client& client) {
        const ssize_t sent = ::send(client.fd.raw(), client.out.data(), client.out.size(),
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) { client.dead = true; }
        if (sent > 0) {
            client.out.erase(0, static_cast<std::size_t>(sent));
            last_progress_ms_ = steady_ms();
        }
    }

    void accept_clients() {
        for (;;) {
            os::Fd fd(::accept4(listener_.raw(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (!fd) { return; }
            if (clients_.size() >= clients_max) { continue; }
            clients_.emplace_back();
            clients_.back().fd = std::move(fd);
        }
    }

    // --- the container's streams ---

    void take_output(Output& output, std::string_view bytes) {
        if (sink_) {
            const Instant at = now();
            output.splitter.feed(bytes, [&](std::string_view text, bool partial) {
                sink_->write({at, output.is_stderr, partial, text});
            });
            sink_->commit();
        }
        const auto header =
            container::encode_frame_header(output.is_stderr ? Frame::Stderr : Frame::Stdout,
                                           static_cast<std::uint32_t>(bytes.size()));
        for (Client& client : clients_) {
            if (!client.attached || !(output.is_stderr ? client.want.err : client.want.out)) {
                continue;
            }
            if (!client.want.raw) { send(client, std::string_view(header.data(), header.size())); }
            send(client, bytes);
        }
    }

    /// False at the end of the stream.
    bool read_output(Output& output) {
        static char buffer[chunk_bytes];
        const ssize_t got = ::read(output.fd.raw(), buffer, sizeof buffer);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) { return true; }
        if (got <= 0) { return false; } // a terminal without processes gives EIO
        last_output_ms_ = steady_ms();
        take_output(output, std::string_view(buffer, static_cast<std::size_t>(got)));
        return true;
    }

    void close_output(Output& output) {
        output.fd.reset();
        if (!sink_) { return; }
        output.splitter.finish([&](std::string_view text, bool) {
            sink_->write({now(), output.is_stderr, true, text});
        });
        sink_->commit();
    }

    void write_input() {
        if (!input_) {
            input_buffer_.clear();
            return;
        }
        if (!input_buffer_.empty()) {
            const ssize_t sent = ::write(input_.raw(), input_buffer_.data(), input_buffer_.size());
            if (sent > 0) { input_buffer_.erase(0, static_cast<std::size_t>(sent)); }
            if (sent < 0 && errno != EAGAIN && errno != EINTR) {
                input_buffer_.clear();
                if (!config_.tty) { input_.reset(); }
            }
        }
        if (input_buffer_.empty() && close_input_ && input_ && !config_.tty) { input_.reset(); }
    }

    bool held_back() const {
        return (sink_ && sink_->full()) ||
               std::any_of(clients_.begin(), clients_.end(), [](const Client& client) {
                   return client.attached && client.out.size() > client_buffer_max;
               });
    }

    // --- the end ---

    void reap() {
        signalfd_siginfo info{};
        while (::read(signals_.raw(), &info, sizeof info) > 0) {}
        int status = 0;
        for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
             pid = ::waitpid(-1, &status, WNOHANG)) {
            if (pid != init_) { continue; }
            ended_ = true;
            last_output_ms_ = steady_ms();
            exit_code_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
            exit_signal_ = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
            ended_at_ = now();
        }
    }

    bool was_out_of_memory() const {
        if (config_.oom_file.empty()) { return false; }
        auto text = os::read_file(config_.oom_file, 64 * 1024);
        if (!text) { return false; }
        for (const auto& line : split(*text, '\n')) {
            const auto [key, count] = cut(line, ' ');
            if (key == "oom_kill") {
                return parse_number<std::uint64_t>(trim(count)).value_or(0) > 0;
            }
        }
        return false;
    }

    void finish_run() {
        for (Output& output : outputs_) {
            if (output.fd) { close_output(output); }
        }
        exit_ = container::ShimExit{};
        exit_->code = exit_code_;
        exit_->signal = exit_signal_;
        exit_->oom = was_out_of_memory();
        exit_->at = ended_at_;
        exit_->dropped_lines = sink_ ? sink_->dropped() : 0;
        finish_exit();
    }

    void finish_exit() {
        state_.phase = ShimPhase::Exited;
        (void)os::write_file_atomic(std::string(container::exit_name), container::exit_json(*exit_),
                                    {.mode = 0600});
        (void)::unlink(std::string(container::shim_socket_name).c_str());
        listener_.reset();
        input_.reset();
        const std::string frame =
            container::encode_frame(Frame::Exited, container::encode_exit(*exit_));
        for (Client& client : clients_) {
            if (client.watching) { send(client, frame); }
        }
        last_progress_ms_ = steady_ms();
    }

    /// The daemon went away before it said start: nobody else will, and its successor knows nothing
    /// of this run.
    void abandon() {
        if (exit_ || ended_ || state_.phase == ShimPhase::Running) { return; }
        if (init_ > 0) {
            (void)::kill(init_, SIGKILL);
            return;
        }
        exit_ = container::ShimExit{};
        exit_->code = 128;
        exit_->error = "the daemon went away before the start";
        exit_->at = now();
        finish_exit();
    }

    bool finished() {
        if (std::any_of(clients_.begin(), clients_.end(),
                        [](const Client& client) { return client.dead && client.control; })) {
            abandon();
        }
        std::erase_if(clients_, [](const Client& client) { return client.dead; });
        if (!exit_) { return false; }
        const bool empty = std::all_of(clients_.begin(), clients_.end(),
                                       [](const Client& client) { return client.out.empty(); });
        const bool logged = !sink_ || !sink_->pending();
        const std::int64_t quiet_ms = steady_ms() - last_progress_ms_;
        return (empty && logged && (childless() || quiet_ms > children_limit_ms)) ||
               quiet_ms > flush_limit_ms;
    }

    /// A zombie left to the machine's own init would hold its container's process namespace until
    /// that one cares.
    static bool childless() {
        pid_t pid = 1;
        while (pid > 0) { pid = ::waitpid(-1, nullptr, WNOHANG); }
        return pid < 0;
    }

    // --- one turn of the loop ---

    int timeout_ms() const {
        if (exit_) { return 1000; }
        return ended_ ? drain_quiet_ms : -1;
    }

    void turn() {
        std::vector<pollfd> polled;
        const bool open = !held_back();
        polled.push_back({signals_.raw(), POLLIN, 0});
        polled.push_back({listener_ ? listener_.raw() : -1, POLLIN, 0});
        const bool input_waits = input_ && !input_buffer_.empty();
        polled.push_back({input_waits ? input_.raw() : -1, POLLOUT, 0});
        polled.push_back({sink_ && sink_->pending() ? sink_->waiting_fd() : -1, POLLOUT, 0});
        for (const Output& output : outputs_) {
            polled.push_back({output.fd && open ? output.fd.raw() : -1, POLLIN, 0});
        }
        const std::size_t first_client = polled.size();
        for (const Client& client : clients_) {
            short events = client.out.empty() ? 0 : POLLOUT;
            if (!client.input_ended && input_buffer_.size() < input_buffer_max) {
                events |= POLLIN;
            }
            polled.push_back({client.fd.raw(), events, 0});
        }
        if (::poll(polled.data(), polled.size(), timeout_ms()) < 0 && errno != EINTR) {
            ::_exit(6);
        }

        if (polled[0].revents != 0) { reap(); }
        if (polled[3].revents != 0) { sink_->on_writable(); }
        std::size_t index = 4;
        for (Output& output : outputs_) {
            if (polled[index++].revents != 0 && output.fd && !read_output(output)) {
                close_output(output);
            }
        }
        index = first_client;
        for (Client& client : clients_) {
            const short events = polled[index++].revents;
            if ((events & POLLOUT) != 0) { write_client(client); }
            if ((events & POLLIN) != 0) { read_client(client); }
            if ((events & (POLLHUP | POLLERR)) != 0 && (events & POLLIN) == 0) {
                client.dead = true;
                if (client.attached && client.want.in && config_.stdin_once) {
                    close_input_ = true;
                }
            }
        }
        write_input();
        // New connections last: `polled` knows only those that were there.
        if (polled[1].revents != 0) { accept_clients(); }
        if (ended_ && !exit_ && drained()) { finish_run(); }
    }

    bool drained() const {
        const bool closed = std::all_of(outputs_.begin(), outputs_.end(),
                                        [](const Output& output) { return !output.fd; });
        return closed || (steady_ms() - last_output_ms_ >= drain_quiet_ms && !held_back());
    }

    container::ShimConfig config_;
    container::ShimState state_;
    std::optional<container::ShimExit> exit_;
    std::unique_ptr<LogSink> sink_;
    os::Fd signals_, listener_, directory_, input_, before_exec_;
    std::vector<Output> outputs_;
    std::list<Client> clients_;
    std::string input_buffer_;
    bool close_input_ = false;
    pid_t init_ = 0;
    bool ended_ = false;
    int exit_code_ = 0, exit_signal_ = 0;
    Instant ended_at_{};
    std::int64_t last_output_ms_ = 0, last_progress_ms_ = 0;
};

} // namespace

int monitor(container::ShimConfig config, os::Fd control) {
    Monitor monitor(std::move(config), std::move(control));
    if (!monitor.open()) { return 5; }
    const pid_t pid = ::fork();
    if (pid < 0) { return 4; }
    if (pid > 0) { return 0; } // the one who started us waits for this, and owns nothing afterwards
    return monitor.run();
}

} // namespace shoal::shim
