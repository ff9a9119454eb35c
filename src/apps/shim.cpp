// shoal-shim: the monitor of one container run or one exec. It is the subreaper above the
// container's first process; it owns the pipes or the terminal, writes the log, serves shim.sock,
// and leaves exit.json when all is over. The daemon may come and go. Its other faces: `--runtime
// <path> args` runs the OCI runtime in the view it needs, and under the name docker-init it is the
// first process of a container that asked for one.
#include "shim_init.h"
#include "shim_monitor.h"
#include "shim_runtime.h"

#include "os/file.h"

#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace {

constexpr int control_fd = 3;

int run_runtime(char** arguments) {
    if (arguments[0] == nullptr) { return 125; }
    if (!shoal::shim::enter_runtime_view()) {
        std::perror("enter the runtime's view");
        return 125;
    }
    ::execv(arguments[0], arguments);
    std::perror(arguments[0]);
    return 127;
}

int run_monitor(const char* file) {
    auto text = shoal::os::read_file(file);
    if (!text) { return 2; }
    auto config = shoal::container::parse_shim_config(*text);
    if (!config) { return 3; }
    return shoal::shim::monitor(std::move(*config), shoal::os::Fd(control_fd));
}

} // namespace

int main(int argc, char** argv) {
    const char* slash = std::strrchr(argv[0], '/');
    if (std::strcmp(slash == nullptr ? argv[0] : slash + 1, "docker-init") == 0) {
        return shoal::shim::init_main(argc, argv);
    }
    if (argc >= 2 && std::strcmp(argv[1], "--runtime") == 0) { return run_runtime(argv + 2); }
    if (argc == 2) { return run_monitor(argv[1]); }
    std::fputs("usage: shoal-shim CONFIG | shoal-shim --runtime PATH [ARG ...]\n", stderr);
    return 125;
}
