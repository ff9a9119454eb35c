// shoald: the daemon. Its other faces are the registry server, and the storage helper, a short-lived
// process of the same program.
#include "api/server.h"
#include "registry/server/server.h"
#include "volume/helper.h"

#include <string>
#include <vector>

int main(int argc, char** argv) {
    const std::vector<std::string> args(argv + 1, argv + argc);
    if (!args.empty() && args.front() == shoal::volume::helper_argument) {
        return shoal::volume::helper_main();
    }
    if (!args.empty() && args.front() == "registry") {
        return shoal::registry::run_registry({args.begin() + 1, args.end()});
    }
    return shoal::api::run_daemon(args);
}
