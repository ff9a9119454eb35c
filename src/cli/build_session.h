// This program's end of a build: what it offers to the daemon while that builds (directories,
// secrets, agents, a place for the result), and the connection on which the daemon asks for it.
#pragma once

#include "buildkit/session_server.h"
#include "cli/build_context.h"
#include "cli/build_options.h"
#include "client/client.h"
#include "os/file.h"

namespace shoal::cli {

struct BuildSession {
    std::string id;
    std::string name;
    std::string shared_key;
    buildkit::Offered offered;
    os::TempDir dockerfile; ///< of a Dockerfile that came from standard input
};

/// Reads the secrets, looks at the agents.
Result<BuildSession> plan_session(const BuildOptions& options, const BuildContext& context);

/// The connection on which buildkit::serve_session() is to answer.
net::Task<Result<net::StreamPtr>> open_session(client::Client* client, const BuildSession* session,
                                               net::Until until);

/// "session:NAME" for a directory of ours, which is then offered; else "remote:ADDRESS" or
/// "image:NAME".
Result<Json> named_contexts(const BuildOptions& options, buildkit::Offered& offered);

} // namespace shoal::cli
