// The documents of GET /info and GET /version, made of values: pure, so that a test can read every
// member.
#pragma once

#include "api/host_facts.h"
#include "base/clock.h"
#include "base/json.h"
#include "engine/settings.h"
#include "registry/client/hosts.h"

namespace shoal::api {

struct InfoValues {
    const engine::Settings& settings;
    const HostFacts& facts;
    std::map<std::string, ProgramVersion> programs; ///< "crun", "init"
    std::string id;
    Instant now{};
    int running = 0, paused = 0, stopped = 0, images = 0;
    int open_files = 0, event_listeners = 0, tasks = 0;
    std::string backing_file_system; ///< of the data root: "extfs"
    std::vector<std::string> warnings;
    registry::ProxySettings proxies;
    Json swarm; ///< the member Swarm; null is that of a node outside any swarm
};
Json info_document(const InfoValues& values);
std::vector<std::string> info_warnings(const HostFacts& facts,
                                       const std::vector<std::string>& insecure_hosts);

Json version_document(const HostFacts& facts, const std::map<std::string, ProgramVersion>& programs,
                      int minimum);

} // namespace shoal::api
