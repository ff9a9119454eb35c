// Contexts that come as a tar beside the build that needs them: through the session of a client
// that steers its build (buildx), or as the body of a second POST /build (the docker command of
// 18.09 to 20.10). Either becomes a directory for as long as the build takes.
#pragma once

#include "engine/engine.h"
#include "net/signal.h"
#include "net/stream.h"
#include "net/until.h"

#include <map>
#include <memory>
#include <optional>
#include <string>

namespace shoal::api {

/// A tar from a stream, unpacked into a directory of its own.
class UploadContext {
  public:
    explicit UploadContext(engine::Engine& engine) : engine_(engine) {}
    /// Reads `from` to its end. Fails: Invalid for what is no archive; what the stream says.
    net::Task<Result<std::string>> receive(net::StreamPtr from, net::Until until);
    net::Task<void> remove();

  private:
    engine::Engine& engine_;
    std::string path_;
};

/// Where two requests of one build meet, whichever comes first.
class BuildUploads {
  public:
    explicit BuildUploads(net::Loop& loop) : loop_(loop) {}

    struct Meeting {
        explicit Meeting(net::Loop& loop) : arrived(loop), used(loop) {}
        std::optional<Result<std::string>> path;
        bool coming = false; ///< somebody is sending it
        bool taken = false;  ///< a build reads it: it must stay until `used`
        net::Flag arrived;   ///< `path` is set
        net::Flag used;      ///< the build has ended
    };
    /// Fails: Unavailable for too many.
    Result<std::shared_ptr<Meeting>> meet(const std::string& id);
    /// By the build, when it needs the directory no more, and by an upload that nobody wants. Again
    /// is fine.
    void leave(const std::string& id);

  private:
    net::Loop& loop_;
    std::map<std::string, std::shared_ptr<Meeting>> all_;
};

} // namespace shoal::api
