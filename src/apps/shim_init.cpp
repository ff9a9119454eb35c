#include "shim_init.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace shoal::shim {
namespace {

[[noreturn]] void run_child(char** command, const sigset_t& old_mask) {
    (void)::setpgid(0, 0);
    (void)::signal(SIGTTOU, SIG_IGN);
    (void)::tcsetpgrp(0, ::getpgrp()); // the terminal, when there is one
    (void)::signal(SIGTTOU, SIG_DFL);
    (void)::sigprocmask(SIG_SETMASK, &old_mask, nullptr);
    ::execvp(command[0], command);
    std::perror(command[0]);
    ::_exit(errno == ENOENT ? 127 : 126);
}

/// Reaps everything that has ended; true when the child was among it.
bool reap(pid_t child, int& status) {
    bool ended = false;
    int one = 0;
    for (pid_t pid = ::waitpid(-1, &one, WNOHANG); pid > 0; pid = ::waitpid(-1, &one, WNOHANG)) {
        if (pid == child) {
            status = one;
            ended = true;
        }
    }
    return ended;
}

} // namespace

int init_main(int argc, char** argv) {
    int first = 1;
    if (first < argc && std::strcmp(argv[first], "--") == 0) { ++first; }
    if (first >= argc) { return 125; }
    sigset_t all;
    sigset_t old_mask;
    sigfillset(&all);
    (void)::sigprocmask(SIG_SETMASK, &all, &old_mask);
    const pid_t child = ::fork();
    if (child < 0) { return 126; }
    if (child == 0) { run_child(argv + first, old_mask); }
    int status = 0;
    for (;;) {
        int signal = 0;
        (void)::sigwait(&all, &signal);
        if (signal == SIGCHLD) {
            if (reap(child, status)) { break; }
        } else {
            (void)::kill(child, signal);
        }
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

} // namespace shoal::shim
