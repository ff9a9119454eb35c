#include "cli/terminal.h"

#include <cerrno>
#include <csignal>
#include <string>

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace shoal::cli {

bool is_terminal(int fd) { return isatty(fd) == 1; }

WindowSize window_size(int fd) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) != 0) { return {}; }
    return {size.ws_row, size.ws_col};
}

struct RawMode::Saved {
    int fd = -1;
    termios mode{};
};

RawMode::RawMode(std::unique_ptr<Saved> saved) : saved_(std::move(saved)) {}

std::unique_ptr<RawMode> RawMode::enter(int fd) {
    auto saved = std::make_unique<Saved>();
    saved->fd = fd;
    if (!is_terminal(fd) || tcgetattr(fd, &saved->mode) != 0) { return nullptr; }
    termios raw = saved->mode;
    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(fd, TCSANOW, &raw) != 0) { return nullptr; }
    return std::unique_ptr<RawMode>(new RawMode(std::move(saved)));
}

RawMode::~RawMode() { tcsetattr(saved_->fd, TCSANOW, &saved_->mode); }

Result<std::string> read_secret(int fd, std::string_view prompt) {
    termios old{};
    const bool terminal = tcgetattr(fd, &old) == 0;
    if (terminal) {
        termios quiet = old;
        // Ctrl-C comes as the end of a line, or it would leave a terminal behind that shows nothing.
        quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
        quiet.c_cc[VEOL] = old.c_cc[VINTR];
        quiet.c_cc[VEOL2] = old.c_cc[VQUIT];
        tcsetattr(fd, TCSANOW, &quiet);
    }
    if (write(STDOUT_FILENO, prompt.data(), prompt.size()) < 0) {
        return os_error("write to standard output", errno);
    }
    std::string line;
    char c = 0;
    ssize_t got = 0;
    const auto interrupts = [&] {
        return terminal &&
               (c == static_cast<char>(old.c_cc[VINTR]) || c == static_cast<char>(old.c_cc[VQUIT]));
    };
    while ((got = read(fd, &c, 1)) == 1 && c != '\n' && !interrupts()) { line += c; }
    if (terminal) { tcsetattr(fd, TCSANOW, &old); }
    if (got == 1 && c != '\n') {
        std::signal(SIGINT, SIG_DFL);
        std::raise(SIGINT);
    }
    if (got < 0) { return os_error("read from the terminal", errno); }
    if (line.ends_with('\r')) { line.pop_back(); }
    return line;
}

} // namespace shoal::cli
