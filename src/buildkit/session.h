// Session: a client's end of a build, as the daemon sees it. The client opened POST /session and
// now answers calls over that connection (BuildKit's session protocol: gRPC over HTTP/2, the daemon
// being the caller): it sends its directories, secrets, agents, and takes results. Which of these
// it offers it said when it came.
#pragma once

#include "net/stream.h"
#include "net/task.h"
#include "net/until.h"
#include "os/fd.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace shoal::net {
class Pool;
}

namespace shoal::buildkit {

/// What of a client's directory is wanted.
struct SyncRequest {
    std::string name;                 ///< "context", "dockerfile", or a named context's
    std::vector<std::string> include; ///< patterns; empty for all
    std::vector<std::string> exclude; ///< patterns, .dockerignore's
    std::vector<std::string>
        follow_paths; ///< paths whose links are followed, and only what they need is sent
    std::function<void(std::int64_t bytes)> progress; ///< bytes received so far; on the loop
};
struct Synced {
    std::int64_t bytes = 0; ///< received
    std::int64_t files = 0; ///< received
    std::int64_t kept = 0;  ///< were there already
};

/// Where a result goes to at the client.
struct TarOutput {
    std::map<std::string, std::string>
        metadata; ///< header of the call; the exporter's id and the like
};

/// A client's log-in at a registry; an empty name with a secret is an identity token.
struct RegistryLogin {
    std::string name;
    std::string secret;
};

class Session {
  public:
    virtual ~Session() = default;
    virtual const std::string& id() const = 0;
    virtual const std::string&
    shared_key() const = 0; ///< names the directory across builds; may be ""
    virtual bool
    offers(std::string_view method) const = 0; ///< "/moby.filesync.v1.FileSync/DiffCopy"
    /// Ends the connection: a client whose build was refused may wait for that alone.
    virtual void hang_up() = 0;

    /// Makes `directory` (existing, nobody else writes it) equal to what is asked of the client's
    /// directory. Files that are there with the same size, mode, time and link are not sent again;
    /// new ones come beside and are renamed into place, so that hard links to the old ones keep the
    /// old content. Owners become 0:0. Names that lead out, lies about sizes and more than the
    /// limits: Invalid, Exhausted.
    virtual net::Task<Result<Synced>> sync(SyncRequest request, std::string directory,
                                           net::Until until) = 0;
    /// Fails: NotFound when the client does not have it.
    virtual net::Task<Result<std::string>> read_secret(std::string id, net::Until until) = 0;
    /// What the client knows for a registry ("registry-1.docker.io", "host:5000"); empty when it
    /// knows or offers nothing.
    virtual net::Task<Result<RegistryLogin>> registry_login(std::string host, net::Until until) = 0;
    /// What the client has for us at `path` (a tar that came by its standard input), as a stream.
    virtual net::Task<Result<net::StreamPtr>> pull_upload(std::string path, net::Until until) = 0;
    /// A new connection to the client's ssh agent ("default" or an id).
    virtual net::Task<Result<net::StreamPtr>> dial_agent(std::string id, net::Until until) = 0;
    virtual net::Task<Result<void>> check_agent(std::string id, net::Until until) = 0;
    /// Sends all that `input` (read end of a pipe or a file) gives to the client's output file.
    virtual net::Task<Result<void>> send_file(os::Fd input, TarOutput output, net::Until until) = 0;
    /// Sends a directory tree to the client's output directory.
    virtual net::Task<Result<void>> send_tree(std::string directory, TarOutput output,
                                              net::Until until) = 0;
};

/// The sessions that are open. Owned by the daemon; one loop.
class Sessions {
  public:
    Sessions(net::Loop& loop, net::Pool& pool);
    ~Sessions();
    Sessions(const Sessions&) = delete;
    Sessions& operator=(const Sessions&) = delete;

    struct Offer {
        std::string id;
        std::string name;
        std::string shared_key;
        std::vector<std::string> methods;
    };
    /// Whether run() would take it: ask before the connection changes its nature. Fails: Invalid
    /// for an id that is taken or none; Unavailable.
    Result<void> check(const Offer& offer) const;
    /// Serves the connection until it ends. Fails as check() does.
    net::Task<Result<void>> run(net::StreamPtr stream, Offer offer, net::Until until);
    /// The client may still be on its way: waits until it has come. Fails: NotFound after `until`.
    net::Task<Result<std::shared_ptr<Session>>> find(std::string id, net::Until until);

    struct Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

} // namespace shoal::buildkit
