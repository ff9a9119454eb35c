// shoald: the daemon. Its other faces are the registry server, and the storage helper, a
// short-lived process of the same program.
#include "api/server.h"
#include "registry/server/server.h"
#include "volume/helper.h"

#include <cstdlib>
#include <string>
#include <vector>

namespace {

std::string environment(const char* upper, const char* lower) {
    const char* value = std::getenv(upper);
    if (value == nullptr || *value == '\0') { value = std::getenv(lower); }
    return value == nullptr ? "" : value;
}

} // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> args(argv + 1, argv + argc);
    if (!args.empty() && args.front() == shoal::volume::helper_argument) {
        return shoal::volume::helper_main();
    }
    if (!args.empty() && args.front() == "registry") {
        const shoal::registry::ProxySettings proxy{environment("HTTP_PROXY", "http_proxy"),
                                                   environment("HTTPS_PROXY", "https_proxy"),
                                                   environment("NO_PROXY", "no_proxy")};
        return shoal::registry::run_registry({args.begin() + 1, args.end()}, proxy);
    }
    return shoal::api::run_daemon(args);
}
