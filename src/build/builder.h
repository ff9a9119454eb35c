// Builder: makes images from Dockerfiles. It owns the build cache and the cache mounts, plans the
// stages, runs their steps side by side where they do not need each other, and enters the result
// into the engine's images. Steps that run programs are ordinary containers with ordinary rights.
// It knows no HTTP: contexts come as directories or through a session, progress goes to a Listener.
#pragma once

#include "container/config.h"
#include "dockerfile/plan.h"
#include "engine/engine.h"
#include "net/until.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace shoal::buildkit {
class Session;
}

namespace shoal::build {

/// A directory tree that a build may read.
struct ContextSource {
    enum class Kind {
        None,      ///< nothing but the Dockerfile
        Directory, ///< on this machine, unpacked by the caller, who removes it after the build
        Session,   ///< the client's directory `name`, asked for through the session
        Remote,    ///< `name` is a git or http address, fetched by the daemon
        Image,     ///< `name` is an image (named contexts only)
    };
    Kind kind = Kind::None;
    std::string path; ///< of Directory
    std::string name;
};

struct Request {
    ContextSource context;
    std::string dockerfile =
        "Dockerfile"; ///< within the context (session: within the client's directory "dockerfile")
    std::optional<std::string>
        dockerfile_text; ///< the file itself; then `dockerfile` is only its name
    std::map<std::string, ContextSource> contexts; ///< named ones (--build-context)
    std::shared_ptr<buildkit::Session> session;    ///< null for a classic client
    /// Of a classic client, by server as config.json names it; a session is asked instead.
    std::map<std::string, registry::AuthConfig> credentials;

    std::string target;
    std::string platform; ///< "" is this machine's
    dockerfile::BuildArgs args;
    container::Labels labels;
    std::vector<std::string> tags;       ///< "repo[:tag]", checked
    std::vector<std::string> cache_from; ///< images whose steps may be reused
    std::vector<std::string> no_cache_stages;
    bool no_cache = false;
    bool pull = false;
    bool remove = true;        ///< containers of steps that succeeded
    bool force_remove = false; ///< of steps that failed too
    bool squash = false;

    // Of the containers that steps run in.
    std::string network;                  ///< as HostConfig.NetworkMode
    std::vector<std::string> extra_hosts; ///< "name:address"
    container::Resources resources;
    std::int64_t shm_size_bytes = 0;
    std::vector<std::string> security_opts;
};

/// One piece of work that is shown: an instruction, or what surrounds them.
struct Step {
    int id = 0;     ///< from 0, in order of appearance
    int stage = -1; ///< index of the planned stage; -1 for what is no instruction
    std::string stage_name;
    int number = 0; ///< "Step 2/8"; 0 for what is no instruction
    int total = 0;
    std::string text;       ///< "RUN make"
    std::string name;       ///< "[build 2/5] RUN make", "[internal] load build context"
    std::vector<int> needs; ///< ids of steps that come before it
};

struct Event {
    enum class Kind {
        Announced, ///< every step once, before its Started
        Started,
        Cached,    ///< instead of running: found in the cache; Done follows
        Container, ///< `text` is the id of the container that it runs in
        Removed,   ///< `text` is the id of the container, now removed
        Output,    ///< `text` is what the program wrote, any bytes; `error_stream` says where
        Progress,  ///< `current` of `total` bytes; `text` says of what
        Done,      ///< `text` is the id of the image so far ("" for what is no instruction)
        Failed,    ///< `text` is the message
        Notice,    ///< `text` is for the user: a trigger, a skipped stage
        Warning,   ///< `warning` is set; belongs to no step
    };
    Kind kind = Kind::Announced;
    const Step* step = nullptr; ///< null for Warning, and for Notice about the whole build
    std::string text;
    bool error_stream = false;
    std::int64_t current = 0;
    std::int64_t total = 0;
    std::optional<dockerfile::Warning> warning;
    Instant at{};
};

/// Hears of everything, one event at a time; the build waits until on() has ended, so a slow
/// listener slows the build and nothing piles up. Events of steps that run side by side are mixed.
class Listener {
  public:
    virtual ~Listener() = default;
    virtual net::Task<void> on(Event event) = 0;
};

struct Built {
    oci::ImageId id;
    std::vector<std::string> unused_args; ///< --build-arg that nothing consumed
};

/// What an error of a failed RUN carries beside its words, for errorDetail.code.
struct Failure {
    int exit_code = 0;
};

// --- the cache, as `builder prune` and `system df` see it ---

struct CacheRecord {
    std::string id;
    std::string parent; ///< of a step: the record before it
    std::string type;   ///< "regular", "exec.cachemount", "source.local", "source.git.checkout"
    std::string description;
    bool in_use = false;
    bool shared = false;
    std::int64_t size_bytes = 0;
    Instant created{};
    Instant last_used{};
    int usage_count = 0;
};
struct PruneRequest {
    bool all = false; ///< also what images still use (the records, not the images)
    Filters filters;  ///< keys: until unused-for id parent type description inuse shared private
    std::int64_t keep_bytes = 0; ///< keep the most recently used up to this much
    std::int64_t keep_min_bytes = 0;
};
struct Pruned {
    std::vector<std::string> ids;
    std::int64_t reclaimed_bytes = 0;
};

class Builder {
  public:
    explicit Builder(engine::Engine& engine);
    ~Builder();
    Builder(const Builder&) = delete;
    Builder& operator=(const Builder&) = delete;

    /// Reads the cache; removes what a daemon that died in the middle of a build left. Called once,
    /// after the engine's start.
    net::Task<Result<void>> start();
    net::Task<void> stop();

    /// Until the image is there and has its tags. Fails: Invalid for the Dockerfile and the
    /// request; Cancelled; and whatever a step failed with. `failure` (may be null) is filled for a
    /// RUN that ended with a code.
    net::Task<Result<Built>> build(Request request, Listener& listener, Failure* failure,
                                   net::Until until);

    std::vector<CacheRecord> cache() const;
    net::Task<Result<Pruned>> prune(PruneRequest request);

    struct Impl; ///< builder_impl.h, for this folder

  private:
    std::unique_ptr<Impl> impl_;
};

} // namespace shoal::build
