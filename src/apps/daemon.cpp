// shoald: the daemon. Its other face is the storage helper, a short-lived process of the same
// program.
#include "api/server.h"
#include "volume/helper.h"

#include <string>
#include <vector>

int main(int argc, char** argv) {
    const std::vector<std::string> args(argv + 1, argv + argc);
    if (!args.empty() && args.front() == shoal::volume::helper_argument) {
        return shoal::volume::helper_main();
    }
    return shoal::api::run_daemon(args);
}
