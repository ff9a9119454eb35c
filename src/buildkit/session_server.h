// The client's side of a session: answers the daemon's calls for directories, secrets and agents,
// and takes results, over a connection that POST /session has upgraded. `shoal build` uses it.
// See session.h for the daemon's side.
#pragma once

#include "net/loop.h"
#include "net/stream.h"
#include "net/task.h"
#include "net/until.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace shoal::buildkit {

struct Offered {
    std::map<std::string, std::string> directories; ///< "context", "dockerfile", named ones -> path
    std::map<std::string, std::string> secrets;     ///< id -> value
    std::map<std::string, std::string> agents;      ///< id -> path of the agent's socket
    std::optional<std::string> output_directory;    ///< where a tree goes
    std::optional<int> output_fd;                   ///< where a file goes; stays the caller's
    std::function<void(std::int64_t bytes)> sent;   ///< bytes of files sent so far
};

/// The methods to announce in X-Docker-Expose-Session-Grpc-Method.
std::vector<std::string> methods_of(const Offered& offered);

/// Until the connection ends or `until`. A path asked for outside of an offered directory is
/// refused.
net::Task<Result<void>> serve_session(net::Loop& loop, net::StreamPtr stream, Offered offered,
                                      net::Until until);

} // namespace shoal::buildkit
