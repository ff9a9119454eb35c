// Daemon: what operations that are not about one of the engine's nouns need: the engine, the
// settings as they are now, facts about the machine, metrics, and what the API itself has counted.
// It is filled by api/server.cpp and owns none of it.
#pragma once

#include "api/host_facts.h"
#include "base/clock.h"

#include <map>
#include <memory>
#include <string>

namespace shoal::engine {
class Engine;
struct Settings;
} // namespace shoal::engine

namespace shoal::build {
class Builder;
}
namespace shoal::buildkit {
class Sessions;
}
namespace shoal::swarm {
class Face;
}

namespace shoal::api {

class Meters;
class ContainerTexts;
class BuildJobs;
class BuildUploads;

struct Daemon {
    engine::Engine& engine;
    build::Builder& builder;
    buildkit::Sessions& sessions; ///< clients that offer something to builds
    const engine::Settings& settings;
    const Clock& clock;
    Meters& meters;
    HostFacts facts;
    std::string id; ///< of this installation, kept in the data root
    Instant started{};
    std::string backing_file_system; ///< of the data root
    int event_listeners = 0;
    /// This machine's place in a cluster; null in a daemon without that part.
    swarm::Face* swarm = nullptr;
    std::vector<std::string> insecure_hosts; ///< loopback TCP without TLS: a warning in info
    /// Versions of runtime and init, asked at the first info or version; by name.
    std::map<std::string, ProgramVersion> programs;
    /// What list answers are made of, between requests; made at the first.
    std::shared_ptr<ContainerTexts> container_texts;
    /// Builds of BuildKit's clients; made when the first comes.
    std::shared_ptr<BuildJobs> build_jobs;
    /// Contexts that come by a request of their own; made when the first comes.
    std::shared_ptr<BuildUploads> build_uploads;
};

} // namespace shoal::api
